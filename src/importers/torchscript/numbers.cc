// Arithmetic on Python's numbers: computed where they are known, nodes where the graph holds them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "importers/torchscript/context.h"
#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {
namespace {

enum class Fn : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kRemainder,
  kFmod,
  kPow,
  kNeg,
  kAbs,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kAnd,
  kOr,
  kXor,
  kNot,
  kInvert,
  kLeft,
  kRight,
  kSqrt,
  kExp,
  kLog,
  kLog2,
  kLog10,
  kLog1p,
  kSin,
  kCos,
  kTan,
  kTanh,
  kAtan2,
  kFloor,
  kCeil,
  kRound,
  kTrunc,
  kMin,
  kMax,
  kIsNan,
  kIsInf,
  kIsFinite,
  kGcd,
};

struct Entry {
  Fn fn;
  size_t operands;
  std::string_view tensor_op;  // what computes it on tensors, "" for none
};

const Entry* find_entry(std::string_view name) {
  static const std::unordered_map<std::string_view, Entry> kTable = {
      {"aten::add", {Fn::kAdd, 2, "aten::add"}},
      {"aten::sub", {Fn::kSub, 2, "aten::sub"}},
      {"aten::rsub", {Fn::kSub, 2, "aten::rsub"}},
      {"aten::mul", {Fn::kMul, 2, "aten::mul"}},
      {"aten::div", {Fn::kDiv, 2, "aten::div"}},
      {"aten::truediv", {Fn::kDiv, 2, "aten::div"}},
      {"aten::true_divide", {Fn::kDiv, 2, "aten::div"}},
      {"aten::floordiv", {Fn::kFloorDiv, 2, "aten::floor_divide"}},
      {"aten::floor_divide", {Fn::kFloorDiv, 2, "aten::floor_divide"}},
      {"aten::__floordiv__", {Fn::kFloorDiv, 2, "aten::floor_divide"}},
      {"aten::remainder", {Fn::kRemainder, 2, "aten::remainder"}},
      {"aten::fmod", {Fn::kFmod, 2, "aten::fmod"}},
      {"aten::pow", {Fn::kPow, 2, "aten::pow"}},
      {"aten::neg", {Fn::kNeg, 1, "aten::neg"}},
      {"aten::abs", {Fn::kAbs, 1, "aten::abs"}},
      {"prim::abs", {Fn::kAbs, 1, "aten::abs"}},
      {"aten::eq", {Fn::kEq, 2, "aten::eq"}},
      {"aten::ne", {Fn::kNe, 2, "aten::ne"}},
      {"aten::lt", {Fn::kLt, 2, "aten::lt"}},
      {"aten::le", {Fn::kLe, 2, "aten::le"}},
      {"aten::gt", {Fn::kGt, 2, "aten::gt"}},
      {"aten::ge", {Fn::kGe, 2, "aten::ge"}},
      {"aten::__and__", {Fn::kAnd, 2, "aten::bitwise_and"}},
      {"aten::__or__", {Fn::kOr, 2, "aten::bitwise_or"}},
      {"aten::__xor__", {Fn::kXor, 2, "aten::bitwise_xor"}},
      {"aten::__not__", {Fn::kNot, 1, "aten::logical_not"}},
      {"aten::bitwise_not", {Fn::kInvert, 1, "aten::bitwise_not"}},
      {"aten::__lshift__", {Fn::kLeft, 2, ""}},
      {"aten::__rshift__", {Fn::kRight, 2, ""}},
      {"aten::sqrt", {Fn::kSqrt, 1, "aten::sqrt"}},
      {"aten::exp", {Fn::kExp, 1, "aten::exp"}},
      {"aten::log", {Fn::kLog, 1, "aten::log"}},
      {"aten::log2", {Fn::kLog2, 1, "aten::log2"}},
      {"aten::log10", {Fn::kLog10, 1, "aten::log10"}},
      {"aten::log1p", {Fn::kLog1p, 1, "aten::log1p"}},
      {"aten::sin", {Fn::kSin, 1, "aten::sin"}},
      {"aten::cos", {Fn::kCos, 1, "aten::cos"}},
      {"aten::tan", {Fn::kTan, 1, "aten::tan"}},
      {"aten::tanh", {Fn::kTanh, 1, "aten::tanh"}},
      {"aten::atan2", {Fn::kAtan2, 2, "aten::atan2"}},
      {"aten::floor", {Fn::kFloor, 1, "aten::floor"}},
      {"aten::ceil", {Fn::kCeil, 1, "aten::ceil"}},
      {"aten::round", {Fn::kRound, 1, "aten::round"}},
      {"aten::trunc", {Fn::kTrunc, 1, "aten::trunc"}},
      {"prim::min", {Fn::kMin, 2, "aten::minimum"}},
      {"prim::max", {Fn::kMax, 2, "aten::maximum"}},
      {"aten::isnan", {Fn::kIsNan, 1, "aten::isnan"}},
      {"aten::isinf", {Fn::kIsInf, 1, "aten::isinf"}},
      {"aten::isfinite", {Fn::kIsFinite, 1, ""}},
      {"aten::gcd", {Fn::kGcd, 2, ""}},
  };
  const auto found = kTable.find(name);
  return found == kTable.end() ? nullptr : &found->second;
}

double to_double(const Scalar& value) {
  return std::visit([](auto item) { return static_cast<double>(item); }, value);
}
bool is_float(const Scalar& value) { return std::holds_alternative<double>(value); }
int64_t to_int(const Scalar& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
  return std::get<int64_t>(value);
}

// Integers wrap around as in PyTorch.
int64_t wrap(uint64_t value) { return static_cast<int64_t>(value); }
uint64_t bits(int64_t value) { return static_cast<uint64_t>(value); }

Scalar rounded(double value) {
  if (!(std::abs(value) < 9.2e18)) return Scalar(value);
  return Scalar(static_cast<int64_t>(value));
}

Result<Scalar> integers(Fn fn, int64_t a, int64_t b) {
  switch (fn) {
    case Fn::kAdd:
      return Scalar(wrap(bits(a) + bits(b)));
    case Fn::kSub:
      return Scalar(wrap(bits(a) - bits(b)));
    case Fn::kMul:
      return Scalar(wrap(bits(a) * bits(b)));
    case Fn::kFloorDiv:
    case Fn::kRemainder:
    case Fn::kFmod: {
      if (b == 0) return invalid_argument("an integer is divided by zero");
      if (b == -1) return fn == Fn::kFloorDiv ? Scalar(wrap(0 - bits(a))) : Scalar(int64_t{0});
      int64_t quotient = a / b, rest = a % b;
      if (rest != 0 && (rest < 0) != (b < 0) && fn != Fn::kFmod) {
        --quotient;
        rest += b;
      }
      return Scalar(fn == Fn::kFloorDiv ? quotient : rest);
    }
    case Fn::kPow: {
      if (b < 0) return Scalar(std::pow(static_cast<double>(a), static_cast<double>(b)));
      uint64_t result = 1, base = bits(a);
      for (int64_t left = b; left > 0; left >>= 1) {
        if ((left & 1) != 0) result *= base;
        base *= base;
      }
      return Scalar(wrap(result));
    }
    case Fn::kAnd:
      return Scalar(a & b);
    case Fn::kOr:
      return Scalar(a | b);
    case Fn::kXor:
      return Scalar(a ^ b);
    case Fn::kLeft:
      return Scalar(b < 0 || b > 63 ? int64_t{0} : wrap(bits(a) << b));
    case Fn::kRight:
      return Scalar(a >> (b < 0 || b > 63 ? 63 : b));
    case Fn::kMin:
      return Scalar(std::min(a, b));
    case Fn::kMax:
      return Scalar(std::max(a, b));
    case Fn::kGcd: {
      uint64_t x = a < 0 ? 0 - bits(a) : bits(a), y = b < 0 ? 0 - bits(b) : bits(b);
      while (y != 0) {
        const uint64_t rest = x % y;
        x = y;
        y = rest;
      }
      return Scalar(wrap(x));
    }
    default:
      return internal_error("no integer arithmetic");
  }
}

Result<Scalar> compute(Fn fn, const Scalar& a, const Scalar& b) {
  const double x = to_double(a), y = to_double(b);
  const bool whole = !is_float(a) && !is_float(b);
  switch (fn) {
    case Fn::kAdd:
    case Fn::kSub:
    case Fn::kMul:
    case Fn::kFloorDiv:
    case Fn::kRemainder:
    case Fn::kFmod:
    case Fn::kPow:
    case Fn::kMin:
    case Fn::kMax:
      if (whole) return integers(fn, to_int(a), to_int(b));
      switch (fn) {
        case Fn::kAdd:
          return Scalar(x + y);
        case Fn::kSub:
          return Scalar(x - y);
        case Fn::kMul:
          return Scalar(x * y);
        case Fn::kFloorDiv:
          if (y == 0) return invalid_argument("a number is divided by zero");
          return Scalar(std::floor(x / y));
        case Fn::kRemainder:
          if (y == 0) return invalid_argument("a number is divided by zero");
          return Scalar(x - std::floor(x / y) * y);
        case Fn::kFmod:
          return Scalar(std::fmod(x, y));
        case Fn::kPow:
          return Scalar(std::pow(x, y));
        case Fn::kMin:
          return Scalar(std::min(x, y));
        default:
          return Scalar(std::max(x, y));
      }
    case Fn::kDiv:
      if (y == 0) return invalid_argument("a number is divided by zero");
      return Scalar(x / y);
    case Fn::kAtan2:
      return Scalar(std::atan2(x, y));
    case Fn::kEq:
      return Scalar(whole ? to_int(a) == to_int(b) : x == y);
    case Fn::kNe:
      return Scalar(whole ? to_int(a) != to_int(b) : x != y);
    case Fn::kLt:
      return Scalar(whole ? to_int(a) < to_int(b) : x < y);
    case Fn::kLe:
      return Scalar(whole ? to_int(a) <= to_int(b) : x <= y);
    case Fn::kGt:
      return Scalar(whole ? to_int(a) > to_int(b) : x > y);
    case Fn::kGe:
      return Scalar(whole ? to_int(a) >= to_int(b) : x >= y);
    case Fn::kAnd:
    case Fn::kOr:
    case Fn::kXor:
    case Fn::kLeft:
    case Fn::kRight:
    case Fn::kGcd: {
      if (!whole) return invalid_data("bits of a float are asked for");
      const bool flags = std::holds_alternative<bool>(a) && std::holds_alternative<bool>(b);
      PTE_TRY(const Scalar made, integers(fn, to_int(a), to_int(b)));
      if (flags && fn != Fn::kGcd && fn != Fn::kLeft && fn != Fn::kRight)
        return Scalar(to_int(made) != 0);
      return made;
    }
    case Fn::kNeg:
      if (whole) return integers(Fn::kSub, 0, to_int(a));
      return Scalar(-x);
    case Fn::kAbs:
      if (whole) return to_int(a) < 0 ? integers(Fn::kSub, 0, to_int(a)) : Scalar(to_int(a));
      return Scalar(std::abs(x));
    case Fn::kNot:
      return Scalar(x == 0);
    case Fn::kInvert:
      if (const auto* flag = std::get_if<bool>(&a)) return Scalar(!*flag);
      if (!whole) return invalid_data("bits of a float are asked for");
      return Scalar(~to_int(a));
    case Fn::kSqrt:
      return Scalar(std::sqrt(x));
    case Fn::kExp:
      return Scalar(std::exp(x));
    case Fn::kLog:
      return Scalar(std::log(x));
    case Fn::kLog2:
      return Scalar(std::log2(x));
    case Fn::kLog10:
      return Scalar(std::log10(x));
    case Fn::kLog1p:
      return Scalar(std::log1p(x));
    case Fn::kSin:
      return Scalar(std::sin(x));
    case Fn::kCos:
      return Scalar(std::cos(x));
    case Fn::kTan:
      return Scalar(std::tan(x));
    case Fn::kTanh:
      return Scalar(std::tanh(x));
    case Fn::kFloor:
      return whole ? a : rounded(std::floor(x));
    case Fn::kCeil:
      return whole ? a : rounded(std::ceil(x));
    case Fn::kRound:
      return whole ? a : Scalar(std::nearbyint(x));
    case Fn::kTrunc:
      return whole ? a : rounded(std::trunc(x));
    case Fn::kIsNan:
      return Scalar(std::isnan(x));
    case Fn::kIsInf:
      return Scalar(std::isinf(x));
    case Fn::kIsFinite:
      return Scalar(std::isfinite(x));
  }
  return internal_error("no arithmetic");
}

DType tensor_dtype(const Scalar& value) {
  if (is_float(value)) return DType::kFloat32;
  return std::holds_alternative<bool>(value) ? DType::kBool : DType::kInt64;
}

std::optional<Op> size_operator(Fn fn) {
  switch (fn) {
    case Fn::kAdd:
      return Op::operator_add;
    case Fn::kSub:
      return Op::operator_sub;
    case Fn::kMul:
      return Op::operator_mul;
    case Fn::kFloorDiv:
      return Op::operator_floordiv;
    case Fn::kRemainder:
      return Op::operator_mod;
    case Fn::kEq:
      return Op::operator_eq;
    case Fn::kLt:
      return Op::operator_lt;
    case Fn::kLe:
      return Op::operator_le;
    case Fn::kGt:
      return Op::operator_gt;
    case Fn::kGe:
      return Op::operator_ge;
    case Fn::kMin:
      return Op::torch_sym_min;
    case Fn::kMax:
      return Op::torch_sym_max;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<std::optional<Value>> Evaluator::number_operator(const std::string& name,
                                                        const std::vector<Argument>& args) {
  const Entry* entry = find_entry(name);
  if (entry == nullptr || args.size() < entry->operands) return std::optional<Value>();
  // What stands beside the operands: alpha and rounding_mode.
  std::optional<Scalar> alpha;
  std::string rounding;
  for (size_t i = entry->operands; i < args.size(); ++i) {
    const Value& value = args[i].value;
    if (value.is_none()) continue;
    if (const auto* text = value.get<std::string>()) {
      rounding = *text;
    } else if (value.scalar() && (args[i].name == "alpha" || args[i].name.empty())) {
      alpha = value.scalar();
    } else {
      return std::optional<Value>();
    }
  }
  bool any_number = false, any_tensor = false, all_sizes = true;
  std::vector<Scalar> scalars;
  for (size_t i = 0; i < entry->operands; ++i) {
    const Value& value = args[i].value;
    if (const auto scalar = value.scalar()) {
      scalars.push_back(*scalar);
    } else if (const TensorPtr cell = value.tensor()) {
      if (cell->size != nullptr) {
        any_number = true;
        any_tensor = true;
        continue;
      }
      if (!cell->known) return std::optional<Value>();
      scalars.push_back(*cell->known);
      any_tensor = true;
    } else if (const auto* number = value.get<Number>()) {
      any_number = true;
      if (number->size == nullptr) all_sizes = false;
    } else {
      return std::optional<Value>();
    }
  }
  Fn fn = entry->fn;
  if (rounding == "floor") fn = Fn::kFloorDiv;
  if (!any_number) {
    const bool swapped = name == "aten::rsub";
    Scalar a = scalars[swapped ? 1 : 0];
    Scalar b = entry->operands > 1 ? scalars[swapped ? 0 : 1] : Scalar(int64_t{0});
    if (alpha && (fn == Fn::kAdd || fn == Fn::kSub)) {
      PTE_TRY(b, compute(Fn::kMul, b, *alpha));
    } else if (alpha && fn == Fn::kRound) {
      return std::optional<Value>();
    }
    if (any_tensor && fn == Fn::kDiv && to_double(b) == 0) {
      const double x = to_double(a);
      return std::optional<Value>(
          Value(known(Scalar(x == 0 ? std::numeric_limits<double>::quiet_NaN()
                                    : std::copysign(std::numeric_limits<double>::infinity(), x)),
                      DType::kFloat32)));
    }
    PTE_TRY(Scalar made, compute(fn, a, b));
    if (rounding == "trunc") {
      PTE_TRY(made, compute(Fn::kTrunc, made, Scalar(int64_t{0})));
    }
    if (!any_tensor) return std::optional<Value>(Value(made));
    // Known tensors keep a floating type that they have.
    DType dtype = tensor_dtype(made);
    for (size_t i = 0; i < entry->operands; ++i) {
      const TensorPtr cell = args[i].value.tensor();
      if (!cell || !is_floating(cell->known_dtype)) continue;
      if (dtype == DType::kBool) continue;
      made = Scalar(to_double(made));
      dtype = cell->known_dtype;
    }
    return std::optional<Value>(Value(known(made, dtype)));
  }

  // Sizes of the graph: integer operators of their own.
  const auto size_op = size_operator(fn);
  if (all_sizes && size_op && contexts_.size() == 1 && !alpha && name != "aten::rsub") {
    std::vector<ir::Arg> operands;
    bool whole = true;
    for (size_t i = 0; i < entry->operands; ++i) {
      const Value& value = args[i].value;
      const TensorPtr cell = value.tensor();
      if (const auto* number = value.get<Number>()) {
        operands.emplace_back(number->size);
      } else if (cell && cell->size != nullptr) {
        operands.emplace_back(cell->size);
      } else if (cell && cell->known && std::holds_alternative<int64_t>(*cell->known)) {
        operands.emplace_back(std::get<int64_t>(*cell->known));
      } else if (value.get<int64_t>() != nullptr) {
        operands.emplace_back(*value.integer());
      } else {
        whole = false;
      }
    }
    if (whole) {
      PTE_CHECK(check_nodes());
      PTE_TRY(ir::Value * made, context().maker.call(*size_op, std::move(operands), "size"));
      if (const auto* type = std::get_if<ir::SymIntType>(&made->type())) {
        if (const auto constant = type->value.constant()) {
          if (any_tensor) return std::optional<Value>(Value(known(*constant, DType::kInt64)));
          return std::optional<Value>(Value(*constant));
        }
        if (any_tensor) {
          auto cell = std::make_shared<TensorCell>();
          cell->size = made;
          return std::optional<Value>(Value(std::move(cell)));
        }
        Number number;
        number.size = made;
        return std::optional<Value>(Value(number));
      }
      Number number;
      number.kind = Number::Kind::kBool;
      number.size = made;
      return std::optional<Value>(Value(number));
    }
  }
  // A trace's size as a tensor, with what is no size: an ordinary tensor from here on.
  if (any_tensor && !std::any_of(args.begin(), args.end(), [](const Argument& arg) {
        return arg.value.get<Number>() != nullptr;
      })) {
    return std::optional<Value>();
  }
  if (entry->tensor_op.empty())
    return unsupported("{} of a number that depends on the input", name);
  std::vector<Argument> operands;
  bool floating = false;
  for (size_t i = 0; i < entry->operands; ++i) {
    const Value& value = args[i].value;
    if (const auto* number = value.get<Number>()) {
      floating |= number->kind == Number::Kind::kFloat;
      PTE_TRY(TensorPtr cell, number_tensor(value, number->kind));
      operands.push_back({"", Value(std::move(cell))});
    } else {
      floating |= value.get<double>() != nullptr;
      operands.push_back({"", value});
    }
  }
  if (alpha) operands.push_back({"alpha", Value(*alpha)});
  // A number first: the operators take tensors there.
  if (operands[0].value.scalar()) {
    const Scalar first = *operands[0].value.scalar();
    operands[0].value = Value(known(first, is_float(first) ? DType::kFloat64 : DType::kInt64));
  }
  PTE_TRY(const Value made, call_aten(std::string(entry->tensor_op), operands, {}));
  if (made.tensor() == nullptr) return std::optional<Value>(made);
  Number number;
  number.tensor = made.tensor();
  PTE_TRY(const ir::TensorType type, type_of(number.tensor));
  number.kind = type.dtype == DType::kBool ? Number::Kind::kBool
                : is_floating(type.dtype)  ? Number::Kind::kFloat
                                           : Number::Kind::kInt;
  static_cast<void>(floating);
  if ((fn == Fn::kFloor || fn == Fn::kCeil || fn == Fn::kTrunc) &&
      number.kind == Number::Kind::kFloat && !any_tensor) {
    PTE_TRY(ir::Value * held, value_of(number.tensor));
    PTE_TRY(ir::Value * whole,
            context().maker.call(Op::aten__to_copy, {held, DType::kInt64}, "whole"));
    number.tensor = new_tensor(context().aliases.add_root(whole));
    number.kind = Number::Kind::kInt;
  }
  if (any_tensor) return std::optional<Value>(Value(number.tensor));
  return std::optional<Value>(Value(number));
}

}  // namespace pte::importers::script
