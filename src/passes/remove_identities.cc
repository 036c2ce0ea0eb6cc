#include <algorithm>
#include <numeric>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

bool is_identity_permutation(const Arg& arg, size_t rank) {
  const auto dims = arg.integers();
  if (!dims.has_value() || dims->size() != rank) return false;
  for (size_t i = 0; i < rank; ++i) {
    if (wrap_dim((*dims)[i], rank) != i) return false;
  }
  return true;
}

bool all_zero(const Arg& arg) {
  const auto values = arg.integers();
  return values.has_value() &&
         std::all_of(values->begin(), values->end(), [](int64_t value) { return value == 0; });
}

// True when the node gives back its first operand, whose type is that of the result. Sizes that
// are equal say all for views that keep the order of elements.
bool keeps_operand(const Node& node) {
  switch (node.op().op) {
    case Op::aten_detach:
    case Op::aten_alias:
    case Op::aten_lift_fresh_copy:
    case Op::aten_clone:
    case Op::aten_contiguous:
    case Op::aten_to_dtype:
    case Op::aten_to_dtype_layout:
    case Op::aten__to_copy:
    case Op::dim_order_to_dim_order_copy:
    case Op::dim_order_clone_dim_order:
    case Op::aten_view:
    case Op::aten__unsafe_view:
    case Op::aten_reshape:
    case Op::aten_view_copy:
    case Op::aten_flatten_using_ints:
    case Op::aten_unflatten_int:
    case Op::aten_squeeze:
    case Op::aten_squeeze_dim:
    case Op::aten_squeeze_dims:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
    case Op::executorch_prim_et_view:
    case Op::aten_expand:
    case Op::aten_expand_copy:
    case Op::aten_adaptive_avg_pool1d:
    case Op::aten_adaptive_avg_pool2d:
    case Op::aten__adaptive_avg_pool2d:
      return true;
    case Op::aten_permute:
    case Op::aten_permute_copy:
      return is_identity_permutation(node.arg(1), node.input(0)->tensor().rank());
    case Op::aten_transpose_int:
    case Op::aten_transpose_copy_int: {
      const size_t rank = node.input(0)->tensor().rank();
      const auto a = node.arg(1).integer();
      const auto b = node.arg(2).integer();
      return a.has_value() && b.has_value() && wrap_dim(*a, rank) == wrap_dim(*b, rank);
    }
    case Op::aten_t:
    case Op::aten_t_copy:
      return node.input(0)->tensor().rank() < 2;
    case Op::aten_slice_Tensor:
    case Op::aten_slice_copy_Tensor:
      return node.arg(4).integer() == 1;  // as many elements as there are: all of them
    case Op::aten_split_Tensor:
    case Op::aten_split_with_sizes:
    case Op::aten_split_with_sizes_copy:
    case Op::aten_chunk:
      return node.results().size() == 1;
    case Op::aten_constant_pad_nd:
    case Op::aten_pad:
      return all_zero(node.arg(1));
    default:
      return false;
  }
}

bool is_dropout(Op op) {
  return op == Op::aten_dropout || op == Op::aten_feature_dropout || op == Op::aten_alpha_dropout ||
         op == Op::aten_dropout_;
}

// What the node stands for, or null. Dropout that still drops is an error.
Result<Value*> operand_of(const Node& node) {
  if (is_dropout(node.op().op)) {
    const bool training = node.arg(2).boolean().value_or(true);
    if (training && node.arg(1).number() != 0.0) {
      return unsupported("{}: {} is in training mode; export the model in eval mode", place(&node),
                         node.op().target());
    }
    return node.input(0);
  }
  if (node.is(Op::aten_cat)) {
    const ArgList* list = node.arg(0).list();
    return list != nullptr && list->size() == 1 ? list->front().value() : nullptr;
  }
  return keeps_operand(node) ? node.input(0) : nullptr;
}

bool is_assertion(Op op) {
  return op == Op::aten__assert_scalar || op == Op::aten__assert_tensor_metadata ||
         op == Op::aten_sym_constrain_range_for_size;
}

}  // namespace

Result<int64_t> remove_identities(ir::Module& module) {
  return for_each_graph(module, [](Graph& graph) -> Result<int64_t> {
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (is_assertion(node->op().op)) {
        graph.erase(node);
        ++changes;
        continue;
      }
      PTE_TRY(Value * operand, operand_of(*node));
      if (operand == nullptr || operand->type() != node->result()->type()) continue;
      // What a caller gave is not handed back as it is where the model made a copy; decompose()
      // makes it one.
      if (operand->producer() == nullptr && graph.is_output(node->result())) continue;
      replace(node, {operand}, /*take_names=*/false);
      ++changes;
    }
    return changes;
  });
}

}  // namespace pte::passes
