#include "importers/onnx/elements.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pte::importers::onnx {

using ir::Arg;
using ir::SymInt;

double real_of(const Elem& a) {
  if (const auto* integer = std::get_if<int64_t>(&a)) return static_cast<double>(*integer);
  return std::get<double>(a);
}

namespace {

Arg arg(const Elem& item) {
  if (const auto* integer = std::get_if<int64_t>(&item)) return Arg(*integer);
  if (const auto* real = std::get_if<double>(&item)) return Arg(*real);
  return Arg(std::get<ir::Value*>(item));
}

// What is known of an integer.
std::optional<SymInt> sym_of(const Elem& a) {
  if (const auto* integer = std::get_if<int64_t>(&a)) return SymInt(*integer);
  if (const auto* value = std::get_if<ir::Value*>(&a)) {
    if (const auto* type = std::get_if<ir::SymIntType>(&(*value)->type())) return type->value;
  }
  return std::nullopt;
}

}  // namespace

// Rounds a computed number to what its type holds.
Elem stored(double value, DType dtype) {
  if (dtype == DType::kFloat64) return value;
  if (dtype == DType::kFloat16)
    return static_cast<double>(static_cast<float>(Half(static_cast<float>(value))));
  if (dtype == DType::kBFloat16)
    return static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(value))));
  return static_cast<double>(static_cast<float>(value));
}

// Integers wrap as their type does.
Elem wrapped(uint64_t bits, DType dtype) {
  int64_t out = static_cast<int64_t>(bits);
  dispatch(dtype, [&]<typename T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      out = bits != 0;
    } else if constexpr (std::is_integral_v<T>) {
      out = static_cast<int64_t>(static_cast<T>(bits));
    }
  });
  return out;
}

ElemResult symbolic(Emitter& e, std::string_view op, const Elem& a, const Elem& b) {
  Op id = Op::operator_add;
  if (op == "Sub")
    id = Op::operator_sub;
  else if (op == "Mul")
    id = Op::operator_mul;
  else if (op == "Div")
    id = Op::operator_floordiv;
  else if (op == "Mod")
    id = Op::operator_mod;
  else if (op == "Max")
    id = Op::torch_sym_max;
  else if (op == "Min")
    id = Op::torch_sym_min;
  else if (op != "Add")
    return std::nullopt;
  if (id == Op::operator_floordiv || id == Op::operator_mod) {
    // Sizes are not negative: rounding down and towards zero are one there, and only there.
    const auto x = sym_of(a), y = sym_of(b);
    if (!x || !y || x->lower_bound(e.module().symbols).value_or(-1) < 0 ||
        y->lower_bound(e.module().symbols).value_or(-1) < 1)
      return std::nullopt;
  }
  const Arg result = e.scalar(id, {arg(a), arg(b)});
  if (e.failed()) return std::nullopt;
  if (const auto number = result.integer()) return Elem(*number);
  return Elem(result.value());
}

namespace {

// a <=> b for integers of which something is known: -1, 0, 1, or nothing.
std::optional<int> order(Emitter& e, const Elem& a, const Elem& b) {
  const auto x = sym_of(a), y = sym_of(b);
  if (!x || !y) return std::nullopt;
  const SymInt difference = *x - *y;
  const auto low = difference.lower_bound(e.module().symbols);
  const auto high = difference.upper_bound(e.module().symbols);
  if (low && *low > 0) return 1;
  if (high && *high < 0) return -1;
  if (low && high && *low == 0 && *high == 0) return 0;
  return std::nullopt;
}

}  // namespace

ElemResult compare(Emitter& e, std::string_view op, const Elem& a, const Elem& b) {
  int sign = 0;
  bool unordered = false;
  if (is_real(a) || is_real(b)) {
    const double x = real_of(a), y = real_of(b);
    unordered = std::isnan(x) || std::isnan(y);
    sign = x < y ? -1 : (x > y ? 1 : 0);
  } else {
    const auto known = order(e, a, b);
    if (!known) return std::nullopt;
    sign = *known;
  }
  if (unordered) return Elem(int64_t{0});
  bool result = false;
  if (op == "Equal")
    result = sign == 0;
  else if (op == "Less")
    result = sign < 0;
  else if (op == "LessOrEqual")
    result = sign <= 0;
  else if (op == "Greater")
    result = sign > 0;
  else
    result = sign >= 0;
  return Elem(static_cast<int64_t>(result));
}

ElemResult integer_binary(std::string_view op, int64_t a, int64_t b, DType dtype, bool fmod) {
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  const bool is_unsigned = dtype == DType::kUInt64;
  if (op == "Add") return wrapped(x + y, dtype);
  if (op == "Sub") return wrapped(x - y, dtype);
  if (op == "Mul") return wrapped(x * y, dtype);
  if (op == "Max") return Elem(is_unsigned ? static_cast<int64_t>(std::max(x, y)) : std::max(a, b));
  if (op == "Min") return Elem(is_unsigned ? static_cast<int64_t>(std::min(x, y)) : std::min(a, b));
  if (op == "Div" || op == "Mod") {
    if (b == 0 || (a == std::numeric_limits<int64_t>::min() && b == -1)) return std::nullopt;
    if (is_unsigned) return Elem(static_cast<int64_t>(op == "Div" ? x / y : x % y));
    if (op == "Div") return wrapped(static_cast<uint64_t>(a / b), dtype);
    int64_t rest = a % b;
    if (!fmod && rest != 0 && (rest < 0) != (b < 0)) rest += b;
    return Elem(rest);
  }
  if (op == "Pow") {
    if (b < 0 || b > 62) return std::nullopt;
    uint64_t out = 1;
    for (int64_t i = 0; i < b; ++i) out *= x;
    return wrapped(out, dtype);
  }
  if (op == "And") return Elem(static_cast<int64_t>(a != 0 && b != 0));
  if (op == "Or") return Elem(static_cast<int64_t>(a != 0 || b != 0));
  if (op == "Xor") return Elem(static_cast<int64_t>((a != 0) != (b != 0)));
  return std::nullopt;
}

ElemResult real_binary(std::string_view op, double a, double b, DType dtype) {
  if (op == "Add") return stored(a + b, dtype);
  if (op == "Sub") return stored(a - b, dtype);
  if (op == "Mul") return stored(a * b, dtype);
  if (op == "Div") return stored(a / b, dtype);
  if (op == "Max")
    return std::isnan(a) || std::isnan(b) ? Elem(std::nan("")) : Elem(std::max(a, b));
  if (op == "Min")
    return std::isnan(a) || std::isnan(b) ? Elem(std::nan("")) : Elem(std::min(a, b));
  if (op == "Pow") return stored(std::pow(a, b), dtype);
  return std::nullopt;
}

bool is_comparison(std::string_view op) {
  return op == "Equal" || op == "Less" || op == "LessOrEqual" || op == "Greater" ||
         op == "GreaterOrEqual";
}

}  // namespace pte::importers::onnx
