// More kernels that only move elements: diagonals, windows, repeats, mirrored and rolled copies,
// and copies in which one part is replaced.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "kernels/common/raw.h"
#include "kernels/common/take.h"
#include "kernels/families.h"
#include "kernels/layout/views.h"

namespace pte::kernels {
namespace {

Status flip(Call& call) {
  const Tensor& self = call.tensor(0);
  std::vector<bool> turned(self.rank(), false);
  if (!call.ints(1).empty()) {
    PTE_TRY(turned, dim_mask(call, &call.ints(1), self.rank()));
  }
  PTE_CHECK(resize_out(call, call.out(), self.sizes()));
  return take(call, self, call.out(),
              [&](size_t dim, int64_t i) { return turned[dim] ? self.size(dim) - 1 - i : i; });
}

Status repeat(Call& call) {
  const std::vector<int64_t>& repeats = call.ints(1);
  Tensor self = call.tensor(0);
  if (repeats.size() < self.rank()) {
    return call.invalid("repeats [{}] are fewer than the dimensions of {}", fmt::join(repeats, ","),
                        self.describe());
  }
  Sizes padded(repeats.size() - self.rank(), 1);
  Strides strides(padded.size(), 0);
  padded.insert(padded.end(), self.sizes().begin(), self.sizes().end());
  strides.insert(strides.end(), self.strides().begin(), self.strides().end());
  Sizes sizes;
  for (size_t d = 0; d < padded.size(); ++d) {
    const auto size = checked_mul(padded[d], repeats[d]);
    if (repeats[d] < 0 || !size) {
      return call.invalid("{} cannot be repeated [{}] times", self.describe(),
                          fmt::join(repeats, ","));
    }
    sizes.push_back(*size);
  }
  PTE_CHECK(resize_out(call, call.out(), sizes));
  return take(call, self.with_layout(padded, strides), call.out(),
              [&](size_t dim, int64_t i) { return i % padded[dim]; });
}

Status roll(Call& call) {
  const Tensor& self = call.tensor(0);
  const std::vector<int64_t>& shifts = call.ints(1);
  const std::vector<int64_t>& dims = call.ints(2);
  Tensor& out = call.out();
  PTE_CHECK(resize_out(call, out, self.sizes()));
  const auto before = [](int64_t i, int64_t shift, int64_t size) {
    const int64_t from = (i - shift % size) % size;
    return from < 0 ? from + size : from;
  };
  if (dims.empty()) {
    // One shift, of the elements in row-major order.
    if (shifts.size() != 1) {
      return call.invalid("shifts [{}] without dimensions", fmt::join(shifts, ","));
    }
    PTE_TRY(const Tensor dense, self.contiguous());
    const int64_t count = self.numel();
    PTE_TRY(RawOut result, RawOut::make(call, out, self.dtype()));
    with_word(size_of(self.dtype()), [&]<typename W>(W) {
      const W* from = dense.data_as<W>();
      W* to = result.data_as<W>();
      for (int64_t i = 0; i < count; ++i) to[i] = from[before(i, shifts[0], count)];
    });
    return result.commit(call);
  }
  if (shifts.size() != dims.size()) {
    return call.invalid("{} shifts for {} dimensions", shifts.size(), dims.size());
  }
  std::vector<int64_t> shift(self.rank(), 0);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (self.rank() == 0) return call.invalid("a rank-0 tensor has no dimension {}", dims[i]);
    PTE_TRY(const int64_t wrapped, wrap_dim(call, dims[i], self.rank()));
    const size_t d = static_cast<size_t>(wrapped);
    // A dimension may be named twice; the shifts add up.
    if (self.size(d) > 0) shift[d] = (shift[d] + shifts[i] % self.size(d)) % self.size(d);
  }
  return take(call, self, out,
              [&](size_t dim, int64_t i) { return before(i, shift[dim], self.size(dim)); });
}

Status diagonal(Call& call) {
  PTE_TRY(const Tensor view,
          diagonal_view(call, call.tensor(0), call.integer(1), call.integer(2), call.integer(3)));
  return copy_view(call, view, call.out());
}

Status narrow(Call& call) {
  const Tensor& self = call.tensor(0);
  if (self.rank() == 0) return call.invalid("a rank-0 tensor cannot be narrowed");
  PTE_TRY(const int64_t wrapped, wrap_dim(call, call.integer(1), self.rank()));
  const size_t dim = static_cast<size_t>(wrapped);
  const int64_t size = self.size(dim);
  int64_t start = call.integer(2);
  const int64_t length = call.integer(3);
  if (start < 0 && start >= -size) start += size;
  if (start < 0 || start > size || length < 0 || length > size - start) {
    return call.invalid("{} elements from {} are out of range in dimension {} of {}", length,
                        call.integer(2), dim, self.describe());
  }
  return copy_view(call, slice_of(self, dim, start, length, 1), call.out());
}

Status unfold(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_TRY(const int64_t wrapped, wrap_dim(call, call.integer(1), self.rank()));
  const size_t dim = static_cast<size_t>(wrapped);
  const int64_t size = call.integer(2);
  const int64_t step = call.integer(3);
  const int64_t length = self.rank() == 0 ? 1 : self.size(dim);
  if (size < 0 || size > length || step <= 0) {
    return call.invalid("windows of {} in steps of {} do not fit dimension {} of {}", size, step,
                        dim, self.describe());
  }
  Sizes sizes = self.sizes();
  Strides strides = self.strides();
  const int64_t stride = self.rank() == 0 ? 1 : strides[dim];
  if (self.rank() > 0) {
    sizes[dim] = (length - size) / step + 1;
    // A step beyond the dimension leaves one window; keep the stride product in range.
    strides[dim] *= std::min(step, std::max<int64_t>(length, 1));
  }
  sizes.push_back(size);
  strides.push_back(stride);
  if (!element_count(sizes)) {
    return call.invalid("the windows of {} are too many", self.describe());
  }
  return copy_view(call, self.with_layout(sizes, strides), call.out());
}

// Reads the operand's memory as it lies.
Status as_strided(Call& call) {
  const Tensor& self = call.tensor(0);
  const Sizes& sizes = call.ints(1);
  const Strides& strides = call.ints(2);
  const int64_t start = call.optional_integer(3).value_or(0);
  const auto refuse = [&] {
    return call.invalid("sizes [{}], strides [{}] and offset {} reach outside {}",
                        fmt::join(sizes, ","), fmt::join(strides, ","), start, self.describe());
  };
  if (sizes.size() != strides.size() || start < 0 || !element_count(sizes)) return refuse();
  const auto span = [](const Sizes& n, const Strides& s) -> std::optional<int64_t> {
    int64_t last = 0;
    for (size_t d = 0; d < n.size(); ++d) {
      if (n[d] < 0 || s[d] < 0) return std::nullopt;
      if (n[d] == 0) return 0;
    }
    for (size_t d = 0; d < n.size(); ++d) {
      const auto reach = checked_mul(n[d] - 1, s[d]);
      const auto sum = reach ? checked_add(last, *reach) : std::nullopt;
      if (!sum) return std::nullopt;
      last = *sum;
    }
    return last + 1;
  };
  const auto wanted = span(sizes, strides);
  const auto held = span(self.sizes(), self.strides());
  if (!wanted || !held || (*wanted > 0 && (start > *held || *wanted > *held - start)))
    return refuse();
  return copy_view(call, self.with_layout(sizes, strides, *wanted > 0 ? start : 0), call.out());
}

// ---- lists of pieces

Status split(Call& call) {
  const Tensor& self = call.tensor(0);
  std::vector<Tensor>& outs = call.out_list();
  const int64_t length = call.integer(1);
  if (self.rank() == 0) return call.invalid("a rank-0 tensor cannot be split");
  PTE_TRY(const int64_t wrapped, wrap_dim(call, call.integer(2), self.rank()));
  const size_t dim = static_cast<size_t>(wrapped);
  const int64_t size = self.size(dim);
  if (length < 0 || (length == 0 && size != 0)) {
    return call.invalid("dimension {} of {} cannot be split in pieces of {}", dim, self.describe(),
                        length);
  }
  const int64_t pieces = size == 0 ? 1 : (size - 1) / length + 1;
  if (static_cast<int64_t>(outs.size()) != pieces) {
    return call.invalid("{} results for {} pieces", outs.size(), pieces);
  }
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t start = i * length;
    const int64_t count = std::min(length, size - start);
    PTE_CHECK(copy_view(call, slice_of(self, dim, start, count, 1), outs[static_cast<size_t>(i)]));
  }
  return {};
}

Status unbind(Call& call) {
  const Tensor& self = call.tensor(0);
  std::vector<Tensor>& outs = call.out_list();
  if (self.rank() == 0) return call.invalid("a rank-0 tensor cannot be taken apart");
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), self.rank()));
  if (static_cast<int64_t>(outs.size()) != self.size(static_cast<size_t>(dim))) {
    return call.invalid("{} results for dimension {} of {}", outs.size(), dim, self.describe());
  }
  for (size_t i = 0; i < outs.size(); ++i) {
    PTE_TRY(const Tensor view, select_view(call, self, dim, static_cast<int64_t>(i)));
    PTE_CHECK(copy_view(call, view, outs[i]));
  }
  return {};
}

// ---- copies with one part replaced

// Copies the operand, then `src` over the part that `view` cuts from the result.
template <typename View>
Status replace(Call& call, View view) {
  const Tensor& self = call.tensor(0);
  const Tensor& src = call.tensor(1);
  Tensor& out = call.out();
  PTE_CHECK(resize_out(call, out, self.sizes()));
  PTE_TRY(Tensor part, view(out));
  if (part.sizes() != src.sizes()) {
    return call.invalid("{} does not replace a part of sizes [{}]", src.describe(),
                        fmt::join(part.sizes(), ","));
  }
  if (!can_cast(self.dtype(), out.dtype())) {
    return call.invalid("{} cannot be stored as {}", self.describe(), dtype_name(out.dtype()));
  }
  PTE_CHECK(copy_converting(call, self, out));
  return copy_converting(call, src, part);
}

Status select_scatter(Call& call) {
  return replace(call, [&](const Tensor& out) {
    return select_view(call, out, call.integer(2), call.integer(3));
  });
}
Status slice_scatter(Call& call) {
  return replace(call, [&](const Tensor& out) {
    return slice_view(call, out, call.integer(2), call.optional_integer(3),
                      call.optional_integer(4), call.integer(5));
  });
}
Status diagonal_scatter(Call& call) {
  return replace(call, [&](const Tensor& out) {
    return diagonal_view(call, out, call.integer(2), call.integer(3), call.integer(4));
  });
}

// ---- channels into pixels and back

template <bool kShuffle>
Status pixels(Call& call) {
  const Tensor& self = call.tensor(0);
  const int64_t factor = call.integer(1);
  const auto square = checked_mul(factor, factor);
  const auto refuse = [&] {
    return call.invalid("{} has no blocks of {} x {}", self.describe(), factor, factor);
  };
  if (self.rank() < 3 || factor <= 0 || !square) return refuse();
  PTE_TRY(const Tensor dense, self.contiguous());
  const size_t lead = self.rank() - 3;
  const int64_t channels = self.size(lead);
  const int64_t height = self.size(lead + 1);
  const int64_t width = self.size(lead + 2);
  int64_t batch = 1;
  for (size_t d = 0; d < lead; ++d) batch *= self.size(d);
  Sizes sizes = self.sizes();
  Sizes split;
  if (kShuffle) {
    const auto tall = checked_mul(height, factor);
    const auto wide = checked_mul(width, factor);
    if (channels % *square != 0 || !tall || !wide) return refuse();
    sizes[lead] = channels / *square;
    sizes[lead + 1] = *tall;
    sizes[lead + 2] = *wide;
    split = {batch, channels / *square, factor, factor, height, width};
  } else {
    const auto deep = checked_mul(channels, *square);
    if (height % factor != 0 || width % factor != 0 || !deep) return refuse();
    sizes[lead] = *deep;
    sizes[lead + 1] = height / factor;
    sizes[lead + 2] = width / factor;
    split = {batch, channels, height / factor, factor, width / factor, factor};
  }
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (self.numel() == 0) return {};
  // Six dimensions: [n, c, r, r, h, w] is read as [n, c, h, r, w, r], and the other way round.
  constexpr std::array<size_t, 6> kInto{0, 1, 4, 2, 5, 3};
  constexpr std::array<size_t, 6> kBack{0, 1, 3, 5, 2, 4};
  const Strides steps = contiguous_strides(split);
  Sizes order;
  Strides strides;
  for (const size_t d : kShuffle ? kInto : kBack) {
    order.push_back(split[d]);
    strides.push_back(steps[d]);
  }
  PTE_TRY(RawOut result, RawOut::make(call, call.out(), self.dtype()));
  Tensor target = Tensor::view(self.dtype(), order, contiguous_strides(order), result.data(), {});
  PTE_CHECK(copy_elements(dense.with_layout(order, strides), target));
  return result.commit(call);
}

// ---- triangles

template <bool kLower>
Status triangle(Call& call) {
  const Tensor& self = call.tensor(0);
  const int64_t diagonal = call.integer(1);
  Tensor& out = call.out();
  if (self.rank() < 2) return call.invalid("{} is no matrix", self.describe());
  PTE_CHECK(resize_out(call, out, self.sizes()));
  PTE_TRY(const Tensor dense, self.contiguous());
  PTE_TRY(RawOut result, RawOut::make(call, out, self.dtype()));
  const int64_t rows = self.size(self.rank() - 2);
  const int64_t columns = self.size(self.rank() - 1);
  const int64_t shift = std::clamp(diagonal, -rows, columns);
  const bool known = with_word(size_of(self.dtype()), [&]<typename W>(W) {
    const W* from = dense.data_as<W>();
    W* to = result.data_as<W>();
    const int64_t lines = columns == 0 ? 0 : self.numel() / columns;
    for (int64_t line = 0; line < lines; ++line) {
      // The first column beyond the diagonal (lower), or on it (upper).
      const int64_t row = line % rows;
      const int64_t edge = std::clamp<int64_t>(row + shift + (kLower ? 1 : 0), 0, columns);
      for (int64_t i = 0; i < columns; ++i) {
        const bool kept = kLower ? i < edge : i >= edge;
        to[line * columns + i] = kept ? from[line * columns + i] : W{};
      }
    }
  });
  if (!known) return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  return result.commit(call);
}

// ---- bytes read as another type

Status view_dtype(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  const auto dtype = dtype_from_code(call.integer(1));
  if (!dtype) return call.invalid("{} is no element type", call.integer(1));
  if (out.dtype() != *dtype) {
    return call.invalid("its result is {} and cannot be stored as {}", dtype_name(*dtype),
                        dtype_name(out.dtype()));
  }
  const auto from = static_cast<int64_t>(size_of(self.dtype()));
  const auto to = static_cast<int64_t>(size_of(*dtype));
  Sizes sizes = self.sizes();
  if (from == 0 || to == 0) {
    return call.not_supported("{} read as {}", self.describe(), dtype_name(*dtype));
  }
  if (from != to) {
    const auto bytes = sizes.empty() ? std::nullopt : checked_mul(sizes.back(), from);
    if (!bytes || *bytes % to != 0) {
      return call.invalid("{} cannot be read as {}", self.describe(), dtype_name(*dtype));
    }
    sizes.back() = *bytes / to;
  }
  PTE_CHECK(resize_out(call, out, sizes));
  PTE_TRY(const Tensor dense, self.contiguous());
  PTE_TRY(RawOut result, RawOut::make(call, out, *dtype));
  if (result.nbytes() > 0) std::memmove(result.data(), dense.data(), result.nbytes());
  return result.commit(call);
}

}  // namespace

std::span<const Entry> rearrange_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_flip, flip},
      {Op::aten_repeat, repeat},
      {Op::aten_roll, roll},
      {Op::aten_diagonal_copy, diagonal},
      {Op::aten_narrow_copy, narrow},
      {Op::aten_unfold_copy, unfold},
      {Op::aten_as_strided_copy, as_strided},
      {Op::aten_split_copy_Tensor, split},
      {Op::aten_unbind_copy_int, unbind},
      {Op::aten_select_scatter, select_scatter},
      {Op::aten_slice_scatter, slice_scatter},
      {Op::aten_diagonal_scatter, diagonal_scatter},
      {Op::aten_pixel_shuffle, pixels<true>},
      {Op::aten_pixel_unshuffle, pixels<false>},
      {Op::aten_tril, triangle<true>},
      {Op::aten_triu, triangle<false>},
      {Op::aten_view_copy_dtype, view_dtype},
  };
  return kEntries;
}

}  // namespace pte::kernels
