#include "lowering/emit.h"

#include <map>

#include "lowering/method_emitter.h"
#include "lowering/pytree.h"

namespace pte::lowering {
namespace {

using Missing = std::map<std::string, std::pair<int, std::string>>;

void find_missing(const Graph& graph, const EmitOptions& options, Missing& missing) {
  for (const Node* node : graph.nodes()) {
    for (const Arg& arg : node->args()) {
      if (arg.graph() != nullptr) find_missing(**arg.graph(), options, missing);
    }
    if (may_call(node->op(), options) || node->is(Op::pte_call_delegate) ||
        is_control_flow(*node) || is_reinterpretation(*node, options)) {
      continue;
    }
    auto& [count, where] = missing[node->op().full_name()];
    ++count;
    if (where.empty()) where = node->location();
  }
}

// Every operator without a form in a program, in one message.
Status check_emittable(const Module& module, const EmitOptions& options) {
  Missing missing;
  for (const auto& [name, method] : module.methods) find_missing(*method.graph, options, missing);
  if (missing.empty()) return {};
  std::string text = fmt::format("{} operator{} cannot be put into a program", missing.size(),
                                 missing.size() == 1 ? "" : "s");
  for (const auto& [op, found] : missing) {
    text += fmt::format("\n  {}  {}×{}{}", op, found.first, found.second.empty() ? "" : "  ",
                        found.second);
  }
  return unsupported("{}", text);
}

}  // namespace

Result<program::Program> emit(const Module& module, const EmitOptions& options) {
  PTE_CHECK(check_emittable(module, options));
  program::Program out;
  ConstantTable constants(module, out);
  for (const auto& [name, method] : module.methods) {
    MethodEmitter emitter(module, *method.graph, options, constants);
    PTE_TRY(program::Method emitted, emitter.run());
    emitted.name = name;
    emitted.input_tree =
        method.input_tree.empty() ? input_tree(emitted.inputs.size()) : method.input_tree;
    emitted.output_tree =
        method.output_tree.empty() ? output_tree(emitted.outputs.size()) : method.output_tree;
    out.methods.push_back(std::move(emitted));
  }
  std::map<std::string, bool, std::less<>> keys;
  for (const ir::DelegatePayload& payload : module.delegates) {
    for (const auto& [key, tensor] : payload.named_data) {
      if (keys.try_emplace(key, true).second)
        out.named_data.push_back({key, program::Blob::of(tensor)});
    }
  }
  return out;
}

}  // namespace pte::lowering
