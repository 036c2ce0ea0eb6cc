#include "base/checked.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

// The padding of each spatial dimension when the node pads with zeros, equally at both ends, and
// only there. `pad` holds (start, end) pairs from the last dimension on.
std::optional<std::vector<int64_t>> symmetric_padding(const Node& node, size_t spatial) {
  if (!node.is(Op::aten_constant_pad_nd) || node.arg(2).number() != 0.0) return std::nullopt;
  const auto pad = node.arg(1).integers();
  const size_t rank = node.input(0)->tensor().rank();
  if (!pad.has_value() || rank != spatial + 2 || pad->size() % 2 != 0 || pad->size() > 2 * rank) {
    return std::nullopt;
  }
  std::vector<int64_t> padding(spatial, 0);
  for (size_t i = 0; i < pad->size() / 2; ++i) {
    const int64_t begin = (*pad)[2 * i];
    const int64_t end = (*pad)[2 * i + 1];
    if (i >= spatial ? begin != 0 || end != 0 : begin != end || begin < 0) return std::nullopt;
    if (i < spatial) padding[spatial - 1 - i] = begin;
  }
  return padding;
}

}  // namespace

Result<int64_t> fuse_padding(ir::Module& module) {
  return for_each_graph(module, [](Graph& graph) -> Result<int64_t> {
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (!node->is(Op::aten_convolution) || node->arg(6).boolean().value_or(true)) continue;
      const Node* pad = node->input(0)->producer();
      if (pad == nullptr) continue;
      const size_t spatial = node->input(1)->tensor().rank() - 2;
      const auto extra = symmetric_padding(*pad, spatial);
      auto padding = expand_ints(node->arg(4), spatial);
      if (!extra.has_value() || !padding.has_value()) continue;
      if (pad->input(0)->tensor().dim_order != node->input(0)->tensor().dim_order) continue;
      bool fits = true;
      for (size_t i = 0; i < spatial && fits; ++i) {
        const auto sum = checked_add((*padding)[i], (*extra)[i]);
        fits = sum.has_value();
        (*padding)[i] = sum.value_or(0);
      }
      if (!fits) continue;
      node->set_arg(0, pad->input(0));
      node->set_arg(4, Arg::ints(*padding));
      ++changes;  // the padding itself goes with the dead code when nothing else reads it
    }
    return changes;
  });
}

}  // namespace pte::passes
