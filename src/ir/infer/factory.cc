// Tensors from nothing, identities, and the operators that write their first operand.
#include <cmath>

#include "ir/infer/common.h"

namespace pte::ir {
namespace {

// ---- factories

DType scalar_dtype(const Arg& arg) {
  if (std::holds_alternative<bool>(arg.v)) return DType::kBool;
  if (std::holds_alternative<int64_t>(arg.v)) return DType::kInt64;
  if (const Value* value = arg.value()) {
    if (std::holds_alternative<SymIntType>(value->type())) return DType::kInt64;
    if (std::holds_alternative<SymBoolType>(value->type())) return DType::kBool;
    if (value->is_tensor()) return value->tensor().dtype;
  }
  return DType::kFloat32;
}

InferResult full(const InferContext& c) {
  PTE_TRY(SymSizes sizes, size_list(c, 0));
  for (const SymInt& size : sizes) {
    if (size.is_constant() && *size.constant() < 0) {
      return bad_arg(c, 0, fmt::format("[{}] has a negative size", to_string(sizes)));
    }
  }
  PTE_CHECK(element_product(c, sizes));
  return one(contiguous_type(dtype_arg(c, 2).value_or(scalar_dtype(c.args[1])), std::move(sizes)));
}

InferResult scalar_tensor(const InferContext& c) {
  return one(contiguous_type(dtype_arg(c, 1).value_or(DType::kFloat32), {}));
}

InferResult arange(const InferContext& c) {
  const Arg &start = c.args[0], &end = c.args[1], &step = c.args[2];
  DType dtype = DType::kInt64;
  for (const Arg* arg : {&start, &end, &step}) {
    if (!arg->sym_int() && !std::holds_alternative<bool>(arg->v)) dtype = DType::kFloat32;
  }
  dtype = dtype_arg(c, 3).value_or(dtype);
  const auto first = start.sym_int(), last = end.sym_int(), by = step.sym_int();
  if (first && last && by) {
    const SymInt length = *last - *first;
    if (by->is_constant(0)) return bad_arg(c, 2, "must not be 0");
    SymInt count = length;
    if (length.is_constant() && by->is_constant()) {
      // Quotient towards the end, without a sum that could overflow.
      const bool backwards =
          *length.constant() != 0 && (*length.constant() < 0) != (*by->constant() < 0);
      if (backwards) return bad_arg(c, 1, "lies on the other side of start than step goes");
      count = SymInt(0) - SymInt::floordiv(SymInt(0) - length, *by);
      if (*count.constant() < 0) return bad_arg(c, 1, "the range is too long");
    } else if (!by->is_constant(1)) {
      count = by->is_constant() && *by->constant() < 0 ? SymInt::floordiv(length + *by + 1, *by)
                                                       : SymInt::floordiv(length + *by - 1, *by);
    }
    return one(contiguous_type(dtype, {count}));
  }
  const auto from = start.number(), to = end.number(), stride = step.number();
  if (!from || !to || !stride)
    return unsupported("{}: bounds that are computed floats", c.op.full_name());
  if (*stride == 0 || !std::isfinite(*stride)) return bad_arg(c, 2, "must be finite and not 0");
  const double count = std::ceil((*to - *from) / *stride);
  if (!(count >= 0)) return bad_arg(c, 1, "lies on the other side of start than step goes");
  if (!(count < 1e15)) return bad_arg(c, 1, "the range is too long");
  return one(contiguous_type(dtype, {static_cast<int64_t>(count)}));
}

// ---- identities

InferResult identity(const InferContext& c) { return one(c.tensor(0)); }

InferResult fresh_copy(const InferContext& c) {
  return one(contiguous_type(c.tensor(0).dtype, c.tensor(0).sizes));
}

// copy(self, src): src's elements in self's type.
InferResult copy(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(check_expands(c, 1, c.tensor(1).sizes, self.sizes));
  return one(self);
}

constexpr InferEntry kFactories[] = {
    {Op::aten_full, full},
    {Op::aten_scalar_tensor, scalar_tensor},
    {Op::aten_arange_start_step, arange},
    {Op::aten_dropout, identity},
    {Op::aten_feature_dropout, identity},
    {Op::aten_alpha_dropout, identity},
    {Op::aten_detach, identity},
    {Op::aten_alias, identity},
    {Op::aten_lift_fresh_copy, fresh_copy},
    {Op::aten_copy, copy},
};

// ---- in place: the result is self, which must be able to hold it

InferResult binary_in_place(const InferContext& c) {
  PTE_CHECK(copy(c));  // the other operand may not enlarge self
  const DType own = c.tensor(0).dtype;
  Promotion promotion;
  promotion.add(c.tensor(0));
  promotion.add(c.tensor(1));
  PTE_TRY(DType dtype, promotion.result(c));
  if (c.op.op == Op::aten_div__Tensor) dtype = to_floating(dtype);
  const auto kind = [](DType t) {
    return is_complex(t) ? 3 : is_floating(t) ? 2 : t == DType::kBool ? 0 : 1;
  };
  if (kind(dtype) > kind(own)) {
    return bad_arg(
        c, 0, fmt::format("{} cannot hold a result of {}", dtype_name(own), dtype_name(dtype)));
  }
  return one(c.tensor(0));
}

constexpr InferEntry kInPlace[] = {
    {Op::aten_copy_, copy},
    {Op::aten_add__Tensor, binary_in_place},
    {Op::aten_sub__Tensor, binary_in_place},
    {Op::aten_mul__Tensor, binary_in_place},
    {Op::aten_div__Tensor, binary_in_place},
    {Op::aten_relu_, identity},
    {Op::aten_relu6_, identity},
    {Op::aten_hardtanh_, identity},
    {Op::aten_hardswish_, identity},
    {Op::aten_hardsigmoid_, identity},
    {Op::aten_sigmoid_, identity},
    {Op::aten_silu_, identity},
    {Op::aten_leaky_relu_, identity},
    {Op::aten_clamp_, identity},
    {Op::aten_dropout_, identity},
    {Op::aten_detach_, identity},
    {Op::executorch_prim_et_copy_index, identity},
};

}  // namespace

std::span<const InferEntry> factory_inference() { return kFactories; }
std::span<const InferEntry> in_place_inference() { return kInPlace; }

}  // namespace pte::ir
