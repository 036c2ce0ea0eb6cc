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
      // What is known of a number (its symbol) comes from the importer, not from inference.
      if (node->result(i)->is_tensor()) node->result(i)->set_type(std::move((*types)[i]));
    }
  }
  return {};
}

}  // namespace pte::passes
