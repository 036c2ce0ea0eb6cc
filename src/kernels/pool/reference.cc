// Average and maximum pooling in two and three dimensions, windows given or adapted to the result.
#include <cmath>

#include "kernels/pool/window.h"

namespace pte::kernels {
namespace {

using Place = std::array<int64_t, 3>;

// Calls body(place) for each window of a plane, in order.
template <typename Body>
void for_each_window(const PoolWindow& window, Body body) {
  Place at{};
  for (at[0] = 0; at[0] < window.axes[0].out; ++at[0]) {
    for (at[1] = 0; at[1] < window.axes[1].out; ++at[1]) {
      for (at[2] = 0; at[2] < window.axes[2].out; ++at[2]) body(at);
    }
  }
}

// The part of an image under a window: begin and end in each dimension, and the step.
struct Block {
  Place begin{};
  Place end{};
  Place step{1, 1, 1};

  int64_t count() const {
    int64_t all = 1;
    for (size_t i = 0; i < 3; ++i) all *= std::max<int64_t>(end[i] - begin[i], 0);
    return all;
  }
};

Block adaptive_block(const PoolWindow& window, const Place& at) {
  Block block;
  for (size_t i = 0; i < 3; ++i) {
    block.begin[i] = adaptive_begin(window.axes[i], at[i]);
    block.end[i] = adaptive_end(window.axes[i], at[i]);
  }
  return block;
}

// Sums are double, integers' exact.
template <typename C>
auto sum_of(const PoolWindow& window, const Block& block, const C* plane) {
  std::conditional_t<std::is_same_v<C, int64_t>, uint64_t, double> sum = 0;
  for (int64_t z = block.begin[0]; z < block.end[0]; ++z) {
    for (int64_t y = block.begin[1]; y < block.end[1]; ++y) {
      const C* row = plane + (z * window.axes[1].in + y) * window.axes[2].in;
      for (int64_t x = block.begin[2]; x < block.end[2]; ++x) {
        sum += static_cast<decltype(sum)>(row[x]);
      }
    }
  }
  return sum;
}

template <size_t kSpatial>
Status avg_pool(Call& call) {
  const Tensor& self = call.tensor(0);
  const bool count_padding = call.boolean(5);
  const std::optional<int64_t> divisor = call.optional_integer(6);
  // Of the integers, PyTorch averages int64 alone.
  PTE_CHECK(check_real(call, self));
  if (!is_floating(self.dtype()) && self.dtype() != DType::kInt64) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  if (divisor == 0) return call.invalid("divisor_override is zero");
  PTE_TRY(const PoolWindow window, pool_window(call, self, kSpatial, 1, {1}, call.boolean(4)));
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), window.sizes));
  if (call.out().numel() == 0) return {};
  return dispatch_compute(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const C* const source = dense.data_as<C>();
    C* const target = out.data();
    for_each_plane(call, window.planes, window.work(), [&](int64_t plane) {
      const C* from = source + plane * window.in();
      C* to = target + plane * window.out();
      for_each_window(window, [&](const Place& at) {
        Block block;
        double padded = 1;  // far padding exceeds an integer
        for (size_t i = 0; i < 3; ++i) {
          const PoolAxis& axis = window.axes[i];
          const int64_t begin = at[i] * axis.stride - axis.padding;
          const int64_t end = std::min(begin + axis.kernel, axis.in + axis.padding);
          padded *= static_cast<double>(end - begin);
          block.begin[i] = std::max<int64_t>(begin, 0);
          block.end[i] = std::min(end, axis.in);
        }
        // Padding counts up to the padded edge, never the part that ceil_mode adds.
        const int64_t inside = block.count();
        const double count = divisor         ? static_cast<double>(*divisor)
                             : count_padding ? padded
                                             : static_cast<double>(inside);
        if (inside == 0) {
          *to++ = C{0};
        } else if constexpr (std::is_same_v<C, int64_t>) {
          const auto sum = static_cast<int64_t>(sum_of(window, block, from));
          const int64_t whole = divisor ? *divisor : static_cast<int64_t>(std::min(count, 1e18));
          // The one quotient that does not fit wraps.
          *to++ = whole == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(sum)) : sum / whole;
        } else {
          *to++ = static_cast<C>(sum_of(window, block, from) / count);
        }
      });
    });
    return out.commit(call);
  });
}

// The greatest element of each block and its place in the plane. NaN wins; a block that lies
// outside names the place where it begins.
template <typename BlockOf>
Status max_of_blocks(Call& call, const PoolWindow& window, int64_t work, BlockOf block_of) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(check_out_type(call, DType::kInt64, call.out(1)));
  PTE_CHECK(resize_out(call, call.out(), window.sizes));
  PTE_CHECK(resize_out(call, call.out(1), window.sizes));
  if (call.out().numel() == 0) return {};
  return dispatch_compute(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> values, DenseOut<C>::make(call, call.out()));
    PTE_TRY(DenseOut<int64_t> indices, DenseOut<int64_t>::make(call, call.out(1)));
    const C* const source = dense.data_as<C>();
    C* const value_data = values.data();
    int64_t* const index_data = indices.data();
    const int64_t rows = window.axes[1].in;
    const int64_t columns = window.axes[2].in;
    for_each_plane(call, window.planes, work, [&](int64_t plane) {
      const C* from = source + plane * window.in();
      C* value = value_data + plane * window.out();
      int64_t* index = index_data + plane * window.out();
      for_each_window(window, [&](const Place& at) {
        const Block block = block_of(at);
        C best = std::is_floating_point_v<C> ? -std::numeric_limits<C>::infinity()
                                             : std::numeric_limits<C>::min();
        int64_t place = (block.begin[0] * rows + block.begin[1]) * columns + block.begin[2];
        for (int64_t z = block.begin[0]; z < block.end[0]; z += block.step[0]) {
          for (int64_t y = block.begin[1]; y < block.end[1]; y += block.step[1]) {
            const int64_t row = (z * rows + y) * columns;
            for (int64_t x = block.begin[2]; x < block.end[2]; x += block.step[2]) {
              const C v = from[row + x];
              if (v > best || v != v) {
                best = v;
                place = row + x;
              }
            }
          }
        }
        *value++ = best;
        *index++ = place;
      });
    });
    PTE_CHECK(values.commit(call));
    return indices.commit(call);
  });
}

template <size_t kSpatial>
Status max_pool(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  if (self.dtype() == DType::kBool) return call.not_supported("operands of type bool");
  PTE_TRY(const PoolWindow window,
          pool_window(call, self, kSpatial, 1, call.ints(4), call.boolean(5)));
  return max_of_blocks(call, window, window.work(), [&](const Place& at) {
    Block block;
    for (size_t i = 0; i < 3; ++i) {
      const PoolAxis& axis = window.axes[i];
      const int64_t start = at[i] * axis.stride - axis.padding;
      const int64_t end = start + (axis.kernel - 1) * axis.dilation + 1;
      // The first tap that lies inside.
      const int64_t skipped = start >= 0 ? 0 : (-start + axis.dilation - 1) / axis.dilation;
      block.begin[i] = start + skipped * axis.dilation;
      block.end[i] = std::min(end, axis.in);
      block.step[i] = axis.dilation;
    }
    return block;
  });
}

template <size_t kSpatial>
Status adaptive_max_pool(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  if (self.dtype() == DType::kBool) return call.not_supported("operands of type bool");
  PTE_TRY(const PoolWindow window, adaptive_window(call, kSpatial));
  return max_of_blocks(call, window, window.in(),
                       [&](const Place& at) { return adaptive_block(window, at); });
}

template <size_t kSpatial>
Status adaptive_avg_pool(Call& call) {
  const Tensor& self = call.tensor(0);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  PTE_TRY(const PoolWindow window, adaptive_window(call, kSpatial));
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), window.sizes));
  if (call.out().numel() == 0) return {};
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const C* const source = dense.data_as<C>();
    C* const target = out.data();
    for_each_plane(call, window.planes, window.in(), [&](int64_t plane) {
      const C* from = source + plane * window.in();
      C* to = target + plane * window.out();
      for_each_window(window, [&](const Place& at) {
        const Block block = adaptive_block(window, at);
        *to++ = static_cast<C>(sum_of(window, block, from) / static_cast<double>(block.count()));
      });
    });
    return out.commit(call);
  });
}

// Each gradient goes to the place that its maximum came from.
Status max_pool2d_backward(Call& call) {
  const Tensor& gradient = call.tensor(0);
  const Tensor& self = call.tensor(1);
  const Tensor& indices = call.tensor(7);
  if (!is_floating(self.dtype()) || gradient.dtype() != self.dtype()) {
    return call.not_supported("operands of types {} and {}", dtype_name(gradient.dtype()),
                              dtype_name(self.dtype()));
  }
  PTE_TRY(const PoolWindow window, pool_window(call, self, 2, 2, call.ints(5), call.boolean(6)));
  if (gradient.sizes() != window.sizes || indices.sizes() != window.sizes ||
      indices.dtype() != DType::kInt64) {
    return call.invalid("gradient {} and indices {} do not fit the windows over {}",
                        gradient.describe(), indices.describe(), self.describe());
  }
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), self.sizes()));
  if (call.out().numel() == 0) return {};
  PTE_TRY(const Tensor places, dense_as<int64_t>(call, indices));
  PTE_TRY(const Tensor gradients, dense_as<double>(call, gradient));
  PTE_TRY(DenseOut<double> out, DenseOut<double>::make(call, call.out()));
  const int64_t* const place = places.data_as<int64_t>();
  const int64_t in = window.in();
  for (int64_t i = 0; i < places.numel(); ++i) {
    if (place[i] < 0 || place[i] >= in) {
      return call.invalid("index {} is out of range for a plane of {} elements", place[i], in);
    }
  }
  const double* const from = gradients.data_as<double>();
  double* const to = out.data();
  for_each_plane(call, window.planes, in, [&](int64_t plane) {
    std::fill_n(to + plane * in, in, 0.0);
    for (int64_t i = plane * window.out(); i < (plane + 1) * window.out(); ++i) {
      to[plane * in + place[i]] += from[i];
    }
  });
  return out.commit(call);
}

}  // namespace

std::span<const Entry> pool_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_avg_pool2d, avg_pool<2>},
      {Op::aten_avg_pool3d, avg_pool<3>},
      {Op::aten_max_pool2d_with_indices, max_pool<2>},
      {Op::aten_max_pool3d_with_indices, max_pool<3>},
      {Op::aten_max_pool2d_with_indices_backward, max_pool2d_backward},
      {Op::aten__adaptive_avg_pool2d, adaptive_avg_pool<2>},
      {Op::aten__adaptive_avg_pool3d, adaptive_avg_pool<3>},
      {Op::aten_adaptive_max_pool2d, adaptive_max_pool<2>},
      {Op::aten_adaptive_max_pool3d, adaptive_max_pool<3>},
      {Op::aten_fractional_max_pool2d, fractional_max_pool<2>},
      {Op::aten_fractional_max_pool3d, fractional_max_pool<3>},
  };
  return kEntries;
}

}  // namespace pte::kernels
