// Kernel calls held against the operator's schema.
#pragma once

#include "program/program.h"
#include "schema/ops.h"

namespace pte::program {

// Whether the call has as many arguments as the operator's out variant takes, each of the right
// kind. Operators that this build does not know pass: the runtime reports them by name.
Status check_call(const Method& method, const KernelCall& call);

// The same against an operator that the table does not hold.
Status check_call(const Method& method, const KernelCall& call, const OpInfo& info);

}  // namespace pte::program
