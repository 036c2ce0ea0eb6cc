// The C++ API through its public headers alone.
#include <gtest/gtest.h>
#include <pte/module.h>

#include <cstring>
#include <thread>

#include "api/test_programs.h"

namespace {

using pte::Code;
using pte::Kind;
using pte::Method;
using pte::MethodOptions;
using pte::Module;
using pte::ModuleOptions;
using pte::Status;
using pte::TensorView;

const std::string kGolden = std::string(PTE_SOURCE_DIR) + "/tests/golden/program/";

Module must_load(const pte_test::File& file, const ModuleOptions& options = {}) {
  auto module = Module::load_bytes(file.data(), file.size(), options);
  EXPECT_TRUE(module) << module.error().message;
  return module ? *module : Module();
}

Method must_make(const Module& module, const MethodOptions& options = {}) {
  auto method = module.method("forward", options);
  EXPECT_TRUE(method) << method.error().message;
  return method ? std::move(*method) : Method();
}

#define ASSERT_OK(...)                                       \
  do {                                                       \
    const auto& status_here = (__VA_ARGS__);                 \
    ASSERT_TRUE(status_here) << status_here.error().message; \
  } while (false)

const std::vector<float> kA = {1, 2, 3, 4, 5, 6};
const std::vector<float> kB = {10, 20, 30, 40, 50, 60};

TEST(Api, Adds) {
  const Module module = must_load(pte_test::add());
  EXPECT_EQ(module.method_names(), std::vector<std::string>{"forward"});
  Method method = must_make(module);
  EXPECT_EQ(method.name(), "forward");
  ASSERT_EQ(method.inputs().size(), 2u);
  EXPECT_EQ(method.inputs()[0].kind, Kind::kTensor);
  EXPECT_EQ(method.inputs()[0].sizes, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(method.inputs()[0].dim_order, (std::vector<uint8_t>{0, 1}));
  EXPECT_FALSE(method.inputs()[0].dynamic);
  ASSERT_EQ(method.outputs().size(), 1u);
  EXPECT_GE(method.memory_bytes(), 72u);
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
    ASSERT_OK(method.set_input(1, {kB, {2, 3}}));
    ASSERT_OK(method.execute());
    const auto sum = method.output(0);
    ASSERT_OK(sum);
    EXPECT_EQ(sum->dtype(), pte::DType::kFloat32);
    EXPECT_EQ(sum->to_vector<float>(), (std::vector<float>{11, 22, 33, 44, 55, 66}));
    EXPECT_TRUE(sum->to_vector<int32_t>().empty());
    EXPECT_EQ(sum->data_as<double>(), nullptr);
  }
}

TEST(Api, LoadsFiles) {
  auto module = Module::load(kGolden + "add.pte");
  ASSERT_OK(module);
  Method method = must_make(*module);
  EXPECT_EQ(method.input_count(), 2u);
  auto missing = Module::load(kGolden + "no such file.pte");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().message.find("no such file.pte"), std::string::npos);
  auto damaged = Module::load(std::string(PTE_SOURCE_DIR) + "/README.md");
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, Code::kInvalidData);
}

TEST(Api, TakesAnyStridesAndDynamicSizes) {
  const Module module = must_load(pte_test::add_dynamic());
  Method method = must_make(module);
  EXPECT_TRUE(method.inputs()[0].dynamic);
  // A transposed view of 2 by 2 elements in a larger array.
  ASSERT_OK(method.set_input(0, TensorView(pte::DType::kFloat32, kA.data(), {2, 2}, {1, 3})));
  ASSERT_OK(method.set_input(1, TensorView(pte::DType::kFloat32, kB.data(), {2, 2})));
  ASSERT_OK(method.execute());
  EXPECT_EQ(method.output(0)->sizes().to_vector(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(method.output(0)->to_vector<float>(), (std::vector<float>{11, 24, 32, 45}));
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  ASSERT_OK(method.set_input(1, {kB, {2, 3}}));
  ASSERT_OK(method.execute());
  EXPECT_EQ(method.output(0)->numel(), 6);
}

TEST(Api, OutputsMayBeFedBack) {
  const Module module = must_load(pte_test::add());
  Method method = must_make(module);
  std::vector<float> running = kA;
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  ASSERT_OK(method.set_input(1, {kB, {2, 3}}));
  ASSERT_OK(method.execute());
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK(method.set_input(0, method.output(0).value()));
    ASSERT_OK(method.set_input(1, {kB, {2, 3}}));
    ASSERT_OK(method.execute());
  }
  EXPECT_EQ(method.output(0)->to_vector<float>(), (std::vector<float>{41, 82, 123, 164, 205, 246}));
}

// Where an operator of one's own finds its argument.
const void* place_of_input(const pte_test::File& file, const TensorView& x, float* first) {
  const void* place = nullptr;
  pte::OperatorRegistry operators;
  Status added =
      operators.add("mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)",
                    [&](pte::Call& call) -> Status {
                      place = call.tensor(0)->data();
                      auto out = call.resize(2, call.tensor(0)->sizes());
                      if (!out) return out.error();
                      out->data_as<float>()[0] = call.tensor(0)->data_as<float>()[0];
                      return {};
                    });
  EXPECT_TRUE(added);
  ModuleOptions options;
  options.operators = &operators;
  Method method = must_make(must_load(file, options));
  EXPECT_TRUE(method.set_input(0, x));
  EXPECT_TRUE(method.execute());
  *first = method.output(0)->data_as<float>()[0];
  EXPECT_FALSE(method.execute());  // it is lent for one execution
  return place;
}

TEST(Api, ReadsInputsWhereTheyLie) {
  using pte::DType;
  alignas(64) const float values[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  float first = 0;
  const TensorView aligned(DType::kFloat32, values, {2, 3});
  EXPECT_EQ(place_of_input(pte_test::scale(), aligned, &first), values);
  EXPECT_EQ(first, 1);
  // Copied: other strides, no alignment, and a program whose plan gives the input another name.
  const TensorView strided(DType::kFloat32, values + 4, {2, 3}, {1, 2});
  EXPECT_NE(place_of_input(pte_test::scale(), strided, &first), values + 4);
  EXPECT_EQ(first, 5);
  const TensorView unaligned(DType::kFloat32, values + 1, {2, 3});
  EXPECT_NE(place_of_input(pte_test::scale(), unaligned, &first), values + 1);
  EXPECT_EQ(first, 2);
  EXPECT_NE(place_of_input(pte_test::scale_renamed(), aligned, &first), values);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(values[0], 1);
}

// An input that the program writes, or gives back, is copied: the caller's memory stays as it is.
TEST(Api, NeverWritesItsInputs) {
  alignas(64) float values[6] = {1, 2, 3, 4, 5, 6};
  const TensorView view(pte::DType::kFloat32, values, {2, 3});
  Method method = must_make(must_load(pte_test::overwrites()));
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK(method.set_input(0, view));
    ASSERT_OK(method.set_input(1, {kB, {2, 3}}));
    ASSERT_OK(method.execute());
    EXPECT_EQ(method.output(0)->to_vector<float>(), kB);
    EXPECT_NE(method.output(0)->data(), values);
    EXPECT_EQ(values[0], 1);
  }
}

TEST(Api, RefusesWrongInputs) {
  const Module module = must_load(pte_test::add());
  Method method = must_make(module);
  EXPECT_EQ(method.execute().error().code, Code::kInvalidArgument);  // nothing set
  const std::vector<int32_t> whole(6);
  Status status = method.set_input(0, {whole, {2, 3}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kMismatch);
  EXPECT_NE(status.error().message.find("expects float32[2,3], got int32[2,3]"), std::string::npos)
      << status.error().message;
  EXPECT_FALSE(status.error().hint.empty());
  EXPECT_EQ(method.set_input(0, {kA, {3, 2}}).error().code, Code::kMismatch);
  EXPECT_EQ(method.set_input(2, {kA, {2, 3}}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(method.set_input(0, 3.5).error().code, Code::kMismatch);
  // Fewer elements than the sizes say.
  EXPECT_EQ(method.set_input(0, TensorView(kA.data(), 5, {2, 3})).error().code,
            Code::kInvalidArgument);
  using pte::DType;
  EXPECT_EQ(method.set_input(0, TensorView(DType::kFloat32, nullptr, {2, 3})).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(method.set_input(0, TensorView(DType::kFloat32, kA.data(), {2, -3})).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(
      method.set_input(0, TensorView(DType::kFloat32, kA.data(), {2, 3}, {-3, 1})).error().code,
      Code::kInvalidArgument);
  EXPECT_EQ(method.set_input(0, TensorView(DType::kFloat32, kA.data(), {2, 3}, {INT64_MAX, 1}))
                .error()
                .code,
            Code::kInvalidArgument);
  EXPECT_EQ(method.set_input(0, TensorView(static_cast<DType>(99), kA.data(), {2, 3})).error().code,
            Code::kInvalidArgument);
  const std::vector<int64_t> many(17, 1);
  EXPECT_EQ(method.set_input(0, TensorView(DType::kFloat32, kA.data(), many)).error().code,
            Code::kInvalidArgument);
  // After all that it still works.
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  ASSERT_OK(method.set_input(1, {kB, {2, 3}}));
  ASSERT_OK(method.execute());
  EXPECT_EQ(method.output(1).error().code, Code::kInvalidArgument);
}

TEST(Api, OutputsGoWhenInputsChange) {
  const Module module = must_load(pte_test::add());
  Method method = must_make(module);
  EXPECT_EQ(method.output(0).error().code, Code::kInvalidArgument);
  EXPECT_EQ(method.output_kind(0), Kind::kNone);
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  ASSERT_OK(method.set_input(1, {kB, {2, 3}}));
  ASSERT_OK(method.execute());
  EXPECT_EQ(method.output_kind(0), Kind::kTensor);
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  EXPECT_EQ(method.output(0).error().code, Code::kInvalidArgument);
}

TEST(Api, GivesOtherKindsOfOutputs) {
  const Module module = must_load(pte_test::answers());
  Method method = must_make(module);
  const std::vector<float> two = {7, 8};
  ASSERT_OK(method.set_input(0, {two, {2}}));
  ASSERT_OK(method.execute());
  EXPECT_EQ(method.output_int(0).value(), 42);
  EXPECT_EQ(method.output_double(1).value(), 2.5);
  EXPECT_TRUE(method.output_bool(2).value());
  EXPECT_EQ(method.output_string(3).value(), "text");
  EXPECT_EQ(method.output(4)->to_vector<float>(), two);
  EXPECT_EQ(method.output_kind(0), Kind::kInt);
  EXPECT_EQ(method.outputs()[3].kind, Kind::kString);
  EXPECT_EQ(method.output(0).error().code, Code::kMismatch);
  EXPECT_EQ(method.output_int(1).error().code, Code::kMismatch);
  EXPECT_EQ(method.output_double(9).error().code, Code::kInvalidArgument);
}

TEST(Api, HoldsFixedInputsToTheirValues) {
  const Module module = must_load(pte_test::fixed());
  Method method = must_make(module);
  ASSERT_OK(method.execute());  // setting them is optional
  ASSERT_OK(method.set_input(0, 7));
  ASSERT_OK(method.set_input(1, 0.5));
  ASSERT_OK(method.set_input(2, true));
  ASSERT_OK(method.set_input(3, "mode"));
  ASSERT_OK(method.execute());
  EXPECT_EQ(method.set_input(0, 8).error().code, Code::kMismatch);
  EXPECT_EQ(method.set_input(1, 0.75).error().code, Code::kMismatch);
  EXPECT_EQ(method.set_input(2, false).error().code, Code::kMismatch);
  EXPECT_EQ(method.set_input(3, std::string("other")).error().code, Code::kMismatch);
  EXPECT_EQ(method.set_input(0, {kA, {2, 3}}).error().code, Code::kMismatch);
}

TEST(Api, NamesMethodsAndData) {
  const Module module = must_load(pte_test::two_methods());
  EXPECT_EQ(module.method_names(), (std::vector<std::string>{"forward", "second"}));
  EXPECT_EQ(module.named_data("note").value(), "hello");
  EXPECT_EQ(module.named_data("other").error().code, Code::kNotFound);
  auto second = module.method("second");
  ASSERT_OK(second);
  EXPECT_EQ(second->name(), "second");
  auto third = module.method("third");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Code::kNotFound);
  EXPECT_NE(third.error().message.find("'forward', 'second'"), std::string::npos);
}

TEST(Api, TakesWeightsFromDataFiles) {
  const std::string folder = std::string(PTE_SOURCE_DIR) + "/tests/golden/runtime/";
  auto bare = Module::load(folder + "external_two_files.pte");
  ASSERT_OK(bare);
  EXPECT_FALSE(bare->method());
  ModuleOptions options;
  options.data_files = {folder + "external_two_files.linear.ptd",
                        folder + "external_two_files.rest.ptd"};
  auto module = Module::load(folder + "external_two_files.pte", options);
  ASSERT_OK(module);
  ASSERT_OK(module->method());
  options.data_files.pop_back();
  options.data_files.push_back(options.data_files.front());
  auto twice = Module::load(folder + "external_two_files.pte", options);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, Code::kMismatch);
  options.data_files = {folder + "no such file.ptd"};
  EXPECT_EQ(Module::load(folder + "external_two_files.pte", options).error().code, Code::kNotFound);
  options.data_files = {folder + "external_two_files.pte"};
  EXPECT_EQ(Module::load(folder + "external_two_files.pte", options).error().code,
            Code::kInvalidData);
}

TEST(Api, EmptyHandlesGiveErrors) {
  const Module none;
  EXPECT_TRUE(none.method_names().empty());
  EXPECT_EQ(none.method().error().code, Code::kInvalidArgument);
  EXPECT_EQ(none.named_data("x").error().code, Code::kInvalidArgument);
  Method method = must_make(must_load(pte_test::add()));
  Method taken = std::move(method);
  EXPECT_EQ(method.execute().error().code, Code::kInvalidArgument);  // NOLINT: moved from
  EXPECT_EQ(method.set_input(0, {kA, {2, 3}}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(method.output(0).error().code, Code::kInvalidArgument);
  EXPECT_EQ(method.input_count(), 0u);
  EXPECT_TRUE(method.outputs().empty());
  EXPECT_EQ(method.name(), "");
  // The module is gone; its method works on.
  ASSERT_OK(taken.set_input(0, {kA, {2, 3}}));
  ASSERT_OK(taken.set_input(1, {kA, {2, 3}}));
  ASSERT_OK(taken.execute());
}

TEST(Api, UsesSharedBytesWhereTheyLie) {
  const pte_test::File file = pte_test::two_methods();  // its named data stays in the bytes
  bool released = false;
  {
    // 16-aligned, and then not: both work, and both let go of the owner.
    for (const size_t shift : {0, 1}) {
      released = false;
      auto memory = std::shared_ptr<std::byte>(
          static_cast<std::byte*>(std::aligned_alloc(64, (file.size() + 65) / 64 * 64)),
          [&](std::byte* bytes) {
            released = true;
            std::free(bytes);
          });
      std::memcpy(memory.get() + shift, file.data(), file.size());
      const std::byte* at = memory.get() + shift;
      auto module = Module::load_bytes(std::move(memory), at, file.size());
      ASSERT_OK(module);
      EXPECT_EQ(released, shift != 0);
      Method method = must_make(*module);
      *module = Module();
      ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
      ASSERT_OK(method.set_input(1, {kA, {2, 3}}));
      ASSERT_OK(method.execute());
      EXPECT_EQ(released, shift != 0);
      method = Method();
      EXPECT_TRUE(released);
    }
  }
  // Released on failure too.
  released = false;
  auto owner = std::shared_ptr<const void>(file.data(), [&](const void*) { released = true; });
  EXPECT_FALSE(Module::load_bytes(std::move(owner), file.data(), 20));
  EXPECT_TRUE(released);
}

TEST(Api, ValueThrowsWhenThereIsNone) {
  auto missing = Module::load("no such file.pte");
  EXPECT_THROW((void)missing.value(), pte::Exception);
  try {
    (void)missing.value();
  } catch (const pte::Exception& exception) {
    EXPECT_EQ(exception.error().code, Code::kNotFound);
    EXPECT_NE(std::string(exception.what()).find("no such file.pte"), std::string::npos);
  }
}

TEST(Api, ThreadsShareAModule) {
  const Module module = must_load(pte_test::add());
  const auto work = [&module](float first, bool& good) {
    MethodOptions options;
    options.threads = 2;
    auto method = module.method("forward", options);
    good = method.has_value();
    for (int round = 0; good && round < 200; ++round) {
      std::vector<float> a(6, first + static_cast<float>(round));
      good = method->set_input(0, {a, {2, 3}}) && method->set_input(1, {kB, {2, 3}}) &&
             method->execute() && method->output(0)->to_vector<float>()[5] == a[5] + 60;
    }
  };
  bool good[3] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] { work(static_cast<float>(1000 * i), good[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const bool each : good) EXPECT_TRUE(each);
}

TEST(Api, CancelsFromAnotherThread) {
  const Module module = must_load(pte_test::endless());
  MethodOptions options;
  options.instruction_limit = UINT64_MAX;
  options.cancel.emplace();
  Method method = must_make(module, options);
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  std::thread stopper([token = *options.cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    token.cancel();
  });
  const Status status = method.execute();
  stopper.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kCancelled);
  // It stays so until it is reset.
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  EXPECT_EQ(method.execute().error().code, Code::kCancelled);
  const Module quick = must_load(pte_test::add());
  Method adds = must_make(quick, options);
  ASSERT_OK(adds.set_input(0, {kA, {2, 3}}));
  ASSERT_OK(adds.set_input(1, {kA, {2, 3}}));
  EXPECT_EQ(adds.execute().error().code, Code::kCancelled);
  options.cancel->reset();
  ASSERT_OK(adds.set_input(0, {kA, {2, 3}}));
  ASSERT_OK(adds.set_input(1, {kA, {2, 3}}));
  ASSERT_OK(adds.execute());
}

TEST(Api, StopsAtTheTimeoutAndTheLimits) {
  const Module module = must_load(pte_test::endless());
  MethodOptions options;
  options.instruction_limit = UINT64_MAX;
  options.timeout = std::chrono::milliseconds(20);
  Method method = must_make(module, options);
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  const auto begin = std::chrono::steady_clock::now();
  Status status = method.execute();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, options.timeout);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kTimeout);

  options.timeout = {};
  options.instruction_limit = 1000;
  method = must_make(module, options);
  ASSERT_OK(method.set_input(0, {kA, {2, 3}}));
  EXPECT_EQ(method.execute().error().code, Code::kResourceLimit);

  options.memory_limit = 16;
  auto small = module.method("forward", options);
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().code, Code::kResourceLimit);
  options.memory_limit = 0;
  options.threads = -1;
  EXPECT_EQ(module.method("forward", options).error().code, Code::kInvalidArgument);
}

}  // namespace
