// Sizes as torch.export writes them: sympy's srepr ("Add(Symbol('s0', positive=True), Integer(1))")
// in current files, plain arithmetic ("2*s0 + 1", "s0//2") in old ones.
#pragma once

#include <string_view>

#include "base/result.h"
#include "ir/symint.h"

namespace pte::importers {

// Fails with kInvalidData on text that is neither, with kUnsupported on functions that are no
// integer arithmetic (Where, floats), with kResourceLimit on expressions out of all proportion.
Result<ir::SymInt> parse_expression(std::string_view text);

}  // namespace pte::importers
