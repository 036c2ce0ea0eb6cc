#include "passes/pass_test.h"

namespace pte::passes {
namespace {

TEST(FoldConstants, RearrangesWeights) {
  expect_rewrite(fold_constants, R"(const @w: float32[2,3] parameter = dense [1, 2, 3, 4, 5, 6]
  func forward(%x: float32[1,3]) {
    %w = const @w
    %t: float32[3,2] = aten.permute_copy.default(%w, [1, 0])
    %y: float32[1,2] = aten.mm.default(%x, %t)
    return %y
  })",
                 R"(const @w_permute_copy: float32[3,2] parameter = dense [1, 4, 2, 5, 3, 6]
  func forward(%x: float32[1,3]) {
    %t = const @w_permute_copy
    %y: float32[1,2] = aten.mm.default(%x, %t)
    return %y
  })");
}

TEST(FoldConstants, ComputesChains) {
  expect_rewrite(
      fold_constants, R"(const @a: float32[4] buffer = dense [1, 2, 3, 4]
  const @i: int64[2] constant = dense [5, -6]
  func forward(%x: float32[2,2]) {
    %a = const @a
    %i = const @i
    %b: float32[2,2] = aten.view_copy.default(%a, [2, 2])
    %c: float32[2,2] = aten.mul.Scalar(%b, 0.5)
    %d: float32[2] = aten.select_copy.int(%c, 0, -1)
    %e: float32[2] = aten.to.dtype(%i, float32)
    %f: float32[2] = aten.sub.Tensor(%d, %e)
    %g: float32[2] = aten.neg.default(%f)
    %h: float32[2,2] = aten.expand_copy.default(%g, [2, -1])
    %y: float32[2,2] = aten.add.Tensor(%x, %h)
    return %y
  })",
      R"(const @a_view_copy_mul_select_copy_sub_neg_expand_copy: float32[2,2] buffer = dense [3.5, -8, 3.5, -8]
  func forward(%x: float32[2,2]) {
    %h = const @a_view_copy_mul_select_copy_sub_neg_expand_copy
    %y: float32[2,2] = aten.add.Tensor(%x, %h)
    return %y
  })");
}

TEST(FoldConstants, SlicesAndJoins) {
  const Module module =
      after_pass(fold_constants, R"(const @a: int32[5] constant = dense [0, 1, 2, 3, 4]
  func forward() {
    %a = const @a
    %b: int32[2] = aten.slice_copy.Tensor(%a, 0, -4, -1, 2)
    %c: int32[0] = aten.slice_copy.Tensor(%a, 0, 9, 2)
    %d: int32[1] = aten.slice_copy.Tensor(%a, 0, 4, 9223372036854775807)
    %e: int32[3] = aten.cat.default([%b, %c, %d])
    return %e
  })");
  const Graph& graph = *module.methods.at("forward").graph;
  EXPECT_EQ(graph.node_count(), 0U);
  const Tensor* data = module.data_of(graph.outputs()[0].value);
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(std::vector<int32_t>(data->data_as<int32_t>(), data->data_as<int32_t>() + 3),
            (std::vector<int32_t>{1, 3, 4}));
}

TEST(FoldConstants, TransposesLargeMatrices) {
  constexpr int64_t kRows = 70;
  constexpr int64_t kColumns = 45;
  std::vector<float> values;
  for (int64_t i = 0; i < kRows * kColumns; ++i) values.push_back(static_cast<float>(i));
  Module module;
  Graph& graph = *module.methods["forward"].graph;
  Value* w = module.add_constant(
      graph, "w", Tensor::of<float>({kRows, kColumns}, std::span<const float>(values)));
  Builder builder(module, graph);
  graph.add_output(*builder.call(Op::aten_t_copy, {w}));
  ASSERT_EQ(*fold_constants(module), 1);
  const Tensor* data = module.data_of(graph.outputs()[0].value);
  ASSERT_NE(data, nullptr);
  ASSERT_EQ(data->sizes(), (Sizes{kColumns, kRows}));
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < kColumns; ++j) {
      ASSERT_EQ(data->data_as<float>()[j * kRows + i], static_cast<float>(i * kColumns + j));
    }
  }
}

TEST(FoldConstants, NeverGrowsTheProgram) {
  // An expansion beyond what it replaces.
  expect_unchanged(fold_constants, R"(const @a: float32[1] constant = dense [1]
  func forward(%x: float32[100]) {
    %a = const @a
    %b: float32[100] = aten.expand_copy.default(%a, [100])
    %y: float32[100] = aten.add.Tensor(%x, %b)
    return %y
  })");
  // A second form of a constant that is read elsewhere too.
  expect_unchanged(
      fold_constants,
      R"(const @a: float32[5,4] constant = dense [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
  func forward() {
    %a = const @a
    %b: float32[4,5] = aten.permute_copy.default(%a, [1, 0])
    return %a, %b
  })");
}

TEST(FoldConstants, LeavesWhatIsKnownOnlyAtRunTime) {
  expect_unchanged(fold_constants, R"(const @a: float32[2] buffer = dense [1, 2]
  const @b: float32[2] constant = elided
  const @c: float32[2] constant = dense [1, 1e+20]
  func forward(%x: float32[2]) {
    %a = const @a
    %b = const @b
    %c = const @c
    %d: float32[2] = aten.neg.default(%a)
    %e: float32[2] = aten.neg.default(%b)
    %f: int64[2] = aten.to.dtype(%c, int64)
    %g: float32[2] = aten.add.Tensor(%c, %c, 0.1)
    return %d, %e, %f, %g, mutate @a %x
  })");
}

TEST(FoldConstants, RoundsHalvesOnce) {
  const Module module =
      after_pass(fold_constants, R"(const @a: float16[2] constant = dense [1, 2048]
  const @b: float16[2] constant = dense [-0.0, 1]
  func forward() {
    %a = const @a
    %b = const @b
    %c: float16[2] = aten.add.Tensor(%a, %b)
    %d: float16[2] = aten.neg.default(%b)
    return %c, %d
  })");
  const Graph& graph = *module.methods.at("forward").graph;
  EXPECT_EQ(graph.node_count(), 0U);
  const Tensor* sum = module.data_of(graph.outputs()[0].value);
  ASSERT_NE(sum, nullptr);
  EXPECT_EQ(static_cast<float>(sum->data_as<Half>()[1]), 2048.0F);  // 2049 is halfway: to even
  EXPECT_EQ(module.data_of(graph.outputs()[1].value)->data_as<Half>()[0].bits, 0);
}

}  // namespace
}  // namespace pte::passes
