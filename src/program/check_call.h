// Kernel calls held against the operator's schema.
#pragma once

#include "program/program.h"

namespace pte::program {

// Whether the call has as many arguments as the operator's out variant takes, each of the right
// kind. Operators that this build does not know pass: the runtime reports them by name.
Status check_call(const Method& method, const KernelCall& call);

}  // namespace pte::program
