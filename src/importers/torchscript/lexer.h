// Tokens of TorchScript's serialized code, indentation included.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pte::importers::script {

struct Token {
  enum class Kind : uint8_t {
    kName,
    kInt,
    kFloat,
    kImaginary,
    kString,
    kOperator,  // one of ( ) [ ] { } , : . = - -> *
    kNewline,
    kIndent,
    kDedent,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;      // of a string: what it holds
  uint64_t integer = 0;  // of an integer, its magnitude
  double real = 0;
  int line = 0;
};

// Fails with kInvalidData on a character, a literal or an indentation that the subset has not; the
// message gives the line.
Result<std::vector<Token>> tokenize(std::string_view text);

}  // namespace pte::importers::script
