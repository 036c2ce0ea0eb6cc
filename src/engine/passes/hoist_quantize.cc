#include <unordered_map>

#include "engine/passes/fusions.h"
#include "passes/rewrite.h"

namespace pte::engine {

using namespace passes;  // NOLINT: the vocabulary of rewrites

namespace {

// Gives out elements of its operands, each unchanged.
bool moves_elements(const Node& node) {
  switch (node.op().op) {
    case Op::aten_cat:
    case Op::aten_view_copy:
    case Op::aten_unsqueeze_copy:
    case Op::aten_squeeze_copy_dims:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_permute_copy:
    case Op::aten_transpose_copy_int:
    case Op::aten_t_copy:
    case Op::aten_expand_copy:
    case Op::aten_slice_copy_Tensor:
    case Op::aten_select_copy_int:
    case Op::aten_split_with_sizes_copy:
    case Op::aten_split_copy_Tensor:
    case Op::aten_upsample_nearest2d_vec:
    // The largest value of a window is the one that is the largest integer.
    case Op::aten_max_pool2d:
      return true;
    default:
      return false;
  }
}

bool is_float(const Value* value) {
  return value->is_tensor() && value->tensor().dtype == DType::kFloat32;
}

// Whether all that a value holds comes from dequantized tensors, one element from one element: to
// quantize it earlier loses no kernel, and there is no NaN.
class Origins {
 public:
  bool from_bytes(const Value* value, int depth = 0) {
    const auto known = known_.find(value);
    if (known != known_.end()) return known->second;
    const bool found = look(value, depth);
    known_[value] = found;
    return found;
  }

 private:
  bool look(const Value* value, int depth) {
    constexpr int kMostDepth = 100;
    const Node* node = value->producer();
    if (node == nullptr || depth > kMostDepth || !is_float(value)) return false;
    if (node->is(Op::qd_dequantize_per_tensor)) return true;
    if (!moves_elements(*node) && !node->op().has(kTagElementwise)) return false;
    bool any = false;
    for (const Value* input : node->inputs()) {
      if (input->is_constant()) continue;
      if (!from_bytes(input, depth + 1)) return false;
      any = true;
    }
    return any;
  }

  std::unordered_map<const Value*, bool> known_;  // of floats, which stay where they are
};

Result<bool> hoist(Module& module, Node* quantize, Origins& origins) {
  const Value* value = quantize->input(0);
  Node* mover = value->producer();
  if (mover == nullptr || !moves_elements(*mover) || !origins.from_bytes(value)) return false;
  const std::vector<Value*> operands = mover->inputs();
  for (const Value* operand : operands) {
    if (!is_float(operand) || operand->is_constant()) return false;
  }
  std::vector<Node*> made;
  Builder builder = builder_before(module, mover);
  const auto give_up = [&] {
    while (!made.empty()) {
      mover->graph().erase(made.back());
      made.pop_back();
    }
    return false;
  };
  const auto quantized = [&](Value* operand) -> Value* {
    std::vector<Arg> args = quantize->args();
    args[0] = Arg(operand);
    auto node = builder.node(quantize->op(), std::move(args));
    if (!node) return nullptr;
    made.push_back(*node);
    return (*node)->result();
  };
  std::vector<Arg> args = mover->args();
  for (Arg& arg : args) {
    if (Value* operand = arg.value()) {
      Value* bytes = quantized(operand);
      if (bytes == nullptr) return give_up();
      arg = Arg(bytes);
    } else if (const ArgList* list = arg.list()) {
      ArgList items;
      for (const Arg& item : *list) {
        Value* bytes = item.value() == nullptr ? nullptr : quantized(item.value());
        if (item.value() != nullptr && bytes == nullptr) return give_up();
        items.push_back(bytes == nullptr ? item : Arg(bytes));
      }
      arg = Arg(std::move(items));
    }
  }
  auto moved = builder.node(mover->op(), std::move(args));
  if (!moved) return give_up();
  made.push_back(*moved);
  Value* result = (*moved)->result(value->index());
  if (result->type() != quantize->result()->type()) return give_up();
  replace(quantize, {result});
  return true;
}

}  // namespace

Result<int64_t> hoist_quantize(ir::Module& module) {
  return for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
    int64_t changes = 0;
    Origins origins;
    // A quantizing call passes one mover at a time.
    for (Node* node = graph.back(); node != nullptr;) {
      Node* before = node->prev();
      if (!node->is(Op::qd_quantize_per_tensor)) {
        node = before;
        continue;
      }
      PTE_TRY(const bool changed, hoist(module, node, origins));
      changes += changed ? 1 : 0;
      // The calls that it became lie before the mover, and those may pass on.
      node = before;
    }
    return changes;
  });
}

}  // namespace pte::engine
