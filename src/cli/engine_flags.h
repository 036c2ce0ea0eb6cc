// Options of the commands that run a program on the engine.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.h"
#include "engine/session.h"

namespace pte::cli {

struct EngineFlags {
  std::string packed_cache;
  bool pinned = false;
};

void add_packed_cache_option(CLI::App* command, EngineFlags& flags);
// --packed-cache and --pin.
void add_engine_options(CLI::App* command, EngineFlags& flags);
void apply(const EngineFlags& flags, engine::Options& options);

// Where the weights came from, as JSON and in a line.
nlohmann::json packing_json(const engine::PackReport& report);
std::string packing_text(const engine::PackReport& report);

}  // namespace pte::cli
