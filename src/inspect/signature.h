// What a method takes and gives, and which calls it makes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "program/program.h"

namespace pte::inspect {

// Counts by name, most frequent first, equal counts by name.
using Counts = std::vector<std::pair<std::string, int64_t>>;
Counts sorted_counts(std::vector<std::string> names);

// Names of a method's inputs as far as its container text tells them: the keys of dictionaries, as
// keyword arguments are. "" where there is none. Always `count` long.
std::vector<std::string> names_from_tree(const std::string& tree, size_t count);

// "float32[1,3,224,224]", "float32[8,5] at most", "Int 3", "TensorList of 2".
std::string value_text(const program::Value& value);

struct Port {
  std::string name;  // often empty
  int32_t value = 0;
};
struct Signature {
  std::vector<Port> inputs;
  std::vector<Port> outputs;
};
Signature signature_of(const program::Method& method);
// "forward(x float32[1,3,640,640]) -> float32[1,84,8400]". Constant methods show what they give:
// "get_n() -> Int 3".
std::string signature_text(const program::Method& method);

size_t instruction_count(const program::Method& method);
// Kernel calls by the operator's name in the file.
Counts operator_counts(const program::Method& method);
// How many instructions call each delegate.
std::vector<int64_t> delegate_calls(const program::Method& method);
// Moves, jumps and frees by kind.
Counts control_counts(const program::Method& method);

// "aten.convolution" of "aten::convolution.out".
std::string short_operator(std::string_view full_name);

}  // namespace pte::inspect
