// Arithmetic of one element: signs, remainders, shifts, rounding, divisors, quantization.
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

template <Op kTo>
Result<Replacement> renamed(Rewrite& r) {
  return one(r.call(kTo, r.node->args()));
}

// Whether the sign bit is set: -0 counts, a NaN's is lost.
Value* negative(Maker& m, Value* x) {
  Value* below = m.lt(x, Arg(0));
  if (!is_floating(x->tensor().dtype)) return below;
  return m.either(below, m.lt(m.unary(Op::aten_reciprocal, x), Arg(0)));
}

Result<Replacement> signbit(Rewrite& r) {
  Maker m(r);
  return m.done(negative(m, r.input(0)));
}

Result<Replacement> copysign(Rewrite& r) {
  Maker m(r);
  Value* size = m.abs(m.cast(r.input(0), r.result_type().dtype));
  Value* other = r.arg(1).value();
  if (other != nullptr && other->is_tensor()) {
    return m.done(m.where(negative(m, other), m.neg(size), size));
  }
  const auto number = r.arg(1).number();
  if (!number) return r.not_supported("a sign that is computed");
  return m.done(std::signbit(*number) ? m.neg(size) : size);
}

// The extremes that skip NaN.
template <bool kMax>
Result<Replacement> extreme(Rewrite& r) {
  Maker m(r);
  Value* a = r.input(0);
  Value* b = r.input(1);
  const Op op = kMax ? Op::aten_maximum : Op::aten_minimum;
  Value* result = m.call(op, {a, b});
  if (!is_floating(r.result_type().dtype)) return m.done(result);
  const auto skip = [&](Value* x, Value* other) {
    if (is_floating(x->tensor().dtype)) result = m.where(m.isnan(x), other, result);
  };
  skip(a, b);
  skip(b, a);
  return m.done(result);
}

// The official remainder of integers has the dividend's sign. Floating ones are right.
Result<Replacement> remainder(Rewrite& r) {
  Maker m(r);
  const DType dtype = r.result_type().dtype;
  const bool reversed = r.node->is(Op::aten_remainder_Scalar_Tensor);
  const auto operand = [&](size_t i) -> Value* {
    Value* value = r.arg(i).value();
    if (value != nullptr && value->is_tensor()) return m.cast(value, dtype);
    return m.call(Op::aten_full, {Arg::ints({}), r.arg(i), dtype});
  };
  if (!is_integer(dtype)) {
    if (!reversed) return Replacement{};
    return m.done(m.call(Op::aten_remainder_Tensor, {operand(0), operand(1)}));
  }
  if (dtype == DType::kUInt8 && !reversed) return Replacement{};
  Value* b = operand(1);
  Value* rest = m.call(Op::aten_fmod_Tensor, {operand(0), b});
  Value* differ = m.call(Op::aten_logical_xor, {m.lt(rest, Arg(0)), m.lt(b, Arg(0))});
  Value* wrong = m.both(m.call(Op::aten_ne_Scalar, {rest, Arg(0)}), differ);
  return m.done(m.where(wrong, m.add(rest, b), rest));
}

// The official sign of NaN is NaN, PyTorch's is 0.
Result<Replacement> sign(Rewrite& r) {
  const DType dtype = r.type(0).dtype;
  if (!is_floating(dtype)) return Replacement{};
  Maker m(r);
  Value* x = r.input(0);
  return m.done(m.sub(m.cast(m.gt(x, Arg(0)), dtype), m.cast(m.lt(x, Arg(0)), dtype)));
}

Result<Replacement> round_decimals(Rewrite& r) {
  const auto decimals = r.arg(1).integer();
  if (!decimals || std::abs(*decimals) > 300) return r.not_supported("a number of decimals");
  Maker m(r);
  const double power = std::pow(10.0, static_cast<double>(std::abs(*decimals)));
  // Half precision would overflow on the way.
  Value* x = m.cast(r.input(0), size_of(r.type(0).dtype) < 4 ? DType::kFloat32 : r.type(0).dtype);
  if (*decimals == 0) return m.done(m.unary(Op::aten_round, x));
  if (*decimals > 0) {
    return m.done(m.div(m.unary(Op::aten_round, m.mul(x, Arg(power))), Arg(power)));
  }
  return m.done(m.mul(m.unary(Op::aten_round, m.div(x, Arg(power))), Arg(power)));
}

Result<Replacement> exp2(Rewrite& r) {
  Maker m(r);
  Value* x = m.cast(r.input(0), r.result_type().dtype);
  return m.done(m.call(Op::aten_pow_Scalar, {Arg(2.0), x}));
}

Result<Replacement> ldexp(Rewrite& r) {
  Maker m(r);
  const DType dtype = r.result_type().dtype;
  // The power is rounded to its own type first.
  const DType other = r.type(1).dtype;
  const DType self = is_floating(r.type(0).dtype) ? r.type(0).dtype : DType::kFloat32;
  Value* exponent = m.cast(r.input(1), is_floating(other) ? other : self);
  Value* power = m.call(Op::aten_pow_Scalar, {Arg(2.0), exponent});
  return m.done(m.mul(m.cast(r.input(0), dtype), m.cast(power, dtype)));
}

Result<Replacement> hypot(Rewrite& r) {
  Maker m(r);
  const DType dtype = r.result_type().dtype;
  Value* a = m.abs(m.cast(r.input(0), dtype));
  Value* b = m.abs(m.cast(r.input(1), dtype));
  // Divided by the larger one, so that no square overflows.
  Value* most = m.call(Op::aten_maximum, {a, b});
  Value* ratio = m.div(m.call(Op::aten_minimum, {a, b}), most);
  Value* result = m.mul(most, m.sqrt(m.add(m.mul(ratio, ratio), Arg(1.0))));
  result = m.where(m.eq(most, Arg(0)), most, result);
  // Infinity beats NaN.
  Value* infinite = m.either(m.unary(Op::aten_isinf, a), m.unary(Op::aten_isinf, b));
  return m.done(m.where(infinite, Arg(std::numeric_limits<double>::infinity()), result));
}

Result<Replacement> angle(Rewrite& r) {
  if (is_complex(r.type(0).dtype)) return r.not_supported("complex numbers");
  Maker m(r);
  Value* x = m.cast(r.input(0), r.result_type().dtype);
  Value* turned = m.mul(m.cast(m.lt(x, Arg(0)), x->tensor().dtype), Arg(std::numbers::pi));
  return m.done(m.where(m.isnan(x), x, turned));
}

// Euclid's steps, as many as the largest Fibonacci numbers of the type need.
Value* common_divisor(Maker& m, Value* a, Value* b, DType dtype) {
  const int steps = size_of(dtype) == 1   ? 13
                    : size_of(dtype) == 2 ? 25
                    : size_of(dtype) == 4 ? 47
                                          : 93;
  for (int i = 0; i < steps; ++i) {
    Value* ended = m.eq(b, Arg(0));
    Value* divisor = m.where(ended, Arg(1), b);
    Value* rest = m.where(ended, b, m.call(Op::aten_fmod_Tensor, {a, divisor}));
    a = m.where(ended, a, b);
    b = rest;
  }
  return a;
}

template <bool kMultiple>
Result<Replacement> divisor(Rewrite& r) {
  Maker m(r);
  const DType dtype = r.result_type().dtype;
  Value* a = m.abs(m.cast(r.input(0), dtype));
  Value* b = m.abs(m.cast(r.input(1), dtype));
  Value* common = common_divisor(m, a, b, dtype);
  if (!kMultiple) return m.done(common);
  Value* safe = m.where(m.eq(common, Arg(0)), Arg(1), common);
  return m.done(m.mul(m.floor_div(a, safe), b));
}

// Half precision computes in float32.
Value* at_least_float(Maker& m, Value* x) {
  return m.cast(x, size_of(x->tensor().dtype) < 4 ? DType::kFloat32 : x->tensor().dtype);
}

// (x * (1 / scale)), rounded, + zero; the mask says what the grid could hold.
Result<Replacement> quantize(Maker& m, Value* scaled, const std::function<Value*(Value*)>& add_zero,
                             const std::function<Value*(Value*)>& back, Arg low, Arg high) {
  Value* q = add_zero(m.unary(Op::aten_round, scaled));
  Value* held = m.call(Op::aten_clamp, {q, low, high});
  held = m.where(m.isnan(q), low, held);
  Value* mask = m.both(m.ge(q, low), m.le(q, high));
  Value* result = m.cast(back(held), m.rewrite().result_type(0).dtype);
  return m.done(std::vector<Value*>{result, mask});
}

Result<Replacement> fake_quantize(Rewrite& r) {
  const auto scale = r.arg(1).number();
  const auto zero = r.arg(2).integer();
  if (!scale || !zero) return r.not_supported("parameters that are computed");
  Maker m(r);
  const auto step = static_cast<double>(static_cast<float>(*scale));
  const double inverse = static_cast<double>(1.0F / static_cast<float>(*scale));
  const double offset = static_cast<double>(*zero);
  return quantize(
      m, m.mul(at_least_float(m, r.input(0)), Arg(inverse)),
      [&](Value* q) { return m.add(q, Arg(offset)); },
      [&](Value* q) { return m.mul(m.sub(q, Arg(offset)), Arg(step)); }, r.arg(3), r.arg(4));
}

Result<Replacement> fake_quantize_channels(Rewrite& r) {
  const auto axis = r.arg(3).integer();
  const DType dtype = size_of(r.type(0).dtype) < 4 ? DType::kFloat32 : r.type(0).dtype;
  if (!axis || *axis < 0 || *axis >= static_cast<int64_t>(r.type(0).rank())) {
    return r.not_supported("an axis that is out of range");
  }
  Maker m(r);
  SymSizes along(r.type(0).rank(), SymInt(1));
  along[static_cast<size_t>(*axis)] = r.type(1).sizes[0];
  Value* scale = m.cast(m.view(r.input(1), along), dtype);
  Value* zero = m.cast(m.view(r.input(2), along), dtype);
  Value* inverse = m.unary(Op::aten_reciprocal, scale);
  return quantize(
      m, m.mul(at_least_float(m, r.input(0)), inverse), [&](Value* q) { return m.add(q, zero); },
      [&](Value* q) { return m.mul(m.sub(q, zero), scale); }, r.arg(4), r.arg(5));
}

// The official softmax computes float32 and shorter only.
template <bool kLog>
Result<Replacement> softmax(Rewrite& r) {
  const DType dtype = r.type(0).dtype;
  if (dtype != DType::kFloat64 || r.type(0).rank() == 0) return Replacement{};
  const auto dim = r.arg(1).integer();
  if (!dim) return r.not_supported("a dimension that is computed");
  Maker m(r);
  Value* shifted = m.sub(r.input(0), m.amax(r.input(0), *dim, true));
  Value* powers = m.exp(shifted);
  Value* total = m.sum(powers, *dim, true);
  return m.done(kLog ? m.sub(shifted, m.log(total)) : m.div(powers, total));
}

// The official sums with a number want the operand in the result's type.
Result<Replacement> add_number(Rewrite& r) {
  const DType dtype = r.result_type().dtype;
  if (r.type(0).dtype == dtype) return Replacement{};
  Maker m(r);
  return m.done(m.call(r.node->op().op, {m.cast(r.input(0), dtype), r.arg(1), r.arg(2)}));
}

// The official clamp refuses bounds that its operand's type cannot hold.
Result<Replacement> clamp(Rewrite& r) {
  const DType dtype = r.type(0).dtype;
  if (!is_integer(dtype) || size_of(dtype) > 4 || dtype != r.result_type().dtype) {
    return Replacement{};
  }
  const int bits = static_cast<int>(8 * size_of(dtype));
  const bool is_signed = dtype != DType::kUInt8;
  const int64_t least = is_signed ? -(int64_t{1} << (bits - 1)) : 0;
  const int64_t most = (int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
  std::vector<Arg> args = r.node->args();
  bool changed = false;
  for (const size_t i : {size_t{1}, size_t{2}}) {
    auto bound = args[i].number();
    if (!bound) continue;
    if (!is_signed && *bound < 0 && *bound >= -static_cast<double>(most)) {
      // PyTorch takes a negative bound of bytes modulo 256.
      bound = *bound + static_cast<double>(most) + 1;
      args[i] = Arg(static_cast<int64_t>(*bound));
      changed = true;
    }
    // Beyond the type's own end a bound of this side says nothing.
    if (i == 1 ? *bound < static_cast<double>(least) : *bound > static_cast<double>(most)) {
      args[i] = i == 1 ? Arg(least) : Arg(most);
      changed = true;
    }
  }
  // Numbers from 128 on count as negative there.
  if (dtype == DType::kUInt8) {
    Maker m(r);
    args[0] = m.cast(r.input(0), DType::kInt32);
    return m.done(m.call(Op::aten_clamp, std::move(args)));
  }
  if (!changed) return Replacement{};
  return one(r.call(Op::aten_clamp, std::move(args)));
}

// The official roll wants a dimension for each shift.
Result<Replacement> roll(Rewrite& r) {
  const auto dims = r.arg(2).integers();
  if (!dims || !dims->empty() || r.type(0).rank() == 0) return Replacement{};
  Maker m(r);
  Value* flat = m.call(Op::aten_view_copy, {r.input(0), Arg::ints({-1})});
  Value* rolled = m.call(Op::aten_roll, {flat, r.arg(1), Arg::ints({0})});
  return m.done(m.view(rolled, r.result_type().sizes, r.input(0)));
}

}  // namespace

std::span<const RuleEntry> legal_elementwise_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten___lshift___Tensor, renamed<Op::aten_bitwise_left_shift_Tensor>},
      {Op::aten___lshift___Scalar, renamed<Op::aten_bitwise_left_shift_Tensor_Scalar>},
      {Op::aten___rshift___Tensor, renamed<Op::aten_bitwise_right_shift_Tensor>},
      {Op::aten___rshift___Scalar, renamed<Op::aten_bitwise_right_shift_Tensor_Scalar>},
      {Op::aten_signbit, signbit},
      {Op::aten_copysign_Tensor, copysign},
      {Op::aten_copysign_Scalar, copysign},
      {Op::aten_fmax, extreme<true>},
      {Op::aten_fmin, extreme<false>},
      {Op::aten_remainder_Tensor, remainder},
      {Op::aten_remainder_Scalar, remainder},
      {Op::aten_remainder_Scalar_Tensor, remainder},
      {Op::aten_sign, sign},
      {Op::aten_round_decimals, round_decimals},
      {Op::aten_exp2, exp2},
      {Op::aten_ldexp_Tensor, ldexp},
      {Op::aten_hypot, hypot},
      {Op::aten_angle, angle},
      {Op::aten_gcd, divisor<false>},
      {Op::aten_lcm, divisor<true>},
      {Op::aten_fake_quantize_per_tensor_affine_cachemask, fake_quantize},
      {Op::aten_fake_quantize_per_channel_affine_cachemask, fake_quantize_channels},
      {Op::aten__softmax, softmax<false>},
      {Op::aten__log_softmax, softmax<true>},
      {Op::aten_add_Scalar, add_number},
      {Op::aten_sub_Scalar, add_number},
      {Op::aten_clamp, clamp},
      {Op::aten_roll, roll},
  };
  return kRules;
}

}  // namespace pte::passes
