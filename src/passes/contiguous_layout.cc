#include <algorithm>

#include "passes/passes.h"
#include "passes/retype.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

bool is_other_layout(const Value* value) {
  return value->is_tensor() && !value->tensor().is_contiguous();
}

Arg order_arg(const DimOrder& order) {
  return Arg::ints(std::vector<int64_t>(order.begin(), order.end()));
}

bool mentions_layout(const Graph& graph) {
  if (std::any_of(graph.inputs().begin(), graph.inputs().end(), is_other_layout)) return true;
  for (const Value* constant : graph.constants()) {
    if (is_other_layout(constant)) return true;
  }
  for (const Node* node = graph.front(); node != nullptr; node = node->next()) {
    if (std::any_of(node->results().begin(), node->results().end(), is_other_layout)) return true;
  }
  return false;
}

// Arguments that ask for a layout ask for the contiguous one.
int64_t ask_for_contiguous(Node* node) {
  int64_t changes = 0;
  for (size_t i = 0; i < node->args().size(); ++i) {
    const Arg& arg = node->arg(i);
    if (const auto* format = std::get_if<ir::MemoryFormat>(&arg.v)) {
      if (*format == ir::MemoryFormat::kContiguous || *format == ir::MemoryFormat::kPreserve) {
        continue;
      }
      node->set_arg(i, Arg(ir::MemoryFormat::kContiguous));
      ++changes;
    } else if (node->op().args[i].name == "dim_order" && arg.list() != nullptr) {
      const Arg wanted = order_arg(contiguous_dim_order(arg.list()->size()));
      if (ir::same_arg(arg, wanted)) continue;
      node->set_arg(i, wanted);
      ++changes;
    }
  }
  return changes;
}

bool is_layout_copy(const Node& node) {
  return node.is(Op::dim_order_to_dim_order_copy) || node.is(Op::dim_order_clone_dim_order) ||
         node.is(Op::aten__to_copy) || node.is(Op::aten_clone) || node.is(Op::aten_contiguous) ||
         node.is(Op::aten_to_dtype) || node.is(Op::aten_to_dtype_layout);
}

Result<Value*> copy_in_order(Module& module, Graph& graph, Node* before, Value* value,
                             const DimOrder& order) {
  Builder builder(module, graph, before);
  return builder.call(Op::dim_order_to_dim_order_copy,
                      {value, Arg(), Arg(), Arg(), Arg(), Arg(false), order_arg(order)},
                      value->name() + "_dim_order");
}

// A delegate was made for the operands that it has, in their layouts.
void give_back_to_delegates(Value* copy, Value* input) {
  const std::vector<Node*> users = copy->users();
  for (Node* user : users) {
    if (!user->is(Op::pte_call_delegate)) continue;
    const ArgList* list = user->arg(1).list();
    if (list == nullptr) continue;
    ArgList operands = *list;
    for (Arg& operand : operands) {
      if (operand.value() == copy) operand = Arg(input);
    }
    user->set_arg(1, Arg(std::move(operands)));
  }
}

// Inputs: the caller's layout stays at the border of a method; a subgraph's callers are ours.
Result<int64_t> convert_inputs(Module& module, Graph& graph, bool is_method) {
  int64_t changes = 0;
  Node* const front = graph.front();
  for (Value* input : graph.inputs()) {
    if (!is_other_layout(input)) continue;
    ++changes;
    TensorType type = input->tensor();
    if (!is_method) {
      type.dim_order = contiguous_dim_order(type.rank());
      input->set_type(std::move(type));
      continue;
    }
    if (input->users().empty()) continue;
    // replace_uses() takes outputs along; what the graph returns untouched stays untouched.
    std::vector<size_t> returned;
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      if (graph.outputs()[i].value == input) returned.push_back(i);
    }
    PTE_TRY(Value * copy,
            copy_in_order(module, graph, front, input, contiguous_dim_order(type.rank())));
    graph.replace_uses(input, copy);
    copy->producer()->set_arg(0, input);
    for (const size_t i : returned) graph.outputs()[i].value = input;
    give_back_to_delegates(copy, input);
    if (!graph.has_uses(copy)) {
      graph.erase(copy->producer());
      --changes;
    }
  }
  return changes;
}

Result<int64_t> convert(Module& module, Graph& graph, bool is_method) {
  if (!mentions_layout(graph)) return 0;
  std::vector<DimOrder> wanted;  // of the outputs; empty = as it comes
  for (const ir::Output& output : graph.outputs()) {
    const bool other = is_method && output.value != nullptr && is_other_layout(output.value) &&
                       !output.value->is_input();
    wanted.push_back(other ? output.value->tensor().dim_order : DimOrder{});
  }
  PTE_TRY(int64_t changes, convert_inputs(module, graph, is_method));
  for (Value* constant : graph.constants()) {
    if (!is_other_layout(constant)) continue;
    TensorType type = constant->tensor();
    type.dim_order = contiguous_dim_order(type.rank());
    constant->set_type(std::move(type));
    ++changes;
  }
  for (Node* node : graph.nodes()) {
    // The copies just made at the border are contiguous already.
    changes += ask_for_contiguous(node);
  }
  PTE_CHECK(retype_graph(module, graph));
  for (size_t i = 0; i < wanted.size(); ++i) {
    ir::Output& output = graph.outputs()[i];
    if (wanted[i].empty() || output.value->tensor().dim_order == wanted[i]) continue;
    PTE_TRY(Value * copy, copy_in_order(module, graph, nullptr, output.value, wanted[i]));
    graph.outputs()[i].value = copy;
    ++changes;
  }
  for (Node* node : graph.nodes()) {
    if (!is_layout_copy(*node)) continue;
    Value* operand = node->input(0);
    if (operand->type() != node->result()->type()) continue;
    if (operand->producer() == nullptr && graph.is_output(node->result())) continue;
    replace(node, {operand}, /*take_names=*/false);
    ++changes;
  }
  return changes;
}

}  // namespace

Result<int64_t> contiguous_layout(ir::Module& module) {
  std::set<const Graph*> methods;
  for (const auto& [name, method] : module.methods) methods.insert(method.graph.get());
  return for_each_graph(
      module, [&](Graph& graph) { return convert(module, graph, methods.contains(&graph)); });
}

}  // namespace pte::passes
