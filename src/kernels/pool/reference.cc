// Average and maximum pooling in two dimensions.
#include <fmt/ranges.h>

#include <cmath>

#include "kernels/common/dense.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

struct Axis {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
};

struct Window {
  Axis y;
  Axis x;
  int64_t planes = 1;
  Sizes sizes;  // of the result
};

Result<std::array<int64_t, 2>> pair(const Call& call, size_t arg, const std::vector<int64_t>& list,
                                    int64_t least) {
  constexpr int64_t kMost = INT32_MAX;
  bool good = list.size() == 1 || list.size() == 2;
  for (const int64_t value : list) good = good && value >= least && value <= kMost;
  if (!good) {
    return call.invalid("{} [{}] is not one or two numbers from {} to {}", call.op().args[arg].name,
                        fmt::join(list, ","), least, kMost);
  }
  return std::array{list[0], list.back()};
}

// Arguments 1 to 3 are kernel, stride (empty: the kernel) and padding.
Result<Window> window_of(const Call& call, const std::vector<int64_t>& dilations, bool ceil_mode) {
  const Tensor& self = call.tensor(0);
  if (self.rank() != 3 && self.rank() != 4) {
    return call.invalid("{} is not an image or a batch of images", self.describe());
  }
  Window window;
  PTE_TRY(const auto kernel, pair(call, 1, call.ints(1), 1));
  PTE_TRY(const auto stride, pair(call, 2, call.ints(2).empty() ? call.ints(1) : call.ints(2), 1));
  PTE_TRY(const auto padding, pair(call, 3, call.ints(3), 0));
  PTE_TRY(const auto dilation, pair(call, 4, dilations, 1));
  window.sizes = self.sizes();
  for (size_t i = 0; i < 2; ++i) {
    Axis& axis = i == 0 ? window.y : window.x;
    const size_t dim = self.rank() - 2 + i;
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
    if (axis.out < 1) {
      return call.invalid("{} is smaller than the window [{}]", self.describe(),
                          fmt::join(call.ints(1), ","));
    }
    window.sizes[dim] = axis.out;
  }
  for (size_t i = 0; i + 2 < self.rank(); ++i) window.planes *= self.size(i);
  return window;
}

// Calls body(plane) for each, on the session's threads.
template <typename Body>
void for_each_plane(const Call& call, int64_t planes, int64_t work, Body body) {
  call.parallel_for(planes, 1 + (1 << 14) / std::max<int64_t>(work, 1),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t plane = begin; plane < end; ++plane) body(plane);
                    });
}

Status avg_pool2d(Call& call) {
  const Tensor& self = call.tensor(0);
  const bool count_padding = call.boolean(5);
  const std::optional<int64_t> divisor = call.optional_integer(6);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  if (divisor == 0) return call.invalid("divisor_override is zero");
  PTE_TRY(const Window window, window_of(call, {1}, call.boolean(4)));
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), window.sizes));
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const Axis& y_axis = window.y;
    const Axis& x_axis = window.x;
    const C* const source = dense.data_as<C>();
    C* const target = out.data();
    for_each_plane(
        call, window.planes, y_axis.out * x_axis.out * y_axis.kernel * x_axis.kernel,
        [&](int64_t plane) {
          const C* from = source + plane * y_axis.in * x_axis.in;
          C* to = target + plane * y_axis.out * x_axis.out;
          for (int64_t oy = 0; oy < y_axis.out; ++oy) {
            const int64_t top = oy * y_axis.stride - y_axis.padding;
            const int64_t bottom = std::min(top + y_axis.kernel, y_axis.in + y_axis.padding);
            for (int64_t ox = 0; ox < x_axis.out; ++ox) {
              const int64_t left = ox * x_axis.stride - x_axis.padding;
              const int64_t right = std::min(left + x_axis.kernel, x_axis.in + x_axis.padding);
              const int64_t y0 = std::max<int64_t>(top, 0);
              const int64_t y1 = std::min(bottom, y_axis.in);
              const int64_t x0 = std::max<int64_t>(left, 0);
              const int64_t x1 = std::min(right, x_axis.in);
              double sum = 0;
              for (int64_t iy = y0; iy < y1; ++iy) {
                for (int64_t ix = x0; ix < x1; ++ix)
                  sum += static_cast<double>(from[iy * x_axis.in + ix]);
              }
              // Padding counts up to the padded edge, never the part that ceil_mode adds.
              const int64_t count = divisor         ? *divisor
                                    : count_padding ? (bottom - top) * (right - left)
                                                    : (y1 - y0) * (x1 - x0);
              *to++ = y0 < y1 && x0 < x1 ? static_cast<C>(sum / static_cast<double>(count)) : C{0};
            }
          }
        });
    return out.commit(call);
  });
}

// NaN wins; indices count within the plane; without any element the first place is named.
Status max_pool2d(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  if (self.dtype() == DType::kBool) return call.not_supported("operands of type bool");
  PTE_TRY(const Window window, window_of(call, call.ints(4), call.boolean(5)));
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(check_out_type(call, DType::kInt64, call.out(1)));
  PTE_CHECK(resize_out(call, call.out(), window.sizes));
  PTE_CHECK(resize_out(call, call.out(1), window.sizes));
  return dispatch_compute(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> values, DenseOut<C>::make(call, call.out()));
    PTE_TRY(DenseOut<int64_t> indices, DenseOut<int64_t>::make(call, call.out(1)));
    const C* const source = dense.data_as<C>();
    C* const value_data = values.data();
    int64_t* const index_data = indices.data();
    const Axis& y = window.y;
    const Axis& x = window.x;
    for_each_plane(call, window.planes, y.out * x.out * y.kernel * x.kernel, [&](int64_t plane) {
      const C* from = source + plane * y.in * x.in;
      C* value = value_data + plane * y.out * x.out;
      int64_t* index = index_data + plane * y.out * x.out;
      // The first tap of a window that lies inside.
      const auto first = [](const Axis& axis, int64_t start) {
        return start >= 0 ? start
                          : start + (-start + axis.dilation - 1) / axis.dilation * axis.dilation;
      };
      for (int64_t oy = 0; oy < y.out; ++oy) {
        const int64_t top = oy * y.stride - y.padding;
        const int64_t bottom = std::min(top + (y.kernel - 1) * y.dilation + 1, y.in);
        for (int64_t ox = 0; ox < x.out; ++ox) {
          const int64_t left = ox * x.stride - x.padding;
          const int64_t right = std::min(left + (x.kernel - 1) * x.dilation + 1, x.in);
          const int64_t y0 = first(y, top);
          const int64_t x0 = first(x, left);
          C best = std::is_floating_point_v<C> ? -std::numeric_limits<C>::infinity()
                                               : std::numeric_limits<C>::min();
          int64_t place = y0 * x.in + x0;
          for (int64_t iy = y0; iy < bottom; iy += y.dilation) {
            for (int64_t ix = x0; ix < right; ix += x.dilation) {
              const C v = from[iy * x.in + ix];
              if (v > best || v != v) {
                best = v;
                place = iy * x.in + ix;
              }
            }
          }
          *value++ = best;
          *index++ = place;
        }
      }
    });
    PTE_CHECK(values.commit(call));
    return indices.commit(call);
  });
}

// Window i of n covers [floor(i * in / n), ceil((i + 1) * in / n)).
Status adaptive_avg_pool2d(Call& call) {
  const Tensor& self = call.tensor(0);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  if (self.rank() != 3 && self.rank() != 4) {
    return call.invalid("{} is not an image or a batch of images", self.describe());
  }
  PTE_TRY(const auto outs, pair(call, 1, call.ints(1), 0));
  const int64_t in_y = self.size(self.rank() - 2);
  const int64_t in_x = self.size(self.rank() - 1);
  if (in_y < 1 || in_x < 1 || in_y > INT32_MAX || in_x > INT32_MAX) {
    return call.invalid("{} has no elements to average", self.describe());
  }
  Sizes sizes = self.sizes();
  sizes[self.rank() - 2] = outs[0];
  sizes[self.rank() - 1] = outs[1];
  int64_t planes = 1;
  for (size_t i = 0; i + 2 < self.rank(); ++i) planes *= self.size(i);
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() == 0) return {};
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const C* const source = dense.data_as<C>();
    C* const target = out.data();
    for_each_plane(call, planes, in_y * in_x, [=](int64_t plane) {
      const C* from = source + plane * in_y * in_x;
      C* to = target + plane * outs[0] * outs[1];
      for (int64_t oy = 0; oy < outs[0]; ++oy) {
        const int64_t y0 = oy * in_y / outs[0];
        const int64_t y1 = ((oy + 1) * in_y + outs[0] - 1) / outs[0];
        for (int64_t ox = 0; ox < outs[1]; ++ox) {
          const int64_t x0 = ox * in_x / outs[1];
          const int64_t x1 = ((ox + 1) * in_x + outs[1] - 1) / outs[1];
          double sum = 0;
          for (int64_t iy = y0; iy < y1; ++iy) {
            for (int64_t ix = x0; ix < x1; ++ix) sum += static_cast<double>(from[iy * in_x + ix]);
          }
          *to++ = static_cast<C>(sum / static_cast<double>((y1 - y0) * (x1 - x0)));
        }
      }
    });
    return out.commit(call);
  });
}

}  // namespace

std::span<const Entry> pool_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_avg_pool2d, avg_pool2d},
      {Op::aten_max_pool2d_with_indices, max_pool2d},
      {Op::aten__adaptive_avg_pool2d, adaptive_avg_pool2d},
  };
  return kEntries;
}

}  // namespace pte::kernels
