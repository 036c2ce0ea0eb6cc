// The passes that look at the shape of the graph alone.
#include "passes/pass_test.h"

namespace pte::passes {
namespace {

TEST(DeadCode, DropsChainsAndConstants) {
  const Module module = after_pass(dead_code, R"(const @w: float32[2] parameter = elided
  const @v: float32[2] parameter = elided
  func forward(%x: float32[2], %unused: float32[9]) {
    %w = const @w
    %v = const @v
    %a: float32[2] = aten.add.Tensor(%x, %w)
    %b: float32[2] = aten.neg.default(%a)
    %c: float32[2] = aten.mul.Tensor(%x, %v)
    return %c
  })");
  EXPECT_EQ(module.methods.at("forward").graph->node_count(), 1U);
  EXPECT_EQ(module.methods.at("forward").graph->inputs().size(), 2U);
  EXPECT_EQ(module.constants.size(), 1U);
  EXPECT_TRUE(module.constants.contains("v"));
}

TEST(DeadCode, KeepsEffectsAndMutations) {
  expect_unchanged(dead_code, R"(const @state: float32[2] buffer = elided
  func forward(%p: bool[], %x: float32[2]) {
    %s = const @state
    %a: float32[2] = aten.neg.default(%x)
    %b: float32[2] = aten.copy_.default(%x, %a)
    %c: float32[2] = aten.add.Tensor(%s, %a)
    %d: float32[2] = higher_order.cond.default(%p, func yes(%q: float32[2]) {
      %r: float32[2] = aten.copy_.default(%q, %q)
      return %r
    }, func no(%q: float32[2]) {
      return %q
    }, [%x])
    return mutate @state %c
  })");
}

TEST(DeadCode, DropsWholeBranches) {
  expect_rewrite(dead_code, R"(func forward(%p: bool[], %x: float32[2]) {
    %d: float32[2] = higher_order.cond.default(%p, func yes(%q: float32[2]) {
      %r: float32[2] = aten.relu.default(%q)
      return %r
    }, func no(%q: float32[2]) {
      return %q
    }, [%x])
    return %x
  })",
                 R"(func forward(%p: bool[], %x: float32[2]) {
    return %x
  })");
}

TEST(CommonSubexpressions, MergesEqualCalls) {
  // 3 and 3.0 are different numbers: the dtype of a sum may depend on it.
  expect_rewrite(common_subexpressions, R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.add.Scalar(%x, 3) loc "m.py:1"
    %b: float32[2] = aten.add.Scalar(%x, 3) loc "m.py:2"
    %c: float32[2] = aten.add.Scalar(%x, 3.0)
    %d: float32[2] = aten.neg.default(%a)
    %e: float32[2] = aten.neg.default(%b)
    %f: float32[4] = aten.cat.default([%d, %e], 0)
    return %c, %f
  })",
                 R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.add.Scalar(%x, 3) loc "m.py:1"
    %c: float32[2] = aten.add.Scalar(%x, 3.0)
    %d: float32[2] = aten.neg.default(%a)
    %f: float32[4] = aten.cat.default([%d, %d], 0)
    return %c, %f
  })");
}

TEST(CommonSubexpressions, LeavesOutputsAndWritesAlone) {
  expect_unchanged(common_subexpressions, R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.neg.default(%x)
    %b: float32[2] = aten.neg.default(%x)
    return %a, %b
  })");
  expect_unchanged(common_subexpressions, R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.neg.default(%x)
    %b: float32[2] = aten.relu_.default(%x)
    %c: float32[2] = aten.neg.default(%x)
    %d: float32[2] = aten.add.Tensor(%a, %c)
    return %d
  })");
}

TEST(MergeViews, ChainsAndInverses) {
  expect_rewrite(merge_views, R"(func forward(%x: float32[2,3,4]) {
    %a: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    %b: float32[1,6,4] = aten.unsqueeze_copy.default(%a, 0)
    %c: float32[24] = aten.view_copy.default(%b, [-1])
    %d: float32[4,2,3] = aten.permute_copy.default(%x, [2, 0, 1])
    %e: float32[3,4,2] = aten.permute_copy.default(%d, [-1, 0, 1])
    %r: float32[3,4,2] = aten.relu.default(%e)
    %f: float32[2,3,4] = aten.permute_copy.default(%r, [2, 0, 1])
    %g: float32[3,4,2] = aten.permute_copy.default(%f, [1, 2, 0])
    %h: float32[3,4,2] = aten.neg.default(%g)
    return %c, %h
  })",
                 R"(func forward(%x: float32[2,3,4]) {
    %a: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    %b: float32[1,6,4] = aten.view_copy.default(%x, [1, 6, 4])
    %c: float32[24] = aten.view_copy.default(%x, [-1])
    %d: float32[4,2,3] = aten.permute_copy.default(%x, [2, 0, 1])
    %e: float32[3,4,2] = aten.permute_copy.default(%x, [1, 2, 0])
    %r: float32[3,4,2] = aten.relu.default(%e)
    %f: float32[2,3,4] = aten.permute_copy.default(%r, [2, 0, 1])
    %h: float32[3,4,2] = aten.neg.default(%r)
    return %c, %h
  })");
}

TEST(MergeViews, WhatMovesNothingIsAView) {
  expect_rewrite(merge_views, R"(sym s0 in [2, 8]
  func forward(%x: float32[s0,3,1,1], %y: float32[s0,1,s0]) {
    %a: float32[s0,1,1,3] = aten.permute_copy.default(%x, [0, 2, 3, 1])
    %b: float32[s0,3] = aten.squeeze_copy.dims(%x, [2, 3])
    %c: float32[s0,s0] = aten.squeeze_copy.dims(%y, [1])
    return %a, %b, %c
  })",
                 R"(sym s0 in [2, 8]
  func forward(%x: float32[s0,3,1,1], %y: float32[s0,1,s0]) {
    %a: float32[s0,1,1,3] = aten.view_copy.default(%x, [-1, 1, 1, 3])
    %b: float32[s0,3] = aten.view_copy.default(%x, [-1, 3])
    %c: float32[s0,s0] = aten.squeeze_copy.dims(%y, [1])
    return %a, %b, %c
  })");
}

TEST(MergeViews, AnInputIsNotHandedBack) {
  expect_rewrite(merge_views, R"(func forward(%x: float32[2,3]) {
    %a: float32[3,2] = aten.permute_copy.default(%x, [1, 0])
    %b: float32[2,3] = aten.permute_copy.default(%a, [1, 0])
    return %b
  })",
                 R"(func forward(%x: float32[2,3]) {
    %a: float32[3,2] = aten.permute_copy.default(%x, [1, 0])
    %b: float32[2,3] = aten.permute_copy.default(%a, [1, 0])
    return %b
  })");
}

TEST(MergeClamps, Intervals) {
  expect_rewrite(merge_clamps, R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.hardtanh.default(%x, 0, 6)
    %b: float32[2] = aten.relu.default(%a)
    %c: float32[2] = aten.neg.default(%b)
    %d: float32[2] = aten.clamp.default(%c, -1, none)
    %e: float32[2] = aten.clamp.default(%d, none, 3)
    %f: float32[2] = aten.neg.default(%e)
    %g: float32[2] = aten.clamp.default(%f, none, -2)
    %h: float32[2] = aten.relu.default(%g)
    return %h
  })",
                 R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.hardtanh.default(%x, 0, 6)
    %c: float32[2] = aten.neg.default(%a)
    %e: float32[2] = aten.hardtanh.default(%c, -1.0, 3.0)
    %f: float32[2] = aten.neg.default(%e)
    %h: float32[2] = aten.hardtanh.default(%f, 0.0, 0.0)
    return %h
  })");
}

TEST(MergeClamps, LeavesIntegersSharedOnesAndCrossedBounds) {
  expect_unchanged(merge_clamps, R"(func forward(%x: float32[2], %i: int32[2]) {
    %a: float32[2] = aten.relu.default(%x)
    %b: float32[2] = aten.hardtanh.default(%a, -1, 1)
    %c: int32[2] = aten.clamp.default(%i, 1, 9)
    %d: int32[2] = aten.clamp.default(%c, 0, 5)
    %e: float32[2] = aten.clamp.default(%b, 3, 2)
    return %a, %d, %e
  })");
}

TEST(Simplify, OnlyWhatIsExact) {
  expect_rewrite(simplify, R"(func forward(%x: float32[2], %i: int64[2]) {
    %a: float32[2] = aten.relu.default(%x)
    %b: float32[2] = aten.mul.Scalar(%a, 1.0)
    %c: float32[2] = aten.div.Scalar(%b, 1)
    %d: float32[2] = aten.neg.default(%c)
    %e: float32[2] = aten.neg.default(%d)
    %f: float32[2] = aten.sub.Scalar(%e, 0)
    %g: float32[2] = aten.add.Scalar(%f, 0)
    %j: int64[2] = aten.neg.default(%i)
    %k: int64[2] = aten.add.Scalar(%j, 0)
    %l: float32[2] = aten.mul.Scalar(%k, 1.0)
    %m: float32[2] = aten.add.Tensor(%g, %l)
    return %m
  })",
                 R"(func forward(%x: float32[2], %i: int64[2]) {
    %a: float32[2] = aten.relu.default(%x)
    %d: float32[2] = aten.neg.default(%a)
    %g: float32[2] = aten.add.Scalar(%a, 0)
    %j: int64[2] = aten.neg.default(%i)
    %l: float32[2] = aten.mul.Scalar(%j, 1.0)
    %m: float32[2] = aten.add.Tensor(%g, %l)
    return %m
  })");
}

TEST(Simplify, SizesThatAreNumbersAreWritten) {
  expect_rewrite(simplify, R"(func forward(%x: float32[2,6]) {
    %n: int(2) = aten.sym_size.int(%x, 0)
    %y: float32[2,2,3] = aten.view_copy.default(%x, [%n, %n, 3])
    return %y, %n
  })",
                 R"(func forward(%x: float32[2,6]) {
    %n: int(2) = aten.sym_size.int(%x, 0)
    %y: float32[2,2,3] = aten.view_copy.default(%x, [2, 2, 3])
    return %y, 2
  })");
}

TEST(FusePadding, OnlyZeroSymmetricAndSpatial) {
  const auto fused = [](ir::Module& module) -> Result<int64_t> {
    PTE_TRY(const int64_t changes, fuse_padding(module));
    PTE_CHECK(dead_code(module));
    return changes;
  };
  const std::string head = R"(const @w: float32[3,2,3,3] parameter = elided
  func forward(%x: float32[1,2,8,8]) {
    %w = const @w
)";
  expect_rewrite(fused, head + R"(
    %a: float32[1,2,10,12] = aten.constant_pad_nd.default(%x, [2, 2, 1, 1], 0.0)
    %b: float32[1,3,10,12] = aten.convolution.default(%a, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    return %b
  })",
                 head + R"(
    %b: float32[1,3,10,12] = aten.convolution.default(%x, %w, none, [1, 1], [2, 3], [1, 1], false, [0, 0], 1)
    return %b
  })");
  for (const char* pad : {"[2, 2, 1, 1], 1.0", "[2, 1, 1, 2], 0"}) {
    const std::string size = pad[4] == '2' ? "10,12" : "11,11";
    expect_unchanged(
        fused, head + "%a: float32[1,2," + size + "] = aten.constant_pad_nd.default(%x, " + pad +
                   ")\n%b: float32[1,3," + size +
                   "] = aten.convolution.default(%a, %w, none, [1, 1], [1, 1], [1, 1], "
                   "false, [0, 0], 1)\nreturn %b }");
  }
}

TEST(DedupeConstants, EqualBytesOfEqualTypeShare) {
  const Module module =
      after_pass(dedupe_constants, R"(const @a: float32[2] parameter = dense [1, 2]
  const @b: float32[2] buffer = dense [1, 2]
  const @c: int32[2] buffer = dense [1, 2]
  const @d: float32[2] buffer = dense [1, 3]
  const @e: float32[2,1] buffer = dense [1, 2]
  const @f: float32[2] buffer = dense [1, 2]
  const @g: float32[2] buffer = elided
  const @h: float32[2] buffer = elided
  func forward(%p: bool[], %x: float32[2]) {
    %a = const @a
    %b = const @b
    %c = const @c
    %d = const @d
    %e = const @e
    %f = const @f
    %g = const @g
    %h = const @h
    %s: float32[2] = higher_order.cond.default(%p, func yes(%q: float32[2]) {
      %b = const @b
      %r: float32[2] = aten.add.Tensor(%q, %b)
      return %r
    }, func no(%q: float32[2]) {
      return %q
    }, [%x])
    return %a, %b, %c, %d, %e, %f, %g, %h, %s, mutate @f %x
  })");
  EXPECT_EQ(module.constants.size(), 7U);
  EXPECT_FALSE(module.constants.contains("b"));
  const Graph& graph = *module.methods.at("forward").graph;
  EXPECT_EQ(graph.outputs()[0].value, graph.outputs()[1].value);
  EXPECT_NE(graph.outputs()[0].value, graph.outputs()[5].value);
}

TEST(ContiguousLayout, ConvertsAtTheBorder) {
  expect_rewrite(contiguous_layout, R"(func forward(%x: float32[1,2,3,4]{0,2,3,1}, %p: bool[]) {
    %a: float32[1,2,3,4]{0,2,3,1} = aten.relu.default(%x)
    %b: float32[1,2,3,4] = dim_order_ops._to_dim_order_copy.default(%a, none, none, none, none, false, [0, 1, 2, 3])
    %c: float32[1,2,3,4] = aten.add.Tensor(%b, %b)
    %d: float32[1,2,3,4]{0,2,3,1} = higher_order.cond.default(%p, func yes(%q: float32[1,2,3,4]{0,2,3,1}) {
      %r: float32[1,2,3,4]{0,2,3,1} = aten.neg.default(%q)
      return %r
    }, func no(%q: float32[1,2,3,4]{0,2,3,1}) {
      %r: float32[1,2,3,4]{0,2,3,1} = aten.abs.default(%q)
      return %r
    }, [%a])
    return %a, %c, %d
  })",
                 R"(func forward(%x: float32[1,2,3,4]{0,2,3,1}, %p: bool[]) {
    %x1: float32[1,2,3,4] = dim_order_ops._to_dim_order_copy.default(%x, none, none, none, none, false, [0, 1, 2, 3])
    %a: float32[1,2,3,4] = aten.relu.default(%x1)
    %c: float32[1,2,3,4] = aten.add.Tensor(%a, %a)
    %d: float32[1,2,3,4] = higher_order.cond.default(%p, func yes(%q: float32[1,2,3,4]) {
      %r: float32[1,2,3,4] = aten.neg.default(%q)
      return %r
    }, func no(%q: float32[1,2,3,4]) {
      %r: float32[1,2,3,4] = aten.abs.default(%q)
      return %r
    }, [%a])
    %e: float32[1,2,3,4]{0,2,3,1} = dim_order_ops._to_dim_order_copy.default(%a, none, none, none, none, false, [0, 2, 3, 1])
    %f: float32[1,2,3,4]{0,2,3,1} = dim_order_ops._to_dim_order_copy.default(%d, none, none, none, none, false, [0, 2, 3, 1])
    return %e, %c, %f
  })");
}

TEST(ContiguousLayout, DropsChannelsLastInside) {
  expect_rewrite(contiguous_layout, R"(func forward(%x: float32[1,2,3,4]) {
    %a: float32[1,2,3,4]{0,2,3,1} = aten.clone.default(%x, channels_last)
    %b: float32[1,2,3,4]{0,2,3,1} = aten.relu.default(%a)
    %c: float32[1,2,3,4] = aten.clone.default(%b, contiguous_format)
    return %c
  })",
                 R"(func forward(%x: float32[1,2,3,4]) {
    %b: float32[1,2,3,4] = aten.relu.default(%x)
    return %b
  })");
}

}  // namespace
}  // namespace pte::passes
