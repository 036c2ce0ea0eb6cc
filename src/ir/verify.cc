#include "ir/verify.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/builder.h"
#include "ir/infer.h"
#include "ir/text.h"

namespace pte::ir {
namespace {

class Verifier {
 public:
  Verifier(const Module& module, const Graph& graph) : module_(module), graph_(graph) {}

  Status run() {
    for (const Value* input : graph_.inputs()) {
      PTE_CHECK(check_type(*input));
      defined_.insert(input);
    }
    for (const Value* constant : graph_.constants()) {
      PTE_CHECK(check_constant(*constant));
      defined_.insert(constant);
    }
    std::unordered_map<const Value*, size_t> uses;
    for (const Node* node : graph_.nodes()) {
      PTE_CHECK(check_node(*node, uses).at(place(*node)));
    }
    for (const Output& output : graph_.outputs()) PTE_CHECK(check_output(output));
    return check_uses(uses);
  }

 private:
  std::string place(const Node& node) const {
    std::string text =
        fmt::format("graph '{}', node '{}'", graph_.name(),
                    node.results().empty() ? node.op().full_name() : node.result()->name());
    if (!node.location().empty()) text += fmt::format(" ({})", node.location());
    return text;
  }

  Status check_type(const Value& value) const {
    const auto* tensor = std::get_if<TensorType>(&value.type());
    if (tensor == nullptr) return {};
    if (tensor->rank() > kMaxRank) {
      return invalid_data("graph '{}': '{}' has {} dimensions, at most {} are supported",
                          graph_.name(), value.name(), tensor->rank(), kMaxRank);
    }
    if (tensor->dim_order.size() != tensor->rank() || !is_permutation(tensor->dim_order)) {
      return invalid_data("graph '{}': '{}' has a dim order that does not fit its {} dimensions",
                          graph_.name(), value.name(), tensor->rank());
    }
    for (const SymInt& size : tensor->sizes) {
      if (size.is_constant() && *size.constant() < 0) {
        return invalid_data("graph '{}': '{}' has a negative size", graph_.name(), value.name());
      }
    }
    return {};
  }

  Status check_constant(const Value& value) const {
    PTE_CHECK(check_type(value));
    const auto it = module_.constants.find(*value.constant());
    if (it == module_.constants.end()) {
      return invalid_data("graph '{}': the module has no constant '{}'", graph_.name(),
                          *value.constant());
    }
    const Tensor& data = it->second.data;
    const auto sizes = value.tensor().static_sizes();
    if (value.tensor().dtype != data.dtype() || !sizes || *sizes != data.sizes()) {
      return invalid_data("graph '{}': constant '{}' is {}, its value says {}", graph_.name(),
                          *value.constant(), data.describe(), to_string(value.type()));
    }
    return {};
  }

  Status check_node(const Node& node, std::unordered_map<const Value*, size_t>& uses) {
    for (const Value* input : node.inputs()) {
      if (&input->graph() != &graph_)
        return invalid_data("it reads '{}' of another graph", input->name());
      if (!defined_.contains(input))
        return invalid_data("it reads '{}' before its definition", input->name());
      ++uses[input];
    }
    std::vector<Arg> args = node.args();
    if (args.size() != node.op().args.size()) {
      return invalid_data("{} arguments, {} takes {}", args.size(), node.op().full_name(),
                          node.op().args.size());
    }
    PTE_CHECK(complete_args(node.op(), args));
    for (const Arg& arg : node.args()) {
      if (const auto* inner = arg.graph()) PTE_CHECK(Verifier(module_, **inner).run());
    }
    if (node.is(Op::pte_call_delegate)) {
      const auto index = node.arg(0).integer();
      if (!index || *index < 0 || static_cast<size_t>(*index) >= module_.delegates.size()) {
        return invalid_data("there is no such delegate");
      }
    }
    if (has_inference(node.op().op)) {
      PTE_TRY(const std::vector<Type> types, infer_types(node.op(), node.args(), &module_.symbols));
      if (types.size() != node.results().size()) {
        return invalid_data("{} results, inference gives {}", node.results().size(), types.size());
      }
      for (size_t i = 0; i < types.size(); ++i) {
        if (!fits_inferred(types[i], node.result(i)->type())) {
          return invalid_data("result '{}' is {}, inference gives {}", node.result(i)->name(),
                              to_string(node.result(i)->type()), to_string(types[i]));
        }
      }
    }
    for (const Value* result : node.results()) {
      PTE_CHECK(check_type(*result));
      defined_.insert(result);
    }
    return {};
  }

  Status check_output(const Output& output) const {
    if (output.value != nullptr && !defined_.contains(output.value)) {
      return invalid_data("graph '{}' returns '{}', which is not defined in it", graph_.name(),
                          output.value->name());
    }
    if (output.kind == OutputKind::kUser) return {};
    const TensorType* target = nullptr;
    if (output.kind == OutputKind::kBufferMutation) {
      for (const Value* constant : graph_.constants()) {
        if (*constant->constant() == output.target) target = &constant->tensor();
      }
      if (target == nullptr && module_.constants.contains(output.target)) return {};
    } else {
      for (const Value* input : graph_.inputs()) {
        if (input->name() == output.target && input->is_tensor()) target = &input->tensor();
      }
    }
    if (target == nullptr) {
      return invalid_data("graph '{}' writes '{}', which it does not have", graph_.name(),
                          output.target);
    }
    if (output.value == nullptr || !output.value->is_tensor() ||
        output.value->tensor().dtype != target->dtype ||
        !(output.value->tensor().sizes == target->sizes)) {
      return invalid_data("graph '{}' writes '{}' with a value of another type", graph_.name(),
                          output.target);
    }
    return {};
  }

  Status check_uses(const std::unordered_map<const Value*, size_t>& uses) const {
    for (const Value* value : defined_) {
      const auto it = uses.find(value);
      if ((it == uses.end() ? 0 : it->second) != value->users().size()) {
        return internal_error("graph '{}': the use list of '{}' is wrong", graph_.name(),
                              value->name());
      }
    }
    return {};
  }

  const Module& module_;
  const Graph& graph_;
  std::unordered_set<const Value*> defined_;
};

}  // namespace

Status verify(const Module& module, const Graph& graph) { return Verifier(module, graph).run(); }

Status verify(const Module& module) {
  for (const auto& [name, method] : module.methods) PTE_CHECK(verify(module, *method.graph));
  return {};
}

}  // namespace pte::ir
