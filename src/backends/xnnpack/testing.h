// Shared by the tests of this backend.
#pragma once

#include <map>
#include <string>

#include "backends/xnnpack/payload.h"

namespace pte::xnnpack {

// Named data looked up in a map, which must outlive the resolver.
inline Resolver resolver_of(const std::map<std::string, Tensor, std::less<>>& data) {
  return [&data](std::string_view key) -> Result<Tensor> {
    const auto it = data.find(key);
    if (it == data.end()) return make_error(Code::kNotFound, "no named data '{}'", key);
    return it->second;
  };
}

}  // namespace pte::xnnpack
