#include "passes/runner.h"

#include "passes/pass_test.h"
#include "passes/pipelines.h"

namespace pte::passes {
namespace {

constexpr const char* kText = R"(func forward(%x: float32[2]) {
    %a: float32[2] = aten.relu.default(%x)
    %b: float32[2] = aten.dropout.default(%a, 0.5, false)
    return %b
  })";

TEST(Runner, DumpsDisablesAndTimes) {
  Module module = parse(kText);
  const std::vector<Pass> passes = portable_pipeline();
  std::vector<std::string> dumped;
  Options options;
  options.verify = true;
  options.disable = {"simplify"};
  options.dump_after = {"dead_code"};
  options.dump = [&](const Pass& pass, const ir::Module&) { dumped.push_back(pass.name); };
  const auto timings = run_passes(module, passes, options);
  ASSERT_TRUE(timings.has_value()) << timings.error().message;
  EXPECT_EQ(dumped, std::vector<std::string>{"dead_code"});
  EXPECT_EQ(timings->size(), passes.size() - 1);
  int64_t changes = 0;
  for (const Timing& timing : *timings) {
    EXPECT_NE(timing.pass, "simplify");
    EXPECT_GE(timing.milliseconds, 0);
    changes += timing.changes;
  }
  EXPECT_EQ(changes, 1);
  dumped.clear();
  options.dump_after = {"all"};
  ASSERT_TRUE(run_passes(module, passes, options).has_value());
  EXPECT_EQ(dumped.size(), passes.size() - 1);
}

TEST(Runner, UnknownNamesListTheKnown) {
  Module module = parse(kText);
  Options options;
  options.dump_after = {"fold_batchnorm"};
  const auto status = run_passes(module, portable_pipeline(), options);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_NE(status.error().message.find("'fold_batchnorm'"), std::string::npos);
  EXPECT_NE(status.error().hint.find("fold_batch_norm"), std::string::npos);
  EXPECT_NE(status.error().hint.find("all"), std::string::npos);
  options = {};
  options.disable = {"all"};
  EXPECT_FALSE(run_passes(module, portable_pipeline(), options).has_value());
}

TEST(Runner, FindsThePassThatBreaksAGraph) {
  Module module = parse(kText);
  const Pass broken{
      "breaker", "breaks", [](ir::Module& m) -> Result<int64_t> {
        m.forward().front()->result()->set_type(ir::TensorType::of(DType::kFloat64, {2}));
        return 1;
      }};
  Options options;
  options.verify = true;
  const auto status = run_passes(module, std::span(&broken, 1), options);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kInternal);
  EXPECT_NE(status.error().message.find("breaker"), std::string::npos);
}

// Everything that a portable program is made of has an operator to call.
TEST(Pipelines, PortableLeavesOnlyWhatProgramsCall) {
  Module module = parse(R"(const @c.weight: float32[4,3,3,3] parameter = elided
  const @g: float32[4] parameter = elided
  const @l.weight: float32[2,4] parameter = elided
  const @l.bias: float32[2] parameter = elided
  func forward(%x: float32[1,3,8,8]) {
    %w = const @c.weight
    %g = const @g
    %lw = const @l.weight
    %lb = const @l.bias
    %a: float32[1,4,8,8] = aten.conv2d.default(%x, %w, none, [1, 1], [1, 1])
    %b: float32[1,4,8,8] = aten.batch_norm.default(%a, %g, %g, %g, %g, false, 0.1, 1e-05, true)
    %c: float32[1,4,8,8] = aten.hardswish.default(%b)
    %d: float32[1,4,4,4] = aten.max_pool2d.default(%c, [2, 2])
    %e: float32[1,4,1,1] = aten.adaptive_avg_pool2d.default(%d, [1, 1])
    %f: float32[1,4] = aten.flatten.using_ints(%e, 1)
    %h: float32[1,4] = aten.dropout.default(%f, 0.2, false)
    %i: float32[1,2] = aten.linear.default(%h, %lw, %lb)
    %j: float32[1,2] = aten.softmax.int(%i, 1)
    return %j
  })");
  Options options;
  options.verify = true;
  const auto timings = run_passes(module, portable_pipeline(), options);
  ASSERT_TRUE(timings.has_value()) << timings.error().message;
  for (const Node* node : module.forward().nodes()) {
    EXPECT_TRUE(node->op().emittable()) << ir::print(*node);
  }
}

TEST(Pipelines, XnnpackKeepsWholeOperators) {
  Module module = parse(R"(const @w: float32[4,4] parameter = elided
  func forward(%x: float32[1,4]) {
    %w = const @w
    %a: float32[1,4] = aten.linear.default(%x, %w)
    %b: float32[1,4] = aten.hardswish.default(%a)
    %c: float32[1,4] = aten.silu.default(%b)
    return %c
  })");
  Options options;
  options.verify = true;
  ASSERT_TRUE(run_passes(module, xnnpack_pipeline(), options).has_value());
  EXPECT_EQ(module.forward().node_count(), 3U);
  ASSERT_TRUE(run_passes(module, finish_portable(), options).has_value());
  for (const Node* node : module.forward().nodes()) {
    EXPECT_TRUE(node->op().emittable()) << ir::print(*node);
  }
}

}  // namespace
}  // namespace pte::passes
