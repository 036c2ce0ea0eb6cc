// Reductions over some or all dimensions, and softmax.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

SymSizes reduced_sizes(const TensorType& self, const std::vector<bool>& mask, bool keep) {
  SymSizes sizes;
  for (size_t i = 0; i < self.rank(); ++i) {
    if (!mask[i]) {
      sizes.push_back(self.sizes[i]);
    } else if (keep) {
      sizes.emplace_back(1);
    }
  }
  return sizes;
}

// Maximum, minimum and their indices have no value over nothing.
Status check_not_empty(const InferContext& c, const std::vector<bool>& mask) {
  const TensorType& self = c.tensor(0);
  for (size_t i = 0; i < self.rank(); ++i) {
    if (mask[i] && self.sizes[i].is_constant(0)) {
      return bad_arg(c, 0,
                     fmt::format("[{}] is empty along dimension {}", to_string(self.sizes), i));
    }
  }
  return {};
}

Result<DType> mean_dtype(const InferContext& c, size_t arg) {
  const DType dtype = dtype_arg(c, arg).value_or(c.tensor(0).dtype);
  if (!is_floating(dtype) && !is_complex(dtype)) {
    return bad_arg(c, arg, fmt::format("the mean of {} needs a floating dtype", dtype_name(dtype)));
  }
  return dtype;
}

InferResult mean(const InferContext& c) {
  PTE_TRY(const DType dtype, mean_dtype(c, 1));
  return one(contiguous_type(dtype, {}));
}

InferResult mean_dim(const InferContext& c) {
  PTE_TRY(const DType dtype, mean_dtype(c, 3));
  PTE_TRY(const std::vector<bool> mask, dim_mask(c, 1, c.tensor(0).rank()));
  return one(contiguous_type(dtype, reduced_sizes(c.tensor(0), mask, bool_arg(c, 2))));
}

InferResult sum_dim(const InferContext& c) {
  const DType own = c.tensor(0).dtype;
  const DType dtype =
      dtype_arg(c, 3).value_or(is_floating(own) || is_complex(own) ? own : DType::kInt64);
  PTE_TRY(const std::vector<bool> mask, dim_mask(c, 1, c.tensor(0).rank()));
  return one(contiguous_type(dtype, reduced_sizes(c.tensor(0), mask, bool_arg(c, 2))));
}

InferResult extreme(const InferContext& c) {
  PTE_TRY(const std::vector<bool> mask, dim_mask(c, 1, c.tensor(0).rank()));
  PTE_CHECK(check_not_empty(c, mask));
  return one(contiguous_type(c.tensor(0).dtype, reduced_sizes(c.tensor(0), mask, bool_arg(c, 2))));
}

InferResult argmax(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  std::vector<bool> mask(self.rank(), true);
  if (!c.args[1].is_none()) {
    PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
    mask.assign(self.rank(), false);
    if (self.rank() > 0) mask[dim] = true;
  }
  PTE_CHECK(check_not_empty(c, mask));
  return one(contiguous_type(DType::kInt64, reduced_sizes(self, mask, bool_arg(c, 2))));
}

DType any_dtype(const TensorType& self) {
  return self.dtype == DType::kUInt8 ? DType::kUInt8 : DType::kBool;
}

InferResult any(const InferContext& c) { return one(contiguous_type(any_dtype(c.tensor(0)), {})); }

InferResult any_dim(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  std::vector<bool> mask(self.rank(), false);
  if (self.rank() > 0) mask[dim] = true;
  return one(contiguous_type(any_dtype(self), reduced_sizes(self, mask, bool_arg(c, 2))));
}

// An empty list names no dimension here: each element by itself.
InferResult any_dims(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  const ArgList* dims = c.args[1].list();
  if (dims != nullptr && dims->empty()) {
    TensorType type = self;
    type.dtype = any_dtype(self);
    return one(std::move(type));
  }
  PTE_TRY(const std::vector<bool> mask, dim_mask(c, 1, self.rank()));
  return one(contiguous_type(any_dtype(self), reduced_sizes(self, mask, bool_arg(c, 2))));
}

InferResult extreme_all(const InferContext& c) {
  PTE_CHECK(check_not_empty(c, std::vector<bool>(c.tensor(0).rank(), true)));
  return one(contiguous_type(c.tensor(0).dtype, {}));
}

// The sizes without (or with 1 for) the one dimension that argument 1 names.
Result<SymSizes> without_dim(const InferContext& c, bool check) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  std::vector<bool> mask(self.rank(), false);
  if (self.rank() > 0) mask[dim] = true;
  if (check) PTE_CHECK(check_not_empty(c, mask));
  return reduced_sizes(self, mask, bool_arg(c, 2));
}

InferResult extreme_dim(const InferContext& c) {
  PTE_TRY(const SymSizes sizes, without_dim(c, true));
  return std::vector<Type>{contiguous_type(c.tensor(0).dtype, sizes),
                           contiguous_type(DType::kInt64, sizes)};
}

DType product_dtype(const InferContext& c, size_t arg) {
  const DType own = c.tensor(0).dtype;
  return dtype_arg(c, arg).value_or(is_floating(own) || is_complex(own) ? own : DType::kInt64);
}
InferResult prod(const InferContext& c) { return one(contiguous_type(product_dtype(c, 1), {})); }
InferResult prod_dim(const InferContext& c) {
  PTE_TRY(SymSizes sizes, without_dim(c, false));
  return one(contiguous_type(product_dtype(c, 3), std::move(sizes)));
}

InferResult var(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_floating(self.dtype)) {
    return bad_arg(
        c, 0, fmt::format("the variance of {} needs a floating dtype", dtype_name(self.dtype)));
  }
  PTE_TRY(const std::vector<bool> mask, dim_mask(c, 1, self.rank()));
  return one(contiguous_type(self.dtype, reduced_sizes(self, mask, bool_arg(c, 3))));
}
InferResult var_mean(const InferContext& c) {
  PTE_TRY(std::vector<Type> types, var(c));
  types.push_back(types[0]);
  return types;
}

InferResult softmax(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(dim_arg(c, 1, self.rank()));
  return one(contiguous_type(dtype_arg(c, 2).value_or(self.dtype), self.sizes));
}

InferResult softmax_core(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(dim_arg(c, 1, self.rank()));
  if (bool_arg(c, 2) && self.dtype != DType::kFloat16)
    return bad_arg(c, 2, "only float16 is converted to float32");
  return one(contiguous_type(bool_arg(c, 2) ? DType::kFloat32 : self.dtype, self.sizes));
}

constexpr InferEntry kEntries[] = {
    {Op::aten_mean, mean},
    {Op::aten_mean_dim, mean_dim},
    {Op::aten_sum_dim_IntList, sum_dim},
    {Op::aten_amax, extreme},
    {Op::aten_amin, extreme},
    {Op::aten_argmax, argmax},
    {Op::aten_argmin, argmax},
    {Op::aten_any, any},
    {Op::aten_any_dim, any_dim},
    {Op::aten_any_dims, any_dims},
    {Op::aten_max, extreme_all},
    {Op::aten_min, extreme_all},
    {Op::aten_max_dim, extreme_dim},
    {Op::aten_min_dim, extreme_dim},
    {Op::aten_prod, prod},
    {Op::aten_prod_dim_int, prod_dim},
    {Op::aten_var_correction, var},
    {Op::aten_var_mean_correction, var_mean},
    {Op::aten_var_dim, var},
    {Op::aten_softmax_int, softmax},
    {Op::aten__softmax, softmax_core},
    {Op::aten_log_softmax_int, softmax},
    {Op::aten__log_softmax, softmax_core},
};

}  // namespace

std::span<const InferEntry> reduction_inference() { return kEntries; }

}  // namespace pte::ir
