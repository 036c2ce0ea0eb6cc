#include "engine/tuning.h"

#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/sha256.h"

namespace pte::engine {

namespace {

constexpr std::string_view kTitle = "ptekit tuning 1";
constexpr size_t kMostChoices = 1 << 16;
constexpr int64_t kMostFloats = int64_t{64} << 20;  // of an operand that is worth measuring

constexpr simd::ConvAlgorithm kAlgorithms[] = {
    simd::ConvAlgorithm::kGemm,      simd::ConvAlgorithm::kDirect,
    simd::ConvAlgorithm::kWinograd2, simd::ConvAlgorithm::kWinograd4,
    simd::ConvAlgorithm::kDepthwise,
};

// What /proc says of the first core.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  for (int i = 0; i < 32 && std::getline(file, line); ++i) {
    if (line.starts_with("model name") || line.starts_with("CPU part")) return line;
  }
  return "unknown";
}

// The shortest of a few runs in milliseconds.
double time_of(const simd::Conv2d& conv, const std::vector<float>& input,
               std::vector<float>& output, std::byte* scratch) {
  simd::Conv2d::Args args;
  args.input = input.data();
  args.input_stride = conv.shape().in_channels;
  args.output = output.data();
  args.output_stride = conv.shape().out_channels;
  constexpr auto kEnough = std::chrono::milliseconds(8);
  const auto begin = std::chrono::steady_clock::now();
  double best = 1e30;
  for (int run = 0; run < 3 || (run < 50 && std::chrono::steady_clock::now() - begin < kEnough);
       ++run) {
    const auto start = std::chrono::steady_clock::now();
    conv.run(args, 0, conv.tasks(), scratch);
    best = std::min(
        best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                  .count());
  }
  return best;
}

}  // namespace

std::string conv_key(const simd::Conv2dShape& s) {
  std::string text;
  for (const int64_t number :
       {s.n, s.h, s.w, s.in_channels, s.out_channels, s.kernel_h, s.kernel_w, s.stride_h,
        s.stride_w, s.pad_top, s.pad_left, s.pad_bottom, s.pad_right, s.dilation_h, s.dilation_w,
        s.groups, int64_t{s.input_nchw ? 1 : 0}}) {
    if (!text.empty()) text += ' ';
    text += std::to_string(number);
  }
  return text;
}

std::string choices_path(const std::string& folder, simd::Isa isa) {
  const std::string name = fmt::format("{}.{}.tuning", simd::isa_name(isa),
                                       sha256_hex(as_bytes(processor())).substr(0, 8));
  return (std::filesystem::path(folder) / name).string();
}

ConvChoices read_choices(const std::string& path) {
  ConvChoices choices;
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file) return choices;
  std::string_view text = as_text(file->bytes());
  const auto line = [&] {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view found = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return found;
  };
  if (line() != kTitle) return choices;
  while (!text.empty() && choices.size() < kMostChoices) {
    const std::string_view row = line();
    const size_t space = row.find(' ');
    for (const simd::ConvAlgorithm algorithm : kAlgorithms) {
      if (space == row.npos || row.substr(0, space) != simd::conv_algorithm_name(algorithm)) {
        continue;
      }
      choices.emplace(row.substr(space + 1), algorithm);
    }
  }
  return choices;
}

Status write_choices(const std::string& path, const ConvChoices& choices) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  std::string text(kTitle);
  text += '\n';
  for (const auto& [key, algorithm] : choices) {
    text += fmt::format("{} {}\n", simd::conv_algorithm_name(algorithm), key);
  }
  return write_file(path, text);
}

Result<size_t> tune(std::span<const simd::Conv2dShape> shapes, simd::Isa isa, bool winograd,
                    ConvChoices& choices) {
  size_t measured = 0;
  for (const simd::Conv2dShape& shape : shapes) {
    std::string key = conv_key(shape);
    if (choices.contains(key)) continue;
    const int64_t inputs = shape.n * shape.h * shape.w * shape.in_channels;
    const int64_t outputs = shape.n * shape.out_h() * shape.out_w() * shape.out_channels;
    if (std::max(inputs, outputs) > kMostFloats) continue;
    const std::vector<float> input(static_cast<size_t>(inputs), 0.5f);
    std::vector<float> output(static_cast<size_t>(outputs));
    const std::vector<float> weights(
        static_cast<size_t>(shape.out_channels * (shape.in_channels / shape.groups) *
                            shape.kernel_h * shape.kernel_w),
        0.25f);
    double best = 1e30;
    for (const simd::ConvAlgorithm algorithm : kAlgorithms) {
      if (!winograd && algorithm == simd::ConvAlgorithm::kWinograd4) continue;
      simd::Conv2dOptions options;
      options.isa = isa;
      options.algorithm = algorithm;
      const Result<simd::Conv2d> conv = simd::Conv2d::make(shape, weights.data(), options);
      if (!conv) continue;
      PTE_TRY(simd::Buffer scratch, simd::Buffer::allocate(conv->scratch_bytes()));
      const double time = time_of(*conv, input, output, scratch.fill<std::byte>());
      if (time >= best) continue;
      best = time;
      choices[key] = algorithm;
    }
    ++measured;
  }
  return measured;
}

}  // namespace pte::engine
