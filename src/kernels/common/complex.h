// Complex operands and results, computed in double. complex32 is two halves.
#pragma once

#include <complex>
#include <vector>

#include "kernels/common/shape.h"
#include "tensor/complex_type.h"

namespace pte::kernels {

using Complex = std::complex<double>;

// The complex type of such parts: float32 gives complex64.
DType complex_type(DType part);

// The elements of a complex or real tensor in row-major order.
Result<std::vector<Complex>> load_complex(const Call& call, const Tensor& tensor);
// Writes elements in row-major order into a complex tensor of as many elements.
Status store_complex(const Call& call, const std::vector<Complex>& values, Tensor& out);

}  // namespace pte::kernels
