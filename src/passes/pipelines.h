// The order of the passes for each kind of program.
#pragma once

#include <vector>

#include "passes/passes.h"
#include "passes/runner.h"

namespace pte::passes {

// Operators that XNNPACK has whole although the portable library does not.
const OpSet& xnnpack_operators();

// For programs of portable kernels alone: every node of the result can be emitted.
std::vector<Pass> portable_pipeline();
// Before partitioning for XNNPACK: composites that it takes whole are kept. Run finish_portable()
// on what stays outside the delegates.
std::vector<Pass> xnnpack_pipeline();
// Decomposes whatever is left and tidies up.
std::vector<Pass> finish_portable();

}  // namespace pte::passes
