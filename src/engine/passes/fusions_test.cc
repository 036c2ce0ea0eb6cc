#include "engine/passes/fusions.h"

#include "passes/pass_test.h"

namespace pte::engine {
namespace {

using passes::expect_rewrite;
using passes::expect_unchanged;

TEST(RecomposeActivations, Silu) {
  expect_rewrite(recompose_activations, R"(func forward(%x: float32[2]) {
    %s: float32[2] = aten.sigmoid.default(%x)
    %a: float32[2] = aten.mul.Tensor(%x, %s)
    %b: float32[2] = aten.mul.Tensor(%s, %x)
    return %a, %b
  })",
                 R"(func forward(%x: float32[2]) {
    %s: float32[2] = aten.sigmoid.default(%x)
    %a: float32[2] = aten.silu.default(%x)
    %b: float32[2] = aten.silu.default(%x)
    return %a, %b
  })");
}

TEST(RecomposeActivations, AGateOfAnotherValueStays) {
  expect_unchanged(recompose_activations, R"(func forward(%x: float32[2], %y: float32[2]) {
    %s: float32[2] = aten.sigmoid.default(%x)
    %a: float32[2] = aten.mul.Tensor(%y, %s)
    return %a
  })");
}

TEST(RecomposeActivations, GeluWithErf) {
  expect_rewrite(recompose_activations, R"(const @half: float32[] constant = dense [0.5]
  func forward(%x: float32[2]) {
    %half = const @half
    %h: float32[2] = aten.mul.Tensor(%x, %half)
    %d: float32[2] = aten.div.Scalar(%x, 1.4142135623730951)
    %e: float32[2] = aten.erf.default(%d)
    %o: float32[2] = aten.add.Scalar(%e, 1)
    %g: float32[2] = aten.mul.Tensor(%h, %o)
    return %g
  })",
                 R"(const @half: float32[] constant = dense [0.5]
  func forward(%x: float32[2]) {
    %half = const @half
    %h: float32[2] = aten.mul.Tensor(%x, %half)
    %d: float32[2] = aten.div.Scalar(%x, 1.4142135623730951)
    %e: float32[2] = aten.erf.default(%d)
    %o: float32[2] = aten.add.Scalar(%e, 1)
    %g: float32[2] = aten.gelu.default(%x)
    return %g
  })");
}

TEST(RecomposeActivations, GeluWithTanh) {
  const std::string body = R"(
    %c: float32[2] = aten.pow.Tensor_Scalar(%x, 3)
    %k: float32[2] = aten.mul.Scalar(%c, 0.044715)
    %i: float32[2] = aten.add.Tensor(%x, %k)
    %s: float32[2] = aten.mul.Scalar(%i, 0.7978845608028654)
    %t: float32[2] = aten.tanh.default(%s)
    %o: float32[2] = aten.add.Scalar(%t, 1))";
  expect_rewrite(recompose_activations, "func forward(%x: float32[2]) {" + body + R"(
    %h: float32[2] = aten.mul.Scalar(%x, 0.5)
    %g: float32[2] = aten.mul.Tensor(%h, %o)
    return %g
  })",
                 "func forward(%x: float32[2]) {" + body + R"(
    %h: float32[2] = aten.mul.Scalar(%x, 0.5)
    %g: float32[2] = aten.gelu.default(%x, "tanh")
    return %g
  })");
}

TEST(RecomposeActivations, OtherFactorsAreNoGelu) {
  expect_unchanged(recompose_activations, R"(func forward(%x: float32[2]) {
    %h: float32[2] = aten.mul.Scalar(%x, 0.25)
    %d: float32[2] = aten.mul.Scalar(%x, 0.7071067811865476)
    %e: float32[2] = aten.erf.default(%d)
    %o: float32[2] = aten.add.Scalar(%e, 1)
    %g: float32[2] = aten.mul.Tensor(%h, %o)
    return %g
  })");
}

TEST(JoinSlices, ASplitThatIsConcatenatedAgain) {
  expect_rewrite(join_slices, R"(func forward(%x: float32[1,6,2], %y: float32[1,3,2]) {
    (%a: float32[1,2,2], %b: float32[1,4,2]) = aten.split_with_sizes_copy.default(%x, [2, 4], 1)
    %r: float32[1,4,2] = aten.relu.default(%b)
    %c: float32[1,13,2] = aten.cat.default([%y, %a, %b, %r], 1)
    return %c
  })",
                 R"(func forward(%x: float32[1,6,2], %y: float32[1,3,2]) {
    (%a: float32[1,2,2], %b: float32[1,4,2]) = aten.split_with_sizes_copy.default(%x, [2, 4], 1)
    %r: float32[1,4,2] = aten.relu.default(%b)
    %c: float32[1,13,2] = aten.cat.default([%y, %x, %r], 1)
    return %c
  })");
}

TEST(JoinSlices, SlicesBecomeTheirSource) {
  expect_rewrite(join_slices, R"(func forward(%x: float32[1,6,2]) {
    %a: float32[1,2,2] = aten.slice_copy.Tensor(%x, 1, 0, 2)
    %b: float32[1,4,2] = aten.slice_copy.Tensor(%x, 1, 2, 9223372036854775807)
    %c: float32[1,6,2] = aten.cat.default([%a, %b], -2)
    return %c
  })",
                 R"(func forward(%x: float32[1,6,2]) {
    %a: float32[1,2,2] = aten.slice_copy.Tensor(%x, 1, 0, 2)
    %b: float32[1,4,2] = aten.slice_copy.Tensor(%x, 1, 2, 9223372036854775807)
    return %x
  })");
}

TEST(JoinSlices, PartsInAnotherOrderOrWithGapsStay) {
  expect_unchanged(join_slices, R"(func forward(%x: float32[1,6,2], %z: float32[6,2,2]) {
    (%a: float32[1,2,2], %b: float32[1,4,2]) = aten.split_with_sizes_copy.default(%x, [2, 4], 1)
    %c: float32[1,6,2] = aten.cat.default([%b, %a], 1)
    %d: float32[1,4,2] = aten.cat.default([%a, %a], 1)
    %e: float32[6,1,2] = aten.slice_copy.Tensor(%z, 1, 0, 1)
    %f: float32[6,1,2] = aten.slice_copy.Tensor(%z, 1, 1, 2)
    %g: float32[12,1,2] = aten.cat.default([%e, %f], 0)
    return %c, %d, %g
  })");
}

TEST(HoistQuantize, PastSplitsConcatenationsAndMaxima) {
  expect_rewrite(hoist_quantize, R"(func forward(%x: int8[1,4,6,6], %y: int8[1,2,6,6]) {
    %f: float32[1,4,6,6] = quantized_decomposed.dequantize_per_tensor.default(%x, 0.5, 1, -128, 127, int8, none)
    %g: float32[1,2,6,6] = quantized_decomposed.dequantize_per_tensor.default(%y, 0.25, 2, -128, 127, int8, none)
    %s: float32[1,4,6,6] = aten.sigmoid.default(%f)
    (%a: float32[1,2,6,6], %b: float32[1,2,6,6]) = aten.split_with_sizes_copy.default(%s, [2, 2], 1)
    %c: float32[1,4,6,6] = aten.cat.default([%b, %g], 1)
    %m: float32[1,4,3,3] = aten.max_pool2d.default(%c, [2, 2], [2, 2], [0, 0], [1, 1], false)
    %q: int8[1,4,3,3] = quantized_decomposed.quantize_per_tensor.default(%m, 0.1, 3, -128, 127, int8)
    return %q, %a
  })",
                 R"(func forward(%x: int8[1,4,6,6], %y: int8[1,2,6,6]) {
    %f: float32[1,4,6,6] = quantized_decomposed.dequantize_per_tensor.default(%x, 0.5, 1, -128, 127, int8, none)
    %g: float32[1,2,6,6] = quantized_decomposed.dequantize_per_tensor.default(%y, 0.25, 2, -128, 127, int8, none)
    %s: float32[1,4,6,6] = aten.sigmoid.default(%f)
    %qs: int8[1,4,6,6] = quantized_decomposed.quantize_per_tensor.default(%s, 0.1, 3, -128, 127, int8)
    (%qa: int8[1,2,6,6], %qb: int8[1,2,6,6]) = aten.split_with_sizes_copy.default(%qs, [2, 2], 1)
    (%a: float32[1,2,6,6], %b: float32[1,2,6,6]) = aten.split_with_sizes_copy.default(%s, [2, 2], 1)
    %qg: int8[1,2,6,6] = quantized_decomposed.quantize_per_tensor.default(%g, 0.1, 3, -128, 127, int8)
    %qc: int8[1,4,6,6] = aten.cat.default([%qb, %qg], 1)
    %c: float32[1,4,6,6] = aten.cat.default([%b, %g], 1)
    %qm: int8[1,4,3,3] = aten.max_pool2d.default(%qc, [2, 2], [2, 2], [0, 0], [1, 1], false)
    %m: float32[1,4,3,3] = aten.max_pool2d.default(%c, [2, 2], [2, 2], [0, 0], [1, 1], false)
    return %qm, %a
  })");
}

TEST(HoistQuantize, WhatWasNeverBytesStays) {
  expect_unchanged(hoist_quantize, R"(func forward(%x: float32[1,4], %y: int8[1,4]) {
    %v: float32[4] = aten.view_copy.default(%x, [4])
    %q: int8[4] = quantized_decomposed.quantize_per_tensor.default(%v, 0.1, 3, -128, 127, int8)
    %f: float32[1,4] = quantized_decomposed.dequantize_per_tensor.default(%y, 0.5, 1, -128, 127, int8, none)
    %s: float32[1,4] = aten._softmax.default(%f, 1, false)
    %w: float32[4] = aten.view_copy.default(%s, [4])
    %r: int8[4] = quantized_decomposed.quantize_per_tensor.default(%w, 0.1, 3, -128, 127, int8)
    return %q, %r
  })");
}

}  // namespace
}  // namespace pte::engine
