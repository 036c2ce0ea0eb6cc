#include "passes/decompose_rules.h"

namespace pte::passes {
namespace {

// Half-precision operands of a formula are computed in float32 and rounded once, as PyTorch's own
// kernels do.
template <typename Formula>
Result<Replacement> in_float(Rewrite& r, const Formula& formula) {
  Value* x = r.input(0);
  const DType dtype = x->tensor().dtype;
  if (!is_floating(dtype)) return r.not_supported("an operand that is not floating-point");
  const bool low = size_of(dtype) < 4;
  if (low) {
    PTE_TRY(x, r.call(Op::dim_order_to_dim_order_copy, {x, DType::kFloat32}));
  }
  PTE_TRY(Value * y, formula(x));
  if (low) {
    PTE_TRY(y, r.call(Op::dim_order_to_dim_order_copy, {y, dtype}));
  }
  return Replacement{y};
}

// clamp(x + 3, 0, 6)
Result<Value*> hard_gate(Rewrite& r, Value* x) {
  PTE_TRY(Value * shifted, r.call(Op::aten_add_Scalar, {x, Arg(3)}));
  return r.call(Op::aten_clamp, {shifted, Arg(0), Arg(6)});
}

Result<Replacement> hardsigmoid(Rewrite& r) {
  return in_float(r, [&](Value* x) -> Result<Value*> {
    PTE_TRY(Value * gate, hard_gate(r, x));
    return r.call(Op::aten_div_Scalar, {gate, Arg(6)});
  });
}

Result<Replacement> hardswish(Rewrite& r) {
  return in_float(r, [&](Value* x) -> Result<Value*> {
    PTE_TRY(Value * gate, hard_gate(r, x));
    PTE_TRY(Value * product, r.call(Op::aten_mul_Tensor, {x, gate}));
    return r.call(Op::aten_div_Scalar, {product, Arg(6)});
  });
}

Result<Replacement> silu(Rewrite& r) {
  return in_float(r, [&](Value* x) -> Result<Value*> {
    PTE_TRY(Value * gate, r.call(Op::aten_sigmoid, {x}));
    return r.call(Op::aten_mul_Tensor, {x, gate});
  });
}

Result<Replacement> relu6(Rewrite& r) {
  return one(r.call(Op::aten_hardtanh, {r.arg(0), Arg(0), Arg(6)}));
}

Result<Replacement> clamp_min(Rewrite& r) {
  return one(r.call(Op::aten_clamp, {r.arg(0), r.arg(1), Arg()}));
}
Result<Replacement> clamp_max(Rewrite& r) {
  return one(r.call(Op::aten_clamp, {r.arg(0), Arg(), r.arg(1)}));
}

// where(x > 0, x, weight * x), the weight along dimension 1
Result<Replacement> prelu(Rewrite& r) {
  Value* x = r.input(0);
  Value* weight = r.input(1);
  const size_t rank = x->tensor().rank();
  if (rank >= 2) {
    SymSizes sizes(rank, SymInt(1));
    sizes[1] = ir::product(weight->tensor().sizes);
    PTE_TRY(weight, r.view(weight, sizes));
  } else if (!(ir::product(weight->tensor().sizes) == SymInt(1))) {
    return r.not_supported("several slopes for an operand without channels");
  } else if (rank == 0 && weight->tensor().rank() != 0) {
    PTE_TRY(weight, r.view(weight, {}));
  }
  PTE_TRY(Value * positive, r.call(Op::aten_gt_Scalar, {x, Arg(0)}));
  PTE_TRY(Value * scaled, r.call(Op::aten_mul_Tensor, {weight, x}));
  return one(r.call(Op::aten_where_self, {positive, x, scaled}));
}

}  // namespace

std::span<const RuleEntry> activation_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_hardsigmoid, hardsigmoid},
      {Op::aten_hardswish, hardswish},
      {Op::aten_silu, silu},
      {Op::aten_relu6, relu6},
      {Op::aten_clamp_min, clamp_min},
      {Op::aten_clamp_max, clamp_max},
      {Op::aten_prelu, prelu},
  };
  return kRules;
}

}  // namespace pte::passes
