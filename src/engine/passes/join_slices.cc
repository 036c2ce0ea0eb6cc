#include "engine/passes/fusions.h"
#include "passes/rewrite.h"

namespace pte::engine {

using namespace passes;  // NOLINT: the vocabulary of rewrites

namespace {

// A part of `source` along one dimension.
struct Part {
  Value* source = nullptr;
  size_t dim = 0;
  int64_t first = 0;
  int64_t size = 0;
};

std::optional<Part> part_of(const Value* value) {
  const Node* node = value->producer();
  if (node == nullptr || !node->results().front()->is_tensor()) return std::nullopt;
  const auto sizes = value->tensor().static_sizes();
  if (!sizes || sizes->empty()) return std::nullopt;
  Part part;
  if (node->is(Op::aten_split_with_sizes_copy) || node->is(Op::aten_split_copy_Tensor)) {
    const auto dim = wrap_dim(node->arg(2).integer().value_or(INT64_MAX), sizes->size());
    if (!dim) return std::nullopt;
    part.dim = *dim;
    for (const Value* result : node->results()) {
      if (result == value) break;
      const auto before = result->tensor().static_sizes();
      if (!before) return std::nullopt;
      part.first += (*before)[*dim];
    }
  } else if (node->is(Op::aten_slice_copy_Tensor)) {
    const auto dim = wrap_dim(node->arg(1).integer().value_or(INT64_MAX), sizes->size());
    const auto start = node->arg(2).is_none() ? std::optional<int64_t>(0) : node->arg(2).integer();
    if (!dim || !start || *start < 0 || node->arg(4).integer() != 1) return std::nullopt;
    part.dim = *dim;
    part.first = *start;
  } else {
    return std::nullopt;
  }
  part.source = node->input(0);
  part.size = (*sizes)[part.dim];
  return part;
}

Result<bool> join(Module& module, Node* node) {
  const ArgList* list = node->arg(0).list();
  const size_t rank = node->result()->tensor().rank();
  const auto dim = wrap_dim(node->arg(1).integer().value_or(INT64_MAX), rank);
  if (list == nullptr || !dim) return false;
  ArgList joined;
  bool changed = false;
  for (size_t i = 0; i < list->size();) {
    const auto begin = part_of((*list)[i].value());
    size_t end = i;
    int64_t at = 0;
    if (begin && begin->dim == *dim && begin->first == 0) {
      while (end < list->size()) {
        const auto part = part_of((*list)[end].value());
        if (!part || part->source != begin->source || part->dim != *dim || part->first != at) break;
        at += part->size;
        ++end;
      }
    }
    const auto whole = begin ? begin->source->tensor().static_sizes() : std::nullopt;
    if (whole && end > i + 1 && at == (*whole)[*dim]) {
      joined.emplace_back(begin->source);
      changed = true;
      i = end;
    } else {
      joined.push_back((*list)[i]);
      ++i;
    }
  }
  if (!changed) return false;
  if (joined.size() == 1) {
    Value* source = joined.front().value();
    if (source->type() != node->result()->type()) return false;
    replace(node, {source}, /*take_names=*/false);
    return true;
  }
  Builder builder = builder_before(module, node);
  PTE_TRY(Value * made, builder.call(Op::aten_cat, {Arg(std::move(joined)), node->arg(1)}));
  if (made->type() != node->result()->type()) {
    node->graph().erase(made->producer());
    return false;
  }
  replace(node, {made});
  return true;
}

}  // namespace

Result<int64_t> join_slices(ir::Module& module) {
  return for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (!node->is(Op::aten_cat)) continue;
      PTE_TRY(const bool changed, join(module, node));
      changes += changed ? 1 : 0;
    }
    return changes;
  });
}

}  // namespace pte::engine
