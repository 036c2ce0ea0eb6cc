#include "passes/decompose_rules.h"

namespace pte::passes {
namespace {

// (input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled)
Result<Replacement> batch_norm(Rewrite& r) {
  if (r.arg(5).boolean().value_or(true)) {
    return r.not_supported(
        "training=True normalises by batch statistics; export the model in "
        "eval mode");
  }
  if (r.arg(3).is_none() || r.arg(4).is_none()) {
    return r.not_supported("no running statistics (track_running_stats=False)");
  }
  return one(r.call(Op::aten__native_batch_norm_legit_no_training,
                    {r.arg(0), r.arg(1), r.arg(2), r.arg(3), r.arg(4), r.arg(6), r.arg(7)}));
}

// (input, normalized_shape, weight, bias, eps, cudnn_enable)
Result<Replacement> layer_norm(Rewrite& r) {
  return one(
      r.call(Op::aten_native_layer_norm, {r.arg(0), r.arg(1), r.arg(2), r.arg(3), r.arg(4)}));
}

// The operand in the dtype that the argument names, when it names another.
Result<Value*> cast_to(Rewrite& r, Value* value, const Arg& dtype) {
  const auto* wanted = std::get_if<DType>(&dtype.v);
  if (wanted == nullptr || *wanted == value->tensor().dtype) return value;
  return r.call(Op::dim_order_to_dim_order_copy, {value, *wanted});
}

// (self, dim, dtype)
template <Op kTo>
Result<Replacement> softmax(Rewrite& r) {
  PTE_TRY(Value * input, cast_to(r, r.input(0), r.arg(2)));
  if (!is_floating(input->tensor().dtype)) {
    return r.not_supported("an operand that is not floating-point");
  }
  return one(r.call(kTo, {input, r.arg(1), Arg(false)}));
}

}  // namespace

std::span<const RuleEntry> normalization_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_batch_norm, batch_norm},
      {Op::aten_layer_norm, layer_norm},
      {Op::aten_softmax_int, softmax<Op::aten__softmax>},
      {Op::aten_log_softmax_int, softmax<Op::aten__log_softmax>},
  };
  return kRules;
}

}  // namespace pte::passes
