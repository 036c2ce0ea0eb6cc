// Resizing images with a filter that grows with the reduction, so that no pixel is passed over.
#include <fmt/ranges.h>

#include <cmath>

#include "kernels/resample/resample.h"

namespace pte::kernels {
namespace {

// A filter is zero from `reach` on.
template <typename C>
struct Linear {
  static constexpr C kReach = 1;
  static C at(C x) {
    x = std::abs(x);
    return x < 1 ? 1 - x : C{0};
  }
};

// Cubic convolution with the coefficient -0.5.
template <typename C>
struct Cubic {
  static constexpr C kReach = 2;
  static C at(C x) {
    constexpr C kA = C(-0.5);
    x = std::abs(x);
    if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * kA : C{0};
  }
};

// The input pixels from `first` on that one output pixel is made of, and their weights.
template <typename C>
struct Mix {
  int64_t first = 0;
  std::vector<C> weights;
};

template <typename C, template <typename> typename Filter>
Result<std::vector<Mix<C>>> mixes_of(const Call& call, int64_t in, int64_t out,
                                     std::optional<double> scale_factor, bool align_corners) {
  C scale;
  if (align_corners) {
    scale = out > 1 ? static_cast<C>(in - 1) / static_cast<C>(out - 1) : C{0};
  } else {
    scale = scale_factor && *scale_factor > 0 ? static_cast<C>(1.0 / *scale_factor)
                                              : static_cast<C>(in) / static_cast<C>(out);
  }
  const C reach = Filter<C>::kReach * std::max(scale, C{1});
  // Each output pixel would take in the whole image, when a given factor contradicts the sizes.
  const double pixels = std::min(2.0 * static_cast<double>(reach) + 2, static_cast<double>(in));
  if (!(pixels * static_cast<double>(out) <= 8.0 * static_cast<double>(in + out) + 1e6)) {
    return call.invalid("scale factor {} does not fit sizes {} and {}", scale_factor.value_or(0),
                        in, out);
  }
  const C inverse = scale >= 1 ? 1 / scale : C{1};
  std::vector<Mix<C>> mixes(static_cast<size_t>(out));
  for (int64_t o = 0; o < out; ++o) {
    Mix<C>& mix = mixes[static_cast<size_t>(o)];
    const C center = scale * (static_cast<C>(o) + C(0.5));
    // Scale factors may point far outside.
    const auto bounded = [in](C place) {
      return place < 0 ? int64_t{0} : place > static_cast<C>(in) ? in : static_cast<int64_t>(place);
    };
    mix.first = bounded(center - reach + C(0.5));
    const int64_t last = bounded(center + reach + C(0.5));
    C total = 0;
    for (int64_t i = mix.first; i < last; ++i) {
      const C weight = Filter<C>::at((static_cast<C>(i) - center + C(0.5)) * inverse);
      mix.weights.push_back(weight);
      total += weight;
    }
    if (total != 0) {
      for (C& weight : mix.weights) weight /= total;
    }
  }
  return mixes;
}

// uint8 images round after each direction.
template <typename C>
C settled(C value, bool bytes) {
  if (!bytes) return value;
  return std::min(std::max(std::floor(value + C(0.5)), C{0}), C{255});
}

template <template <typename> typename Filter>
Status upsample(Call& call) {
  const Tensor& self = call.tensor(0);
  const std::vector<int64_t>& size = call.ints(1);
  const bool align_corners = call.boolean(2);
  PTE_CHECK(check_real(call, self));
  const bool bytes = self.dtype() == DType::kUInt8;
  if (!is_floating(self.dtype()) && !bytes) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  if (self.rank() != 4) return call.invalid("{} is not a batch of images", self.describe());
  if (size.size() != 2 || size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX ||
      size[1] > INT32_MAX || self.size(2) < 1 || self.size(3) < 1) {
    return call.invalid("cannot resize {} to [{}]", self.describe(), fmt::join(size, ","));
  }
  const Sizes sizes{self.size(0), self.size(1), size[0], size[1]};
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() == 0) return {};
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const int64_t in_y = self.size(2);
    const int64_t in_x = self.size(3);
    PTE_TRY(const std::vector<Mix<C>> rows,
            (mixes_of<C, Filter>(call, in_y, size[0], call.optional_real(3), align_corners)));
    PTE_TRY(const std::vector<Mix<C>> columns,
            (mixes_of<C, Filter>(call, in_x, size[1], call.optional_real(4), align_corners)));
    const C* const source = dense.data_as<C>();
    C* const target = out.data();
    const int64_t width = size[1];
    call.parallel_for(sizes[0] * sizes[1], 1, [&](int64_t begin, int64_t end) {
      std::vector<C> lines(static_cast<size_t>(in_y * width));
      for (int64_t plane = begin; plane < end; ++plane) {
        // Along the rows first, then across them.
        const C* from = source + plane * in_y * in_x;
        C* line = lines.data();
        for (int64_t y = 0; y < in_y; ++y, from += in_x) {
          for (const Mix<C>& mix : columns) {
            C sum = 0;
            for (size_t i = 0; i < mix.weights.size(); ++i) {
              sum += from[mix.first + static_cast<int64_t>(i)] * mix.weights[i];
            }
            *line++ = settled(sum, bytes);
          }
        }
        C* to = target + plane * size[0] * width;
        for (const Mix<C>& mix : rows) {
          for (int64_t x = 0; x < width; ++x) {
            C sum = 0;
            for (size_t i = 0; i < mix.weights.size(); ++i) {
              const auto at = (mix.first + static_cast<int64_t>(i)) * width + x;
              sum += lines[static_cast<size_t>(at)] * mix.weights[i];
            }
            *to++ = settled(sum, bytes);
          }
        }
      }
    });
    return out.commit(call);
  });
}

}  // namespace

Status upsample_bilinear_antialiased(Call& call) { return upsample<Linear>(call); }
Status upsample_bicubic_antialiased(Call& call) { return upsample<Cubic>(call); }

}  // namespace pte::kernels
