#include "engine/passes/fusions.h"
#include "passes/pass_test.h"

namespace pte::engine {
namespace {

using passes::expect_rewrite;

TEST(WithoutWrites, IndexPut) {
  expect_rewrite(without_writes, R"(func forward(%x: float32[4], %i: int64[2], %v: float32[2]) {
    %a: float32[4] = aten.index_put_.default(%x, [%i], %v, true)
    %b: float32[4] = aten.relu.default(%a)
    return %b
  })",
                 R"(func forward(%x: float32[4], %i: int64[2], %v: float32[2]) {
    %a_1: float32[4] = aten.index_put.default(%x, [%i], %v, true)
    %b: float32[4] = aten.relu.default(%a_1)
    return %b
  })");
}

TEST(WithoutWrites, CopiesOfTheSameTypeVanish) {
  expect_rewrite(without_writes, R"(func forward(%x: float32[4], %y: float32[4], %z: float32[1]) {
    %a: float32[4] = aten.copy_.default(%x, %y)
    %b: float32[4] = aten.copy_.default(%a, %z)
    return %a, %b
  })",
                 R"(func forward(%x: float32[4], %y: float32[4], %z: float32[1]) {
    %b_1: float32[4] = aten.copy.default(%y, %z)
    return %y, %b_1
  })");
}

TEST(WithoutWrites, WhatHasTwoNamesIsRefused) {
  for (const std::string body : {R"(func forward(%x: float32[4], %y: float32[2,2]) {
    %v: float32[2,2] = executorch_prim.et_view.default(%x, [2, 2])
    %a: float32[2,2] = aten.copy_.default(%v, %y)
    return %x
  })",
                                 R"(func forward(%x: float32[4], %y: float32[4]) {
    %v: float32[2,2] = executorch_prim.et_view.default(%x, [2, 2])
    %a: float32[4] = aten.copy_.default(%x, %y)
    return %v
  })"}) {
    auto module = ir::parse_module("module \"m\" {\n" + body + "\n}\n");
    ASSERT_TRUE(module.has_value()) << module.error().message;
    const auto done = without_writes(*module);
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, Code::kUnsupported);
  }
}

}  // namespace
}  // namespace pte::engine
