// What the user waits for: whole `pte` commands on EfficientNet-Lite0, as processes, start-up and
// file writing included. Columns: real time, the peak of resident memory, and that peak as a
// multiple of the checkpoint's size.
//
// The folder of scripts/fetch_demo.sh is named by PTE_DEMO.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

struct Cost {
  bool succeeded = false;
  double seconds = 0;
  double peak_bytes = 0;
};

Cost run_pte(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  std::string binary = PTE_BINARY;
  argv.push_back(binary.data());
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDOUT_FILENO);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  Cost cost;
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return cost;
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  cost.peak_bytes = static_cast<double>(usage.ru_maxrss) * 1024;
  cost.succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return cost;
}

std::string demo_folder() {
  const char* folder = std::getenv("PTE_DEMO");
  return folder != nullptr ? folder : "build/demo";
}

std::string scratch_folder() {
  const auto folder = std::filesystem::temp_directory_path() / "ptekit_command_bench";
  std::filesystem::create_directories(folder);
  return folder.string();
}

void measure(benchmark::State& state, const std::vector<std::string>& arguments) {
  const std::string checkpoint = demo_folder() + "/efficientnet-lite0.pth";
  std::error_code error;
  const auto weights = static_cast<double>(std::filesystem::file_size(checkpoint, error));
  if (error) {
    state.SkipWithError("no demo data; run scripts/fetch_demo.sh and set PTE_DEMO");
    return;
  }
  double peak = 0;
  for (auto _ : state) {
    const Cost cost = run_pte(arguments);
    if (!cost.succeeded) {
      state.SkipWithError("the command failed");
      return;
    }
    state.SetIterationTime(cost.seconds);
    peak = std::max(peak, cost.peak_bytes);
  }
  state.counters["peak_MB"] = peak / 1e6;
  state.counters["peak/weights"] = peak / weights;
}

void export_checkpoint(benchmark::State& state, const std::string& backend) {
  measure(state, {"export", demo_folder() + "/efficientnet-lite0.pth", "--backends", backend, "-o",
                  scratch_folder() + "/" + backend + ".pte"});
}

void classify_picture(benchmark::State& state, const std::string& backend) {
  const std::string model = scratch_folder() + "/" + backend + ".pte";
  if (!run_pte({"export", demo_folder() + "/efficientnet-lite0.pth", "--backends", backend, "-o",
                model})
           .succeeded) {
    state.SkipWithError("the export failed");
    return;
  }
  measure(state, {"classify", model, demo_folder() + "/coffee.png"});
}

BENCHMARK_CAPTURE(export_checkpoint, xnnpack, "xnnpack")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(export_checkpoint, portable, "portable")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5);
BENCHMARK_CAPTURE(classify_picture, xnnpack, "xnnpack")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);
BENCHMARK_CAPTURE(classify_picture, portable, "portable")
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

}  // namespace
