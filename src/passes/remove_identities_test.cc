#include "passes/pass_test.h"

namespace pte::passes {
namespace {

TEST(RemoveIdentities, DropsWhatDoesNothing) {
  expect_rewrite(remove_identities, R"(func forward(%x: float32[2,3]) {
    %a: float32[2,3] = aten.relu.default(%x)
    %b: float32[2,3] = aten.dropout.default(%a, 0.5, false)
    %c: float32[2,3] = aten.detach.default(%b)
    %d: float32[2,3] = aten.clone.default(%c)
    %e: float32[2,3] = aten.contiguous.default(%d)
    %f: float32[2,3] = aten.to.dtype(%e, float32)
    %g: float32[2,3] = aten.view.default(%f, [-1, 3])
    %h: float32[2,3] = aten.expand.default(%g, [2, -1])
    %i: float32[2,3] = aten.permute.default(%h, [0, -1])
    %j: float32[2,3] = aten.slice.Tensor(%i, 1, 0, 9223372036854775807)
    %k: float32[2,3] = aten.constant_pad_nd.default(%j, [0, 0])
    %l: float32[2,3] = aten.cat.default([%k], 1)
    %m: float32[2,3] = aten.neg.default(%l)
    return %m
  })",
                 R"(func forward(%x: float32[2,3]) {
    %a: float32[2,3] = aten.relu.default(%x)
    %m: float32[2,3] = aten.neg.default(%a)
    return %m
  })");
}

TEST(RemoveIdentities, KeepsWhatDoesSomething) {
  expect_unchanged(remove_identities, R"(func forward(%x: float32[2,2]) {
    %a: float16[2,2] = aten.to.dtype(%x, float16)
    %b: float16[2,2] = aten.permute.default(%a, [1, 0])
    %c: float16[1,2] = aten.slice.Tensor(%b, 0, 0, 1)
    %d: float16[2,2] = aten.cat.default([%c, %c], 0)
    %e: float16[2,2] = aten.transpose.int(%d, 0, 1)
    %f: float16[3,2] = aten.constant_pad_nd.default(%e, [0, 0, 1, 0])
    return %f
  })");
}

TEST(RemoveIdentities, KeepsACopyBetweenInputAndOutput) {
  expect_unchanged(remove_identities, R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.clone.default(%x)
    return %a
  })");
}

TEST(RemoveIdentities, DropsAssertions) {
  expect_rewrite(remove_identities, R"(sym s0 in [2, 8]
  func forward(%x: float32[s0]) {
    %n: int(s0) = aten.sym_size.int(%x, 0)
    %ok: bool = _operator.ge.default(%n, 2)
    () = aten._assert_scalar.default(%ok, "too few")
    () = aten._assert_tensor_metadata.default(%x, none, none, float32)
    %y: float32[s0] = aten.relu.default(%x)
    return %y
  })",
                 R"(sym s0 in [2, 8]
  func forward(%x: float32[s0]) {
    %n: int(s0) = aten.sym_size.int(%x, 0)
    %ok: bool = _operator.ge.default(%n, 2)
    %y: float32[s0] = aten.relu.default(%x)
    return %y
  })");
}

TEST(RemoveIdentities, KnowsSymbolicSizes) {
  expect_rewrite(remove_identities, R"(sym s0 in [2, 8]
  func forward(%x: float32[s0,4]) {
    %n: int(s0) = aten.sym_size.int(%x, 0)
    %a: float32[s0,4] = aten.relu.default(%x)
    %b: float32[s0,4] = aten.view.default(%a, [%n, 4])
    %c: float32[s0,4] = aten.neg.default(%b)
    return %c
  })",
                 R"(sym s0 in [2, 8]
  func forward(%x: float32[s0,4]) {
    %n: int(s0) = aten.sym_size.int(%x, 0)
    %a: float32[s0,4] = aten.relu.default(%x)
    %c: float32[s0,4] = aten.neg.default(%a)
    return %c
  })");
}

TEST(RemoveIdentities, LooksIntoSubgraphs) {
  expect_rewrite(remove_identities, R"(func forward(%p: bool[], %x: float32[2]) {
    %y: float32[2] = higher_order.cond.default(%p, func yes(%a: float32[2]) {
      %b: float32[2] = aten.relu.default(%a)
      %c: float32[2] = aten.alias.default(%b)
      return %c
    }, func no(%a: float32[2]) {
      %b: float32[2] = aten.neg.default(%a)
      return %b
    }, [%x])
    return %y
  })",
                 R"(func forward(%p: bool[], %x: float32[2]) {
    %y: float32[2] = higher_order.cond.default(%p, func yes(%a: float32[2]) {
      %b: float32[2] = aten.relu.default(%a)
      return %b
    }, func no(%a: float32[2]) {
      %b: float32[2] = aten.neg.default(%a)
      return %b
    }, [%x])
    return %y
  })");
}

TEST(RemoveIdentities, RefusesDropoutInTraining) {
  expect_failure(remove_identities, R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.dropout.default(%x, 0.5, true) loc "model.py:7"
    return %a
  })",
                 Code::kUnsupported, "node 'a' (model.py:7): aten.dropout.default is in training");
}

}  // namespace
}  // namespace pte::passes
