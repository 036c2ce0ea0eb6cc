// Kernels of one tensor operand, made from a function of one element.
#pragma once

#include "kernels/common/map.h"

namespace pte::kernels {

// What a unary operator does with integer operands.
enum class Integers {
  kToFloat,   // compute and give float32, as exp does
  kKeep,      // compute in integers, as abs does
  kIdentity,  // give them back, as floor does
  kRefuse,    // PyTorch has no kernel
};

template <typename C, typename Fn>
Status apply(Call& call, const Tensor& self, DType result, Fn fn) {
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, result, out));
  PTE_CHECK(resize_out(call, out, self.sizes()));
  // Integers that compute in float are read as float at once: `via` is the type itself.
  const DType via = is_floating(self.dtype()) ? self.dtype() : result;
  map_elements<C>(call, std::array{Operand::of(self, out.sizes(), via)}, out, result, fn);
  return {};
}

template <typename F, Integers kIntegers>
Status unary(Call& call) {
  const Tensor& self = call.tensor(0);
  const DType dtype = self.dtype();
  if (is_floating(dtype)) {
    return dispatch_floating(dtype, [&]<typename C>(C) {
      return apply<C>(call, self, dtype, [](C x) { return F{}(x); });
    });
  }
  if constexpr (kIntegers == Integers::kToFloat) {
    return apply<float>(call, self, DType::kFloat32, [](float x) { return F{}(x); });
  } else if constexpr (kIntegers == Integers::kRefuse) {
    return call.not_supported("operands of type {}", dtype_name(dtype));
  } else {
    if (dtype == DType::kBool) return call.not_supported("operands of type bool");
    return apply<int64_t>(call, self, dtype, [](int64_t x) {
      if constexpr (kIntegers == Integers::kIdentity)
        return x;
      else
        return F{}(x);
    });
  }
}

}  // namespace pte::kernels

// A function object whose result for x, of type T, is `expression`.
#define PTE_UNARY(Name, expression) \
  struct Name {                     \
    template <typename T>           \
    T operator()(T x) const {       \
      return expression;            \
    }                               \
  };
