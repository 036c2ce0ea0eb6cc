// Computes single nodes whose operands are constants, for fold_constants(). Small and exact rather
// than fast: rearrangements share memory where they can.
#pragma once

#include <optional>

#include "passes/rewrite.h"

namespace pte::passes {

// True for the operators that evaluate() knows.
bool can_evaluate(const Node& node);

// The node's only result as a contiguous tensor. `data` gives the tensor of each operand. Nothing
// when the case is not known (symbolic sizes, values out of an integer's range …).
Result<std::optional<Tensor>> evaluate(const Node& node,
                                       const std::function<const Tensor*(const Value*)>& data);

}  // namespace pte::passes
