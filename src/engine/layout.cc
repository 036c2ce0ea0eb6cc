#include "engine/layout.h"

#include <algorithm>
#include <numeric>

namespace pte::engine {

DimOrder order_of(const Sizes& sizes, const Strides& strides) {
  DimOrder order(sizes.size());
  std::iota(order.begin(), order.end(), uint8_t{0});
  // Dimensions of one element go outermost; where they are does not matter.
  const auto key = [&](uint8_t dim) {
    return sizes[dim] == 1 ? std::numeric_limits<int64_t>::max() : strides[dim];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](uint8_t a, uint8_t b) { return key(a) > key(b); });
  return order;
}

bool same_strides(const Sizes& sizes, const Strides& a, const Strides& b) {
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != 1 && a[i] != b[i]) return false;
  }
  return true;
}

bool is_dense(const Sizes& sizes, const Strides& strides) {
  return same_strides(sizes, strides, strides_of(sizes, order_of(sizes, strides)));
}

std::optional<Strides> view_strides(const Sizes& sizes, const Strides& strides,
                                    const Sizes& new_sizes) {
  if (element_count(sizes) != element_count(new_sizes)) return std::nullopt;
  if (element_count(sizes) == 0) return contiguous_strides(new_sizes);
  Strides out(new_sizes.size(), 0);
  // From the innermost dimensions outwards: runs of old dimensions that step as one are cut into
  // new dimensions.
  auto next = static_cast<int64_t>(new_sizes.size()) - 1;
  int64_t run_stride = 1;
  int64_t run_size = 1;
  bool open = false;
  const auto cut = [&]() -> bool {
    int64_t size = 1;
    while (next >= 0 && (size < run_size || new_sizes[static_cast<size_t>(next)] == 1)) {
      out[static_cast<size_t>(next)] = size * run_stride;
      size *= new_sizes[static_cast<size_t>(next)];
      --next;
    }
    return size == run_size;
  };
  for (size_t dim = sizes.size(); dim-- > 0;) {
    if (sizes[dim] == 1) continue;
    if (open && strides[dim] == run_stride * run_size) {
      run_size *= sizes[dim];
      continue;
    }
    if (open && !cut()) return std::nullopt;
    run_stride = strides[dim];
    run_size = sizes[dim];
    open = true;
  }
  if (!cut() || next >= 0) return std::nullopt;
  return out;
}

std::optional<int64_t> folded_stride(const Sizes& sizes, const Strides& strides,
                                     std::span<const size_t> dims, int64_t fallback) {
  std::optional<int64_t> stride;
  int64_t expected = 0;
  for (size_t i = dims.size(); i-- > 0;) {
    const size_t dim = dims[i];
    if (sizes[dim] == 1) continue;
    if (!stride) {
      stride = strides[dim];
    } else if (strides[dim] != expected) {
      return std::nullopt;
    }
    expected = strides[dim] * sizes[dim];
  }
  return stride.value_or(fallback);
}

Strides broadcast_strides(const Sizes& from, const Strides& strides, const Sizes& sizes) {
  Strides out(sizes.size(), 0);
  const size_t skip = sizes.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 1) out[skip + i] = strides[i];
  }
  return out;
}

namespace {

std::optional<Pixels> pixels(const Sizes& sizes, const Strides& strides, bool any_order) {
  if (sizes.size() < 3 || (sizes[1] != 1 && strides[1] != 1)) return std::nullopt;
  DimOrder order;
  if (any_order) {
    for (const uint8_t dim : order_of(sizes, strides)) {
      if (dim != 1) order.push_back(dim);
    }
  } else {
    for (size_t dim = 0; dim < sizes.size(); ++dim) {
      if (dim != 1) order.push_back(static_cast<uint8_t>(dim));
    }
  }
  const std::vector<size_t> dims(order.begin(), order.end());
  const auto stride = folded_stride(sizes, strides, dims, sizes[1]);
  if (!stride || *stride < sizes[1]) return std::nullopt;
  return Pixels{*stride, std::move(order)};
}

}  // namespace

std::optional<Pixels> pixels_in_order(const Sizes& sizes, const Strides& strides) {
  return pixels(sizes, strides, false);
}

std::optional<Pixels> pixels_in_any_order(const Sizes& sizes, const Strides& strides) {
  return pixels(sizes, strides, true);
}

Loops fold_loops(const Sizes& sizes, std::span<const Strides> operands, const DimOrder& order) {
  Loops loops;
  loops.strides.resize(operands.size());
  for (const uint8_t dim : order) {
    if (sizes[dim] == 1) continue;
    bool folds = !loops.sizes.empty();
    for (size_t i = 0; i < operands.size() && folds; ++i) {
      folds = loops.strides[i].back() == operands[i][dim] * sizes[dim];
    }
    if (folds) {
      loops.sizes.back() *= sizes[dim];
    } else {
      loops.sizes.push_back(sizes[dim]);
    }
    for (size_t i = 0; i < operands.size(); ++i) {
      if (folds) {
        loops.strides[i].back() = operands[i][dim];
      } else {
        loops.strides[i].push_back(operands[i][dim]);
      }
    }
  }
  if (loops.sizes.empty()) {
    loops.sizes.push_back(1);
    for (Strides& strides : loops.strides) strides.push_back(1);
  }
  return loops;
}

}  // namespace pte::engine
