// One model made into files: what `pte export`, `pte convert` and `pte check` share. Files are
// written beside their place, proved, and renamed once every backend has worked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/import_flags.h"
#include "cli/load_model.h"
#include "cli/proof.h"
#include "lowering/lower.h"

namespace pte::cli {

// When the program is run before it is kept.
enum class ProofMode {
  kAuto,  // on the model's own inputs, or on smaller ones, when that takes a moment; else load only
  kFull,  // however long it takes
  kOff,
};

struct ExportJob {
  std::string model;         // path
  std::string architecture;  // --model
  std::string input_shapes;
  ImportFlags import;  // types, open sizes, examples to take sizes from and to prove with
  std::vector<std::string> allow_custom;
  std::vector<std::string> backends{"xnnpack"};
  std::string name;        // of the files; "" is the model's own
  std::string output;      // one file, or
  std::string output_dir;  // a folder for <name>_<backend>.pte
  std::vector<std::string> dump_after;
  std::vector<std::string> disable;
  std::string preset;
  std::string labels;
  std::string runtime = "executorch-1.5";  // what must run the file
  bool allow_ptekit_ops = false;
  ProofMode proof = ProofMode::kAuto;
  bool write = true;
};

struct BackendResult {
  std::string backend;
  std::string path;  // "" when nothing was to be written
  lowering::Lowered lowered;
  double milliseconds = 0;
  uintmax_t bytes = 0;
  std::optional<Proof> proof;
  std::string note;            // what is to be known about this backend's file
  std::optional<Error> error;  // why there is none
};

struct ExportReport {
  LoadedModel model;
  double load_milliseconds = 0;
  std::vector<BackendResult> backends;
  // How the programs were proved: "", "on float32[1,3,64,64]", "not run: …".
  std::string proof_note;
  double proof_milliseconds = 0;

  bool any_written() const;
};

// Backends that have a name but no writer here: reported, while the others are written.
bool is_known_backend(const std::string& name);

// Fails, and leaves no file, when the model cannot be read, when a backend that can be written
// fails, or when a program does not compute what the model does. A backend that this build cannot
// write is an error only when there is no other; else BackendResult::error says so.
Result<ExportReport> run_job(const ExportJob& job, const Context& context);

// The options that say what a model is, shared by the commands that take one.
void add_model_options(CLI::App* command, ExportJob& job, std::vector<std::string>& shapes);

// Text for people, or nothing but the paths.
void print_report(const ExportJob& job, const ExportReport& report, const Context& context);
nlohmann::json report_json(const ExportJob& job, const ExportReport& report);

}  // namespace pte::cli
