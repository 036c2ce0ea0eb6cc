// Runs a fuzz target over the files of a corpus folder, so that what fuzzing once found stays found
// by every test run, with any compiler. Each seed is also tried cut short and with single bytes
// changed, in a fixed order: the same inputs every time.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kCuts = 16;
constexpr int kFlips = 48;

void run(const std::vector<uint8_t>& bytes) {
  // A copy of the exact size, so that a sanitizer sees one byte read too many.
  std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void run_variants(const std::vector<uint8_t>& seed) {
  run(seed);
  if (seed.empty()) return;
  for (int i = 0; i < kCuts; ++i) {
    run({seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(seed.size() * i / kCuts)});
  }
  uint32_t state = static_cast<uint32_t>(seed.size());
  auto next = [&state] { return state = state * 1664525u + 1013904223u; };
  for (int i = 0; i < kFlips; ++i) {
    auto changed = seed;
    changed[(next() >> 8) % seed.size()] ^= static_cast<uint8_t>(1u << ((next() >> 8) % 8));
    run(changed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  if (files.empty()) {
    std::fprintf(stderr, "%s: no seeds; every fuzz target needs at least one\n", argv[1]);
    return 1;
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    // Named before it runs: after a crash the last line is the culprit.
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);
    std::ifstream stream(file, std::ios::binary);
    run_variants({std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()});
  }
  std::printf("%zu seeds replayed\n", files.size());
  return 0;
}
