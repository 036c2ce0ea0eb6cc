// Pickled values as plain JSON, for people and for options: epochs, configurations, class names.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "importers/checkpoint/pickle.h"
#include "tensor/state_dict.h"

namespace pte::importers {

// What a conversion may still use. A pickle can reach one value by very many paths, so the tree is
// bounded however small the file is; what does not fit becomes "…".
struct JsonBudget {
  size_t values = 50'000;
  size_t text = size_t{1} << 20;
  std::optional<uint32_t> omit = {};  // the id of a value that is left out of the dicts it is in
};

// Tensors and objects become short texts such as "<float32[3,4]>" and "<pathlib.PosixPath>".
nlohmann::json to_json(const PickleValue& value, JsonBudget& budget);

// The scalars of a JSON object by dotted path.
std::map<std::string, StateDict::Scalar, std::less<>> flatten_scalars(const nlohmann::json& tree);

bool is_valid_utf8(std::string_view text);
// Valid UTF-8 without control characters, at most `limit` bytes, for messages and keys.
std::string printable(std::string_view text, size_t limit = 200);

}  // namespace pte::importers
