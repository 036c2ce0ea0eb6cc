// From an imported model to a program for one backend: passes, partition, emission, and a report of
// what went where and why.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/pipelines.h"
#include "passes/runner.h"
#include "program/program.h"

namespace pte::lowering {

// The backends that this build writes: "portable", "xnnpack".
const std::vector<std::string>& backends();
// Fails with kUnsupported for the names of ExecuTorch backends that are not among them, and with
// kInvalidArgument for anything else.
Status check_backend(const std::string& name);
// Every pass of a backend's pipeline, in order, for `--dump-ir-after`.
std::vector<passes::Pass> pipeline(const std::string& backend,
                                   passes::Foreign foreign = passes::Foreign::kRefuse);

struct Options {
  std::string backend = "portable";
  passes::Options passes;
  // Operators that only our runtime has: by default none is written.
  passes::Foreign foreign = passes::Foreign::kRefuse;
  // The program is run here and not written: weights need no names that hold beyond this process.
  bool in_memory = false;
};

struct Outside {
  std::string op;  // "aten.mean.dim"
  int count = 0;
  std::string reason;  // why the delegate does not take it; empty in portable programs
};

struct Lowered {
  program::Program program;
  size_t nodes = 0;  // of the graph after its passes, delegated ones included
  size_t delegated = 0;
  size_t delegates = 0;
  size_t quantized = 0;  // layers that a delegate computes in integers
  // The graph's nodes outside delegates; in a portable program, all of them.
  std::vector<Outside> outside;
  std::vector<passes::Timing> timings;
  int64_t arena_bytes = 0;  // of all methods' planned memory
};

// Takes the module by value: weights are shared, the graph is rewritten.
Result<Lowered> lower(ir::Module module, const Options& options);

}  // namespace pte::lowering
