// Makes nodes: fills schema defaults, checks argument kinds and infers the results' types.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "ir/graph.h"

namespace pte::ir {

class Builder {
 public:
  // New nodes go before `before`, or at the end of the graph when it is null.
  Builder(Module& module, Graph& graph, Node* before = nullptr)
      : module_(module), graph_(graph), before_(before) {}

  Graph& graph() { return graph_; }
  Module& module() { return module_; }
  void set_insert_point(Node* before) { before_ = before; }
  // Given to every node made from now on.
  void set_location(std::string location) { location_ = std::move(location); }

  // `args` in schema order; trailing ones may be left out when they have defaults. `name` is the
  // first result's name (the operator's own name when empty). Errors name the operator, the
  // argument and what was expected.
  Result<Node*> node(Op op, std::vector<Arg> args, std::string name = {});
  Result<Node*> node(const OpInfo& op, std::vector<Arg> args, std::string name = {});
  // The only result of a one-result operator (the first of several).
  Result<Value*> call(Op op, std::vector<Arg> args, std::string name = {});

  // A constant of the module as a value of this graph.
  Value* constant(std::string hint, Tensor data, Constant::Kind kind = Constant::Kind::kConstant) {
    return module_.add_constant(graph_, std::move(hint), std::move(data), kind);
  }

 private:
  Module& module_;
  Graph& graph_;
  Node* before_;
  std::string location_;
};

// What stands for an argument that is left out; none when it has no default.
Arg default_arg(const ArgSchema& schema);

// Puts schema defaults in the places of missing trailing arguments and checks every kind (an int
// where a Scalar or float may stand, a value of a fitting type …).
Status complete_args(const OpInfo& op, std::vector<Arg>& args);

}  // namespace pte::ir
