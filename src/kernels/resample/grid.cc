// Sampling images and volumes at the places that a grid names.
#include <cmath>

#include "kernels/resample/resample.h"

namespace pte::kernels {
namespace {

enum class Filter { kLinear = 0, kNearest = 1, kCubic = 2 };
enum class Padding { kZeros = 0, kBorder = 1, kReflection = 2 };

struct Sampling {
  Filter filter = Filter::kLinear;
  Padding padding = Padding::kZeros;
  bool align_corners = false;
};

// From [-1, 1] to pixels.
template <typename C>
C to_pixels(C place, int64_t size, bool align_corners) {
  const C extent = static_cast<C>(size);
  return align_corners ? (place + 1) / 2 * (extent - 1) : ((place + 1) * extent - 1) / 2;
}

template <typename C>
C reflected(C place, int64_t twice_low, int64_t twice_high) {
  if (twice_low == twice_high) return 0;
  const C low = static_cast<C>(twice_low) / 2;
  const C span = static_cast<C>(twice_high - twice_low) / 2;
  const C along = std::abs(place - low);
  const C extra = std::fmod(along, span);
  const C flips = std::floor(along / span);
  return std::fmod(flips, C{2}) == 0 ? extra + low : span - extra + low;
}

// Into the image, as the padding asks. NaN goes to 0 in an image; in a volume, to the far border.
template <typename C>
C padded(C place, int64_t size, const Sampling& sampling, bool volume) {
  if (sampling.padding == Padding::kZeros) return place;
  if (sampling.padding == Padding::kReflection) {
    place = sampling.align_corners ? reflected(place, 0, 2 * (size - 1))
                                   : reflected(place, -1, 2 * size - 1);
  }
  const C most = static_cast<C>(size - 1);
  if (place != place) return volume ? most : C{0};
  return std::min(std::max(place, C{0}), most);
}

// An integer for an index; what no index can be is far outside.
template <typename C>
int64_t index_of(C place) {
  constexpr C kFar = static_cast<C>(int64_t{1} << 30);
  return place > -kFar && place < kFar ? static_cast<int64_t>(place) : -100;
}

// What one dimension contributes to a sample: up to four pixels with weights; -1 is outside.
template <typename C>
struct Taps {
  int64_t count = 0;
  std::array<int64_t, 4> index{};
  std::array<C, 4> weight{};

  void add(int64_t at, int64_t size, C w) {
    index[static_cast<size_t>(count)] = at >= 0 && at < size ? at : -1;
    weight[static_cast<size_t>(count++)] = w;
  }
};

// Cubic convolution with the coefficient -0.75.
template <typename C>
std::array<C, 4> cubic_weights(C t) {
  constexpr C kA = C(-0.75);
  const auto near = [](C x) { return ((kA + 2) * x - (kA + 3)) * x * x + 1; };
  const auto far = [](C x) { return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

template <typename C>
Taps<C> taps_of(C place, int64_t size, const Sampling& sampling, bool volume) {
  Taps<C> taps;
  C at = to_pixels(place, size, sampling.align_corners);
  if (sampling.filter == Filter::kCubic) {
    const C low = std::floor(at);
    const std::array<C, 4> weights = cubic_weights(at - low);
    for (int64_t i = 0; i < 4; ++i) {
      const C tap = padded(low - 1 + static_cast<C>(i), size, sampling, volume);
      taps.add(index_of(tap), size, weights[static_cast<size_t>(i)]);
    }
    return taps;
  }
  at = padded(at, size, sampling, volume);
  if (sampling.filter == Filter::kNearest) {
    taps.add(index_of(std::nearbyint(at)), size, 1);
    return taps;
  }
  const C low = std::floor(at);
  taps.add(index_of(low), size, low + 1 - at);
  taps.add(index_of(low + 1), size, at - low);
  return taps;
}

template <size_t kSpatial>
Status grid_sampler(Call& call) {
  const Tensor& input = call.tensor(0);
  const Tensor& grid = call.tensor(1);
  const int64_t filter = call.integer(2);
  const int64_t padding = call.integer(3);
  PTE_CHECK(check_real(call, input));
  if (!is_floating(input.dtype()) || grid.dtype() != input.dtype()) {
    return call.not_supported("operands of types {} and {}", dtype_name(input.dtype()),
                              dtype_name(grid.dtype()));
  }
  if (filter < 0 || filter > (kSpatial == 2 ? 2 : 1) || padding < 0 || padding > 2) {
    return call.invalid("interpolation {} with padding {} is not known", filter, padding);
  }
  const Sampling sampling{static_cast<Filter>(filter), static_cast<Padding>(padding),
                          call.boolean(4)};
  bool fits = input.rank() == kSpatial + 2 && grid.rank() == kSpatial + 2 &&
              grid.size(0) == input.size(0) && grid.sizes().back() == kSpatial;
  std::array<int64_t, 3> in{1, 1, 1};
  int64_t pixels = 1;  // of the result
  Sizes sizes;
  for (size_t i = 0; fits && i < kSpatial; ++i) {
    in[3 - kSpatial + i] = input.size(2 + i);
    fits = input.size(2 + i) > 0 && input.size(2 + i) <= INT32_MAX;
  }
  if (!fits) {
    return call.invalid("grid {} does not fit input {}", grid.describe(), input.describe());
  }
  sizes = {input.size(0), input.size(1)};
  for (size_t i = 0; i < kSpatial; ++i) sizes.push_back(grid.size(1 + i));
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() == 0) return {};
  for (size_t i = 2; i < sizes.size(); ++i) pixels *= sizes[i];
  return dispatch_floating(input.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor planes, dense_as<C>(call, input));
    PTE_TRY(const Tensor places, dense_as<C>(call, grid));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const C* const source = planes.data_as<C>();
    const C* const place = places.data_as<C>();
    C* const target = out.data();
    const int64_t channels = input.size(1);
    const int64_t plane = in[0] * in[1] * in[2];
    call.parallel_for(
        input.size(0) * pixels, 1 + (1 << 10) / channels, [&](int64_t begin, int64_t end) {
          for (int64_t item = begin; item < end; ++item) {
            const int64_t n = item / pixels;
            // The grid names x first.
            Taps<C> z;
            z.add(0, 1, 1);
            const C* at = place + item * static_cast<int64_t>(kSpatial);
            const Taps<C> x = taps_of(at[0], in[2], sampling, kSpatial == 3);
            const Taps<C> y = taps_of(at[1], in[1], sampling, kSpatial == 3);
            if constexpr (kSpatial == 3) z = taps_of(at[2], in[0], sampling, true);
            for (int64_t c = 0; c < channels; ++c) {
              const C* from = source + (n * channels + c) * plane;
              C sum = 0;
              for (size_t iz = 0; iz < static_cast<size_t>(z.count); ++iz) {
                for (size_t iy = 0; iy < static_cast<size_t>(y.count); ++iy) {
                  // Outside an image lie zeros, which a NaN weight makes NaN; outside a volume lies
                  // nothing.
                  const bool outside = y.index[iy] < 0 || z.index[iz] < 0;
                  if (outside && kSpatial == 3) continue;
                  C row = 0;
                  for (size_t ix = 0; ix < static_cast<size_t>(x.count); ++ix) {
                    const bool inside = !outside && x.index[ix] >= 0;
                    if (!inside && kSpatial == 3) continue;
                    const int64_t i = (z.index[iz] * in[1] + y.index[iy]) * in[2] + x.index[ix];
                    const C value = inside ? from[i] : C{0};
                    row += sampling.filter == Filter::kNearest ? value : value * x.weight[ix];
                  }
                  sum += row * y.weight[iy] * z.weight[iz];
                }
              }
              target[(n * channels + c) * pixels + item % pixels] = sum;
            }
          }
        });
    return out.commit(call);
  });
}

}  // namespace

Status grid_sampler_2d(Call& call) { return grid_sampler<2>(call); }
Status grid_sampler_3d(Call& call) { return grid_sampler<3>(call); }

}  // namespace pte::kernels
