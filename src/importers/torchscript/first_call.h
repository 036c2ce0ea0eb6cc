// Whether a model's first call computes what a later one does.
//
// A recurrent model often begins without a state (`if len(self._state) == 0: zeros`), so that its
// first call is another graph than every later one. Where the later graph, given the right initial
// state, computes the same, that state can be written into the program and one graph suffices.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace pte::importers::script {

// A graph and what it leaves: values that are compared in order.
struct Side {
  const ir::Module& module;
  std::vector<const ir::Value*> results;
};

// The data with which the later graph's constants `unknown` make its results those of the first
// graph, by key; a constant that no result depends on is left out. Nothing when none is found: only
// tensors of one repeated value and constants of the module are.
std::optional<std::map<std::string, Tensor>> initial_state(const Side& first, const Side& later,
                                                           const std::set<std::string>& unknown);

}  // namespace pte::importers::script
