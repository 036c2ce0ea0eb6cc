#include "kernels/elementwise/complex.h"

#include <cmath>

#include "kernels/common/complex.h"
#include "kernels/common/dense.h"

namespace pte::kernels {
namespace {

// The elements that `tensor` has when it reads as `sizes`.
Result<std::vector<Complex>> spread(const Call& call, const Tensor& tensor, const Sizes& sizes) {
  return load_complex(call, tensor.with_layout(sizes, broadcast_strides(tensor, sizes)));
}

Complex apply_to(ComplexOp op, const Complex& a, const Complex& b, double factor) {
  switch (op) {
    case ComplexOp::kAdd:
      return a + factor * b;
    case ComplexOp::kSub:
      return a - factor * b;
    case ComplexOp::kReverseSub:
      return b - factor * a;
    case ComplexOp::kMul:
      return a * b;
    case ComplexOp::kDiv:
      return a / b;
  }
  return {};
}

}  // namespace

bool is_complex_call(const Call& call, bool other_is_scalar) {
  return is_complex(call.tensor(0).dtype()) ||
         (!other_is_scalar && is_complex(call.tensor(1).dtype()));
}

Status complex_arithmetic(Call& call, ComplexOp op, bool other_is_scalar) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  Sizes sizes = self.sizes();
  if (!other_is_scalar) {
    PTE_TRY(sizes, broadcast_sizes(call, sizes, call.tensor(1).sizes()));
  }
  const bool is_sum = op != ComplexOp::kMul && op != ComplexOp::kDiv;
  const double factor = is_sum ? call.scalar(2).as_double() : 1;
  PTE_CHECK(resize_out(call, out, sizes));
  PTE_TRY(std::vector<Complex> values, spread(call, self, sizes));
  if (other_is_scalar) {
    const Complex other = call.scalar(1).as_double();
    for (Complex& value : values) value = apply_to(op, value, other, factor);
  } else {
    PTE_TRY(const std::vector<Complex> others, spread(call, call.tensor(1), sizes));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = apply_to(op, values[i], others[i], factor);
    }
  }
  return store_complex(call, values, out);
}

Status complex_abs(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_out_type(call, real_part(self.dtype()), out));
  PTE_CHECK(resize_out(call, out, self.sizes()));
  PTE_TRY(const std::vector<Complex> values, load_complex(call, self));
  PTE_TRY(auto dense, DenseOut<double>::make(call, out));
  for (size_t i = 0; i < values.size(); ++i) {
    dense.data()[i] = std::hypot(values[i].real(), values[i].imag());
  }
  return dense.commit(call);
}

}  // namespace pte::kernels
