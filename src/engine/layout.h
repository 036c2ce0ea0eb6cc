// Arithmetic on strides: what can be seen in place, and how loops over several operands fold.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace pte::engine {

// Outermost first, by falling stride; dimensions of one element keep their place among equals.
DimOrder order_of(const Sizes& sizes, const Strides& strides);

// Dense in some order, dimensions of one element aside.
bool is_dense(const Sizes& sizes, const Strides& strides);

// Equal where there is something to step over.
bool same_strides(const Sizes& sizes, const Strides& a, const Strides& b);

// The strides under which the elements of a tensor are seen with other sizes, in the same row-major
// sequence; nothing when that takes a copy.
std::optional<Strides> view_strides(const Sizes& sizes, const Strides& strides,
                                    const Sizes& new_sizes);

// The strides with which `dims` (in this order, outermost first) step as one, or nothing. `dims`
// without elements to step over give `fallback`.
std::optional<int64_t> folded_stride(const Sizes& sizes, const Strides& strides,
                                     std::span<const size_t> dims, int64_t fallback);

// Broadcast strides of an operand against `sizes`: 0 where it has one element or no dimension.
Strides broadcast_strides(const Sizes& from, const Strides& strides, const Sizes& sizes);

// The pixels of a [n, c, h, w] or [n, c, w] tensor whose channels lie side by side.
struct Pixels {
  int64_t stride = 0;  // from pixel to pixel
  DimOrder order;      // of the pixels' dimensions, outermost first; channels are not in it
};
// In the order n, h, w.
std::optional<Pixels> pixels_in_order(const Sizes& sizes, const Strides& strides);
// In any order: for kernels that look at one pixel at a time.
std::optional<Pixels> pixels_in_any_order(const Sizes& sizes, const Strides& strides);

// Loops over operands of the same sizes, dimensions that step alike folded into one, the innermost
// last. `strides[operand][dim]`.
struct Loops {
  Sizes sizes;
  std::vector<Strides> strides;
};
// `order` says which dimension is outermost; dimensions of one element vanish. At least one
// dimension remains.
Loops fold_loops(const Sizes& sizes, std::span<const Strides> operands, const DimOrder& order);

// Where the operands are at position `row` of the loops without their innermost dimension.
inline void locate(const Loops& loops, int64_t row, std::span<int64_t> offsets) {
  for (int64_t& offset : offsets) offset = 0;
  for (size_t dim = loops.sizes.size() - 1; dim-- > 0;) {
    const int64_t at = row % loops.sizes[dim];
    row /= loops.sizes[dim];
    for (size_t i = 0; i < offsets.size(); ++i) offsets[i] += at * loops.strides[i][dim];
  }
}

}  // namespace pte::engine
