#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "simd/cases.h"
#include "simd/qconv2d.h"
#include "simd/quantize.h"
#include "simd/testing.h"

namespace pte::simd {
namespace {

std::vector<int8_t> random_bytes(int64_t count, uint32_t seed) {
  std::minstd_rand engine(seed + 1);
  std::vector<int8_t> values(static_cast<size_t>(count));
  for (int8_t& value : values)
    value = static_cast<int8_t>(static_cast<int>(engine() >> 8 & 255) - 128);
  return values;
}

// Exactly the bytes that the definition gives.
void check(const Conv2dShape& s, Isa isa, int32_t in_zero = 5, int32_t out_zero = -3,
           int64_t samples = 1 << 20) {
  SCOPED_TRACE(::testing::Message() << isa_name(isa) << " " << s.h << "x" << s.w << " "
                                    << s.in_channels << "->" << s.out_channels << " k" << s.kernel_h
                                    << "x" << s.kernel_w << " s" << s.stride_w << " g" << s.groups);
  const int64_t depth = s.in_channels / s.groups;
  const int64_t terms = depth * s.kernel_h * s.kernel_w;
  const int64_t in_stride = s.in_channels + 3, out_stride = s.out_channels + 2;
  const int64_t in_pixels = s.n * s.h * s.w, pixels = s.n * s.out_h() * s.out_w();
  const auto input = random_bytes(std::max<int64_t>(in_pixels * in_stride - 3, 0), 1);
  const auto weights = random_bytes(s.out_channels * terms, 2);
  std::vector<int32_t> bias(static_cast<size_t>(s.out_channels));
  std::vector<float> scale(bias.size());
  for (size_t i = 0; i < bias.size(); ++i) {
    bias[i] = static_cast<int32_t>(i * 977 % 5000) - 2500;
    scale[i] = 0.02f / std::sqrt(static_cast<float>(terms)) * (1 + static_cast<float>(i % 7));
  }
  QConv2dShape shape;
  shape.conv = s;
  shape.input_zero_point = in_zero;
  shape.output_zero_point = out_zero;
  shape.lowest = -100;
  shape.highest = 120;
  auto conv = QConv2d::make(shape, weights.data(), bias.data(), scale.data(), isa);
  ASSERT_TRUE(conv.has_value()) << conv.error().message;
  auto borrowed = QConv2d::from_packed(shape, Buffer::borrow(conv->packed()), isa);
  ASSERT_TRUE(borrowed.has_value());
  std::vector<int8_t> output(static_cast<size_t>(pixels * out_stride), 77);
  QConv2d::Args args{input.data(), in_stride, output.data(), out_stride};
  std::vector<std::byte> scratch(conv->scratch_bytes() + 64);
  const auto address = reinterpret_cast<uintptr_t>(scratch.data());
  void* at = scratch.data() + (64 - address % 64) % 64;
  for (int64_t task = conv->tasks(); task-- > 0;) borrowed->run(args, task, task + 1, at);
  const int64_t total = pixels * s.out_channels;
  for (int64_t i = 0; i < std::min(total, samples); ++i) {
    const int64_t index = samples < total ? i * 7919 % total : i;
    const int64_t o = index % s.out_channels;
    const int64_t pixel = index / s.out_channels;
    const int64_t x = pixel % s.out_w(), y = pixel / s.out_w() % s.out_h();
    const int64_t n = pixel / s.out_w() / s.out_h();
    int64_t sum = bias[static_cast<size_t>(o)];
    for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
      for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
        const int64_t iy = y * s.stride_h - s.pad_top + ky * s.dilation_h;
        const int64_t ix = x * s.stride_w - s.pad_left + kx * s.dilation_w;
        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
        const int64_t group = o / (s.out_channels / s.groups);
        for (int64_t c = 0; c < depth; ++c) {
          const int value = input[static_cast<size_t>(((n * s.h + iy) * s.w + ix) * in_stride +
                                                      group * depth + c)];
          sum +=
              (value - in_zero) *
              weights[static_cast<size_t>(((o * depth + c) * s.kernel_h + ky) * s.kernel_w + kx)];
        }
      }
    }
    const float scaled = static_cast<float>(sum) * scale[static_cast<size_t>(o)];
    const float limited = std::clamp(scaled, -100.0f - static_cast<float>(out_zero),
                                     120.0f - static_cast<float>(out_zero));
    const int expected = static_cast<int>(std::nearbyint(limited)) + out_zero;
    ASSERT_EQ(output[static_cast<size_t>(pixel * out_stride + o)], expected) << "element " << index;
  }
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    ASSERT_EQ(output[static_cast<size_t>(pixel * out_stride + s.out_channels)], 77);
  }
}

Conv2dShape make_shape(int64_t size, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                       int64_t pad, int64_t groups = 1, int64_t dilation = 1) {
  Conv2dShape s;
  s.n = 2;
  s.h = size;
  s.w = size + 1;
  s.in_channels = in;
  s.out_channels = out;
  s.kernel_h = s.kernel_w = kernel;
  s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = pad;
  s.groups = groups;
  s.dilation_h = s.dilation_w = dilation;
  return s;
}

TEST(QConv2d, AwkwardSizes) {
  for (const Isa isa : available_isas()) {
    for (const int64_t in : {1, 2, 3, 4, 5, 16, 33}) {
      for (const int64_t out : {1, 15, 16, 17, 33, 70}) {
        check(make_shape(5, in, out, 3, 1, 1), isa);
        check(make_shape(6, in, out, 1, 1, 0), isa, -128, 127);
      }
    }
    check(make_shape(9, 6, 12, 3, 2, 1, 2), isa);
    check(make_shape(9, 6, 12, 3, 1, 2, 1, 2), isa, 127, -128);
    check(make_shape(9, 6, 12, 3, 1, 2, 3, 2), isa);
    check(make_shape(9, 8, 8, 1, 2, 0), isa);
    check(make_shape(9, 8, 8, 1, 1, 1), isa);
    for (const int64_t channels : {2, 7, 16, 19, 32, 40, 64, 100, 150}) {
      for (const int64_t stride : {1, 2}) {
        check(make_shape(7, channels, channels, 3, stride, 1, channels), isa);
        check(make_shape(7, channels, channels, 5, stride, 2, channels), isa, -128, 127);
        check(make_shape(11, channels, channels, 3, stride, 4, channels, 2), isa, 127, 0);
      }
    }
  }
}

TEST(QConv2d, ModelShapes) {
  for (const Isa isa : available_isas()) {
    if (isa == Isa::kScalar && available_isas().size() > 1) continue;
    for (const ConvCase& one : model_convs()) {
      if (one.shape.input_nchw) continue;
      SCOPED_TRACE(std::string(one.name));
      check(one.shape, isa, 3, -7, 300);
    }
  }
}

TEST(QConv2d, RefusesWhatIsNoConvolution) {
  const int8_t weight = 1;
  const float scale = 1;
  QConv2dShape shape;
  shape.conv = make_shape(4, 1, 1, 1, 1, 0);
  shape.input_zero_point = 300;
  EXPECT_FALSE(QConv2d::make(shape, &weight, nullptr, &scale).has_value());
  shape.input_zero_point = 0;
  shape.lowest = 5;
  shape.highest = 4;
  EXPECT_FALSE(QConv2d::make(shape, &weight, nullptr, &scale).has_value());
  shape.lowest = -128;
  shape.conv.in_channels = 1 << 20;
  EXPECT_FALSE(QConv2d::make(shape, &weight, nullptr, &scale).has_value());
}

TEST(Quantize, AgainstDefinition) {
  auto in = testing::random_floats(1000, 1);
  for (float& value : in) value *= 20;
  in[3] = 1e30f;
  in[4] = -1e30f;
  in[5] = 0.25f;  // halfway: to even
  for (const Isa isa : available_isas()) {
    for (const int64_t count : {0, 1, 7, 16, 33, 1000}) {
      std::vector<int8_t> out(1001, 55);
      quantize(in.data(), 10.0f, 4, -90, 127, out.data(), count, isa);
      std::vector<float> back(1001, 5.5f);
      dequantize(out.data(), 0.1f, 4, back.data(), count, isa);
      for (int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<size_t>(i);
        const double expected =
            std::clamp(std::nearbyint(static_cast<double>(in[at] * 10.0f)) + 4, -90.0, 127.0);
        ASSERT_EQ(out[at], expected) << isa_name(isa) << " " << in[at];
        ASSERT_EQ(back[at], static_cast<float>(out[at] - 4) * 0.1f);
      }
      EXPECT_EQ(out[static_cast<size_t>(count)], 55);
      EXPECT_EQ(back[static_cast<size_t>(count)], 5.5f);
    }
  }
}

}  // namespace
}  // namespace pte::simd
