#include "cli/engine_flags.h"

#include "cli/inspect.h"

namespace pte::cli {

void add_packed_cache_option(CLI::App* command, EngineFlags& flags) {
  command->add_option("--packed-cache", flags.packed_cache,
                      "A folder that keeps packed weights and measured choices, so that the next "
                      "start maps them (--packed-cache ~/.cache/pte); safe to delete");
}

void add_engine_options(CLI::App* command, EngineFlags& flags) {
  add_packed_cache_option(command, flags);
  command->add_flag("--pin", flags.pinned, "Keep each thread to a core (--threads 2 --pin)");
}

void apply(const EngineFlags& flags, engine::Options& options) {
  options.packed_cache = flags.packed_cache;
  options.pinned = flags.pinned;
}

nlohmann::json packing_json(const engine::PackReport& report) {
  nlohmann::json object = {{"blocks", report.blocks},
                           {"bytes", report.bytes},
                           {"packed", report.packed},
                           {"mapped", report.mapped},
                           {"shared", report.shared}};
  if (!report.file.empty()) object["file"] = report.file;
  if (!report.note.empty()) object["note"] = report.note;
  return object;
}

std::string packing_text(const engine::PackReport& report) {
  std::string text =
      report.mapped > 0     ? fmt::format("weights mapped from {}", printable(report.file))
      : report.file.empty() ? std::string()
                            : fmt::format("weights packed into {}", printable(report.file));
  if (!report.note.empty()) {
    text += (text.empty() ? "" : "; ") + printable(report.note);
  }
  return text;
}

}  // namespace pte::cli
