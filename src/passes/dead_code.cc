#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

// Delegates may keep state of their own, so they stay; subgraphs are looked into.
bool must_stay(const Node& node) {
  if (node.op().has(kTagEffect) || node.op().has(kTagInPlace)) return true;
  if (node.is(Op::pte_call_delegate)) return true;
  if (!node.op().has(kTagHigherOrder)) return false;
  for (const Arg& arg : node.args()) {
    const auto* inner = arg.graph();
    if (inner == nullptr || *inner == nullptr) continue;
    for (const Node* child = (*inner)->front(); child != nullptr; child = child->next()) {
      if (must_stay(*child)) return true;
    }
  }
  return false;
}

}  // namespace

Result<int64_t> dead_code(ir::Module& module) {
  PTE_TRY(const int64_t changes, for_each_graph(module, [](Graph& graph) -> Result<int64_t> {
            const auto outputs = output_values(graph);
            int64_t count = 0;
            Node* node = graph.back();
            while (node != nullptr) {
              Node* before = node->prev();
              bool read = false;
              for (const Value* result : node->results()) {
                read |= !result->users().empty() || outputs.contains(result);
              }
              if (!read && !must_stay(*node)) {
                graph.erase(node);
                ++count;
              }
              node = before;
            }
            return count;
          }));
  const size_t constants = module.constants.size();
  module.drop_unused_constants();
  return changes + static_cast<int64_t>(constants - module.constants.size());
}

}  // namespace pte::passes
