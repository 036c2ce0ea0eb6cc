#include <cmath>

#include "passes/pass_test.h"

namespace pte::passes {
namespace {

// The elements of the constant that argument `arg` of the graph's only `op` reads.
std::vector<float> data_of(const Module& module, Op op, size_t arg) {
  const Graph& graph = *module.methods.at("forward").graph;
  for (const Node* node = graph.front(); node != nullptr; node = node->next()) {
    if (!node->is(op)) continue;
    const Tensor* tensor = module.data_of(node->input(arg));
    if (tensor == nullptr) return {};
    return {tensor->data_as<float>(), tensor->data_as<float>() + tensor->numel()};
  }
  return {};
}

constexpr const char* kStatistics = R"(const @g: float32[2] parameter = dense [2, 3]
  const @h: float32[2] parameter = dense [0.5, -1]
  const @m: float32[2] buffer = dense [1, -2]
  const @v: float32[2] buffer = dense [3, 8]
)";

// scale = g / sqrt(v + 1) = 1, 1; shift = h - m * scale
TEST(FoldBatchNorm, IntoConvolutionWithoutBias) {
  const std::string before =
      std::string(kStatistics) + R"(const @c.weight: float32[2,1,1,2] parameter = dense [1, 2, 3, 4]
  func forward(%x: float32[1,1,4,4]) {
    %w = const @c.weight
    %g = const @g
    %h = const @h
    %m = const @m
    %v = const @v
    %y: float32[1,2,4,3] = aten.convolution.default(%x, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1) loc "m.py:4"
    (%z: float32[1,2,4,3], %a: float32[0], %b: float32[0]) = aten._native_batch_norm_legit_no_training.default(%y, %g, %h, %m, %v, 0.1, 1.0)
    %r: float32[1,2,4,3] = aten.relu.default(%z)
    return %r
  })";
  expect_rewrite(fold_batch_norm, before,
                 R"(const @c.weight_folded: float32[2,1,1,2] parameter = dense [1, 2, 3, 4]
  const @c.bias_folded: float32[2] parameter = dense [-0.5, 1]
  func forward(%x: float32[1,1,4,4]) {
    %w = const @c.weight_folded
    %b = const @c.bias_folded
    %y: float32[1,2,4,3] = aten.convolution.default(%x, %w, %b, [1, 1], [0, 0], [1, 1], false, [0, 0], 1) loc "m.py:4"
    %r: float32[1,2,4,3] = aten.relu.default(%y)
    return %r
  })");
}

TEST(FoldBatchNorm, IntoTransposedGroups) {
  // Two groups of one input and one output channel; weight [in, out / groups, k].
  const Module module = after_pass(fold_batch_norm, R"(const @g: float32[2] parameter = dense [2, 3]
  const @m: float32[2] buffer = dense [1, 1]
  const @v: float32[2] buffer = dense [0, 0]
  const @w: float32[2,1,2] parameter = dense [1, 2, 3, 4]
  const @b: float32[2] parameter = dense [10, 20]
  func forward(%x: float32[1,2,4]) {
    %w = const @w
    %b = const @b
    %g = const @g
    %m = const @m
    %v = const @v
    %y: float32[1,2,5] = aten.convolution.default(%x, %w, %b, [1], [0], [1], true, [0], 2)
    (%z: float32[1,2,5], %p: float32[0], %q: float32[0]) = aten._native_batch_norm_legit_no_training.default(%y, %g, none, %m, %v, 0.1, 1.0)
    return %z
  })");
  EXPECT_EQ(data_of(module, Op::aten_convolution, 1), (std::vector<float>{2, 4, 9, 12}));
  EXPECT_EQ(data_of(module, Op::aten_convolution, 2), (std::vector<float>{18, 57}));
  EXPECT_EQ(module.methods.at("forward").graph->node_count(), 1U);
}

TEST(FoldBatchNorm, IntoLinearAndAddmm) {
  const Module module =
      after_pass(fold_batch_norm, std::string(kStatistics) +
                                      R"(const @w: float32[2,3] parameter = dense [1, 2, 3, 4, 5, 6]
  const @t: float32[3,2] parameter = dense [1, 2, 3, 4, 5, 6]
  const @b: float32[2] parameter = dense [1, 1]
  func forward(%x: float32[5,3]) {
    %w = const @w
    %t = const @t
    %b = const @b
    %g = const @g
    %h = const @h
    %m = const @m
    %v = const @v
    %y: float32[5,2] = aten.linear.default(%x, %w)
    (%z: float32[5,2], %p: float32[0], %q: float32[0]) = aten._native_batch_norm_legit_no_training.default(%y, none, none, %m, %g, 0.1, 2.0)
    %y1: float32[5,2] = aten.addmm.default(%b, %x, %t)
    (%z1: float32[5,2], %p1: float32[0], %q1: float32[0]) = aten._native_batch_norm_legit_no_training.default(%y1, %v, none, %m, %g, 0.1, 2.0)
    return %z, %z1
  })");
  // linear: scale 1/2 and 1/sqrt(5); addmm: scale 3/2 and 8/sqrt(5), along the columns.
  const auto weight = data_of(module, Op::aten_linear, 1);
  ASSERT_EQ(weight.size(), 6U);
  EXPECT_EQ(weight[0], 0.5F);
  EXPECT_EQ(weight[3], static_cast<float>(4 / std::sqrt(5.0)));
  EXPECT_EQ(data_of(module, Op::aten_linear, 2),
            (std::vector<float>{-0.5F, static_cast<float>(2 / std::sqrt(5.0))}));
  const auto transposed = data_of(module, Op::aten_addmm, 2);
  ASSERT_EQ(transposed.size(), 6U);
  EXPECT_EQ(transposed[0], 1.5F);
  EXPECT_EQ(transposed[1], static_cast<float>(2 * (8 / std::sqrt(5.0))));
  EXPECT_EQ(data_of(module, Op::aten_addmm, 0)[0], 0.0F);
  EXPECT_EQ(module.methods.at("forward").graph->node_count(), 2U);
}

std::string with_norm_of(const std::string& nodes, const std::string& statistics) {
  return statistics + R"(const @w: float32[2,2,1] parameter = dense [1, 2, 3, 4]
  func forward(%x: float32[1,2,4]) {
    %w = const @w
    %g = const @g
    %h = const @h
    %m = const @m
    %v = const @v
)" + nodes +
         "\n  }";
}

TEST(FoldBatchNorm, LeavesWhatItMust) {
  const std::string conv =
      "%y: float32[1,2,4] = aten.convolution.default(%x, %w, none, [1], [0], [1], false, [0], 1)\n";
  const std::string norm =
      "(%z: float32[1,2,4], %p: float32[0], %q: float32[0]) = "
      "aten._native_batch_norm_legit_no_training.default(%y, %g, %h, %m, %v, 0.1, 1.0)\n";
  // The convolution's own result is read as well.
  expect_unchanged(fold_batch_norm, with_norm_of(conv + norm + "return %z, %y", kStatistics));
  // A buffer that the method writes.
  expect_unchanged(fold_batch_norm,
                   with_norm_of(conv + norm + "return %z, mutate @m %h", kStatistics));
  // Statistics without data.
  std::string elided = kStatistics;
  elided.replace(elided.find("dense [3, 8]"), 12, "elided");
  expect_unchanged(fold_batch_norm, with_norm_of(conv + norm + "return %z", elided));
  // Variances that give no finite scale.
  std::string broken = kStatistics;
  broken.replace(broken.find("dense [3, 8]"), 12, "dense [-1, 8]");
  expect_unchanged(fold_batch_norm, with_norm_of(conv + norm + "return %z", broken));
  // Something between the two.
  expect_unchanged(fold_batch_norm,
                   with_norm_of("%a: float32[1,2,4] = aten.convolution.default(%x, %w, none, [1], "
                                "[0], [1], false, [0], 1)\n %y: float32[1,2,4] = "
                                "aten.relu.default(%a)\n" +
                                    norm + "return %z",
                                kStatistics));
}

TEST(FoldBatchNorm, LeavesRowsOfMatricesAlone) {
  // Rank 3: batch norm's channels are not the features that linear makes.
  expect_unchanged(fold_batch_norm,
                   std::string(kStatistics) +
                       R"(const @w: float32[3,3] parameter = dense [1, 2, 3, 4, 5, 6, 7, 8, 9]
  func forward(%x: float32[1,2,3]) {
    %w = const @w
    %g = const @g
    %h = const @h
    %m = const @m
    %v = const @v
    %y: float32[1,2,3] = aten.linear.default(%x, %w)
    (%z: float32[1,2,3], %p: float32[0], %q: float32[0]) = aten._native_batch_norm_legit_no_training.default(%y, %g, %h, %m, %v, 0.1, 1.0)
    return %z
  })");
}

TEST(FoldBatchNorm, ASharedLayerIsFoldedOnceForEachUse) {
  const Module module = after_pass(
      [](ir::Module& m) -> Result<int64_t> {
        PTE_TRY(const int64_t folded, fold_batch_norm(m));
        PTE_TRY(const int64_t shared, dedupe_constants(m));
        EXPECT_EQ(folded, 2);
        EXPECT_EQ(shared, 2);  // weight and bias
        return folded;
      },
      std::string(kStatistics) + R"(const @w: float32[2,2,1] parameter = dense [1, 2, 3, 4]
  func forward(%x: float32[1,2,4]) {
    %w = const @w
    %g = const @g
    %h = const @h
    %m = const @m
    %v = const @v
    %a: float32[1,2,4] = aten.convolution.default(%x, %w, none, [1], [0], [1], false, [0], 1)
    (%b: float32[1,2,4], %p: float32[0], %q: float32[0]) = aten._native_batch_norm_legit_no_training.default(%a, %g, %h, %m, %v, 0.1, 1.0)
    %c: float32[1,2,4] = aten.convolution.default(%b, %w, none, [1], [0], [1], false, [0], 1)
    (%d: float32[1,2,4], %r: float32[0], %s: float32[0]) = aten._native_batch_norm_legit_no_training.default(%c, %g, %h, %m, %v, 0.1, 1.0)
    return %d
  })");
  EXPECT_EQ(module.constants.size(), 2U);
}

}  // namespace
}  // namespace pte::passes
