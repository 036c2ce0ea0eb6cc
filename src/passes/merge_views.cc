#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

// Operators that only give the same elements, in the same order, other sizes.
bool is_reshape(const Node* node) {
  if (node == nullptr) return false;
  switch (node->op().op) {
    case Op::aten_view_copy:
    case Op::aten_unsqueeze_copy:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
      return node->input(0)->tensor().is_contiguous() && node->result()->tensor().is_contiguous();
    default:
      return false;
  }
}

bool is_permute(const Node* node) {
  return node != nullptr && node->is(Op::aten_permute_copy) &&
         node->arg(1).integers().has_value() && node->input(0)->tensor().is_contiguous() &&
         node->result()->tensor().is_contiguous();
}

size_t symbolic_sizes(const SymSizes& sizes) {
  return static_cast<size_t>(std::count_if(sizes.begin(), sizes.end(),
                                           [](const SymInt& size) { return !size.is_constant(); }));
}

class Merger {
 public:
  Merger(Module& module, Graph& graph) : module_(module), graph_(graph) {}

  Result<bool> visit(Node* node) {
    if (is_reshape(node)) return reshape(node);
    if (is_permute(node)) return permute(node);
    return false;
  }

 private:
  // `value` in place of the node's result, unless that would hand a caller his own tensor.
  bool stand_in(Node* node, Value* value) {
    if (value->producer() == nullptr && graph_.is_output(node->result())) return false;
    replace(node, {value}, /*take_names=*/false);
    return true;
  }

  Result<bool> view(Node* node, Value* source) {
    Builder builder = builder_before(module_, node);
    PTE_TRY(std::optional<ArgList> sizes,
            size_args(builder, source, node->result()->tensor().sizes));
    if (!sizes.has_value()) return false;
    PTE_TRY(Value * merged, builder.call(Op::aten_view_copy, {source, std::move(*sizes)}));
    if (merged->type() != node->result()->type()) {
      graph_.erase(merged->producer());
      return false;
    }
    replace(node, {merged});
    return true;
  }

  Result<bool> reshape(Node* node) {
    Value* source = node->input(0);
    while (is_reshape(source->producer())) source = source->producer()->input(0);
    const TensorType& type = node->result()->tensor();
    if (source->type() == node->result()->type()) return stand_in(node, source);
    if (node->is(Op::aten_view_copy)) {
      if (source == node->input(0)) return false;
      // Sizes written by the model stay as they are: -1 means the same for every source.
      node->set_arg(0, source);
      return true;
    }
    // A squeeze by name needs no reading of sizes at run time.
    if (symbolic_sizes(type.sizes) > 1) return false;
    return view(node, source);
  }

  Result<bool> permute(Node* node) {
    const size_t rank = node->input(0)->tensor().rank();
    auto dims = wrapped(node);
    if (!dims.has_value()) return false;
    Value* source = node->input(0);
    bool merged = false;
    while (is_permute(source->producer())) {
      const auto inner = wrapped(source->producer());
      if (!inner.has_value()) break;
      for (int64_t& dim : *dims) dim = (*inner)[static_cast<size_t>(dim)];
      source = source->producer()->input(0);
      merged = true;
    }
    if (std::is_sorted(dims->begin(), dims->end())) return stand_in(node, source);
    // Dimensions of size 1 may go anywhere without moving an element.
    const SymSizes& sizes = source->tensor().sizes;
    std::vector<int64_t> moved;
    for (const int64_t dim : *dims) {
      if (!sizes[static_cast<size_t>(dim)].is_constant(1)) moved.push_back(dim);
    }
    if (rank > 0 && std::is_sorted(moved.begin(), moved.end()) && symbolic_sizes(sizes) <= 1) {
      return view(node, source);
    }
    if (!merged) return false;
    node->set_arg(0, source);
    node->set_arg(1, Arg::ints(*dims));
    return true;
  }

  // The permutation counted from the front, or nothing when it is none.
  static std::optional<std::vector<int64_t>> wrapped(const Node* node) {
    const size_t rank = node->input(0)->tensor().rank();
    auto dims = node->arg(1).integers();
    if (!dims.has_value() || dims->size() != rank) return std::nullopt;
    std::vector<bool> seen(rank, false);
    for (int64_t& dim : *dims) {
      const auto at = wrap_dim(dim, rank);
      if (!at.has_value() || seen[*at]) return std::nullopt;
      seen[*at] = true;
      dim = static_cast<int64_t>(*at);
    }
    return dims;
  }

  Module& module_;
  Graph& graph_;
};

}  // namespace

Result<int64_t> merge_views(ir::Module& module) {
  return for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
    Merger merger(module, graph);
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      PTE_TRY(const bool changed, merger.visit(node));
      changes += changed ? 1 : 0;
    }
    return changes;
  });
}

}  // namespace pte::passes
