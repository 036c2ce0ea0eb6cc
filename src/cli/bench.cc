// `pte bench`: how long a program takes.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "base/pages.h"
#include "cli/command.h"
#include "cli/engine_flags.h"
#include "cli/inspect.h"
#include "cli/output.h"
#include "cli/plugins.h"
#include "cli/run_inputs.h"
#include "engine/session.h"
#include "program/bundle.h"
#include "program/reader.h"
#include "simd/isa.h"

namespace pte::cli {
namespace {

struct Flags {
  InputFlags inputs;
  std::vector<std::string> data;
  std::vector<std::string> plugins;
  std::string method = "forward";
  std::string engine = "fast";
  int threads = 1;
  double seconds = 2;
  bool winograd = true;
  EngineFlags engine_flags;
  bool tune = false;
  bool steps = false;
  std::string isa;
};

double now() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The most memory that the process has had so far, in bytes.
uint64_t peak_memory() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// Of sorted times: the one below which `share` of them lie.
double quantile(const std::vector<double>& sorted, double share) {
  const auto at = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5);
  return sorted[std::min(at, sorted.size() - 1)];
}

// Three digits that matter.
std::string time_text(double milliseconds) {
  if (milliseconds < 1) return fmt::format("{:.3f} ms", milliseconds);
  if (milliseconds < 10) return fmt::format("{:.2f} ms", milliseconds);
  return fmt::format("{:.1f} ms", milliseconds);
}

// The median time of each step, in milliseconds.
template <typename Once>
Result<std::vector<double>> time_steps(engine::Session& session, double seconds, const Once& once) {
  session.set_timing(true);
  std::vector<std::vector<double>> times(session.plan()->steps.size());
  constexpr size_t kMostRuns = 10000;
  const double until = now() + seconds * 1000;
  for (size_t run = 0; run < kMostRuns && (run < 3 || now() < until); ++run) {
    PTE_CHECK(once());
    for (size_t i = 0; i < times.size(); ++i) times[i].push_back(session.nanoseconds()[i] / 1e6);
  }
  session.set_timing(false);
  std::vector<double> medians;
  for (std::vector<double>& step : times) {
    std::sort(step.begin(), step.end());
    medians.push_back(quantile(step, 0.5));
  }
  return medians;
}

nlohmann::json steps_json(const engine::Plan& plan, const std::vector<double>& times) {
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const engine::PlannedStep& step = plan.steps[i];
    rows.push_back({{"calls", step.what},
                    {"kernel", step.kernel},
                    {"sizes", step.sizes},
                    {"milliseconds", times[i]},
                    {"multiply_adds", step.step->multiply_adds()}});
  }
  return rows;
}

void print_steps(const engine::Plan& plan, const std::vector<double>& times) {
  double total = 0;
  for (const double time : times) total += time;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const engine::PlannedStep& step = plan.steps[i];
    const double products = step.step->multiply_adds();
    print("{:>4}  {:>9.3f} ms {:>5.1f} %  {:>9}  {}{}{}\n", i, times[i],
          total > 0 ? 100 * times[i] / total : 0,
          products > 0 ? fmt::format("{:.0f} GF/s", 2e-6 * products / times[i]) : "",
          pad_right(shortened(step.kernel, 37), 38), pad_right(sizes_text(step.sizes), 16),
          dim(shortened(short_calls(step.what), 38)));
  }
}

Result<int> bench(const Flags& flags, const Context& context) {
  const std::string& file = flags.inputs.file;
  const double begin = now();
  if (flags.engine_flags.packed_cache.empty()) leave_step();
  PTE_TRY(MappedFile mapped, MappedFile::open(file));
  if (program::is_bundle(mapped.bytes())) {
    PTE_TRY(program::Bundle bundle, program::read_bundle(mapped));
    mapped = bundle.program;
  }
  PTE_TRY(program::Program read, program::read_program(mapped));
  const auto program = std::make_shared<const program::Program>(std::move(read));
  const program::Method* method = program->find_method(flags.method);
  if (method == nullptr) {
    return invalid_argument("{}: no method '{}'", file, flags.method);
  }
  if (flags.tune && flags.engine_flags.packed_cache.empty()) {
    return invalid_argument("--tune keeps what it measures in a folder: give --packed-cache DIR");
  }
  engine::Options options;
  options.threads = flags.threads;
  options.reference_only = flags.engine == "reference";
  options.plan.winograd = flags.winograd;
  if (!flags.isa.empty()) {
    PTE_TRY(options.plan.isa, simd::parse_isa(flags.isa));
  }
  apply(flags.engine_flags, options);
  options.tune = flags.tune;
  options.lean = flags.engine_flags.packed_cache.empty();
  PTE_TRY(options.reference.data, load_data(flags.data));
  PTE_TRY(options.reference.custom_ops, load_plugins(flags.plugins));
  PTE_TRY(const auto session, engine::Session::load(program, flags.method, options).at(file));
  const double load = now() - begin;
  leave_step();

  InputFlags wanted = flags.inputs;
  if (wanted.inputs.empty() && !wanted.random) wanted.random = 0;
  PTE_TRY(const std::vector<EValue> inputs, gather_inputs(wanted, *method));
  // The caller's own tensors, as a program that runs many pictures has them.
  std::vector<EValue> lent = inputs;
  for (EValue& value : lent) {
    if (auto* tensor = value.get<Tensor>()) {
      *tensor = Tensor::view(tensor->dtype(), tensor->sizes(), tensor->strides(), tensor->data(),
                             nullptr);
    }
  }
  const auto once = [&]() -> Result<double> {
    for (size_t i = 0; i < lent.size(); ++i) PTE_CHECK(session->lend_input(i, lent[i]).at(file));
    const double start = now();
    PTE_CHECK(session->execute().at(file));
    return now() - start;
  };
  PTE_TRY(const double first, once());
  std::vector<double> times;
  const double until = now() + flags.seconds * 1000;
  constexpr size_t kMostRuns = 1000000;
  do {
    PTE_TRY(const double time, once());
    times.push_back(time);
  } while (now() < until && times.size() < kMostRuns);
  std::sort(times.begin(), times.end());
  const uint64_t peak = peak_memory();
  const engine::Plan* plan = session->plan();
  std::vector<double> steps;
  if (flags.steps && plan != nullptr) {
    PTE_TRY(steps, time_steps(*session, flags.seconds, once));
  }
  if (context.json) {
    nlohmann::json object = {{"file", file},
                             {"method", flags.method},
                             {"engine", plan == nullptr ? "reference" : "fast"},
                             {"threads", session->threads()},
                             {"isa", simd::isa_name(options.plan.isa)},
                             {"runs", times.size()},
                             {"milliseconds",
                              {{"median", quantile(times, 0.5)},
                               {"min", times.front()},
                               {"p90", quantile(times, 0.9)},
                               {"p99", quantile(times, 0.99)},
                               {"first", first},
                               {"load", load}}},
                             {"pinned", flags.engine_flags.pinned},
                             {"tuned", flags.tune},
                             {"weights", packing_json(session->packing())},
                             {"memory_bytes", session->memory_bytes()},
                             {"peak_bytes", peak}};
    if (!steps.empty()) object["steps"] = steps_json(*plan, steps);
    if (plan != nullptr) object["reference_steps"] = plan->reference_steps();
    if (plan == nullptr && flags.engine == "fast") object["reason"] = session->why_reference();
    print_json(object);
    return kFine;
  }
  if (context.quiet) {
    print("{:.4f}\n", quantile(times, 0.5));
    return kFine;
  }
  if (!steps.empty()) print_steps(*plan, steps);
  print("{}  median  (min {}, p90 {}, p99 {}; {} runs, {} thread{})\n",
        bold(time_text(quantile(times, 0.5))), time_text(times.front()),
        time_text(quantile(times, 0.9)), time_text(quantile(times, 0.99)), times.size(),
        session->threads(), session->threads() == 1 ? "" : "s");
  print("load {}, first run {}, arena {}, peak {}\n", time_text(load), time_text(first),
        human_bytes(session->memory_bytes()), human_bytes(peak));
  if (const std::string text = packing_text(session->packing()); !text.empty()) {
    print("{}\n", dim(text));
  }
  if (plan == nullptr) {
    print("{}\n", dim(flags.engine == "reference"
                          ? std::string("reference interpreter")
                          : fmt::format("reference interpreter: {}", session->why_reference())));
  } else if (plan->reference_steps() > 0) {
    print("{}\n", dim(fmt::format("{} of {} steps are run by reference kernels; pte inspect --plan "
                                  "names them",
                                  plan->reference_steps(), plan->steps.size())));
  }
  return kFine;
}

}  // namespace

void add_bench(Commands& commands) {
  CLI::App* command = commands.add("bench", "Measure how long a program takes",
                                   "pte bench model.pte --threads 2 --seconds 5");
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->inputs.file, "A .pte or .bpte")->required();
  command
      ->add_option("--input", flags->inputs.inputs,
                   "An input, once for each: .npy or raw elements; default: random ones")
      ->allow_extra_args(false);
  command
      ->add_option("--data", flags->data, "A .ptd file with weights that lie outside the program")
      ->allow_extra_args(false);
  command->add_option("--method", flags->method, "The method to run")->capture_default_str();
  command->add_option("--engine", flags->engine, "What runs it: fast or reference")
      ->check(CLI::IsMember({"fast", "reference"}))
      ->capture_default_str();
  command->add_option("--threads", flags->threads, "Threads; 0 = one per core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_option("--seconds", flags->seconds, "Measure for so long")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  command
      ->add_option("--isa", flags->isa,
                   "The instruction set of the kernels (--isa avx2); default: the machine's best")
      ->check([](const std::string& name) {
        const auto isa = simd::parse_isa(name);
        return isa ? std::string() : isa.error().message;
      });
  command->add_flag("--steps", flags->steps,
                    "Measure each step, too: its time, its share, its rate of the plain algorithm");
  command->add_flag("!--no-winograd", flags->winograd,
                    "Leave out the convolutions that round more than others");
  add_engine_options(command, flags->engine_flags);
  command->add_flag("--tune", flags->tune,
                    "First measure the algorithms of each convolution, once for a folder "
                    "(--tune --packed-cache ~/.cache/pte)");
  add_plugin_option(command, flags->plugins);
  commands.set_body(command, [&commands, flags] { return bench(*flags, commands.context()); });
}

}  // namespace pte::cli
