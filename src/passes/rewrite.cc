#include "passes/rewrite.h"

#include <algorithm>

namespace pte::passes {
namespace {

template <typename M, typename G>
std::vector<G*> collect_graphs(M& module) {
  std::vector<G*> graphs;
  for (auto& [name, method] : module.methods) graphs.push_back(method.graph.get());
  // Breadth first by index; reversed, every subgraph stands before its owner.
  for (size_t i = 0; i < graphs.size(); ++i) {
    for (const Node* node = graphs[i]->front(); node != nullptr; node = node->next()) {
      if (!node->op().has(kTagHigherOrder)) continue;
      for (const Arg& arg : node->args()) {
        if (const auto* graph = arg.graph(); graph != nullptr && *graph != nullptr) {
          graphs.push_back(graph->get());
        }
      }
    }
  }
  std::reverse(graphs.begin(), graphs.end());
  return graphs;
}

}  // namespace

std::vector<Graph*> all_graphs(Module& module) { return collect_graphs<Module, Graph>(module); }
std::vector<const Graph*> all_graphs(const Module& module) {
  return collect_graphs<const Module, const Graph>(module);
}

Result<int64_t> for_each_graph(Module& module,
                               const std::function<Result<int64_t>(Graph&)>& visit) {
  int64_t changes = 0;
  for (Graph* graph : all_graphs(module)) {
    PTE_TRY(const int64_t count, visit(*graph));
    changes += count;
  }
  return changes;
}

std::set<std::string, std::less<>> written_constants(const Module& module) {
  std::set<std::string, std::less<>> written;
  for (const Graph* graph : all_graphs(module)) {
    for (const ir::Output& output : graph->outputs()) {
      if (output.kind == ir::OutputKind::kBufferMutation) written.insert(output.target);
    }
    for (const Node* node = graph->front(); node != nullptr; node = node->next()) {
      if (!node->op().has(kTagInPlace)) continue;
      for (size_t i = 0; i < node->args().size(); ++i) {
        const Value* value = node->input(i);
        if (node->op().args[i].written && value != nullptr && value->is_constant()) {
          written.insert(*value->constant());
        }
      }
    }
  }
  return written;
}

std::unordered_set<const Value*> output_values(const Graph& graph) {
  std::unordered_set<const Value*> values;
  for (const ir::Output& output : graph.outputs()) {
    if (output.value != nullptr) values.insert(output.value);
  }
  return values;
}

Builder builder_before(Module& module, Node* node) {
  Builder builder(module, node->graph(), node);
  builder.set_location(node->location());
  return builder;
}

void replace(Node* node, const std::vector<Value*>& with, bool take_names) {
  Graph& graph = node->graph();
  std::vector<std::pair<Value*, std::string>> names;
  for (size_t i = 0; i < with.size() && i < node->results().size(); ++i) {
    if (with[i] == nullptr) continue;
    graph.replace_uses(node->result(i), with[i]);
    if (take_names && with[i]->producer() != nullptr) {
      names.emplace_back(with[i], node->result(i)->name());
    }
  }
  graph.erase(node);
  for (auto& [value, name] : names) graph.rename(value, std::move(name));
}

std::string place(const Node* node) {
  std::string text = "node '";
  text += node->results().empty() ? node->op().target() : node->result()->name();
  text += "'";
  if (!node->location().empty()) text += " (" + node->location() + ")";
  return text;
}

std::optional<size_t> wrap_dim(int64_t dim, size_t rank) {
  const int64_t count = std::max<int64_t>(static_cast<int64_t>(rank), 1);
  if (dim < -count || dim >= count) return std::nullopt;
  return static_cast<size_t>(dim < 0 ? dim + count : dim);
}

std::optional<std::vector<int64_t>> expand_ints(const Arg& arg, size_t count) {
  if (const auto number = arg.integer()) return std::vector<int64_t>(count, *number);
  auto numbers = arg.integers();
  if (!numbers.has_value()) return std::nullopt;
  if (numbers->size() == 1) return std::vector<int64_t>(count, numbers->front());
  if (numbers->size() != count) return std::nullopt;
  return numbers;
}

Result<std::optional<ArgList>> size_args(Builder& builder, Value* source, const SymSizes& sizes) {
  ArgList args;
  bool inferred = false;
  const SymSizes& known = source->tensor().sizes;
  // -1 cannot be worked out when another size is zero.
  const bool may_infer = std::none_of(sizes.begin(), sizes.end(),
                                      [](const SymInt& size) { return size.is_constant(0); });
  for (const SymInt& size : sizes) {
    if (const auto number = size.constant()) {
      args.emplace_back(*number);
      continue;
    }
    if (!inferred && may_infer) {
      args.emplace_back(-1);
      inferred = true;
      continue;
    }
    const auto at = std::find(known.begin(), known.end(), size);
    if (at == known.end()) return std::optional<ArgList>();
    PTE_TRY(Value * length, builder.call(Op::aten_sym_size_int, {source, Arg(at - known.begin())}));
    args.emplace_back(length);
  }
  return std::optional<ArgList>(std::move(args));
}

}  // namespace pte::passes
