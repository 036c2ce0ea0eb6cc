// `pte validate`: run a bundled program's test cases and hold the answers against its own.
#include "cli/command.h"
#include "cli/output.h"
#include "cli/plugins.h"
#include "cli/run_inputs.h"
#include "program/reader.h"
#include "runtime/compare.h"

namespace pte::cli {
namespace {

struct Flags {
  std::string file;
  std::string method;
  std::optional<size_t> only;
  std::vector<std::string> data;
  std::vector<std::string> plugins;
  runtime::Tolerance tolerance;
  int threads = 0;
  double timeout = 0;
};

struct Verdict {
  std::string method;
  size_t index = 0;
  runtime::Comparison comparison;
};

Result<std::vector<Verdict>> run_cases(const Flags& flags, const program::Bundle& bundle,
                                       std::shared_ptr<const program::Program> program,
                                       const runtime::Options& options) {
  std::vector<Verdict> verdicts;
  for (const program::TestSuite& suite : bundle.suites) {
    if (!flags.method.empty() && suite.method != flags.method) continue;
    for (size_t i = 0; i < suite.cases.size(); ++i) {
      if (flags.only && *flags.only != i) continue;
      Verdict verdict{suite.method, i, {}};
      // Each case begins with the state that the file has.
      auto loaded = runtime::Method::load(program, suite.method, options);
      auto result = loaded ? runtime::run_case(**loaded, suite.cases[i], flags.tolerance)
                           : Result<runtime::Comparison>(loaded.error());
      if (options.cancel->load(std::memory_order_relaxed)) {
        return result ? make_error(Code::kResourceLimit, "cancelled") : std::move(result.error());
      }
      if (result) {
        verdict.comparison = std::move(*result);
      } else {
        verdict.comparison.matches = false;
        verdict.comparison.message = result.error().message;
      }
      verdicts.push_back(std::move(verdict));
    }
  }
  return verdicts;
}

Result<int> validate(const Flags& flags, const Context& context) {
  Watchdog watchdog(flags.timeout, flags.file);
  PTE_TRY(const MappedFile file, MappedFile::open(flags.file));
  PTE_TRY(const program::Bundle bundle, program::read_bundle(file));
  PTE_TRY(program::Program inside, program::read_program(bundle.program));
  ThreadPool pool(flags.threads);
  runtime::Options options;
  options.pool = &pool;
  options.cancel = watchdog.cancel();
  PTE_TRY(options.data, load_data(flags.data));
  PTE_TRY(options.custom_ops, load_plugins(flags.plugins));
  auto run =
      run_cases(flags, bundle, std::make_shared<program::Program>(std::move(inside)), options);
  if (!run) return watchdog.explain(std::move(run.error()));
  const std::vector<Verdict>& verdicts = *run;
  if (verdicts.empty()) {
    return make_error(Code::kNotFound, "{}: no test case{}", flags.file,
                      flags.method.empty() && !flags.only ? "" : " matches --method and --case");
  }
  size_t passed = 0;
  size_t widest = 0;
  for (const Verdict& verdict : verdicts) {
    passed += verdict.comparison.matches ? 1 : 0;
    widest = std::max(widest, width_of(verdict.method));
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const Verdict& verdict : verdicts) {
    const runtime::Comparison& found = verdict.comparison;
    if (context.json) {
      nlohmann::json row = {{"method", verdict.method},
                            {"case", verdict.index},
                            {"passed", found.matches},
                            {"largest_difference", found.largest}};
      if (!found.matches) row["message"] = found.message;
      rows.push_back(std::move(row));
    } else if (!context.quiet || !found.matches) {
      print("{}  {}  case {}  largest difference {:.3g}{}\n", found.matches ? green("✓") : "✗",
            pad_right(verdict.method, widest), verdict.index, found.largest,
            found.matches ? "" : "  " + found.message);
    }
  }
  if (context.json) {
    print_json({{"file", flags.file},
                {"rtol", flags.tolerance.rtol},
                {"atol", flags.tolerance.atol},
                {"passed", passed},
                {"cases", std::move(rows)}});
  } else if (!context.quiet) {
    print("{} of {} cases pass (rtol {}, atol {})\n", passed, verdicts.size(), flags.tolerance.rtol,
          flags.tolerance.atol);
  }
  return passed == verdicts.size() ? kFine : kBad;
}

}  // namespace

void add_validate(Commands& commands) {
  CLI::App* command =
      commands.add("validate", "Run a bundled program's own test cases", "pte validate model.bpte");
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->file, "A bundled program (.bpte)")->required();
  command->add_option("--method", flags->method, "Only this method's cases");
  command->add_option("--case", flags->only, "Only the case of this number, from 0");
  command
      ->add_option("--data", flags->data, "A .ptd file with weights that lie outside the program")
      ->allow_extra_args(false);
  command
      ->add_option("--rtol", flags->tolerance.rtol,
                   "Relative tolerance: |got - expected| <= atol + |rtol * expected|")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--atol", flags->tolerance.atol, "Absolute tolerance")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_plugin_option(command, flags->plugins);
  command->add_option("--threads", flags->threads, "Threads; 0 = one per core")
      ->capture_default_str();
  command->add_option("--timeout", flags->timeout, "Stop after so many seconds; 0 = never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  commands.set_body(command, [&commands, flags] { return validate(*flags, commands.context()); });
}

}  // namespace pte::cli
