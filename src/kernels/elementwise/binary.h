// Two operands, the second a tensor or a number, brought to a common type and shape.
#pragma once

#include <cmath>

#include "kernels/common/map.h"

namespace pte::kernels {

struct Binary {
  const Tensor* self = nullptr;
  const Tensor* other = nullptr;  // null: `number`
  Scalar number;
  Sizes sizes;
  DType common = DType::kFloat32;
  // Whether a number or rank-0 tensor on the right is read at the precision of the computation, as
  // PyTorch's multiplication and division read it, instead of rounded to the common type first.
  bool wide_other = false;

  // Arguments 0 and 1 of the call.
  static Result<Binary> make(const Call& call, bool other_is_scalar) {
    Binary binary;
    binary.self = &call.tensor(0);
    PTE_CHECK(check_real(call, *binary.self));
    Promotion promotion;
    promotion.add(*binary.self);
    binary.sizes = binary.self->sizes();
    if (other_is_scalar) {
      binary.number = call.scalar(1);
      promotion.add(binary.number);
    } else {
      binary.other = &call.tensor(1);
      PTE_CHECK(check_real(call, *binary.other));
      promotion.add(*binary.other);
      PTE_TRY(binary.sizes, broadcast_sizes(call, binary.sizes, binary.other->sizes()));
    }
    PTE_TRY(binary.common, promotion.result(call));
    return binary;
  }

  // Computes fn(self, other) in C; `result` is the type PyTorch's result would have.
  template <typename C, typename Fn>
  Status run(Call& call, DType result, Fn fn) const {
    Tensor& out = call.out();
    PTE_CHECK(check_out_type(call, result, out));
    PTE_CHECK(resize_out(call, out, sizes));
    const Operand left = Operand::of(*self, sizes, common);
    if (other == nullptr) {
      const C b = wide_other ? scalar_as<C>(number) : scalar_as<C>(number, common);
      map_elements<C>(call, std::array{left}, out, result, [fn, b](C a) { return fn(a, b); });
      return {};
    }
    const bool as_is = wide_other && other->rank() == 0 && is_floating(other->dtype());
    const Operand right = Operand::of(*other, sizes, as_is ? other->dtype() : common);
    map_elements<C>(call, std::array{left, right}, out, result, fn);
    return {};
  }
};

}  // namespace pte::kernels
