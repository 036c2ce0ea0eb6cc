// `pte convert`: checkpoints and TorchScript files to .pte files beside them, many at once.
#include <filesystem>

#include "base/file.h"
#include "cli/command.h"
#include "cli/export_job.h"
#include "cli/output.h"
#include "importers/sniff.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

// What models of this kind are fed unless the file or the command says otherwise: 30 s at 25 Hz.
constexpr std::string_view kDefaultShape = "1,1,750";

struct Flags {
  std::vector<std::string> models;
  std::string output;
  std::string input_shape;
  int64_t classes = 0;
  bool xnnpack = false;
  bool no_dotprod = false;
  bool no_fp16 = false;
  bool skip_existing = false;
  bool no_proof = false;
};

enum class Outcome { kConverted, kSkipped };

struct Row {
  std::string model;
  std::string path;
  Outcome outcome = Outcome::kConverted;
  uintmax_t bytes = 0;
  std::optional<double> difference;
};

// Which instructions a processor must have for the file to be quick there.
nlohmann::json sidecar(const Flags& flags) {
  nlohmann::json features = nlohmann::json::array();
  if (flags.xnnpack && !flags.no_dotprod) features.push_back("dotprod");
  if (flags.xnnpack && !flags.no_fp16) features.push_back("fp16");
  return {{"min_cpu_features", std::move(features)}};
}

Status check_classes(const ir::Module& module, int64_t classes) {
  if (classes == 0) return {};
  const ir::Value* scores = module.methods.begin()->second.graph->outputs().front().value;
  if (scores && scores->is_tensor() && !scores->tensor().sizes.empty() &&
      scores->tensor().sizes.back().is_constant(classes)) {
    return {};
  }
  return make_error(Code::kMismatch, "--num-classes {}: the model gives {}", classes,
                    scores ? ir::to_string(scores->type()) : "no tensor");
}

Result<Row> convert_one(const Flags& flags, const std::string& model, const Context& context) {
  Row row;
  row.model = model;
  row.path =
      flags.output.empty() ? fs::path(model).replace_extension(".pte").string() : flags.output;
  std::error_code ignored;
  if (flags.skip_existing && fs::exists(row.path, ignored)) {
    row.outcome = Outcome::kSkipped;
    return row;
  }
  ExportJob job;
  job.model = model;
  job.output = row.path;
  job.backends = {flags.xnnpack ? "xnnpack" : "portable"};
  job.input_shapes = flags.input_shape;
  if (flags.no_proof) job.proof = ProofMode::kOff;
  if (job.input_shapes.empty()) {
    PTE_TRY(const MappedFile file, MappedFile::open(model));
    const importers::FileKind kind = importers::sniff(file);
    if (kind == importers::FileKind::kTorchScript ||
        kind == importers::FileKind::kTorchScriptLite) {
      job.input_shapes = kDefaultShape;
    }
  }
  if (flags.classes != 0) {
    // Before anything is written.
    LoadOptions load;
    PTE_TRY(load.shapes, parse_shapes(job.input_shapes));
    PTE_TRY(const LoadedModel loaded, load_model(model, load));
    PTE_CHECK(check_classes(loaded.module, flags.classes).at(model));
  }
  PTE_TRY(ExportReport report, run_job(job, context));
  PTE_CHECK(write_file(row.path + ".json", sidecar(flags).dump(2) + "\n"));
  const BackendResult& result = report.backends.front();
  row.bytes = result.bytes;
  if (result.proof && result.proof->compared) row.difference = result.proof->largest;
  return row;
}

void print_one(const Row& row) {
  if (row.outcome == Outcome::kSkipped) {
    print("{}  is there already\n", row.path);
    return;
  }
  print("{} {}  {}{}\n", green("✓"), row.path, human_bytes(row.bytes),
        row.difference ? fmt::format(", proved {:.1e}", *row.difference) : std::string());
}

Result<int> run_convert(const Flags& flags, const Context& context) {
  if (!flags.output.empty() && flags.models.size() > 1) {
    return invalid_argument("--output names one file, but {} models were given",
                            flags.models.size());
  }
  nlohmann::json rows = nlohmann::json::array();
  size_t converted = 0, skipped = 0, failed = 0;
  std::optional<Error> last;
  {
    Progress progress("converting", flags.models.size());
    size_t done = 0;
    for (const std::string& model : flags.models) {
      auto row = convert_one(flags, model, context);
      progress.advance(++done);
      if (!row) {
        ++failed;
        last = row.error();
        rows.push_back({{"model", model}, {"error", row.error().message}});
        if (flags.models.size() > 1) print_error(row.error());
        continue;
      }
      ++(row->outcome == Outcome::kSkipped ? skipped : converted);
      nlohmann::json fact = {{"model", model},
                             {"file", row->path},
                             {"skipped", row->outcome == Outcome::kSkipped},
                             {"bytes", row->bytes}};
      if (row->difference) fact["largest_difference"] = *row->difference;
      rows.push_back(std::move(fact));
      if (context.json) continue;
      if (context.quiet) {
        print("{}\n", row->path);
      } else {
        print_one(*row);
      }
    }
  }
  if (flags.models.size() == 1 && last && !context.json) return std::move(*last);
  if (context.json) {
    print_json({{"converted", converted},
                {"failed", failed},
                {"skipped", skipped},
                {"files", std::move(rows)}});
  } else if (!context.quiet && flags.models.size() > 1) {
    print("{} converted, {} failed, {} skipped\n", converted, failed, skipped);
  }
  return failed == 0 ? kFine : kBad;
}

}  // namespace

void add_convert(Commands& commands) {
  CLI::App* command =
      commands.add("convert", "Convert checkpoints or TorchScript files to .pte files beside them",
                   "pte convert model.pt -o model.pte\n"
                   "  pte convert model.ptl --input-shape 1,1,750\n"
                   "  pte convert models/*.pt --skip-existing");
  auto flags = std::make_shared<Flags>();
  command->add_option("MODEL", flags->models, "Models: .pt, .pth, .ptl …")->required();
  command->add_option("-o,--output", flags->output, "The file to write (one model)");
  command->add_option("--input-shape", flags->input_shape, "Sizes of the input, as 1,1,750");
  command
      ->add_option("--num-classes", flags->classes,
                   "What the model must have: a check, as the weights decide")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}));
  command->add_flag("--xnnpack", flags->xnnpack, "For XNNPACK instead of portable kernels");
  command->add_flag("--no-dotprod", flags->no_dotprod, "Leave dotprod out of the sidecar");
  command->add_flag("--no-fp16", flags->no_fp16, "Leave fp16 out of the sidecar");
  command->add_flag("--skip-existing", flags->skip_existing, "Leave models whose .pte is there");
  command->add_flag("--no-proof", flags->no_proof, "Do not run the results");
  commands.set_body(command,
                    [&commands, flags] { return run_convert(*flags, commands.context()); });
}

}  // namespace pte::cli
