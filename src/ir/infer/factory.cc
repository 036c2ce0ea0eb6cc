// Tensors from nothing, identities, and the operators that write their first operand.
#include <algorithm>
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

Result<SymSizes> new_sizes(const InferContext& c, size_t arg) {
  PTE_TRY(SymSizes sizes, size_list(c, arg));
  for (const SymInt& size : sizes) {
    if (size.is_constant() && *size.constant() < 0) {
      return bad_arg(c, arg, fmt::format("[{}] has a negative size", to_string(sizes)));
    }
  }
  PTE_CHECK(element_product(c, sizes));
  return sizes;
}

InferResult full(const InferContext& c) {
  PTE_TRY(SymSizes sizes, new_sizes(c, 0));
  return one(contiguous_type(dtype_arg(c, 2).value_or(scalar_dtype(c.args[1])), std::move(sizes)));
}

InferResult scalar_tensor(const InferContext& c) {
  return one(contiguous_type(dtype_arg(c, 1).value_or(DType::kFloat32), {}));
}

// Messages name the arguments `last_arg` and `step_arg`.
InferResult arange_between(const InferContext& c, const Arg& start, const Arg& end, const Arg& step,
                           size_t last_arg, size_t step_arg, std::optional<DType> wanted) {
  DType dtype = DType::kInt64;
  for (const Arg* arg : {&start, &end, &step}) {
    if (!arg->sym_int() && !std::holds_alternative<bool>(arg->v)) dtype = DType::kFloat32;
  }
  dtype = wanted.value_or(dtype);
  // PyTorch counts in int64 for an int64 result, and in double for every other type.
  const auto bound = [&](const Arg& arg) -> std::optional<SymInt> {
    const auto* real = std::get_if<double>(&arg.v);
    if (real == nullptr || dtype != DType::kInt64 || !(std::abs(*real) < 0x1p62))
      return arg.sym_int();
    return SymInt(static_cast<int64_t>(*real));
  };
  const auto first = bound(start), last = bound(end), by = bound(step);
  if (first && last && by) {
    const SymInt length = *last - *first;
    if (by->is_constant(0)) return bad_arg(c, step_arg, "must not be 0");
    SymInt count = length;
    if (length.is_constant() && by->is_constant()) {
      // Quotient towards the end, without a sum that could overflow.
      const bool backwards =
          *length.constant() != 0 && (*length.constant() < 0) != (*by->constant() < 0);
      if (backwards) return bad_arg(c, last_arg, "lies on the other side of start than step goes");
      count = SymInt(0) - SymInt::floordiv(SymInt(0) - length, *by);
      if (*count.constant() < 0) return bad_arg(c, last_arg, "the range is too long");
    } else if (!by->is_constant(1)) {
      count = by->is_constant() && *by->constant() < 0 ? SymInt::floordiv(length + *by + 1, *by)
                                                       : SymInt::floordiv(length + *by - 1, *by);
    }
    return one(contiguous_type(dtype, {count}));
  }
  const auto from = start.number(), to = end.number(), stride = step.number();
  if (!from || !to || !stride)
    return unsupported("{}: bounds that are computed floats", c.op.full_name());
  if (*stride == 0 || !std::isfinite(*stride))
    return bad_arg(c, step_arg, "must be finite and not 0");
  const double count = std::ceil((*to - *from) / *stride);
  if (!(count >= 0)) return bad_arg(c, last_arg, "lies on the other side of start than step goes");
  if (!(count < 1e15)) return bad_arg(c, last_arg, "the range is too long");
  return one(contiguous_type(dtype, {static_cast<int64_t>(count)}));
}

InferResult arange(const InferContext& c) {
  return arange_between(c, c.args[0], c.args[1], c.args[2], 1, 2, dtype_arg(c, 3));
}

InferResult arange_to(const InferContext& c) {
  return arange_between(c, Arg(int64_t{0}), c.args[0], Arg(int64_t{1}), 0, 0, dtype_arg(c, 1));
}

// zeros, ones, rand …: argument 0 is the size, float32 the type unless another is given.
InferResult of_size(const InferContext& c) {
  PTE_TRY(SymSizes sizes, new_sizes(c, 0));
  return one(contiguous_type(dtype_arg(c, 1).value_or(DType::kFloat32), std::move(sizes)));
}

InferResult empty(const InferContext& c) {
  PTE_TRY(SymSizes sizes, new_sizes(c, 0));
  TensorType type = contiguous_type(dtype_arg(c, 1).value_or(DType::kFloat32), std::move(sizes));
  PTE_TRY(type.dim_order, order_for(c, 5, type));
  return one(std::move(type));
}

Result<DimOrder> order_arg(const InferContext& c, size_t arg, size_t rank) {
  PTE_TRY(const std::vector<int64_t> dims, int_list(c, arg));
  DimOrder order;
  for (const int64_t dim : dims)
    order.push_back(dim < 0 || dim > 255 ? uint8_t{255} : static_cast<uint8_t>(dim));
  if (order.size() != rank || !is_permutation(order)) {
    return bad_arg(c, arg, fmt::format("is not an order of {} dimensions", rank));
  }
  return order;
}

InferResult empty_permuted(const InferContext& c) {
  PTE_TRY(SymSizes sizes, new_sizes(c, 0));
  PTE_TRY(DimOrder order, order_arg(c, 1, sizes.size()));
  return one({dtype_arg(c, 2).value_or(DType::kFloat32), std::move(sizes), std::move(order)});
}

InferResult empty_dim_order(const InferContext& c) {
  PTE_TRY(SymSizes sizes, new_sizes(c, 0));
  TensorType type = contiguous_type(dtype_arg(c, 1).value_or(DType::kFloat32), std::move(sizes));
  if (!c.args[5].is_none()) {
    PTE_TRY(type.dim_order, order_arg(c, 5, type.rank()));
  }
  return one(std::move(type));
}

InferResult randperm(const InferContext& c) {
  const auto n = c.args[0].sym_int();
  if (!n) return bad_arg(c, 0, "expected an integer");
  if (n->is_constant() && *n->constant() < 0) return bad_arg(c, 0, "must be 0 or more");
  return one(contiguous_type(dtype_arg(c, 1).value_or(DType::kInt64), {*n}));
}

InferResult randint(const InferContext& c) {
  PTE_TRY(SymSizes sizes, new_sizes(c, 2));
  return one(contiguous_type(dtype_arg(c, 3).value_or(DType::kInt64), std::move(sizes)));
}

// How many elements of a rows x columns matrix have column <= row + offset.
int64_t lower_count(int64_t rows, int64_t columns, int64_t offset) {
  // Rows begin to have elements at -offset, and are whole from columns - 1 - offset on.
  const int64_t first = std::clamp<int64_t>(-offset, 0, rows);
  const int64_t whole = std::clamp<int64_t>(columns - 1 - offset, first, rows);
  const int64_t partial = whole - first;
  return partial * (first + offset + 1) + partial * (partial - 1) / 2 + (rows - whole) * columns;
}

template <bool kLower>
InferResult triangle_indices(const InferContext& c) {
  PTE_TRY(const int64_t rows, int_arg(c, 0));
  PTE_TRY(const int64_t columns, int_arg(c, 1));
  PTE_TRY(int64_t offset, int_arg(c, 2));
  constexpr int64_t kMost = int64_t{1} << 31;
  if (rows < 0 || rows >= kMost) return bad_arg(c, 0, "must be from 0 to 2^31");
  if (columns < 0 || columns >= kMost) return bad_arg(c, 1, "must be from 0 to 2^31");
  offset = std::clamp(offset, -kMost, kMost);
  const int64_t count = kLower ? lower_count(rows, columns, offset)
                               : rows * columns - lower_count(rows, columns, offset - 1);
  return one(contiguous_type(dtype_arg(c, 3).value_or(DType::kInt64), {2, count}));
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
    {Op::aten_arange, arange_to},
    {Op::aten_ones, of_size},
    {Op::aten_zeros, of_size},
    {Op::aten_rand, of_size},
    {Op::aten_randn, of_size},
    {Op::aten_empty_memory_format, empty},
    {Op::aten_empty_permuted, empty_permuted},
    {Op::dim_order_empty_dim_order, empty_dim_order},
    {Op::aten_randperm, randperm},
    {Op::aten_randint_low, randint},
    {Op::aten_tril_indices, triangle_indices<true>},
    {Op::aten_triu_indices, triangle_indices<false>},
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
