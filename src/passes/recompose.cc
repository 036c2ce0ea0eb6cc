#include "passes/clamp_bounds.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

class Recomposer {
 public:
  Recomposer(Module& module, Graph& graph, const std::set<std::string, std::less<>>& written)
      : module_(module), written_(written), outputs_(output_values(graph)) {}

  Result<bool> visit(Node* node) {
    switch (node->op().op) {
      case Op::aten_addmm:
        return addmm(node);
      case Op::aten_mm:
        return mm(node);
      case Op::aten_div_Scalar:
      case Op::aten_div_Tensor:
        return hard_activation(node);
      case Op::aten_max_pool2d_with_indices:
        return max_pool(node);
      default:
        return false;
    }
  }

 private:
  // The node's result has one reader, which is no output.
  bool only_used_here(const Node* node) const {
    return node != nullptr && node->results().size() == 1 && node->result()->users().size() == 1 &&
           !outputs_.contains(node->result());
  }

  // The number that an argument is: a literal, or a constant with one element.
  std::optional<double> number(const Arg& arg) const {
    if (const auto literal = arg.number()) return literal;
    const Value* value = arg.value();
    if (value == nullptr || !value->is_constant() || written_.contains(*value->constant())) {
      return std::nullopt;
    }
    const Tensor* data = module_.data_of(value);
    // With more dimensions than its partner it would add some to the result, which then is of
    // another type than the call that takes its place, and stays.
    if (data == nullptr || data->numel() != 1) return std::nullopt;
    std::optional<double> number;
    dispatch(data->dtype(),
             [&]<typename T>(T) { number = static_cast<double>(*data->template data_as<T>()); });
    return number;
  }

  // The constant matrix that `value` is the transpose of, or null.
  static Value* transposed_weight(const Value* value) {
    const Node* node = value->producer();
    if (node == nullptr || value->tensor().rank() != 2) return nullptr;
    const auto swaps = [&] {
      if (node->is(Op::aten_t) || node->is(Op::aten_t_copy)) return true;
      if (node->is(Op::aten_transpose_int) || node->is(Op::aten_transpose_copy_int)) {
        const auto a = wrap_dim(node->arg(1).integer().value_or(INT64_MAX), 2);
        const auto b = wrap_dim(node->arg(2).integer().value_or(INT64_MAX), 2);
        return a.has_value() && b.has_value() && *a != *b;
      }
      if (!node->is(Op::aten_permute) && !node->is(Op::aten_permute_copy)) return false;
      const auto dims = node->arg(1).integers();
      return dims.has_value() && dims->size() == 2 && wrap_dim((*dims)[0], 2) == size_t{1};
    };
    return swaps() && node->input(0)->is_constant() ? node->input(0) : nullptr;
  }

  Result<bool> addmm(Node* node) {
    Value* weight = transposed_weight(node->input(2));
    if (weight == nullptr || node->arg(3).number() != 1.0 || node->arg(4).number() != 1.0 ||
        node->input(0)->tensor().sizes != SymSizes{weight->tensor().sizes[0]}) {
      return false;
    }
    return replace_by_call(module_, node, Op::aten_linear, {node->arg(1), weight, node->arg(0)});
  }

  Result<bool> mm(Node* node) {
    Value* weight = transposed_weight(node->input(1));
    if (weight == nullptr) return false;
    return replace_by_call(module_, node, Op::aten_linear, {node->arg(0), weight});
  }

  // The operand x when the value is clamp(x + 3, 0, 6) and only read here.
  Value* hard_gate(const Value* value) const {
    const Node* clamp = value->producer();
    if (!only_used_here(clamp) || clamp_bounds(*clamp) != Bounds{0, 6}) return nullptr;
    const Node* sum = clamp->input(0)->producer();
    if (!only_used_here(sum)) return nullptr;
    if (!sum->is(Op::aten_add_Scalar) && !sum->is(Op::aten_add_Tensor)) return nullptr;
    if (number(sum->arg(1)) != 3.0 || sum->arg(2).number() != 1.0) return nullptr;
    return sum->input(0);
  }

  // clamp(x + 3, 0, 6) / 6 and x * clamp(x + 3, 0, 6) / 6
  Result<bool> hard_activation(Node* node) {
    if (number(node->arg(1)) != 6.0) return false;
    const Value* dividend = node->input(0);
    if (Value* x = hard_gate(dividend))
      return replace_by_call(module_, node, Op::aten_hardsigmoid, {x});
    const Node* product = dividend->producer();
    if (!only_used_here(product) || !product->is(Op::aten_mul_Tensor)) return false;
    for (const size_t side : {size_t{0}, size_t{1}}) {
      Value* x = product->input(side);
      if (hard_gate(product->input(1 - side)) == x)
        return replace_by_call(module_, node, Op::aten_hardswish, {x});
    }
    return false;
  }

  Result<bool> max_pool(Node* node) {
    const Value* indices = node->result(1);
    if (!indices->users().empty() || outputs_.contains(indices)) return false;
    return replace_by_call(module_, node, Op::aten_max_pool2d, node->args());
  }

  Module& module_;
  const std::set<std::string, std::less<>>& written_;
  std::unordered_set<const Value*> outputs_;
};

}  // namespace

Result<int64_t> recompose(ir::Module& module) {
  const auto written = written_constants(module);
  PTE_TRY(const int64_t changes, for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
            Recomposer recomposer(module, graph, written);
            int64_t count = 0;
            for (Node* node : graph.nodes()) {
              PTE_TRY(const bool changed, recomposer.visit(node));
              count += changed ? 1 : 0;
            }
            return count;
          }));
  if (changes > 0) PTE_CHECK(dead_code(module));
  return changes;
}

}  // namespace pte::passes
