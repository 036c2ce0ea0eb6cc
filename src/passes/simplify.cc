#include <cmath>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

bool is_number(const Arg& arg, double wanted) {
  const auto number = arg.number();
  return number.has_value() && *number == wanted && std::signbit(*number) == std::signbit(wanted);
}

// The operand whose elements the node gives back, or null. x + 0.0 is not among them: it turns
// -0.0 into 0.0.
Value* operand_of(const Node& node) {
  switch (node.op().op) {
    case Op::aten_mul_Scalar:
    case Op::aten_div_Scalar:
    case Op::aten_pow_Tensor_Scalar:
      return is_number(node.arg(1), 1) ? node.input(0) : nullptr;
    case Op::aten_sub_Scalar:
      return is_number(node.arg(1), 0) && is_number(node.arg(2), 1) ? node.input(0) : nullptr;
    case Op::aten_add_Scalar:
      return is_number(node.arg(1), 0) && is_integer(node.input(0)->tensor().dtype) ? node.input(0)
                                                                                    : nullptr;
    case Op::aten_neg: {
      const Node* inner = node.input(0)->producer();
      return inner != nullptr && inner->is(Op::aten_neg) ? inner->input(0) : nullptr;
    }
    case Op::aten_logical_not: {
      const Node* inner = node.input(0)->producer();
      return inner != nullptr && inner->is(Op::aten_logical_not) ? inner->input(0) : nullptr;
    }
    default:
      return nullptr;
  }
}

// Reads a literal in place of `from` in every argument of the node.
Arg with_literal(const Arg& arg, const Value* from, int64_t literal) {
  if (arg.value() == from) return Arg(literal);
  if (const ArgList* items = arg.list()) {
    ArgList copy;
    copy.reserve(items->size());
    for (const Arg& item : *items) copy.push_back(with_literal(item, from, literal));
    return copy;
  }
  return arg;
}

bool reads(const Arg& arg, const Value* value) {
  if (arg.value() == value) return true;
  if (const ArgList* items = arg.list()) {
    for (const Arg& item : *items) {
      if (reads(item, value)) return true;
    }
  }
  return false;
}

// A size that turned out to be a number is written as one.
int64_t write_known_size(Graph& graph, Value* value, int64_t size) {
  int64_t changes = 0;
  const std::vector<Node*> users = value->users();
  for (Node* user : users) {
    for (size_t i = 0; i < user->args().size(); ++i) {
      if (!reads(user->arg(i), value)) continue;
      user->set_arg(i, with_literal(user->arg(i), value, size));
      ++changes;
    }
  }
  for (ir::Output& output : graph.outputs()) {
    if (output.value != value) continue;
    output.value = nullptr;
    output.literal = Arg(size);
    ++changes;
  }
  return changes;
}

}  // namespace

Result<int64_t> simplify(ir::Module& module) {
  return for_each_graph(module, [](Graph& graph) -> Result<int64_t> {
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (node->op().has(kTagSymbolic) && node->results().size() == 1) {
        const auto* type = std::get_if<ir::SymIntType>(&node->result()->type());
        if (type != nullptr && type->value.is_constant()) {
          changes += write_known_size(graph, node->result(), *type->value.constant());
        }
        continue;
      }
      Value* operand = operand_of(*node);
      if (operand == nullptr || operand->type() != node->result()->type()) continue;
      if (operand->producer() == nullptr && graph.is_output(node->result())) continue;
      replace(node, {operand}, /*take_names=*/false);
      ++changes;
    }
    return changes;
  });
}

}  // namespace pte::passes
