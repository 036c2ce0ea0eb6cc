#include "passes/pipelines.h"

namespace pte::passes {
namespace {

Pass decompose_pass(std::string name, std::string description, OpSet keep) {
  return {std::move(name), std::move(description),
          [keep](ir::Module& module) { return decompose(module, keep); }};
}

void append(std::vector<Pass>& to, std::vector<Pass> passes) {
  for (Pass& pass : passes) to.push_back(std::move(pass));
}

// What both kinds of program begin with.
std::vector<Pass> common_passes(Foreign foreign) {
  std::vector<Pass> passes;
  passes.push_back({"remove_identities", "drop what does nothing at inference", remove_identities});
  passes.push_back(
      decompose_pass("decompose", "composites become core operators", xnnpack_operators()));
  if (foreign != Foreign::kIgnore) {
    const Leftover leftover = foreign == Foreign::kKeep ? Leftover::kKeep : Leftover::kRefuse;
    passes.push_back({"legalize", "operators that the official runtime lacks become others",
                      [leftover](ir::Module& module) { return legalize(module, leftover); }});
  }
  passes.push_back({"remove_identities", "drop what does nothing at inference", remove_identities});
  passes.push_back({"merge_clamps", "chains of clamps become one", merge_clamps});
  passes.push_back({"recompose", "core operators become what they came from", recompose});
  passes.push_back({"fold_batch_norm", "batch norm into the layer before it", fold_batch_norm});
  passes.push_back({"fuse_padding", "zero padding into convolutions", fuse_padding});
  passes.push_back({"simplify", "x*1, x/1, -(-x)", simplify});
  passes.push_back({"merge_views", "chains of views become one", merge_views});
  passes.push_back({"merge_clamps", "chains of clamps become one", merge_clamps});
  passes.push_back({"contiguous_layout", "layout changes only at the border", contiguous_layout});
  return passes;
}

std::vector<Pass> cleanup_passes() {
  std::vector<Pass> passes;
  passes.push_back({"fold_constants", "compute what depends on constants alone", fold_constants});
  passes.push_back({"common_subexpressions", "equal calls become one", common_subexpressions});
  passes.push_back({"dead_code", "drop what nothing reads", dead_code});
  passes.push_back({"dedupe_constants", "equal constants share bytes", dedupe_constants});
  return passes;
}

}  // namespace

const OpSet& xnnpack_operators() {
  static const OpSet ops = {
      Op::aten_linear,
      Op::aten_hardswish,
      Op::aten_hardsigmoid,
      Op::aten_silu,
      Op::aten_prelu,
      Op::aten_gelu,
      Op::aten_upsample_bilinear2d_vec,
      Op::aten_max_pool2d,
  };
  return ops;
}

std::vector<Pass> finish_portable() {
  std::vector<Pass> passes;
  passes.push_back(decompose_pass("finish_portable", "everything becomes portable operators", {}));
  passes.push_back({"remove_identities", "drop what does nothing at inference", remove_identities});
  passes.push_back({"merge_views", "chains of views become one", merge_views});
  passes.push_back({"contiguous_layout", "layout changes only at the border", contiguous_layout});
  append(passes, cleanup_passes());
  return passes;
}

std::vector<Pass> xnnpack_pipeline(Foreign foreign) {
  std::vector<Pass> passes = common_passes(foreign);
  append(passes, cleanup_passes());
  return passes;
}

std::vector<Pass> portable_pipeline(Foreign foreign) {
  std::vector<Pass> passes = common_passes(foreign);
  append(passes, finish_portable());
  return passes;
}

}  // namespace pte::passes
