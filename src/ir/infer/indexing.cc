// Reading and writing at indices, and results as long as the operand's content says.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

Status check_index(const InferContext& c, size_t arg) {
  const DType dtype = c.tensor(arg).dtype;
  if (is_integer(dtype)) return {};
  return bad_arg(c, arg, fmt::format("expected integers, got {}", dtype_name(dtype)));
}

InferResult like_self(const InferContext& c) {
  return one(contiguous_type(c.tensor(0).dtype, c.tensor(0).sizes));
}

// ---- along one dimension

// A scatter's or gather's index has the rank of self; rank 0 counts as rank 1.
Status check_along(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  const TensorType& index = c.tensor(2);
  PTE_CHECK(check_index(c, 2));
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  if (std::max<size_t>(self.rank(), 1) != std::max<size_t>(index.rank(), 1)) {
    PTE_TRY(const SymInt count, element_product(c, index.sizes));
    if (count.is_constant(0)) return {};
    return bad_arg(c, 2, fmt::format("rank {} for a tensor of rank {}", index.rank(), self.rank()));
  }
  for (size_t d = 0; d < std::min(self.rank(), index.rank()); ++d) {
    if (d == dim || !at_least(c, index.sizes[d], self.sizes[d] + 1)) continue;
    PTE_TRY(const SymInt count, element_product(c, index.sizes));
    if (count.is_constant(0)) return {};
    return bad_arg(c, 2,
                   fmt::format("[{}] is larger than [{}] outside dimension {}",
                               to_string(index.sizes), to_string(self.sizes), dim));
  }
  return {};
}

InferResult gather(const InferContext& c) {
  PTE_CHECK(check_along(c));
  return one(contiguous_type(c.tensor(0).dtype, c.tensor(2).sizes));
}

InferResult scatter_value(const InferContext& c) {
  PTE_CHECK(check_along(c));
  return like_self(c);
}

InferResult scatter_src(const InferContext& c) {
  PTE_CHECK(check_along(c));
  if (c.tensor(3).dtype != c.tensor(0).dtype) {
    return bad_arg(c, 3,
                   fmt::format("is {}, the tensor {}", dtype_name(c.tensor(3).dtype),
                               dtype_name(c.tensor(0).dtype)));
  }
  return like_self(c);
}

InferResult index_select(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(check_index(c, 2));
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  if (c.tensor(2).rank() > 1) return bad_arg(c, 2, "expected a list of indices");
  SymSizes sizes = self.sizes;
  if (self.rank() > 0) sizes[dim] = c.tensor(2).rank() == 0 ? SymInt(1) : c.tensor(2).sizes[0];
  return one(contiguous_type(self.dtype, std::move(sizes)));
}

InferResult index_reduce(const InferContext& c) {
  PTE_CHECK(check_index(c, 2));
  PTE_CHECK(dim_arg(c, 1, c.tensor(0).rank()));
  return like_self(c);
}

// ---- with tensors

std::optional<int64_t> largest_count(const InferContext& c, const SymSizes& sizes) {
  return product(sizes).upper_bound(c.symbols != nullptr ? *c.symbols : Ranges{});
}

InferResult index_tensor(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  const ArgList* items = c.args[1].list();
  if (items == nullptr) return bad_arg(c, 1, "expected a list of tensors");
  std::vector<bool> indexed(self.rank(), false);
  SymSizes shared;
  size_t dim = 0;
  size_t pickers = 0;
  size_t first = self.rank();
  size_t last = 0;
  for (const Arg& item : *items) {
    if (item.is_none()) {
      ++dim;
      continue;
    }
    if (item.value() == nullptr || !item.value()->is_tensor())
      return bad_arg(c, 1, "expected tensors");
    const TensorType& index = item.value()->tensor();
    const bool mask = index.dtype == DType::kBool || index.dtype == DType::kUInt8;
    if (!mask && !is_integer(index.dtype)) {
      return bad_arg(c, 1, fmt::format("{} is no type of an index", dtype_name(index.dtype)));
    }
    if (mask && index.rank() == 0) return bad_arg(c, 1, "a mask of rank 0 is not supported");
    const size_t covered = mask ? index.rank() : 1;
    if (dim + covered > self.rank()) {
      return bad_arg(c, 1, fmt::format("too many indices for a tensor of rank {}", self.rank()));
    }
    for (size_t d = 0; d < covered; ++d) {
      if (mask && !unify(c, index.sizes[d], self.sizes[dim + d]) && index.sizes[d].is_constant() &&
          self.sizes[dim + d].is_constant()) {
        return bad_arg(c, 1,
                       fmt::format("a mask of sizes [{}] does not fit dimension {} of [{}]",
                                   to_string(index.sizes), dim, to_string(self.sizes)));
      }
      indexed[dim + d] = true;
    }
    const SymSizes sizes =
        mask ? SymSizes{unknown_size(largest_count(c, index.sizes))} : index.sizes;
    PTE_TRY(shared, broadcast(c, shared, sizes));
    first = std::min(first, dim);
    last = dim + covered - 1;
    pickers += covered;
    dim += covered;
  }
  if (dim > self.rank()) {
    return bad_arg(c, 1, fmt::format("too many indices for a tensor of rank {}", self.rank()));
  }
  // The indices' dimensions stand where theirs stood; when those lie apart, in front.
  const bool together = pickers == 0 || last - first + 1 == pickers;
  const size_t front = pickers == 0 || !together ? 0 : first;
  SymSizes sizes;
  for (size_t d = 0; d <= self.rank(); ++d) {
    if (d == front) sizes.insert(sizes.end(), shared.begin(), shared.end());
    if (d < self.rank() && !indexed[d]) sizes.push_back(self.sizes[d]);
  }
  TensorType type = contiguous_type(self.dtype, std::move(sizes));
  // A list of rows leaves the layout of the rows.
  if (pickers == 1 && first == 0 && type.rank() == self.rank())
    type.dim_order = suggested_order(self, self.rank());
  return one(std::move(type));
}

InferResult index_put(const InferContext& c) {
  if (c.tensor(2).dtype != c.tensor(0).dtype) {
    return bad_arg(c, 2,
                   fmt::format("is {}, the tensor {}", dtype_name(c.tensor(2).dtype),
                               dtype_name(c.tensor(0).dtype)));
  }
  return one(c.tensor(0));
}

// ---- as long as the content says

InferResult nonzero(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  return one(contiguous_type(DType::kInt64, {unknown_size(largest_count(c, self.sizes)),
                                             static_cast<int64_t>(self.rank())}));
}

InferResult nonzero_static(const InferContext& c) {
  const auto size = c.args[1].sym_int();
  if (!size || (size->is_constant() && *size->constant() < 0))
    return bad_arg(c, 1, "must not be negative");
  return one(contiguous_type(DType::kInt64, {*size, static_cast<int64_t>(c.tensor(0).rank())}));
}

InferResult repeat_interleave(const InferContext& c) {
  PTE_CHECK(check_index(c, 0));
  if (c.tensor(0).rank() != 1) return bad_arg(c, 0, "expected a list of repeats");
  const auto size = c.args[1].sym_int();
  return one(contiguous_type(c.tensor(0).dtype, {size ? *size : unknown_size({})}));
}

InferResult bincount(const InferContext& c) {
  PTE_CHECK(check_index(c, 0));
  if (c.tensor(0).rank() != 1) return bad_arg(c, 0, "expected a list");
  DType dtype = DType::kInt64;
  const TensorType* weights = optional_tensor(c, 1);
  // Without elements PyTorch forgets the weights' type.
  if (weights != nullptr && !c.tensor(0).sizes[0].is_constant(0)) {
    dtype = weights->dtype == DType::kFloat32 ? DType::kFloat32 : DType::kFloat64;
  }
  return one(contiguous_type(dtype, {unknown_size({})}));
}

TensorType unknown_list(const InferContext& c, DType dtype, bool wanted) {
  return contiguous_type(dtype,
                         {wanted ? unknown_size(largest_count(c, c.tensor(0).sizes)) : SymInt(0)});
}

// The values, the inverse in the sizes of the operand, and the counts.
InferResult unique_elements(const InferContext& c, bool inverse, bool counts) {
  const TensorType& self = c.tensor(0);
  return std::vector<Type>{
      unknown_list(c, self.dtype, true),
      contiguous_type(DType::kInt64, inverse ? self.sizes : SymSizes{SymInt(0)}),
      unknown_list(c, DType::kInt64, counts)};
}
InferResult unique2(const InferContext& c) {
  return unique_elements(c, bool_arg(c, 2), bool_arg(c, 3));
}

InferResult unique_consecutive(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (c.args[3].is_none()) return unique_elements(c, bool_arg(c, 1), bool_arg(c, 2));
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 3, self.rank()));
  SymSizes sizes = self.sizes;
  sizes[dim] = unknown_size(largest_count(c, {self.sizes[dim]}));
  const SymInt rows = sizes[dim];
  return std::vector<Type>{contiguous_type(self.dtype, std::move(sizes)),
                           contiguous_type(DType::kInt64, {self.sizes[dim]}),
                           contiguous_type(DType::kInt64, {rows})};
}

constexpr InferEntry kEntries[] = {
    {Op::aten_gather, gather},
    {Op::aten_scatter_src, scatter_src},
    {Op::aten_scatter_value, scatter_value},
    {Op::aten_scatter_add, scatter_src},
    {Op::aten_scatter_reduce_two, scatter_src},
    {Op::aten_scatter_reduce, scatter_src},
    {Op::aten_scatter_value_reduce, scatter_value},
    {Op::aten_index_select, index_select},
    {Op::aten_index_reduce, index_reduce},
    {Op::aten_index_Tensor, index_tensor},
    {Op::aten_index_put, index_put},
    {Op::aten_index_put_, index_put},
    {Op::aten_nonzero, nonzero},
    {Op::aten_nonzero_static, nonzero_static},
    {Op::aten_repeat_interleave_Tensor, repeat_interleave},
    {Op::aten_bincount, bincount},
    {Op::aten__unique2, unique2},
    {Op::aten_unique_consecutive, unique_consecutive},
};

}  // namespace

std::span<const InferEntry> indexing_inference() { return kEntries; }

}  // namespace pte::ir
