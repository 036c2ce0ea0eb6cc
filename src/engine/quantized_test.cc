// int8 layers give the bytes that the reference interpreter gives.
#include "engine/quantized.h"

#include "engine/session.h"
#include "engine/testing.h"

namespace pte::engine {
namespace {

using testing::compare;
using testing::kernels_of;
using testing::program_of;

// Exactly, on every instruction set, fused or not, with one thread or several.
std::string check(const std::string& body) {
  const auto program = program_of(body);
  if (program == nullptr) return {};
  Options plain;
  plain.plan.fuse = false;
  plain.plan.alias = false;
  compare(program, plain, 0, "unfused");
  for (const simd::Isa isa : simd::available_isas()) {
    Options one;
    one.plan.isa = isa;
    compare(program, one, 0, std::string(simd::isa_name(isa)));
  }
  Options threads;
  threads.threads = 3;
  threads.oversubscribe = true;
  compare(program, threads, 0, "three threads");
  const auto session = compare(program, {}, 0, "fused");
  if (session == nullptr) return {};
  EXPECT_NE(session->plan(), nullptr) << session->why_reference();
  return kernels_of(*session);
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Scales of weights as small as they would be.
std::string scales(const std::string& name, int count) {
  std::string text =
      "const @" + name + ": float32[" + std::to_string(count) + "] constant = dense [";
  for (int i = 0; i < count; ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(0.0008 + 0.0001 * (i % 7));
  }
  return text + "]\n";
}

TEST(Quantized, ANetOfMobileBlocks) {
  const std::string kernels = check(
      R"(const @w: int8[16,3,3,3] constant = elided
  const @b: int32[16] constant = elided
  const @d: int8[16,1,5,5] constant = elided
  const @p: int8[24,16,1,1] constant = elided
  const @f: int8[16,16,1,1] constant = elided
  const @l: int8[10,24] constant = elided
  const @c: int32[10] constant = elided
  const @three: float32[] constant = dense [3]
  const @six: float32[] constant = dense [6]
  )" + scales("sw", 16) +
      scales("sp", 24) + scales("sl", 10) + scales("s1", 1) +
      R"(func forward(%x: float32[1,3,19,21]) {
    %w = const @w
    %b = const @b
    %d = const @d
    %p = const @p
    %f = const @f
    %l = const @l
    %c = const @c
    %sw = const @sw
    %sp = const @sp
    %sl = const @sl
    %s1 = const @s1
    %three = const @three
    %six = const @six
    %q: int8[1,3,19,21] = quantized_decomposed.quantize_per_tensor.default(%x, 0.03, -5, -128, 127, int8)
    %v0: int8[1,16,10,11] = pte.quantized_convolution.default(%q, 0.03, -5, %w, %sw, 0, %b, [2, 2], [1, 1, 1, 1], [1, 1], false, [0, 0], 1, 0.02, 3)
    %f0: float32[1,16,10,11] = quantized_decomposed.dequantize_per_tensor.default(%v0, 0.02, 3, -128, 127, int8, none)
    %h0: float32[1,16,10,11] = aten.tanh.default(%f0)
    %q0: int8[1,16,10,11] = quantized_decomposed.quantize_per_tensor.default(%h0, 0.015, -100, -128, 127, int8)
    %v1: int8[1,16,5,6] = pte.quantized_convolution.default(%q0, 0.015, -100, %d, %sw, 0, %b, [2, 2], [2, 2, 2, 2], [1, 1], false, [0, 0], 16, 0.01, -128)
    %r1: int8[1,16,5,6] = aten.clamp.default(%v1, -128, 90)
    %m: int8[1,16,1,1] = pte.quantized_mean.default(%r1, 0.01, -128, [2, 3], true, 0.009, -120)
    %g0: int8[1,16,1,1] = pte.quantized_convolution.default(%m, 0.009, -120, %f, %s1, 0, none, [1, 1], [0, 0, 0, 0], [1, 1], false, [0, 0], 1, 0.004, 0)
    %g1: float32[1,16,1,1] = quantized_decomposed.dequantize_per_tensor.default(%g0, 0.004, 0, -128, 127, int8, none)
    %g2: float32[1,16,1,1] = aten.add.Tensor(%g1, %three, 1)
    %g3: float32[1,16,1,1] = aten.hardtanh.default(%g2, 0, 6)
    %g4: float32[1,16,1,1] = aten.div.Tensor(%g3, %six)
    %g5: int8[1,16,1,1] = quantized_decomposed.quantize_per_tensor.default(%g4, 0.0039, -128, -128, 127, int8)
    %v2: int8[1,16,5,6] = pte.quantized_mul.default(%g5, 0.0039, -128, %r1, 0.01, -128, 0.008, -128)
    %v3: int8[1,24,5,6] = pte.quantized_convolution.default(%v2, 0.008, -128, %p, %sp, 0, none, [1, 1], [0, 0, 0, 0], [1, 1], false, [0, 0], 1, 0.007, 9)
    %v4: int8[1,24,1,1] = pte.quantized_mean.default(%v3, 0.007, 9, [-1, -2], true, 0.003, 4)
    %v5: int8[1,24] = aten.view_copy.default(%v4, [1, 24])
    %v6: int8[1,10] = pte.quantized_linear.default(%v5, 0.003, 4, %l, %sl, 0, 8, %c, 0.002, -3)
    %o: float32[1,10] = quantized_decomposed.dequantize_per_tensor.default(%v6, 0.002, -3, -128, 127, int8, none)
    return %o
  })");
  EXPECT_EQ(kernels.find("reference"), std::string::npos) << kernels;
  EXPECT_EQ(kernels.find("elementwise"), std::string::npos) << kernels;
  EXPECT_EQ(kernels.find("copy"), std::string::npos) << kernels;
  // Every activation is part of what comes before it.
  EXPECT_EQ(count_of(kernels, "\ntable"), 0U) << kernels;
  EXPECT_EQ(count_of(kernels, ", table"), 2U) << kernels;
  EXPECT_EQ(count_of(kernels, ", clamp"), 1U) << kernels;
}

TEST(Quantized, SplitsSumsMaximaAndConcatenations) {
  const std::string silu = "quantized_decomposed.dequantize_per_tensor.default(";
  const std::string kernels = check(
      R"(const @w: int8[16,4,1,1] constant = elided
  const @v: int8[8,8,3,3] constant = elided
  const @u: int8[6,40,1,1] constant = elided
  )" + scales("sw", 16) +
      scales("sv", 8) + scales("su", 6) +
      R"(func forward(%x: float32[2,4,6,5]) {
    %w = const @w
    %v = const @v
    %u = const @u
    %sw = const @sw
    %sv = const @sv
    %su = const @su
    %q: int8[2,4,6,5] = quantized_decomposed.quantize_per_tensor.default(%x, 0.02, 0, -128, 127, int8)
    %v0: int8[2,16,6,5] = pte.quantized_convolution.default(%q, 0.02, 0, %w, %sw, 0, none, [1, 1], [0, 0, 0, 0], [1, 1], false, [0, 0], 1, 0.01, 3)
    %f0: float32[2,16,6,5] = quantized_decomposed.dequantize_per_tensor.default(%v0, 0.01, 3, -128, 127, int8, none)
    %s0: float32[2,16,6,5] = aten.sigmoid.default(%f0)
    %m0: float32[2,16,6,5] = aten.mul.Tensor(%f0, %s0)
    (%a: float32[2,8,6,5], %b: float32[2,8,6,5]) = aten.split_with_sizes_copy.default(%m0, [8, 8], 1)
    %qa: int8[2,8,6,5] = quantized_decomposed.quantize_per_tensor.default(%a, 0.011, -90, -128, 127, int8)
    %qb: int8[2,8,6,5] = quantized_decomposed.quantize_per_tensor.default(%b, 0.011, -90, -128, 127, int8)
    %v1: int8[2,8,6,5] = pte.quantized_convolution.default(%qb, 0.011, -90, %v, %sv, 0, none, [1, 1], [1, 1, 1, 1], [1, 1], false, [0, 0], 1, 0.02, -20)
    %v2: int8[2,8,6,5] = pte.quantized_add.default(%qb, 0.011, -90, %v1, 0.02, -20, 0.011, -90)
    (%p: float32[2,8,6,5], %pi: int64[2,8,6,5]) = aten.max_pool2d_with_indices.default(%b, [5, 5], [1, 1], [2, 2], [1, 1], false)
    %qp: int8[2,8,6,5] = quantized_decomposed.quantize_per_tensor.default(%p, 0.011, -90, -128, 127, int8)
    %fv: float32[2,8,6,5] = quantized_decomposed.dequantize_per_tensor.default(%v2, 0.011, -90, -128, 127, int8, none)
    (%fs: float32[2,8,3,2], %fi: int64[2,8,3,2]) = aten.max_pool2d_with_indices.default(%fv, [2, 2], [2, 2], [0, 0], [1, 1], false)
    %up: float32[2,8,6,5] = aten.upsample_nearest2d.vec(%fs, [6, 5], none)
    %qu: int8[2,8,6,5] = quantized_decomposed.quantize_per_tensor.default(%up, 0.011, -90, -128, 127, int8)
    %c: int8[2,40,6,5] = aten.cat.default([%qa, %qb, %v2, %qp, %qu], 1)
    %v3: int8[2,6,6,5] = pte.quantized_convolution.default(%c, 0.011, -90, %u, %su, 0, none, [1, 1], [0, 0, 0, 0], [1, 1], false, [0, 0], 1, 0.03, 0)
    %o: float32[2,6,6,5] = quantized_decomposed.dequantize_per_tensor.default(%v3, 0.03, 0, -128, 127, int8, none)
    return %o
  })");
  EXPECT_EQ(kernels.find("reference"), std::string::npos) << kernels;
  EXPECT_EQ(kernels.find("elementwise"), std::string::npos) << kernels;
  EXPECT_EQ(count_of(kernels, "int8 max pool"), 2U) << kernels;
  EXPECT_EQ(count_of(kernels, "\ntable"), 0U) << kernels;
}

TEST(Quantized, SumsAndProductsBroadcast) {
  const std::string kernels =
      check(R"(func forward(%x: int8[2,3,4,5], %y: int8[3,1,5], %z: int8[1]) {
    %a: int8[2,3,4,5] = pte.quantized_add.default(%x, 0.5, 1, %y, -0.25, -2, 0.3, 4)
    %b: int8[2,3,4,5] = pte.quantized_mul.default(%y, 0.5, 1, %a, 0.3, 4, 0.2, 5)
    %c: int8[2,3,4,5] = pte.quantized_mul.default(%z, 0.5, 1, %b, 0.2, 5, 0.1, 6)
    %d: int8[2,3,4,5] = pte.quantized_add.default(%c, 0.1, 6, %c, 0.1, 6, 0.15, 0)
    %e: int8[2,3,4,5] = pte.requantize.default(%d, 0.15, 0, 0.1, 3)
    %f: int8[2,3,4,5] = aten.clamp.default(%e, -3, 77)
    %g: int8[1] = pte.quantized_mul.default(%z, 0.5, 1, %z, 0.5, 1, 0.1, 6)
    return %f, %b, %g
  })");
  EXPECT_EQ(kernels.find("reference"), std::string::npos) << kernels;
  // The last three calls are one table.
  EXPECT_EQ(count_of(kernels, "int8"), 3U) << kernels;
}

TEST(Quantized, TablesReadByMoreThanOneStayAlone) {
  const std::string kernels = check(
      R"(const @w: int8[8,8,3,3] constant = elided
  )" + scales("s", 8) +
      R"(func forward(%x: int8[1,8,6,6]) {
    %w = const @w
    %s = const @s
    %v: int8[1,8,6,6] = pte.quantized_convolution.default(%x, 0.5, 1, %w, %s, 0, none, [1, 1], [1, 1, 1, 1], [1, 1], false, [0, 0], 1, 0.1, 3)
    %f: float32[1,8,6,6] = quantized_decomposed.dequantize_per_tensor.default(%v, 0.1, 3, -128, 127, int8, none)
    %t: float32[1,8,6,6] = aten.tanh.default(%f)
    %a: int8[1,8,6,6] = quantized_decomposed.quantize_per_tensor.default(%t, 0.008, 0, -128, 127, int8)
    %b: int8[1,8,6,6] = quantized_decomposed.quantize_per_tensor.default(%t, 0.01, 5, -128, 127, int8)
    %r: float32[1,8,6,6] = aten.abs.default(%f)
    return %a, %b, %r
  })");
  EXPECT_EQ(count_of(kernels, "table"), 2U) << kernels;
  EXPECT_EQ(count_of(kernels, "reference"), 0U) << kernels;
}

TEST(Quantized, QuantizingBackToTheSameScaleIsNothing) {
  const std::string kernels = check(R"(func forward(%x: int8[2,7]) {
    %f: float32[2,7] = quantized_decomposed.dequantize_per_tensor.default(%x, 0.1, 3, -128, 127, int8, none)
    %v: float32[7,2] = aten.permute_copy.default(%f, [1, 0])
    %q: int8[7,2] = quantized_decomposed.quantize_per_tensor.default(%v, 0.1, 3, -128, 127, int8)
    return %q
  })");
  EXPECT_EQ(kernels, "copy\n");
}

TEST(Quantized, WhatTheKernelsLackTheReferenceDoes) {
  const std::string kernels = check(
      R"(const @w: uint8[6,4,3,3] constant = elided
  const @t: int8[4,6,2,2] constant = elided
  )" + scales("s", 6) +
      R"(func forward(%x: uint8[1,4,5,5], %y: int8[1,4,3,3]) {
    %w = const @w
    %t = const @t
    %s = const @s
    %a: uint8[1,6,5,5] = pte.quantized_convolution.default(%x, 0.5, 1, %w, %s, 128, none, [1, 1], [1, 1, 1, 1], [1, 1], false, [0, 0], 1, 0.9, 3)
    %b: int8[1,6,6,6] = pte.quantized_convolution.default(%y, 0.5, 1, %t, %s, 0, none, [2, 2], [0, 0, 0, 0], [1, 1], true, [0, 0], 1, 0.1, 3)
    %c: int8[1,6,6,6] = aten.clamp.default(%b, 0, 50)
    return %a, %c
  })");
  EXPECT_EQ(count_of(kernels, "reference"), 2U) << kernels;
  EXPECT_EQ(count_of(kernels, "table"), 1U) << kernels;
}

TEST(Quantized, LinearLayersThatQuantizeRows) {
  const auto program = program_of(
      R"(const @w: int8[24,20] constant = elided
  const @b: float32[24] constant = elided
  const @f: uint8[9,12] constant = elided
  const @g: uint8[5,32] constant = elided
  const @h: float32[5,2] constant = dense [0.01, 0.02, 0.03, 0.015, 0.012, 0.011, 0.02, 0.01, 0.017, 0.03]
  )" + scales("s", 24) +
      scales("t", 9) +
      R"(func forward(%x: float32[2,3,20], %y: float32[4,64]) {
    %w = const @w
    %b = const @b
    %f = const @f
    %g = const @g
    %h = const @h
    %s = const @s
    %t = const @t
    %a: float32[2,3,24] = pte.dynamic_quantized_linear.default(%x, 1, %w, %s, 0, 8, %b)
    %r: float32[2,3,24] = aten.relu.default(%a)
    %c: float32[2,3,9] = pte.dynamic_quantized_linear.default(%r, 1, %f, %t, 8, 4, none)
    %d: float32[4,5] = pte.dynamic_quantized_linear.default(%y, 1, %g, %h, 8, 4, none)
    %e: float32[2,3,24] = pte.dynamic_quantized_linear.default(%x, 2, %w, %s, 0, 8, %b)
    return %c, %d, %e
  })");
  ASSERT_NE(program, nullptr);
  for (const simd::Isa isa : simd::available_isas()) {
    Options options;
    options.plan.isa = isa;
    options.threads = 2;
    // A second layer may quantise what was rounded otherwise to the neighbouring step.
    const auto session = compare(program, options, 0.01, std::string(simd::isa_name(isa)));
    ASSERT_NE(session, nullptr);
    const std::string kernels = kernels_of(*session);
    EXPECT_EQ(count_of(kernels, "dynamic int8 gemm"), 1U) << kernels;
    EXPECT_EQ(count_of(kernels, "dynamic int4 gemm"), 2U) << kernels;
    EXPECT_EQ(count_of(kernels, "blockwise"), 1U) << kernels;
    EXPECT_EQ(count_of(kernels, "reference"), 1U) << kernels;
  }
}

}  // namespace
}  // namespace pte::engine
