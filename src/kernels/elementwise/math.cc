// Elementwise kernels of one operand beyond the basic ones: inverse, hyperbolic and special
// functions, signs, tests for NaN and infinity, roundings.
#include <cmath>
#include <numbers>

#include "kernels/elementwise/special_functions.h"
#include "kernels/elementwise/unary.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

PTE_UNARY(Acos, std::acos(x))
PTE_UNARY(Acosh, std::acosh(x))
PTE_UNARY(Asin, std::asin(x))
PTE_UNARY(Asinh, std::asinh(x))
PTE_UNARY(Atan, std::atan(x))
PTE_UNARY(Atanh, std::atanh(x))
PTE_UNARY(Cosh, std::cosh(x))
PTE_UNARY(Erfc, std::erfc(x))
PTE_UNARY(Exp2, std::exp2(x))
PTE_UNARY(Expm1, std::expm1(x))
PTE_UNARY(Log10, std::log10(x))
PTE_UNARY(Log1p, std::log1p(x))
PTE_UNARY(Log2, std::log2(x))
PTE_UNARY(Sinh, std::sinh(x))
PTE_UNARY(Tan, std::tan(x))
PTE_UNARY(Trunc, std::trunc(x))
// A negative number points the other way; NaN has no direction.
PTE_UNARY(Angle, x != x ? x : x < T{0} ? T(std::numbers::pi) : T{0})

// Special functions compute in double whatever the operand's type is.
#define PTE_SPECIAL(Name, function) \
  PTE_UNARY(Name, static_cast<T>(function(static_cast<double>(x))))
PTE_SPECIAL(Digamma, special::digamma)
PTE_SPECIAL(Erfcx, special::erfcx)
PTE_SPECIAL(Erfinv, special::erfinv)
PTE_SPECIAL(I0, special::i0)
PTE_SPECIAL(I0e, special::i0e)
PTE_SPECIAL(I1, special::i1)
PTE_SPECIAL(I1e, special::i1e)
PTE_SPECIAL(Lgamma, special::lgamma)
PTE_SPECIAL(LogNdtr, special::log_ndtr)
PTE_SPECIAL(Ndtri, special::ndtri)
#undef PTE_SPECIAL

// The compute type of a test on elements: the answer is a bool whatever the type.
template <typename Test>
Status test_elements(Call& call, Test test) {
  const Tensor& self = call.tensor(0);
  return dispatch_compute(self.dtype(), [&]<typename C>(C) -> Status {
    const auto answer = [test](C x) -> bool { return test(x); };
    Tensor& out = call.out();
    PTE_CHECK(check_real(call, self));
    PTE_CHECK(check_out_type(call, DType::kBool, out));
    PTE_CHECK(resize_out(call, out, self.sizes()));
    map_elements<C>(call, std::array{Operand::of(self, out.sizes(), self.dtype())}, out,
                    DType::kBool, answer);
    return Status{};
  });
}

Status isnan(Call& call) {
  return test_elements(call, [](auto x) { return x != x; });
}

Status isinf(Call& call) {
  return test_elements(call, [](auto x) {
    if constexpr (std::is_floating_point_v<decltype(x)>) return std::isinf(x);
    return false;
  });
}

Status signbit(Call& call) {
  // The numbers of unsigned types are never negative, though uint64's read as int64 may be.
  if (call.tensor(0).dtype() == DType::kUInt64) {
    return test_elements(call, [](auto) { return false; });
  }
  return test_elements(call, [](auto x) {
    if constexpr (std::is_floating_point_v<decltype(x)>) return std::signbit(x);
    return x < 0;
  });
}

Status sign(Call& call) {
  const Tensor& self = call.tensor(0);
  return dispatch_exact(self.dtype(), [&]<typename C>(C) {
    // NaN is neither above nor below 0.
    return apply<C>(call, self, self.dtype(), [](C x) {
      return static_cast<C>((C{0} < x ? C{1} : C{0}) - (x < C{0} ? C{1} : C{0}));
    });
  });
}

Status bitwise_not(Call& call) {
  const Tensor& self = call.tensor(0);
  if (self.dtype() == DType::kBool) {
    return apply<int64_t>(call, self, DType::kBool, [](int64_t x) { return int64_t{x == 0}; });
  }
  if (!is_integer(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  return dispatch_exact(self.dtype(), [&]<typename C>(C) {
    return apply<C>(call, self, self.dtype(), [](C x) {
      if constexpr (std::is_integral_v<C>) return static_cast<C>(~x);
      return x;
    });
  });
}

// log(x / (1 - x)); with eps, x is first clamped to [eps, 1 - eps].
Status logit(Call& call) {
  const Tensor& self = call.tensor(0);
  const std::optional<double> eps = call.optional_real(1);
  const DType result = is_floating(self.dtype()) ? self.dtype() : DType::kFloat32;
  return dispatch_floating(result, [&]<typename C>(C) {
    const bool clamped = eps && *eps >= 0;
    // PyTorch holds the bounds in the element type: 1 - 0.001 is 1 in bfloat16.
    C bounds[2] = {clamped ? static_cast<C>(*eps) : C{0}, C{0}};
    round_run<C>(result, bounds, 1);
    bounds[1] = C{1} - bounds[0];
    round_run<C>(result, bounds + 1, 1);
    const C low = bounds[0];
    const C high = bounds[1];
    return apply<C>(call, self, result, [=](C x) {
      const C z = !clamped ? x : x < low ? low : x > high ? high : x;
      return std::log(z / (C{1} - z));
    });
  });
}

Status polygamma(Call& call) {
  const int64_t n = call.integer(0);
  if (n < 0) return call.invalid("n is {}, expected 0 or more", n);
  const Tensor& self = call.tensor(1);
  const DType result = is_floating(self.dtype()) ? self.dtype() : DType::kFloat32;
  return dispatch_floating(result, [&]<typename C>(C) {
    return apply<C>(call, self, result, [n](C x) {
      return static_cast<C>(special::polygamma(n, static_cast<double>(x)));
    });
  });
}

// Rounds to a number of decimals, half to even.
Status round_decimals(Call& call) {
  const Tensor& self = call.tensor(0);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  const int64_t decimals = std::clamp<int64_t>(call.integer(1), -400, 400);
  return dispatch_floating(self.dtype(), [&]<typename C>(C) {
    const C scale = static_cast<C>(std::pow(10.0, static_cast<double>(std::abs(decimals))));
    const bool divide = decimals < 0;
    return apply<C>(call, self, self.dtype(), [=](C x) {
      return divide ? std::nearbyint(x / scale) * scale : std::nearbyint(x * scale) / scale;
    });
  });
}

}  // namespace

std::span<const Entry> math_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_acos, unary<Acos, Integers::kToFloat>},
      {Op::aten_acosh, unary<Acosh, Integers::kToFloat>},
      {Op::aten_asin, unary<Asin, Integers::kToFloat>},
      {Op::aten_asinh, unary<Asinh, Integers::kToFloat>},
      {Op::aten_atan, unary<Atan, Integers::kToFloat>},
      {Op::aten_atanh, unary<Atanh, Integers::kToFloat>},
      {Op::aten_cosh, unary<Cosh, Integers::kToFloat>},
      {Op::aten_erfc, unary<Erfc, Integers::kToFloat>},
      {Op::aten_exp2, unary<Exp2, Integers::kToFloat>},
      {Op::aten_expm1, unary<Expm1, Integers::kToFloat>},
      {Op::aten_log10, unary<Log10, Integers::kToFloat>},
      {Op::aten_log1p, unary<Log1p, Integers::kToFloat>},
      {Op::aten_log2, unary<Log2, Integers::kToFloat>},
      {Op::aten_sinh, unary<Sinh, Integers::kToFloat>},
      {Op::aten_tan, unary<Tan, Integers::kToFloat>},
      {Op::aten_trunc, unary<Trunc, Integers::kIdentity>},
      {Op::aten_angle, unary<Angle, Integers::kToFloat>},
      {Op::aten_digamma, unary<Digamma, Integers::kToFloat>},
      {Op::aten_erfinv, unary<Erfinv, Integers::kToFloat>},
      {Op::aten_i0, unary<I0, Integers::kToFloat>},
      {Op::aten_lgamma, unary<Lgamma, Integers::kToFloat>},
      {Op::aten_special_erfcx, unary<Erfcx, Integers::kToFloat>},
      {Op::aten_special_i0e, unary<I0e, Integers::kToFloat>},
      {Op::aten_special_i1, unary<I1, Integers::kToFloat>},
      {Op::aten_special_i1e, unary<I1e, Integers::kToFloat>},
      {Op::aten_special_ndtri, unary<Ndtri, Integers::kToFloat>},
      {Op::aten_special_log_ndtr, unary<LogNdtr, Integers::kToFloat>},
      {Op::aten_polygamma, polygamma},
      {Op::aten_isnan, isnan},
      {Op::aten_isinf, isinf},
      {Op::aten_signbit, signbit},
      {Op::aten_sign, sign},
      {Op::aten_bitwise_not, bitwise_not},
      {Op::aten_logit, logit},
      {Op::aten_round_decimals, round_decimals},
  };
  return kEntries;
}

}  // namespace pte::kernels
