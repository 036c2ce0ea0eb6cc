#include "lowering/emit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/text.h"
#include "program/verify.h"

namespace pte::lowering {
namespace {

using program::TensorValue;

program::Program emitted(std::string_view body, std::string_view constants = "") {
  const auto module = ir::parse_module(fmt::format("module \"m\" {{\n{}\n{}\n}}", constants, body));
  EXPECT_TRUE(module.has_value()) << module.error().message;
  auto result = emit(*module);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  const auto status = program::verify(*result);
  EXPECT_TRUE(status.has_value()) << status.error().message;
  return std::move(*result);
}

std::vector<std::string> calls(const program::Method& method) {
  std::vector<std::string> names;
  for (const auto& instruction : method.chains.front().instructions) {
    const auto& call = std::get<program::KernelCall>(instruction);
    names.push_back(method.operators[static_cast<size_t>(call.op)].full_name());
  }
  return names;
}

const TensorValue& tensor(const program::Method& method, int32_t index) {
  return std::get<TensorValue>(method.values[static_cast<size_t>(index)]);
}

TEST(Emit, NamesTheResultTwiceAndPlansMemory) {
  const auto program = emitted(R"(func forward(%a: float32[2,3], %b: float32[2,3]) {
    %sum: float32[2,3] = aten.add.Tensor(%a, %b, 1)
    return %sum
  })");
  const program::Method& method = program.methods.front();
  EXPECT_EQ(method.name, "forward");
  const auto& call = std::get<program::KernelCall>(method.chains.front().instructions.front());
  ASSERT_EQ(call.args.size(), 5U);
  EXPECT_EQ(call.args[3], call.args[4]);
  EXPECT_EQ(call.args[3], method.outputs.front());
  EXPECT_EQ(method.arena_sizes, (std::vector<int64_t>{0, 96}));
}

TEST(Emit, GivesInputsAndOutputsArenasOfTheirOwn) {
  const auto module = ir::parse_module(R"(module "m" {
  func forward(%a: float32[2,3]) {
    %b: float32[2,3] = aten.relu.default(%a)
    %c: float32[2,3] = aten.neg.default(%b)
    %d: float32[2,3] = aten.relu.default(%c)
    return %c, %d, %d
  }
})");
  ASSERT_TRUE(module.has_value()) << module.error().message;
  EmitOptions options;
  options.separate_io = true;
  const auto program = emit(*module, options);
  ASSERT_TRUE(program.has_value()) << program.error().message;
  ASSERT_TRUE(program::verify(*program).has_value());
  const program::Method& method = program->methods.front();
  EXPECT_EQ(tensor(method, method.inputs[0]).allocation->memory_id, 2U);
  EXPECT_EQ(tensor(method, method.outputs[0]).allocation->memory_id, 3U);
  // What is returned twice cannot lie in two places.
  EXPECT_EQ(tensor(method, method.outputs[1]).allocation->memory_id, 1U);
  EXPECT_EQ(method.arena_sizes, (std::vector<int64_t>{0, 32, 24, 24}));
}

TEST(Emit, ViewsShareMemoryAndCostNoCall) {
  const auto program = emitted(R"(func forward(%x: float32[2,3]) {
    %a: float32[2,3] = aten.relu.default(%x)
    %v: float32[6] = aten.view_copy.default(%a, [6])
    %u: float32[6,1] = aten.unsqueeze_copy.default(%v, 1)
    %y: float32[6,1] = aten.neg.default(%u)
    return %y
  })");
  EXPECT_EQ(calls(program.methods.front()),
            (std::vector<std::string>{"aten::relu.out", "aten::neg.out"}));
  EXPECT_EQ(program.methods.front().arena_sizes[1], 64);
}

TEST(Emit, AReturnedViewOfAnInputIsACopy) {
  const auto program = emitted(R"(func forward(%x: float32[2,3]) {
    %v: float32[6] = aten.view_copy.default(%x, [6])
    return %v
  })");
  const program::Method& method = program.methods.front();
  EXPECT_EQ(calls(method), std::vector<std::string>{"aten::view_copy.out"});
  EXPECT_NE(tensor(method, method.inputs[0]).allocation->offset,
            tensor(method, method.outputs[0]).allocation->offset);
}

TEST(Emit, OtherBitsOfOneMemoryCostNoCall) {
  const auto program = emitted(R"(func forward(%x: uint32[4]) {
    %v: int32[4] = aten.view_copy.dtype(%x, int32)
    %y: int32[4] = aten.neg.default(%v)
    %u: uint32[4] = aten.view_copy.dtype(%y, uint32)
    return %u
  })");
  EXPECT_EQ(calls(program.methods.front()), std::vector<std::string>{"aten::neg.out"});
  EXPECT_EQ(program.methods.front().arena_sizes[1], 32);
}

TEST(Emit, SeveralResultsEndInAList) {
  const auto program = emitted(R"(func forward(%x: float32[1,1,4,2]) {
    (%a: float32[1,1,1,2], %b: float32[1,1,3,2]) = aten.split_with_sizes_copy.default(%x, [1, 3], 2)
    (%m: float32[1,1,2,2], %i: int64[1,1,2,2]) = aten.max_pool2d_with_indices.default(%b, [2, 1], [1, 1], [0, 0], [1, 1], false)
    return %a, %m
  })");
  const program::Method& method = program.methods.front();
  const auto& split = std::get<program::KernelCall>(method.chains.front().instructions[0]);
  ASSERT_EQ(split.args.size(), 5U);  // self, sizes, dim, results, results again
  const auto& list =
      std::get<program::TensorList>(method.values[static_cast<size_t>(split.args[3])]);
  EXPECT_EQ(list.items.size(), 2U);
  EXPECT_EQ(list.items,
            std::get<program::TensorList>(method.values[static_cast<size_t>(split.args[4])]).items);
  const auto& pool = std::get<program::KernelCall>(method.chains.front().instructions[1]);
  ASSERT_EQ(pool.args.size(), 9U);  // six arguments, two results, the list of them
  EXPECT_EQ(std::get<program::TensorList>(method.values[static_cast<size_t>(pool.args[8])]).items,
            (std::vector<int32_t>{pool.args[6], pool.args[7]}));
}

TEST(Emit, BuffersKeepTheirInitialValueAndAreWrittenLast) {
  const auto program = emitted(R"(func forward(%x: float32[2]) {
    %state = const @state
    %next: float32[2] = aten.add.Tensor(%state, %x, 1)
    return mutate @state %next, %next
  })",
                               "const @state: float32[2] buffer = dense [1.5, 2.5]");
  const program::Method& method = program.methods.front();
  EXPECT_EQ(calls(method), (std::vector<std::string>{"aten::add.out", "aten::copy_"}));
  const auto buffer =
      std::find_if(method.values.begin(), method.values.end(), [](const program::Value& value) {
        const auto* t = std::get_if<TensorValue>(&value);
        return t != nullptr && t->name == "state";
      });
  ASSERT_NE(buffer, method.values.end());
  EXPECT_EQ(std::get<TensorValue>(*buffer).constant, 1U);
  EXPECT_TRUE(std::get<TensorValue>(*buffer).allocation.has_value());
  EXPECT_EQ(program.mutable_data.size(), 2U);
  EXPECT_EQ(method.outputs.size(), 1U);
}

TEST(Emit, DynamicSizesPlanForTheirUpperBound) {
  const auto program = emitted(R"(func forward(%x: float32[s0,2]) {
    %n: int(s0) = aten.sym_size.int(%x, 0)
    %y: float32[s0,2] = aten.relu.default(%x)
    %v: float32[2*s0] = aten.view_copy.default(%y, [-1])
    %f: float32[s0] = aten.full.default([%n], 1.0, float32, none, none, none)
    return %v, %f
  })",
                               "sym s0 in [1, 8]");
  const program::Method& method = program.methods.front();
  EXPECT_EQ(calls(method),
            (std::vector<std::string>{"aten::sym_size.int", "aten::relu.out",
                                      "executorch_prim::et_view.default", "aten::full.out"}));
  EXPECT_EQ(tensor(method, method.inputs[0]).sizes, (Sizes{8, 2}));
  EXPECT_EQ(tensor(method, method.inputs[0]).dynamism, program::Dynamism::kDynamicBound);
  // A prim call names its result once.
  EXPECT_EQ(std::get<program::KernelCall>(method.chains.front().instructions.front()).args.size(),
            3U);
}

TEST(Emit, ReportsEveryOperatorThatCannotBeEmitted) {
  const auto module = ir::parse_module(R"(module "m" {
  func forward(%x: float32[2]) {
    %a: float32[2] = aten.silu.default(%x) loc "model.py:3"
    %b: float32[2] = aten.silu.default(%a)
    %c: float32[2] = aten.hardswish.default(%b)
    return %c
  }
})");
  ASSERT_TRUE(module.has_value()) << module.error().message;
  const auto error = emit(*module).error();
  EXPECT_EQ(error.code, Code::kUnsupported);
  EXPECT_NE(error.message.find("2 operators cannot"), std::string::npos);
  EXPECT_NE(error.message.find("aten::silu  2×  model.py:3"), std::string::npos);
}

TEST(Emit, AnUnboundedSizeIsAnError) {
  const auto module = ir::parse_module(R"(module "m" {
  sym s0 in [2, inf]
  func forward(%x: float32[s0]) {
    %a: float32[s0] = aten.relu.default(%x)
    return %a
  }
})");
  ASSERT_TRUE(module.has_value());
  EXPECT_NE(emit(*module).error().message.find("has no upper bound"), std::string::npos);
}

}  // namespace
}  // namespace pte::lowering
