// Resizing images: nearest and bilinear.
#include <fmt/ranges.h>

#include <cmath>
#include <cstring>

#include "kernels/resample/resample.h"

namespace pte::kernels {
namespace {

struct Target {
  Sizes sizes;
  // Input pixels for one output pixel, by scale factor when one was given, as PyTorch takes it.
  std::array<double, 2> given{0, 0};
};

// Exactly one of output size and scale factors is given.
Result<Target> target_of(const Call& call, size_t scale_arg) {
  const Tensor& self = call.tensor(0);
  const std::vector<int64_t>* size = call.optional_ints(1);
  const std::vector<double>* scales = call.optional_reals(scale_arg);
  if (self.rank() != 4) return call.invalid("{} is not a batch of images", self.describe());
  if ((size == nullptr) == (scales == nullptr)) {
    return call.invalid("either output_size or scale_factors must be given");
  }
  Target target;
  target.sizes = self.sizes();
  for (size_t i = 0; i < 2; ++i) {
    if (size != nullptr) {
      if (size->size() != 2)
        return call.invalid("output_size [{}] is not two numbers", fmt::join(*size, ","));
      target.sizes[2 + i] = (*size)[i];
    } else {
      if (scales->size() != 2)
        return call.invalid("scale_factors [{}] are not two numbers", fmt::join(*scales, ","));
      const double scale = (*scales)[i];
      const double wanted = static_cast<double>(self.size(2 + i)) * scale;
      if (!(scale > 0) || !(wanted < INT32_MAX))
        return call.invalid("scale factor {} is out of range", scale);
      target.sizes[2 + i] = static_cast<int64_t>(wanted);
      target.given[i] = 1.0 / scale;
    }
    if (target.sizes[2 + i] < 1 || target.sizes[2 + i] > INT32_MAX || self.size(2 + i) < 1) {
      return call.invalid("cannot resize {} to [{}]", self.describe(),
                          fmt::join(target.sizes, ","));
    }
  }
  return target;
}

Status upsample_nearest(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_TRY(const Target target, target_of(call, 2));
  Tensor& out = call.out();
  PTE_CHECK(resize_out(call, out, target.sizes));
  if (self.dtype() != out.dtype()) {
    return call.invalid("cannot resize {} into {}", self.describe(), out.describe());
  }
  std::array<std::vector<int64_t>, 2> places;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t in = self.size(2 + i);
    const int64_t count = target.sizes[2 + i];
    // PyTorch places pixels in single precision.
    const float ratio = target.given[i] > 0 ? static_cast<float>(target.given[i])
                                            : static_cast<float>(in) / static_cast<float>(count);
    for (int64_t o = 0; o < count; ++o) {
      places[i].push_back(
          std::min(static_cast<int64_t>(std::floor(static_cast<float>(o) * ratio)), in - 1));
    }
  }
  const size_t element = size_of(self.dtype());
  const auto bytes = static_cast<int64_t>(element);
  const int64_t channels = self.size(1);
  std::byte* const to = out.mutable_data();
  call.parallel_for(self.size(0) * channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t from_plane =
          plane / channels * self.strides()[0] + plane % channels * self.strides()[1];
      const int64_t to_plane =
          plane / channels * out.strides()[0] + plane % channels * out.strides()[1];
      for (size_t y = 0; y < places[0].size(); ++y) {
        const int64_t from_row = from_plane + places[0][y] * self.strides()[2];
        const int64_t to_row = to_plane + static_cast<int64_t>(y) * out.strides()[2];
        for (size_t x = 0; x < places[1].size(); ++x) {
          std::memcpy(to + (to_row + static_cast<int64_t>(x) * out.strides()[3]) * bytes,
                      self.data() + (from_row + places[1][x] * self.strides()[3]) * bytes, element);
        }
      }
    }
  });
  return {};
}

// Two neighbours and the weight of the second.
template <typename C>
struct Tap {
  int64_t low;
  int64_t high;
  C weight;
};

template <typename C>
std::vector<Tap<C>> taps_of(int64_t in, int64_t out, double given, bool align_corners) {
  C ratio;
  if (align_corners) {
    ratio = out > 1 ? static_cast<C>(in - 1) / static_cast<C>(out - 1) : C{0};
  } else {
    ratio = given > 0 ? static_cast<C>(given) : static_cast<C>(in) / static_cast<C>(out);
  }
  std::vector<Tap<C>> taps;
  for (int64_t o = 0; o < out; ++o) {
    C place =
        align_corners ? ratio * static_cast<C>(o) : ratio * (static_cast<C>(o) + C(0.5)) - C(0.5);
    place = std::max(place, C{0});
    const int64_t low = std::min(static_cast<int64_t>(place), in - 1);
    const C weight = std::min(std::max(place - static_cast<C>(low), C{0}), C{1});
    taps.push_back({low, std::min(low + 1, in - 1), weight});
  }
  return taps;
}

Status upsample_bilinear(Call& call) {
  const Tensor& self = call.tensor(0);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  PTE_TRY(const Target target, target_of(call, 3));
  const bool align_corners = call.boolean(2);
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), target.sizes));
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const int64_t in_y = self.size(2);
    const int64_t in_x = self.size(3);
    const auto rows = taps_of<C>(in_y, target.sizes[2], target.given[0], align_corners);
    const auto columns = taps_of<C>(in_x, target.sizes[3], target.given[1], align_corners);
    const auto pixels = static_cast<int64_t>(rows.size() * columns.size());
    const C* const source = dense.data_as<C>();
    C* const result = out.data();
    call.parallel_for(self.size(0) * self.size(1), 1, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const C* from = source + plane * in_y * in_x;
        C* to = result + plane * pixels;
        for (const Tap<C>& row : rows) {
          const C* upper = from + row.low * in_x;
          const C* lower = from + row.high * in_x;
          for (const Tap<C>& column : columns) {
            const C above =
                upper[column.low] * (C{1} - column.weight) + upper[column.high] * column.weight;
            const C below =
                lower[column.low] * (C{1} - column.weight) + lower[column.high] * column.weight;
            *to++ = above * (C{1} - row.weight) + below * row.weight;
          }
        }
      }
    });
    return out.commit(call);
  });
}

}  // namespace

std::span<const Entry> resample_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_upsample_nearest2d_vec, upsample_nearest},
      {Op::aten_upsample_bilinear2d_vec, upsample_bilinear},
      {Op::aten__upsample_bilinear2d_aa, upsample_bilinear_antialiased},
      {Op::aten__upsample_bicubic2d_aa, upsample_bicubic_antialiased},
      {Op::aten_grid_sampler_2d, grid_sampler_2d},
      {Op::aten_grid_sampler_3d, grid_sampler_3d},
  };
  return kEntries;
}

}  // namespace pte::kernels
