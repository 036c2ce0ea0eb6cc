// Plain loops in double precision that the kernels are held against, and inputs for them. Used by
// tests, the fuzz target and nothing that ships.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "simd/conv2d.h"
#include "simd/conv_transpose2d.h"
#include "simd/epilogue.h"

namespace pte::simd::testing {

inline std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::minstd_rand engine(seed + 1);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = uniform(engine);
  return values;
}

inline double apply(Activation activation, double lo, double hi, double x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kClamp:
      return x < lo ? lo : x > hi ? hi : x;
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kHardsigmoid:
      return (x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6;
    case Activation::kHardswish:
      return x * (x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6;
    case Activation::kGelu:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kTanh:
      return std::tanh(x);
  }
  return x;
}

// What `sum` becomes at row `row` (pixel) and column (output channel) `column`.
inline double finish(const Epilogue& epilogue, double sum, int64_t row, int64_t column) {
  if (epilogue.bias != nullptr) sum += static_cast<double>(epilogue.bias[column]);
  const double other =
      epilogue.residual == nullptr
          ? 0.0
          : static_cast<double>(epilogue.residual[row * epilogue.residual_stride + column]);
  if (!epilogue.residual_after_activation) sum += other;
  sum = apply(epilogue.activation, static_cast<double>(epilogue.lo),
              static_cast<double>(epilogue.hi), sum);
  return epilogue.residual_after_activation ? sum + other : sum;
}

// The sum for image n, output row y, column x, channel o.
inline double conv_sum(const Conv2dShape& s, const float* input, int64_t stride,
                       const float* weights, int64_t n, int64_t y, int64_t x, int64_t o) {
  const int64_t depth = s.in_channels / s.groups;
  const int64_t group = o / (s.out_channels / s.groups);
  double sum = 0;
  for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
    const int64_t iy = y * s.stride_h - s.pad_top + ky * s.dilation_h;
    if (iy < 0 || iy >= s.h) continue;
    for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
      const int64_t ix = x * s.stride_w - s.pad_left + kx * s.dilation_w;
      if (ix < 0 || ix >= s.w) continue;
      for (int64_t c = 0; c < depth; ++c) {
        const int64_t channel = group * depth + c;
        const float value = s.input_nchw
                                ? input[((n * s.in_channels + channel) * s.h + iy) * s.w + ix]
                                : input[((n * s.h + iy) * s.w + ix) * stride + channel];
        sum += static_cast<double>(value) *
               static_cast<double>(weights[((o * depth + c) * s.kernel_h + ky) * s.kernel_w + kx]);
      }
    }
  }
  return sum;
}

// The sums of a transposed convolution, [n, out_h, out_w, out_channels] dense.
inline std::vector<double> conv_transpose_sums(const ConvTranspose2dShape& s, const float* input,
                                               int64_t stride, const float* weights) {
  const int64_t depth = s.in_channels / s.groups;
  const int64_t columns = s.out_channels / s.groups;
  std::vector<double> out(static_cast<size_t>(s.n * s.out_h() * s.out_w() * s.out_channels), 0.0);
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t iy = 0; iy < s.h; ++iy)
      for (int64_t ix = 0; ix < s.w; ++ix)
        for (int64_t c = 0; c < s.in_channels; ++c)
          for (int64_t j = 0; j < columns; ++j)
            for (int64_t ky = 0; ky < s.kernel_h; ++ky)
              for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
                const int64_t y = iy * s.stride_h - s.pad_h + ky * s.dilation_h;
                const int64_t x = ix * s.stride_w - s.pad_w + kx * s.dilation_w;
                if (y < 0 || y >= s.out_h() || x < 0 || x >= s.out_w()) continue;
                const int64_t o = c / depth * columns + j;
                out[static_cast<size_t>(((n * s.out_h() + y) * s.out_w() + x) * s.out_channels +
                                        o)] +=
                    static_cast<double>(input[((n * s.h + iy) * s.w + ix) * stride + c]) *
                    static_cast<double>(
                        weights[((c * columns + j) * s.kernel_h + ky) * s.kernel_w + kx]);
              }
  return out;
}

}  // namespace pte::simd::testing
