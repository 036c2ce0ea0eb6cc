// The order of the passes for each kind of program.
#pragma once

#include <vector>

#include "passes/passes.h"
#include "passes/runner.h"

namespace pte::passes {

// What becomes of operators that the official runtime lacks.
enum class Foreign {
  kRefuse,  // rewritten; what cannot be is an error
  kKeep,    // rewritten; what cannot be stays
  kIgnore,  // all stay: the program is for our own runtime
};

// Operators that XNNPACK has whole although the portable library does not.
const OpSet& xnnpack_operators();

// For programs of portable kernels alone: every node of the result can be emitted.
std::vector<Pass> portable_pipeline(Foreign foreign = Foreign::kRefuse);
// Before partitioning for XNNPACK: composites that it takes whole are kept. Run finish_portable()
// on what stays outside the delegates.
std::vector<Pass> xnnpack_pipeline(Foreign foreign = Foreign::kRefuse);
// Decomposes whatever is left and tidies up.
std::vector<Pass> finish_portable();

}  // namespace pte::passes
