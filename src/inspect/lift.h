// A program as text IR again: for reading, searching and comparing.
#pragma once

#include <string>

#include "ir/graph.h"
#include "program/program.h"

namespace pte::inspect {

// lowering::lift_method() with delegates left as calls, which list what is inside them.
Status lift_method(const program::Program& program, const program::Method& method,
                   ir::Module& module);

// The instructions as the file has them, a line each; works for every program.
std::string list_instructions(const program::Method& method);

// Everything as text: the lifted methods, methods that cannot be lifted as comments with the
// reason, then the graphs of XNNPACK payloads as modules of their own. Never fails. Modules read
// back with ir::parse_module; the first one only when it calls no delegate.
std::string ir_text(const program::Program& program, const std::string& name);

}  // namespace pte::inspect
