#include "engine/passes/fusions.h"
#include "passes/pass_test.h"

namespace pte::engine {
namespace {

using passes::expect_rewrite;
using passes::expect_unchanged;

TEST(RecomposeRows, Softmax) {
  expect_rewrite(recompose_rows, R"(func forward(%x: float32[2,3,4]) {
    %m: float32[2,1,4] = aten.amax.default(%x, [-2], true)
    %d: float32[2,3,4] = aten.sub.Tensor(%x, %m)
    %e: float32[2,3,4] = aten.exp.default(%d)
    %s: float32[2,1,4] = aten.sum.dim_IntList(%e, [1], true)
    %y: float32[2,3,4] = aten.div.Tensor(%e, %s)
    return %y
  })",
                 R"(func forward(%x: float32[2,3,4]) {
    %y: float32[2,3,4] = aten._softmax.default(%x, 1, false)
    return %y
  })");
}

// Without the maximum, large numbers give infinities, which softmax does not.
TEST(RecomposeRows, WhatIsNoSoftmaxStays) {
  expect_unchanged(recompose_rows, R"(func forward(%x: float32[2,3]) {
    %e: float32[2,3] = aten.exp.default(%x)
    %s: float32[2,1] = aten.sum.dim_IntList(%e, [1], true)
    %y: float32[2,3] = aten.div.Tensor(%e, %s)
    return %y
  })");
  expect_unchanged(recompose_rows, R"(func forward(%x: float32[3,3]) {
    %m: float32[1,3] = aten.amax.default(%x, [0], true)
    %d: float32[3,3] = aten.sub.Tensor(%x, %m)
    %e: float32[3,3] = aten.exp.default(%d)
    %s: float32[3,1] = aten.sum.dim_IntList(%e, [1], true)
    %y: float32[3,3] = aten.div.Tensor(%e, %s)
    return %y
  })");
}

TEST(RecomposeRows, LayerNormByReciprocalRoot) {
  expect_rewrite(recompose_rows, R"(const @w: float32[4] parameter = elided
  const @b: float32[4] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %b = const @b
    %m: float32[2,3,1] = aten.mean.dim(%x, [-1], true)
    %d: float32[2,3,4] = aten.sub.Tensor(%x, %m)
    %q: float32[2,3,4] = aten.mul.Tensor(%d, %d)
    %v: float32[2,3,1] = aten.mean.dim(%q, [2], true)
    %e: float32[2,3,1] = aten.add.Scalar(%v, 1e-05)
    %r: float32[2,3,1] = aten.rsqrt.default(%e)
    %n: float32[2,3,4] = aten.mul.Tensor(%d, %r)
    %s: float32[2,3,4] = aten.mul.Tensor(%n, %w)
    %y: float32[2,3,4] = aten.add.Tensor(%b, %s)
    return %y
  })",
                 R"(const @w: float32[4] parameter = elided
  const @b: float32[4] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %b = const @b
    %y: float32[2,3,4] = aten.layer_norm.default(%x, [4], %w, %b, 1e-05, true)
    return %y
  })");
}

TEST(RecomposeRows, LayerNormByDivisionOverTwoDimensions) {
  expect_rewrite(recompose_rows, R"(const @two: float32[] constant = dense [2]
  const @eps: float32[] constant = dense [0.5]
  func forward(%x: float32[2,3,4]) {
    %two = const @two
    %eps = const @eps
    %m: float32[2,1,1] = aten.mean.dim(%x, [2, 1], true)
    %d: float32[2,3,4] = aten.sub.Tensor(%x, %m)
    %q: float32[2,3,4] = aten.pow.Tensor_Tensor(%d, %two)
    %v: float32[2,1,1] = aten.mean.dim(%q, [1, 2], true)
    %e: float32[2,1,1] = aten.add.Tensor(%v, %eps)
    %r: float32[2,1,1] = aten.sqrt.default(%e)
    %n: float32[2,3,4] = aten.div.Tensor(%d, %r)
    return %n
  })",
                 R"(const @two: float32[] constant = dense [2]
  const @eps: float32[] constant = dense [0.5]
  func forward(%x: float32[2,3,4]) {
    %n: float32[2,3,4] = aten.layer_norm.default(%x, [3, 4], none, none, 0.5, true)
    return %n
  })");
}

TEST(RecomposeRows, LayerNormByVariance) {
  expect_rewrite(recompose_rows, R"(func forward(%x: float32[2,4]) {
    %m: float32[2,1] = aten.mean.dim(%x, [1], true)
    %d: float32[2,4] = aten.sub.Tensor(%x, %m)
    %v: float32[2,1] = aten.var.correction(%x, [1], 0, true)
    %e: float32[2,1] = aten.add.Scalar(%v, 1e-06)
    %r: float32[2,1] = aten.rsqrt.default(%e)
    %n: float32[2,4] = aten.mul.Tensor(%r, %d)
    return %n
  })",
                 R"(func forward(%x: float32[2,4]) {
    %n: float32[2,4] = aten.layer_norm.default(%x, [4], none, none, 1e-06, true)
    return %n
  })");
}

TEST(RecomposeRows, OtherNormsStay) {
  // Over the first dimension; a variance of something else; weights that are computed.
  expect_unchanged(recompose_rows, R"(func forward(%x: float32[4,4], %z: float32[4,4]) {
    %m: float32[1,4] = aten.mean.dim(%x, [0], true)
    %d: float32[4,4] = aten.sub.Tensor(%x, %m)
    %q: float32[4,4] = aten.mul.Tensor(%d, %d)
    %v: float32[1,4] = aten.mean.dim(%q, [0], true)
    %e: float32[1,4] = aten.add.Scalar(%v, 1e-05)
    %r: float32[1,4] = aten.rsqrt.default(%e)
    %n: float32[4,4] = aten.mul.Tensor(%d, %r)
    %qz: float32[4,4] = aten.mul.Tensor(%z, %z)
    %vz: float32[4,1] = aten.mean.dim(%qz, [1], true)
    %ez: float32[4,1] = aten.add.Scalar(%vz, 1e-05)
    %rz: float32[4,1] = aten.rsqrt.default(%ez)
    %nz: float32[4,4] = aten.mul.Tensor(%d, %rz)
    return %n, %nz
  })");
}

}  // namespace
}  // namespace pte::engine
