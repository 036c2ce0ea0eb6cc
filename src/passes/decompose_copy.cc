#include "passes/decompose_rules.h"

namespace pte::passes {
namespace {

Arg order_arg(const DimOrder& order) {
  return Arg::ints(std::vector<int64_t>(order.begin(), order.end()));
}

// Every cast and copy by the type that its result has: nothing, a clone or a converting copy.
Result<Replacement> copy(Rewrite& r) {
  const TensorType& from = r.type(0);
  const TensorType& to = r.result_type();
  if (from == to) {
    // A copy that leaves the graph stays one: callers may write into what they gave.
    const bool passes_through =
        r.input(0)->producer() == nullptr && r.node->graph().is_output(r.node->result());
    if (!passes_through) return Replacement{r.input(0)};
  }
  if (from.dtype == to.dtype) {
    return one(
        r.call(Op::dim_order_clone_dim_order, {r.arg(0), Arg(false), order_arg(to.dim_order)}));
  }
  return one(r.call(Op::dim_order_to_dim_order_copy, {r.arg(0), to.dtype, Arg(), Arg(), Arg(),
                                                      Arg(false), order_arg(to.dim_order)}));
}

// What is left of dropout at inference: a copy where its operand must not leave the graph itself.
Result<Replacement> dropout(Rewrite& r) {
  if (r.arg(2).boolean() != false) return Replacement{};
  return copy(r);
}

Result<Replacement> item(Rewrite& r) {
  return one(r.call(Op::aten__local_scalar_dense, {r.arg(0)}));
}

}  // namespace

std::span<const RuleEntry> copy_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_to_dtype, copy},
      {Op::aten_to_dtype_layout, copy},
      {Op::aten__to_copy, copy},
      {Op::aten_clone, copy},
      {Op::aten_contiguous, copy},
      {Op::aten_lift_fresh_copy, copy},
      {Op::aten_detach, copy},
      {Op::aten_alias, copy},
      {Op::aten_item, item},
      {Op::aten_dropout, dropout},
      {Op::aten_feature_dropout, dropout},
      {Op::aten_alpha_dropout, dropout},
  };
  return kRules;
}

}  // namespace pte::passes
