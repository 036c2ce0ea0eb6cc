#include "runtime/method.h"

#include <gtest/gtest.h>

#include <cmath>

#include "program/reader.h"
#include "program/testing.h"
#include "program/verify.h"
#include "program/writer.h"
#include "runtime/delegate.h"
#include "tensor/npy.h"

namespace pte::runtime {
namespace {

using program::JumpFalseCall;
using program::KernelCall;
using program::MoveCall;
using program::Program;
using program::testing::add_program;
using program::testing::blob_of;
using program::testing::constant;
using program::testing::planned;

std::shared_ptr<const Program> share(Program made) {
  const Status status = program::verify(made);
  EXPECT_TRUE(status) << status.error().message;
  return std::make_shared<const Program>(std::move(made));
}

std::unique_ptr<Method> must_load(Program made, const Options& options = {}) {
  auto method = Method::load(share(std::move(made)), "forward", options);
  EXPECT_TRUE(method) << method.error().message;
  return method ? std::move(*method) : nullptr;
}

std::string load_error(Program made, const Options& options = {}) {
  auto method = Method::load(share(std::move(made)), "forward", options);
  return method ? "loaded" : method.error().message;
}

std::string golden_path(const std::string& name) {
  return std::string(PTE_SOURCE_DIR) + "/tests/golden/program/" + name;
}

std::shared_ptr<const Program> golden(const std::string& name) {
  auto file = MappedFile::open(golden_path(name + ".pte"));
  EXPECT_TRUE(file);
  auto read = program::read_program(*file);
  EXPECT_TRUE(read) << read.error().message;
  return std::make_shared<const Program>(std::move(*read));
}

template <typename T = float>
std::vector<T> numbers(const EValue& value) {
  const auto* tensor = value.get<Tensor>();
  if (tensor == nullptr) return {};
  const auto dense = tensor->contiguous();
  if (!dense) return {};
  return {dense->data_as<T>(), dense->data_as<T>() + dense->numel()};
}

Tensor floats(Sizes sizes, std::initializer_list<float> values) {
  return Tensor::of<float>(std::move(sizes), values);
}

#define ASSERT_OK(...)                                       \
  do {                                                       \
    const auto& status_here = (__VA_ARGS__);                 \
    ASSERT_TRUE(status_here) << status_here.error().message; \
  } while (false)

TEST(Method, Adds) {
  auto method = must_load(add_program());
  ASSERT_NE(method, nullptr);
  EXPECT_EQ(method->name(), "forward");
  EXPECT_EQ(method->input_count(), 2u);
  EXPECT_EQ(method->output_count(), 1u);
  EXPECT_EQ(method->instruction_count(), 1u);
  EXPECT_EQ(method->memory_bytes(), 96u);
  EXPECT_EQ(method->output_info(0).describe(), "float32[2,3]");
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK(method->set_input(0, floats({2, 3}, {1, 2, 3, 4, 5, 6})));
    ASSERT_OK(method->set_input(1, floats({2, 3}, {10, 20, 30, 40, 50, 60})));
    ASSERT_OK(method->execute());
    EXPECT_EQ(numbers(method->output(0)), (std::vector<float>{11, 22, 33, 44, 55, 66}));
  }
  EXPECT_EQ(method->execute().error().message, "input 0 was not set since the last execution");
}

TEST(Method, TakesAnyStrides) {
  auto method = must_load(add_program());
  const Tensor columns = floats({3, 2}, {1, 4, 2, 5, 3, 6});
  ASSERT_OK(method->set_input(0, columns.with_layout({2, 3}, {1, 2})));
  ASSERT_OK(method->set_input(1, floats({2, 3}, {0, 0, 0, 0, 0, 0})));
  ASSERT_OK(method->execute());
  EXPECT_EQ(numbers(method->output(0)), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(Method, FeedsItsOutputBack) {
  auto method = must_load(add_program());
  ASSERT_OK(method->set_input(0, floats({2, 3}, {1, 2, 3, 4, 5, 6})));
  ASSERT_OK(method->set_input(1, floats({2, 3}, {1, 1, 1, 1, 1, 1})));
  ASSERT_OK(method->execute());
  const EValue result = method->output(0);
  ASSERT_OK(method->set_input(0, result));
  ASSERT_OK(method->set_input(1, floats({2, 3}, {1, 1, 1, 1, 1, 1})));
  ASSERT_OK(method->execute());
  EXPECT_EQ(numbers(method->output(0)), (std::vector<float>{3, 4, 5, 6, 7, 8}));
}

TEST(Method, SaysWhatAnInputExpects) {
  Program made = add_program();
  auto& first = std::get<program::TensorValue>(made.methods[0].values[0]);
  first.sizes = {1, 2, 3};
  first.dim_order = {0, 1, 2};
  made.methods[0].inputs = {0, 3};
  made.methods[0].chains[0].instructions.clear();
  auto method = must_load(std::move(made));
  method->set_input_names({"x"});

  Status status = method->set_input(0, floats({2, 3}, {1, 2, 3, 4, 5, 6}));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "input 0 'x' expects float32[1,2,3], got float32[2,3]");
  EXPECT_EQ(status.error().hint, "the batch dimension is missing; --unsqueeze adds it");
  EXPECT_EQ(status.error().code, Code::kMismatch);

  status = method->set_input(0, Tensor::of<double>({1, 2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(status.error().message, "input 0 'x' expects float32[1,2,3], got float64[1,2,3]");
  EXPECT_EQ(status.error().hint, "convert the values to float32");

  status = method->set_input(0, int64_t{4});
  EXPECT_EQ(status.error().message, "input 0 'x' expects float32[1,2,3], got Int 4");
  EXPECT_EQ(status.error().hint, "");

  ASSERT_OK(method->set_input(1, int64_t{1}));
  status = method->set_input(1, int64_t{2});
  EXPECT_EQ(status.error().message, "input 1 was fixed at export as Int 1, got Int 2");
  EXPECT_EQ(method->set_input(2, int64_t{0}).error().message,
            "input 2 is given, 'forward' takes 2");
}

TEST(Method, NoSuchMethod) {
  const auto method = Method::load(share(add_program()), "encode");
  ASSERT_FALSE(method);
  EXPECT_EQ(method.error().message, "no method 'encode'; the program has 'forward'");
  EXPECT_EQ(method.error().code, Code::kNotFound);
}

TEST(Method, NamesEveryMissingOperatorAtOnce) {
  Program made = add_program();
  auto& method = made.methods[0];
  method.operators.push_back({"mylib::rotate", "out"});
  method.operators.push_back({"aten::fft_rfft", ""});
  method.operators.push_back({"mylib::never_called", ""});
  method.chains[0].instructions.push_back(KernelCall{1, {0, 2, 2}});
  method.chains[0].instructions.push_back(KernelCall{2, {0, 2}});
  method.chains[0].instructions.push_back(KernelCall{1, {1, 2, 2}});
  EXPECT_EQ(
      load_error(std::move(made)),
      "method 'forward': 2 operators have no kernel: 'aten::fft_rfft' 1×, 'mylib::rotate.out' 2×");
}

TEST(Method, KeepsToItsLimits) {
  Options options;
  options.memory_limit = 95;
  EXPECT_EQ(load_error(add_program(), options),
            "method 'forward': arena 1: 96 bytes pass the memory limit of 95");

  Program huge = add_program();
  huge.methods[0].arena_sizes = {0, INT64_MAX, INT64_MAX, INT64_MAX};
  EXPECT_NE(load_error(std::move(huge)).find("pass the memory limit"), std::string::npos);

  Program endless = add_program();
  endless.methods[0].inputs.clear();
  endless.methods[0].values.push_back(false);
  endless.methods[0].chains[0].instructions = {JumpFalseCall{4, 0}};
  options.memory_limit = 1 << 20;
  options.instruction_limit = 1000;
  EXPECT_EQ(must_load(endless, options)->execute().error().message,
            "'forward': stopped after 1000 instructions");
  std::atomic<bool> cancel = true;
  options.cancel = &cancel;
  EXPECT_EQ(must_load(endless, options)->execute().error().message, "'forward': cancelled");
}

TEST(Method, TellsHowLongInstructionsTook) {
  std::vector<std::string> seen;
  Options options;
  options.profile = [&](const InstructionTiming& timing) {
    seen.push_back(std::to_string(timing.instruction) + " " + std::string(timing.name));
  };
  auto method = must_load(add_program(), options);
  ASSERT_OK(method->set_input(0, floats({2, 3}, {1, 2, 3, 4, 5, 6})));
  ASSERT_OK(method->set_input(1, floats({2, 3}, {1, 2, 3, 4, 5, 6})));
  ASSERT_OK(method->execute());
  EXPECT_EQ(seen, (std::vector<std::string>{"0 aten::add.out"}));
}

// y = x > 0 ? x + 1 : x * 2 by hand: jump on a bool tensor, move the branch's result.
TEST(Method, TakesTheBranchThatTheConditionSays) {
  Program made;
  auto& method = made.methods.emplace_back();
  method.values = {planned({1}, 0),       planned({1}, 16, DType::kBool),
                   planned({1}, 32),      planned({1}, 48),
                   planned({1}, 64),      program::Value(int64_t{0}),
                   program::Value(1.0),   program::Value(2.0),
                   program::Value(false), program::Value(int64_t{1})};
  method.inputs = {0};
  method.outputs = {4};
  method.operators = {
      {"aten::gt", "Scalar_out"}, {"aten::add", "Scalar_out"}, {"aten::mul", "Scalar_out"}};
  method.arena_sizes = {0, 80};
  method.chains.emplace_back().instructions = {KernelCall{0, {0, 5, 1, 1}},
                                               JumpFalseCall{1, 5},
                                               KernelCall{1, {0, 6, 9, 2, 2}},
                                               MoveCall{2, 4},
                                               JumpFalseCall{8, 7},
                                               KernelCall{2, {0, 7, 3, 3}},
                                               MoveCall{3, 4}};
  auto loaded = must_load(std::move(made));
  const std::pair<float, float> cases[] = {{3, 4}, {-3, -6}, {0, 0}, {5, 6}};
  for (const auto& [x, y] : cases) {
    ASSERT_OK(loaded->set_input(0, floats({1}, {x})));
    ASSERT_OK(loaded->execute());
    EXPECT_EQ(numbers(loaded->output(0)), std::vector<float>{y});
  }
}

// state += x, kept from call to call and begun from the file's bytes; two methods do not share it.
TEST(Method, KeepsMutableBuffers) {
  Program made;
  made.mutable_data.push_back(blob_of({10.0f, 20.0f}));
  auto& method = made.methods.emplace_back();
  auto state = planned({2}, 32);
  state.constant = 1;
  method.values = {planned({2}, 0), state, planned({2}, 16), program::Value(int64_t{1}),
                   program::Value(false)};
  method.inputs = {0};
  method.outputs = {1};
  method.operators = {{"aten::add", "out"}, {"aten::copy_", ""}};
  method.arena_sizes = {0, 48};
  method.chains.emplace_back().instructions = {KernelCall{0, {1, 0, 3, 2, 2}},
                                               KernelCall{1, {1, 2, 4, 1}}};
  const auto shared = share(std::move(made));
  auto first = Method::load(shared, "forward");
  auto second = Method::load(shared, "forward");
  ASSERT_OK(first);
  ASSERT_OK(second);
  const auto step = [](Method& target, float x) {
    EXPECT_TRUE(target.set_input(0, floats({2}, {x, 2 * x})));
    const Status status = target.execute();
    EXPECT_TRUE(status) << status.error().message;
    return numbers(target.output(0));
  };
  EXPECT_EQ(step(**first, 1), (std::vector<float>{11, 22}));
  EXPECT_EQ(step(**first, 3), (std::vector<float>{14, 28}));
  EXPECT_EQ(step(**second, 0), (std::vector<float>{10, 20}));
}

// cat([x, w], 0) with the dimension computed at run time, then split again.
TEST(Method, GathersLists) {
  Program made;
  made.constants.push_back(blob_of({7.0f, 8.0f}));
  auto& method = made.methods.emplace_back();
  using program::IntList;
  using program::TensorList;
  method.values = {planned({3}, 0),
                   constant({2}, 1),
                   planned({5}, 16),
                   program::Value(int64_t{0}),
                   program::Value(TensorList{{0, 1}}),
                   planned({2}, 48),
                   planned({3}, 64),
                   program::Value(int64_t{2}),
                   program::Value(int64_t{-9}),  // becomes sym_size(x, 0)
                   program::Value(IntList{{7, 8}}),
                   program::Value(TensorList{{5, 6}}),
                   program::Value(TensorList{{5, 6}})};
  method.inputs = {0};
  method.outputs = {2, 5, 6, 8};
  method.operators = {
      {"aten::cat", "out"}, {"aten::sym_size", "int"}, {"aten::split_with_sizes_copy", "out"}};
  method.arena_sizes = {0, 80};
  method.chains.emplace_back().instructions = {
      KernelCall{0, {4, 3, 2, 2}}, KernelCall{1, {0, 3, 8}}, KernelCall{2, {2, 9, 3, 10, 11}}};
  auto loaded = must_load(std::move(made));
  ASSERT_OK(loaded->set_input(0, floats({3}, {1, 2, 3})));
  ASSERT_OK(loaded->execute());
  EXPECT_EQ(numbers(loaded->output(0)), (std::vector<float>{1, 2, 3, 7, 8}));
  EXPECT_EQ(numbers(loaded->output(1)), (std::vector<float>{1, 2}));
  EXPECT_EQ(numbers(loaded->output(2)), (std::vector<float>{3, 7, 8}));
  EXPECT_EQ(*loaded->output(3).get<int64_t>(), 3);
}

TEST(Method, NeverWritesToConstants) {
  Program made = add_program();
  made.constants.push_back(blob_of({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}));
  auto& method = made.methods[0];
  method.values.push_back(constant({2, 3}, 1));
  method.inputs = {};
  method.chains[0].instructions = {KernelCall{0, {0, 1, 3, 4, 4}}};
  EXPECT_EQ(must_load(made)->execute().error().message,
            "method 'forward': instruction 0: value 4 is written but is a constant");
  // Nor through a move.
  made.methods[0].chains[0].instructions = {MoveCall{4, 2}, KernelCall{0, {0, 1, 3, 2, 2}}};
  EXPECT_EQ(must_load(made)->execute().error().message,
            "method 'forward': instruction 1: value 2 is written but is a constant");
  // Nor through a view.
  auto view = constant({6}, 0);
  made.methods[0].values.push_back(view);
  made.methods[0].values.push_back(program::IntList{{7}});
  made.methods[0].values.push_back(int64_t{6});
  made.methods[0].operators.push_back({"executorch_prim::et_view", "default"});
  made.methods[0].chains[0].instructions = {KernelCall{1, {4, 6, 5}},
                                            KernelCall{0, {5, 5, 3, 5, 5}}};
  EXPECT_EQ(must_load(made)->execute().error().message,
            "method 'forward': instruction 1: value 5 is written but is a constant");
  // And a view that is skipped leaves nothing to read.
  made.methods[0].chains[0].instructions = {KernelCall{0, {5, 0, 3, 2, 2}},
                                            KernelCall{1, {4, 6, 5}}};
  EXPECT_EQ(must_load(made)->execute().error().message,
            "method 'forward': instruction 0: value 5 is read before anything is in it");
}

TEST(Method, ChecksKindsThatMovesChange) {
  Program made = add_program();
  made.methods[0].inputs = {};
  made.methods[0].chains[0].instructions = {MoveCall{3, 0}, KernelCall{0, {0, 1, 3, 2, 2}}};
  auto method = must_load(std::move(made));
  for (int round = 0; round < 2; ++round) {
    const Status status = method->execute();
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().message.find("argument 'self' is Int, expected Tensor"),
              std::string::npos)
        << status.error().message;
  }
}

Program delegated_add(std::string id) {
  Program made = add_program();
  auto& method = made.methods[0];
  method.operators.clear();
  method.delegates.push_back({std::move(id), {}, false, {}});
  method.chains[0].instructions = {program::DelegateCall{0, {0, 1, 2}}};
  return made;
}

TEST(Delegates, RunAProgramOfTheirOwn) {
  Options options;
  options.delegates = [](const DelegateRequest& request) -> Result<std::unique_ptr<Delegate>> {
    if (request.delegate.id != "Nested") return unsupported("only Nested");
    return make_program_delegate(share(add_program()), "forward", Options{});
  };
  auto method = must_load(delegated_add("Nested"), options);
  ASSERT_OK(method->set_input(0, floats({2, 3}, {1, 2, 3, 4, 5, 6})));
  ASSERT_OK(method->set_input(1, floats({2, 3}, {1, 1, 1, 1, 1, 1})));
  ASSERT_OK(method->execute());
  EXPECT_EQ(numbers(method->output(0)), (std::vector<float>{2, 3, 4, 5, 6, 7}));

  EXPECT_EQ(load_error(delegated_add("Other"), options),
            "method 'forward': delegate 0 'Other': only Nested");

  Program wrong = delegated_add("Nested");
  wrong.methods[0].chains[0].instructions = {program::DelegateCall{0, {0, 1}}};
  EXPECT_EQ(load_error(std::move(wrong), options),
            "method 'forward': instruction 0: delegate 0 'Nested' has 2 inputs and 1 outputs, the "
            "call names 2 values");
}

// The add program with its inputs and output in arenas 2 to 4.
Program separate_add() {
  Program made = add_program();
  for (uint32_t i = 0; i < 3; ++i) {
    std::get<program::TensorValue>(made.methods[0].values[i]).allocation =
        program::Allocation{2 + i, 0};
  }
  made.methods[0].arena_sizes = {0, 0, 24, 24, 24};
  return made;
}

TEST(Method, WorksInArenasOfTheCaller) {
  Options options;
  options.caller_arenas = true;
  auto method = must_load(separate_add(), options);
  const Tensor a = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = floats({2, 3}, {10, 20, 30, 40, 50, 60});
  const Tensor sum = floats({2, 3}, {0, 0, 0, 0, 0, 0});
  ASSERT_OK(method->bind_arena(2, a, true));
  ASSERT_OK(method->bind_arena(3, b, true));
  EXPECT_EQ(method->execute().error().message,
            "method 'forward': instruction 0: value 2 is written but has no memory");
  ASSERT_OK(method->bind_arena(2, a, true));
  ASSERT_OK(method->bind_arena(3, b, true));
  ASSERT_OK(method->bind_arena(4, sum, false));
  ASSERT_OK(method->execute());
  EXPECT_EQ(numbers(sum), (std::vector<float>{11, 22, 33, 44, 55, 66}));
  ASSERT_OK(method->bind_arena(2, b, true));
  ASSERT_OK(method->bind_arena(3, b, true));
  ASSERT_OK(method->bind_arena(4, sum, true));
  EXPECT_EQ(method->execute().error().message,
            "method 'forward': instruction 0: value 2 is written but is a constant");
  EXPECT_EQ(method->bind_arena(2, floats({2}, {1, 2}), true).error().message,
            "arena 2 takes 24 bytes, 8 are given");
  EXPECT_FALSE(method->bind_arena(5, a, true));
  EXPECT_FALSE(method->bind_arena(0, a, true));
}

TEST(Delegates, WorkInTheCallersTensors) {
  Options options;
  options.delegates = [](const DelegateRequest&) {
    return make_program_delegate(share(separate_add()), "forward", Options{});
  };
  Program outer = delegated_add("Nested");
  auto method = must_load(outer, options);
  for (const float one : {1.0f, 2.0f}) {
    ASSERT_OK(method->set_input(0, floats({2, 3}, {1, 2, 3, 4, 5, 6})));
    ASSERT_OK(method->set_input(1, floats({2, 3}, {one, one, one, one, one, one})));
    ASSERT_OK(method->execute());
    EXPECT_EQ(numbers(method->output(0)),
              (std::vector<float>{1 + one, 2 + one, 3 + one, 4 + one, 5 + one, 6 + one}));
  }
  // Arguments laid out in another way are copied.
  for (const size_t value : {0U, 2U}) {
    std::get<program::TensorValue>(outer.methods[0].values[value]).dim_order = {1, 0};
  }
  method = must_load(std::move(outer), options);
  ASSERT_OK(method->set_input(0, floats({2, 3}, {1, 2, 3, 4, 5, 6})));
  ASSERT_OK(method->set_input(1, floats({2, 3}, {1, 1, 1, 1, 1, 1})));
  ASSERT_OK(method->execute());
  EXPECT_EQ(numbers(method->output(0)), (std::vector<float>{2, 3, 4, 5, 6, 7}));
}

TEST(Delegates, UnknownBackend) {
  EXPECT_EQ(
      load_error(delegated_add("SomeBackend")),
      "method 'forward': backend 'SomeBackend' is missing (1 call): a backend that is not known; "
      "whoever exported the file knows it");
}

// Files of the official exporter compute what eager PyTorch computes.
class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, EqualsEager) {
  const std::string name = GetParam();
  auto method = Method::load(golden(name), "forward");
  ASSERT_OK(method);
  for (size_t i = 0; i < (*method)->input_count(); ++i) {
    auto input = read_npy(golden_path(name + ".in" + std::to_string(i) + ".npy"));
    ASSERT_OK(input);
    ASSERT_OK((*method)->set_input(i, *input));
  }
  ASSERT_OK((*method)->execute());
  for (size_t i = 0; i < (*method)->output_count(); ++i) {
    auto expected = read_npy(golden_path(name + ".out" + std::to_string(i) + ".npy"));
    ASSERT_OK(expected);
    ASSERT_EQ((*method)->output(i).get<Tensor>()->describe(), expected->describe());
    const std::vector<float> want = numbers(EValue(*expected));
    const std::vector<float> have = numbers((*method)->output(i));
    float largest = 0;
    for (const float value : want) largest = std::max(largest, std::abs(value));
    for (size_t k = 0; k < want.size(); ++k) EXPECT_NEAR(have[k], want[k], 1e-5f * largest);
  }
}

INSTANTIATE_TEST_SUITE_P(Portable, Golden,
                         ::testing::Values("add", "add_weight", "add_unplanned", "add_traced",
                                           "conv_relu6_portable", "cond", "map", "mutable_buffer",
                                           "dynamic_batch", "split_cat"),
                         [](const auto& test) { return std::string(test.param); });

TEST(GoldenFiles, CondTakesTheOtherBranch) {
  auto method = Method::load(golden("cond"), "forward");
  ASSERT_OK(method);
  ASSERT_OK((*method)->set_input(0, floats({4}, {1, 2, 3, -5})));
  ASSERT_OK((*method)->execute());
  EXPECT_EQ(numbers((*method)->output(0)), (std::vector<float>{2, 3, 4, -4}));
  ASSERT_OK((*method)->set_input(0, floats({4}, {1, 2, 3, -50})));
  ASSERT_OK((*method)->execute());
  EXPECT_EQ(numbers((*method)->output(0)), (std::vector<float>{2, 4, 6, -100}));
}

TEST(GoldenFiles, DynamicBatchGrowsAndShrinks) {
  auto method = Method::load(golden("dynamic_batch"), "forward");
  ASSERT_OK(method);
  EXPECT_EQ((*method)->input_info(0).describe(), "float32[8,5] at most");
  std::vector<float> one;
  for (const int64_t batch : {1, 8, 3, 8}) {
    auto input = Tensor::zeros(DType::kFloat32, {batch, 5});
    ASSERT_OK(input);
    for (int64_t i = 0; i < input->numel(); ++i) {
      input->mutable_data_as<float>()[i] = static_cast<float>(i % 5) - 1.5f;
    }
    ASSERT_OK((*method)->set_input(0, *input));
    ASSERT_OK((*method)->execute());
    EXPECT_EQ((*method)->output(0).get<Tensor>()->sizes(), (Sizes{batch, 4}));
    const std::vector<float> all = numbers((*method)->output(0));
    if (one.empty()) one = all;
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], one[i % 4]);
  }
  auto nine = Tensor::zeros(DType::kFloat32, {9, 5});
  ASSERT_OK(nine);
  EXPECT_EQ((*method)->set_input(0, *nine).error().message,
            "input 0 expects float32[8,5] at most, got float32[9,5]");
}

TEST(GoldenFiles, MapRunsTwice) {
  auto method = Method::load(golden("map"), "forward");
  ASSERT_OK(method);
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK((*method)->set_input(0, floats({3, 2}, {0, 1, 2, 3, 4, 5})));
    ASSERT_OK((*method)->set_input(1, floats({2}, {2, 3})));
    ASSERT_OK((*method)->execute());
    EXPECT_EQ(numbers((*method)->output(0)), (std::vector<float>{1, 4, 5, 10, 9, 16}));
  }
}

}  // namespace
}  // namespace pte::runtime
