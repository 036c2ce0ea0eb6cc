#include "kernels/pool/window.h"

#include <fmt/ranges.h>

namespace pte::kernels {
namespace {

Status check_image(const Call& call, const Tensor& self, size_t spatial) {
  if (self.rank() == spatial + 1 || self.rank() == spatial + 2) return {};
  return call.invalid("{} is not {} or a batch of them", self.describe(),
                      spatial == 2 ? "an image" : "a volume");
}

int64_t planes_of(const Tensor& self, size_t spatial) {
  int64_t planes = 1;
  for (size_t i = 0; i + spatial < self.rank(); ++i) planes *= self.size(i);
  return planes;
}

}  // namespace

Result<std::array<int64_t, 3>> pool_list(const Call& call, size_t arg,
                                         const std::vector<int64_t>& list, size_t count,
                                         int64_t least) {
  constexpr int64_t kMost = INT32_MAX;
  bool good = list.size() == 1 || list.size() == count;
  for (const int64_t value : list) good = good && value >= least && value <= kMost;
  if (!good) {
    return call.invalid("{} [{}] is not 1 or {} numbers from {} to {}", call.op().args[arg].name,
                        fmt::join(list, ","), count, least, kMost);
  }
  std::array<int64_t, 3> values{};
  for (size_t i = 0; i < count; ++i) values[i] = list.size() == 1 ? list[0] : list[i];
  return values;
}

Result<PoolWindow> pool_window(const Call& call, const Tensor& self, size_t spatial, size_t first,
                               const std::vector<int64_t>& dilations, bool ceil_mode) {
  PTE_CHECK(check_image(call, self, spatial));
  const std::vector<int64_t>& kernels = call.ints(first);
  const std::vector<int64_t>& strides = call.ints(first + 1);
  PTE_TRY(const auto kernel, pool_list(call, first, kernels, spatial, 1));
  PTE_TRY(const auto stride,
          pool_list(call, first + 1, strides.empty() ? kernels : strides, spatial, 1));
  PTE_TRY(const auto padding, pool_list(call, first + 2, call.ints(first + 2), spatial, 0));
  PTE_TRY(const auto dilation, pool_list(call, first + 3, dilations, spatial, 1));
  PoolWindow window;
  window.sizes = self.sizes();
  window.planes = planes_of(self, spatial);
  for (size_t i = 0; i < spatial; ++i) {
    PoolAxis& axis = window.axes[3 - spatial + i];
    const size_t dim = self.rank() - spatial + i;
    axis = {self.size(dim), 0, kernel[i], stride[i], padding[i], dilation[i]};
    if (axis.padding > axis.kernel / 2) {
      return call.invalid("padding {} is more than half of kernel {}", axis.padding, axis.kernel);
    }
    if (axis.in > INT32_MAX) return call.invalid("{} is too large", self.describe());
    const int64_t room = axis.in + 2 * axis.padding - axis.dilation * (axis.kernel - 1) - 1;
    const int64_t carry = ceil_mode ? axis.stride - 1 : 0;
    axis.out = room + carry < 0 ? 0 : (room + carry) / axis.stride + 1;
    // A last window that would begin in the padding on the right is dropped.
    if (ceil_mode && (axis.out - 1) * axis.stride >= axis.in + axis.padding) --axis.out;
    if (axis.in < 1 || axis.out < 1) {
      return call.invalid("{} is smaller than the window [{}]", self.describe(),
                          fmt::join(kernels, ","));
    }
    window.sizes[dim] = axis.out;
  }
  return window;
}

Result<PoolWindow> adaptive_window(const Call& call, size_t spatial) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_image(call, self, spatial));
  PTE_TRY(const auto outs, pool_list(call, 1, call.ints(1), spatial, 0));
  PoolWindow window;
  window.sizes = self.sizes();
  window.planes = planes_of(self, spatial);
  for (size_t i = 0; i < spatial; ++i) {
    PoolAxis& axis = window.axes[3 - spatial + i];
    const size_t dim = self.rank() - spatial + i;
    axis.in = self.size(dim);
    axis.out = outs[i];
    if (axis.in < 1 || axis.in > INT32_MAX) {
      return call.invalid("{} has no elements to pool", self.describe());
    }
    window.sizes[dim] = axis.out;
  }
  return window;
}

}  // namespace pte::kernels
