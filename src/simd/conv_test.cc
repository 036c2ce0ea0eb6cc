#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "simd/cases.h"
#include "simd/conv2d.h"
#include "simd/conv_transpose2d.h"
#include "simd/testing.h"

namespace pte::simd {
namespace {

using testing::random_floats;

constexpr float kUntouched = 12345.0f;

// Scratch of exactly the size asked for, behind which nothing may be written.
struct Scratch {
  explicit Scratch(size_t bytes) : memory(bytes / 4 + 48, kUntouched) {
    auto address = reinterpret_cast<uintptr_t>(memory.data());
    start = memory.data() + (kAlignment - address % kAlignment) % kAlignment / sizeof(float);
    end = start + (bytes + 3) / 4;
  }
  bool intact() const { return *end == kUntouched; }
  std::vector<float> memory;
  float* start;
  float* end;
};

struct Variation {
  int64_t extra_in = 0;  // channels of a wider tensor around the input's window
  int64_t extra_out = 0;
  bool bias = true;
  int residual = 0;  // 1 before the activation, 2 behind it, 3 behind it and the output itself
  Activation activation = Activation::kNone;
  ConvAlgorithm algorithm = ConvAlgorithm::kAuto;
  double tolerance = 2e-6;
  int64_t samples = -1;  // outputs checked; all by default
};

void check(const Conv2dShape& shape, const Variation& how, Isa isa) {
  SCOPED_TRACE(::testing::Message()
               << isa_name(isa) << " n" << shape.n << " " << shape.h << "x" << shape.w << " "
               << shape.in_channels << "->" << shape.out_channels << " k" << shape.kernel_h << "x"
               << shape.kernel_w << " s" << shape.stride_w << " g" << shape.groups << " "
               << activation_name(how.activation));
  const int64_t in_stride = shape.in_channels + how.extra_in;
  const int64_t out_stride = shape.out_channels + how.extra_out;
  const int64_t pixels = shape.n * shape.out_h() * shape.out_w();
  // Exactly as long as the window needs: what lies behind belongs to others.
  const int64_t in_pixels = shape.n * shape.h * shape.w;
  const auto input = random_floats(std::max<int64_t>(in_pixels * in_stride - how.extra_in, 0), 1);
  const auto weights = random_floats(
      shape.out_channels * shape.in_channels / shape.groups * shape.kernel_h * shape.kernel_w, 2);
  const auto bias = random_floats(shape.out_channels, 3);
  const auto residual = random_floats(std::max<int64_t>(pixels * out_stride, 1), 4);
  std::vector<float> output(static_cast<size_t>(pixels * out_stride), kUntouched);
  if (how.residual == 3) output = residual;

  Conv2dOptions options;
  options.isa = isa;
  options.algorithm = how.algorithm;
  auto conv = Conv2d::make(shape, weights.data(), options);
  ASSERT_TRUE(conv.has_value()) << conv.error().message;
  Conv2d::Args args;
  args.input = input.data();
  args.input_stride = in_stride;
  args.output = output.data();
  args.output_stride = out_stride;
  args.epilogue.bias = how.bias ? bias.data() : nullptr;
  args.epilogue.activation = how.activation;
  args.epilogue.lo = -0.5f;
  args.epilogue.hi = 0.75f;
  args.epilogue.residual_after_activation = how.residual >= 2;
  args.epilogue.residual_stride = out_stride;
  if (how.residual != 0) args.epilogue.residual = residual.data();
  Epilogue plain = args.epilogue;
  if (how.residual == 3) args.epilogue.residual = output.data();

  // One task at a time, last first: the order must not matter.
  Scratch scratch(conv->scratch_bytes());
  for (int64_t task = conv->tasks(); task-- > 0;) conv->run(args, task, task + 1, scratch.start);
  EXPECT_TRUE(scratch.intact());

  const bool winograd4 = conv->algorithm() == ConvAlgorithm::kWinograd4;
  const double tolerance = winograd4 ? 2e-5 : how.tolerance;
  const int64_t total = pixels * shape.out_channels;
  const int64_t samples = how.samples < 0 ? total : std::min(how.samples, total);
  std::minstd_rand engine(7);
  double worst = 0;
  double largest = 1e-30;
  int64_t at = -1;
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t index = samples == total ? i : static_cast<int64_t>(engine()) % total;
    const int64_t o = index % shape.out_channels;
    const int64_t pixel = index / shape.out_channels;
    const int64_t x = pixel % shape.out_w();
    const int64_t y = pixel / shape.out_w() % shape.out_h();
    const int64_t n = pixel / shape.out_w() / shape.out_h();
    const double sum =
        testing::conv_sum(shape, input.data(), in_stride, weights.data(), n, y, x, o);
    const double expected = testing::finish(plain, sum, pixel, o);
    const double error = std::abs(
        expected - static_cast<double>(output[static_cast<size_t>(pixel * out_stride + o)]));
    largest = std::max({largest, std::abs(expected), std::abs(sum)});
    if (!(error <= worst)) {
      worst = error;
      at = index;
    }
  }
  EXPECT_LE(worst / largest, tolerance) << "at element " << at;
  if (how.residual != 3) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int64_t c = shape.out_channels; c < out_stride; ++c) {
        ASSERT_EQ(output[static_cast<size_t>(pixel * out_stride + c)], kUntouched);
      }
    }
  }
  // All tasks at once give the same bits.
  std::vector<float> again = how.residual == 3 ? residual : output;
  args.output = again.data();
  if (how.residual == 3) args.epilogue.residual = again.data();
  conv->run(args, 0, conv->tasks(), scratch.start);
  EXPECT_TRUE(std::equal(again.begin(), again.end(), output.begin()));
}

Conv2dShape make_shape(int64_t n, int64_t h, int64_t w, int64_t in, int64_t out, int64_t kh,
                       int64_t kw, int64_t stride, int64_t pad, int64_t dilation = 1,
                       int64_t groups = 1) {
  Conv2dShape s;
  s.n = n;
  s.h = h;
  s.w = w;
  s.in_channels = in;
  s.out_channels = out;
  s.kernel_h = kh;
  s.kernel_w = kw;
  s.stride_h = s.stride_w = stride;
  s.pad_top = s.pad_left = s.pad_bottom = s.pad_right = pad;
  s.dilation_h = s.dilation_w = dilation;
  s.groups = groups;
  return s;
}

TEST(Conv2d, AwkwardSizes) {
  for (const Isa isa : available_isas()) {
    for (const int64_t in : {1, 3, 5, 16, 17}) {
      for (const int64_t out : {1, 2, 15, 16, 17, 31, 33, 49}) {
        check(make_shape(2, 7, 5, in, out, 3, 3, 1, 1), {}, isa);
        check(make_shape(1, 5, 9, in, out, 1, 1, 1, 0), {}, isa);
      }
    }
    check(make_shape(1, 1, 1, 1, 1, 1, 1, 1, 0), {}, isa);
    check(make_shape(1, 1, 1, 4, 4, 3, 3, 1, 1), {}, isa);
    check(make_shape(0, 4, 4, 4, 4, 3, 3, 1, 1), {}, isa);
    check(make_shape(1, 9, 9, 4, 6, 3, 2, 2, 1), {}, isa);
    check(make_shape(1, 4, 5, 512, 70, 1, 1, 1, 0), {}, isa);
    check(make_shape(1, 4, 5, 512, 40, 3, 3, 1, 2), {}, isa);
    check(make_shape(1, 11, 12, 4, 6, 3, 3, 3, 4, 2), {}, isa);
    check(make_shape(2, 8, 8, 6, 12, 1, 1, 2, 0), {}, isa);
    check(make_shape(1, 8, 8, 6, 12, 1, 1, 1, 2), {}, isa);
    check(make_shape(1, 30, 30, 12, 40, 7, 7, 2, 3), {}, isa);
    check(make_shape(1, 9, 8, 12, 8, 3, 3, 1, 1, 1, 4), {}, isa);
    check(make_shape(1, 9, 8, 12, 24, 3, 3, 2, 1, 2, 2), {}, isa);
    check(make_shape(1, 9, 8, 4, 12, 3, 3, 1, 1, 1, 4), {}, isa);  // depth multiplier
    Conv2dShape uneven = make_shape(1, 9, 8, 5, 7, 3, 3, 2, 0);
    uneven.pad_right = 1;
    uneven.pad_bottom = 2;
    check(uneven, {}, isa);
    Conv2dShape image = make_shape(2, 13, 11, 3, 20, 3, 3, 2, 1);
    image.input_nchw = true;
    check(image, {}, isa);
    image.groups = 1;
    image.kernel_h = image.kernel_w = image.stride_h = image.stride_w = 4;
    image.pad_top = image.pad_left = image.pad_bottom = image.pad_right = 0;
    check(image, {}, isa);
  }
}

TEST(Conv2d, WindowsOfWiderTensors) {
  for (const Isa isa : available_isas()) {
    Variation how;
    how.extra_in = 5;
    how.extra_out = 3;
    for (const int64_t groups : {1, 6}) {
      check(make_shape(2, 6, 7, 6, 18, 1, 1, 1, 0, 1, groups), how, isa);
      check(make_shape(2, 6, 7, 6, 18, 3, 3, 1, 0, 1, groups), how, isa);
      check(make_shape(2, 6, 7, 6, 18, 3, 3, 2, 1, 1, groups), how, isa);
    }
    check(make_shape(2, 6, 7, 18, 18, 3, 3, 1, 1, 1, 18), how, isa);
    check(make_shape(2, 6, 7, 33, 33, 5, 5, 2, 2, 1, 33), how, isa);
  }
}

TEST(Conv2d, Depthwise) {
  for (const Isa isa : available_isas()) {
    for (const int64_t kernel : {3, 5}) {
      for (const int64_t stride : {1, 2, 3}) {
        for (const int64_t channels : {2, 16, 19, 40}) {
          for (const int64_t width : {1, 2, 7, 16}) {
            check(make_shape(2, 6, width, channels, channels, kernel, kernel, stride, kernel / 2, 1,
                             channels),
                  {}, isa);
          }
        }
      }
    }
    check(make_shape(1, 12, 12, 9, 9, 7, 7, 1, 3, 1, 9), {}, isa);
    check(make_shape(1, 12, 12, 9, 9, 3, 3, 1, 2, 2, 9), {}, isa);
    check(make_shape(1, 1, 30, 9, 9, 1, 5, 1, 0, 1, 9), {}, isa);
  }
}

TEST(Conv2d, Winograd) {
  for (const Isa isa : available_isas()) {
    for (const ConvAlgorithm algorithm : {ConvAlgorithm::kWinograd2, ConvAlgorithm::kWinograd4}) {
      Variation how;
      how.algorithm = algorithm;
      how.tolerance = 3e-6;
      for (const int64_t in : {1, 5, 16, 17}) {
        for (const int64_t out : {1, 17, 33}) {
          for (const int64_t size : {1, 4, 7}) {
            check(make_shape(2, size, size + 1, in, out, 3, 3, 1, 1), how, isa);
          }
        }
      }
      check(make_shape(1, 9, 11, 8, 8, 3, 3, 1, 0), how, isa);
      check(make_shape(1, 9, 11, 8, 8, 3, 3, 1, 3), how, isa);
      check(make_shape(0, 9, 11, 8, 8, 3, 3, 1, 1), how, isa);
      how.extra_in = 3;
      how.extra_out = 2;
      check(make_shape(1, 30, 21, 64, 64, 3, 3, 1, 1), how, isa);
      for (int activation = 0; activation < kActivationCount; ++activation) {
        for (const int residual : {0, 1, 2, 3}) {
          how.residual = residual;
          how.activation = static_cast<Activation>(activation);
          check(make_shape(1, 5, 6, 4, 21, 3, 3, 1, 1), how, isa);
        }
      }
    }
  }
}

// With stride 2, and kernels of one row or column, which are F(4, taps) along it.
TEST(Conv2d, WinogradOfOtherKernels) {
  struct Kernel {
    int64_t height;
    int64_t width;
  };
  for (const Isa isa : available_isas()) {
    Variation how;
    how.algorithm = ConvAlgorithm::kWinograd4;
    for (const Kernel kernel :
         {Kernel{3, 3}, Kernel{1, 3}, Kernel{3, 1}, Kernel{1, 5}, Kernel{5, 1}}) {
      for (const int64_t stride : {1, 2}) {
        for (const int64_t size : {5, 9, 16}) {
          for (const int64_t in : {1, 17}) {
            Conv2dShape shape =
                make_shape(2, size, size + 2, in, 19, kernel.height, kernel.width, stride, 0);
            if (kernel.height == 1) shape.stride_h = 1;
            if (kernel.width == 1) shape.stride_w = 1;
            check(shape, how, isa);
            shape.pad_top = kernel.height / 2;
            shape.pad_left = kernel.width / 2;
            shape.pad_bottom = kernel.height > 1 ? 1 : 0;
            shape.pad_right = kernel.width > 1 ? 2 : 0;
            check(shape, how, isa);
          }
        }
      }
    }
    how.extra_in = 3;
    how.extra_out = 2;
    how.residual = 1;
    how.activation = Activation::kSilu;
    check(make_shape(1, 31, 22, 40, 33, 3, 3, 2, 1), how, isa);
    check(make_shape(1, 100, 1, 32, 32, 5, 1, 1, 0), how, isa);
    Conv2dOptions options;
    options.isa = isa;
    options.algorithm = ConvAlgorithm::kWinograd4;
    const std::vector<float> weights(size_t{8} * 8 * 7);
    for (const Conv2dShape& shape :
         {make_shape(1, 9, 9, 8, 8, 7, 1, 1, 0), make_shape(1, 9, 9, 8, 8, 3, 1, 1, 1),
          make_shape(1, 9, 9, 8, 8, 3, 1, 3, 0)}) {
      EXPECT_FALSE(Conv2d::make(shape, weights.data(), options).has_value());
    }
  }
}

TEST(Conv2d, Epilogues) {
  for (const Isa isa : available_isas()) {
    for (int activation = 0; activation < kActivationCount; ++activation) {
      for (const int residual : {0, 1, 2, 3}) {
        Variation how;
        how.residual = residual;
        how.activation = static_cast<Activation>(activation);
        how.extra_out = residual;
        how.bias = residual != 1;
        check(make_shape(1, 5, 6, 4, 21, 3, 3, 1, 1), how, isa);
        check(make_shape(1, 5, 6, 4, 34, 1, 1, 1, 0), how, isa);
        check(make_shape(1, 5, 6, 21, 21, 3, 3, 1, 1, 1, 21), how, isa);
      }
    }
  }
}

TEST(Conv2d, ModelShapes) {
  for (const Isa isa : available_isas()) {
    if (isa == Isa::kScalar && available_isas().size() > 1) continue;  // minutes
    for (const ConvCase& one : model_convs()) {
      SCOPED_TRACE(std::string(one.name));
      Variation how;
      how.activation = one.activation;
      how.samples = 100;
      check(one.shape, how, isa);
    }
  }
}

TEST(Conv2d, NotANumberStaysWhereItIs) {
  for (const Isa isa : available_isas()) {
    const Conv2dShape shape = make_shape(1, 4, 4, 2, 3, 1, 1, 1, 0);
    std::vector<float> input(32, 1.0f);
    input[2 * 5] = std::numeric_limits<float>::quiet_NaN();
    input[2 * 6] = std::numeric_limits<float>::infinity();
    const std::vector<float> weights(6, 1.0f);
    for (int activation = 0; activation < kActivationCount; ++activation) {
      Conv2dOptions options;
      options.isa = isa;
      auto conv = Conv2d::make(shape, weights.data(), options);
      ASSERT_TRUE(conv.has_value());
      std::vector<float> output(48);
      Conv2d::Args args;
      args.input = input.data();
      args.input_stride = 2;
      args.output = output.data();
      args.output_stride = 3;
      args.epilogue.activation = static_cast<Activation>(activation);
      args.epilogue.lo = 0;
      args.epilogue.hi = 6;
      Scratch scratch(conv->scratch_bytes());
      conv->run(args, 0, conv->tasks(), scratch.start);
      for (size_t i = 0; i < 48; ++i) {
        EXPECT_EQ(std::isnan(output[i]), i / 3 == 5)
            << isa_name(isa) << " " << activation_name(static_cast<Activation>(activation)) << i;
      }
    }
  }
}

TEST(Conv2d, RefusesWhatIsNoConvolution) {
  const std::vector<float> weights(1000);
  for (Conv2dShape shape :
       {make_shape(1, 4, 4, 3, 4, 3, 3, 0, 1), make_shape(1, 2, 2, 3, 4, 3, 3, 1, 0),
        make_shape(1, 4, 4, 3, 4, 1, 1, 1, 0, 1, 2), make_shape(-1, 4, 4, 3, 4, 1, 1, 1, 0),
        make_shape(int64_t{1} << 30, int64_t{1} << 30, 4, 3, 4, 1, 1, 1, 0)}) {
    EXPECT_FALSE(Conv2d::make(shape, weights.data()).has_value());
  }
  Conv2dOptions options;
  options.algorithm = ConvAlgorithm::kGemm;
  EXPECT_FALSE(
      Conv2d::make(make_shape(1, 4, 4, 3, 4, 3, 3, 1, 1), weights.data(), options).has_value());
}

TEST(Conv2d, PackedWeightsComeBack) {
  const Conv2dShape shape = make_shape(1, 5, 6, 4, 21, 3, 3, 1, 1);
  const auto weights = random_floats(4 * 21 * 9, 1);
  const auto input = random_floats(5 * 6 * 4, 2);
  auto conv = Conv2d::make(shape, weights.data());
  ASSERT_TRUE(conv.has_value());
  auto other = Conv2d::from_packed(shape, Buffer::borrow(conv->packed()));
  ASSERT_TRUE(other.has_value());
  EXPECT_FALSE(
      Conv2d::from_packed(make_shape(1, 5, 6, 4, 91, 3, 3, 1, 1), Buffer::borrow(conv->packed()))
          .has_value());
  std::vector<float> first(5 * 6 * 21), second(first.size());
  Scratch scratch(conv->scratch_bytes());
  Conv2d::Args args;
  args.input = input.data();
  args.input_stride = 4;
  args.output_stride = 21;
  args.output = first.data();
  conv->run(args, 0, conv->tasks(), scratch.start);
  args.output = second.data();
  other->run(args, 0, other->tasks(), scratch.start);
  EXPECT_EQ(first, second);
}

TEST(ConvTranspose2d, AgainstPlainLoops) {
  for (const Isa isa : available_isas()) {
    for (const int64_t stride : {1, 2, 3}) {
      for (const int64_t kernel : {1, 2, 3, 4}) {
        for (const int64_t groups : {1, 2}) {
          for (const int64_t dilation : {1, 2}) {
            ConvTranspose2dShape s;
            s.n = 2;
            s.h = 4;
            s.w = 5;
            s.in_channels = 6;
            s.out_channels = 34;
            s.kernel_h = kernel;
            s.kernel_w = std::max<int64_t>(kernel - 1, 1);
            s.stride_h = s.stride_w = stride;
            s.pad_h = kernel > 2 ? 1 : 0;
            s.output_pad_w = stride - 1;
            s.dilation_h = s.dilation_w = dilation;
            s.groups = groups;
            const int64_t in_stride = 7, out_stride = 36;
            const int64_t pixels = s.n * s.out_h() * s.out_w();
            const auto input = random_floats(s.n * s.h * s.w * in_stride, 1);
            const auto weights =
                random_floats(s.in_channels * s.out_channels / groups * kernel * s.kernel_w, 2);
            const auto bias = random_floats(s.out_channels, 3);
            const auto residual = random_floats(pixels * out_stride, 4);
            auto conv = ConvTranspose2d::make(s, weights.data(), isa);
            ASSERT_TRUE(conv.has_value()) << conv.error().message;
            std::vector<float> output(static_cast<size_t>(pixels * out_stride), kUntouched);
            ConvTranspose2d::Args args;
            args.input = input.data();
            args.input_stride = in_stride;
            args.output = output.data();
            args.output_stride = out_stride;
            args.epilogue.bias = bias.data();
            args.epilogue.residual = residual.data();
            args.epilogue.residual_stride = out_stride;
            args.epilogue.activation = Activation::kSilu;
            Scratch scratch(conv->scratch_bytes());
            for (int64_t task = 0; task < conv->tasks(); ++task)
              conv->run(args, task, task + 1, scratch.start);
            EXPECT_TRUE(scratch.intact());
            const auto sums =
                testing::conv_transpose_sums(s, input.data(), in_stride, weights.data());
            double worst = 0;
            for (int64_t p = 0; p < pixels; ++p) {
              for (int64_t o = 0; o < s.out_channels; ++o) {
                const double expected = testing::finish(
                    args.epilogue, sums[static_cast<size_t>(p * s.out_channels + o)], p, o);
                const double error =
                    std::abs(expected -
                             static_cast<double>(output[static_cast<size_t>(p * out_stride + o)]));
                if (!(error <= worst)) worst = error;
              }
              EXPECT_EQ(output[static_cast<size_t>(p * out_stride + 34)], kUntouched);
            }
            EXPECT_LE(worst, 2e-5) << isa_name(isa) << " s" << stride << " k" << kernel << " g"
                                   << groups << " d" << dilation;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace pte::simd
