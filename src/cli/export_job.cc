#include "cli/export_job.h"

#include <algorithm>
#include <filesystem>

#include "base/pages.h"
#include "cli/output.h"
#include "inspect/memory.h"
#include "ir/text.h"
#include "program/reader.h"
#include "program/writer.h"
#include "vision/metadata.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

// Programs of more arithmetic than this are not run unless asked: the reference interpreter does
// some ten thousand million operations a second, and an export takes less than one.
constexpr double kQuickFlops = 3e9;

constexpr std::string_view kOtherBackends[] = {"vulkan", "coreml", "qnn", "arm"};

constexpr std::string_view kMpsNote =
    "a portable program: ExecuTorch's exporters write no MPS delegate, and 1.5 removed it";

// The name that lowering knows: "mps" files are portable programs, as upstream writes them.
std::string lowering_backend(const std::string& backend) {
  return backend == "mps" ? "portable" : backend;
}

bool is_other_backend(const std::string& name) {
  return std::find(std::begin(kOtherBackends), std::end(kOtherBackends), name) !=
         std::end(kOtherBackends);
}

Status check_job(const ExportJob& job) {
  size_t written = 0;
  for (const std::string& backend : job.backends) {
    if (is_other_backend(backend)) continue;
    PTE_CHECK(lowering::check_backend(lowering_backend(backend)));
    ++written;
  }
  if (job.backends.empty()) return invalid_argument("--backends: none is named");
  if (written == 0) PTE_CHECK(lowering::check_backend(job.backends.front()));
  if (!job.output.empty() && !job.output_dir.empty()) {
    return invalid_argument("--output and --output-dir exclude each other");
  }
  if (!job.output.empty() && job.backends.size() > 1) {
    return invalid_argument("--output names one file, but {} backends were asked for",
                            job.backends.size())
        .with_hint("use --output-dir, which names each file after its backend");
  }
  if (job.runtime != "executorch-1.5" && job.runtime != "ptekit") {
    return invalid_argument("there is no runtime '{}'", job.runtime)
        .with_hint("the runtimes are executorch-1.5 and ptekit");
  }
  if (!job.preset.empty() && !vision::preset(job.preset)) {
    return invalid_argument("there is no preset '{}'", job.preset)
        .with_hint("the presets are imagenet, efficientnet_lite and squash");
  }
  return {};
}

std::string output_path(const ExportJob& job, const std::string& name, const std::string& backend) {
  if (!job.output.empty()) return job.output;
  const std::string suffix = "_" + backend;
  const std::string file = name.ends_with(suffix) ? name + ".pte" : name + suffix + ".pte";
  return (fs::path(job.output_dir) / file).string();
}

Result<LoadOptions> load_options(const ExportJob& job) {
  LoadOptions load;
  load.architecture = job.architecture;
  PTE_TRY(load.shapes, parse_shapes(job.input_shapes));
  PTE_TRY(load.import, import_options(job.import));
  load.import.allow_custom = job.allow_custom;
  return load;
}

// What the file will say about itself: the architecture's own facts, then what the flags add.
Result<std::optional<vision::Metadata>> describe_model(const ExportJob& job,
                                                       const LoadedModel& model) {
  std::optional<vision::Metadata> metadata = model.metadata;
  if (job.preset.empty() && job.labels.empty()) return metadata;
  if (!metadata) {
    metadata.emplace();
    metadata->model = model.name;
  }
  if (!job.preset.empty()) metadata->preprocess = vision::preset(job.preset);
  if (!job.labels.empty()) {
    PTE_TRY(metadata->labels, load_labels(job.labels));
  }
  return metadata;
}

// The module without its weights stays where it is: what replaces them need not share memory with
// them.
ir::Module take_weights(ir::Module& module) {
  ir::Module taken = module.clone();
  for (auto& [key, constant] : module.constants) constant.data = Tensor();
  return taken;
}

Result<lowering::Lowered> lower_one(const ExportJob& job, ir::Module module,
                                    const std::string& backend, bool written) {
  lowering::Options options;
  options.in_memory = !written;
  options.backend = lowering_backend(backend);
  options.foreign = job.runtime == "ptekit" ? passes::Foreign::kIgnore
                    : job.allow_ptekit_ops  ? passes::Foreign::kKeep
                                            : passes::Foreign::kRefuse;
  options.passes.disable = job.disable;
  if (written) {
    options.passes.dump_after = job.dump_after;
    options.passes.dump = [](const passes::Pass& pass, const ir::Module& after) {
      print_note(fmt::format("// after {}\n{}", pass.name, ir::print(after)));
    };
  }
  return lowering::lower(std::move(module), options);
}

// A file under another name until it is proved.
class PendingFile {
 public:
  explicit PendingFile(std::string path) : path_(std::move(path)), pending_(path_ + ".unproved") {}
  PendingFile(PendingFile&& other) noexcept
      : path_(std::move(other.path_)), pending_(std::exchange(other.pending_, {})) {}
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile() {
    std::error_code ignored;
    if (!pending_.empty()) fs::remove(pending_, ignored);
  }
  const std::string& pending() const { return pending_; }
  Status commit() {
    std::error_code error;
    fs::rename(pending_, path_, error);
    if (error) return make_error(Code::kIo, "{}: cannot be written: {}", path_, error.message());
    pending_.clear();
    return {};
  }

 private:
  std::string path_;
  std::string pending_;
};

// What the programs of one model are held against.
class Prover {
 public:
  Prover(const ExportJob& job, const LoadedModel& model) : job_(job), model_(model), pool_(0) {}

  // Chooses inputs and runs the imported graph on them.
  Status prepare(ExportReport& report) {
    if (job_.proof == ProofMode::kOff) {
      report.proof_note = "not run: --no-proof";
      return {};
    }
    Examples given = model_.examples;
    PTE_TRY(const importers::ImportOptions import, import_options(job_.import));
    const auto& [first, method] = *model_.module.methods.begin();
    std::vector<EValue> example = import.example;
    // Numbers that the importer put into the graph are no inputs any more.
    if (example.size() != method.graph->inputs().size()) {
      std::erase_if(example, [](const EValue& value) { return !value.is<Tensor>(); });
    }
    // With several methods the importer has shared the inputs out.
    if (!example.empty() && model_.module.methods.size() == 1) given[first] = std::move(example);
    const double flops = estimated_flops(model_.module);
    const bool quick = flops <= kQuickFlops || job_.proof == ProofMode::kFull;
    std::optional<ir::Module> smaller;
    if (!quick && given.empty() && model_.smaller) {
      PTE_TRY(smaller, model_.smaller());
      if (estimated_flops(*smaller) > kQuickFlops) smaller.reset();
    }
    if (!quick && !smaller) {
      report.proof_note = fmt::format(
          "loaded and checked, not run: {:.1f} GFLOP take a while (--proof full)", flops / 1e9);
      return {};
    }
    const ir::Module& module = smaller ? *smaller : model_.module;
    auto inputs = sample_inputs(module, given);
    if (!inputs) return inputs.error();
    leave_step();
    auto reference = Reference::run(module, std::move(*inputs), pool_);
    if (!reference) {
      // The graph has what the interpreter cannot run, or no made-up input suits it.
      if (!given.empty() && reference.error().code != Code::kUnsupported) {
        return std::move(reference.error()).at("the imported graph, run on the example");
      }
      report.proof_note = fmt::format("not run: {}", reference.error().message);
      return {};
    }
    reference_.emplace(std::move(*reference));
    on_smaller_ = smaller.has_value();
    if (smaller) {
      const ir::Value* input = smaller->methods.begin()->second.graph->inputs().front();
      report.proof_note = "on " + ir::to_string(input->type());
    }
    return {};
  }

  // `program` as it was read from its file; null when none was written.
  Status prove_one(BackendResult& result, std::shared_ptr<const program::Program> program) {
    // Nobody here has kernels for operators of others.
    if (!job_.allow_custom.empty() && !reference_) return {};
    if (!reference_ || on_smaller_) PTE_CHECK(prove_loadable(program, pool_));
    if (!reference_) return {};
    leave_step();
    if (on_smaller_) {
      program.reset();
      PTE_TRY(ir::Module smaller, model_.smaller());
      PTE_TRY(lowering::Lowered lowered,
              lower_one(job_, std::move(smaller), result.backend, false));
      program = std::make_shared<const program::Program>(std::move(lowered.program));
      PTE_CHECK(program::verify(*program));
      leave_step();
    }
    PTE_TRY(result.proof, prove(program, *reference_, pool_, result.lowered.quantized > 0));
    return {};
  }

 private:
  const ExportJob& job_;
  const LoadedModel& model_;
  ThreadPool pool_;
  bool on_smaller_ = false;  // what is compared is the same network on less
  std::optional<Reference> reference_;
};

// Takes the program from its file, as its users will, or from memory where nothing is written.
Status prove_backend(const ExportJob& job, Prover& prover, BackendResult& result,
                     const std::string& pending) {
  if (job.proof == ProofMode::kOff) return {};
  program::Program program;
  if (pending.empty()) {
    program = std::move(result.lowered.program);
    PTE_CHECK(program::verify(program));
  } else {
    PTE_TRY(const MappedFile file, MappedFile::open(pending));
    PTE_TRY(program, program::read_program(file));
  }
  return prover.prove_one(result, std::make_shared<const program::Program>(std::move(program)));
}

Status make_folder(const std::string& folder) {
  if (folder.empty()) return {};
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return {};
  return make_error(Code::kIo, "{}: cannot create the folder: {}", folder, error.message());
}

std::string files_name(const ExportJob& job, const LoadedModel& model) {
  return job.name.empty() ? model.name : job.name;
}

}  // namespace

bool ExportReport::any_written() const {
  return std::any_of(backends.begin(), backends.end(),
                     [](const BackendResult& result) { return !result.error; });
}

bool is_known_backend(const std::string& name) {
  return is_other_backend(name) || lowering::check_backend(lowering_backend(name)).has_value();
}

Result<ExportReport> run_job(const ExportJob& job, const Context& context) {
  PTE_CHECK(check_job(job));
  PTE_TRY(const LoadOptions load, load_options(job));
  ExportReport report;
  Stopwatch load_watch;
  PTE_TRY(report.model, load_model(job.model, load));
  report.load_milliseconds = load_watch.milliseconds();
  PTE_TRY(const auto metadata, describe_model(job, report.model));

  // First of all: what the imported graph needs to run is gone again before anything is lowered.
  Stopwatch proof_watch;
  Prover prover(job, report.model);
  PTE_CHECK(prover.prepare(report).at(job.model));
  report.proof_milliseconds = proof_watch.milliseconds();
  leave_step();

  std::vector<PendingFile> pending;  // one for each backend that is written, in order
  for (const std::string& backend : job.backends) {
    BackendResult result;
    result.backend = backend;
    if (is_other_backend(backend)) {
      result.error = lowering::check_backend(backend).error();
      report.backends.push_back(std::move(result));
      continue;
    }
    if (backend == "mps") result.note = kMpsNote;
    Stopwatch watch;
    ir::Module& imported = report.model.module;
    const bool last = job.write && &backend == &job.backends.back();
    PTE_TRY(result.lowered,
            lower_one(job, last ? take_weights(imported) : imported.clone(), backend, true)
                .at(job.model));
    leave_step();
    if (metadata) {
      const std::string text = vision::print_metadata(*metadata);
      result.lowered.program.named_data.push_back(
          {std::string(vision::kMetadataKey), program::Blob::copy(as_bytes(text))});
    }
    if (job.write) {
      PTE_CHECK(make_folder(job.output_dir));
      result.path = output_path(job, files_name(job, report.model), backend);
      pending.emplace_back(result.path);
      PTE_CHECK(program::write_program(result.lowered.program, pending.back().pending()));
      // From here on the file holds the weights: a second copy in memory would be one too many.
      result.lowered.program = {};
      std::error_code error;
      result.bytes = fs::file_size(pending.back().pending(), error);
    }
    result.milliseconds = watch.milliseconds();
    if (context.verbose) {
      for (const passes::Timing& timing : result.lowered.timings) {
        print_note(fmt::format("  {}  {:6.2f} ms  {} changes", pad_right(timing.pass, 24),
                               timing.milliseconds, timing.changes));
      }
    }
    report.backends.push_back(std::move(result));
  }

  // The files hold the weights now; those that were copied out of the checkpoint would be a second.
  if (job.write) {
    for (auto& [key, constant] : report.model.module.constants) constant.data = Tensor();
  }

  auto next = pending.begin();
  for (BackendResult& result : report.backends) {
    if (result.error) continue;
    Stopwatch watch;
    Status proved = prove_backend(job, prover, result, job.write ? (next++)->pending() : "");
    if (!proved) {
      Error error =
          std::move(proved.error()).at(fmt::format("{} for {}", job.model, result.backend));
      if (job.write) error.message += "\nnothing was written";
      return error;
    }
    report.proof_milliseconds += watch.milliseconds();
  }
  for (PendingFile& file : pending) PTE_CHECK(file.commit());
  return report;
}

// ---- reporting

namespace {

void print_row(std::string_view label, const std::string& text, double milliseconds) {
  const std::string time = milliseconds < 0 ? "" : human_time(milliseconds);
  print("  {}  {}{}\n", pad_right(label, 11), pad_right(text, 56), pad_left(time, 8));
}

std::string percent(double share) {
  return share >= 0.001 ? fmt::format("{:.1f} %", 100 * share) : std::string("under 0.1 %");
}

void print_outside(const BackendResult& result) {
  if (result.lowered.delegates == 0) return;
  for (const lowering::Outside& entry : result.lowered.outside) {
    print("  {}  {} {}×{}\n", pad_right("", 11), entry.op, entry.count,
          entry.reason.empty() ? "" : ": " + entry.reason);
  }
  if (result.proof && !result.lowered.outside.empty()) {
    print("  {}  {} of the arithmetic is outside\n", pad_right("", 11),
          percent(result.proof->outside_share));
  }
}

void print_backend(const ExportJob& job, const BackendResult& result) {
  if (result.error) {
    print_row(result.backend, "not written: " + result.error->message, -1);
    return;
  }
  const lowering::Lowered& lowered = result.lowered;
  const std::string what =
      lowered.delegates == 0
          ? fmt::format("{} nodes, {} operators", lowered.nodes, lowered.outside.size())
          : fmt::format("{} of {} nodes delegated", lowered.delegated, lowered.nodes);
  const std::string size = job.write ? human_bytes(result.bytes) + ", " : "";
  print_row(result.backend,
            fmt::format("{}  {}peak {}", pad_right(what, 27), size,
                        human_bytes(static_cast<uint64_t>(lowered.arena_bytes))),
            result.milliseconds);
  print_outside(result);
  if (!result.note.empty()) print("  {}  {}\n", pad_right("", 11), result.note);
}

void print_proof(const ExportReport& report) {
  std::string text;
  for (const BackendResult& result : report.backends) {
    if (!result.proof) continue;
    text += text.empty() ? "" : ", ";
    text += result.proof->compared ? fmt::format("{} {:.1e}", result.backend, result.proof->largest)
                                   : fmt::format("{} runs, draws random numbers", result.backend);
  }
  if (text.empty()) {
    if (!report.proof_note.empty())
      print_row("proof", report.proof_note, report.proof_milliseconds);
    return;
  }
  print_row("proved", text + " (largest difference)", report.proof_milliseconds);
  if (!report.proof_note.empty()) print("  {}  {}\n", pad_right("", 11), report.proof_note);
}

}  // namespace

void print_report(const ExportJob& job, const ExportReport& report, const Context& context) {
  if (context.quiet) {
    for (const BackendResult& result : report.backends) {
      if (!result.path.empty()) print("{}\n", result.path);
    }
    return;
  }
  print("{}   {}\n", bold(fs::path(job.model).filename().string()), report.model.format);
  bool first = true;
  for (const auto& [name, method] : report.model.module.methods) {
    std::string inputs;
    for (const ir::Value* input : method.graph->inputs()) {
      inputs += (inputs.empty() ? "input " : ", ") + ir::to_string(input->type());
    }
    const std::string what = report.model.module.methods.size() > 1
                                 ? (first ? report.model.name + " " : "") + name
                                 : report.model.name;
    print_row(first ? (report.model.recognised ? "recognised" : "model") : "",
              fmt::format("{}  {}", pad_right(what, 27), inputs),
              first ? report.load_milliseconds : -1);
    first = false;
  }
  for (const BackendResult& result : report.backends) print_backend(job, result);
  print_proof(report);
  if (!job.write) return;
  std::string paths;
  for (const BackendResult& result : report.backends) {
    if (!result.path.empty()) paths += "  " + result.path;
  }
  print("{}{}\n", green("✓"), paths.substr(1));
}

nlohmann::json report_json(const ExportJob& job, const ExportReport& report) {
  nlohmann::json rows = nlohmann::json::array();
  nlohmann::json not_written = nlohmann::json::array();
  for (const BackendResult& result : report.backends) {
    if (result.error) {
      not_written.push_back({{"backend", result.backend}, {"reason", result.error->message}});
      continue;
    }
    nlohmann::json outside = nlohmann::json::array();
    for (const lowering::Outside& entry : result.lowered.outside) {
      outside.push_back({{"operator", entry.op}, {"count", entry.count}, {"reason", entry.reason}});
    }
    nlohmann::json row = {{"backend", result.backend},
                          {"milliseconds", result.milliseconds},
                          {"nodes", result.lowered.nodes},
                          {"delegated", result.lowered.delegated},
                          {"delegates", result.lowered.delegates},
                          {"arena_bytes", result.lowered.arena_bytes},
                          {"outside", std::move(outside)}};
    if (job.write) {
      row["file"] = result.path;
      row["bytes"] = result.bytes;
    }
    if (result.proof) {
      row["proof"] = {{"outside_share", result.proof->outside_share},
                      {"outside", nlohmann::json::object()}};
      for (const Share& part : result.proof->outside) row["proof"]["outside"][part.op] = part.flops;
      if (result.proof->compared) row["proof"]["largest_difference"] = result.proof->largest;
    }
    if (!result.note.empty()) row["note"] = result.note;
    rows.push_back(std::move(row));
  }
  return {{"model", report.model.name},
          {"source", job.model},
          {"format", report.model.format},
          {"recognised", report.model.recognised},
          {"load_milliseconds", report.load_milliseconds},
          {"proof", {{"note", report.proof_note}, {"milliseconds", report.proof_milliseconds}}},
          {"files", std::move(rows)},
          {"not_written", std::move(not_written)}};
}

}  // namespace pte::cli
