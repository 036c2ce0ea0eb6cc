// Pooling windows in up to three dimensions: how they lie over an image.
#pragma once

#include <array>

#include "kernels/common/dense.h"
#include "kernels/families.h"

namespace pte::kernels {

// One spatial dimension.
struct PoolAxis {
  int64_t in = 1;
  int64_t out = 1;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
};

// The dimensions that an image lacks, outermost, have one place and a window of one.
struct PoolWindow {
  std::array<PoolAxis, 3> axes;
  int64_t planes = 1;  // images times channels
  Sizes sizes;         // of the result

  int64_t in() const { return axes[0].in * axes[1].in * axes[2].in; }
  int64_t out() const { return axes[0].out * axes[1].out * axes[2].out; }
  // Roughly what one plane costs; windows may reach far beyond the image.
  int64_t work() const {
    double work = static_cast<double>(out());
    for (const PoolAxis& axis : axes) work *= static_cast<double>(std::min(axis.kernel, axis.in));
    return static_cast<int64_t>(std::min(work, 1e12));
  }
};

// A list of `count` numbers, or of one that stands for all, each at least `least`.
Result<std::array<int64_t, 3>> pool_list(const Call& call, size_t arg,
                                         const std::vector<int64_t>& list, size_t count,
                                         int64_t least);

// The window of a call on `self` whose arguments from `first` on are kernel, stride (empty: the
// kernel) and padding. `spatial` is 2 or 3; a batch dimension may be missing.
Result<PoolWindow> pool_window(const Call& call, const Tensor& self, size_t spatial, size_t first,
                               const std::vector<int64_t>& dilations, bool ceil_mode);

// The windows of a call whose argument 1 is the size of the result: window i of n covers
// [floor(i * in / n), ceil((i + 1) * in / n)). Only in, out, planes and sizes are set.
Result<PoolWindow> adaptive_window(const Call& call, size_t spatial);

// Where adaptive window `i` begins and ends.
inline int64_t adaptive_begin(const PoolAxis& axis, int64_t i) { return i * axis.in / axis.out; }
inline int64_t adaptive_end(const PoolAxis& axis, int64_t i) {
  return ((i + 1) * axis.in + axis.out - 1) / axis.out;
}

// Calls body(plane) for each, on the session's threads.
template <typename Body>
void for_each_plane(const Call& call, int64_t planes, int64_t work, Body body) {
  call.parallel_for(planes, 1 + (1 << 14) / std::max<int64_t>(work, 1),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t plane = begin; plane < end; ++plane) body(plane);
                    });
}

// In fractional.cc.
template <size_t kSpatial>
Status fractional_max_pool(Call& call);

}  // namespace pte::kernels
