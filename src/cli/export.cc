// `pte export`: a model in, one .pte for each backend out.
#include <filesystem>

#include "cli/command.h"
#include "cli/import_flags.h"
#include "cli/load_model.h"
#include "cli/output.h"
#include "ir/text.h"
#include "lowering/lower.h"
#include "program/writer.h"
#include "vision/metadata.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string model;
  std::string architecture;
  std::string input_shapes;
  ImportFlags import;
  std::vector<std::string> backends{"xnnpack"};
  std::string output;
  std::string output_dir;
  std::vector<std::string> dump_after;
  std::vector<std::string> disable;
  std::string preset;
  std::string labels;
  std::string runtime = "executorch-1.5";
  bool allow_ptekit_ops = false;
};

struct Exported {
  std::string backend;
  std::string path;
  lowering::Lowered lowered;
  double milliseconds = 0;
  uintmax_t bytes = 0;
};

Status check_flags(const Flags& flags) {
  for (const std::string& backend : flags.backends) PTE_CHECK(lowering::check_backend(backend));
  if (!flags.output.empty() && !flags.output_dir.empty()) {
    return invalid_argument("--output and --output-dir exclude each other");
  }
  if (!flags.output.empty() && flags.backends.size() > 1) {
    return invalid_argument("--output names one file, but {} backends were asked for",
                            flags.backends.size())
        .with_hint("use --output-dir, which names each file after its backend");
  }
  if (flags.runtime != "executorch-1.5" && flags.runtime != "ptekit") {
    return invalid_argument("there is no runtime '{}'", flags.runtime)
        .with_hint("the runtimes are executorch-1.5 and ptekit");
  }
  if (!flags.preset.empty() && !vision::preset(flags.preset)) {
    return invalid_argument("there is no preset '{}'", flags.preset)
        .with_hint("the presets are imagenet, efficientnet_lite and squash");
  }
  return {};
}

std::string output_path(const Flags& flags, const std::string& name, const std::string& backend) {
  if (!flags.output.empty()) return flags.output;
  return (fs::path(flags.output_dir) / fmt::format("{}_{}.pte", name, backend)).string();
}

// What the file will say about itself: the architecture's own facts, then what the flags add.
Result<std::optional<vision::Metadata>> describe_model(const Flags& flags,
                                                       const LoadedModel& model) {
  std::optional<vision::Metadata> metadata = model.metadata;
  if (flags.preset.empty() && flags.labels.empty()) return metadata;
  if (!metadata) {
    metadata.emplace();
    metadata->model = model.name;
  }
  if (!flags.preset.empty()) metadata->preprocess = vision::preset(flags.preset);
  if (!flags.labels.empty()) {
    PTE_TRY(metadata->labels, load_labels(flags.labels));
  }
  return metadata;
}

Result<Exported> export_one(const Flags& flags, const Context& context, const LoadedModel& model,
                            const std::optional<vision::Metadata>& metadata,
                            const std::string& backend) {
  Stopwatch watch;
  lowering::Options options;
  options.backend = backend;
  options.foreign = flags.runtime == "ptekit" ? passes::Foreign::kIgnore
                    : flags.allow_ptekit_ops  ? passes::Foreign::kKeep
                                              : passes::Foreign::kRefuse;
  options.passes.disable = flags.disable;
  options.passes.dump_after = flags.dump_after;
  options.passes.dump = [](const passes::Pass& pass, const ir::Module& module) {
    print_note(fmt::format("// after {}\n{}", pass.name, ir::print(module)));
  };
  Exported out;
  out.backend = backend;
  PTE_TRY(out.lowered, lowering::lower(model.module.clone(), options));
  if (metadata) {
    const std::string text = vision::print_metadata(*metadata);
    out.lowered.program.named_data.push_back(
        {std::string(vision::kMetadataKey), program::Blob::copy(as_bytes(text))});
  }
  out.path = output_path(flags, model.name, backend);
  out.milliseconds = watch.milliseconds();
  if (context.verbose) {
    for (const passes::Timing& timing : out.lowered.timings) {
      print_note(fmt::format("  {}  {:6.2f} ms  {} changes", pad_right(timing.pass, 24),
                             timing.milliseconds, timing.changes));
    }
  }
  return out;
}

nlohmann::json outside_json(const std::vector<lowering::Outside>& outside) {
  nlohmann::json rows = nlohmann::json::array();
  for (const lowering::Outside& entry : outside) {
    rows.push_back({{"operator", entry.op}, {"count", entry.count}, {"reason", entry.reason}});
  }
  return rows;
}

void print_outside(const Exported& file) {
  if (file.lowered.delegates == 0) return;
  for (const lowering::Outside& entry : file.lowered.outside) {
    print("  {}  {} {}×{}\n", pad_right("", 11), entry.op, entry.count,
          entry.reason.empty() ? "" : ": " + entry.reason);
  }
}

void print_row(std::string_view label, const std::string& text, double milliseconds) {
  print("  {}  {}{}\n", pad_right(label, 11), pad_right(text, 56),
        pad_left(human_time(milliseconds), 8));
}

void print_backend(const Exported& file) {
  const lowering::Lowered& lowered = file.lowered;
  const std::string what =
      lowered.delegates == 0
          ? fmt::format("{} nodes, {} operators", lowered.nodes, lowered.outside.size())
          : fmt::format("{} of {} nodes delegated", lowered.delegated, lowered.nodes);
  print_row(file.backend,
            fmt::format("{}  {}, peak {}", pad_right(what, 27), human_bytes(file.bytes),
                        human_bytes(static_cast<uint64_t>(lowered.arena_bytes))),
            file.milliseconds);
  print_outside(file);
}

Result<int> run_export(const Flags& flags, const Context& context) {
  PTE_CHECK(check_flags(flags));
  LoadOptions load;
  load.architecture = flags.architecture;
  PTE_TRY(load.shapes, parse_shapes(flags.input_shapes));
  PTE_TRY(load.import, import_options(flags.import));
  Stopwatch load_watch;
  PTE_TRY(const LoadedModel model, load_model(flags.model, load));
  const double load_time = load_watch.milliseconds();
  PTE_TRY(const auto metadata, describe_model(flags, model));

  std::vector<Exported> files;
  for (const std::string& backend : flags.backends) {
    PTE_TRY(Exported file, export_one(flags, context, model, metadata, backend).at(flags.model));
    files.push_back(std::move(file));
  }
  // Every backend has worked before the first file appears.
  if (!flags.output_dir.empty()) {
    std::error_code error;
    fs::create_directories(flags.output_dir, error);
    if (error)
      return make_error(Code::kIo, "{}: cannot create the folder: {}", flags.output_dir,
                        error.message());
  }
  for (Exported& file : files) {
    Stopwatch watch;
    PTE_CHECK(program::write_program(file.lowered.program, file.path));
    file.milliseconds += watch.milliseconds();
    std::error_code error;
    file.bytes = fs::file_size(file.path, error);
  }

  if (context.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Exported& file : files) {
      rows.push_back({{"backend", file.backend},
                      {"file", file.path},
                      {"bytes", file.bytes},
                      {"milliseconds", file.milliseconds},
                      {"nodes", file.lowered.nodes},
                      {"delegated", file.lowered.delegated},
                      {"delegates", file.lowered.delegates},
                      {"arena_bytes", file.lowered.arena_bytes},
                      {"outside", outside_json(file.lowered.outside)}});
    }
    print_json({{"model", model.name},
                {"source", flags.model},
                {"format", model.format},
                {"recognised", model.recognised},
                {"load_milliseconds", load_time},
                {"files", std::move(rows)}});
    return kFine;
  }
  if (context.quiet) {
    for (const Exported& file : files) print("{}\n", file.path);
    return kFine;
  }
  print("{}   {}\n", bold(fs::path(flags.model).filename().string()), model.format);
  const ir::Graph& graph = *model.module.methods.begin()->second.graph;
  std::string inputs;
  for (const ir::Value* input : graph.inputs()) {
    inputs += (inputs.empty() ? "input " : ", ") + ir::to_string(input->type());
  }
  print_row(model.recognised ? "recognised" : "model",
            fmt::format("{}  {}", pad_right(model.name, 27), inputs), load_time);
  for (const Exported& file : files) print_backend(file);
  std::string paths;
  for (const Exported& file : files) paths += "  " + file.path;
  print("{}{}\n", green("✓"), paths.substr(1));
  return kFine;
}

}  // namespace

void add_export(Commands& commands) {
  CLI::App* command = commands.add(
      "export", "Compile a model (.pt2 or checkpoint) to .pte files",
      "pte export efficientnet-lite0.pth --backends xnnpack portable --output-dir models");
  auto flags = std::make_shared<Flags>();
  command->add_option("MODEL", flags->model, "A .pt2 archive or a torch.save checkpoint")
      ->required();
  command->add_option("--model", flags->architecture,
                      "The architecture (see `pte zoo`); default: from the keys");
  command->add_option("--input-shapes", flags->input_shapes,
                      "Sizes of the inputs, as \"1,3,224,224;1,100\"");
  add_import_flags(command, flags->import);
  command->add_option("--backends", flags->backends, "portable, xnnpack; one file each")
      ->capture_default_str();
  command->add_option("-o,--output", flags->output, "The file to write (one backend)");
  command->add_option("--output-dir", flags->output_dir, "Folder for <model>_<backend>.pte");
  command->add_option("--preset", flags->preset,
                      "Preprocessing to store in the file: imagenet, efficientnet_lite, squash");
  command->add_option("--labels", flags->labels, "Class names to store in the file, one a line");
  command->add_option("--dump-ir-after", flags->dump_after,
                      "Print the graph after this pass (or 'all') to stderr");
  command
      ->add_option("--runtime", flags->runtime,
                   "What must run the file: executorch-1.5, or ptekit, which has more operators")
      ->capture_default_str();
  command->add_flag("--allow-ptekit-ops", flags->allow_ptekit_ops,
                    "Keep operators that cannot be rewritten for ExecuTorch 1.5: ptekit runs them");
  command->add_option("--disable-pass", flags->disable, "Leave a pass out");
  commands.set_body(command, [&commands, flags] { return run_export(*flags, commands.context()); });
}

}  // namespace pte::cli
