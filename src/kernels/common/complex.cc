#include "kernels/common/complex.h"

#include "kernels/common/convert.h"

namespace pte::kernels {

DType complex_type(DType part) {
  switch (part) {
    case DType::kFloat16:
      return DType::kComplex32;
    case DType::kFloat64:
      return DType::kComplex128;
    default:
      return DType::kComplex64;
  }
}

Result<std::vector<Complex>> load_complex(const Call& call, const Tensor& tensor) {
  const DType part = real_part(tensor.dtype());
  if (!is_real(part)) return call.not_supported("operands of type {}", dtype_name(tensor.dtype()));
  PTE_TRY(const Tensor dense, tensor.contiguous().at(call.op().full_name()));
  std::vector<Complex> values(static_cast<size_t>(dense.numel()));
  // The parts of a std::complex lie one after the other, as they do in a tensor.
  auto* parts = reinterpret_cast<double*>(values.data());
  if (is_complex(tensor.dtype())) {
    load_run<double>(part, dense.data(), 1, 2 * dense.numel(), parts);
    return values;
  }
  std::vector<double> reals(values.size());
  load_run<double>(part, dense.data(), 1, dense.numel(), reals.data());
  for (size_t i = 0; i < reals.size(); ++i) values[i] = reals[i];
  return values;
}

Status store_complex(const Call& call, const std::vector<Complex>& values, Tensor& out) {
  if (!is_complex(out.dtype())) {
    return call.invalid("its result is complex and cannot be stored as {}",
                        dtype_name(out.dtype()));
  }
  const auto* parts = reinterpret_cast<const double*>(values.data());
  const auto count = static_cast<int64_t>(2 * values.size());
  if (out.is_contiguous()) {
    store_run<double>(real_part(out.dtype()), out.mutable_data(), 1, count, parts);
    return {};
  }
  PTE_TRY(Tensor dense, Tensor::zeros(out.dtype(), out.sizes()));
  store_run<double>(real_part(out.dtype()), dense.mutable_data(), 1, count, parts);
  return copy_elements(dense, out).at(call.op().full_name());
}

}  // namespace pte::kernels
