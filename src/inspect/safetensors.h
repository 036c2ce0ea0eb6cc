// Tensors as a .safetensors file.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"

namespace pte::inspect {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// Row-major, in the order given, without gaps; the same input gives the same bytes. `metadata` goes
// to the header's "__metadata__". Types that the format has no name for are written as bytes (U8 of
// one dimension). Fails with kInvalidArgument for two tensors of one name or names that are not
// UTF-8, kResourceLimit for a header beyond the format's 100 MB.
Status write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                         const std::map<std::string, std::string>& metadata = {});

}  // namespace pte::inspect
