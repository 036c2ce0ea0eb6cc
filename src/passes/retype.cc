#include "passes/retype.h"

#include "ir/infer.h"

namespace pte::passes {

Status retype_graph(Module& module, Graph& graph) {
  for (Node* node = graph.front(); node != nullptr; node = node->next()) {
    if (!ir::has_inference(node->op().op)) continue;
    auto types = ir::infer_types(node->op(), node->args(), &module.symbols);
    if (!types.has_value()) return std::move(types.error()).at(place(node));
    if (types->size() != node->results().size()) {
      return internal_error("{}: {} results inferred for {}", place(node), types->size(),
                            node->results().size());
    }
    for (size_t i = 0; i < types->size(); ++i) {
      // What is known of a number (its symbol), or of a size that depends on what a tensor holds,
      // comes from the importer, not from inference.
      Value* result = node->result(i);
      if (result->is_tensor())
        result->set_type(ir::with_known_sizes(std::move((*types)[i]), result->type()));
    }
  }
  return {};
}

}  // namespace pte::passes
