// Arithmetic, comparisons and special functions that no row stands for.
#include <cmath>
#include <limits>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// self + value * product, the value 1 left out.
Expr scaled_sum(Scope& s, const Expr& product) {
  const bool plain = s.arg(3).number() == 1.0;
  return s.x(0) + (plain ? product : product * s.arg(3));
}

Expr lerp(const Expr& start, const Expr& end, double weight) {
  const Expr difference = end - start;
  return weight < 0.5 ? start + difference * Arg(weight) : end - difference * Arg(1 - weight);
}

Expr lerp(const Expr& start, const Expr& end, const Expr& weight) {
  const Expr difference = end - start;
  return where(lt(abs(weight), 0.5), start + difference * weight,
               end - difference * (Arg(1) - weight));
}

// x * log(y), 0 where x is 0 and y is no NaN. `logarithm` is log(y) or log1p(y).
Expr x_log_y(const Expr& x, const Expr& y, const Expr& logarithm) {
  const Expr product = x * logarithm;
  return where(both(eq(x, 0), negated(isnan(y))), 0, product);
}

Expr from_number(Scope& s, const Arg& number, const Expr& near) {
  return s.scalar(number, promoted(near.dtype(), number));
}

Results x_log_y(Scope& s, Expr (*logarithm)(const Expr&)) {
  const Expr y = s.x(1) ? s.x(1) : Expr();
  const Expr x = s.arg(0).number() || !s.x(0) ? from_number(s, s.arg(0), y) : s.x(0);
  const Expr other = y ? y : from_number(s, s.arg(1), x);
  return {x_log_y(x, other, logarithm(other))};
}
bool is_tensor(const Arg& arg) { return arg.value() != nullptr && arg.value()->is_tensor(); }

// Calls `name` with the number at `place` as a tensor of rank 0.
Results with_number(Scope& s, std::string_view name, size_t place) {
  std::vector<Arg> args = s.args();
  const Expr other = s.x(1 - place);
  if (!is_tensor(args[place])) args[place] = from_number(s, args[place], other);
  return {s.call(name, std::move(args))};
}

double largest(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return 65504;
    case DType::kBFloat16:
      return 3.3895313892515355e38;
    case DType::kFloat64:
      return std::numeric_limits<double>::max();
    default:
      return static_cast<double>(std::numeric_limits<float>::max());
  }
}

Results nan_to_num(Scope& s) {
  Expr x = s.x(0);
  if (!is_floating(x.dtype())) return {x * 1};
  const double most = largest(x.dtype());
  const Expr source = x;
  x = where(isnan(source), s.number(1, 0), x);
  x = where(eq(source, kInfinity), s.number(2, most), x);
  return {where(eq(source, -kInfinity), s.number(3, -most), x)};
}

Expr isfinite(const Expr& x) { return negated(either(isnan(x), unary(Op::aten_isinf, x))); }

Results isclose(Scope& s) {
  const Expr a = s.x(0), b = s.x(1);
  Expr close = eq(a, b);
  if (s.flag(4) && is_floating(a.dtype())) close = either(close, both(isnan(a), isnan(b)));
  const double relative = s.number(2), absolute = s.number(3);
  if (relative == 0 && absolute == 0) return {close};
  const Expr actual = abs(a - b);
  const Expr allowed = abs(b * Arg(relative)) + Arg(absolute);
  return {either(close, both(isfinite(actual), le(actual, allowed)))};
}

// m + log(1 + base^-|a-b|), where m is the larger; equal infinities stay.
Expr log_add(const Expr& a, const Expr& b, double log_base) {
  const Expr rest = log1p(exp(abs(a - b) * Arg(-log_base)));
  const Expr total = maximum(a, b) + (log_base == 1 ? rest : rest / Arg(log_base));
  return where(both(unary(Op::aten_isinf, a), eq(a, b)), a, total);
}

// Of `scale` and `zero_point` for all elements, or expressions that broadcast: (output, mask).
std::pair<Expr, Expr> fake_quantize(const Expr& x, const Expr& steps, const Arg& zero_point,
                                    const Arg& low, const Arg& high, const Arg& scale) {
  const Expr raw = round(steps) + zero_point;
  const Expr inside = both(ge(raw, low), le(raw, high));
  const Expr made = (clamp(raw, low, high) - zero_point) * scale;
  return {cast(made, x.dtype()), inside};
}

Results fake_quantize_tensor(Scope& s, bool mask) {
  const Expr x = s.x(0);
  Expr steps;
  Arg zero = s.arg(2), scale = s.arg(1);
  if (is_tensor(s.arg(1))) {
    steps = x / s.x(1);
    zero = Arg(cast(s.x(2), DType::kFloat32));
  } else {
    steps = x * Arg(static_cast<double>(1.0F / static_cast<float>(s.number(1))));
    zero = Arg(static_cast<double>(s.integer(2)));
  }
  const auto made = fake_quantize(x, steps, zero, s.arg(3), s.arg(4), scale);
  if (mask) return {made.first, made.second};
  return {made.first};
}

Results fake_quantize_channel(Scope& s, bool mask) {
  const Expr x = s.x(0);
  const int64_t axis = s.dim(3, x.rank());
  SymSizes sizes(x.rank(), SymInt(1));
  if (axis < static_cast<int64_t>(sizes.size())) sizes[static_cast<size_t>(axis)] = x.size(axis);
  const Expr scale = view(s.x(1), sizes);
  const Expr zero = cast(view(s.x(2), sizes), DType::kFloat32);
  const auto made = fake_quantize(x, x * reciprocal(scale), zero, s.arg(4), s.arg(5), scale);
  if (mask) return {made.first, made.second};
  return {made.first};
}

Results where_numbers(Scope& s) {
  Arg a = s.arg(1), b = s.arg(2);
  if (is_tensor(a)) {
    b = s.scalar(b, promoted(s.x(1).dtype(), b));
  } else if (is_tensor(b)) {
    a = s.scalar(a, promoted(s.x(2).dtype(), a));
  } else {
    const DType dtype = promoted(promoted(DType::kBool, a), b);
    a = s.scalar(a, dtype);
    b = s.scalar(b, dtype);
  }
  return {s.call(Op::aten_where_self, {s.arg(0), a, b})};
}

Results mvlgamma(Scope& s) {
  const int64_t p = s.integer(1);
  if (!s.bounded(p, "terms")) return {};
  Expr total;
  for (int64_t i = 0; i < p; ++i) {
    const Expr x = i == 0 ? s.x(0) : s.x(0) - Arg(static_cast<double>(i) / 2);
    const Expr term = s.call(Op::aten_lgamma, {x});
    total = i == 0 ? term : total + term;
  }
  return {total + Arg(static_cast<double>(p * (p - 1)) / 4 * std::log(kPi))};
}

Results real_only(Scope& s) {
  s.require(!is_complex(s.x(0).dtype()), "a complex number");
  return {s.x(0)};
}

// (self, other, alpha): a number that changes the type, which the official kernels refuse, changes
// it first.
Results with_sum(Scope& s, Op row) {
  const Expr x = s.x(0);
  const DType dtype = promoted(promoted(x.dtype(), s.arg(1)), s.arg(2));
  return {s.call(row, {cast(x, dtype), s.arg(1), s.arg(2)})};
}

// With the divisor's sign; the official kernel gives whole numbers the dividend's.
Results remainder(Scope& s, Op row) {
  const Expr x = s.x(0);
  const bool whole = !is_floating(promoted(x.dtype(), s.arg(1))) &&
                     (!is_tensor(s.arg(1)) || !is_floating(s.x(1).dtype()));
  if (!whole) return {s.call(row, s.args())};
  const bool tensor = is_tensor(s.arg(1));
  const Expr times =
      s.call(tensor ? Op::aten_div_Tensor_mode : Op::aten_div_Scalar_mode, {x, s.arg(1), "floor"});
  return {x - times * s.arg(1)};
}

constexpr Composite kComposites[] = {
    {"aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
     [](Scope& s) { return with_sum(s, Op::aten_add_Scalar); }},
    {"aten::sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
     [](Scope& s) { return with_sum(s, Op::aten_sub_Scalar); }},
    {"aten::rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor",
     [](Scope& s) { return with_sum(s, Op::aten_rsub_Scalar); }},
    {"aten::remainder.Tensor(Tensor self, Tensor other) -> Tensor",
     [](Scope& s) { return remainder(s, Op::aten_remainder_Tensor); }},
    {"aten::remainder.Scalar(Tensor self, Scalar other) -> Tensor",
     [](Scope& s) { return remainder(s, Op::aten_remainder_Scalar); }},
    {"aten::square(Tensor self) -> Tensor", [](Scope& s) -> Results { return {s.x(0) * s.x(0)}; }},
    {"aten::frac(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {s.x(0) - trunc(s.x(0))}; }},
    {"aten::deg2rad(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {s.x(0) * Arg(kPi / 180)}; }},
    {"aten::rad2deg(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {s.x(0) * Arg(180 / kPi)}; }},
    {"aten::sign(Tensor self) -> Tensor",
     [](Scope& s) -> Results {
       const Expr x = s.x(0);
       // The official kernel gives NaN for NaN, PyTorch 0.
       return {is_floating(x.dtype()) ? where(isnan(x), 0, sign(x)) : sign(x)};
     }},
    {"aten::sgn(Tensor self) -> Tensor", "aten::sign"},
    Composite::view_of("aten::positive(Tensor self) -> Tensor",
                       [](Scope& s) -> Results { return {s.x(0)}; }),
    Composite::view_of("aten::resolve_conj(Tensor self) -> Tensor", real_only),
    Composite::view_of("aten::resolve_neg(Tensor self) -> Tensor", real_only),
    Composite::view_of("aten::real(Tensor self) -> Tensor", real_only),
    {"aten::isfinite(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {isfinite(s.x(0))}; }},
    {"aten::isneginf(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {eq(s.x(0), -kInfinity)}; }},
    {"aten::isposinf(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {eq(s.x(0), kInfinity)}; }},
    {"aten::isclose(Tensor self, Tensor other, float rtol=1.0000000000000001e-05, float "
     "atol=1e-08, bool equal_nan=False) -> Tensor",
     isclose},
    {"aten::nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> "
     "Tensor",
     nan_to_num},
    {"aten::angle(Tensor self) -> Tensor",
     [](Scope& s) -> Results {
       const Expr x = s.x(0);
       const DType dtype = floating(x.dtype());
       const Expr turned = s.scalar(kPi, dtype), none = s.scalar(0.0, dtype);
       const Expr angle = where(lt(x, 0), turned, none);
       return {is_floating(x.dtype()) ? where(isnan(x), x, angle) : angle};
     }},
    {"aten::sinc(Tensor self) -> Tensor",
     [](Scope& s) -> Results {
       const Expr x = s.x(0) * Arg(kPi);
       return {where(eq(s.x(0), 0), 1, sin(x) / x)};
     }},
    {"aten::special_sinc(Tensor self) -> Tensor", "aten::sinc"},
    {"aten::special_entr(Tensor self) -> Tensor",
     [](Scope& s) -> Results {
       const Expr x = s.x(0), product = -(x * log(x));
       return {where(gt(x, 0), product, where(eq(x, 0), 0, where(lt(x, 0), -kInfinity, product)))};
     }},
    {"aten::special_ndtr(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {(erf(s.x(0) * Arg(1 / std::sqrt(2.0))) + 1) * Arg(0.5)}; }},
    {"aten::mvlgamma(Tensor self, int p) -> Tensor", mvlgamma},
    {"aten::special_multigammaln(Tensor self, int p) -> Tensor", "aten::mvlgamma"},
    {"aten::heaviside(Tensor self, Tensor values) -> Tensor",
     [](Scope& s) -> Results {
       const Expr step = cast(gt(s.x(0), 0), s.x(1).dtype());
       return {where(eq(s.x(0), 0), s.x(1), step)};
     }},
    {"aten::addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
     [](Scope& s) -> Results { return {scaled_sum(s, s.x(1) / s.x(2))}; }},
    {"aten::addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
     [](Scope& s) -> Results { return {scaled_sum(s, s.x(1) * s.x(2))}; }},
    {"aten::rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_sub_Tensor, {s.arg(1), s.arg(0), s.arg(2)})};
     }},
    {"aten::floor_divide(Tensor self, Tensor other) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_div_Tensor_mode, {s.arg(0), s.arg(1), "floor"})};
     }},
    {"aten::floor_divide.Scalar(Tensor self, Scalar other) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_div_Scalar_mode, {s.arg(0), s.arg(1), "floor"})};
     }},
    {"aten::remainder.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return with_number(s, "aten::remainder.Tensor", 0); }},
    {"aten::copysign.Scalar(Tensor self, Scalar other) -> Tensor",
     [](Scope& s) -> Results {
       const double sign = std::copysign(1.0, s.number(1));
       const Expr x = cast(s.x(0), floating(s.x(0).dtype()));
       return {sign > 0 ? abs(x) : -abs(x)};
     }},
    {"aten::bitwise_and.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return with_number(s, "aten::bitwise_and.Tensor", 0); }},
    {"aten::bitwise_or.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return with_number(s, "aten::bitwise_or.Tensor", 0); }},
    {"aten::bitwise_xor.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return with_number(s, "aten::bitwise_xor.Tensor", 0); }},
    {"aten::bitwise_left_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return with_number(s, "aten::bitwise_left_shift.Tensor", 0); }},
    {"aten::bitwise_right_shift.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return with_number(s, "aten::bitwise_right_shift.Tensor", 0); }},
    {"aten::float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
     [](Scope& s) -> Results {
       return {pow(cast(s.x(0), DType::kFloat64), cast(s.x(1), DType::kFloat64))};
     }},
    {"aten::float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
     [](Scope& s) -> Results { return {pow(cast(s.x(0), DType::kFloat64), Arg(s.number(1)))}; }},
    {"aten::float_power.Scalar(Scalar self, Tensor exponent) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_pow_Scalar, {s.arg(0), cast(s.x(1), DType::kFloat64)})};
     }},
    {"aten::lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor",
     [](Scope& s) -> Results { return {lerp(s.x(0), s.x(1), s.number(2))}; }},
    {"aten::lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
     [](Scope& s) -> Results { return {lerp(s.x(0), s.x(1), s.x(2))}; }},
    {"aten::logaddexp(Tensor self, Tensor other) -> Tensor",
     [](Scope& s) -> Results { return {log_add(s.x(0), s.x(1), 1)}; }},
    {"aten::logaddexp2(Tensor self, Tensor other) -> Tensor",
     [](Scope& s) -> Results { return {log_add(s.x(0), s.x(1), std::log(2.0))}; }},
    {"aten::xlogy.Tensor(Tensor self, Tensor other) -> Tensor",
     [](Scope& s) { return x_log_y(s, log); }},
    {"aten::xlogy.Scalar_Other(Tensor self, Scalar other) -> Tensor",
     [](Scope& s) { return x_log_y(s, log); }},
    {"aten::xlogy.Scalar_Self(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return x_log_y(s, log); }},
    {"aten::special_xlogy(Tensor self, Tensor other) -> Tensor", "aten::xlogy.Tensor"},
    {"aten::special_xlogy.other_scalar(Tensor self, Scalar other) -> Tensor",
     "aten::xlogy.Scalar_Other"},
    {"aten::special_xlogy.self_scalar(Scalar self, Tensor other) -> Tensor",
     "aten::xlogy.Scalar_Self"},
    {"aten::special_xlog1py(Tensor self, Tensor other) -> Tensor",
     [](Scope& s) { return x_log_y(s, log1p); }},
    {"aten::special_xlog1py.other_scalar(Tensor self, Scalar other) -> Tensor",
     [](Scope& s) { return x_log_y(s, log1p); }},
    {"aten::special_xlog1py.self_scalar(Scalar self, Tensor other) -> Tensor",
     [](Scope& s) { return x_log_y(s, log1p); }},
    {"aten::clamp_min.Tensor(Tensor self, Tensor min) -> Tensor", "aten::maximum"},
    {"aten::clamp_max.Tensor(Tensor self, Tensor max) -> Tensor", "aten::minimum"},
    {"aten::masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
     [](Scope& s) -> Results { return {where(s.x(1), cast(s.x(2), s.x(0).dtype()), s.x(0))}; }},
    {"aten::where.ScalarOther(Tensor condition, Tensor self, Scalar other) -> Tensor",
     where_numbers},
    {"aten::where.ScalarSelf(Tensor condition, Scalar self, Tensor other) -> Tensor",
     where_numbers},
    {"aten::where.Scalar(Tensor condition, Scalar self, Scalar other) -> Tensor", where_numbers},
    {"aten::fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int "
     "quant_min, int quant_max) -> Tensor",
     [](Scope& s) { return fake_quantize_tensor(s, false); }},
    {"aten::fake_quantize_per_tensor_affine.tensor_qparams(Tensor self, Tensor scale, Tensor "
     "zero_point, int quant_min, int quant_max) -> Tensor",
     [](Scope& s) { return fake_quantize_tensor(s, false); }},
    {"aten::fake_quantize_per_tensor_affine_cachemask(Tensor self, float scale, int zero_point, "
     "int quant_min, int quant_max) -> (Tensor output, Tensor mask)",
     [](Scope& s) { return fake_quantize_tensor(s, true); }},
    {"aten::fake_quantize_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int "
     "axis, int quant_min, int quant_max) -> Tensor",
     [](Scope& s) { return fake_quantize_channel(s, false); }},
    {"aten::fake_quantize_per_channel_affine_cachemask(Tensor self, Tensor scale, Tensor "
     "zero_point, int axis, int quant_min, int quant_max) -> (Tensor output, Tensor mask)",
     [](Scope& s) { return fake_quantize_channel(s, true); }},
};

}  // namespace

std::span<const Composite> elementwise_composites() { return kComposites; }

}  // namespace pte::importers
