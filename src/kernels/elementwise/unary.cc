// Elementwise kernels of one tensor operand: math functions, roundings, activations.
#include <cmath>

#include "kernels/elementwise/complex.h"
#include "kernels/elementwise/unary.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

// Unsigned arithmetic: the most negative integer wraps instead of overflowing.
inline int64_t wrapping_neg(int64_t x) {
  return static_cast<int64_t>(0 - static_cast<uint64_t>(x));
}

PTE_UNARY(Ceil, std::ceil(x))
PTE_UNARY(Cos, std::cos(x))
PTE_UNARY(Erf, std::erf(x))
PTE_UNARY(Exp, std::exp(x))
PTE_UNARY(Floor, std::floor(x))
PTE_UNARY(Log, std::log(x))
PTE_UNARY(Reciprocal, T{1} / x)
PTE_UNARY(Round, std::nearbyint(x))  // half to even
PTE_UNARY(Rsqrt, T{1} / std::sqrt(x))
PTE_UNARY(Sigmoid, T{1} / (T{1} + std::exp(-x)))
PTE_UNARY(Sin, std::sin(x))
PTE_UNARY(Sqrt, std::sqrt(x))
PTE_UNARY(Tanh, std::tanh(x))
PTE_UNARY(Relu, x < T{0} ? T{0} : x)  // NaN stays

struct Abs {
  int64_t operator()(int64_t x) const { return x < 0 ? wrapping_neg(x) : x; }
  template <typename T>
  T operator()(T x) const {
    return std::abs(x);
  }
};
struct Neg {
  int64_t operator()(int64_t x) const { return wrapping_neg(x); }
  template <typename T>
  T operator()(T x) const {
    return -x;
  }
};

Status abs_kernel(Call& call) {
  // PyTorch leaves bool as it is.
  const Tensor& self = call.tensor(0);
  if (is_complex(self.dtype())) return complex_abs(call);
  if (self.dtype() != DType::kBool) return unary<Abs, Integers::kKeep>(call);
  return apply<int64_t>(call, self, DType::kBool, [](int64_t x) { return x; });
}

Status logical_not(Call& call) {
  return apply<bool>(call, call.tensor(0), DType::kBool, [](bool x) { return !x; });
}

// NaN in the operand or a bound gives NaN; a lower bound above the upper one gives the upper one.
Status clamp_between(Call& call, const std::optional<Scalar>& low,
                     const std::optional<Scalar>& high, DType result) {
  const Tensor& self = call.tensor(0);
  return dispatch_compute(result, [&]<typename C>(C) {
    constexpr bool kFloating = std::is_floating_point_v<C>;
    using Limits = std::numeric_limits<C>;
    const C lowest = kFloating ? -Limits::infinity() : Limits::min();
    const C highest = kFloating ? Limits::infinity() : Limits::max();
    const C a = low ? scalar_as<C>(*low, result) : lowest;
    const C b = high ? scalar_as<C>(*high, result) : highest;
    if (kFloating && (a != a || b != b)) {
      return apply<C>(call, self, result, [](C) { return Limits::quiet_NaN(); });
    }
    return apply<C>(call, self, result, [a, b](C x) {
      const C raised = x < a ? a : x;
      return raised > b ? b : raised;  // NaN compares false and stays
    });
  });
}

Status clamp(Call& call) {
  const auto low = call.optional_scalar(1);
  const auto high = call.optional_scalar(2);
  if (!low && !high) return call.invalid("at least one of min and max must be given");
  Promotion promotion;
  promotion.add(call.tensor(0));
  if (low) promotion.add(*low);
  if (high) promotion.add(*high);
  PTE_TRY(const DType result, promotion.result(call));
  return clamp_between(call, low, high, result);
}

Status hardtanh(Call& call) {
  const DType dtype = call.tensor(0).dtype();
  if (dtype == DType::kBool) return call.not_supported("operands of type bool");
  return clamp_between(call, call.scalar(1), call.scalar(2), dtype);
}

Status leaky_relu(Call& call) {
  const Tensor& self = call.tensor(0);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  return dispatch_floating(self.dtype(), [&]<typename C>(C) {
    const C slope = scalar_as<C>(call.scalar(1));
    return apply<C>(call, self, self.dtype(), [slope](C x) { return x > C{0} ? x : x * slope; });
  });
}

Status elu(Call& call) {
  const Tensor& self = call.tensor(0);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  return dispatch_floating(self.dtype(), [&]<typename C>(C) {
    const C scale = scalar_as<C>(call.scalar(2));
    const C negative = scalar_as<C>(call.scalar(1)) * scale;
    const C input_scale = scalar_as<C>(call.scalar(3));
    return apply<C>(call, self, self.dtype(), [=](C x) {
      return x < C{0} ? std::expm1(x * input_scale) * negative : x * scale;
    });
  });
}

Status gelu(Call& call) {
  const Tensor& self = call.tensor(0);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  const std::string* approximate = call.optional_text(1);
  if (approximate == nullptr || (*approximate != "none" && *approximate != "tanh")) {
    return call.invalid("approximate is '{}', expected 'none' or 'tanh'",
                        approximate == nullptr ? "" : *approximate);
  }
  const bool tanh_form = *approximate == "tanh";
  return dispatch_floating(self.dtype(), [&]<typename C>(C) {
    if (tanh_form) {
      return apply<C>(call, self, self.dtype(), [](C x) {
        const C inner = C(0.79788456080286535588) * (x + C(0.044715) * x * x * x);
        return C(0.5) * x * (C{1} + std::tanh(inner));
      });
    }
    return apply<C>(call, self, self.dtype(), [](C x) {
      return x * C(0.5) * (C{1} + std::erf(x * C(0.70710678118654752440)));
    });
  });
}

Status convert(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(resize_out(call, call.out(), self.sizes()));
  return copy_converting(call, self, call.out());
}

}  // namespace

std::span<const Entry> unary_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_abs, abs_kernel},
      {Op::aten_ceil, unary<Ceil, Integers::kIdentity>},
      {Op::aten_clamp, clamp},
      {Op::aten_cos, unary<Cos, Integers::kToFloat>},
      {Op::aten_elu, elu},
      {Op::aten_erf, unary<Erf, Integers::kToFloat>},
      {Op::aten_exp, unary<Exp, Integers::kToFloat>},
      {Op::aten_floor, unary<Floor, Integers::kIdentity>},
      {Op::aten_gelu, gelu},
      {Op::aten_hardtanh, hardtanh},
      {Op::aten_leaky_relu, leaky_relu},
      {Op::aten_log, unary<Log, Integers::kToFloat>},
      {Op::aten_logical_not, logical_not},
      {Op::aten_neg, unary<Neg, Integers::kKeep>},
      {Op::aten_reciprocal, unary<Reciprocal, Integers::kToFloat>},
      {Op::aten_relu, unary<Relu, Integers::kKeep>},
      {Op::aten_round, unary<Round, Integers::kIdentity>},
      {Op::aten_rsqrt, unary<Rsqrt, Integers::kToFloat>},
      {Op::aten_sigmoid, unary<Sigmoid, Integers::kToFloat>},
      {Op::aten_sin, unary<Sin, Integers::kToFloat>},
      {Op::aten_sqrt, unary<Sqrt, Integers::kToFloat>},
      {Op::aten_tanh, unary<Tanh, Integers::kToFloat>},
      {Op::aten__to_copy, convert},
      {Op::dim_order_to_dim_order_copy, convert},
      {Op::dim_order_clone_dim_order, convert},
      {Op::aten_clone, convert},
      {Op::aten_lift_fresh_copy, convert},
      {Op::aten_alias_copy, convert},
      {Op::aten_detach_copy, convert},
      {Op::et_copy_d2h_copy, convert},
      {Op::et_copy_h2d_copy, convert},
  };
  return kEntries;
}

}  // namespace pte::kernels
