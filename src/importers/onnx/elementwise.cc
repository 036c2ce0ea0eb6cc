// Operators that work element by element: arithmetic, comparison, logic, bits.
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

template <Op O>
void unary(NodeCall& c) {
  c.set(c.e.call(O, {c.in(0).v}));
}

// The second operand. Before version 7 an axis may say where in the first one it stands.
Ex second(NodeCall& c, const Ex& a) {
  const Ex b = c.in(1);
  if (c.opset >= 7 || c.i("broadcast", 0) == 0 || !c.has_attribute("axis")) return b;
  const int64_t axis = c.wrap(c.i("axis", 0), a.rank());
  std::vector<Arg> sizes = b.sizes();
  while (axis + static_cast<int64_t>(sizes.size()) < a.dims()) sizes.emplace_back(int64_t{1});
  return b.view(sizes);
}

template <Op O>
void binary(NodeCall& c) {
  const Ex a = c.in(0), b = second(c, a);
  c.set(c.e.call(O, {a.v, b.v}));
}

void div(NodeCall& c) {
  const Ex a = c.in(0), b = second(c, a);
  if (is_floating(a.dtype())) return c.set(a / b);
  c.set(c.e.call(Op::aten_div_Tensor_mode, {a.v, b.v, "trunc"}));
}

void mod(NodeCall& c) {
  const Ex a = c.in(0), b = c.in(1);
  c.set(
      c.e.call(c.i("fmod", 0) != 0 ? Op::aten_fmod_Tensor : Op::aten_remainder_Tensor, {a.v, b.v}));
}

void pow(NodeCall& c) {
  const Ex base = c.in(0);
  const Small* known = c.small(1);
  if (known != nullptr && known->count() == 1 && known->sizes.size() <= base.rank()) {
    const auto numbers = known->numbers();
    if (numbers && is_floating(base.dtype()))
      return c.set(c.e.call(Op::aten_pow_Tensor_Scalar, {base.v, (*numbers)[0]}));
  }
  const Ex exponent = c.in(1);
  if (is_floating(base.dtype()))
    return c.set(c.e.call(Op::aten_pow_Tensor_Tensor, {base.v, exponent.cast(base.dtype()).v}));
  if (is_floating(exponent.dtype())) {
    const Ex power =
        c.e.call(Op::aten_pow_Tensor_Tensor, {base.cast(exponent.dtype()).v, exponent.v});
    return c.set(power.cast(base.dtype()));
  }
  c.set(c.e.call(Op::aten_pow_Tensor_Tensor, {base.v, exponent.cast(base.dtype()).v}));
}

template <Op O>
void variadic(NodeCall& c) {
  Ex total = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) total = c.e.call(O, {total.v, c.in(i).v});
  c.set(total);
}

void mean(NodeCall& c) {
  Ex total = c.in(0);
  for (size_t i = 1; i < c.inputs(); ++i) total = total + c.in(i);
  c.set(total / static_cast<double>(c.inputs()));
}

void clip(NodeCall& c) {
  Ex x = c.in(0);
  if (c.opset < 11) {
    const double low = c.f("min", -INFINITY), high = c.f("max", INFINITY);
    const Arg none;
    return c.set(x.clamp(std::isinf(low) ? none : Arg(low), std::isinf(high) ? none : Arg(high)));
  }
  Arg bounds[2];
  bool known = true;
  for (size_t k : {size_t{1}, size_t{2}}) {
    if (!c.has(k)) continue;
    const Small* small = c.small(k);
    const auto numbers = small == nullptr ? std::nullopt : small->numbers();
    if (!numbers || numbers->size() != 1 || x.dtype() == DType::kUInt64) {
      known = false;
    } else {
      bounds[k - 1] = x.number((*numbers)[0]);
    }
  }
  if (c.failed()) return;
  if (!c.has(1) && !c.has(2)) return c.set(x);
  if (known) return c.set(x.clamp(bounds[0], bounds[1]));
  if (c.has(1)) x = c.e.maximum(x, c.in(1));
  if (c.has(2)) x = c.e.minimum(x, c.in(2));
  c.set(x);
}

void is_inf(NodeCall& c) {
  const Ex x = c.in(0);
  const bool up = c.i("detect_positive", 1) != 0, down = c.i("detect_negative", 1) != 0;
  if (up && down) return c.set(c.e.call(Op::aten_isinf, {x.v}));
  if (up) return c.set(x == std::numeric_limits<double>::infinity());
  if (down) return c.set(x == -std::numeric_limits<double>::infinity());
  c.set(c.e.full(x.sizes(), 0, DType::kBool));
}

void where(NodeCall& c) { c.set(c.e.where(c.in(0), c.in(1), c.in(2))); }

void bit_shift(NodeCall& c) {
  const Ex x = c.in(0), y = c.in(1);
  const bool left = c.s("direction", "") == "LEFT";
  c.set(c.e.call(left ? Op::aten_bitwise_left_shift_Tensor : Op::aten_bitwise_right_shift_Tensor,
                 {x.v, y.v}));
}

void identity(NodeCall& c) {
  if (Item* item = c.item(0)) return c.set(0, *item);
  c.in(0);
}

void dropout(NodeCall& c) {
  const Ex x = c.in(0);
  bool training = false;
  if (c.opset >= 12 && c.has(2)) {
    const auto flag = c.ints(2);
    training = !flag.empty() && flag[0] != 0;
  }
  if (training) {
    double ratio = 0.5;
    if (c.has(1)) {
      const auto given = c.numbers(1);
      if (!given.empty()) ratio = given[0];
    }
    if (ratio != 0) return c.fail(unsupported("dropout in training mode, which is random"));
  }
  c.set(x);
  if (c.wants(1)) c.set(1, c.e.full(x.sizes(), 1, c.opset < 10 ? x.dtype() : DType::kBool));
}

constexpr RuleEntry kRules[] = {
    {"Abs", unary<Op::aten_abs>},
    {"Acos", unary<Op::aten_acos>},
    {"Acosh", unary<Op::aten_acosh>},
    {"Asin", unary<Op::aten_asin>},
    {"Asinh", unary<Op::aten_asinh>},
    {"Atan", unary<Op::aten_atan>},
    {"Atanh", unary<Op::aten_atanh>},
    {"BitwiseNot", unary<Op::aten_bitwise_not>},
    {"Ceil", unary<Op::aten_ceil>},
    {"Cos", unary<Op::aten_cos>},
    {"Cosh", unary<Op::aten_cosh>},
    {"Erf", unary<Op::aten_erf>},
    {"Exp", unary<Op::aten_exp>},
    {"Floor", unary<Op::aten_floor>},
    {"IsNaN", unary<Op::aten_isnan>},
    {"Log", unary<Op::aten_log>},
    {"Neg", unary<Op::aten_neg>},
    {"Not", unary<Op::aten_logical_not>},
    {"Reciprocal", unary<Op::aten_reciprocal>},
    {"Round", unary<Op::aten_round>},
    {"Sign", unary<Op::aten_sign>},
    {"Sin", unary<Op::aten_sin>},
    {"Sinh", unary<Op::aten_sinh>},
    {"Sqrt", unary<Op::aten_sqrt>},
    {"Tan", unary<Op::aten_tan>},
    {"Tanh", unary<Op::aten_tanh>},
    {"Add", binary<Op::aten_add_Tensor>},
    {"Sub", binary<Op::aten_sub_Tensor>},
    {"Mul", binary<Op::aten_mul_Tensor>},
    {"Div", div},
    {"Mod", mod},
    {"Pow", pow},
    {"And", binary<Op::aten_logical_and>},
    {"Or", binary<Op::aten_logical_or>},
    {"Xor", binary<Op::aten_logical_xor>},
    {"BitwiseAnd", binary<Op::aten_bitwise_and_Tensor>},
    {"BitwiseOr", binary<Op::aten_bitwise_or_Tensor>},
    {"BitwiseXor", binary<Op::aten_bitwise_xor_Tensor>},
    {"Equal", binary<Op::aten_eq_Tensor>},
    {"Less", binary<Op::aten_lt_Tensor>},
    {"LessOrEqual", binary<Op::aten_le_Tensor>},
    {"Greater", binary<Op::aten_gt_Tensor>},
    {"GreaterOrEqual", binary<Op::aten_ge_Tensor>},
    {"Max", variadic<Op::aten_maximum>},
    {"Min", variadic<Op::aten_minimum>},
    {"Sum", variadic<Op::aten_add_Tensor>},
    {"Mean", mean},
    {"Clip", clip},
    {"IsInf", is_inf},
    {"Where", where},
    {"BitShift", bit_shift},
    {"Identity", identity},
    {"Dropout", dropout},
};

}  // namespace

std::span<const RuleEntry> elementwise_rules() { return kRules; }

}  // namespace pte::importers::onnx
