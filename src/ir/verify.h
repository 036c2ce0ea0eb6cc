// Checks a module against the rules that every pass may rely on.
#pragma once

#include "ir/graph.h"

namespace pte::ir {

// Values are defined before use and in scope; argument kinds fit the schema; result types equal
// what inference gives (where an operator has inference); constants exist and have the type their
// value says; outputs exist; use lists are exact; mutation targets exist. The error names the
// graph and the node.
Status verify(const Module& module);
Status verify(const Module& module, const Graph& graph);

}  // namespace pte::ir
