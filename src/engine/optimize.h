// The passes between a lifted program and a plan: what exporters took apart is put together again.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/runner.h"

namespace pte::engine {

// In order; each has a name by which it can be left out.
std::vector<passes::Pass> engine_pipeline();

Result<std::vector<passes::Timing>> optimize(ir::Module& module,
                                             const passes::Options& options = {});

}  // namespace pte::engine
