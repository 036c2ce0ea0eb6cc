// `pte profile`: where the time of a program's executions goes.
#include <algorithm>
#include <cmath>

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/output.h"
#include "cli/plugins.h"
#include "cli/run_inputs.h"
#include "inspect/profile.h"
#include "inspect/signature.h"
#include "program/bundle.h"
#include "program/quote.h"
#include "program/reader.h"
#include "runtime/method.h"

namespace pte::cli {
namespace {

struct Flags {
  std::string file, method = "forward", etdump, trace;
  std::vector<std::string> inputs, data, plugins;
  std::optional<uint64_t> random;
  size_t repeat = 10, warmup = 1, top = 20;
  int threads = 0;
  bool by_instruction = false;
};

// Four columns wide with its unit: "24.1 ms", "312 µs", "1.20 s".
std::string duration(double nanoseconds) {
  if (nanoseconds < 1e3) return fmt::format("{:.0f} ns", nanoseconds);
  if (nanoseconds < 1e5) return fmt::format("{:.1f} µs", nanoseconds / 1e3);
  if (nanoseconds < 1e6) return fmt::format("{:.0f} µs", nanoseconds / 1e3);
  if (nanoseconds < 1e9) return fmt::format("{:.1f} ms", nanoseconds / 1e6);
  return fmt::format("{:.2f} s", nanoseconds / 1e9);
}

// Billions a second; nothing where there is nothing to count.
std::string rate(double amount, uint64_t nanoseconds) {
  if (amount <= 0 || nanoseconds == 0) return "";
  const double value = amount / static_cast<double>(nanoseconds);
  return value < 10 ? fmt::format("{:.2f}", value) : fmt::format("{:.1f}", value);
}

struct Row {
  std::string name;
  uint64_t calls = 0, nanoseconds = 0;
  double flops = 0;
  uint64_t bytes = 0;
};

void print_row(const Row& row, const inspect::Profile& profile) {
  const auto runs = static_cast<double>(profile.runs);
  const double share = profile.total == 0 ? 0
                                          : 100.0 * static_cast<double>(row.nanoseconds) /
                                                static_cast<double>(profile.total);
  const double calls = static_cast<double>(row.calls) / runs;
  print("{}{}{}{}{}{}\n", pad_right(shortened(printable(row.name), 36), 37),
        pad_left(calls == std::floor(calls) ? fmt::format("{:.0f}", calls)
                                            : fmt::format("{:.1f}", calls),
                 6),
        pad_left(duration(static_cast<double>(row.nanoseconds) / runs), 10),
        pad_left(fmt::format("{:.1f} %", share), 9), pad_left(rate(row.flops, row.nanoseconds), 9),
        pad_left(rate(static_cast<double>(row.bytes), row.nanoseconds), 8));
}

std::vector<Row> operator_rows(const inspect::Profile& profile) {
  std::vector<Row> rows;
  for (const inspect::OperatorProfile& group : profile.by_operator()) {
    std::string name = inspect::short_operator(group.name);
    if (!group.where.empty()) name += " in " + group.where;
    rows.push_back({std::move(name), group.calls, group.nanoseconds, group.flops, group.bytes});
  }
  return rows;
}

std::vector<Row> step_rows(const inspect::Profile& profile) {
  std::vector<Row> rows;
  for (const inspect::StepProfile& step : profile.by_time()) {
    const std::string place = step.delegate < 0
                                  ? fmt::format("{:>4}", step.instruction)
                                  : fmt::format("{:>4}.{}", step.instruction, step.step);
    rows.push_back({place + "  " + inspect::short_operator(step.name), step.calls, step.self(),
                    step.flops, step.bytes});
  }
  return rows;
}

nlohmann::json json_of(const Flags& flags, const inspect::Profile& profile, double load) {
  using nlohmann::json;
  const auto runs = static_cast<double>(std::max<size_t>(profile.runs, 1));
  const auto numbers = [&](uint64_t calls, uint64_t nanoseconds, double flops, uint64_t bytes) {
    const auto time = static_cast<double>(nanoseconds);
    json row = {{"calls", calls},
                {"milliseconds", time / 1e6 / runs},
                {"share", profile.total == 0 ? 0 : time / static_cast<double>(profile.total)},
                {"flops", flops / runs},
                {"bytes", static_cast<double>(bytes) / runs}};
    if (nanoseconds > 0 && flops > 0) row["gflops_per_second"] = flops / time;
    if (nanoseconds > 0 && bytes > 0)
      row["gigabytes_per_second"] = static_cast<double>(bytes) / time;
    return row;
  };
  json object = {{"file", flags.file},         {"method", flags.method},
                 {"runs", profile.runs},       {"load_milliseconds", load},
                 {"operators", json::array()}, {"steps", json::array()}};
  for (const uint64_t time : profile.run_times) {
    object["run_milliseconds"].push_back(static_cast<double>(time) / 1e6);
  }
  for (const inspect::OperatorProfile& group : profile.by_operator()) {
    json row = numbers(group.calls, group.nanoseconds, group.flops, group.bytes);
    row["name"] = group.name;
    row["steps"] = group.steps;
    if (!group.where.empty()) row["backend"] = group.where;
    object["operators"].push_back(std::move(row));
  }
  for (const inspect::StepProfile& step : profile.steps) {
    json row = numbers(step.calls, step.self(), step.flops, step.bytes);
    row["name"] = step.name;
    row["instruction"] = step.instruction;
    row["shapes"] = step.shapes;
    row["fastest_milliseconds"] = static_cast<double>(step.fastest) / 1e6;
    row["slowest_milliseconds"] = static_cast<double>(step.slowest) / 1e6;
    if (step.delegate >= 0) {
      row["delegate"] = step.delegate;
      row["step"] = step.step;
    }
    object["steps"].push_back(std::move(row));
  }
  if (!flags.etdump.empty()) object["etdump"] = flags.etdump;
  if (!flags.trace.empty()) object["trace"] = flags.trace;
  return object;
}

void print_profile(const Flags& flags, const inspect::Profile& profile, int threads) {
  std::vector<uint64_t> times = profile.run_times;
  std::sort(times.begin(), times.end());
  print("{}   {}   {} run{}, {} thread{}   median {}\n", flags.file, printable(flags.method),
        profile.runs, profile.runs == 1 ? "" : "s", threads, threads == 1 ? "" : "s",
        duration(static_cast<double>(times[times.size() / 2])));
  std::vector<Row> rows = flags.by_instruction ? step_rows(profile) : operator_rows(profile);
  print("{}\n", dim(fmt::format("{}{}{}{}{}{}",
                                pad_right(flags.by_instruction ? "instruction" : "operator", 37),
                                pad_left("calls", 6), pad_left("time", 10), pad_left("share", 9),
                                pad_left("GFLOP/s", 9), pad_left("GB/s", 8))));
  const size_t shown = flags.top == 0 ? rows.size() : std::min(flags.top, rows.size());
  for (size_t i = 0; i < shown; ++i) print_row(rows[i], profile);
  if (shown < rows.size()) {
    Row rest;
    for (size_t i = shown; i < rows.size(); ++i) {
      rest.calls += rows[i].calls;
      rest.nanoseconds += rows[i].nanoseconds;
      rest.flops += rows[i].flops;
      rest.bytes += rows[i].bytes;
    }
    rest.name = fmt::format("{} more (--top 0)", rows.size() - shown);
    print_row(rest, profile);
  }
  if (profile.truncated) print_note("too many events to keep: the trace and dump stop early");
}

Result<program::Program> read(const std::string& path) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  if (!program::is_bundle(file.bytes())) return program::read_program(file);
  PTE_TRY(const MappedFile inner, program::extract_program(file).at(path));
  return program::read_program(inner).at(path);
}

Result<int> profile_program(const Flags& flags, const Context& context) {
  if (flags.repeat == 0) return invalid_argument("--repeat 0: at least one run is needed");
  PTE_TRY(program::Program loaded, read(flags.file));
  const auto program = std::make_shared<const program::Program>(std::move(loaded));
  const program::Method* method = program->find_method(flags.method);
  if (method == nullptr) {
    std::string names;
    for (const auto& m : program->methods) {
      names += (names.empty() ? "" : ", ") + program::quote(m.name);
    }
    return invalid_argument("{}: no method '{}'; the file has {}", flags.file, flags.method, names);
  }
  InputFlags given{flags.file, flags.inputs, flags.random};
  if (given.inputs.empty() && !given.random) given.random = 0;
  PTE_TRY(const std::vector<EValue> inputs, gather_inputs(given, *method));
  ThreadPool pool(flags.threads);
  inspect::Profiler profiler;
  runtime::Options options;
  options.pool = &pool;
  PTE_TRY(options.data, load_data(flags.data));
  PTE_TRY(options.custom_ops, load_plugins(flags.plugins));
  options.profile = [&](const runtime::InstructionTiming& timing) { profiler.record(timing); };
  profiler.begin_load();
  Stopwatch watch;
  PTE_TRY(const auto session, runtime::Method::load(program, flags.method, options).at(flags.file));
  const double load = watch.milliseconds();
  profiler.end_load();
  Progress progress("profiling", flags.warmup + flags.repeat);
  for (size_t run = 0; run < flags.warmup + flags.repeat; ++run) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      PTE_CHECK(session->set_input(i, inputs[i]).at(flags.file));
    }
    const bool counts = run >= flags.warmup;
    if (counts) profiler.begin_run();
    const Status status = session->execute();
    if (counts) profiler.end_run();
    if (!status) return Error(status.error()).at(flags.file);
    progress.advance(run + 1);
  }
  if (!flags.etdump.empty()) {
    PTE_TRY(const std::vector<std::byte> bytes, program::encode_etdump(profiler.dump()));
    PTE_CHECK(write_file(flags.etdump, Bytes(bytes)));
  }
  if (!flags.trace.empty()) {
    PTE_CHECK(write_file(flags.trace, profiler.trace(flags.file)));
  }
  const inspect::Profile profile = profiler.profile();
  if (context.json) {
    print_json(json_of(flags, profile, load));
    return kFine;
  }
  if (!context.quiet) print_profile(flags, profile, pool.size());
  for (const std::string& path : {flags.etdump, flags.trace}) {
    if (!path.empty()) print("{}\n", path);
  }
  return kFine;
}

}  // namespace

void add_profile(Commands& commands) {
  CLI::App* command = commands.add("profile", "Measure where a program's time goes",
                                   "pte profile model.pte --input x.npy --repeat 20");
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->file, "A .pte or .bpte")->required();
  command->add_option("--input", flags->inputs, "An input, once for each; default: random ones")
      ->allow_extra_args(false);
  command->add_option("--random", flags->random, "The seed of random inputs");
  command->add_option("--data", flags->data, "A .ptd file with weights")->allow_extra_args(false);
  add_plugin_option(command, flags->plugins);
  command->add_option("--method", flags->method, "The method to run")->capture_default_str();
  command->add_option("--repeat", flags->repeat, "Measured runs")->capture_default_str();
  command->add_option("--warmup", flags->warmup, "Runs before them")->capture_default_str();
  command->add_option("--threads", flags->threads, "Threads; 0 = one per core")
      ->capture_default_str();
  command->add_flag("--by-instruction", flags->by_instruction,
                    "A row for each instruction and each step inside a delegate");
  command->add_option("--top", flags->top, "Rows to print; 0 = all")->capture_default_str();
  command->add_option("--etdump", flags->etdump, "Write the profile for ExecuTorch's Inspector");
  command->add_option("--trace", flags->trace, "Write a trace for Chrome's or Perfetto's viewer");
  commands.set_body(command,
                    [&commands, flags] { return profile_program(*flags, commands.context()); });
}

}  // namespace pte::cli
