#include <algorithm>

#include "passes/clamp_bounds.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

Result<Value*> clamp(Builder& builder, Value* x, const Bounds& bounds) {
  if (bounds.low == 0 && bounds.high == kInf) return builder.call(Op::aten_relu, {x});
  if (bounds.low > -kInf && bounds.high < kInf) {
    return builder.call(Op::aten_hardtanh, {x, Arg(bounds.low), Arg(bounds.high)});
  }
  return builder.call(Op::aten_clamp, {x, bounds.low == -kInf ? Arg() : Arg(bounds.low),
                                       bounds.high == kInf ? Arg() : Arg(bounds.high)});
}

}  // namespace

Result<int64_t> merge_clamps(ir::Module& module) {
  return for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
    const auto outputs = output_values(graph);
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      const auto outer = clamp_bounds(*node);
      if (!outer.has_value()) continue;
      Node* first = node->input(0)->producer();
      if (first == nullptr) continue;
      const auto inner = clamp_bounds(*first);
      if (!inner.has_value()) continue;
      const Bounds both{std::min(std::max(inner->low, outer->low), outer->high),
                        std::max(std::min(inner->high, outer->high), outer->low)};
      if (both == *inner) {
        // The second never bites.
        replace(node, {first->result()}, /*take_names=*/false);
        ++changes;
        continue;
      }
      if (first->result()->users().size() != 1 || outputs.contains(first->result())) continue;
      Builder builder = builder_before(module, node);
      PTE_TRY(Value * merged, clamp(builder, first->input(0), both));
      if (merged->type() != node->result()->type()) {
        graph.erase(merged->producer());
        continue;
      }
      replace(node, {merged});
      graph.erase(first);
      ++changes;
    }
    return changes;
  });
}

}  // namespace pte::passes
