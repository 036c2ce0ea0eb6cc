// Small convolutions, transposed convolutions, products and attention of any shape the input asks
// for, on any instruction set of the machine, against plain loops. Sizes are bounded so that one
// input takes milliseconds; what make() refuses is no finding.
//
// Input: one byte for each choice, in the order below. Bytes that are missing read as 0.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "simd/attention.h"
#include "simd/conv2d.h"
#include "simd/conv_transpose2d.h"
#include "simd/gemm.h"
#include "simd/qconv2d.h"
#include "simd/qgemm.h"
#include "simd/testing.h"

namespace pte::simd {
namespace {

using testing::random_floats;

class Source {
 public:
  Source(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t byte() { return at_ < size_ ? data_[at_++] : 0; }
  int64_t between(int64_t least, int64_t most) { return least + byte() % (most - least + 1); }
  bool flag() { return (byte() & 1U) != 0; }
  Isa isa() {
    const auto isas = available_isas();
    return isas[byte() % isas.size()];
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

[[noreturn]] void fail(const char* what, Isa isa, int64_t at, double got, double expected) {
  std::fprintf(stderr, "%s on %s: element %ld is %g, expected %g\n", what,
               std::string(isa_name(isa)).c_str(), static_cast<long>(at), got, expected);
  std::abort();
}

struct Scratch {
  explicit Scratch(size_t bytes)
      : memory(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 64) / 64 * 64))) {}
  ~Scratch() { std::free(memory); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::byte* memory;
};

Conv2dShape conv_shape(Source& in) {
  Conv2dShape s;
  s.n = in.between(0, 2);
  s.h = in.between(0, 12);
  s.w = in.between(0, 17);
  s.groups = in.flag() ? in.between(1, 6) : 1;
  s.in_channels = s.groups * in.between(1, s.groups > 1 ? 5 : 40);
  s.out_channels = s.groups * in.between(1, s.groups > 1 ? 5 : 70);
  if (in.flag()) s.groups = s.in_channels = s.out_channels = in.between(1, 60);
  s.kernel_h = in.between(1, 5);
  s.kernel_w = in.flag() ? in.between(1, 5) : s.kernel_h;
  s.stride_h = in.between(1, 3);
  s.stride_w = in.flag() ? in.between(1, 3) : s.stride_h;
  s.pad_top = in.between(0, 4);
  s.pad_left = in.between(0, 4);
  s.pad_bottom = in.flag() ? in.between(0, 4) : s.pad_top;
  s.pad_right = in.flag() ? in.between(0, 4) : s.pad_left;
  s.dilation_h = in.flag() ? in.between(1, 3) : 1;
  s.dilation_w = in.flag() ? in.between(1, 3) : 1;
  return s;
}

Epilogue epilogue(Source& in, const std::vector<float>& bias, const std::vector<float>& residual,
                  int64_t stride) {
  Epilogue e;
  if (in.flag()) e.bias = bias.data();
  e.activation = static_cast<Activation>(in.between(0, kActivationCount - 1));
  e.lo = -0.5f;
  e.hi = 1.0f;
  if (in.flag()) e.residual = residual.data();
  e.residual_stride = stride;
  e.residual_after_activation = in.flag();
  return e;
}

void fuzz_conv(Source& in) {
  Conv2dOptions options;
  options.isa = in.isa();
  options.algorithm = static_cast<ConvAlgorithm>(in.between(0, 5));
  options.winograd = in.flag();
  Conv2dShape s = conv_shape(in);
  s.input_nchw = in.byte() % 8 == 7;
  const int64_t in_stride = s.in_channels + (s.input_nchw ? 0 : in.between(0, 3));
  const int64_t out_stride = s.out_channels + in.between(0, 3);
  const auto weights = random_floats(
      s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w, in.byte());
  auto conv = Conv2d::make(s, weights.data(), options);
  if (!conv.has_value()) return;
  const int64_t pixels = s.n * s.out_h() * s.out_w();
  // Not a float more than the windows need, so that a sanitizer sees what lies behind.
  const auto floats = [](int64_t count, int64_t stride, int64_t used) {
    return count == 0 ? 0 : (count - 1) * stride + used;
  };
  const auto input = random_floats(floats(s.n * s.h * s.w, in_stride, s.in_channels), 1);
  const auto bias = random_floats(s.out_channels, 2);
  const auto residual = random_floats(floats(pixels, out_stride, s.out_channels), 3);
  std::vector<float> output(residual.size());
  Conv2d::Args args{input.data(), in_stride, output.data(), out_stride,
                    epilogue(in, bias, residual, out_stride)};
  const Scratch scratch(conv->scratch_bytes());
  const int64_t cut = conv->tasks() == 0 ? 0 : in.byte() % (conv->tasks() + 1);
  conv->run(args, cut, conv->tasks(), scratch.memory);
  conv->run(args, 0, cut, scratch.memory);
  const double terms =
      std::sqrt(static_cast<double>(weights.size()) / static_cast<double>(s.out_channels));
  const double room = conv->algorithm() == ConvAlgorithm::kWinograd4 ? 1e-4 : 1e-5;
  for (int64_t i = 0; i < pixels * s.out_channels; ++i) {
    const int64_t o = i % s.out_channels, pixel = i / s.out_channels;
    const int64_t x = pixel % s.out_w(), y = pixel / s.out_w() % s.out_h();
    const int64_t n = pixel / s.out_w() / s.out_h();
    const double expected = testing::finish(
        args.epilogue, testing::conv_sum(s, input.data(), in_stride, weights.data(), n, y, x, o),
        pixel, o);
    const auto got = static_cast<double>(output[static_cast<size_t>(pixel * out_stride + o)]);
    if (!(std::abs(got - expected) <= room * (1 + terms))) {
      fail(std::string(conv_algorithm_name(conv->algorithm())).c_str(), options.isa, i, got,
           expected);
    }
  }
}

void fuzz_transposed(Source& in) {
  const Isa isa = in.isa();
  ConvTranspose2dShape s;
  s.n = in.between(0, 2);
  s.h = in.between(1, 6);
  s.w = in.between(1, 6);
  s.groups = in.between(1, 3);
  s.in_channels = s.groups * in.between(1, 9);
  s.out_channels = s.groups * in.between(1, 20);
  s.kernel_h = in.between(1, 4);
  s.kernel_w = in.between(1, 4);
  s.stride_h = in.between(1, 5);
  s.stride_w = in.between(1, 5);
  s.pad_h = in.between(0, 3);
  s.pad_w = in.between(0, 3);
  s.output_pad_h = in.between(0, 2);
  s.output_pad_w = in.between(0, 2);
  s.dilation_h = in.between(1, 2);
  s.dilation_w = in.between(1, 2);
  const auto weights = random_floats(
      s.in_channels * (s.out_channels / s.groups) * s.kernel_h * s.kernel_w, in.byte());
  auto conv = ConvTranspose2d::make(s, weights.data(), isa);
  if (!conv.has_value()) return;
  const int64_t pixels = s.n * s.out_h() * s.out_w();
  const auto input = random_floats(s.n * s.h * s.w * s.in_channels, 1);
  const auto bias = random_floats(s.out_channels, 2);
  const auto residual = random_floats(pixels * s.out_channels, 3);
  std::vector<float> output(residual.size());
  const ConvTranspose2d::Args args{input.data(), s.in_channels, output.data(), s.out_channels,
                                   epilogue(in, bias, residual, s.out_channels)};
  const Scratch scratch(conv->scratch_bytes());
  conv->run(args, 0, conv->tasks(), scratch.memory);
  const auto sums = testing::conv_transpose_sums(s, input.data(), s.in_channels, weights.data());
  for (int64_t i = 0; i < pixels * s.out_channels; ++i) {
    const double expected = testing::finish(args.epilogue, sums[static_cast<size_t>(i)],
                                            i / s.out_channels, i % s.out_channels);
    const auto got = static_cast<double>(output[static_cast<size_t>(i)]);
    if (!(std::abs(got - expected) <= 1e-4)) fail("transposed", isa, i, got, expected);
  }
}

void fuzz_gemm(Source& in) {
  const Isa isa = in.isa();
  const Gemm::Shape s{in.between(0, 40), in.between(0, 100), in.flag() ? 512 : in.between(0, 40)};
  const bool transposed = in.flag();
  const int64_t a_stride = s.k + in.between(0, 2), c_stride = s.n + in.between(0, 2);
  const auto a = random_floats(std::max<int64_t>(s.m * a_stride, 1), 1);
  const auto b = random_floats(std::max<int64_t>(s.n * s.k, 1), 2);
  const auto bias = random_floats(s.n + 1, 3);
  const auto residual = random_floats(s.m * c_stride + 1, 4);
  std::vector<float> c(residual.size());
  auto gemm = Gemm::make(s, b.data(), transposed ? s.k : s.n, transposed, isa);
  if (!gemm.has_value()) return;
  const Gemm::Args args{a.data(), a_stride, c.data(), c_stride,
                        epilogue(in, bias, residual, c_stride)};
  const Scratch scratch(gemm->scratch_bytes());
  gemm->run(args, 0, gemm->tasks(), scratch.memory);
  for (int64_t i = 0; i < s.m * s.n; ++i) {
    const int64_t row = i / s.n, j = i % s.n;
    double sum = 0;
    for (int64_t p = 0; p < s.k; ++p) {
      sum += static_cast<double>(a[static_cast<size_t>(row * a_stride + p)]) *
             static_cast<double>(b[static_cast<size_t>(transposed ? j * s.k + p : p * s.n + j)]);
    }
    const double expected = testing::finish(args.epilogue, sum, row, j);
    const auto got = static_cast<double>(c[static_cast<size_t>(row * c_stride + j)]);
    if (!(std::abs(got - expected) <= 2e-4)) fail("gemm", isa, i, got, expected);
  }
}

// Instruction sets agree to the byte; the plainest is held against loops by qconv_test.cc.
void fuzz_int8(Source& in) {
  const Isa isa = in.isa();
  QConv2dShape shape;
  shape.conv = conv_shape(in);
  shape.input_zero_point = static_cast<int8_t>(in.byte());
  shape.output_zero_point = static_cast<int8_t>(in.byte());
  shape.lowest = static_cast<int8_t>(in.byte());
  const Conv2dShape& s = shape.conv;
  const int64_t terms = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  std::vector<int8_t> weights(static_cast<size_t>(s.out_channels * terms));
  const uint8_t seed = in.byte();
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<int8_t>((i * 167 + seed) * 2654435761U >> 24);
  }
  const std::vector<float> scale(static_cast<size_t>(s.out_channels), 0.003f);
  auto fast = QConv2d::make(shape, weights.data(), nullptr, scale.data(), isa);
  auto plain = QConv2d::make(shape, weights.data(), nullptr, scale.data(), available_isas()[0]);
  if (!fast.has_value() || !plain.has_value()) return;
  std::vector<int8_t> input(static_cast<size_t>(s.n * s.h * s.w * s.in_channels));
  for (size_t i = 0; i < input.size(); ++i) {
    input[i] = static_cast<int8_t>((i + seed) * 2246822519U >> 24);
  }
  std::vector<int8_t> first(static_cast<size_t>(s.n * s.out_h() * s.out_w() * s.out_channels));
  std::vector<int8_t> second(first.size());
  ByteTable table;
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<int8_t>(i * 91 + seed);
  const ByteTable* used = in.flag() ? &table : nullptr;
  const Scratch scratch(std::max(fast->scratch_bytes(), plain->scratch_bytes()));
  fast->run({input.data(), s.in_channels, first.data(), s.out_channels, used}, 0, fast->tasks(),
            scratch.memory);
  plain->run({input.data(), s.in_channels, second.data(), s.out_channels, used}, 0, plain->tasks(),
             scratch.memory);
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i] != second[i]) fail("int8", isa, static_cast<int64_t>(i), first[i], second[i]);
  }
}

// Rounded alike up to the last digits on all instruction sets, plain or in blocks.
void fuzz_dynamic(Source& in) {
  const Isa isa = in.isa();
  QGemm::Shape shape;
  shape.m = in.between(0, 60);
  shape.n = in.between(1, 70);
  shape.blocks = in.between(1, 4);
  shape.k = shape.blocks * in.between(1, 40);
  const uint8_t seed = in.byte();
  std::vector<int8_t> weights(static_cast<size_t>(shape.n * shape.k));
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<int8_t>((i * 167 + seed) * 2654435761U >> 24);
  }
  const std::vector<float> scales(static_cast<size_t>(shape.n * shape.blocks), 0.01f);
  const auto bias = random_floats(shape.n, 4);
  auto fast = QGemm::make(shape, weights.data(), scales.data(), bias.data(), isa);
  auto plain = QGemm::make(shape, weights.data(), scales.data(), bias.data(), available_isas()[0]);
  if (!fast.has_value() || !plain.has_value()) return;
  const auto a = random_floats(shape.m * shape.k, seed);
  std::vector<float> first(static_cast<size_t>(shape.m * shape.n));
  std::vector<float> second(first.size());
  const Scratch scratch(std::max(fast->scratch_bytes(), plain->scratch_bytes()));
  fast->run({a.data(), shape.k, first.data(), shape.n}, 0, fast->tasks(), scratch.memory);
  plain->run({a.data(), shape.k, second.data(), shape.n}, 0, plain->tasks(), scratch.memory);
  for (size_t i = 0; i < first.size(); ++i) {
    if (!(std::abs(first[i] - second[i]) <= 1e-4f)) {
      fail("dynamic int8", isa, static_cast<int64_t>(i), static_cast<double>(first[i]),
           static_cast<double>(second[i]));
    }
  }
}

void fuzz_attention(Source& in) {
  const Isa isa = in.isa();
  const int64_t dim = in.between(1, 20);
  const Attention::Shape s{
      in.between(0, 2),  in.between(1, 3), in.between(0, 40), in.between(1, 40), dim,
      in.between(1, 40), in.flag()};
  auto fast = Attention::make(s, isa);
  auto plain = Attention::make(s, available_isas()[0]);
  if (!fast.has_value() || !plain.has_value()) return;
  const auto q = random_floats(s.batch * s.heads * s.queries * dim, in.byte());
  const auto k = random_floats(s.batch * s.heads * s.keys * dim, 2);
  const auto v = random_floats(s.batch * s.heads * s.keys * s.value_dim, 3);
  const auto layout = [&](int64_t tokens, int64_t width) {
    return Attention::Layout{s.heads * tokens * width, tokens * width, width};
  };
  std::vector<float> first(static_cast<size_t>(s.batch * s.heads * s.queries * s.value_dim));
  std::vector<float> second(first.size());
  Attention::Args args;
  args.q = q.data();
  args.k = k.data();
  args.v = v.data();
  args.q_layout = layout(s.queries, dim);
  args.k_layout = layout(s.keys, dim);
  args.v_layout = layout(s.keys, s.value_dim);
  args.out_layout = layout(s.queries, s.value_dim);
  const Scratch scratch(std::max(fast->scratch_bytes(), plain->scratch_bytes()));
  args.out = first.data();
  fast->run(args, 0, fast->tasks(), scratch.memory);
  args.out = second.data();
  plain->run(args, 0, plain->tasks(), scratch.memory);
  for (size_t i = 0; i < first.size(); ++i) {
    if (!(std::abs(first[i] - second[i]) <= 1e-5f)) {
      fail("attention", isa, static_cast<int64_t>(i), static_cast<double>(first[i]),
           static_cast<double>(second[i]));
    }
  }
}

}  // namespace
}  // namespace pte::simd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pte::simd::Source in(data, size);
  switch (in.between(0, 7)) {
    case 0:
      pte::simd::fuzz_gemm(in);
      break;
    case 1:
      pte::simd::fuzz_transposed(in);
      break;
    case 2:
      pte::simd::fuzz_int8(in);
      break;
    case 3:
      pte::simd::fuzz_attention(in);
      break;
    case 4:
      pte::simd::fuzz_dynamic(in);
      break;
    default:
      pte::simd::fuzz_conv(in);
  }
  return 0;
}
