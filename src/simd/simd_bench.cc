// The kernels on the shapes of models, one thread: microseconds, GFLOP/s, share of the core's
// measured FMA peak and, where oneDNN was found, its time for the same work and the ratio.
//
//   simd_bench [--isa NAME] [--filter TEXT] [--seconds S] [--algorithm NAME] [--no-onednn] [--int8]
//
// Times are the least of many runs, in processor time of the thread; ours and oneDNN's take turns,
// so that both see the same machine.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "simd/attention.h"
#include "simd/cases.h"
#include "simd/conv2d.h"
#include "simd/gemm.h"
#include "simd/matmul.h"
#include "simd/peak.h"
#include "simd/qconv2d.h"
#include "simd/testing.h"

#ifdef PTE_BENCH_ONEDNN
#include <dnnl.hpp>
#endif

namespace pte::simd {
namespace {

using Clock = std::chrono::steady_clock;
using testing::random_floats;

struct Flags {
  Isa isa = best_isa();
  std::string filter;
  double seconds = 0.2;
  bool onednn = true;
  bool int8 = false;
  ConvAlgorithm algorithm = ConvAlgorithm::kAuto;
};

// Of this thread alone: other work on the machine takes its time slices unseen.
double thread_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<void()>& body, int repeats) {
  const double start = thread_seconds();
  for (int i = 0; i < repeats; ++i) body();
  return (thread_seconds() - start) / repeats;
}

struct Times {
  double ours = 0;
  double other = 0;
};

Times measure(const std::function<void()>& ours, const std::function<void()>& other,
              double seconds) {
  Times times{1e30, other ? 1e30 : 0};
  ours();
  const double once = seconds_of(ours, 1);
  const int repeats = std::max(1, static_cast<int>(2e-4 / std::max(once, 1e-8)));
  const auto start = Clock::now();
  do {
    times.ours = std::min(times.ours, seconds_of(ours, repeats));
    if (other) times.other = std::min(times.other, seconds_of(other, repeats));
  } while (std::chrono::duration<double>(Clock::now() - start).count() < seconds);
  return times;
}

void print(std::string_view name, std::string_view how, double operations, const Times& times,
           double peak) {
  const double rate = operations / times.ours * 1e-9;
  fmt::print("{:<22} {:<10} {:>9.1f} us {:>7.1f} GF/s {:>6.1f} %", name, how, times.ours * 1e6,
             rate, 100 * rate / peak);
  if (times.other > 0) {
    fmt::print("   oneDNN {:>9.1f} us  x{:.2f}", times.other * 1e6, times.ours / times.other);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

#ifdef PTE_BENCH_ONEDNN
using dnnl::algorithm;
using dnnl::memory;

dnnl::primitive_attr attributes(Activation activation) {
  dnnl::post_ops ops;
  switch (activation) {
    case Activation::kClamp:
      ops.append_eltwise(1.0f, algorithm::eltwise_clip, 0.0f, 6.0f);
      break;
    case Activation::kSilu:
      ops.append_eltwise(1.0f, algorithm::eltwise_swish, 1.0f, 0.0f);
      break;
    case Activation::kHardswish:
      ops.append_eltwise(1.0f, algorithm::eltwise_hardswish, 0.0f, 0.0f);
      break;
    case Activation::kGelu:
      ops.append_eltwise(1.0f, algorithm::eltwise_gelu_erf, 0.0f, 0.0f);
      break;
    default:
      break;
  }
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  return attr;
}

// What is fixed beforehand is reordered to what oneDNN likes best; activations stay NHWC.
// Runs `primitive` on memory of its own.
std::function<void()> runner(const dnnl::primitive& primitive, const memory::desc& in,
                             const memory::desc& weights, const memory::desc& bias_desc,
                             const memory::desc& out, const dnnl::engine& engine,
                             dnnl::stream stream) {
  memory input(in, engine), output(out, engine), bias(bias_desc, engine), packed(weights, engine);
  for (const memory* one : {&input, &output, &bias, &packed}) {
    auto* data = static_cast<float*>(one->get_data_handle());
    std::fill_n(data, one->get_desc().get_size() / 4, 0.01f);
  }
  return [=]() mutable {
    primitive.execute(stream, {{DNNL_ARG_SRC, input},
                               {DNNL_ARG_WEIGHTS, packed},
                               {DNNL_ARG_BIAS, bias},
                               {DNNL_ARG_DST, output}});
    stream.wait();
  };
}

std::function<void()> onednn_conv(const Conv2dShape& s, Activation activation) {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  static dnnl::stream stream(engine);
  try {
    const auto f32 = memory::data_type::f32;
    const memory::dims in{s.n, s.in_channels, s.h, s.w};
    const memory::dims out{s.n, s.out_channels, s.out_h(), s.out_w()};
    memory::dims weights{s.out_channels, s.in_channels, s.kernel_h, s.kernel_w};
    if (s.groups > 1) {
      weights = {s.groups, s.out_channels / s.groups, s.in_channels / s.groups, s.kernel_h,
                 s.kernel_w};
    }
    // NHWC even where ours reads NCHW, which oneDNN has no fast kernel for.
    const memory::desc in_desc(in, f32, memory::format_tag::nhwc);
    const memory::desc out_desc(out, f32, memory::format_tag::nhwc);
    const memory::desc any(weights, f32, memory::format_tag::any);
    const memory::desc bias_desc({s.out_channels}, f32, memory::format_tag::a);
    const dnnl::convolution_forward::desc desc(
        dnnl::prop_kind::forward_inference, algorithm::convolution_auto, in_desc, any, bias_desc,
        out_desc, {s.stride_h, s.stride_w}, {s.dilation_h - 1, s.dilation_w - 1},
        {s.pad_top, s.pad_left}, {s.pad_bottom, s.pad_right});
    const dnnl::convolution_forward::primitive_desc primitive(desc, attributes(activation), engine);
    const dnnl::convolution_forward conv(primitive);
    return runner(conv, in_desc, primitive.weights_desc(), bias_desc, out_desc, engine, stream);
  } catch (const dnnl::error&) {
    return {};
  }
}

std::function<void()> onednn_gemm(const GemmCase& one) {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  static dnnl::stream stream(engine);
  try {
    const auto f32 = memory::data_type::f32;
    const memory::desc a({one.m, one.k}, f32, memory::format_tag::ab);
    const memory::desc b({one.k, one.n}, f32, memory::format_tag::any);
    const memory::desc c({one.m, one.n}, f32, memory::format_tag::ab);
    const memory::desc bias_desc({1, one.n}, f32, memory::format_tag::ab);
    const dnnl::matmul::desc desc(a, b, bias_desc, c);
    const dnnl::matmul::primitive_desc primitive(desc, attributes(one.activation), engine);
    const dnnl::matmul matmul(primitive);
    return runner(matmul, a, primitive.weights_desc(), bias_desc, c, engine, stream);
  } catch (const dnnl::error&) {
    return {};
  }
}
#else
std::function<void()> onednn_conv(const Conv2dShape&, Activation) { return {}; }
std::function<void()> onednn_gemm(const GemmCase&) { return {}; }
#endif

bool wanted(const Flags& flags, std::string_view name) {
  return flags.filter.empty() || name.find(flags.filter) != std::string_view::npos;
}

Epilogue epilogue_of(Activation activation, const std::vector<float>& bias) {
  Epilogue epilogue;
  epilogue.bias = bias.data();
  epilogue.activation = activation;
  epilogue.lo = 0;
  epilogue.hi = 6;
  return epilogue;
}

std::vector<std::byte> scratch_of(size_t bytes) { return std::vector<std::byte>(bytes + 64); }

void* aligned(std::vector<std::byte>& bytes) {
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  return bytes.data() + (64 - address % 64) % 64;
}

struct Sums {
  double logs = 0;
  int count = 0;
  double share = 0;
  void add(const Times& times) {
    if (times.other <= 0) return;
    logs += std::log(times.ours / times.other);
    ++count;
  }
};

void bench_gemm(const Flags& flags, const GemmCase& one, double peak, Sums* sums) {
  const auto a = random_floats(one.m * one.k, 1);
  const auto b = random_floats(one.n * one.k, 2);
  const auto bias = random_floats(one.n, 3);
  std::vector<float> c(static_cast<size_t>(one.m * one.n));
  auto gemm = Gemm::make({one.m, one.n, one.k}, b.data(), one.k, true, flags.isa);
  if (!gemm.has_value()) return;
  Gemm::Args args;
  args.a = a.data();
  args.a_stride = one.k;
  args.c = c.data();
  args.c_stride = one.n;
  args.epilogue = epilogue_of(one.activation, bias);
  auto scratch = scratch_of(gemm->scratch_bytes());
  void* at = aligned(scratch);
  const Times times =
      measure([&] { gemm->run(args, 0, gemm->tasks(), at); },
              flags.onednn ? onednn_gemm(one) : std::function<void()>(), flags.seconds);
  print(one.name, "gemm", 2.0 * static_cast<double>(one.m * one.n * one.k), times, peak);
  sums->add(times);
}

void bench_conv(const Flags& flags, const ConvCase& one, double peak, Sums* sums) {
  const Conv2dShape& s = one.shape;
  const auto input = random_floats(s.n * s.h * s.w * s.in_channels, 1);
  const int64_t taps = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  const auto weights = random_floats(s.out_channels * taps, 2);
  const auto bias = random_floats(s.out_channels, 3);
  const int64_t outputs = s.n * s.out_h() * s.out_w() * s.out_channels;
  std::vector<float> output(static_cast<size_t>(outputs));
  Conv2dOptions options;
  options.isa = flags.isa;
  options.algorithm = flags.algorithm;
  auto conv = Conv2d::make(s, weights.data(), options);
  if (!conv.has_value()) return;
  Conv2d::Args args;
  args.input = input.data();
  args.input_stride = s.in_channels;
  args.output = output.data();
  args.output_stride = s.out_channels;
  args.epilogue = epilogue_of(one.activation, bias);
  auto scratch = scratch_of(conv->scratch_bytes());
  void* at = aligned(scratch);
  const Times times = measure(
      [&] { conv->run(args, 0, conv->tasks(), at); },
      flags.onednn ? onednn_conv(s, one.activation) : std::function<void()>(), flags.seconds);
  print(one.name, conv_algorithm_name(conv->algorithm()), 2.0 * static_cast<double>(outputs * taps),
        times, peak);
  sums->add(times);
}

// int8: the share is of the fp32 peak, so what it gains shows.
void bench_qconv(const Flags& flags, const ConvCase& one, double peak) {
  const Conv2dShape& s = one.shape;
  if (s.input_nchw) return;
  const int64_t taps = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  const std::vector<int8_t> input(static_cast<size_t>(s.n * s.h * s.w * s.in_channels), 3);
  const std::vector<int8_t> weights(static_cast<size_t>(s.out_channels * taps), 2);
  const std::vector<float> scale(static_cast<size_t>(s.out_channels), 0.01f);
  const int64_t outputs = s.n * s.out_h() * s.out_w() * s.out_channels;
  std::vector<int8_t> output(static_cast<size_t>(outputs));
  QConv2dShape shape;
  shape.conv = s;
  auto conv = QConv2d::make(shape, weights.data(), nullptr, scale.data(), flags.isa);
  if (!conv.has_value()) return;
  const QConv2d::Args args{input.data(), s.in_channels, output.data(), s.out_channels};
  auto scratch = scratch_of(conv->scratch_bytes());
  void* at = aligned(scratch);
  const Times times = measure([&] { conv->run(args, 0, conv->tasks(), at); }, {}, flags.seconds);
  print(one.name, "int8", 2.0 * static_cast<double>(outputs * taps), times, peak);
}

void bench_matmul(const Flags& flags, std::string_view name, const Matmul::Shape& s, double peak) {
  if (!wanted(flags, name)) return;
  const auto a = random_floats(s.batch * s.m * s.k, 1);
  const auto b = random_floats(s.batch * s.n * s.k, 2);
  std::vector<float> c(static_cast<size_t>(s.batch * s.m * s.n));
  auto matmul = Matmul::make(s, flags.isa);
  if (!matmul.has_value()) return;
  Matmul::Args args;
  args.a = a.data();
  args.a_stride = s.k;
  args.a_batch_stride = s.m * s.k;
  args.b = b.data();
  args.b_stride = s.b_transposed ? s.k : s.n;
  args.b_batch_stride = s.n * s.k;
  args.c = c.data();
  args.c_stride = s.n;
  args.c_batch_stride = s.m * s.n;
  auto scratch = scratch_of(matmul->scratch_bytes());
  void* at = aligned(scratch);
  const Times times =
      measure([&] { matmul->run(args, 0, matmul->tasks(), at); }, {}, flags.seconds);
  print(name, "matmul", 2.0 * static_cast<double>(s.batch * s.m * s.n * s.k), times, peak);
}

void bench_attention(const Flags& flags, std::string_view name, const Attention::Shape& s,
                     double peak) {
  if (!wanted(flags, name)) return;
  const int64_t token = s.heads * (2 * s.head_dim + s.value_dim);
  const auto qkv = random_floats(s.keys * token, 1);
  std::vector<float> out(static_cast<size_t>(s.queries * s.heads * s.value_dim));
  auto attention = Attention::make(s, flags.isa);
  if (!attention.has_value()) return;
  Attention::Args args;
  args.q = qkv.data();
  args.k = qkv.data() + s.heads * s.head_dim;
  args.v = qkv.data() + 2 * s.heads * s.head_dim;
  args.out = out.data();
  args.q_layout = args.k_layout = {0, s.head_dim, token};
  args.v_layout = {0, s.value_dim, token};
  args.out_layout = {0, s.value_dim, s.heads * s.value_dim};
  args.scale = 0.125f;
  auto scratch = scratch_of(attention->scratch_bytes());
  void* at = aligned(scratch);
  const Times times =
      measure([&] { attention->run(args, 0, attention->tasks(), at); }, {}, flags.seconds);
  print(name, "attention",
        2.0 * static_cast<double>(s.heads * s.queries * s.keys * (s.head_dim + s.value_dim)), times,
        peak);
}

int run(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--no-onednn") {
      flags.onednn = false;
      continue;
    }
    if (flag == "--int8") {
      flags.int8 = true;
      continue;
    }
    ++i;
    if (flag == "--isa") {
      auto isa = parse_isa(value);
      if (!isa.has_value()) {
        fmt::print(stderr, "{}\n", isa.error().message);
        return 2;
      }
      flags.isa = *isa;
    } else if (flag == "--filter") {
      flags.filter = value;
    } else if (flag == "--seconds") {
      flags.seconds = std::strtod(value, nullptr);
    } else if (flag == "--algorithm") {
      for (int a = 0; a <= static_cast<int>(ConvAlgorithm::kDepthwise); ++a) {
        if (conv_algorithm_name(static_cast<ConvAlgorithm>(a)) == value)
          flags.algorithm = static_cast<ConvAlgorithm>(a);
      }
    } else {
      fmt::print(stderr,
                 "usage: simd_bench [--isa NAME] [--filter TEXT] [--seconds S] [--algorithm NAME] "
                 "[--no-onednn] [--int8]\n");
      return 2;
    }
  }
  const double peak = measure_fma_peak(flags.isa);
  fmt::print("{}: FMA peak of one core {:.1f} GFLOP/s\n", isa_name(flags.isa), peak);
  Sums sums;
  for (const GemmCase& one : model_gemms()) {
    if (wanted(flags, one.name)) bench_gemm(flags, one, peak, &sums);
  }
  bench_matmul(flags, "attention_scores", {3, 577, 577, 64, true}, peak);
  bench_matmul(flags, "attention_values", {3, 577, 64, 577, false}, peak);
  bench_attention(flags, "pe_t16_attention", {1, 3, 577, 577, 64, 64, false}, peak);
  bench_attention(flags, "yolo11n_10_attention", {1, 2, 400, 400, 32, 64, false}, peak);
  for (const ConvCase& one : model_convs()) {
    if (wanted(flags, one.name)) bench_conv(flags, one, peak, &sums);
    if (wanted(flags, one.name) && flags.int8) bench_qconv(flags, one, peak);
  }
  if (sums.count > 0) {
    fmt::print("geometric mean against oneDNN over {} cases: x{:.3f}\n", sums.count,
               std::exp(sums.logs / sums.count));
  }
  fmt::print("FMA peak again: {:.1f} GFLOP/s\n", measure_fma_peak(flags.isa));
  return 0;
}

}  // namespace
}  // namespace pte::simd

int main(int argc, char** argv) { return pte::simd::run(argc, argv); }
