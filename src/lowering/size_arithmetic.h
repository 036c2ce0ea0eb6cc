// What programs compute of sizes, as numbers.
#pragma once

#include <vector>

#include "base/result.h"
#include "ir/graph.h"

namespace pte::lowering {

// The number that a symbolic operator (kTagSymbolic) gives for literals, and for tensors whose
// sizes are known. Fails with kUnsupported where it depends on what a tensor holds, or on a number
// that is not known.
Result<ir::Arg> evaluate_sizes(const OpInfo& op, const std::vector<ir::Arg>& args);

// The types of results for operands whose sizes are known: as `planned` says, but with the sizes
// that follow. Fails with kUnsupported where they depend on what a tensor holds.
Result<std::vector<ir::Type>> exact_types(const OpInfo& op, const std::vector<ir::Arg>& args,
                                          const std::vector<ir::Type>& planned);

}  // namespace pte::lowering
