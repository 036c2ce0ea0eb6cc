// What a plan may do with memory: share it, keep it from call to call, need more of it than
// planned.
#include <gtest/gtest.h>

#include <cstring>

#include "program/testing.h"
#include "program/verify.h"
#include "runtime/method.h"

namespace pte::runtime {
namespace {

using program::JumpFalseCall;
using program::KernelCall;
using program::Program;
using program::TensorValue;
using program::Value;
using program::testing::add_program;
using program::testing::blob_of;
using program::testing::planned;

std::unique_ptr<Method> must_load(Program made, const Options& options = {}) {
  const Status status = program::verify(made);
  EXPECT_TRUE(status) << status.error().message;
  auto method = Method::load(std::make_shared<const Program>(std::move(made)), "forward", options);
  EXPECT_TRUE(method) << method.error().message;
  return method ? std::move(*method) : nullptr;
}

std::vector<float> numbers(const EValue& value) {
  const auto* tensor = value.get<Tensor>();
  if (tensor == nullptr) return {};
  return {tensor->data_as<float>(), tensor->data_as<float>() + tensor->numel()};
}

void run(Method& method, std::vector<EValue> inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Status status = method.set_input(i, inputs[i]);
    ASSERT_TRUE(status) << status.error().message;
  }
  const Status status = method.execute();
  ASSERT_TRUE(status) << status.error().message;
}

// out = index_select(x, 0, indices), the indices lying where the result is written.
Program gather_over_indices() {
  Program made;
  auto& method = made.methods.emplace_back();
  method.values = {planned({2, 2}, 64), Value(int64_t{0}), planned({4}, 8, DType::kInt64),
                   planned({4, 2}, 0)};
  method.inputs = {0, 2};
  method.outputs = {3};
  method.operators = {{"aten::index_select", "out"}};
  method.chains.emplace_back().instructions = {KernelCall{0, {0, 1, 2, 3, 3}}};
  method.arena_sizes = {0, 96};
  return made;
}

TEST(Memory, IndicesAreNotOverwrittenWhileTheyAreUsed) {
  Program made = gather_over_indices();
  EXPECT_FALSE(program::find_plan_conflicts(made.methods[0]).empty());
  auto loaded = Method::load(std::make_shared<const Program>(std::move(made)), "forward");
  if (!loaded) GTEST_SKIP() << loaded.error().message;
  run(**loaded, {Tensor::of<float>({2, 2}, {1e30f, 2e30f, -3e30f, -4e30f}),
                 Tensor::of<int64_t>({4}, {1, 0, 1, 1})});
  EXPECT_EQ(numbers((*loaded)->output(0)),
            (std::vector<float>{-3e30f, -4e30f, 1e30f, 2e30f, -3e30f, -4e30f, -3e30f, -4e30f}));
}

// An element-wise sum whose result begins in the middle of an operand.
TEST(Memory, OverlapIsCopied) {
  Program made = add_program();
  std::get<TensorValue>(made.methods[0].values[2]).allocation->offset = 36;
  auto method = must_load(std::move(made));
  ASSERT_NE(method, nullptr);
  run(*method, {Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}),
                Tensor::of<float>({2, 3}, {10, 20, 30, 40, 50, 60})});
  EXPECT_EQ(numbers(method->output(0)), (std::vector<float>{11, 22, 33, 44, 55, 66}));
}

TEST(Memory, ResultsMustNotShare) {
  Program made;
  auto& method = made.methods.emplace_back();
  method.values = {planned({4}, 64),
                   Value(int64_t{0}),
                   Value(false),
                   planned({}, 0),
                   planned({}, 0, DType::kInt64),
                   Value(program::TensorList{{3, 4}})};
  method.inputs = {0};
  method.outputs = {3, 4};
  method.operators = {{"aten::max", "dim_max"}};
  method.chains.emplace_back().instructions = {KernelCall{0, {0, 1, 2, 3, 4, 5}}};
  method.arena_sizes = {0, 96};
  auto loaded = Method::load(std::make_shared<const Program>(std::move(made)), "forward");
  if (!loaded) GTEST_SKIP() << loaded.error().message;
  ASSERT_TRUE((*loaded)->set_input(0, Tensor::of<float>({4}, {1, 2, 3, 4})));
  const Status status = (*loaded)->execute();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("values 3 and 4, share memory"), std::string::npos)
      << status.error().message;
}

// state += x, kept from call to call; with a first content when `initial`.
Program counter(bool initial) {
  Program made = add_program();
  auto& method = made.methods[0];
  if (initial) {
    made.mutable_data.push_back(blob_of({10.0f, 20.0f, 30.0f, 40.0f, 50.0f, 60.0f}));
    std::get<TensorValue>(method.values[1]).constant = 1;
  }
  method.inputs = {0};
  method.chains[0].instructions = {KernelCall{0, {0, 1, 3, 2, 2}}, KernelCall{1, {1, 2, 4, 1}}};
  method.operators.push_back({"aten::copy_", ""});
  method.values.push_back(Value(false));
  return made;
}

TEST(Memory, StateStaysUntilReset) {
  for (const bool initial : {false, true}) {
    auto method = must_load(counter(initial));
    ASSERT_NE(method, nullptr);
    const float begin = initial ? 10 : 0;
    const Tensor ones = Tensor::of<float>({2, 3}, {1, 1, 1, 1, 1, 1});
    for (int i = 1; i <= 3; ++i) {
      run(*method, {ones});
      EXPECT_EQ(numbers(method->output(0))[0], begin + static_cast<float>(i));
    }
    const Status reset = method->reset();
    ASSERT_TRUE(reset) << reset.error().message;
    EXPECT_FALSE(method->execute());  // inputs are to be set again
    run(*method, {ones});
    EXPECT_EQ(numbers(method->output(0))[0], begin + 1);
  }
}

TEST(Memory, SizesWithoutBound) {
  Program made = add_program();
  auto& method = made.methods[0];
  for (const size_t value : {0U, 1U, 2U}) {
    auto& tensor = std::get<TensorValue>(method.values[value]);
    tensor.dynamism = program::Dynamism::kDynamicUnbound;
    tensor.allocation.reset();
  }
  Options options;
  options.memory_limit = 1 << 20;
  auto loaded = must_load(made, options);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->input_info(0).describe(), "float32[2,3] or any sizes");
  for (const int64_t rows : {1, 700, 3}) {
    auto x = Tensor::zeros(DType::kFloat32, {rows, 5});
    ASSERT_TRUE(x);
    std::fill_n(x->mutable_data_as<float>(), x->numel(), 1.5f);
    run(*loaded, {*x, *x});
    EXPECT_EQ(loaded->output(0).get<Tensor>()->sizes(), (Sizes{rows, 5}));
    EXPECT_EQ(numbers(loaded->output(0)).back(), 3.0f);
  }
  auto large = Tensor::zeros(DType::kFloat32, {1 << 17, 2});
  ASSERT_TRUE(large);
  const Status status = loaded->set_input(0, *large);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kResourceLimit);
}

// What runs for ever stops at the limit, at the deadline, and when it is told to.
TEST(Memory, EndlessLoopsStop) {
  Program made = add_program();
  made.methods[0].values.push_back(Value(false));
  made.methods[0].chains[0].instructions = {JumpFalseCall{4, 0}};
  const Tensor x = Tensor::of<float>({2, 3}, {1, 1, 1, 1, 1, 1});
  std::atomic<bool> cancel{true};
  Options limits[3];
  limits[0].instruction_limit = 1000;
  limits[1].timeout = std::chrono::milliseconds(5);
  limits[1].instruction_limit = UINT64_MAX;
  limits[2].cancel = &cancel;
  for (const Options& options : limits) {
    auto method = must_load(made, options);
    ASSERT_NE(method, nullptr);
    ASSERT_TRUE(method->set_input(0, x));
    ASSERT_TRUE(method->set_input(1, x));
    const Status status = method->execute();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::kResourceLimit);
  }
}

std::shared_ptr<const program::DataMap> data_map(const std::string& key, Sizes sizes,
                                                 program::Blob blob) {
  program::DataEntry entry;
  entry.key = key;
  entry.data = std::move(blob);
  entry.layout = program::TensorLayout{DType::kFloat32, sizes, contiguous_dim_order(sizes.size())};
  auto map = std::make_shared<program::DataMap>();
  EXPECT_TRUE(map->add(program::DataFile{"w.ptd", 0, {entry}}));
  return map;
}

// A buffer whose first content lies in a .ptd file: planned memory that begins with it.
TEST(Memory, ExternalBufferKeepsItsState) {
  Program made = counter(false);
  auto& state = std::get<TensorValue>(made.methods[0].values[1]);
  state.external = true;
  state.name = "state";
  const auto blob = blob_of({10.0f, 20.0f, 30.0f, 40.0f, 50.0f, 60.0f});
  Options options;
  options.data = data_map("state", {2, 3}, blob);
  auto method = must_load(made, options);
  ASSERT_NE(method, nullptr);
  const Tensor ones = Tensor::of<float>({2, 3}, {1, 1, 1, 1, 1, 1});
  for (int i = 1; i <= 2; ++i) {
    run(*method, {ones});
    EXPECT_EQ(numbers(method->output(0))[5], 60 + static_cast<float>(i));
  }
  ASSERT_TRUE(method->reset());
  run(*method, {ones});
  EXPECT_EQ(numbers(method->output(0))[5], 61.0f);
  // The file's bytes are not written.
  float first = 0;
  std::memcpy(&first, blob.bytes.data(), 4);
  EXPECT_EQ(first, 10.0f);

  const auto shared = std::make_shared<const Program>(made);
  options.data = data_map("state", {3, 2}, blob);
  const auto turned = Method::load(shared, "forward", options);
  ASSERT_FALSE(turned);
  EXPECT_EQ(turned.error().code, Code::kMismatch);
  EXPECT_NE(turned.error().message.find("'state' is float32[3,2]"), std::string::npos)
      << turned.error().message;
  options.data = data_map("other", {2, 3}, blob);
  EXPECT_EQ(Method::load(shared, "forward", options).error().code, Code::kNotFound);
}

TEST(Memory, SameKeyInProgramAndFile) {
  Program made = add_program();
  made.named_data.push_back({"w", blob_of({1.0f})});
  Options options;
  options.data = data_map("w", {1}, blob_of({1.0f}));
  const auto loaded = Method::load(std::make_shared<const Program>(made), "forward", options);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("the key 'w' is both in the program and in a .ptd file"),
            std::string::npos)
      << loaded.error().message;
}

}  // namespace
}  // namespace pte::runtime
