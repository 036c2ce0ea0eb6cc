#include "kernels/common/loop.h"

#include <algorithm>
#include <cstdlib>

namespace pte::kernels {

Loop::Loop(const Sizes& sizes, std::span<const Strides> strides) : streams_(strides.size()) {
  for (const int64_t size : sizes) count_ *= size;
  // Longest stride of the first stream outermost; equal ones keep their order.
  std::vector<size_t> order;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] != 1) order.push_back(d);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::abs(strides[0][a]) > std::abs(strides[0][b]);
  });
  for (const size_t d : order) {
    // Merge into the dimension before when every stream runs on without a gap.
    bool merge = !sizes_.empty();
    for (size_t s = 0; merge && s < streams_; ++s) {
      merge = strides_[s].back() == strides[s][d] * sizes[d];
    }
    if (merge) {
      sizes_.back() *= sizes[d];
      for (size_t s = 0; s < streams_; ++s) strides_[s].back() = strides[s][d];
    } else {
      sizes_.push_back(sizes[d]);
      for (size_t s = 0; s < streams_; ++s) strides_[s].push_back(strides[s][d]);
    }
  }
  if (sizes_.empty()) {
    sizes_.push_back(1);
    for (size_t s = 0; s < streams_; ++s) strides_[s].push_back(1);
  }
}

}  // namespace pte::kernels
