// From the graph IR to a program: values, instructions and a memory plan.
//
// Every node must be a call that programs can make (OpInfo::emittable) or a delegate; passes see to
// that. Views of static contiguous tensors become aliases of their operand's memory and cost no
// instruction.
#pragma once

#include "ir/graph.h"
#include "program/program.h"

namespace pte::lowering {

struct EmitOptions {
  // Keep every call, also of views that could alias: for oracles that want one call a node.
  bool alias_views = true;
  // Give each input and output an arena of its own (memory_id 2 and on), so that whoever runs the
  // program can put it where the caller's tensors are; see runtime::Method::bind_arena.
  bool separate_io = false;
  // For programs that only our runtime sees: operators that the official one lacks may stay.
  bool any_kernel = false;
};

// Fails with kUnsupported, naming all of them at once, when nodes cannot be emitted, and with
// kInvalidArgument when a size has no upper bound to plan memory for.
Result<program::Program> emit(const ir::Module& module, const EmitOptions& options = {});

}  // namespace pte::lowering
