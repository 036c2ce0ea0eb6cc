#include "engine/passes/fusions.h"
#include "passes/pass_test.h"

namespace pte::engine {
namespace {

using passes::expect_rewrite;
using passes::expect_unchanged;

TEST(LinearRows, ReshapesAroundAProductGo) {
  expect_rewrite(linear_rows, R"(const @w: float32[4,5] parameter = elided
  const @b: float32[5] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %b = const @b
    %r: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    %p: float32[6,5] = aten.addmm.default(%b, %r, %w)
    %y: float32[2,3,5] = aten.view_copy.default(%p, [2, 3, 5])
    return %y
  })",
                 R"(const @w: float32[4,5] parameter = elided
  const @b: float32[5] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %b = const @b
    %permute_copy: float32[5,4] = aten.permute_copy.default(%w, [1, 0])
    %y: float32[2,3,5] = aten.linear.default(%x, %permute_copy, %b)
    return %y
  })");
}

TEST(LinearRows, LinearsKeepTheirWeight) {
  expect_rewrite(linear_rows, R"(const @w: float32[5,4] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %r: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    %p: float32[6,5] = aten.linear.default(%r, %w)
    %y: float32[2,3,5] = aten.view_copy.default(%p, [2, 3, 5])
    return %y
  })",
                 R"(const @w: float32[5,4] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %y: float32[2,3,5] = aten.linear.default(%x, %w)
    return %y
  })");
}

TEST(LinearRows, RowsThatWereOthersBeforeAreReshaped) {
  expect_rewrite(linear_rows, R"(const @w: float32[5,4] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %r: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    %p: float32[6,5] = aten.linear.default(%r, %w)
    %y: float32[3,1,2,5] = aten.view_copy.default(%p, [3, 1, 2, 5])
    return %y
  })",
                 R"(const @w: float32[5,4] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %r: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    %view_copy: float32[3,1,2,4] = aten.view_copy.default(%r, [3, 1, 2, 4])
    %y: float32[3,1,2,5] = aten.linear.default(%view_copy, %w)
    return %y
  })");
}

TEST(LinearRows, OtherReshapesStay) {
  for (const std::string body : {// columns that are cut, and rows that are read elsewhere, too
                                 R"(%p: float32[6,5] = aten.linear.default(%r, %w)
    %y: float32[2,15] = aten.view_copy.default(%p, [2, 15])
    return %y)",
                                 R"(%p: float32[6,5] = aten.linear.default(%r, %w)
    %y: float32[2,3,5] = aten.view_copy.default(%p, [2, 3, 5])
    return %y, %p)"}) {
    expect_unchanged(linear_rows, R"(const @w: float32[5,4] parameter = elided
  func forward(%x: float32[2,3,4]) {
    %w = const @w
    %r: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    )" + body + "\n  }");
  }
}

TEST(LinearRows, WeightsThatAreComputedStay) {
  expect_unchanged(linear_rows, R"(func forward(%x: float32[2,3,4], %w: float32[5,4]) {
    %r: float32[6,4] = aten.view_copy.default(%x, [6, 4])
    %p: float32[6,5] = aten.linear.default(%r, %w)
    %y: float32[2,3,5] = aten.view_copy.default(%p, [2, 3, 5])
    return %y
  })");
}

}  // namespace
}  // namespace pte::engine
