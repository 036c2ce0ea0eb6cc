#include "passes/pass_test.h"

namespace pte::passes {
namespace {

TEST(Recompose, LinearFromMatrixProducts) {
  expect_rewrite(recompose, R"(const @w: float32[4,3] parameter = elided
  const @b: float32[4] parameter = elided
  func forward(%x: float32[2,3]) {
    %w = const @w
    %b = const @b
    %t: float32[3,4] = aten.permute_copy.default(%w, [1, 0])
    %u: float32[3,4] = aten.t_copy.default(%w)
    %y: float32[2,4] = aten.addmm.default(%b, %x, %t) loc "m.py:2"
    %z: float32[2,4] = aten.mm.default(%x, %u)
    return %y, %z
  })",
                 R"(const @w: float32[4,3] parameter = elided
  const @b: float32[4] parameter = elided
  func forward(%x: float32[2,3]) {
    %w = const @w
    %b = const @b
    %y: float32[2,4] = aten.linear.default(%x, %w, %b) loc "m.py:2"
    %z: float32[2,4] = aten.linear.default(%x, %w)
    return %y, %z
  })");
}

TEST(Recompose, HardActivations) {
  expect_rewrite(recompose, R"(const @three: float32[] constant = dense [3]
  func forward(%x: float32[2], %y: float32[2]) {
    %three = const @three
    %a: float32[2] = aten.add.Scalar(%x, 3)
    %b: float32[2] = aten.clamp.default(%a, 0, 6)
    %c: float32[2] = aten.mul.Tensor(%x, %b)
    %d: float32[2] = aten.div.Scalar(%c, 6)
    %e: float32[2] = aten.add.Tensor(%y, %three)
    %f: float32[2] = aten.hardtanh.default(%e, 0, 6)
    %g: float32[2] = aten.div.Scalar(%f, 6)
    return %d, %g
  })",
                 R"(func forward(%x: float32[2], %y: float32[2]) {
    %d: float32[2] = aten.hardswish.default(%x)
    %g: float32[2] = aten.hardsigmoid.default(%y)
    return %d, %g
  })");
}

TEST(Recompose, LeavesWhatIsAlmostIt) {
  // Another factor, another bound, a gate that is read twice, a product with another operand.
  expect_unchanged(recompose, R"(func forward(%x: float32[2], %y: float32[2]) {
    %a: float32[2] = aten.add.Scalar(%x, 3)
    %b: float32[2] = aten.clamp.default(%a, 0, 6)
    %c: float32[2] = aten.mul.Tensor(%y, %b)
    %d: float32[2] = aten.div.Scalar(%c, 6)
    %e: float32[2] = aten.add.Scalar(%x, 3)
    %f: float32[2] = aten.clamp.default(%e, 0, 5)
    %g: float32[2] = aten.div.Scalar(%f, 6)
    %h: float32[2] = aten.add.Scalar(%y, 3)
    %i: float32[2] = aten.clamp.default(%h, 0, 6)
    %j: float32[2] = aten.div.Scalar(%i, 6)
    return %d, %g, %j, %i
  })");
  // A bias that does not stand for one number a column, a scaled product, a weight made at run
  // time.
  expect_unchanged(recompose, R"(const @w: float32[2,3] parameter = elided
  const @b: float32[2,1] parameter = elided
  const @c: float32[2] parameter = elided
  func forward(%x: float32[2,3]) {
    %w = const @w
    %b = const @b
    %c = const @c
    %t: float32[3,2] = aten.permute_copy.default(%w, [1, 0])
    %u: float32[3,2] = aten.permute_copy.default(%x, [1, 0])
    %d: float32[2,2] = aten.addmm.default(%b, %x, %t)
    %e: float32[2,2] = aten.addmm.default(%c, %x, %t, 1, 2)
    %f: float32[2,2] = aten.mm.default(%x, %u)
    return %d, %e, %f
  })");
}

TEST(Recompose, MaxPoolWithoutIndices) {
  expect_rewrite(recompose, R"(func forward(%x: float32[1,1,4,4]) {
    (%a: float32[1,1,2,2], %i: int64[1,1,2,2]) = aten.max_pool2d_with_indices.default(%x, [2, 2])
    (%b: float32[1,1,2,2], %j: int64[1,1,2,2]) = aten.max_pool2d_with_indices.default(%x, [2, 2])
    return %a, %b, %j
  })",
                 R"(func forward(%x: float32[1,1,4,4]) {
    %a: float32[1,1,2,2] = aten.max_pool2d.default(%x, [2, 2])
    (%b: float32[1,1,2,2], %j: int64[1,1,2,2]) = aten.max_pool2d_with_indices.default(%x, [2, 2])
    return %a, %b, %j
  })");
}

}  // namespace
}  // namespace pte::passes
