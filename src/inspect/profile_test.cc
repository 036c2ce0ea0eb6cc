#include "inspect/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program/reader.h"
#include "tensor/npy.h"

namespace pte::inspect {
namespace {

const std::string kGolden = std::string(PTE_SOURCE_DIR) + "/tests/golden/program/";

// Runs a golden `runs` times under a profiler.
void run_golden(const std::string& name, size_t runs, Profiler& profiler) {
  const auto file = MappedFile::open(kGolden + name + ".pte");
  ASSERT_TRUE(file.has_value());
  auto program = program::read_program(*file);
  ASSERT_TRUE(program.has_value());
  runtime::Options options;
  options.profile = [&](const runtime::InstructionTiming& timing) { profiler.record(timing); };
  profiler.begin_load();
  auto method = runtime::Method::load(std::make_shared<const program::Program>(std::move(*program)),
                                      "forward", options);
  profiler.end_load();
  ASSERT_TRUE(method.has_value()) << method.error().message;
  const auto input = read_npy(kGolden + name + ".in0.npy");
  ASSERT_TRUE(input.has_value());
  for (size_t run = 0; run < runs + 1; ++run) {
    ASSERT_TRUE((*method)->set_input(0, EValue(*input)).has_value());
    // The first run warms up and leaves no trace.
    if (run > 0) profiler.begin_run();
    ASSERT_TRUE((*method)->execute().has_value());
    if (run > 0) profiler.end_run();
  }
}

TEST(Profile, CountsTheOperationsOfAConvolution) {
  Profiler profiler;
  run_golden("conv_relu6_portable", 3, profiler);
  const Profile profile = profiler.profile();
  EXPECT_EQ(profile.runs, 3U);
  ASSERT_EQ(profile.steps.size(), 2U);
  const StepProfile& conv = profile.steps[0];
  EXPECT_EQ(conv.name, "aten::convolution.out");
  EXPECT_EQ(conv.calls, 3U);
  // 8×4×4 results, each a sum of 3×3×3 products and a bias.
  EXPECT_EQ(conv.flops, 3.0 * (2 * 128 * 27 + 128));
  EXPECT_EQ(conv.bytes, 3U * 4 * (3 * 8 * 8 + 8 * 27 + 8 + 128));
  EXPECT_EQ(conv.shapes, "float32[1,8,4,4] ← float32[1,3,8,8], float32[8,3,3,3], float32[8]");
  EXPECT_GT(conv.fastest, 0U);
  EXPECT_LE(conv.fastest, conv.slowest);
  EXPECT_LE(conv.nanoseconds + profile.steps[1].nanoseconds, profile.total);
}

TEST(Profile, ShowsWhatADelegateDoesInside) {
  Profiler profiler;
  run_golden("conv_relu6_xnnpack", 2, profiler);
  const Profile profile = profiler.profile();
  ASSERT_GE(profile.steps.size(), 2U);
  const StepProfile& call = profile.steps.back();
  EXPECT_TRUE(call.is_delegate_call);
  EXPECT_EQ(call.name, "XnnpackBackend");
  EXPECT_LE(call.inside, call.nanoseconds);
  double flops = 0;
  uint64_t inside = 0;
  for (size_t i = 0; i + 1 < profile.steps.size(); ++i) {
    EXPECT_EQ(profile.steps[i].delegate, 0);
    EXPECT_EQ(profile.steps[i].instruction, call.instruction);
    flops += profile.steps[i].flops;
    inside += profile.steps[i].nanoseconds;
  }
  EXPECT_GE(flops, 2.0 * (2 * 128 * 27));
  EXPECT_EQ(inside, call.inside);
  // Shares do not count anything twice.
  uint64_t sum = 0;
  for (const OperatorProfile& group : profile.by_operator()) {
    sum += group.nanoseconds;
    if (group.name == "aten::convolution.out") {
      EXPECT_EQ(group.where, "XnnpackBackend");
    }
  }
  EXPECT_EQ(sum, call.nanoseconds);
}

TEST(Profile, DumpsWhatTheInspectorExpects) {
  Profiler profiler;
  run_golden("conv_relu6_xnnpack", 2, profiler);
  const auto runs = profiler.dump();
  ASSERT_EQ(runs.size(), 3U);
  EXPECT_EQ(runs[0].name, "Default");
  EXPECT_EQ(runs[0].events[1].name, "Program::load_method");
  for (size_t run = 1; run < 3; ++run) {
    EXPECT_EQ(runs[run].name, "Execute");
    const auto& events = runs[run].events;
    ASSERT_GE(events.size(), 3U);
    EXPECT_TRUE(events.front().name.empty());
    EXPECT_FALSE(events.front().delegate_id.empty());
    EXPECT_EQ(events[events.size() - 2].name, "DELEGATE_CALL");
    EXPECT_EQ(events.back().name, "Method::execute");
    EXPECT_EQ(events.back().chain, -1);
    for (const auto& event : events) {
      EXPECT_LE(event.begin, event.end);
      EXPECT_GE(event.begin, events.back().begin);
      EXPECT_LE(event.end, events.back().end);
    }
  }
}

TEST(Profile, TracesAreJson) {
  Profiler profiler;
  run_golden("conv_relu6_portable", 2, profiler);
  const auto trace = nlohmann::json::parse(profiler.trace("a \"name\"\xff"));
  size_t executions = 0;
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] == "M") continue;
    EXPECT_GE(event["dur"].get<double>(), 0);
    EXPECT_GE(event["ts"].get<double>(), 0);
    executions += event["name"] == "execute" ? 1 : 0;
  }
  EXPECT_EQ(executions, 2U);
  EXPECT_EQ(trace["traceEvents"].size(), 1U + 1 + 2 + 4);
}

TEST(Cost, ViewsAndUnknownOperatorsAreCheap) {
  EValue a(Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  EValue b(Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  EValue one(int64_t{1});
  const std::vector<EValue*> add{&a, &a, &one, &b};
  const Cost cost = cost_of(info(Op::aten_add_Tensor), add);
  EXPECT_EQ(cost.flops, 6);
  EXPECT_EQ(cost.bytes, 48U);  // one operand, twice the same, and the result
  EValue shape(std::vector<int64_t>{3, 2});
  const std::vector<EValue*> view{&a, &shape, &b};
  EXPECT_EQ(cost_of(info(Op::executorch_prim_et_view), view).bytes, 0U);
  EXPECT_EQ(cost_of(info(Op::aten_view_copy), view).flops, 0);
  EXPECT_EQ(cost_of(info(Op::aten_mm), std::vector<EValue*>{}).flops, 0);
}

}  // namespace
}  // namespace pte::inspect
