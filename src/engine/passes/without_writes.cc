#include "engine/passes/fusions.h"
#include "passes/rewrite.h"

namespace pte::engine {

using namespace passes;  // NOLINT: the vocabulary of rewrites

namespace {

bool is_alias(const Node* node) { return node != nullptr && node->is(Op::executorch_prim_et_view); }

// Another value in the same memory would see the write.
bool has_aliases(const Value* value) {
  if (is_alias(value->producer())) return true;
  for (const Node* user : value->users()) {
    if (is_alias(user)) return true;
  }
  return false;
}

}  // namespace

Result<int64_t> without_writes(Module& module) {
  return for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (!node->is(Op::aten_index_put_) && !node->is(Op::aten_copy_)) continue;
      Value* self = node->input(0);
      if (has_aliases(self)) {
        return unsupported("{} writes memory that has two names", node->op().full_name());
      }
      // The type of what is written stays.
      const ir::Type type = node->result()->type();
      const std::string name = node->result()->name();
      std::vector<Arg> args = node->args();
      const Op op = node->is(Op::aten_copy_) ? Op::aten_copy : Op::aten_index_put;
      Value* made = nullptr;
      const Value* source = node->input(1);
      if (op == Op::aten_copy && source != nullptr && source->type() == type) {
        made = node->input(1);
      } else {
        Node* call = graph.add_node(info(op), std::move(args), {type}, {name}, node);
        call->set_location(node->location());
        made = call->result();
      }
      replace(node, {made}, false);
      ++changes;
    }
    return changes;
  });
}

}  // namespace pte::engine
