// `pte export`: a model in, one .pte for each backend out. Two older exporters' options are taken
// too: the collection's (--all, --mobilenet, --yolo) and the generic one's (--target-platform,
// --model-name, --create-summary).
#include <filesystem>

#include "cli/collection.h"
#include "cli/command.h"
#include "cli/export_job.h"
#include "cli/export_summary.h"
#include "cli/output.h"

namespace pte::cli {
namespace {

struct Flags {
  ExportJob job;
  std::vector<std::string> shapes;
  std::vector<std::string> backends;
  Collection collection;
  std::string platform;
  std::string proof = "auto";
  bool no_proof = false;
  bool summary = false;
  bool quantize = false;
};

// What each platform gets when no backend is named, best first.
std::vector<std::string> platform_backends(const std::string& platform) {
  if (platform == "ios") return {"coreml", "mps", "xnnpack", "portable"};
  if (platform == "android") return {"vulkan", "xnnpack", "qnn", "portable"};
  if (platform == "embedded") return {"arm", "xnnpack", "portable"};
  if (platform == "desktop") return {"vulkan", "xnnpack", "portable"};
  if (platform == "any") return {"xnnpack", "portable"};
  return {"xnnpack"};
}

Status finish_flags(Flags& flags) {
  if (flags.quantize) {
    return unsupported("--quantize: this build writes no quantized programs")
        .with_hint("export without it, or quantize with torch and export the .pt2");
  }
  ExportJob& job = flags.job;
  for (const std::string& shape : flags.shapes) {
    job.input_shapes += (job.input_shapes.empty() ? "" : ";") + shape;
  }
  job.backends = flags.backends.empty() ? platform_backends(flags.platform) : flags.backends;
  if (flags.no_proof && flags.proof == "full") {
    return invalid_argument("--no-proof and --proof full exclude each other");
  }
  job.proof = flags.proof == "full"                    ? ProofMode::kFull
              : flags.no_proof || flags.proof == "off" ? ProofMode::kOff
                                                       : ProofMode::kAuto;
  if (job.model.empty() && !flags.collection.any()) {
    return invalid_argument("MODEL is missing")
        .with_hint("or name models of the collection: --all, --mobilenet, --yolo yolo11n");
  }
  if (!job.model.empty() && flags.collection.any()) {
    return invalid_argument("MODEL and --all, --mobilenet or --yolo exclude each other");
  }
  return {};
}

Result<int> run_export(Flags flags, const Context& context) {
  PTE_CHECK(finish_flags(flags));
  if (flags.collection.any()) {
    if (flags.backends.empty() && flags.platform.empty()) {
      flags.job.backends = {"xnnpack", "coreml", "mps", "vulkan"};
    }
    return export_collection(flags.collection, flags.job, context);
  }
  const bool summary = flags.summary || !flags.platform.empty();
  Stopwatch watch;
  auto report = run_job(flags.job, context);
  if (!report) {
    // The summary tells of failures too.
    if (summary) {
      PTE_CHECK(write_failed_summary(flags.job, report.error(), watch.milliseconds()));
    }
    return std::move(report.error());
  }
  if (summary) PTE_CHECK(write_summary(flags.job, *report));
  if (context.json) {
    print_json(report_json(flags.job, *report));
  } else {
    print_report(flags.job, *report, context);
  }
  return kFine;
}

}  // namespace

void add_model_options(CLI::App* command, ExportJob& job, std::vector<std::string>& shapes) {
  command->add_option("--model", job.architecture,
                      "The architecture (see `pte zoo`); default: from the keys");
  command->add_option("--input-shapes", shapes, "Sizes of the inputs, as \"1,3,224,224;1,100\"");
  add_import_flags(command, job.import);
  command->add_option("--allow-custom", job.allow_custom,
                      "An operator that may stay as a call, as mylib::rotate");
  command->add_option("--disable-pass", job.disable, "Leave a pass out");
}

void add_export(Commands& commands) {
  CLI::App* command = commands.add(
      "export", "Compile a model to .pte files and prove that they compute what it does",
      "pte export efficientnet-lite0.pth --backends xnnpack portable --output-dir models\n"
      "  pte export yolo11n.pt --input-shapes 1,3,320,320\n"
      "  pte export --model PE-Core-T16-384 PE-Core-T16-384.pt\n"
      "  pte export --yolo yolo11n yolov8n --weights downloads --output-dir models\n"
      "  pte export model.pt2 --target-platform android --output-dir exported");
  auto flags = std::make_shared<Flags>();
  ExportJob& job = flags->job;
  command->add_option("MODEL", job.model, "A .pt2, TorchScript or ONNX file, or a checkpoint");
  add_model_options(command, job, flags->shapes);
  command->add_option("--backends", flags->backends,
                      "portable, xnnpack, mps (portable); one file each [xnnpack]");
  command->add_option("-o,--output", job.output, "The file to write (one backend)");
  command->add_option("--output-dir", job.output_dir, "Folder for <model>_<backend>.pte");
  command->add_option("--model-name", job.name, "What files are called instead of the model");
  command
      ->add_option("--target-platform", flags->platform,
                   "Chooses the backends and writes export_summary.json: ios, android, embedded, "
                   "desktop, any")
      ->check(CLI::IsMember({"ios", "android", "embedded", "desktop", "any"}));
  command->add_flag("--create-summary", flags->summary, "Write export_summary.json");
  command->add_flag("--quantize", flags->quantize, "Not in this build");
  command->add_option("--preset", job.preset,
                      "Preprocessing to store in the file: imagenet, efficientnet_lite, squash");
  command->add_option("--labels", job.labels, "Class names to store in the file, one a line");
  command
      ->add_option("--proof", flags->proof,
                   "auto: a quick run; full: however long it takes; off [auto]")
      ->check(CLI::IsMember({"auto", "full", "off"}));
  command->add_flag("--no-proof", flags->no_proof, "Do not run the result");
  command
      ->add_option("--runtime", job.runtime,
                   "What must run the file: executorch-1.5, or ptekit, which has more operators")
      ->capture_default_str();
  command->add_flag("--allow-ptekit-ops", job.allow_ptekit_ops,
                    "Keep operators that cannot be rewritten for ExecuTorch 1.5: ptekit runs them");
  command->add_flag("--all", flags->collection.all, "The collection: MobileNet and three YOLO");
  command->add_flag("--mobilenet", flags->collection.mobilenet, "Its MobileNetV3-Small");
  command->add_option("--yolo", flags->collection.yolo, "Its YOLO models, by name");
  command->add_option("--weights", flags->collection.weights,
                      "Folder with the collection's checkpoints [.]");
  command->add_option("--dump-ir-after", job.dump_after,
                      "Print the graph after this pass (or 'all') to stderr");
  commands.set_body(command, [&commands, flags] { return run_export(*flags, commands.context()); });
}

}  // namespace pte::cli
