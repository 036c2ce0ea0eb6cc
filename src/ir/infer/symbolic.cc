// Operators on sizes and scalars, and checks of them.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

std::vector<Type> size_result(SymInt value) { return {Type(SymIntType{std::move(value)})}; }

InferResult sym_size(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  return size_result(self.sizes[dim]);
}

InferResult sym_numel(const InferContext& c) {
  PTE_TRY(SymInt count, element_product(c, c.tensor(0).sizes));
  return size_result(std::move(count));
}

// What a tensor holds is known only at run time.
InferResult item(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const SymInt count, element_product(c, self.sizes));
  if (count.is_constant() && !count.is_constant(1)) {
    return bad_arg(c, 0,
                   fmt::format("[{}] does not hold exactly one element", to_string(self.sizes)));
  }
  if (self.dtype == DType::kBool) return std::vector<Type>{SymBoolType{}};
  if (is_floating(self.dtype)) return std::vector<Type>{SymFloatType{}};
  if (is_complex(self.dtype)) return bad_arg(c, 0, "complex numbers are not supported");
  return std::vector<Type>{unknown_int()};
}

bool is_fraction(const Arg& arg) {
  const Value* value = arg.value();
  return std::holds_alternative<double>(arg.v) ||
         (value != nullptr && std::holds_alternative<SymFloatType>(value->type()));
}

Status check_scalars(const InferContext& c) {
  for (size_t i = 0; i < c.args.size(); ++i) {
    const Value* value = c.args[i].value();
    if (value != nullptr && value->is_tensor())
      return bad_arg(c, i, "expected a scalar, got a tensor");
  }
  return {};
}

using Fold = SymInt (*)(const SymInt&, const SymInt&);

// Sizes are computed as expressions; as soon as a float takes part the value is known at run time.
template <Fold fold>
InferResult arithmetic(const InferContext& c) {
  PTE_CHECK(check_scalars(c));
  if (is_fraction(c.args[0]) || is_fraction(c.args[1])) return std::vector<Type>{SymFloatType{}};
  const auto a = c.args[0].sym_int();
  const auto b = c.args[1].sym_int();
  if (!a || !b) return std::vector<Type>{unknown_int()};  // bools count as integers
  return size_result(fold(*a, *b));
}

InferResult negate(const InferContext& c) {
  PTE_CHECK(check_scalars(c));
  if (is_fraction(c.args[0])) return std::vector<Type>{SymFloatType{}};
  const auto a = c.args[0].sym_int();
  if (!a) return std::vector<Type>{unknown_int()};
  return size_result(SymInt(0) - *a);
}

InferResult compare(const InferContext& c) {
  PTE_CHECK(check_scalars(c));
  return std::vector<Type>{SymBoolType{}};
}

InferResult divide(const InferContext& c) {
  PTE_CHECK(check_scalars(c));
  return std::vector<Type>{SymFloatType{}};
}

// A value that becomes a float, or an integer known at run time only.
InferResult to_float(const InferContext& c) {
  PTE_CHECK(check_scalars(c));
  return std::vector<Type>{SymFloatType{}};
}

// Integers stay what they are; of a float's whole part nothing is known.
InferResult to_integer(const InferContext& c) {
  PTE_CHECK(check_scalars(c));
  if (!is_fraction(c.args[0])) {
    if (const auto a = c.args[0].sym_int()) return size_result(*a);
  }
  return std::vector<Type>{unknown_int()};
}

// One of two values. They may differ, so their kind is all that is known.
InferResult choose(const InferContext& c) {
  PTE_CHECK(check_scalars(c));
  if (is_fraction(c.args[1]) || is_fraction(c.args[2])) return std::vector<Type>{SymFloatType{}};
  const auto a = c.args[1].sym_int();
  const auto b = c.args[2].sym_int();
  if (!a && !b) return std::vector<Type>{SymBoolType{}};
  if (a && b && *a == *b) return size_result(*a);
  return std::vector<Type>{unknown_int()};
}

InferResult nothing(const InferContext&) { return std::vector<Type>{}; }

SymInt plus(const SymInt& a, const SymInt& b) { return a + b; }
SymInt minus(const SymInt& a, const SymInt& b) { return a - b; }
SymInt times(const SymInt& a, const SymInt& b) { return a * b; }

constexpr InferEntry kEntries[] = {
    {Op::aten_sym_size_int, sym_size},
    {Op::aten_sym_numel, sym_numel},
    {Op::aten__local_scalar_dense, item},
    {Op::aten_item, item},
    {Op::operator_add, arithmetic<plus>},
    {Op::operator_sub, arithmetic<minus>},
    {Op::operator_mul, arithmetic<times>},
    {Op::operator_floordiv, arithmetic<SymInt::floordiv>},
    {Op::operator_truediv, divide},
    {Op::operator_mod, arithmetic<SymInt::mod>},
    {Op::operator_eq, compare},
    {Op::operator_ge, compare},
    {Op::operator_gt, compare},
    {Op::operator_le, compare},
    {Op::operator_lt, compare},
    {Op::operator_neg, negate},
    {Op::torch_sym_max, arithmetic<SymInt::max>},
    {Op::torch_sym_min, arithmetic<SymInt::min>},
    {Op::executorch_prim_floordiv_int, arithmetic<SymInt::floordiv>},
    {Op::executorch_prim_mod_int, arithmetic<SymInt::mod>},
    {Op::torch_sym_float, to_float},
    {Op::torch_sym_int, to_integer},
    {Op::torch_sym_not, compare},
    {Op::torch_sym_ite, choose},
    {Op::math_ceil, to_integer},
    {Op::math_round, to_integer},
    {Op::math_trunc, to_integer},
    {Op::aten__assert_scalar, nothing},
    {Op::aten__assert_tensor_metadata, nothing},
    {Op::aten_sym_constrain_range_for_size, nothing},
};

}  // namespace

std::span<const InferEntry> symbolic_inference() { return kEntries; }

}  // namespace pte::ir
