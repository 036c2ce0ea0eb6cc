// Views that rearrange dimensions. The IR gives every view the layout of its copying form, which
// is contiguous: strides are no part of a type.
#include <algorithm>

#include "ir/infer/common.h"

namespace pte::ir {
namespace {

std::vector<Type> contiguous_like(const TensorType& self, SymSizes sizes) {
  return one(contiguous_type(self.dtype, std::move(sizes)));
}

// The sizes of a reshape of `from`: one -1 is worked out from the rest.
Result<SymSizes> reshaped(const InferContext& c, size_t arg, const SymSizes& from, SymSizes to) {
  PTE_TRY(const SymInt count, element_product(c, from));
  int unknown = -1;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i].is_constant(-1)) {
      if (unknown >= 0)
        return bad_arg(c, arg, fmt::format("[{}] has more than one -1", to_string(to)));
      unknown = static_cast<int>(i);
    } else if (to[i].is_constant() && *to[i].constant() < 0) {
      return bad_arg(c, arg, fmt::format("[{}] has a negative size", to_string(to)));
    }
  }
  const auto mismatch = [&] {
    return bad_arg(c, arg,
                   fmt::format("[{}] does not hold the {} elements of [{}]", to_string(to),
                               count.to_string(), to_string(from)));
  };
  if (unknown < 0) {
    PTE_TRY(const SymInt wanted, element_product(c, to));
    if (!may_be(c, wanted - count, 0)) return mismatch();
    return to;
  }
  SymSizes known = to;
  known.erase(known.begin() + unknown);
  PTE_TRY(const SymInt divisor, element_product(c, known));
  if (divisor.is_constant(0)) return bad_arg(c, arg, "-1 is ambiguous beside a size of 0");
  if (count.is_constant() && divisor.is_constant() && *count.constant() % *divisor.constant() != 0)
    return mismatch();
  to[static_cast<size_t>(unknown)] = exact_quotient(from, known);
  return to;
}

InferResult view(const InferContext& c) {
  PTE_TRY(SymSizes size, size_list(c, 1));
  PTE_TRY(SymSizes sizes, reshaped(c, 1, c.tensor(0).sizes, std::move(size)));
  return contiguous_like(c.tensor(0), std::move(sizes));
}

InferResult flatten(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t first, dim_arg(c, 1, self.rank()));
  PTE_TRY(const size_t last, dim_arg(c, 2, self.rank()));
  if (self.rank() == 0) return contiguous_like(self, {1});
  if (first > last)
    return bad_arg(c, 1, fmt::format("dimension {} lies after end_dim {}", first, last));
  if (first == last) return one(self);
  SymSizes sizes(self.sizes.begin(), self.sizes.begin() + static_cast<std::ptrdiff_t>(first));
  const SymSizes middle(self.sizes.begin() + static_cast<std::ptrdiff_t>(first),
                        self.sizes.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  PTE_TRY(SymInt merged, element_product(c, middle));
  sizes.push_back(std::move(merged));
  sizes.insert(sizes.end(), self.sizes.begin() + static_cast<std::ptrdiff_t>(last) + 1,
               self.sizes.end());
  return contiguous_like(self, std::move(sizes));
}

InferResult unflatten(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  PTE_TRY(SymSizes wanted, size_list(c, 2));
  if (wanted.empty()) return bad_arg(c, 2, "must not be empty");
  PTE_TRY(const SymSizes inner, reshaped(c, 2, {self.sizes[dim]}, std::move(wanted)));
  SymSizes sizes = self.sizes;
  const auto place = sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(dim));
  sizes.insert(place, inner.begin(), inner.end());
  return contiguous_like(self, std::move(sizes));
}

std::vector<Type> squeezed(const TensorType& self, const std::vector<bool>& mask) {
  SymSizes sizes;
  for (size_t i = 0; i < self.rank(); ++i) {
    if (!mask[i] || !self.sizes[i].is_constant(1)) sizes.push_back(self.sizes[i]);
  }
  return contiguous_like(self, std::move(sizes));
}

InferResult squeeze_all(const InferContext& c) {
  return squeezed(c.tensor(0), std::vector<bool>(c.tensor(0).rank(), true));
}

InferResult squeeze_dim(const InferContext& c) {
  const size_t rank = c.tensor(0).rank();
  PTE_TRY(const size_t dim, dim_arg(c, 1, rank));
  std::vector<bool> mask(rank, false);
  if (rank > 0) mask[dim] = true;
  return squeezed(c.tensor(0), mask);
}

InferResult squeeze_dims(const InferContext& c) {
  const size_t rank = c.tensor(0).rank();
  PTE_TRY(const std::vector<int64_t> dims, int_list(c, 1));
  std::vector<bool> mask(rank, false);
  if (!dims.empty()) {
    PTE_TRY(mask, dim_mask(c, 1, rank));
  }
  return squeezed(c.tensor(0), mask);
}

InferResult unsqueeze(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank() + 1));
  SymSizes sizes = self.sizes;
  sizes.insert(sizes.begin() + static_cast<std::ptrdiff_t>(dim), SymInt(1));
  return contiguous_like(self, std::move(sizes));
}

InferResult permute(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const std::vector<int64_t> dims, int_list(c, 1));
  if (dims.size() != self.rank()) {
    return bad_arg(c, 1,
                   fmt::format("{} dimensions for a tensor of rank {}", dims.size(), self.rank()));
  }
  SymSizes sizes;
  std::vector<bool> seen(self.rank(), false);
  for (const int64_t dim : dims) {
    PTE_TRY(const size_t index, dim_value(c, 1, dim, self.rank()));
    if (seen[index]) return bad_arg(c, 1, fmt::format("dimension {} is named twice", dim));
    seen[index] = true;
    sizes.push_back(self.sizes[index]);
  }
  return contiguous_like(self, std::move(sizes));
}

InferResult transpose(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t first, dim_arg(c, 1, self.rank()));
  PTE_TRY(const size_t second, dim_arg(c, 2, self.rank()));
  SymSizes sizes = self.sizes;
  if (!sizes.empty()) std::swap(sizes[first], sizes[second]);
  return contiguous_like(self, std::move(sizes));
}

InferResult t(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() > 2)
    return bad_arg(c, 0, fmt::format("expected rank 2 or less, got [{}]", to_string(self.sizes)));
  SymSizes sizes = self.sizes;
  std::reverse(sizes.begin(), sizes.end());
  return contiguous_like(self, std::move(sizes));
}

InferResult expand(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(SymSizes sizes, size_list(c, 1));
  if (sizes.size() < self.rank()) {
    return bad_arg(c, 1,
                   fmt::format("[{}] has fewer dimensions than [{}]", to_string(sizes),
                               to_string(self.sizes)));
  }
  const size_t skip = sizes.size() - self.rank();
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i < skip) {
      if (sizes[i].is_constant() && *sizes[i].constant() < 0) {
        return bad_arg(c, 1, "-1 has no size to keep in a new dimension");
      }
      continue;
    }
    const SymInt& own = self.sizes[i - skip];
    if (sizes[i].is_constant(-1)) sizes[i] = own;
    if (own.is_constant(1)) continue;
    const auto both = unify(c, own, sizes[i]);
    if (!both) {
      return bad_arg(
          c, 1,
          fmt::format("[{}] cannot be expanded to [{}]", to_string(self.sizes), to_string(sizes)));
    }
  }
  return contiguous_like(self, std::move(sizes));
}

constexpr InferEntry kEntries[] = {
    {Op::aten_view, view},
    {Op::aten__unsafe_view, view},
    {Op::aten_reshape, view},
    {Op::aten_view_copy, view},
    {Op::executorch_prim_et_view, view},
    {Op::aten_flatten_using_ints, flatten},
    {Op::aten_unflatten_int, unflatten},
    {Op::aten_squeeze, squeeze_all},
    {Op::aten_squeeze_dim, squeeze_dim},
    {Op::aten_squeeze_dims, squeeze_dims},
    {Op::aten_squeeze_copy_dim, squeeze_dim},
    {Op::aten_squeeze_copy_dims, squeeze_dims},
    {Op::aten_unsqueeze, unsqueeze},
    {Op::aten_unsqueeze_copy, unsqueeze},
    {Op::aten_permute, permute},
    {Op::aten_permute_copy, permute},
    {Op::aten_transpose_int, transpose},
    {Op::aten_transpose_copy_int, transpose},
    {Op::aten_t, t},
    {Op::aten_t_copy, t},
    {Op::aten_expand, expand},
    {Op::aten_expand_copy, expand},
};

}  // namespace

std::span<const InferEntry> view_inference() { return kEntries; }

}  // namespace pte::ir
