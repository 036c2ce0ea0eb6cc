// Conversions between element types, the narrow ones included that a wider type carries.
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

struct NarrowFloat {
  int mantissa;
  double smallest;  // normal: 2^emin
  double largest;
  bool infinities;
  bool negative_zero;
};

NarrowFloat facts_of(int32_t type) {
  switch (type) {
    case kFloat8E4M3FN:
      return {3, 0x1p-6, 448, false, true};
    case kFloat8E4M3FNUZ:
      return {3, 0x1p-7, 240, false, false};
    case kFloat8E5M2:
      return {2, 0x1p-14, 57344, true, true};
    case kFloat8E5M2FNUZ:
      return {2, 0x1p-15, 57344, false, false};
    default:
      return {1, 1.0, 6, false, true};
  }
}

// The power of two at or below |x|: what the logarithm says, corrected where it was rounded.
Ex power_of_two(const Ex& x) {
  Emitter& e = *x.e;
  const Ex size = x.abs();
  const Ex exponent = e.call(Op::aten_log2, {size.v}).floor();
  Ex power = e.call(Op::aten_pow_Scalar, {2.0, exponent.v});
  power = e.where(power > size, power * 0.5, power);
  return e.where(power * 2.0 <= size, power * 2.0, power);
}

// float8e8m0 holds powers of two alone.
Ex round_to_power(const Ex& x, bool saturate, std::string_view mode) {
  Emitter& e = *x.e;
  const Ex low = power_of_two(x);
  Ex out = low;
  if (mode == "up") out = e.where(x > low, low * 2.0, low);
  if (mode == "nearest") out = e.where(x >= low * 1.5, low * 2.0, low);
  const Ex nan = e.full({}, std::numeric_limits<double>::quiet_NaN(), DType::kFloat32);
  if (saturate) out = out.clamp(0x1p-127, 0x1p127);
  return e.where((x == x) && e.call(Op::aten_isinf, {x.v}).logical_not(), out, nan);
}

}  // namespace

Ex round_to_narrow(const Ex& given, int32_t type, bool saturate) {
  Emitter& e = *given.e;
  const Ex x = given.cast(DType::kFloat32);
  const NarrowFloat f = facts_of(type);
  // The distance between neighbours at x; below the smallest normal number it stays.
  const double units = static_cast<double>(1 << f.mantissa);
  const Ex step = power_of_two(x).clamp(f.smallest, Arg()) / units;
  Ex y = (x / step).round() * step;
  const Ex nan = e.full({}, std::numeric_limits<double>::quiet_NaN(), DType::kFloat32);
  const Ex is_nan = e.call(Op::aten_isnan, {x.v});
  const Ex infinite = e.call(Op::aten_isinf, {x.v});
  if (saturate || type == kFloat4E2M1) {
    y = e.where(infinite, x, y).clamp(-f.largest, f.largest);
  } else if (f.infinities) {
    const Ex outside = (y.abs() > f.largest) || infinite;
    y = e.where(outside,
                x.sign() * e.full({}, std::numeric_limits<double>::infinity(), DType::kFloat32), y);
  } else {
    y = e.where((y.abs() > f.largest) || infinite, nan, y);
  }
  // float4 has no NaN; what stands for it is minus zero.
  y = e.where(is_nan, type == kFloat4E2M1 ? e.full({}, -0.0, DType::kFloat32) : nan, y);
  if (!f.negative_zero) y = e.where(y == 0.0, e.full({}, 0, DType::kFloat32), y);
  return y;
}

namespace {

// Keeps the low bits of an integer, with or without sign.
Ex wrap_bits(const Ex& x, int bits, bool is_signed) {
  Emitter& e = *x.e;
  const Ex wide = x.cast(DType::kInt32);
  const Ex low = e.call(Op::aten_bitwise_and_Scalar, {wide.v, int64_t{(1 << bits) - 1}});
  if (!is_signed) return low.cast(DType::kUInt8);
  const int64_t half = int64_t{1} << (bits - 1);
  const Ex flipped = e.call(Op::aten_bitwise_xor_Scalar, {low.v, half});
  return (flipped - static_cast<double>(half)).cast(DType::kInt8);
}

Ex cast_to(NodeCall& c, const Ex& x, int32_t to, bool saturate) {
  const auto dtype = carrier_type(to);
  if (!dtype) {
    c.fail(Error(dtype.error()));
    return x;
  }
  switch (to) {
    case kFloat8E4M3FN:
    case kFloat8E4M3FNUZ:
    case kFloat8E5M2:
    case kFloat8E5M2FNUZ:
    case kFloat4E2M1:
      return round_to_narrow(x, to, saturate);
    case kFloat8E8M0:
      return round_to_power(x.cast(DType::kFloat32), saturate, c.s("round_mode", "up"));
    case kInt4:
    case kUInt4:
    case kInt2:
    case kUInt2: {
      const int bits = to == kInt4 || to == kUInt4 ? 4 : 2;
      const bool is_signed = to == kInt4 || to == kInt2;
      // The whole part's low bits, as integers wrap everywhere.
      return wrap_bits(x, bits, is_signed);
    }
    default:
      break;
  }
  if (*dtype == DType::kBool && x.dtype() != DType::kBool)
    return c.e.call(Op::aten_ne_Scalar, {x.v, x.number(0)});
  if (x.dtype() == *dtype) return x;
  return x.cast(*dtype);
}

void cast(NodeCall& c) {
  const auto to = static_cast<int32_t>(c.i("to", 0));
  c.set(cast_to(c, c.in(0), to, c.i("saturate", 1) != 0));
  c.set_type(0, to);
}

void cast_like(NodeCall& c) {
  const Ex x = c.in(0), like = c.in(1);
  const int32_t narrow = c.type(1);
  if (narrow != kUndefined) {
    c.set(cast_to(c, x, narrow, c.i("saturate", 1) != 0));
    return c.set_type(0, narrow);
  }
  if (like.dtype() == DType::kBool && x.dtype() != DType::kBool)
    return c.set(c.e.call(Op::aten_ne_Scalar, {x.v, x.number(0)}));
  c.set(x.cast(like.dtype()));
}

void bit_cast(NodeCall& c) {
  const Ex x = c.in(0);
  const auto to = static_cast<int32_t>(c.i("to", 0));
  const auto dtype = carrier_type(to);
  if (!dtype) return c.fail(Error(dtype.error()));
  if (is_carried(to) || c.type(0) != kUndefined)
    return c.fail(
        unsupported("the bits of {}", element_type_name(is_carried(to) ? to : c.type(0))));
  if (x.dtype() == *dtype) return c.set(x);
  c.set(c.e.call(Op::aten_view_copy_dtype, {x.v, *dtype}));
}

constexpr RuleEntry kRules[] = {
    {"Cast", cast},
    {"CastLike", cast_like},
    {"BitCast", bit_cast},
};

}  // namespace

std::span<const RuleEntry> cast_rules() { return kRules; }

}  // namespace pte::importers::onnx
