// The quantised layers against sums of integers written out here.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/common/test_call.h"
#include "kernels/quantized_nn/arithmetic.h"

namespace pte::kernels {
namespace {

using Ints = std::vector<int64_t>;

// Integers from low to high in an order that repeats late.
template <typename T>
Tensor pattern(Sizes sizes, int low, int high, uint32_t seed) {
  std::vector<T> values(static_cast<size_t>(*element_count(sizes)));
  uint32_t state = seed;
  for (T& value : values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<T>(low +
                           static_cast<int>((state >> 8) % static_cast<uint32_t>(high - low + 1)));
  }
  return Tensor::of<T>(std::move(sizes), std::span<const T>(values));
}

Tensor empty(DType dtype, Sizes sizes) { return *Tensor::zeros(dtype, std::move(sizes)); }

// The same elements, channels last in memory.
Tensor channels_last(const Tensor& tensor) { return *tensor.in_dim_order({0, 2, 3, 1}); }

TEST(Arithmetic, RoundsTiesToEven) {
  EXPECT_EQ(round_even(0.5F), 0);
  EXPECT_EQ(round_even(1.5F), 2);
  EXPECT_EQ(round_even(-2.5F), -2);
  EXPECT_EQ(round_even(-126.51F), -127);
  EXPECT_EQ(to_stored(1e30F, 3, {}), 127);
  EXPECT_EQ(to_stored(-1e30F, 3, {}), -128);
  EXPECT_EQ(to_stored(NAN, 3, {}), -128);
  EXPECT_EQ(to_stored(2.5F, 3, {}), 5);
}

TEST(Arithmetic, DynamicScaleCoversZeroAndTheExtremes) {
  const DynamicScale positive = DynamicScale::of(1, 2, DType::kFloat32);
  EXPECT_EQ(positive.zero_point, -128);
  EXPECT_FLOAT_EQ(positive.to_stored, 127.5F);
  const DynamicScale negative = DynamicScale::of(-4, -1, DType::kFloat32);
  EXPECT_EQ(negative.zero_point, 127);
  const DynamicScale nothing = DynamicScale::of(0, 0, DType::kFloat32);
  EXPECT_EQ(nothing.to_real, 1);
  const DynamicScale half = DynamicScale::of(-1, 2, DType::kFloat16);
  EXPECT_EQ(half.to_stored, static_cast<float>(Half(85.0F)));
}

struct ConvCase {
  const char* name;
  Sizes input, weight;
  Ints stride, padding, dilation, extra;  // padding: top, left, bottom, right
  int64_t groups;
  bool transposed;
  bool bias;
};

// One output of a convolution, by definition.
int64_t conv_sum(const ConvCase& c, const Tensor& x, int zero, const Tensor& w, int64_t n,
                 int64_t o, int64_t oy, int64_t ox) {
  const int64_t in = c.input[1] / c.groups;
  const int64_t out = c.transposed ? c.weight[1] : c.weight[0] / c.groups;
  const int64_t g = o / out;
  int64_t sum = 0;
  for (int64_t i = 0; i < in; ++i) {
    for (int64_t ky = 0; ky < c.weight[2]; ++ky) {
      for (int64_t kx = 0; kx < c.weight[3]; ++kx) {
        int64_t y = oy * c.stride[0] - c.padding[0] + ky * c.dilation[0];
        int64_t xx = ox * c.stride[1] - c.padding[1] + kx * c.dilation[1];
        if (c.transposed) {
          y = oy + c.padding[0] - ky * c.dilation[0];
          xx = ox + c.padding[1] - kx * c.dilation[1];
          if (y % c.stride[0] != 0 || xx % c.stride[1] != 0) continue;
          y /= c.stride[0];
          xx /= c.stride[1];
        }
        if (y < 0 || xx < 0 || y >= c.input[2] || xx >= c.input[3]) continue;
        const int64_t at = ((n * c.input[1] + g * in + i) * c.input[2] + y) * c.input[3] + xx;
        const int64_t tap = c.transposed
                                ? ((g * in + i) * out + o % out) * c.weight[2] * c.weight[3]
                                : (o * in + i) * c.weight[2] * c.weight[3];
        sum += (x.data_as<int8_t>()[at] - zero) *
               int64_t{w.data_as<int8_t>()[tap + ky * c.weight[3] + kx]};
      }
    }
  }
  return sum;
}

const ConvCase kConvolutions[] = {
    {"plain", {2, 3, 7, 6}, {5, 3, 3, 3}, {1, 1}, {0, 0, 0, 0}, {1, 1}, {0, 0}, 1, false, true},
    {"uneven", {1, 3, 7, 6}, {4, 3, 3, 2}, {2, 1}, {1, 0, 2, 1}, {1, 2}, {0, 0}, 1, false, false},
    {"depthwise", {1, 4, 6, 9}, {8, 1, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, {0, 0}, 4, false, true},
    {"groups", {1, 6, 5, 5}, {4, 3, 2, 2}, {1, 1}, {1, 1, 0, 0}, {2, 2}, {0, 0}, 2, false, true},
    {"deep", {1, 600, 2, 9}, {6, 600, 1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}, {0, 0}, 1, false, true},
    {"one pixel",
     {1, 40, 1, 1},
     {7, 40, 1, 1},
     {1, 1},
     {0, 0, 0, 0},
     {1, 1},
     {0, 0},
     1,
     false,
     true},
    {"transposed", {1, 4, 5, 4}, {4, 3, 3, 3}, {2, 2}, {1, 0, 1, 1}, {1, 1}, {1, 0}, 1, true, true},
    {"transposed groups",
     {2, 4, 3, 4},
     {4, 2, 2, 3},
     {1, 2},
     {0, 1, 0, 1},
     {2, 1},
     {0, 1},
     2,
     true,
     false},
};

class QuantizedConvolution : public testing::TestWithParam<ConvCase> {};

TEST_P(QuantizedConvolution, IsExact) {
  const ConvCase& c = GetParam();
  const int zero = -7;
  const Tensor x = pattern<int8_t>(c.input, -128, 127, 1);
  const Tensor w = pattern<int8_t>(c.weight, -128, 127, 2);
  const int64_t channels = c.transposed ? c.weight[1] * c.groups : c.weight[0];
  const Tensor bias = pattern<int32_t>({channels}, -5000, 5000, 3);
  std::vector<float> scales;
  for (int64_t i = 0; i < channels; ++i) scales.push_back(0.001F * static_cast<float>(1 + i % 5));
  const Tensor scale = Tensor::of<float>({channels}, std::span<const float>(scales));
  Sizes sizes{c.input[0], channels};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t reach = c.dilation[i] * (c.weight[2 + i] - 1) + 1;
    const int64_t sides = c.padding[i] + c.padding[2 + i];
    sizes.push_back(c.transposed ? (c.input[2 + i] - 1) * c.stride[i] - sides + reach + c.extra[i]
                                 : (c.input[2 + i] + sides - reach) / c.stride[i] + 1);
  }
  for (const bool strided : {false, true}) {
    const Tensor filter = strided ? channels_last(w) : w;
    auto result = call_one(
        "pte::quantized_convolution",
        {x, 0.02, int64_t{zero}, filter, scale, int64_t{0}, c.bias ? EValue(bias) : EValue(),
         c.stride, c.padding, c.dilation, c.transposed, c.extra, c.groups, 0.25, int64_t{11}},
        strided ? channels_last(empty(DType::kInt8, sizes)) : empty(DType::kInt8, sizes));
    ASSERT_TRUE(result.has_value()) << result.error().message;
    const auto actual = elements<int8_t>(*result->get<Tensor>());
    size_t at = 0;
    int unsaturated = 0;
    for (int64_t n = 0; n < sizes[0]; ++n) {
      for (int64_t o = 0; o < channels; ++o) {
        for (int64_t y = 0; y < sizes[2]; ++y) {
          for (int64_t xx = 0; xx < sizes[3]; ++xx, ++at) {
            int64_t sum = conv_sum(c, x, zero, w, n, o, y, xx);
            if (c.bias) sum += bias.data_as<int32_t>()[o];
            const float factor = 0.02F * scales[static_cast<size_t>(o)] / 0.25F;
            const float real = std::nearbyint(static_cast<float>(sum) * factor);
            const int expected = static_cast<int>(std::clamp(real + 11, -128.0F, 127.0F));
            unsaturated += expected > -128 && expected < 127;
            ASSERT_EQ(actual[at], expected) << "element " << at;
          }
        }
      }
    }
    EXPECT_GT(unsaturated, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, QuantizedConvolution, testing::ValuesIn(kConvolutions),
                         [](const auto& each) {
                           std::string name = each.param.name;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

TEST(QuantizedConvolution, UnsignedWithAZeroPointOfItsWeights) {
  const Tensor x = Tensor::of<uint8_t>({1, 1, 1, 2}, {200, 100});
  const Tensor w = Tensor::of<uint8_t>({1, 1, 1, 2}, {130, 120});
  auto result = call_one(
      "pte::quantized_convolution",
      {x, 1.0, int64_t{128}, w, Tensor::of<float>({1}, {0.5F}), int64_t{128}, EValue(), Ints{1, 1},
       Ints{0, 0, 0, 0}, Ints{1, 1}, false, Ints{0, 0}, int64_t{1}, 2.0, int64_t{10}},
      empty(DType::kUInt8, {1, 1, 1, 1}));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  // 72 * 2 + -28 * -8 = 368; 368 / 4 = 92
  EXPECT_EQ(elements<uint8_t>(*result->get<Tensor>()), (std::vector<uint8_t>{102}));
}

TEST(QuantizedConvolution, Refuses) {
  const Tensor x = pattern<int8_t>({1, 2, 3, 3}, -1, 1, 1);
  const Tensor w = pattern<int8_t>({2, 2, 1, 1}, -1, 1, 1);
  const Tensor scale = Tensor::of<float>({1}, {1.0F});
  const auto run = [&](double in_scale, int64_t zero, const Tensor& scales, Ints padding,
                       int64_t groups) {
    auto result =
        call_one("pte::quantized_convolution",
                 {x, in_scale, zero, w, scales, int64_t{0}, EValue(), Ints{1, 1},
                  std::move(padding), Ints{1, 1}, false, Ints{0, 0}, groups, 1.0, int64_t{0}},
                 empty(DType::kInt8, {1, 2, 3, 3}));
    return result ? std::string() : result.error().message;
  };
  EXPECT_EQ(run(1, 0, scale, {0, 0, 0, 0}, 1), "");
  EXPECT_EQ(run(0, 0, scale, {0, 0, 0, 0}, 1),
            "pte::quantized_convolution: input_scale 0 is no scale");
  EXPECT_EQ(run(1, 128, scale, {0, 0, 0, 0}, 1),
            "pte::quantized_convolution: input_zero_point 128 is not between -128 and 127");
  EXPECT_NE(run(1, 0, Tensor::of<float>({3}, {1, 1, 1}), {0, 0, 0, 0}, 1), "");
  EXPECT_NE(run(1, 0, scale, {0, 0}, 1), "");
  EXPECT_NE(run(1, 0, scale, {0, 0, 0, -1}, 1), "");
  EXPECT_NE(run(1, 0, scale, {0, 0, 0, 0}, 0), "");
  EXPECT_NE(run(1, 0, scale, {0, 0, 0, 0}, 2), "");
}

std::vector<float> convolve_dynamically(const Tensor& x, const Tensor& w, Sizes out) {
  auto result =
      call_one("pte::dynamic_quantized_convolution",
               {x, w, Tensor::of<float>({1}, {0.5F}), int64_t{0}, Tensor::of<float>({1}, {0.25F}),
                Ints{1, 1}, Ints{0, 0, 0, 0}, Ints{1, 1}, false, Ints{0, 0}, int64_t{1}},
               empty(DType::kFloat32, std::move(out)));
  EXPECT_TRUE(result.has_value()) << result.error().message;
  return result ? elements<float>(*result->get<Tensor>()) : std::vector<float>();
}

TEST(DynamicConvolution, EachImageHasItsScale) {
  const Tensor x = Tensor::of<float>({2, 1, 1, 2}, {1.0F, -0.5F, 0.3F, 100.0F});
  const Tensor w = Tensor::of<int8_t>({1, 1, 1, 2}, {2, 0});
  const std::vector<float> values = convolve_dynamically(x, w, {2, 1, 1, 1});
  ASSERT_EQ(values.size(), 2U);
  EXPECT_NEAR(values[0], 1.25, 1.5 / 255);
  EXPECT_NEAR(values[1], 100.0 / 255 + 0.25, 1e-4);  // 0.3 is one step of the image's scale
}

// What XNNPACK runs as a matrix product of pixels.
TEST(DynamicConvolution, EachPixelOfAPointwiseOneHasItsScale) {
  const Tensor x = Tensor::of<float>({1, 2, 1, 2}, {0.3F, 100.0F, 0.0F, -100.0F});
  const Tensor w = Tensor::of<int8_t>({1, 2, 1, 1}, {2, 1});
  const std::vector<float> values = convolve_dynamically(x, w, {1, 1, 1, 2});
  ASSERT_EQ(values.size(), 2U);
  EXPECT_NEAR(values[0], 0.55, 1e-6);
  EXPECT_NEAR(values[1], 50.25, 0.6);
}

TEST(QuantizedLinear, EightAndFourBits) {
  for (const int64_t in : {7, 64, 515}) {
    for (const int64_t rows : {1, 3, 9}) {
      const int64_t out = 5;
      const Tensor x = pattern<int8_t>({rows, in}, -128, 127, 4);
      const Tensor w = pattern<int8_t>({out, in}, -8, 7, 5);
      const Tensor bias = pattern<int32_t>({out}, -100, 100, 6);
      const Tensor scale = Tensor::of<float>({out}, {0.01F, 0.02F, 0.03F, 0.04F, 0.05F});
      // The same weights as halves of bytes, and with rows that lie apart.
      const int64_t bytes = (in + 1) / 2;
      std::vector<uint8_t> halves(static_cast<size_t>(out * bytes), 0x88);
      for (int64_t i = 0; i < out * in; ++i) {
        const auto value = static_cast<uint8_t>(w.data_as<int8_t>()[i] + 8);
        uint8_t& byte = halves[static_cast<size_t>(i / in * bytes + i % in / 2)];
        byte = i % in % 2 == 0 ? static_cast<uint8_t>((byte & 0xF0) | value)
                               : static_cast<uint8_t>((byte & 0x0F) | (value << 4));
      }
      const Tensor packed = Tensor::of<uint8_t>({out, bytes}, std::span<const uint8_t>(halves));
      const auto run = [&](const Tensor& weight, int64_t zero, int64_t bits) {
        auto result =
            call_one("pte::quantized_linear",
                     {x, 0.5, int64_t{3}, weight, scale, zero, bits, bias, 0.75, int64_t{-2}},
                     empty(DType::kInt8, {rows, out}));
        EXPECT_TRUE(result.has_value()) << result.error().message;
        return result ? elements<int8_t>(*result->get<Tensor>()) : std::vector<int8_t>();
      };
      const auto actual = run(w, 0, 8);
      EXPECT_EQ(actual, run(packed, 8, 4));
      EXPECT_EQ(actual, run(*w.in_dim_order({1, 0}), 0, 8));
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t o = 0; o < out; ++o) {
          int64_t sum = bias.data_as<int32_t>()[o];
          for (int64_t i = 0; i < in; ++i) {
            sum += (x.data_as<int8_t>()[r * in + i] - 3) * int64_t{w.data_as<int8_t>()[o * in + i]};
          }
          const float factor = 0.5F * scale.data_as<float>()[o] / 0.75F;
          const float real = std::nearbyint(static_cast<float>(sum) * factor);
          EXPECT_EQ(actual[static_cast<size_t>(r * out + o)],
                    static_cast<int>(std::clamp(real - 2, -128.0F, 127.0F)));
        }
      }
    }
  }
}

TEST(DynamicLinear, BlocksOfARowHaveScales) {
  const int64_t in = 8;
  const Tensor x = Tensor::of<float>({2, in}, {1, 2, 3, 4, 5, 6, 7, 8, -1, 0, 1, 0, -1, 0, 1, 0});
  // Weights 1 … 8 less 8, two a byte.
  const Tensor w = Tensor::of<uint8_t>({1, 4}, {0x21, 0x43, 0x65, 0x87});
  const Tensor scales = Tensor::of<BFloat16>({1, 2}, {BFloat16(0.5F), BFloat16(2.0F)});
  auto result =
      call_one("pte::dynamic_quantized_linear",
               {x, int64_t{1}, w, scales, int64_t{8}, int64_t{4}, Tensor::of<float>({1}, {10.0F})},
               empty(DType::kFloat32, {2, 1}));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  const auto values = elements<float>(*result->get<Tensor>());
  // -7 -12 -15 -16 = -50 by 0.5; -15 -12 -7 0 = -34 by 2
  EXPECT_NEAR(values[0], 10 - 25 - 68, 0.3);
  // 7 - 5 = 2 by 0.5; 3 - 1 = 2 by 2
  EXPECT_NEAR(values[1], 10 + 1 + 4, 0.1);
  // Scales for no whole number of blocks.
  EXPECT_FALSE(
      call_one("pte::dynamic_quantized_linear",
               {x, int64_t{1}, w, empty(DType::kFloat32, {1, 3}), int64_t{8}, int64_t{4}, EValue()},
               empty(DType::kFloat32, {2, 1}))
          .has_value());
}

TEST(QuantizedAdd, RoundsTiesUpwards) {
  // Halves of the result's scale: 0.5 → 1, -0.5 → 0, 1.5 → 2.
  const Tensor a = Tensor::of<int8_t>({4}, {1, -1, 3, 127});
  const Tensor b = Tensor::of<int8_t>({1}, {0});
  auto result =
      call_one("pte::quantized_add", {a, 0.5, int64_t{0}, b, 0.5, int64_t{0}, 1.0, int64_t{0}},
               empty(DType::kInt8, {4}));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(elements<int8_t>(*result->get<Tensor>()), (std::vector<int8_t>{1, 0, 2, 64}));
  // Zero points, and a difference.
  result = call_one("pte::quantized_add",
                    {a, 1.0, int64_t{-1}, Tensor::of<int8_t>({4}, {5, 6, 7, -128}), -2.0,
                     int64_t{5}, 0.5, int64_t{-3}},
                    empty(DType::kInt8, {4}));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(elements<int8_t>(*result->get<Tensor>()), (std::vector<int8_t>{1, -7, -3, 127}));
  EXPECT_FALSE(call_one("pte::quantized_add",
                        {a, 1e-6, int64_t{0}, b, 1e-6, int64_t{0}, 1.0, int64_t{0}},
                        empty(DType::kInt8, {4}))
                   .has_value());
}

TEST(QuantizedMul, BroadcastsAndSaturates) {
  const Tensor a = Tensor::of<int8_t>({2, 2}, {1, -3, 100, -100});
  const Tensor b = Tensor::of<int8_t>({2}, {3, 5});
  auto result =
      call_one("pte::quantized_mul", {a, 1.0, int64_t{0}, b, 0.5, int64_t{1}, 1.0, int64_t{4}},
               empty(DType::kInt8, {2, 2}));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(elements<int8_t>(*result->get<Tensor>()), (std::vector<int8_t>{5, -2, 104, -128}));
}

TEST(QuantizedMean, OverTheSpatialDims) {
  const Tensor x = Tensor::of<int8_t>({1, 2, 2, 2}, {1, 2, 3, 4, 10, 20, 30, 41});
  for (const bool keep : {false, true}) {
    auto result =
        call_one("pte::quantized_mean", {x, 0.5, int64_t{2}, Ints{2, 3}, keep, 0.25, int64_t{-5}},
                 empty(DType::kInt8, keep ? Sizes{1, 2, 1, 1} : Sizes{1, 2}));
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(elements<int8_t>(*result->get<Tensor>()), (std::vector<int8_t>{-4, 42}));
  }
}

TEST(Requantize, KeepsEightBitsOfTheRatio) {
  const Tensor x = Tensor::of<int8_t>({5}, {-128, -1, 0, 1, 127});
  auto result =
      call_one("pte::requantize", {x, 0.75, int64_t{1}, 1.0, int64_t{2}}, empty(DType::kInt8, {5}));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(elements<int8_t>(*result->get<Tensor>()), (std::vector<int8_t>{-95, 1, 1, 2, 97}));
}

}  // namespace
}  // namespace pte::kernels
