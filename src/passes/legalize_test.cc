#include "passes/legalize_rules.h"
#include "passes/pass_test.h"

namespace pte::passes {
namespace {

const PassFunction refuse = [](Module& module) { return legalize(module, Leftover::kRefuse); };
const PassFunction keep = [](Module& module) { return legalize(module, Leftover::kKeep); };

TEST(Legalize, RewritesAProductWithAVector) {
  expect_rewrite(refuse, R"(func forward(%m: float32[2,3], %v: float32[3]) {
    %y: float32[2] = aten.mv.default(%m, %v)
    return %y
  })",
                 R"(func forward(%m: float32[2,3], %v: float32[3]) {
    %a: float32[3,1] = aten.unsqueeze_copy.default(%v, 1)
    %b: float32[2,1] = aten.mm.default(%m, %a)
    %y: float32[2] = aten.squeeze_copy.dims(%b, [1])
    return %y
  })");
}

TEST(Legalize, RoundsToDecimals) {
  expect_rewrite(refuse, R"(func forward(%x: float32[3]) {
    %a: float32[3] = aten.round.decimals(%x, 2)
    %b: float32[3] = aten.round.decimals(%a, -1)
    return %b
  })",
                 R"(func forward(%x: float32[3]) {
    %a: float32[3] = aten.mul.Scalar(%x, 100.0)
    %b: float32[3] = aten.round.default(%a)
    %c: float32[3] = aten.div.Scalar(%b, 100.0)
    %d: float32[3] = aten.div.Scalar(%c, 10.0)
    %e: float32[3] = aten.round.default(%d)
    %f: float32[3] = aten.mul.Scalar(%e, 10.0)
    return %f
  })");
}

TEST(Legalize, AConvolutionOfVolumesIsASumOfConvolutions) {
  Module module = after_pass(refuse, R"(const @w: float32[4,2,3,1,1] parameter = elided
  func forward(%x: float32[1,2,5,4,4]) {
    %w = const @w
    %y: float32[1,4,3,4,4] = aten.convolution.default(%x, %w, none, [1, 1, 1], [0, 0, 0], [1, 1, 1], false, [0, 0, 0], 1)
    return %y
  })");
  int convolutions = 0;
  for (const Node* node : module.forward().nodes()) {
    if (!node->is(Op::aten_convolution)) continue;
    ++convolutions;
    EXPECT_EQ(node->input(0)->tensor().rank(), 4U);
  }
  EXPECT_EQ(convolutions, 3);
}

TEST(Legalize, RulesUseEachOther) {
  // In three dimensions, then two; a batch of unknown size stays one.
  Module module = after_pass(refuse, R"(sym s0 in [1, 4]
  func forward(%x: float32[s0,2,5,6,7]) {
    (%y: float32[s0,2,2,3,4], %i: int64[s0,2,2,3,4]) = aten.adaptive_max_pool3d.default(%x, [2, 3, 4])
    return %y, %i
  })");
  for (const Node* node : module.forward().nodes()) {
    EXPECT_TRUE(node->op().emittable()) << node->op().full_name();
  }
}

TEST(Legalize, LeavesWhatTheOfficialRuntimeRuns) {
  expect_unchanged(refuse, R"(func forward(%x: float32[2,3], %n: int32[3]) {
    %a: float32[2,3] = aten.remainder.Scalar(%x, 2)
    %b: float32[2,3] = aten._softmax.default(%a, 1, false)
    %c: float32[2,3] = aten.add.Scalar(%b, 1)
    %d: float32[2,4] = aten.constant_pad_nd.default(%c, [1, 0])
    %e: int32[3] = aten.clamp.default(%n, 0, 9)
    return %d, %e
  })");
}

TEST(Legalize, NamesEveryRefusalAtOnce) {
  const std::string text = R"(func forward(%x: float32[3], %y: float32[3], %m: float32[40,40]) {
    %a: float32[3] = aten.nextafter.default(%x, %y) loc "m.py:1"
    %b: float32[3] = aten.igamma.default(%a, %y) loc "m.py:2"
    (%c: float32[40,40]{1,0}, %i: int32[]) = aten.linalg_inv_ex.default(%m) loc "m.py:3"
    return %b, %c
  })";
  expect_failure(refuse, text, Code::kUnsupported, "(m.py:1)");
  expect_failure(refuse, text, Code::kUnsupported, "(m.py:2)");
  expect_failure(refuse, text, Code::kUnsupported, "a matrix of 40 rows");
  expect_unchanged(keep, text);
}

TEST(Legalize, CalculatesWithWideUnsignedIntegersInSignedOnes) {
  Module module = after_pass(refuse, R"(func forward(%x: uint16[3], %n: uint64[3]) {
    %y: int32[3] = dim_order_ops._to_dim_order_copy.default(%x, int32, none, none, none, false, none)
    %a: uint16[3] = aten.add.Tensor(%x, %x)
    %d: uint64[3] = aten.div.Tensor_mode(%n, %n, "floor")
    %s: uint64[3] = aten.bitwise_right_shift.Tensor(%n, %n)
    %m: uint64[3] = aten.maximum.default(%n, %d)
    %l: bool[3] = aten.lt.Tensor(%n, %s)
    %f: float32[3] = dim_order_ops._to_dim_order_copy.default(%n, float32, none, none, none, false, none)
    return %y, %a, %m, %l, %f
  })");
  for (const Node* node : module.forward().nodes()) {
    if (node->is(Op::aten_view_copy_dtype)) continue;  // shares memory, and is no call
    EXPECT_TRUE(node->op().emittable()) << node->op().full_name();
    for (const Value* value : node->inputs()) {
      const DType dtype = value->tensor().dtype;
      EXPECT_FALSE(dtype == DType::kUInt16 || dtype == DType::kUInt64) << node->op().full_name();
    }
  }
  EXPECT_EQ(module.forward().outputs()[1].value->tensor().dtype, DType::kUInt16);
  EXPECT_EQ(module.forward().outputs()[2].value->tensor().dtype, DType::kUInt64);
}

TEST(Legalize, RefusesToReinterpretWhatHasNoKnownSizes) {
  expect_failure(refuse, R"(sym s0 in [1, 8]
func forward(%x: float32[s0]) {
    %y: int32[s0] = aten.view_copy.dtype(%x, int32)
    return %y
  })",
                 Code::kUnsupported, "sizes known at run time only");
}

TEST(Legalize, WorksInsideBodies) {
  Module module = after_pass(refuse, R"(func forward(%p: bool[], %x: float32[3]) {
    (%a: float32[3]) = higher_order.cond.default(%p, func yes(%u: float32[3]) {
      %r: float32[3] = aten.exp2.default(%u)
      return %r
    }, func no(%v: float32[3]) {
      return %v
    }, [%x])
    return %a
  })");
  for (const Graph* graph : all_graphs(module)) {
    for (const Node* node : graph->nodes()) EXPECT_FALSE(node->is(Op::aten_exp2));
  }
}

}  // namespace
}  // namespace pte::passes
