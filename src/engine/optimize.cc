#include "engine/optimize.h"

#include "engine/passes/fusions.h"
#include "passes/passes.h"

namespace pte::engine {

std::vector<passes::Pass> engine_pipeline() {
  return {
      {"without_writes", "calls that write become calls that give a new value", without_writes},
      {"remove_identities", "drop what does nothing", passes::remove_identities},
      {"fold_constants", "compute what depends on constants alone", passes::fold_constants},
      {"fold_batch_norm", "batch norms into the convolutions before them", passes::fold_batch_norm},
      {"fuse_padding", "zero padding into convolutions", passes::fuse_padding},
      {"simplify", "arithmetic that gives back its operand", passes::simplify},
      {"merge_clamps", "chains of clamps become one", passes::merge_clamps},
      {"dead_code", "drop what nothing reads, that what is left has one reader", passes::dead_code},
      {"recompose", "linear, hard swish, max pooling", passes::recompose},
      {"linear_rows", "linear layers on all dimensions instead of on rows", linear_rows},
      {"recompose_activations", "SiLU and GELU", recompose_activations},
      {"recompose_rows", "softmax and layer norm that came in pieces", recompose_rows},
      {"hoist_quantize", "quantize before moving, not behind it", hoist_quantize},
      {"common_subexpressions", "one call for equal ones", passes::common_subexpressions},
      {"join_slices", "neighbouring slices in a concatenation are what they were cut from",
       join_slices},
      {"dead_code", "drop what nothing reads", passes::dead_code},
  };
}

Result<std::vector<passes::Timing>> optimize(ir::Module& module, const passes::Options& options) {
  return passes::run_passes(module, engine_pipeline(), options);
}

}  // namespace pte::engine
