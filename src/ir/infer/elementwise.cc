// Elementwise operators: promotion, broadcasting, and dim orders kept from the operands.
#include "ir/infer/elementwise.h"

namespace pte::ir {

InferResult like(const InferContext& c, size_t arg, DType dtype) {
  const TensorType& tensor = c.tensor(arg);
  return one({dtype, tensor.sizes, tensor.dim_order});
}

// The first operand that is as large as the result says how the result lies; failing that, the
// first one of its rank.
DimOrder elementwise_order(std::initializer_list<const TensorType*> operands,
                           const SymSizes& sizes) {
  for (const TensorType* operand : operands) {
    if (operand->sizes == sizes) return operand->dim_order;
  }
  // Among smaller ones a layout other than contiguous says more.
  for (const TensorType* operand : operands) {
    if (operand->rank() == sizes.size() && !operand->is_contiguous()) return operand->dim_order;
  }
  return contiguous_dim_order(sizes.size());
}

Result<TensorType> binary_type(const InferContext& c, size_t first, size_t second) {
  const TensorType& a = c.tensor(first);
  const TensorType& b = c.tensor(second);
  Promotion promotion;
  promotion.add(a);
  promotion.add(b);
  PTE_TRY(const DType dtype, promotion.result(c));
  PTE_TRY(SymSizes sizes, broadcast(c, a.sizes, b.sizes));
  DimOrder order = elementwise_order({&a, &b}, sizes);
  return TensorType{dtype, std::move(sizes), std::move(order)};
}

namespace {

InferResult like_self(const InferContext& c, DType dtype) { return like(c, 0, dtype); }

// abs, relu, floor …: the type of the operand.
InferResult same(const InferContext& c) { return like_self(c, c.tensor(0).dtype); }

InferResult same_not_bool(const InferContext& c) {
  if (c.tensor(0).dtype == DType::kBool)
    return bad_arg(c, 0, "bool is not supported; use logical_not");
  return same(c);
}

InferResult abs(const InferContext& c) { return like_self(c, real_part(c.tensor(0).dtype)); }

// exp, sigmoid …: integers become float32.
InferResult floating(const InferContext& c) { return like_self(c, to_floating(c.tensor(0).dtype)); }

InferResult boolean(const InferContext& c) { return like_self(c, DType::kBool); }

// self and every Scalar among the arguments from 1 to Last decide the dtype.
template <size_t Last>
InferResult with_scalars(const InferContext& c) {
  Promotion promotion;
  promotion.add(c.tensor(0));
  for (size_t i = 1; i <= Last; ++i) promotion.add_scalar(c.args[i]);
  PTE_TRY(const DType dtype, promotion.result(c));
  return like_self(c, dtype);
}

InferResult clamp(const InferContext& c) {
  if (c.args[1].is_none() && c.args[2].is_none()) return bad_arg(c, 1, "min or max must be given");
  return with_scalars<2>(c);
}

InferResult pow_scalar(const InferContext& c) {
  PTE_TRY(std::vector<Type> types, with_scalars<1>(c));
  TensorType& type = std::get<TensorType>(types[0]);
  if (type.dtype == DType::kBool) type.dtype = DType::kInt64;
  return types;
}

InferResult div_scalar(const InferContext& c) {
  PTE_TRY(std::vector<Type> types, with_scalars<1>(c));
  TensorType& type = std::get<TensorType>(types[0]);
  type.dtype = to_floating(type.dtype);
  return types;
}

bool is_fraction(const Arg& arg) {
  const Value* value = arg.value();
  return std::holds_alternative<double>(arg.v) ||
         (value != nullptr && std::holds_alternative<SymFloatType>(value->type()));
}

Status check_alpha(const InferContext& c, size_t arg, DType dtype) {
  if (is_fraction(c.args[arg]) && !is_floating(dtype) && !is_complex(dtype)) {
    return bad_arg(c, arg, fmt::format("a float does not fit a result of {}", dtype_name(dtype)));
  }
  return {};
}

InferResult scalar_with_alpha(const InferContext& c) {
  PTE_TRY(std::vector<Type> types, with_scalars<1>(c));
  PTE_CHECK(check_alpha(c, 2, std::get<TensorType>(types[0]).dtype));
  return types;
}

InferResult binary(const InferContext& c) {
  PTE_TRY(TensorType type, binary_type(c, 0, 1));
  return one(std::move(type));
}

InferResult add_tensor(const InferContext& c) {
  PTE_TRY(TensorType type, binary_type(c, 0, 1));
  PTE_CHECK(check_alpha(c, 2, type.dtype));
  return one(std::move(type));
}

InferResult sub_tensor(const InferContext& c) {
  if (c.tensor(0).dtype == DType::kBool && c.tensor(1).dtype == DType::kBool) {
    return bad_arg(c, 1, "two bool tensors cannot be subtracted; use logical operators");
  }
  return add_tensor(c);
}

InferResult div_tensor(const InferContext& c) {
  PTE_TRY(TensorType type, binary_type(c, 0, 1));
  type.dtype = to_floating(type.dtype);
  return one(std::move(type));
}

InferResult compare(const InferContext& c) {
  PTE_TRY(TensorType type, binary_type(c, 0, 1));
  type.dtype = DType::kBool;
  return one(std::move(type));
}

InferResult where(const InferContext& c) {
  const TensorType& condition = c.tensor(0);
  if (condition.dtype != DType::kBool && condition.dtype != DType::kUInt8) {
    return bad_arg(c, 0, fmt::format("expected bool, got {}", dtype_name(condition.dtype)));
  }
  PTE_TRY(TensorType type, binary_type(c, 1, 2));
  PTE_TRY(type.sizes, broadcast(c, condition.sizes, type.sizes));
  type.dim_order = elementwise_order({&condition, &c.tensor(1), &c.tensor(2)}, type.sizes);
  return one(std::move(type));
}

InferResult prelu(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  const TensorType& weight = c.tensor(1);
  if (weight.dtype != self.dtype) {
    return bad_arg(
        c, 1,
        fmt::format("is {}, the input is {}", dtype_name(weight.dtype), dtype_name(self.dtype)));
  }
  if (weight.rank() > 1)
    return bad_arg(c, 1, fmt::format("must have rank 0 or 1, it has {}", weight.rank()));
  if (weight.rank() == 1 && !weight.sizes[0].is_constant(1)) {
    const SymInt channels = self.rank() >= 2 ? self.sizes[1] : SymInt(1);
    if (!unify(c, channels, weight.sizes[0])) {
      return bad_arg(c, 1,
                     fmt::format("{} slopes for {} channels", weight.sizes[0].to_string(),
                                 channels.to_string()));
    }
  }
  return same(c);
}

// ---- copies

// to.dtype, _to_copy …: arguments `dtype` and `memory_format` by name.
InferResult convert(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  TensorType type = self;
  const int dtype = c.op.arg_index("dtype");
  if (dtype >= 0) type.dtype = dtype_arg(c, static_cast<size_t>(dtype)).value_or(self.dtype);
  const int format = c.op.arg_index("memory_format");
  if (format >= 0) {
    PTE_TRY(type.dim_order, order_for(c, static_cast<size_t>(format), self));
  }
  return one(std::move(type));
}

// _to_dim_order_copy, _clone_dim_order: the layout is an argument; none keeps it.
InferResult convert_order(const InferContext& c) {
  TensorType type = c.tensor(0);
  const int dtype = c.op.arg_index("dtype");
  if (dtype >= 0) type.dtype = dtype_arg(c, static_cast<size_t>(dtype)).value_or(type.dtype);
  const auto arg = static_cast<size_t>(c.op.arg_index("dim_order"));
  if (!c.args[arg].is_none()) {
    PTE_TRY(const std::vector<int64_t> dims, int_list(c, arg));
    DimOrder order;
    for (const int64_t dim : dims)
      order.push_back(dim < 0 || dim > 255 ? uint8_t{255} : static_cast<uint8_t>(dim));
    if (order.size() != type.rank() || !is_permutation(order)) {
      return bad_arg(c, arg, fmt::format("is not an order of {} dimensions", type.rank()));
    }
    type.dim_order = std::move(order);
  }
  return one(std::move(type));
}

constexpr InferEntry kEntries[] = {
    {Op::aten_abs, abs},
    {Op::aten_ceil, same},
    {Op::aten_clamp, clamp},
    {Op::aten_clamp_min, with_scalars<1>},
    {Op::aten_clamp_max, with_scalars<1>},
    {Op::aten_cos, floating},
    {Op::aten_elu, same},
    {Op::aten_erf, floating},
    {Op::aten_exp, floating},
    {Op::aten_floor, same},
    {Op::aten_gelu, same},
    {Op::aten_hardsigmoid, same},
    {Op::aten_hardswish, same},
    {Op::aten_hardtanh, same_not_bool},
    {Op::aten_leaky_relu, same},
    {Op::aten_log, floating},
    {Op::aten_logical_not, boolean},
    {Op::aten_neg, same_not_bool},
    {Op::aten_pow_Tensor_Scalar, pow_scalar},
    {Op::aten_reciprocal, floating},
    {Op::aten_relu, same_not_bool},
    {Op::aten_relu6, same_not_bool},
    {Op::aten_round, same},
    {Op::aten_rsqrt, floating},
    {Op::aten_sigmoid, floating},
    {Op::aten_silu, same},
    {Op::aten_sin, floating},
    {Op::aten_sqrt, floating},
    {Op::aten_tanh, floating},
    {Op::aten__to_copy, convert},
    {Op::dim_order_to_dim_order_copy, convert_order},
    {Op::dim_order_clone_dim_order, convert_order},
    {Op::aten_clone, convert},
    {Op::aten_contiguous, convert},
    {Op::aten_to_dtype, convert},
    {Op::aten_to_dtype_layout, convert},
    {Op::aten_add_Tensor, add_tensor},
    {Op::aten_add_Scalar, scalar_with_alpha},
    {Op::aten_sub_Tensor, sub_tensor},
    {Op::aten_sub_Scalar, scalar_with_alpha},
    {Op::aten_rsub_Scalar, scalar_with_alpha},
    {Op::aten_mul_Tensor, binary},
    {Op::aten_mul_Scalar, with_scalars<1>},
    {Op::aten_div_Tensor, div_tensor},
    {Op::aten_div_Scalar, div_scalar},
    {Op::aten_maximum, binary},
    {Op::aten_minimum, binary},
    {Op::aten_where_self, where},
    {Op::aten_eq_Tensor, compare},
    {Op::aten_eq_Scalar, boolean},
    {Op::aten_ne_Tensor, compare},
    {Op::aten_ne_Scalar, boolean},
    {Op::aten_gt_Tensor, compare},
    {Op::aten_gt_Scalar, boolean},
    {Op::aten_ge_Tensor, compare},
    {Op::aten_ge_Scalar, boolean},
    {Op::aten_lt_Tensor, compare},
    {Op::aten_lt_Scalar, boolean},
    {Op::aten_le_Tensor, compare},
    {Op::aten_le_Scalar, boolean},
    {Op::aten_logical_and, compare},
    {Op::aten_prelu, prelu},
};

}  // namespace

std::span<const InferEntry> elementwise_inference() { return kEntries; }

}  // namespace pte::ir
