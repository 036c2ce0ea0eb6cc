// Mirrored, rolled, repeated and padded copies, windows, diagonals, triangles, and copies in which
// one part is replaced.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

InferResult same_layout(const InferContext& c) { return one(c.tensor(0)); }

InferResult flip(const InferContext& c) {
  PTE_CHECK(dim_mask(c, 1, c.tensor(0).rank()));
  return same_layout(c);
}

InferResult roll(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const SymSizes shifts, size_list(c, 1));
  PTE_TRY(const std::vector<int64_t> dims, int_list(c, 2));
  if (dims.empty() ? shifts.size() != 1 : shifts.size() != dims.size()) {
    return bad_arg(c, 1, fmt::format("{} values for {} dimensions", shifts.size(), dims.size()));
  }
  for (const int64_t dim : dims) {
    if (self.rank() == 0) return bad_arg(c, 2, "a tensor of rank 0 has no dimensions");
    PTE_CHECK(dim_value(c, 2, dim, self.rank()));
  }
  return one(contiguous_type(self.dtype, self.sizes));
}

InferResult repeat(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const SymSizes repeats, size_list(c, 1));
  if (repeats.size() < self.rank()) {
    return bad_arg(c, 1,
                   fmt::format("{} values for a tensor of rank {}", repeats.size(), self.rank()));
  }
  SymSizes sizes = repeats;
  const size_t lead = repeats.size() - self.rank();
  for (size_t i = 0; i < repeats.size(); ++i) {
    if (repeats[i].is_constant() && *repeats[i].constant() < 0)
      return bad_arg(c, 1, "must not be negative");
    if (i >= lead) sizes[i] = repeats[i] * self.sizes[i - lead];
  }
  PTE_CHECK(element_product(c, sizes));
  return one(contiguous_type(self.dtype, std::move(sizes)));
}

template <bool kReflect, size_t kDims>
InferResult pad_edges(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const SymSizes pad, size_list(c, 1));
  if (pad.size() != 2 * kDims || self.rank() < kDims + 1 || self.rank() > kDims + 2) {
    return bad_arg(c, 1, fmt::format("{} values for a tensor of rank {}", pad.size(), self.rank()));
  }
  TensorType type = self;
  for (size_t i = 0; i < kDims; ++i) {
    const size_t d = self.rank() - 1 - i;
    const SymInt& size = self.sizes[d];
    for (const SymInt& side : {pad[2 * i], pad[2 * i + 1]}) {
      if (kReflect && side.is_constant() && size.is_constant() &&
          *side.constant() >= *size.constant()) {
        return bad_arg(
            c, 1, fmt::format("{} is too much for size {}", side.to_string(), size.to_string()));
      }
    }
    type.sizes[d] = size + pad[2 * i] + pad[2 * i + 1];
    if (type.sizes[d].is_constant() && *type.sizes[d].constant() < 1) {
      return bad_arg(c, 1, fmt::format("nothing is left of [{}]", to_string(self.sizes)));
    }
  }
  // A picture without a batch has no layout of its own.
  type.dim_order = self.rank() == kDims + 2 ? suggested_order(self, self.rank())
                                            : contiguous_dim_order(self.rank());
  return one(std::move(type));
}

template <bool kShuffle>
InferResult pixels(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const int64_t factor, int_arg(c, 1));
  if (self.rank() < 3) return bad_arg(c, 0, "expected rank 3 or more");
  if (factor <= 0 || factor > (int64_t{1} << 20))
    return bad_arg(c, 1, "must be positive and small");
  TensorType type = self;
  const size_t rank = self.rank();
  SymInt& channels = type.sizes[rank - 3];
  const SymInt square = factor * factor;
  const auto divide = [&](SymInt& size, const SymInt& divisor) -> Status {
    if (!may_be(c, SymInt::mod(size, divisor), 0)) {
      return bad_arg(
          c, 0, fmt::format("size {} is no multiple of {}", size.to_string(), divisor.to_string()));
    }
    size = SymInt::floordiv(size, divisor);
    return {};
  };
  if (kShuffle) {
    PTE_CHECK(divide(channels, square));
    for (const size_t d : {rank - 2, rank - 1}) type.sizes[d] = type.sizes[d] * factor;
  } else {
    channels = channels * square;
    for (const size_t d : {rank - 2, rank - 1}) PTE_CHECK(divide(type.sizes[d], factor));
  }
  PTE_CHECK(element_product(c, type.sizes));
  type.dim_order = suggested_order(self, rank);
  return one(std::move(type));
}

InferResult triangle(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() < 2) return bad_arg(c, 0, "expected rank 2 or more");
  return one(contiguous_type(self.dtype, self.sizes));
}

// The sizes of self.diagonal(offset, dim1, dim2), whose arguments begin at `arg`.
Result<SymSizes> diagonal_sizes(const InferContext& c, size_t arg) {
  const TensorType& self = c.tensor(0);
  if (self.rank() < 2) return bad_arg(c, 0, "expected rank 2 or more");
  PTE_TRY(const int64_t offset, int_arg(c, arg));
  PTE_TRY(const size_t first, dim_arg(c, arg + 1, self.rank()));
  PTE_TRY(const size_t second, dim_arg(c, arg + 2, self.rank()));
  if (first == second)
    return bad_arg(c, arg + 1, fmt::format("dimension {} is named twice", first));
  SymInt rows = self.sizes[first];
  SymInt columns = self.sizes[second];
  if (offset >= 0) {
    columns = columns - SymInt(offset);
  } else {
    rows = rows + SymInt(offset);
  }
  SymSizes sizes;
  for (size_t d = 0; d < self.rank(); ++d) {
    if (d != first && d != second) sizes.push_back(self.sizes[d]);
  }
  sizes.push_back(bounded_max(c, bounded_min(c, rows, columns), 0));
  return sizes;
}

InferResult diagonal(const InferContext& c) {
  PTE_TRY(SymSizes sizes, diagonal_sizes(c, 1));
  return one(contiguous_type(c.tensor(0).dtype, std::move(sizes)));
}

InferResult unfold(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  PTE_TRY(const int64_t size, int_arg(c, 2));
  PTE_TRY(const int64_t step, int_arg(c, 3));
  if (step <= 0) return bad_arg(c, 3, "must be positive");
  const SymInt length = self.rank() == 0 ? SymInt(1) : self.sizes[dim];
  if (size < 0 || (length.is_constant() && size > *length.constant())) {
    return bad_arg(c, 2, fmt::format("{} does not fit size {}", size, length.to_string()));
  }
  SymSizes sizes = self.sizes;
  if (self.rank() > 0) sizes[dim] = SymInt::floordiv(length - SymInt(size), step) + 1;
  sizes.emplace_back(size);
  PTE_CHECK(element_product(c, sizes));
  return one(contiguous_type(self.dtype, std::move(sizes)));
}

InferResult as_strided(const InferContext& c) {
  PTE_TRY(SymSizes sizes, size_list(c, 1));
  PTE_TRY(const SymSizes strides, size_list(c, 2));
  if (sizes.size() != strides.size()) {
    return bad_arg(c, 2, fmt::format("{} strides for {} sizes", strides.size(), sizes.size()));
  }
  for (const SymInt& size : sizes) {
    if (size.is_constant() && *size.constant() < 0) return bad_arg(c, 1, "must not be negative");
  }
  PTE_CHECK(element_product(c, sizes));
  return one(contiguous_type(c.tensor(0).dtype, std::move(sizes)));
}

InferResult view_dtype(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  const auto dtype = dtype_arg(c, 1);
  if (!dtype) return bad_arg(c, 1, "expected a dtype");
  const auto from = static_cast<int64_t>(size_of(self.dtype));
  const auto to = static_cast<int64_t>(size_of(*dtype));
  SymSizes sizes = self.sizes;
  if (from == 0 || to == 0) {
    return bad_arg(c, 1, fmt::format("{} has no bytes of its own", dtype_name(*dtype)));
  }
  if (from != to) {
    if (sizes.empty()) return bad_arg(c, 0, "a tensor of rank 0 keeps its element size");
    const SymInt bytes = sizes.back() * from;
    if (!may_be(c, SymInt::mod(bytes, to), 0)) {
      return bad_arg(c, 1,
                     fmt::format("{} bytes in a line hold no whole {}", bytes.to_string(),
                                 dtype_name(*dtype)));
    }
    sizes.back() = SymInt::floordiv(bytes, to);
  }
  return one(contiguous_type(*dtype, std::move(sizes)));
}

// ---- copies with one part replaced

// `src` has the sizes `part`, or may have them.
Status check_part(const InferContext& c, const SymSizes& part) {
  const SymSizes& src = c.tensor(1).sizes;
  bool fits = src.size() == part.size();
  for (size_t d = 0; fits && d < part.size(); ++d) {
    fits = !part[d].is_constant() || !src[d].is_constant() || part[d] == src[d];
  }
  if (fits) return {};
  return bad_arg(
      c, 1,
      fmt::format("[{}] does not replace a part of sizes [{}]", to_string(src), to_string(part)));
}

InferResult select_scatter(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 2, self.rank()));
  SymSizes part = self.sizes;
  part.erase(part.begin() + static_cast<std::ptrdiff_t>(dim));
  PTE_CHECK(check_part(c, part));
  return same_layout(c);
}

InferResult slice_scatter(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 2, self.rank()));
  const auto step = c.args[5].sym_int();
  if (!step || (step->is_constant() && *step->constant() <= 0))
    return bad_arg(c, 5, "must be positive");
  SymSizes part = self.sizes;
  // The slice's own length is what it is: the kernel checks it.
  if (c.tensor(1).rank() == part.size()) part[dim] = c.tensor(1).sizes[dim];
  PTE_CHECK(check_part(c, part));
  return same_layout(c);
}

InferResult diagonal_scatter(const InferContext& c) {
  PTE_TRY(const SymSizes part, diagonal_sizes(c, 2));
  PTE_CHECK(check_part(c, part));
  return same_layout(c);
}

constexpr InferEntry kEntries[] = {
    {Op::aten_flip, flip},
    {Op::aten_roll, roll},
    {Op::aten_repeat, repeat},
    {Op::aten_reflection_pad1d, pad_edges<true, 1>},
    {Op::aten_reflection_pad2d, pad_edges<true, 2>},
    {Op::aten_reflection_pad3d, pad_edges<true, 3>},
    {Op::aten_replication_pad1d, pad_edges<false, 1>},
    {Op::aten_replication_pad2d, pad_edges<false, 2>},
    {Op::aten_replication_pad3d, pad_edges<false, 3>},
    {Op::aten_pixel_shuffle, pixels<true>},
    {Op::aten_pixel_unshuffle, pixels<false>},
    {Op::aten_tril, triangle},
    {Op::aten_triu, triangle},
    {Op::aten_diagonal_copy, diagonal},
    {Op::aten_unfold_copy, unfold},
    {Op::aten_as_strided_copy, as_strided},
    {Op::aten_view_copy_dtype, view_dtype},
    {Op::aten_select_scatter, select_scatter},
    {Op::aten_slice_scatter, slice_scatter},
    {Op::aten_diagonal_scatter, diagonal_scatter},
};

}  // namespace

std::span<const InferEntry> rearrange_inference() { return kEntries; }

}  // namespace pte::ir
