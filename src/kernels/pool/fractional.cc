// Max pooling by windows whose places are drawn: fractions of a step, with the samples given.
#include <cmath>
#include <limits>

#include "kernels/pool/window.h"

namespace pte::kernels {
namespace {

// Where each window begins, in the arithmetic of the operand's type. Samples outside [0, 1) would
// lead out of the image: such places are errors.
template <typename C>
bool starts_of(C sample, const PoolAxis& axis, std::vector<int64_t>& starts) {
  const int64_t last = axis.in - axis.kernel;
  starts.assign(static_cast<size_t>(axis.out), last);
  if (axis.out > 1) {
    const C alpha = static_cast<C>(last) / static_cast<C>(axis.out - 1);
    const auto whole = [&](C x) { return convert_element<int64_t>(std::trunc(x * alpha)); };
    for (int64_t i = 0; i + 1 < axis.out; ++i) {
      const int64_t start = whole(static_cast<C>(i) + sample) - whole(sample);
      if (start < 0 || start > last) return false;
      starts[static_cast<size_t>(i)] = start;
    }
  }
  return true;
}

}  // namespace

template <size_t kSpatial>
Status fractional_max_pool(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& samples = call.tensor(3);
  if (!is_floating(self.dtype()) || !is_floating(samples.dtype())) {
    return call.not_supported("operands of types {} and {}", dtype_name(self.dtype()),
                              dtype_name(samples.dtype()));
  }
  PTE_CHECK(check_real(call, self));
  if (self.rank() != kSpatial + 1 && self.rank() != kSpatial + 2) {
    return call.invalid("{} has rank {}, expected {} or {}", self.describe(), self.rank(),
                        kSpatial + 1, kSpatial + 2);
  }
  PTE_TRY(const auto kernel, pool_list(call, 1, call.ints(1), kSpatial, 1));
  PTE_TRY(const auto wanted, pool_list(call, 2, call.ints(2), kSpatial, 1));
  const size_t first = self.rank() - kSpatial;
  std::array<PoolAxis, 3> axes;  // what is missing of the three is one place, outermost
  Sizes sizes = self.sizes();
  for (size_t d = 0; d < kSpatial; ++d) {
    PoolAxis& axis = axes[3 - kSpatial + d];
    axis.in = self.size(first + d);
    axis.kernel = kernel[d];
    axis.out = wanted[d];
    if (axis.kernel > axis.in || axis.out > axis.in - axis.kernel + 1) {
      return call.invalid("windows of {} do not fit {} times into {}", axis.kernel, axis.out,
                          axis.in);
    }
    sizes[first + d] = axis.out;
  }
  const int64_t channels = self.size(first - 1);
  const int64_t images = first == 2 ? self.size(0) : 1;
  if (samples.rank() != 3 || samples.size(0) < images || samples.size(1) < channels ||
      samples.size(2) != static_cast<int64_t>(kSpatial)) {
    return call.invalid("random_samples {} do not fit {}", samples.describe(), self.describe());
  }
  PTE_CHECK(check_out_type(call, self.dtype(), call.out(0)));
  PTE_CHECK(check_out_type(call, DType::kInt64, call.out(1)));
  PTE_CHECK(resize_out(call, call.out(0), sizes));
  PTE_CHECK(resize_out(call, call.out(1), sizes));
  if (call.out(0).numel() == 0) return {};
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(const Tensor drawn, dense_as<C>(call, samples));
    PTE_TRY(auto values, DenseOut<C>::make(call, call.out(0)));
    PTE_TRY(auto indices, DenseOut<int64_t>::make(call, call.out(1)));
    std::array<std::vector<int64_t>, 3> starts;
    C* value = values.data();
    int64_t* index = indices.data();
    for (int64_t plane = 0; plane < images * channels; ++plane) {
      const int64_t row = plane / channels * samples.size(1) + plane % channels;
      const C* const sample = drawn.data_as<C>() + row * static_cast<int64_t>(kSpatial);
      for (size_t d = 0; d < 3; ++d) {
        // Two dimensions take their samples from the last one on, three from the first.
        const size_t place = d + kSpatial < 3 ? 0 : d + kSpatial - 3;
        const C x = d + kSpatial < 3 ? C{0} : sample[kSpatial == 2 ? 1 - place : place];
        if (!starts_of<C>(x, axes[d], starts[d])) {
          return call.invalid("a random sample is not in [0, 1)");
        }
      }
      const C* const image = dense.data_as<C>() + plane * axes[0].in * axes[1].in * axes[2].in;
      for (const int64_t z : starts[0]) {
        for (const int64_t y : starts[1]) {
          for (const int64_t x : starts[2]) {
            C best = -std::numeric_limits<C>::infinity();
            int64_t found = (z * axes[1].in + y) * axes[2].in + x;
            for (int64_t k = z; k < z + axes[0].kernel; ++k) {
              for (int64_t j = y; j < y + axes[1].kernel; ++j) {
                for (int64_t i = x; i < x + axes[2].kernel; ++i) {
                  const int64_t at = (k * axes[1].in + j) * axes[2].in + i;
                  if (image[at] > best || std::isnan(image[at])) {
                    best = image[at];
                    found = at;
                  }
                }
              }
            }
            *value++ = best;
            *index++ = found;
          }
        }
      }
    }
    PTE_CHECK(values.commit(call));
    return indices.commit(call);
  });
}

template Status fractional_max_pool<2>(Call&);
template Status fractional_max_pool<3>(Call&);

}  // namespace pte::kernels
