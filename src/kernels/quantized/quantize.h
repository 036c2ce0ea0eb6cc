// What the quantized kernels share: ranges, rounding as PyTorch rounds after each step, and
// parameters read once into double.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/common/dense.h"
#include "kernels/families.h"

namespace pte::kernels {

// A value computed in double becomes what `dtype` would have held. Sums, differences, products and
// quotients of floats, taken in double and rounded once, equal those taken in float.
inline double round_to(DType dtype, double value) {
  switch (dtype) {
    case DType::kFloat64:
      return value;
    case DType::kFloat16:
      return static_cast<float>(Half(static_cast<float>(value)));
    case DType::kBFloat16:
      return static_cast<float>(BFloat16(static_cast<float>(value)));
    default:
      return static_cast<float>(value);
  }
}

// Fails unless `dtype` holds quantized values (int8 to int32) and quant_min..quant_max fit in it.
// Names the arguments by their places.
Status check_quantized_type(const Call& call, DType dtype, int64_t low, int64_t high);

// The type that an argument of kind ScalarType names, or `otherwise` when it is None.
Result<DType> dtype_argument(const Call& call, size_t arg, DType otherwise);

// All elements of a tensor, in its own order, as double (exact for every type below int64).
Result<std::vector<double>> doubles_of(const Call& call, const Tensor& tensor);

// PyTorch's type of an operation between two tensors that both have dimensions.
Result<DType> promoted(const Call& call, DType a, DType b);

// Tables of the files of this folder; quantized_kernels() joins them.
std::span<const Entry> quantize_entries();
std::span<const Entry> choose_entries();
std::span<const Entry> lookup_entries();

}  // namespace pte::kernels
