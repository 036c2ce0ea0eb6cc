// `pte check`: what `pte export` would do with a model, for every backend, without writing.
#include "cli/command.h"
#include "cli/export_job.h"
#include "cli/output.h"

namespace pte::cli {
namespace {

struct Flags {
  ExportJob job;
  std::vector<std::string> shapes;
  std::vector<std::string> backends{"portable", "xnnpack"};
  bool full = false;
};

Result<int> run_check(Flags flags, const Context& context) {
  ExportJob& job = flags.job;
  job.write = false;
  for (const std::string& shape : flags.shapes) {
    job.input_shapes += (job.input_shapes.empty() ? "" : ";") + shape;
  }
  if (flags.full) job.proof = ProofMode::kFull;
  // One backend may do what another cannot: each is asked for itself.
  ExportReport whole;
  std::optional<Error> first;
  bool any = false;
  for (const std::string& backend : flags.backends) {
    job.backends = {backend};
    auto report = run_job(job, context);
    if (report) {
      if (any) {
        whole.backends.push_back(std::move(report->backends.front()));
        whole.proof_milliseconds += report->proof_milliseconds;
      } else {
        const size_t failed = whole.backends.size();
        std::vector<BackendResult> earlier = std::move(whole.backends);
        whole = std::move(*report);
        whole.backends.insert(whole.backends.begin(), std::make_move_iterator(earlier.begin()),
                              std::make_move_iterator(earlier.begin() + static_cast<long>(failed)));
        any = true;
      }
      continue;
    }
    if (report.error().code == Code::kInvalidArgument) return std::move(report.error());
    if (!first) first = report.error();
    BackendResult failed;
    failed.backend = backend;
    failed.error = std::move(report.error());
    whole.backends.push_back(std::move(failed));
  }
  if (!any) return std::move(*first);
  job.backends = flags.backends;
  if (context.json) {
    print_json(report_json(job, whole));
  } else if (context.quiet) {
    for (const BackendResult& result : whole.backends) {
      print("{} {}\n", result.backend, result.error ? "no" : "yes");
    }
  } else {
    print_report(job, whole, context);
  }
  return first ? kBad : kFine;
}

}  // namespace

void add_check(Commands& commands) {
  CLI::App* command =
      commands.add("check", "Show what exporting a model would give, without writing anything",
                   "pte check detector.pt2 --backends xnnpack");
  auto flags = std::make_shared<Flags>();
  command->add_option("MODEL", flags->job.model, "Any model that `pte export` takes")->required();
  add_model_options(command, flags->job, flags->shapes);
  command->add_option("--backends", flags->backends, "Backends to ask")->capture_default_str();
  command->add_flag("--full", flags->full,
                    "Prove on the model's own inputs, however long it takes");
  commands.set_body(command, [&commands, flags] { return run_check(*flags, commands.context()); });
}

}  // namespace pte::cli
