// Runs passes in order: each can be timed, left out, shown after it ran, and checked.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace pte::passes {

struct Pass {
  std::string name;         // "fold_batch_norm"; a pipeline may hold the same pass several times
  std::string description;  // one line for `--help`
  // Changes the module and returns the number of places it changed.
  std::function<Result<int64_t>(ir::Module&)> run;
};

struct Timing {
  std::string pass;
  double milliseconds = 0;
  int64_t changes = 0;
};

struct Options {
  std::vector<std::string> disable;  // passes to leave out, by name
  // Passes after which `dump` is called, by name; "all" means every one. A pass that stands in the
  // pipeline twice is shown twice.
  std::vector<std::string> dump_after;
  std::function<void(const Pass&, const ir::Module&)> dump;
  // Holds the module against ir::verify() before the first pass and after each.
#ifdef NDEBUG
  bool verify = false;
#else
  bool verify = true;
#endif
};

// A pass's error is placed at its name. A name in `disable` or `dump_after` that no pass of the
// pipeline has fails with kInvalidArgument and lists those it has, before anything runs.
Result<std::vector<Timing>> run_passes(ir::Module& module, std::span<const Pass> passes,
                                       const Options& options = {});

}  // namespace pte::passes
