// --plugin LIBRARY: kernels for operators of the user's own namespace.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/custom_ops.h"

namespace pte::cli {

void add_plugin_option(CLI::App* command, std::vector<std::string>& paths);

// The operators of all of them; null when there are none.
Result<std::shared_ptr<const runtime::CustomOps>> load_plugins(
    const std::vector<std::string>& paths);

}  // namespace pte::cli
