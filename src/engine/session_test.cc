#include "engine/session.h"

#include <filesystem>

#include "engine/testing.h"
#include "program/reader.h"

namespace pte::engine {
namespace {

using testing::compare;
using testing::kernels_of;
using testing::program_of;

// Also with every kind of fusion off and on several threads: the same numbers.
std::string check(const std::string& body, double bound = 1e-5) {
  const auto program = program_of(body);
  if (program == nullptr) return {};
  Options plain;
  plain.plan.fuse = false;
  plain.plan.alias = false;
  compare(program, plain, bound, "unfused");
  Options scalar;
  scalar.plan.isa = simd::available_isas().front();
  compare(program, scalar, bound, "plainest instruction set");
  Options threads;
  threads.threads = 3;
  threads.oversubscribe = true;
  compare(program, threads, bound, "three threads");
  const auto session = compare(program, {}, bound, "fused");
  EXPECT_NE(session->plan(), nullptr) << session->why_reference();
  return session == nullptr ? "" : kernels_of(*session);
}

TEST(Session, EveryGoldenProgramAsTheReferenceRunsIt) {
  size_t planned = 0;
  size_t all = 0;
  const std::filesystem::path root = std::string(PTE_SOURCE_DIR) + "/tests/golden";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".pte") continue;
    auto file = MappedFile::open(entry.path().string());
    ASSERT_TRUE(file.has_value());
    auto read = program::read_program(*file);
    if (!read) continue;  // damaged on purpose
    auto program = std::make_shared<const program::Program>(std::move(*read));
    if (program->find_method("forward") == nullptr) continue;
    bool random_free = true;
    for (const auto& op : program->find_method("forward")->operators) {
      random_free = random_free && op.name.find("rand") == std::string::npos;
    }
    if (!random_free) continue;
    const auto session = compare(program, {}, 1e-5, entry.path().string());
    ++all;
    if (session != nullptr && session->plan() != nullptr) ++planned;
  }
  EXPECT_GT(all, 20U);
  EXPECT_GT(planned, 15U);
}

TEST(Session, ConvolutionWithEverythingBehindIt) {
  const std::string kernels = check(R"(const @w: float32[16,3,3,3] parameter = elided
  const @b: float32[16] parameter = elided
  const @v: float32[16,16,1,1] parameter = elided
  func forward(%x: float32[2,3,9,11]) {
    %w = const @w
    %b = const @b
    %v = const @v
    %a: float32[2,16,5,6] = aten.convolution.default(%x, %w, %b, [2, 2], [1, 1], [1, 1], false, [0, 0], 1)
    %s: float32[2,16,5,6] = aten.sigmoid.default(%a)
    %m: float32[2,16,5,6] = aten.mul.Tensor(%a, %s)
    %c: float32[2,16,5,6] = aten.convolution.default(%m, %v, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %d: float32[2,16,5,6] = aten.add.Tensor(%c, %m)
    %e: float32[2,16,5,6] = aten.relu.default(%d)
    return %e
  })");
  EXPECT_EQ(kernels.find("elementwise"), std::string::npos) << kernels;
  EXPECT_NE(kernels.find("silu"), std::string::npos) << kernels;
  EXPECT_NE(kernels.find("sum"), std::string::npos) << kernels;
}

TEST(Session, PermutesAroundConvolutionsCostNothing) {
  const std::string kernels = check(R"(const @w: float32[8,8,3,3] parameter = elided
  func forward(%x: float32[1,6,7,8]) {
    %w = const @w
    %p: float32[1,8,6,7] = aten.permute_copy.default(%x, [0, 3, 1, 2])
    %c: float32[1,8,6,7] = aten.convolution.default(%p, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %q: float32[1,6,7,8] = aten.permute_copy.default(%c, [0, 2, 3, 1])
    return %q
  })",
                                    1e-4);
  EXPECT_EQ(kernels.find("copy"), std::string::npos) << kernels;
}

TEST(Session, ConcatenationsAreWrittenInPlace) {
  const std::string kernels = check(R"(const @w: float32[8,4,1,1] parameter = elided
  const @v: float32[4,4,3,3] parameter = elided
  const @u: float32[5,16,1,1] parameter = elided
  func forward(%x: float32[1,6,7,4]) {
    %w = const @w
    %v = const @v
    %u = const @u
    %p: float32[1,4,6,7] = aten.permute_copy.default(%x, [0, 3, 1, 2])
    %c: float32[1,8,6,7] = aten.convolution.default(%p, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    (%a: float32[1,4,6,7], %b: float32[1,4,6,7]) = aten.split_with_sizes_copy.default(%c, [4, 4], 1)
    %d: float32[1,4,6,7] = aten.convolution.default(%b, %v, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %e: float32[1,4,6,7] = aten.relu.default(%d)
    %f: float32[1,4,6,7] = aten.add.Tensor(%b, %e)
    %g: float32[1,16,6,7] = aten.cat.default([%a, %b, %e, %f], 1)
    %h: float32[1,5,6,7] = aten.convolution.default(%g, %u, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    return %h
  })",
                                    1e-4);
  EXPECT_EQ(kernels.find("aten::cat"), std::string::npos) << kernels;
  EXPECT_EQ(std::count(kernels.begin(), kernels.end(), '\n'), 5) << kernels;
}

TEST(Session, ConcatenationsOfFlattenedPicturesAreWrittenInPlace) {
  const std::string kernels = check(R"(const @w: float32[8,4,1,1] parameter = elided
  const @v: float32[8,4,3,3] parameter = elided
  func forward(%x: float32[1,6,7,4]) {
    %w = const @w
    %v = const @v
    %p: float32[1,4,6,7] = aten.permute_copy.default(%x, [0, 3, 1, 2])
    %c: float32[1,8,6,7] = aten.convolution.default(%p, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %d: float32[1,8,3,4] = aten.convolution.default(%p, %v, none, [2, 2], [1, 1], [1, 1], false, [0, 0], 1)
    %e: float32[1,8,42] = aten.view_copy.default(%c, [1, 8, 42])
    %f: float32[1,8,12] = aten.view_copy.default(%d, [1, 8, 12])
    %g: float32[1,8,54] = aten.cat.default([%e, %f], 2)
    %h: float32[1,54,8] = aten.permute_copy.default(%g, [0, 2, 1])
    return %h
  })");
  EXPECT_EQ(std::count(kernels.begin(), kernels.end(), '\n'), 2) << kernels;
}

TEST(Session, OneValueInTwoConcatenations) {
  check(R"(func forward(%x: float32[2,3,4], %y: float32[2,3,4]) {
    %a: float32[2,3,4] = aten.add.Tensor(%x, %y)
    %b: float32[2,3,4] = aten.mul.Tensor(%x, %y)
    %c: float32[2,6,4] = aten.cat.default([%a, %b], 1)
    %d: float32[2,3,8] = aten.cat.default([%b, %a], 2)
    %e: float32[2,6,4] = aten.cat.default([%a, %a], -2)
    %f: float32[4,6,4] = aten.cat.default([%c, %e], 0)
    return %d, %f, %a
  })");
}

TEST(Session, ViewsOfEveryKind) {
  check(R"(func forward(%x: float32[2,6,4], %y: float32[1,4]) {
    %a: float32[2,4,6] = aten.transpose_copy.int(%x, 1, -1)
    %b: float32[2,4,2,3] = aten.view_copy.default(%a, [2, 4, 2, 3])
    %c: float32[3,2,4,2] = aten.permute_copy.default(%b, [3, 0, 1, 2])
    %d: float32[2,4,2] = aten.select_copy.int(%c, 0, -1)
    %e: float32[2,2,2] = aten.slice_copy.Tensor(%d, 1, 1, 4, 2)
    %f: float32[8] = aten.view_copy.default(%e, [8])
    %g: float32[1,8] = aten.unsqueeze_copy.default(%f, 0)
    %h: float32[2,3,4] = aten.expand_copy.default(%y, [2, 3, 4])
    %i: float32[2,3,4] = aten.relu.default(%h)
    return %f, %i, %h, %c
  })");
}

TEST(Session, BroadcastsInEveryDirection) {
  check(R"(const @s: float32[] constant = dense [2.5]
  func forward(%x: float32[2,3,4,5], %c: float32[3,1,1], %r: float32[5], %o: float32[2,1,4,1]) {
    %s = const @s
    %a: float32[2,3,4,5] = aten.mul.Tensor(%x, %c)
    %b: float32[2,3,4,5] = aten.sub.Tensor(%r, %a)
    %d: float32[2,3,4,5] = aten.div.Tensor(%b, %s)
    %e: float32[2,3,4,5] = aten.add.Tensor(%o, %d)
    %f: float32[2,3,4,5] = aten.maximum.default(%e, %x)
    %g: float32[2,3,4,5] = aten.permute_copy.default(%x, [0, 1, 2, 3])
    %p: float32[2,4,5,3] = aten.permute_copy.default(%f, [0, 2, 3, 1])
    %q: float32[2,4,5,3] = aten.clone.default(%p)
    %t: float32[2,4,5,3] = aten.sigmoid.default(%q)
    return %t, %a
  })");
}

TEST(Session, ReductionsAndNorms) {
  check(R"(const @w: float32[6] parameter = elided
  func forward(%x: float32[2,6,5,4]) {
    %w = const @w
    %a: float32[2,6,1,1] = aten.mean.dim(%x, [-1, -2], true)
    %b: float32[2,6] = aten.mean.dim(%x, [2, 3])
    %c: float32[2,5,4] = aten.mean.dim(%x, [1])
    %d: float32[2,6,4] = aten.sum.dim_IntList(%x, [2])
    %p: float32[2,5,4,6] = aten.permute_copy.default(%x, [0, 2, 3, 1])
    (%n: float32[2,5,4,6], %m: float32[2,5,4,1], %r: float32[2,5,4,1]) = aten.native_layer_norm.default(%p, [6], %w, none, 1e-05)
    %s: float32[2,6,5,4] = aten._softmax.default(%x, 1, false)
    %t: float32[2,6,5,4] = aten._softmax.default(%x, -1, false)
    %all: float32[1,1,1,1] = aten.mean.dim(%x, [0, 1, 2, 3], true)
    return %a, %b, %c, %d, %n, %s, %t, %all
  })");
}

TEST(Session, PoolsAndResizes) {
  check(R"(func forward(%x: float32[2,5,7,6]) {
    (%a: float32[2,5,7,6], %i: int64[2,5,7,6]) = aten.max_pool2d_with_indices.default(%x, [5, 5], [1, 1], [2, 2])
    %b: float32[2,5,4,3] = aten.avg_pool2d.default(%x, [3, 2], [2, 2], [1, 0])
    %c: float32[2,5,4,3] = aten.avg_pool2d.default(%x, [3, 2], [2, 2], [1, 0], false, false)
    %d: float32[2,5,14,12] = aten.upsample_nearest2d.vec(%a, none, [2.0, 2.0])
    %e: float32[2,5,9,9] = aten.constant_pad_nd.default(%x, [1, 2, 0, 2], 0.5)
    return %a, %b, %c, %d, %e
  })");
}

TEST(Session, MatrixProducts) {
  check(R"(const @w: float32[7,5] parameter = elided
  const @v: float32[7,9] parameter = elided
  const @b: float32[7] parameter = elided
  func forward(%x: float32[2,3,5], %y: float32[2,5,4], %r: float32[2,3,7]) {
    %w = const @w
    %v = const @v
    %b = const @b
    %a: float32[2,3,7] = aten.linear.default(%x, %w, %b)
    %g: float32[2,3,7] = aten.gelu.default(%a)
    %h: float32[2,3,7] = aten.add.Tensor(%r, %g)
    %m: float32[6,7] = aten.view_copy.default(%h, [6, 7])
    %n: float32[6,9] = aten.mm.default(%m, %v)
    %p: float32[2,3,4] = aten.bmm.default(%x, %y)
    %q: float32[2,3,4] = aten.mul.Scalar(%p, 0.25)
    %t: float32[2,5,3] = aten.transpose_copy.int(%x, 1, 2)
    %u: float32[2,4,5] = aten.transpose_copy.int(%y, 1, 2)
    %z: float32[2,4,3] = aten.bmm.default(%u, %t)
    return %n, %q, %z, %h
  })");
}

TEST(Session, AttentionInPieces) {
  const std::string kernels = check(R"(const @m: float32[1,1,7,9] parameter = elided
  func forward(%q: float32[2,3,7,8], %k: float32[2,3,9,8], %v: float32[2,3,9,5]) {
    %m = const @m
    %t: float32[2,3,8,9] = aten.transpose_copy.int(%k, 2, 3)
    %a: float32[6,7,8] = aten.view_copy.default(%q, [6, 7, 8])
    %b: float32[6,8,9] = aten.view_copy.default(%t, [6, 8, 9])
    %c: float32[6,7,9] = aten.bmm.default(%a, %b)
    %d: float32[2,3,7,9] = aten.view_copy.default(%c, [2, 3, 7, 9])
    %e: float32[2,3,7,9] = aten.mul.Scalar(%d, 0.35)
    %f: float32[2,3,7,9] = aten.add.Tensor(%e, %m)
    %g: float32[2,3,7,9] = aten._softmax.default(%f, -1, false)
    %h: float32[6,7,9] = aten.view_copy.default(%g, [6, 7, 9])
    %i: float32[6,9,5] = aten.view_copy.default(%v, [6, 9, 5])
    %j: float32[6,7,5] = aten.bmm.default(%h, %i)
    %l: float32[2,3,7,5] = aten.view_copy.default(%j, [2, 3, 7, 5])
    %o: float32[2,7,3,5] = aten.permute_copy.default(%l, [0, 2, 1, 3])
    %p: float32[2,7,15] = aten.view_copy.default(%o, [2, 7, 15])
    return %p
  })");
  EXPECT_NE(kernels.find("attention 6x 7x9x8, mask"), std::string::npos) << kernels;
  EXPECT_EQ(kernels.find("softmax"), std::string::npos) << kernels;
}

// As vision encoders have it: neighbours turned, a class token before them that is not.
TEST(Session, AttentionWithRotaryEmbedding) {
  const std::string kernels = check(R"(const @cs: float32[6,16] parameter = elided
  func forward(%x: float32[1,7,48]) {
    %cs = const @cs
    (%cos: float32[6,8], %sin: float32[6,8]) = aten.split_with_sizes_copy.default(%cs, [8, 8], 1)
    %v: float32[1,7,3,2,8] = aten.view_copy.default(%x, [1, 7, 3, 2, 8])
    %p: float32[3,1,2,7,8] = aten.permute_copy.default(%v, [2, 0, 3, 1, 4])
    %qs: float32[1,1,2,7,8] = aten.slice_copy.Tensor(%p, 0, 0, 1, 1)
    %ks: float32[1,1,2,7,8] = aten.slice_copy.Tensor(%p, 0, 1, 2, 1)
    %vs: float32[1,1,2,7,8] = aten.slice_copy.Tensor(%p, 0, 2, 3, 1)
    %q: float32[1,2,7,8] = aten.squeeze_copy.dims(%qs, [0])
    %k: float32[1,2,7,8] = aten.squeeze_copy.dims(%ks, [0])
    %w: float32[1,2,7,8] = aten.squeeze_copy.dims(%vs, [0])
    %q0: float32[1,2,1,8] = aten.slice_copy.Tensor(%q, 2, 0, 1, 1)
    %q1: float32[1,2,6,8] = aten.slice_copy.Tensor(%q, 2, 1, 9223372036854775807, 1)
    %qa: float32[1,2,6,4] = aten.slice_copy.Tensor(%q1, 3, 0, 9223372036854775807, 2)
    %qb: float32[1,2,6,4] = aten.slice_copy.Tensor(%q1, 3, 1, 9223372036854775807, 2)
    %qn: float32[1,2,6,4] = aten.neg.default(%qb)
    %qu: float32[1,2,6,4,1] = aten.unsqueeze_copy.default(%qn, 4)
    %qw: float32[1,2,6,4,1] = aten.unsqueeze_copy.default(%qa, 4)
    %qc: float32[1,2,6,4,2] = aten.cat.default([%qu, %qw], -1)
    %qt: float32[1,2,6,8] = aten.view_copy.default(%qc, [1, 2, 6, 8])
    %qm: float32[1,2,6,8] = aten.mul.Tensor(%q1, %cos)
    %qr: float32[1,2,6,8] = aten.mul.Tensor(%qt, %sin)
    %qe: float32[1,2,6,8] = aten.add.Tensor(%qm, %qr, 1)
    %qf: float32[1,2,7,8] = aten.cat.default([%q0, %qe], 2)
    %k0: float32[1,2,1,8] = aten.slice_copy.Tensor(%k, 2, 0, 1, 1)
    %k1: float32[1,2,6,8] = aten.slice_copy.Tensor(%k, 2, 1, 9223372036854775807, 1)
    %ka: float32[1,2,6,4] = aten.slice_copy.Tensor(%k1, 3, 0, 9223372036854775807, 2)
    %kb: float32[1,2,6,4] = aten.slice_copy.Tensor(%k1, 3, 1, 9223372036854775807, 2)
    %kn: float32[1,2,6,4] = aten.neg.default(%kb)
    %ku: float32[1,2,6,4,1] = aten.unsqueeze_copy.default(%kn, 4)
    %kw: float32[1,2,6,4,1] = aten.unsqueeze_copy.default(%ka, 4)
    %kc: float32[1,2,6,4,2] = aten.cat.default([%ku, %kw], -1)
    %kt: float32[1,2,6,8] = aten.view_copy.default(%kc, [1, 2, 6, 8])
    %km: float32[1,2,6,8] = aten.mul.Tensor(%k1, %cos)
    %kr: float32[1,2,6,8] = aten.mul.Tensor(%kt, %sin)
    %ke: float32[1,2,6,8] = aten.add.Tensor(%km, %kr, 1)
    %kf: float32[1,2,7,8] = aten.cat.default([%k0, %ke], 2)
    %kp: float32[1,2,8,7] = aten.permute_copy.default(%kf, [0, 1, 3, 2])
    %q2: float32[1,2,7,8] = aten.mul.Scalar(%qf, 0.5)
    %k2: float32[1,2,8,7] = aten.mul.Scalar(%kp, 0.5)
    %a: float32[2,7,8] = aten.view_copy.default(%q2, [2, 7, 8])
    %b: float32[2,8,7] = aten.view_copy.default(%k2, [2, 8, 7])
    %c: float32[2,7,7] = aten.bmm.default(%a, %b)
    %e: float32[2,7,7] = aten._softmax.default(%c, -1, false)
    %g: float32[2,7,8] = aten.view_copy.default(%w, [2, 7, 8])
    %h: float32[2,7,8] = aten.bmm.default(%e, %g)
    return %h
  })");
  EXPECT_NE(kernels.find("attention 2x 7x7x8, rotary"), std::string::npos) << kernels;
  EXPECT_EQ(kernels.find("elementwise"), std::string::npos) << kernels;
}

// Halves turned, all tokens; k is turned by other angles than q, and stays outside.
TEST(Session, AttentionWithRotaryHalves) {
  const auto program = [](const std::string& of_k) {
    return R"(const @cos: float32[5,8] parameter = elided
  const @sin: float32[5,8] parameter = elided
  const @other: float32[5,8] parameter = elided
  func forward(%q: float32[2,5,8], %k: float32[2,5,8], %v: float32[2,5,3]) {
    %cos = const @cos
    %sin = const @sin
    %other = const @other
    %qa: float32[2,5,4] = aten.slice_copy.Tensor(%q, 2, 0, 4, 1)
    %qb: float32[2,5,4] = aten.slice_copy.Tensor(%q, 2, 4, 8, 1)
    %qn: float32[2,5,4] = aten.neg.default(%qb)
    %qt: float32[2,5,8] = aten.cat.default([%qn, %qa], 2)
    %qm: float32[2,5,8] = aten.mul.Tensor(%q, %cos)
    %qr: float32[2,5,8] = aten.mul.Tensor(%qt, %sin)
    %qe: float32[2,5,8] = aten.add.Tensor(%qm, %qr, 1)
    %ka: float32[2,5,4] = aten.slice_copy.Tensor(%k, 2, 0, 4, 1)
    %kb: float32[2,5,4] = aten.slice_copy.Tensor(%k, 2, 4, 8, 1)
    %kn: float32[2,5,4] = aten.neg.default(%kb)
    %kt: float32[2,5,8] = aten.cat.default([%kn, %ka], 2)
    %km: float32[2,5,8] = aten.mul.Tensor(%k, %cos)
    %kr: float32[2,5,8] = aten.mul.Tensor(%kt, )" +
           of_k + R"()
    %ke: float32[2,5,8] = aten.add.Tensor(%km, %kr, 1)
    %kp: float32[2,8,5] = aten.transpose_copy.int(%ke, 1, 2)
    %c: float32[2,5,5] = aten.bmm.default(%qe, %kp)
    %e: float32[2,5,5] = aten._softmax.default(%c, -1, false)
    %h: float32[2,5,3] = aten.bmm.default(%e, %v)
    return %h
  })";
  };
  const std::string fused = check(program("%sin"));
  EXPECT_NE(fused.find("attention 2x 5x5x8, rotary"), std::string::npos) << fused;
  const std::string apart = check(program("%other"));
  EXPECT_NE(apart.find("attention 2x 5x5x8"), std::string::npos) << apart;
  EXPECT_EQ(apart.find("rotary"), std::string::npos) << apart;
}

TEST(Session, AttentionOverColumns) {
  const std::string kernels = check(R"(func forward(%x: float32[1,2,20,9]) {
    (%q: float32[1,2,6,9], %k: float32[1,2,6,9], %v: float32[1,2,8,9]) = aten.split_with_sizes_copy.default(%x, [6, 6, 8], 2)
    %t: float32[1,2,9,6] = aten.permute_copy.default(%q, [0, 1, 3, 2])
    %a: float32[2,9,6] = aten.view_copy.default(%t, [2, 9, 6])
    %b: float32[2,6,9] = aten.view_copy.default(%k, [2, 6, 9])
    %c: float32[2,9,9] = aten.bmm.default(%a, %b)
    %d: float32[2,9,9] = aten.div.Scalar(%c, 2.0)
    %e: float32[2,9,9] = aten._softmax.default(%d, 2, false)
    %f: float32[2,9,9] = aten.transpose_copy.int(%e, 1, 2)
    %g: float32[2,8,9] = aten.view_copy.default(%v, [2, 8, 9])
    %h: float32[2,8,9] = aten.bmm.default(%g, %f)
    return %h
  })");
  EXPECT_NE(kernels.find("attention 2x 9x9x6"), std::string::npos) << kernels;
}

TEST(Session, ProbabilitiesThatAreReadElsewhereAreNoAttention) {
  const std::string kernels =
      check(R"(func forward(%q: float32[2,4,5], %k: float32[2,5,4], %v: float32[2,4,3]) {
    %c: float32[2,4,4] = aten.bmm.default(%q, %k)
    %e: float32[2,4,4] = aten._softmax.default(%c, 2, false)
    %h: float32[2,4,3] = aten.bmm.default(%e, %v)
    %w: float32[2,4,4] = aten._softmax.default(%c, 1, false)
    return %h, %e, %w
  })");
  EXPECT_EQ(kernels.find("attention"), std::string::npos) << kernels;
}

// As YOLO decodes its boxes.
TEST(Session, MeanOfADistribution) {
  const std::string kernels = check(R"(const @w: float32[1,16,1,1] parameter = elided
  func forward(%x: float32[1,64,21]) {
    %w = const @w
    %v: float32[1,4,16,21] = aten.view_copy.default(%x, [1, 4, 16, 21])
    %p: float32[1,16,4,21] = aten.permute_copy.default(%v, [0, 2, 1, 3])
    %s: float32[1,16,4,21] = aten._softmax.default(%p, 1, false)
    %c: float32[1,1,4,21] = aten.convolution.default(%s, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %o: float32[1,4,21] = aten.view_copy.default(%c, [1, 4, 21])
    return %o
  })");
  EXPECT_NE(kernels.find("softmax mean"), std::string::npos) << kernels;
  EXPECT_EQ(kernels.find("conv"), std::string::npos) << kernels;
}

TEST(Session, ElementwiseCallsOfNothing) {
  check(R"(func forward(%x: float32[0,3], %y: float32[3], %z: float32[4,0], %w: float32[0]) {
    %a: float32[0,3] = aten.add.Tensor(%x, %y)
    %b: float32[4,0] = aten.mul.Tensor(%z, %w)
    return %a, %b
  })");
}

// Channels of pixels times one number each: rows too short to be done one by one.
TEST(Session, GatesOfFewChannels) {
  check(
      R"(func forward(%x: float32[2,7,5,6], %g: float32[2,7,1,1], %h: float32[7,1,1], %s: float32[1,1,1,1]) {
    %p: float32[2,5,6,7] = aten.permute_copy.default(%x, [0, 2, 3, 1])
    %n: float32[2,7,5,6] = aten.permute_copy.default(%p, [0, 3, 1, 2])
    %a: float32[2,7,5,6] = aten.mul.Tensor(%n, %g)
    %b: float32[2,7,5,6] = aten.add.Tensor(%a, %h)
    %c: float32[2,7,5,6] = aten.mul.Tensor(%b, %s)
    %d: float32[2,7,5,6] = aten.sub.Tensor(%h, %c)
    %m: float32[2,7,5,6] = aten.avg_pool2d.default(%d, [1, 1], [1, 1])
    %e: float32[2,7,5,6] = aten.mul.Tensor(%m, %g)
    %f: float32[2,7,5,6] = aten.div.Tensor(%h, %e)
    return %d, %f
  })");
}

TEST(Session, ConvolutionsOfOtherKinds) {
  check(R"(const @d: float32[6,1,3,3] parameter = elided
  const @g: float32[8,3,3,3] parameter = elided
  const @t: float32[6,4,2,2] parameter = elided
  const @c: float32[5,6,3] parameter = elided
  func forward(%x: float32[1,6,8,9], %s: float32[2,6,10]) {
    %d = const @d
    %g = const @g
    %t = const @t
    %c = const @c
    %a: float32[1,6,8,9] = aten.convolution.default(%x, %d, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 6)
    %b: float32[1,8,8,9] = aten.convolution.default(%x, %g, none, [1, 1], [2, 2], [2, 2], false, [0, 0], 2)
    %e: float32[1,4,16,18] = aten.convolution.default(%x, %t, none, [2, 2], [0, 0], [1, 1], true, [0, 0], 1)
    %f: float32[2,5,10] = aten.convolution.default(%s, %c, none, [1], [1], [1], false, [0], 1)
    %p: float32[1,6,9,10] = aten.constant_pad_nd.default(%x, [0, 1, 0, 1], 0.0)
    %q: float32[1,6,4,4] = aten.convolution.default(%p, %d, none, [2, 2], [0, 0], [1, 1], false, [0, 0], 6)
    return %a, %b, %e, %f, %q
  })");
}

TEST(Session, OutputsThatAreInputsConstantsOrTheSameTwice) {
  check(R"(const @k: float32[2,3] parameter = elided
  func forward(%x: float32[2,3]) {
    %k = const @k
    %a: float32[2,3] = aten.relu.default(%x)
    return %x, %k, %a, %a
  })");
}

TEST(Session, WhatHasNoFastKernelIsTakenFromTheReference) {
  const std::string kernels = check(R"(func forward(%x: float32[3,4], %i: int64[2]) {
    %a: float32[3,4] = aten.relu.default(%x)
    %b: float32[2,4] = aten.index_select.default(%a, 0, %i)
    %c: float32[2,4] = aten.cos.default(%b)
    %d: float32[2,4] = aten.relu.default(%c)
    return %d
  })");
  EXPECT_NE(kernels.find("reference"), std::string::npos) << kernels;
}

TEST(Session, LentInputsAreReadWhereTheyLie) {
  const auto program = program_of(R"(func forward(%x: float32[4]) {
    %a: float32[4] = aten.add.Scalar(%x, 1.0)
    return %a
  })");
  auto session = *Session::load(program, "forward");
  std::vector<float> numbers = {1, 2, 3, 4};
  const Tensor view = Tensor::view(DType::kFloat32, {4}, {1},
                                   reinterpret_cast<const std::byte*>(numbers.data()), nullptr);
  ASSERT_TRUE(session->lend_input(0, EValue(view)).has_value());
  numbers[0] = 10;
  ASSERT_TRUE(session->execute().has_value());
  EXPECT_EQ(session->output(0).get<Tensor>()->data_as<float>()[0], 11);
  EXPECT_EQ(numbers[0], 10);
  EXPECT_FALSE(session->execute().has_value());  // not set again
  EXPECT_FALSE(session->set_input(0, EValue(Tensor::scalar<float>(1))).has_value());
  EXPECT_FALSE(session->set_input(1, EValue(view)).has_value());
}

TEST(Session, SameBitsOnEveryRun) {
  const auto program = program_of(R"(const @w: float32[32,32,3,3] parameter = elided
  func forward(%x: float32[1,32,40,40]) {
    %w = const @w
    %c: float32[1,32,40,40] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %s: float32[1,32,40,40] = aten._softmax.default(%c, 1, false)
    %m: float32[1,32,1,1] = aten.mean.dim(%s, [2, 3], true)
    %p: float32[1,32,40,40] = aten.mul.Tensor(%s, %m)
    return %p
  })");
  Options options;
  options.threads = 3;
  options.oversubscribe = true;
  auto session = *Session::load(program, "forward", options);
  std::vector<std::byte> first;
  for (int run = 0; run < 20; ++run) {
    ASSERT_TRUE(session->set_input(0, testing::input_for(session->input_info(0), 5)).has_value());
    ASSERT_TRUE(session->execute().has_value());
    const Bytes bytes = session->output(0).get<Tensor>()->bytes();
    if (run == 0) first.assign(bytes.begin(), bytes.end());
    ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), first.begin()));
  }
}

TEST(Session, StopsWhenItIsToldAndKeepsToItsMemory) {
  const auto program = program_of(R"(func forward(%x: float32[64,64]) {
    %a: float32[64,64] = aten.relu.default(%x)
    return %a
  })");
  std::atomic<bool> cancel{false};
  Options options;
  options.reference.cancel = &cancel;
  auto session = *Session::load(program, "forward", options);
  const EValue input = testing::input_for(session->input_info(0), 1);
  ASSERT_TRUE(session->set_input(0, input).has_value());
  ASSERT_TRUE(session->execute().has_value());
  cancel = true;
  ASSERT_TRUE(session->set_input(0, input).has_value());
  const Status stopped = session->execute();
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, Code::kResourceLimit);
  options.reference.memory_limit = 1000;
  options.strict = true;
  const auto refused = Session::load(program, "forward", options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kResourceLimit);
}

TEST(Session, StrictSaysWhatCannotBePlanned) {
  auto file = MappedFile::open(std::string(PTE_SOURCE_DIR) + "/tests/golden/program/cond.pte");
  ASSERT_TRUE(file.has_value());
  auto program = std::make_shared<const program::Program>(std::move(*program::read_program(*file)));
  auto session = Session::load(program, "forward");
  ASSERT_TRUE(session.has_value());
  EXPECT_EQ((*session)->plan(), nullptr);
  EXPECT_FALSE((*session)->why_reference().empty());
  Options strict;
  strict.strict = true;
  auto refused = Session::load(program, "forward", strict);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_FALSE(Session::load(program, "backward").has_value());
}

TEST(Session, HasNoMoreThreadsThanCores) {
  const auto program = program_of(R"(func forward(%x: float32[64,64]) {
    %a: float32[64,64] = aten.relu.default(%x)
    return %a
  })");
  Options options;
  options.threads = 10000;
  EXPECT_EQ((*Session::load(program, "forward", options))->threads(), available_cores());
  options.threads = 0;
  EXPECT_EQ((*Session::load(program, "forward", options))->threads(), available_cores());
  options.threads = 5;
  options.oversubscribe = true;
  EXPECT_EQ((*Session::load(program, "forward", options))->threads(), 5);
}

}  // namespace
}  // namespace pte::engine
