#include "passes/pass_test.h"

namespace pte::passes {
namespace {

Result<int64_t> all(ir::Module& module) { return decompose(module, {}); }

TEST(DecomposeConvolution, Conv2dGetsAllItsArguments) {
  expect_rewrite(all, R"(const @w: float32[8,1,3,3] parameter = elided
  const @b: float32[8] parameter = elided
  func forward(%x: float32[1,8,9,9]) {
    %w = const @w
    %b = const @b
    %y: float32[1,8,5,5] = aten.conv2d.default(%x, %w, %b, [2, 2], [1, 1], [1, 1], 8) loc "m.py:3"
    return %y
  })",
                 R"(const @w: float32[8,1,3,3] parameter = elided
  const @b: float32[8] parameter = elided
  func forward(%x: float32[1,8,9,9]) {
    %w = const @w
    %b = const @b
    %y: float32[1,8,5,5] = aten.convolution.default(%x, %w, %b, [2, 2], [1, 1], [1, 1], false, [0, 0], 8) loc "m.py:3"
    return %y
  })");
}

TEST(DecomposeConvolution, UnbatchedConv1d) {
  expect_rewrite(all, R"(const @w: float32[4,2,3] parameter = elided
  func forward(%x: float32[2,9]) {
    %w = const @w
    %y: float32[4,7] = aten.conv1d.default(%x, %w)
    return %y
  })",
                 R"(const @w: float32[4,2,3] parameter = elided
  func forward(%x: float32[2,9]) {
    %w = const @w
    %a: float32[1,2,9] = aten.unsqueeze_copy.default(%x, 0)
    %b: float32[1,4,7] = aten.convolution.default(%a, %w, none, [1], [0], [1], false, [0], 1)
    %y: float32[4,7] = aten.squeeze_copy.dims(%b, [0])
    return %y
  })");
}

TEST(DecomposeConvolution, SamePaddingOfAnEvenKernelPadsTheEndFirst) {
  expect_rewrite(all, R"(const @w: float32[4,2,2,3] parameter = elided
  func forward(%x: float32[1,2,6,6]) {
    %w = const @w
    %y: float32[1,4,6,6] = aten.conv2d.padding(%x, %w, none, [1, 1], "same")
    return %y
  })",
                 R"(const @w: float32[4,2,2,3] parameter = elided
  func forward(%x: float32[1,2,6,6]) {
    %w = const @w
    %a: float32[1,2,7,6] = aten.constant_pad_nd.default(%x, [0, 0, 0, 1], 0)
    %y: float32[1,4,6,6] = aten.convolution.default(%a, %w, none, [1, 1], [0, 1], [1, 1], false, [0, 0], 1)
    return %y
  })");
}

TEST(DecomposeConvolution, TransposedHasGroupsBeforeDilation) {
  expect_rewrite(all, R"(const @w: float32[4,3,2,2] parameter = elided
  func forward(%x: float32[1,4,5,5]) {
    %w = const @w
    %y: float32[1,6,11,11] = aten.conv_transpose2d.input(%x, %w, none, [2, 2], [0, 0], [1, 1], 2, [1, 1])
    return %y
  })",
                 R"(const @w: float32[4,3,2,2] parameter = elided
  func forward(%x: float32[1,4,5,5]) {
    %w = const @w
    %y: float32[1,6,11,11] = aten.convolution.default(%x, %w, none, [2, 2], [0, 0], [1, 1], true, [1, 1], 2)
    return %y
  })");
}

TEST(DecomposeLinear, MatrixVectorAndBatches) {
  expect_rewrite(all, R"(sym s0 in [1, 8]
  const @w: float32[4,3] parameter = elided
  const @b: float32[4] parameter = elided
  func forward(%x: float32[2,3], %v: float32[3], %z: float32[s0,5,3]) {
    %w = const @w
    %b = const @b
    %l: float32[2,4] = aten.linear.default(%x, %w, %b)
    %m: float32[4] = aten.linear.default(%v, %w)
    %n: float32[s0,5,4] = aten.linear.default(%z, %w, %b)
    return %l, %m, %n
  })",
                 R"(sym s0 in [1, 8]
  const @w: float32[4,3] parameter = elided
  const @b: float32[4] parameter = elided
  func forward(%x: float32[2,3], %v: float32[3], %z: float32[s0,5,3]) {
    %w = const @w
    %b = const @b
    %wt: float32[3,4] = aten.permute_copy.default(%w, [1, 0])
    %l: float32[2,4] = aten.addmm.default(%b, %x, %wt)
    %v1: float32[1,3] = aten.view_copy.default(%v, [1, 3])
    %wt1: float32[3,4] = aten.permute_copy.default(%w, [1, 0])
    %m1: float32[1,4] = aten.mm.default(%v1, %wt1)
    %m: float32[4] = aten.view_copy.default(%m1, [4])
    %z1: float32[5*s0,3] = aten.view_copy.default(%z, [-1, 3])
    %wt2: float32[3,4] = aten.permute_copy.default(%w, [1, 0])
    %n1: float32[5*s0,4] = aten.addmm.default(%b, %z1, %wt2)
    %n: float32[s0,5,4] = aten.view_copy.default(%n1, [-1, 5, 4])
    return %l, %m, %n
  })");
}

TEST(DecomposeLinear, TwoSymbolicSizesAreReadAtRunTime) {
  expect_rewrite(all, R"(sym s0 in [1, 8]
  sym s1 in [1, 8]
  const @w: float32[4,3] parameter = elided
  func forward(%x: float32[s0,s1,3]) {
    %w = const @w
    %y: float32[s0,s1,4] = aten.linear.default(%x, %w)
    return %y
  })",
                 R"(sym s0 in [1, 8]
  sym s1 in [1, 8]
  const @w: float32[4,3] parameter = elided
  func forward(%x: float32[s0,s1,3]) {
    %w = const @w
    %a: float32[s0*s1,3] = aten.view_copy.default(%x, [-1, 3])
    %wt: float32[3,4] = aten.permute_copy.default(%w, [1, 0])
    %m: float32[s0*s1,4] = aten.mm.default(%a, %wt)
    %n: int(s1) = aten.sym_size.int(%x, 1)
    %y: float32[s0,s1,4] = aten.view_copy.default(%m, [-1, %n, 4])
    return %y
  })");
}

TEST(DecomposeMatmul, EveryPairOfRanks) {
  expect_rewrite(
      all,
      R"(func forward(%v: float32[3], %m: float32[2,3], %n: float32[3,4], %t: float32[5,2,3], %u: float32[6,1,3,4]) {
    %a: float32[2,4] = aten.matmul.default(%m, %n)
    %b: float32[] = aten.matmul.default(%v, %v)
    %c: float32[2] = aten.matmul.default(%m, %v)
    %d: float32[4] = aten.matmul.default(%v, %n)
    %e: float32[5,2,4] = aten.matmul.default(%t, %n)
    %f: float32[6,5,2,4] = aten.matmul.default(%t, %u)
    return %a, %b, %c, %d, %e, %f
  })",
      R"(func forward(%v: float32[3], %m: float32[2,3], %n: float32[3,4], %t: float32[5,2,3], %u: float32[6,1,3,4]) {
    %a: float32[2,4] = aten.mm.default(%m, %n)
    %b1: float32[1,3] = aten.unsqueeze_copy.default(%v, 0)
    %b2: float32[3,1] = aten.unsqueeze_copy.default(%v, 1)
    %b3: float32[1,1] = aten.mm.default(%b1, %b2)
    %b: float32[] = aten.view_copy.default(%b3, [])
    %c1: float32[3,1] = aten.unsqueeze_copy.default(%v, 1)
    %c2: float32[2,1] = aten.mm.default(%m, %c1)
    %c: float32[2] = aten.view_copy.default(%c2, [2])
    %d1: float32[1,3] = aten.unsqueeze_copy.default(%v, 0)
    %d2: float32[1,4] = aten.mm.default(%d1, %n)
    %d: float32[4] = aten.view_copy.default(%d2, [4])
    %e1: float32[10,3] = aten.view_copy.default(%t, [10, 3])
    %e2: float32[10,4] = aten.mm.default(%e1, %n)
    %e: float32[5,2,4] = aten.view_copy.default(%e2, [5, 2, 4])
    %f1: float32[6,5,2,3] = aten.expand_copy.default(%t, [6, 5, 2, 3])
    %f2: float32[30,2,3] = aten.view_copy.default(%f1, [30, 2, 3])
    %f3: float32[6,5,3,4] = aten.expand_copy.default(%u, [6, 5, 3, 4])
    %f4: float32[30,3,4] = aten.view_copy.default(%f3, [30, 3, 4])
    %f5: float32[30,2,4] = aten.bmm.default(%f2, %f4)
    %f: float32[6,5,2,4] = aten.view_copy.default(%f5, [6, 5, 2, 4])
    return %a, %b, %c, %d, %e, %f
  })");
}

TEST(DecomposeNormalization, BatchNormLayerNormSoftmax) {
  expect_rewrite(all, R"(const @s: float32[2] buffer = elided
  func forward(%x: float32[3,2], %i: int64[3,2]) {
    %s = const @s
    %a: float32[3,2] = aten.batch_norm.default(%x, %s, %s, %s, %s, false, 0.1, 1e-05, true)
    %b: float32[3,2] = aten.layer_norm.default(%a, [2], %s, %s)
    %c: float32[3,2] = aten.softmax.int(%b, -1)
    %d: float32[3,2] = aten.log_softmax.int(%i, 0, float32)
    return %c, %d
  })",
                 R"(const @s: float32[2] buffer = elided
  func forward(%x: float32[3,2], %i: int64[3,2]) {
    %s = const @s
    (%a: float32[3,2], %a1: float32[0], %a2: float32[0]) = aten._native_batch_norm_legit_no_training.default(%x, %s, %s, %s, %s, 0.1, 1e-05)
    (%b: float32[3,2], %b1: float32[3,1], %b2: float32[3,1]) = aten.native_layer_norm.default(%a, [2], %s, %s, 1e-05)
    %c: float32[3,2] = aten._softmax.default(%b, -1, false)
    %f: float32[3,2] = dim_order_ops._to_dim_order_copy.default(%i, float32)
    %d: float32[3,2] = aten._log_softmax.default(%f, 0, false)
    return %c, %d
  })");
  expect_failure(all, R"(const @s: float32[2] buffer = elided
  func forward(%x: float32[3,2]) {
    %s = const @s
    %a: float32[3,2] = aten.batch_norm.default(%x, %s, %s, %s, %s, true, 0.1, 1e-05, true)
    return %a
  })",
                 Code::kUnsupported, "training=True");
}

TEST(DecomposePooling, GlobalOnesAreMeans) {
  expect_rewrite(all, R"(func forward(%x: float32[1,4,6,6], %s: float32[1,4,6]) {
    %a: float32[1,4,1,1] = aten.adaptive_avg_pool2d.default(%x, [1, 1])
    %b: float32[1,4,3,2] = aten.adaptive_avg_pool2d.default(%x, [3, 2])
    %c: float32[1,4,1] = aten.adaptive_avg_pool1d.default(%s, [1])
    %d: float32[1,4,2] = aten.adaptive_avg_pool1d.default(%s, [2])
    %e: float32[1,4,3] = aten.avg_pool1d.default(%s, [2])
    %f: float32[1,4,3,3] = aten.max_pool2d.default(%x, [2, 2])
    return %a, %b, %c, %d, %e, %f
  })",
                 R"(func forward(%x: float32[1,4,6,6], %s: float32[1,4,6]) {
    %a: float32[1,4,1,1] = aten.mean.dim(%x, [-1, -2], true)
    %b: float32[1,4,3,2] = aten._adaptive_avg_pool2d.default(%x, [3, 2])
    %c: float32[1,4,1] = aten.mean.dim(%s, [-1], true)
    %d1: float32[1,4,1,6] = aten.unsqueeze_copy.default(%s, -2)
    %d2: float32[1,4,1,2] = aten._adaptive_avg_pool2d.default(%d1, [1, 2])
    %d: float32[1,4,2] = aten.squeeze_copy.dims(%d2, [-2])
    %e1: float32[1,4,1,6] = aten.unsqueeze_copy.default(%s, -2)
    %e2: float32[1,4,1,3] = aten.avg_pool2d.default(%e1, [1, 2], [1, 2], [0, 0])
    %e: float32[1,4,3] = aten.squeeze_copy.dims(%e2, [-2])
    (%f: float32[1,4,3,3], %i: int64[1,4,3,3]) = aten.max_pool2d_with_indices.default(%x, [2, 2])
    return %a, %b, %c, %d, %e, %f
  })");
}

TEST(DecomposeActivation, AsTheEdgeDialectWithFewCalls) {
  expect_rewrite(all, R"(const @w: float32[3] parameter = elided
  func forward(%x: float32[2,3,4], %h: float16[2]) {
    %w = const @w
    %a: float32[2,3,4] = aten.hardswish.default(%x)
    %b: float32[2,3,4] = aten.hardsigmoid.default(%x)
    %c: float32[2,3,4] = aten.relu6.default(%x)
    %d: float32[2,3,4] = aten.clamp_min.default(%x, 0.5)
    %e: float32[2,3,4] = aten.prelu.default(%x, %w)
    %f: float16[2] = aten.silu.default(%h)
    return %a, %b, %c, %d, %e, %f
  })",
                 R"(const @w: float32[3] parameter = elided
  func forward(%x: float32[2,3,4], %h: float16[2]) {
    %w = const @w
    %a1: float32[2,3,4] = aten.add.Scalar(%x, 3)
    %a2: float32[2,3,4] = aten.clamp.default(%a1, 0, 6)
    %a3: float32[2,3,4] = aten.mul.Tensor(%x, %a2)
    %a: float32[2,3,4] = aten.div.Scalar(%a3, 6)
    %b1: float32[2,3,4] = aten.add.Scalar(%x, 3)
    %b2: float32[2,3,4] = aten.clamp.default(%b1, 0, 6)
    %b: float32[2,3,4] = aten.div.Scalar(%b2, 6)
    %c: float32[2,3,4] = aten.hardtanh.default(%x, 0, 6)
    %d: float32[2,3,4] = aten.clamp.default(%x, 0.5, none)
    %w1: float32[1,3,1] = aten.view_copy.default(%w, [1, 3, 1])
    %e1: bool[2,3,4] = aten.gt.Scalar(%x, 0)
    %e2: float32[2,3,4] = aten.mul.Tensor(%w1, %x)
    %e: float32[2,3,4] = aten.where.self(%e1, %x, %e2)
    %f1: float32[2] = dim_order_ops._to_dim_order_copy.default(%h, float32)
    %f2: float32[2] = aten.sigmoid.default(%f1)
    %f3: float32[2] = aten.mul.Tensor(%f1, %f2)
    %f: float16[2] = dim_order_ops._to_dim_order_copy.default(%f3, float16)
    return %a, %b, %c, %d, %e, %f
  })");
}

TEST(DecomposeViews, BecomeCopies) {
  expect_rewrite(all, R"(sym s0 in [2, 8]
  func forward(%x: float32[2,1,6], %y: float32[s0,3,4]) {
    %a: float32[2,6] = aten.squeeze.default(%x)
    %b: float32[2,6] = aten.squeeze.dim(%x, -2)
    %c: float32[2,1,6] = aten.squeeze.dim(%x, 0)
    %d: float32[6,1,2] = aten.transpose.int(%c, 0, -1)
    %e: float32[6,2] = aten.t.default(%b)
    (%f: float32[1,6], %g: float32[1,6]) = aten.split.Tensor(%a, 1)
    %i: float32[s0,12] = aten.flatten.using_ints(%y, 1)
    %j: float32[s0,3,2,2] = aten.unflatten.int(%y, 2, [2, 2])
    (%k: float32[s0,3,2], %l: float32[s0,3,2]) = aten.chunk.default(%y, 2, -1)
    %m: float32[2,1,8] = aten.pad.default(%x, [1, 1])
    %n: float32[1,6] = aten.select.int(%x, 0, -1)
    %o: float32[2,1,2] = aten.slice.Tensor(%x, 2, 1, 3)
    return %d, %e, %f, %g, %i, %j, %k, %l, %m, %n, %o
  })",
                 R"(sym s0 in [2, 8]
  func forward(%x: float32[2,1,6], %y: float32[s0,3,4]) {
    %a: float32[2,6] = aten.squeeze_copy.dims(%x, [1])
    %b: float32[2,6] = aten.squeeze_copy.dims(%x, [1])
    %d: float32[6,1,2] = aten.permute_copy.default(%x, [2, 1, 0])
    %e: float32[6,2] = aten.permute_copy.default(%b, [1, 0])
    (%f: float32[1,6], %g: float32[1,6]) = aten.split_with_sizes_copy.default(%a, [1, 1], 0)
    %i: float32[s0,12] = aten.view_copy.default(%y, [-1, 12])
    %j: float32[s0,3,2,2] = aten.view_copy.default(%y, [-1, 3, 2, 2])
    (%k: float32[s0,3,2], %l: float32[s0,3,2]) = aten.split_with_sizes_copy.default(%y, [2, 2], 2)
    %m: float32[2,1,8] = aten.constant_pad_nd.default(%x, [1, 1], 0)
    %n: float32[1,6] = aten.select_copy.int(%x, 0, -1)
    %o: float32[2,1,2] = aten.slice_copy.Tensor(%x, 2, 1, 3)
    return %d, %e, %f, %g, %i, %j, %k, %l, %m, %n, %o
  })");
}

TEST(DecomposeCopies, FollowTheResultType) {
  expect_rewrite(all, R"(func forward(%x: float32[2,3]) {
    %a: float64[2,3] = aten.to.dtype(%x, float64)
    %b: float64[2,3] = aten.clone.default(%a)
    %c: float32[2,3] = aten._to_copy.default(%b, float32)
    %d: float32[2,3] = aten.clone.default(%x)
    return %c, %d
  })",
                 R"(func forward(%x: float32[2,3]) {
    %a: float64[2,3] = dim_order_ops._to_dim_order_copy.default(%x, float64, none, none, none, false, [0, 1])
    %c: float32[2,3] = dim_order_ops._to_dim_order_copy.default(%a, float32, none, none, none, false, [0, 1])
    %d: float32[2,3] = dim_order_ops._clone_dim_order.default(%x, false, [0, 1])
    return %c, %d
  })");
}

TEST(Decompose, KeepsWhatItIsTold) {
  const auto keep = [](ir::Module& module) {
    return decompose(module, {Op::aten_hardswish, Op::aten_linear});
  };
  expect_rewrite(keep, R"(const @w: float32[3,3] parameter = elided
  func forward(%x: float32[2,3]) {
    %w = const @w
    %a: float32[2,3] = aten.linear.default(%x, %w)
    %b: float32[2,3] = aten.hardswish.default(%a)
    %c: float32[2,3] = aten.relu6.default(%b)
    return %c
  })",
                 R"(const @w: float32[3,3] parameter = elided
  func forward(%x: float32[2,3]) {
    %w = const @w
    %a: float32[2,3] = aten.linear.default(%x, %w)
    %b: float32[2,3] = aten.hardswish.default(%a)
    %c: float32[2,3] = aten.hardtanh.default(%b, 0, 6)
    return %c
  })");
}

TEST(Decompose, ReportsEverythingItCannotDo) {
  const std::string text = R"(func forward(%x: float32[2,3]) {
    %a: float32[2,5] = aten.pad.default(%x, [1, 1], "circular") loc "m.py:1"
    %b: float32[2,7] = aten.pad.default(%a, [1, 1], "circular") loc "m.py:2"
    return %b
  })";
  expect_failure(all, text, Code::kUnsupported,
                 "node 'a' (m.py:1): aten.pad.default: mode 'circular'");
  expect_failure(all, text, Code::kUnsupported,
                 "node 'b' (m.py:2): aten.pad.default: mode 'circular'");
}

TEST(DecomposePad, ReflectionAndRepetitionHaveOperators) {
  expect_rewrite(all, R"(func forward(%x: float32[2,3,4]) {
    %a: float32[2,3,6] = aten.pad.default(%x, [1, 1], "reflect")
    %b: float32[2,4,8] = aten.pad.default(%a, [1, 1, 0, 1], "replicate")
    return %b
  })",
                 R"(func forward(%x: float32[2,3,4]) {
    %a: float32[2,3,6] = aten.reflection_pad1d.default(%x, [1, 1])
    %b: float32[2,4,8] = aten.replication_pad2d.default(%a, [1, 1, 0, 1])
    return %b
  })");
}

TEST(DecomposeView, SizesAreComputedFromThoseOfTheInputs) {
  Module module = after_pass(all, R"(sym s0 in [2, 8]
  sym s1 in [2, 8]
  func forward(%x: float32[s0,2,s1]) {
    %a: float32[s0,2*s1] = aten.flatten.using_ints(%x, 1)
    return %a
  })");
  const std::string text = ir::print(module);
  EXPECT_NE(text.find("aten.view_copy.default"), std::string::npos) << text;
}

}  // namespace
}  // namespace pte::passes
