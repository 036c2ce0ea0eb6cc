#include "engine/passes/fusions.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::engine {

using namespace passes;  // NOLINT: the vocabulary of rewrites
using ir::to_static;

namespace {

// Other sizes for the same elements in the same sequence.
bool is_reshape(const Node* node) {
  if (node == nullptr) return false;
  switch (node->op().op) {
    case Op::aten_view:
    case Op::aten_view_copy:
    case Op::aten_reshape:
    case Op::aten_unsqueeze:
    case Op::aten_unsqueeze_copy:
    case Op::executorch_prim_et_view:
      return true;
    default:
      return false;
  }
}

struct Product {
  Value* input = nullptr;
  Value* weight = nullptr;
  bool transposed = false;  // the weight is [n, k]
  Arg bias;
};

std::optional<Product> product_of(const Node* node) {
  switch (node->op().op) {
    case Op::aten_linear:
      return Product{node->input(0), node->input(1), true, node->arg(2)};
    case Op::aten_mm:
      return Product{node->input(0), node->input(1), false, {}};
    case Op::aten_addmm:
      if (node->arg(3).number() != 1.0 || node->arg(4).number() != 1.0) return std::nullopt;
      return Product{node->input(1), node->input(2), false, node->arg(0)};
    default:
      return std::nullopt;
  }
}

SymSizes rows_of(const Value* value) {
  SymSizes sizes = value->tensor().sizes;
  if (!sizes.empty()) sizes.pop_back();
  return sizes;
}

// Weights are constants, or views of some that no pass has copied.
bool comes_from_constant(const Value* value) {
  constexpr int kMostViews = 8;
  for (int i = 0; i < kMostViews && !value->is_constant(); ++i) {
    const Node* node = value->producer();
    if (node == nullptr || !node->op().has(kTagView) || node->input(0) == nullptr) return false;
    value = node->input(0);
  }
  return value->is_constant();
}

}  // namespace

Result<int64_t> linear_rows(Module& module) {
  PTE_TRY(const int64_t changes, for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
            int64_t count = 0;
            const auto outputs = output_values(graph);
            std::unordered_set<const Node*> gone;  // replaced, ahead of where we are
            for (Node* node : graph.nodes()) {
              if (gone.contains(node)) continue;
              const auto product = product_of(node);
              if (!product || product->weight->tensor().rank() != 2 ||
                  !comes_from_constant(product->weight) || node->result()->users().size() != 1 ||
                  outputs.contains(node->result())) {
                continue;
              }
              Node* after = node->result()->users().front();
              if (!is_reshape(after)) continue;
              const SymSizes& weight = product->weight->tensor().sizes;
              const SymInt& n = weight[product->transposed ? 0 : 1];
              const SymInt& k = weight[product->transposed ? 1 : 0];
              const Value* bias = product->bias.value();
              const ir::TensorType& made = after->result()->tensor();
              const auto wanted = to_static(rows_of(after->result()));
              if (made.rank() < 2 || !wanted || !k.is_constant() || !made.is_contiguous() ||
                  !(made.sizes.back() == n) ||
                  (bias != nullptr && !same_sizes(bias->tensor().sizes, {n}))) {
                continue;
              }
              // The rows as they were before, or else as they are behind.
              const Node* before = product->input->producer();
              Value* source = is_reshape(before) ? before->input(0) : nullptr;
              if (source == nullptr || source->tensor().rank() < 2 ||
                  !source->tensor().is_contiguous() || !(source->tensor().sizes.back() == k) ||
                  !same_sizes(rows_of(source), rows_of(after->result()))) {
                std::vector<int64_t> sizes = *wanted;
                sizes.push_back(*k.constant());
                Builder build = builder_before(module, after);
                PTE_TRY(source,
                        build.call(Op::aten_view_copy, {Arg(product->input), Arg::ints(sizes)}));
              }
              Value* rows = product->weight;
              if (!product->transposed) {
                Builder build = builder_before(module, after);
                PTE_TRY(rows, build.call(Op::aten_permute_copy, {Arg(rows), Arg::ints({1, 0})}));
              }
              std::vector<Arg> args{Arg(source), Arg(rows), product->bias};
              PTE_TRY(const bool changed,
                      replace_by_call(module, after, Op::aten_linear, std::move(args)));
              if (changed) gone.insert(after);
              count += changed ? 1 : 0;
            }
            return count;
          }));
  if (changes > 0) PTE_CHECK(dead_code(module));
  return changes;
}

}  // namespace pte::engine
