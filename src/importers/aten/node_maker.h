// Adds nodes with types from inference, at the end of a graph: what every importer writes with.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace pte::importers {

class NodeMaker {
 public:
  NodeMaker(ir::Module& module, ir::Graph& graph) : module_(module), graph_(graph) {}
  ir::Graph& graph() { return graph_; }
  ir::Module& module() { return module_; }
  void set_location(std::string location) { location_ = std::move(location); }

  // `args` are completed; `names` may be shorter than the results. A result that inference knows
  // nothing of gets `unknown`, or a new symbol.
  Result<ir::Node*> add(const OpInfo& op, std::vector<ir::Arg> args, std::vector<std::string> names,
                        const ir::SymInt* unknown = nullptr);
  Result<ir::Value*> call(Op op, std::vector<ir::Arg> args, std::string name);
  // The sizes of a value as arguments: numbers, and sym_size calls for the rest.
  Result<ir::Arg> sizes_of(ir::Value* value);
  // A size as an argument: a number, or calls that work it out from the sizes of `near` and of the
  // graph's inputs. kUnsupported when a symbol of it is no size of those.
  Result<ir::Arg> size(const ir::SymInt& size, std::span<ir::Value* const> near);

 private:
  ir::Module& module_;
  ir::Graph& graph_;
  std::string location_;
};

}  // namespace pte::importers
