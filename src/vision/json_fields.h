// Typed reads from a JSON object: absent (or null) keeps the default, a wrong type is an error that
// names the field.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace pte::vision {

inline Status read_field(const nlohmann::json& object, const char* key, std::string& value) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_string())
    return invalid_data("'{}' must be a string, not {}", key, found->type_name());
  value = found->get_ref<const std::string&>();
  return {};
}

inline Status read_field(const nlohmann::json& object, const char* key, int64_t& value) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_number_integer())
    return invalid_data("'{}' must be a whole number, not {}", key, found->type_name());
  if (found->is_number_unsigned() && found->get<uint64_t>() > INT64_MAX)
    return invalid_data("'{}' is too large", key);
  value = found->get<int64_t>();
  return {};
}

inline Status read_field(const nlohmann::json& object, const char* key, double& value) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_number())
    return invalid_data("'{}' must be a number, not {}", key, found->type_name());
  value = found->get<double>();
  return {};
}

}  // namespace pte::vision
