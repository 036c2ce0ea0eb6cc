// What the passes share: walking graphs, replacing nodes, reading arguments.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "ir/builder.h"
#include "ir/graph.h"

namespace pte::passes {

using ir::Arg;
using ir::ArgList;
using ir::Builder;
using ir::Graph;
using ir::Module;
using ir::Node;
using ir::SymInt;
using ir::SymSizes;
using ir::TensorType;
using ir::Value;

// Every graph of the module, subgraphs before the graphs that hold them.
std::vector<Graph*> all_graphs(Module& module);
std::vector<const Graph*> all_graphs(const Module& module);

// Calls `visit` for every graph, innermost first, and sums what it returns.
Result<int64_t> for_each_graph(Module& module, const std::function<Result<int64_t>(Graph&)>& visit);

// Keys of the constants that some method writes: their values are not known before run time.
std::set<std::string, std::less<>> written_constants(const Module& module);

// Lets go of weights as a pass replaces them, so that old and new ones never fill memory together.
class ReplacedConstants {
 public:
  explicit ReplacedConstants(const Module& module);
  // A constant made since then, read in one graph.
  void add(const Value* made) { readers_[*made->constant()] = 1; }
  // True if no graph but that of `constant` reads it.
  bool read_here_only(const Value* constant) const;
  // The tensor of `constant` goes if nothing in the module reads it any more; the constant itself
  // stays until drop_unused_constants().
  void let_go(Module& module, const Graph& graph, const Value* constant) const;

 private:
  std::map<std::string, int, std::less<>> readers_;  // graphs that read a constant
};

// The values that a graph returns, for many questions in a row.
std::unordered_set<const Value*> output_values(const Graph& graph);

// A builder that puts nodes before `node` and gives them its location.
Builder builder_before(Module& module, Node* node);

// Readers of the node's results read `with` (one for each result, null for results without
// readers); the node goes. With `take_names`, new values get the names of those they stand for.
void replace(Node* node, const std::vector<Value*>& with, bool take_names = true);

// A call of `op` in the place of `node`, whose first result alone is read. False, and nothing has
// changed, when its result is of another type.
Result<bool> replace_by_call(Module& module, Node* node, Op op, std::vector<Arg> args);

// "node 'relu_3' (model.py:41)", for error messages.
std::string place(const Node* node);

// A dimension counted from the front, or nothing when it is out of range. Rank 0 counts as 1.
std::optional<size_t> wrap_dim(int64_t dim, size_t rank);

// An integer list that may be given as one number or a list of one: `count` numbers. Nothing when
// it is symbolic or of another length.
std::optional<std::vector<int64_t>> expand_ints(const Arg& arg, size_t count);

// A size as an argument: a number, or a value computed from the sizes of `source` and of the
// graph's inputs. Nothing when a symbol of it cannot be read there.
Result<std::optional<Arg>> size_value(Builder& builder, Value* source, const SymInt& size);

// Arguments for a size list such as view_copy's that give `sizes`: at most one symbolic size is
// written -1; further ones are computed (size_value). Nothing when one cannot be.
Result<std::optional<ArgList>> size_args(Builder& builder, Value* source, const SymSizes& sizes);

// True when the sizes are surely equal.
inline bool same_sizes(const SymSizes& a, const SymSizes& b) { return a == b; }

}  // namespace pte::passes
