#include <algorithm>
#include <cmath>
#include <limits>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

struct Bounds {
  double low, high;
  bool operator==(const Bounds&) const = default;
};

constexpr double kInf = std::numeric_limits<double>::infinity();

// The bounds when the node clamps a floating-point tensor between known numbers.
std::optional<Bounds> bounds_of(const Node& node) {
  if (node.results().size() != 1 || !node.result()->is_tensor()) return std::nullopt;
  Bounds bounds{-kInf, kInf};
  const auto read = [&](size_t arg, double& bound) {
    if (node.arg(arg).is_none()) return true;
    const auto number = node.arg(arg).number();
    if (number.has_value()) bound = *number;
    return number.has_value();
  };
  switch (node.op().op) {
    case Op::aten_relu:
      bounds.low = 0;
      break;
    case Op::aten_relu6:
      bounds = {0, 6};
      break;
    case Op::aten_hardtanh:
    case Op::aten_clamp:
      if (!read(1, bounds.low) || !read(2, bounds.high)) return std::nullopt;
      break;
    case Op::aten_clamp_min:
      if (!read(1, bounds.low)) return std::nullopt;
      break;
    case Op::aten_clamp_max:
      if (!read(1, bounds.high)) return std::nullopt;
      break;
    default:
      return std::nullopt;
  }
  const DType dtype = node.input(0)->tensor().dtype;
  if (!is_floating(dtype) || node.result()->tensor().dtype != dtype) return std::nullopt;
  // NaN bounds and crossed ones have rules of their own.
  if (!(bounds.low <= bounds.high)) return std::nullopt;
  return bounds;
}

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
      const auto outer = bounds_of(*node);
      if (!outer.has_value()) continue;
      Node* first = node->input(0)->producer();
      if (first == nullptr) continue;
      const auto inner = bounds_of(*first);
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
