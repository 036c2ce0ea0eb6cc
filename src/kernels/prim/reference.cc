// Kernels on sizes and numbers. They follow Python: floor division, modulo with the divisor's
// sign, true division that gives a float.
#include <cmath>
#include <functional>

#include "kernels/common/shape.h"
#include "kernels/families.h"
#include "tensor/dtype.h"

namespace pte::kernels {
namespace {

bool any_float(const Scalar& a, const Scalar& b) {
  return a.kind == Scalar::Kind::kFloat || b.kind == Scalar::Kind::kFloat;
}

Error overflow(const Call& call) { return call.invalid("the result does not fit 64 bits"); }

Status add(Call& call) {
  const Scalar a = call.scalar(0);
  const Scalar b = call.scalar(1);
  if (any_float(a, b)) {
    call.result() = EValue(a.as_double() + b.as_double());
    return {};
  }
  int64_t value = 0;
  if (__builtin_add_overflow(a.integer, b.integer, &value)) return overflow(call);
  call.result() = EValue(value);
  return {};
}

Status sub(Call& call) {
  const Scalar a = call.scalar(0);
  const Scalar b = call.scalar(1);
  if (any_float(a, b)) {
    call.result() = EValue(a.as_double() - b.as_double());
    return {};
  }
  int64_t value = 0;
  if (__builtin_sub_overflow(a.integer, b.integer, &value)) return overflow(call);
  call.result() = EValue(value);
  return {};
}

Status mul(Call& call) {
  const Scalar a = call.scalar(0);
  const Scalar b = call.scalar(1);
  if (any_float(a, b)) {
    call.result() = EValue(a.as_double() * b.as_double());
    return {};
  }
  int64_t value = 0;
  if (__builtin_mul_overflow(a.integer, b.integer, &value)) return overflow(call);
  call.result() = EValue(value);
  return {};
}

// Python's: the quotient rounds down and the remainder takes the divisor's sign.
struct FloorDivision {
  int64_t quotient;
  int64_t remainder;
};
std::optional<FloorDivision> floor_divide(int64_t a, int64_t b) {
  if (b == 0) return std::nullopt;
  if (b == -1) {
    if (a == INT64_MIN) return std::nullopt;
    return FloorDivision{-a, 0};
  }
  FloorDivision result{a / b, a % b};
  if (result.remainder != 0 && (result.remainder < 0) != (b < 0)) {
    --result.quotient;
    result.remainder += b;
  }
  return result;
}

double python_mod(double a, double b) {
  double remainder = std::fmod(a, b);
  if (remainder != 0) {
    if ((remainder < 0) != (b < 0)) remainder += b;
  } else {
    remainder = std::copysign(0.0, b);
  }
  return remainder;
}

Status floordiv(Call& call) {
  const Scalar a = call.scalar(0);
  const Scalar b = call.scalar(1);
  if (b.as_double() == 0) return call.invalid("division by zero");
  if (any_float(a, b)) {
    const double x = a.as_double();
    const double y = b.as_double();
    call.result() = EValue(std::round((x - python_mod(x, y)) / y));
    return {};
  }
  const auto division = floor_divide(a.integer, b.integer);
  if (!division) return overflow(call);
  call.result() = EValue(division->quotient);
  return {};
}

Status mod(Call& call) {
  const Scalar a = call.scalar(0);
  const Scalar b = call.scalar(1);
  if (b.as_double() == 0) return call.invalid("division by zero");
  if (any_float(a, b)) {
    call.result() = EValue(python_mod(a.as_double(), b.as_double()));
    return {};
  }
  // Modulo -1 is always 0, although the quotient may overflow.
  const auto division = b.integer == -1 ? FloorDivision{0, 0} : *floor_divide(a.integer, b.integer);
  call.result() = EValue(division.remainder);
  return {};
}

Status truediv(Call& call) {
  const Scalar a = call.scalar(0);
  const Scalar b = call.scalar(1);
  if (b.as_double() == 0) return call.invalid("division by zero");
  call.result() = EValue(a.as_double() / b.as_double());
  return {};
}

template <typename Fn>
bool compare(const Scalar& a, const Scalar& b, Fn fn) {
  return any_float(a, b) ? fn(a.as_double(), b.as_double()) : fn(a.integer, b.integer);
}

template <typename Relation>
Status relation(Call& call) {
  call.result() = EValue(compare(call.scalar(0), call.scalar(1), Relation{}));
  return {};
}

EValue value_of(const Scalar& scalar) {
  switch (scalar.kind) {
    case Scalar::Kind::kFloat:
      return EValue(scalar.real);
    case Scalar::Kind::kBool:
      return EValue(scalar.integer != 0);
    case Scalar::Kind::kInt:
      break;
  }
  return EValue(scalar.integer);
}

// torch.sym_max: a float among the two makes the result a float.
template <bool kMaximum>
Status extreme(Call& call) {
  const Scalar a = call.scalar(0);
  const Scalar b = call.scalar(1);
  const bool b_wins = kMaximum ? compare(a, b, std::less<>{}) : compare(b, a, std::less<>{});
  const Scalar& chosen = b_wins ? b : a;
  call.result() = any_float(a, b) ? EValue(chosen.as_double()) : value_of(chosen);
  return {};
}

Status neg(Call& call) {
  const Scalar a = call.scalar(0);
  if (a.kind == Scalar::Kind::kFloat) {
    call.result() = EValue(-a.real);
    return {};
  }
  if (a.integer == INT64_MIN) return overflow(call);
  call.result() = EValue(-a.integer);
  return {};
}

Status sym_float(Call& call) {
  call.result() = EValue(call.scalar(0).as_double());
  return {};
}

// A number that must become an integer: round is applied to floats, integers and bools stay.
template <double (*kRound)(double)>
Status to_integer(Call& call) {
  const Scalar a = call.scalar(0);
  if (a.kind != Scalar::Kind::kFloat) {
    call.result() = EValue(a.integer);
    return {};
  }
  const double whole = kRound(a.real);
  if (!(whole >= -0x1p63 && whole < 0x1p63)) return overflow(call);
  call.result() = EValue(static_cast<int64_t>(whole));
  return {};
}

double round_up(double x) { return std::ceil(x); }
double round_even(double x) { return std::nearbyint(x); }
double round_to_zero(double x) { return std::trunc(x); }

bool is_true(const Scalar& a) {
  return a.kind == Scalar::Kind::kFloat ? a.real != 0 : a.integer != 0;
}

Status sym_not(Call& call) {
  call.result() = EValue(!is_true(call.scalar(0)));
  return {};
}

// The chosen one keeps its kind.
Status sym_ite(Call& call) {
  const Scalar chosen = call.scalar(is_true(call.scalar(0)) ? 1 : 2);
  call.result() = value_of(chosen);
  return {};
}

Status sym_size(Call& call) {
  const Tensor& self = call.tensor(0);
  if (self.rank() == 0) return call.invalid("a rank-0 tensor has no sizes");
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), self.rank()));
  call.result() = EValue(self.size(static_cast<size_t>(dim)));
  return {};
}

Status sym_numel(Call& call) {
  call.result() = EValue(call.tensor(0).numel());
  return {};
}

Status local_scalar(Call& call) {
  const Tensor& self = call.tensor(0);
  if (self.numel() != 1) return call.invalid("{} is not one number", self.describe());
  EValue value;
  const bool known = dispatch(self.dtype(), [&]<typename T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      value = EValue(*self.data_as<uint8_t>() != 0);
      return;
    }
    const T element = *self.data_as<T>();
    if constexpr (std::is_same_v<T, double>) {
      value = EValue(element);
    } else if constexpr (std::is_integral_v<T>) {
      value = EValue(static_cast<int64_t>(element));
    } else {
      value = EValue(static_cast<double>(static_cast<float>(element)));
    }
  });
  if (!known) return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  call.result() = std::move(value);
  return {};
}

}  // namespace

std::span<const Entry> prim_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_sym_size_int, sym_size},
      {Op::aten_sym_numel, sym_numel},
      {Op::aten__local_scalar_dense, local_scalar},
      {Op::operator_add, add},
      {Op::operator_sub, sub},
      {Op::operator_mul, mul},
      {Op::operator_floordiv, floordiv},
      {Op::operator_truediv, truediv},
      {Op::operator_mod, mod},
      {Op::operator_eq, relation<std::equal_to<>>},
      {Op::operator_ge, relation<std::greater_equal<>>},
      {Op::operator_gt, relation<std::greater<>>},
      {Op::operator_le, relation<std::less_equal<>>},
      {Op::operator_lt, relation<std::less<>>},
      {Op::operator_neg, neg},
      {Op::torch_sym_max, extreme<true>},
      {Op::torch_sym_min, extreme<false>},
      {Op::executorch_prim_floordiv_int, floordiv},
      {Op::executorch_prim_mod_int, mod},
      {Op::torch_sym_float, sym_float},
      {Op::torch_sym_int, to_integer<round_to_zero>},
      {Op::torch_sym_not, sym_not},
      {Op::torch_sym_ite, sym_ite},
      {Op::math_ceil, to_integer<round_up>},
      {Op::math_round, to_integer<round_even>},
      {Op::math_trunc, to_integer<round_to_zero>},
  };
  return kEntries;
}

}  // namespace pte::kernels
