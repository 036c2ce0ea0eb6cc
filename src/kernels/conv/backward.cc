// The gradients of a convolution: of its input, its weight and its bias, each summed in double.
#include <fmt/ranges.h>

#include "kernels/conv/shape.h"

namespace pte::kernels {
namespace {

// Pairs of input and output pixels that a filter's tap joins: body(input, output) for each.
template <typename Body>
void for_each_pair(const ConvShape& s, int64_t tap, Body body) {
  const int64_t kx = tap % s.x.kernel;
  const int64_t ky = tap / s.x.kernel % s.y.kernel;
  const int64_t kz = tap / s.x.kernel / s.y.kernel;
  for (int64_t oz = 0; oz < s.z.out; ++oz) {
    const int64_t iz = s.z.source(oz, kz, s.transposed);
    if (iz < 0) continue;
    for (int64_t oy = 0; oy < s.y.out; ++oy) {
      const int64_t iy = s.y.source(oy, ky, s.transposed);
      if (iy < 0) continue;
      for (int64_t ox = 0; ox < s.x.out; ++ox) {
        const int64_t ix = s.x.source(ox, kx, s.transposed);
        if (ix < 0) continue;
        body((iz * s.y.in + iy) * s.x.in + ix, (oz * s.y.out + oy) * s.x.out + ox);
      }
    }
  }
}

// Where the filter between an input and an output channel of one group begins.
int64_t filter_at(const ConvShape& s, int64_t in_channel, int64_t out_channel) {
  const int64_t place = s.transposed ? in_channel * s.group_out() + out_channel % s.group_out()
                                     : out_channel * s.group_in() + in_channel % s.group_in();
  return place * s.taps();
}

struct Operands {
  const double* gradient;
  const double* input;
  const double* weight;
};

void input_gradient(const Call& call, const ConvShape& s, const Operands& in, double* result) {
  call.parallel_for(s.batch * s.in_channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / s.in_channels;
      const int64_t channel = item % s.in_channels;
      const int64_t group = channel / s.group_in();
      double* to = result + item * s.plane();
      std::fill_n(to, s.plane(), 0.0);
      for (int64_t o = group * s.group_out(); o < (group + 1) * s.group_out(); ++o) {
        const double* from = in.gradient + (n * s.out_channels + o) * s.pixels();
        const double* filter = in.weight + filter_at(s, channel, o);
        for (int64_t tap = 0; tap < s.taps(); ++tap) {
          const double w = filter[tap];
          for_each_pair(s, tap, [=](int64_t i, int64_t pixel) { to[i] += w * from[pixel]; });
        }
      }
    }
  });
}

void weight_gradient(const Call& call, const ConvShape& s, const Operands& in, double* result) {
  call.parallel_for(s.out_channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const int64_t group = o / s.group_out();
      for (int64_t c = group * s.group_in(); c < (group + 1) * s.group_in(); ++c) {
        double* to = result + filter_at(s, c, o);
        for (int64_t tap = 0; tap < s.taps(); ++tap) {
          double sum = 0;
          for (int64_t n = 0; n < s.batch; ++n) {
            const double* x = in.input + (n * s.in_channels + c) * s.plane();
            const double* g = in.gradient + (n * s.out_channels + o) * s.pixels();
            for_each_pair(s, tap, [&](int64_t i, int64_t pixel) { sum += x[i] * g[pixel]; });
          }
          to[tap] = sum;
        }
      }
    }
  });
}

void bias_gradient(const ConvShape& s, const double* gradient, double* result) {
  for (int64_t o = 0; o < s.out_channels; ++o) {
    double sum = 0;
    for (int64_t n = 0; n < s.batch; ++n) {
      const double* g = gradient + (n * s.out_channels + o) * s.pixels();
      for (int64_t i = 0; i < s.pixels(); ++i) sum += g[i];
    }
    result[o] = sum;
  }
}

}  // namespace

// Results that output_mask leaves out are not touched.
Status convolution_backward(Call& call) {
  const Tensor& gradient = call.tensor(0);
  const Tensor& input = call.tensor(1);
  const Tensor& weight = call.tensor(2);
  const std::vector<bool>& mask = call.bools(10);
  const DType type = input.dtype();
  PTE_CHECK(check_real(call, input));
  if (!is_floating(type)) return call.not_supported("operands of type {}", dtype_name(type));
  if (gradient.dtype() != type || weight.dtype() != type) {
    return call.invalid("gradient, input and weight are {}, {} and {}, expected one type",
                        dtype_name(gradient.dtype()), dtype_name(type), dtype_name(weight.dtype()));
  }
  if (mask.size() != 3) {
    return call.invalid("output_mask has {} entries, expected 3", mask.size());
  }
  PTE_TRY(const ConvShape shape, ConvShape::of(call, input, weight, 4));
  if (gradient.sizes() != shape.out_sizes(input.rank())) {
    return call.invalid("gradient {} does not have sizes [{}]", gradient.describe(),
                        fmt::join(shape.out_sizes(input.rank()), ","));
  }
  const std::array<Sizes, 3> sizes{input.sizes(), weight.sizes(), Sizes{shape.out_channels}};
  for (size_t i = 0; i < 3; ++i) {
    if (!mask[i]) continue;
    PTE_CHECK(check_out_type(call, type, call.out(i)));
    PTE_CHECK(resize_out(call, call.out(i), sizes[i]));
  }
  PTE_TRY(const Tensor gradients, dense_as<double>(call, gradient));
  PTE_TRY(const Tensor inputs, dense_as<double>(call, input));
  PTE_TRY(const Tensor weights, dense_as<double>(call, weight));
  const Operands operands{gradients.data_as<double>(), inputs.data_as<double>(),
                          weights.data_as<double>()};
  for (size_t i = 0; i < 3; ++i) {
    if (!mask[i] || call.out(i).numel() == 0) continue;
    PTE_TRY(DenseOut<double> out, DenseOut<double>::make(call, call.out(i)));
    if (i < 2 && (weight.numel() == 0 || gradient.numel() == 0 || input.numel() == 0)) {
      // Nothing is joined; a kernel without channels may have any extent.
      std::fill_n(out.data(), call.out(i).numel(), 0.0);
    } else if (i == 0) {
      input_gradient(call, shape, operands, out.data());
    } else if (i == 1) {
      weight_gradient(call, shape, operands, out.data());
    } else {
      bias_gradient(shape, operands.gradient, out.data());
    }
    PTE_CHECK(out.commit(call));
  }
  return {};
}

}  // namespace pte::kernels
