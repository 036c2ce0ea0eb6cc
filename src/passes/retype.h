// Brings result types up to date after a rewrite that changed an operand's dim order or dtype.
#pragma once

#include "passes/rewrite.h"

namespace pte::passes {

// Infers every node's result types again, in execution order. Operators without inference keep
// theirs.
Status retype_graph(Module& module, Graph& graph);

}  // namespace pte::passes
