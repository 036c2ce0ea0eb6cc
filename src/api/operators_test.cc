// Operators of one's own, through the public headers alone.
#include <gtest/gtest.h>
#include <pte/module.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "api/test_programs.h"

namespace {

using pte::Call;
using pte::Code;
using pte::Kind;
using pte::Method;
using pte::Module;
using pte::ModuleOptions;
using pte::OperatorRegistry;
using pte::Result;
using pte::Status;

constexpr const char* kScale =
    "mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)";
const std::vector<float> kX = {1, 2, 3, 4, 5, 6};

#define ASSERT_OK(...)                                       \
  do {                                                       \
    const auto& status_here = (__VA_ARGS__);                 \
    ASSERT_TRUE(status_here) << status_here.error().message; \
  } while (false)

Status scale(Call& call) {
  auto x = call.tensor(0);
  if (!x) return x.error();
  auto factor = call.real(1);
  if (!factor) return factor.error();
  auto out = call.resize(2, x->sizes());
  if (!out) return out.error();
  const auto* from = x->data_as<float>();
  auto* to = out->data_as<float>();
  if (from == nullptr || to == nullptr) return pte::Error{Code::kUnsupported, "float32 only", ""};
  call.parallel_for(x->numel(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = from[i] * static_cast<float>(*factor);
  });
  return {};
}

Result<Module> load(const pte_test::File& file, const OperatorRegistry* operators) {
  ModuleOptions options;
  options.operators = operators;
  return Module::load_bytes(file.data(), file.size(), options);
}

// The status of one execution with the kernel given.
Status run(const pte_test::File& file, const char* schema, pte::Kernel kernel,
           std::vector<float>* result = nullptr, int threads = 1) {
  OperatorRegistry operators;
  if (Status added = operators.add(schema, std::move(kernel)); !added) return added;
  auto module = load(file, &operators);
  if (!module) return module.error();
  pte::MethodOptions options;
  options.threads = threads;
  auto method = module->method("forward", options);
  if (!method) return method.error();
  if (Status set = method->set_input(0, {kX, {2, 3}}); !set) return set;
  if (Status ran = method->execute(); !ran) return ran;
  if (result == nullptr) return {};
  for (size_t i = 0; i < method->output_count(); ++i) {
    const auto values = method->output(i)->to_vector<float>();
    result->insert(result->end(), values.begin(), values.end());
  }
  return {};
}

TEST(Operators, Run) {
  for (const int threads : {1, 2}) {
    std::vector<float> result;
    ASSERT_OK(run(pte_test::scale(), kScale, scale, &result, threads));
    EXPECT_EQ(result, (std::vector<float>{2.5, 5, 7.5, 10, 12.5, 15}));
  }
}

Status halves(Call& call) {
  const auto x = call.tensor(0).value();
  const auto dim = static_cast<size_t>(call.integer(1).value());
  const bool swap = call.boolean(2).value();
  if (x.rank() != 2 || dim != 1) return pte::Error{Code::kUnsupported, "columns only", ""};
  const int64_t width = x.size(1) / 2;
  for (size_t part = 0; part < 2; ++part) {
    auto out = call.resize(3 + part, {x.size(0), width});
    if (!out) return out.error();
    const int64_t from = (part == 0) == swap ? width : 0;
    for (int64_t row = 0; row < x.size(0); ++row) {
      for (int64_t i = 0; i < width; ++i) {
        out->data_as<float>()[row * width + i] =
            x.data_as<float>()[row * x.strides()[0] + (from + i) * x.strides()[1]];
      }
    }
  }
  return {};
}

Status weigh(Call& call) {
  const auto weights = call.reals(1).value();
  if (!call.is_none(2)) return pte::Error{Code::kUnsupported, "no bias", ""};
  auto out = call.resize(3, call.item(0, 0).value()->sizes());
  if (!out) return out.error();
  std::vector<float> sum(static_cast<size_t>(out->numel()));
  for (size_t item = 0; item < call.list_size(0).value(); ++item) {
    const auto values = call.item(0, item).value()->to_vector<float>();
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += values[i] * static_cast<float>(weights[item]);
    }
  }
  std::copy(sum.begin(), sum.end(), out->data_as<float>());
  return {};
}

// The elements of a float32 .npy file of version 1.0, whose header ends with a newline.
std::vector<float> read_npy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const size_t begin = bytes.find('\n') + 1;
  std::vector<float> values((bytes.size() - begin) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + begin, values.size() * sizeof(float));
  return values;
}

// What the official exporter wrote of a model with operators of its own.
TEST(Operators, RunInAnExportersProgram) {
  const std::string golden = std::string(PTE_SOURCE_DIR) + "/tests/golden/api/custom_ops";
  OperatorRegistry operators;
  ASSERT_OK(operators.add(kScale, scale));
  ASSERT_OK(
      operators.add("mylib::halves.out(Tensor x, int dim, bool swap, *, Tensor(a!) first, "
                    "Tensor(b!) second) -> (Tensor(a!), Tensor(b!))",
                    halves));
  ModuleOptions options;
  options.operators = &operators;
  auto module = Module::load(golden + ".pte", options);
  ASSERT_OK(module);
  auto incomplete = module->method();
  ASSERT_FALSE(incomplete);
  EXPECT_NE(incomplete.error().message.find("1 operator has no kernel: 'mylib::weigh.out'"),
            std::string::npos)
      << incomplete.error().message;
  ASSERT_OK(
      operators.add("mylib::weigh.out(Tensor[] xs, float[] weights, Tensor? bias=None, *, "
                    "Tensor(a!) out) -> Tensor(a!)",
                    weigh));
  module = Module::load(golden + ".pte", options);
  ASSERT_OK(module);
  auto method = module->method();
  ASSERT_OK(method);
  const auto x = read_npy(golden + ".in0.npy");
  ASSERT_EQ(x.size(), 16u);
  ASSERT_OK(method->set_input(0, {x, {2, 8}}));
  ASSERT_OK(method->execute());
  ASSERT_EQ(method->output_count(), 2u);
  EXPECT_EQ(method->output(0)->to_vector<float>(), read_npy(golden + ".out0.npy"));
  EXPECT_EQ(method->output(1)->to_vector<float>(), read_npy(golden + ".out1.npy"));
}

TEST(Operators, MissingOnesAreNamedWithAHint) {
  auto module = load(pte_test::scale(), nullptr);
  ASSERT_OK(module);
  auto method = module->method();
  ASSERT_FALSE(method);
  EXPECT_EQ(method.error().code, Code::kUnsupported);
  EXPECT_NE(method.error().message.find("'mylib::scale.out'"), std::string::npos);
  EXPECT_NE(method.error().hint.find("--plugin"), std::string::npos);
}

TEST(Operators, CallsAreHeldAgainstTheSchema) {
  const Status status =
      run(pte_test::scale(),
          "mylib::scale.out(Tensor x, int[] factor, *, Tensor(a!) out) -> Tensor(a!)", scale);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kInvalidData);
  EXPECT_NE(status.error().message.find("argument 'factor' is value 3 (Double), expected IntList"),
            std::string::npos)
      << status.error().message;
}

TEST(Operators, SeeEveryKindOfArgument) {
  constexpr const char* kAll =
      "mylib::all.out(Tensor x, Tensor? none, int[] n, float[] f, bool[] b, str s, bool flag, "
      "Tensor[] xs, Tensor?[] maybe, *, Tensor(a!) out) -> Tensor(a!)";
  bool seen = false;
  std::vector<float> result;
  ASSERT_OK(run(
      pte_test::all_kinds(), kAll,
      [&](Call& call) -> Status {
        seen = true;
        EXPECT_EQ(call.size(), 10u);
        EXPECT_EQ(call.kind(0), Kind::kTensor);
        EXPECT_EQ(call.tensor(0)->to_vector<float>(), kX);
        EXPECT_TRUE(call.is_none(1));
        EXPECT_EQ(call.integers(2)->to_vector(), (std::vector<int64_t>{4, 5}));
        EXPECT_EQ(call.reals(3)->to_vector(), (std::vector<double>{0.5, 1.5}));
        EXPECT_EQ(call.booleans(4).value(), (std::vector<bool>{true, false}));
        EXPECT_EQ(call.text(5).value(), "hi");
        EXPECT_TRUE(call.boolean(6).value());
        EXPECT_EQ(call.list_size(7).value(), 2u);
        EXPECT_EQ(call.item(7, 1).value()->to_vector<float>(), kX);
        EXPECT_EQ(call.kind(8), Kind::kOptionalTensorList);
        EXPECT_FALSE(call.item(8, 0).value().has_value());
        EXPECT_TRUE(call.item(8, 1).value().has_value());
        // Wrong questions have answers too.
        EXPECT_EQ(call.integer(0).error().code, Code::kInvalidArgument);
        EXPECT_EQ(call.real(5).error().code, Code::kInvalidArgument);
        EXPECT_EQ(call.text(0).error().code, Code::kInvalidArgument);
        EXPECT_EQ(call.tensor(10).error().code, Code::kInvalidArgument);
        EXPECT_EQ(call.item(7, 2).error().code, Code::kInvalidArgument);
        EXPECT_EQ(call.list_size(0).error().code, Code::kInvalidArgument);
        EXPECT_EQ(call.resize(0, {1}).error().code, Code::kInvalidArgument);
        EXPECT_EQ(call.kind(10), Kind::kNone);
        auto out = call.resize(9, {2, 3});
        if (!out) return out.error();
        for (int i = 0; i < 6; ++i) out->data_as<float>()[i] = static_cast<float>(i);
        return {};
      },
      &result));
  EXPECT_TRUE(seen);
  EXPECT_EQ(result, (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(Operators, FillListsOfResults) {
  std::vector<float> result;
  ASSERT_OK(run(
      pte_test::parts(), "mylib::parts.out(Tensor x, *, Tensor(a!)[] out) -> ()",
      [](Call& call) -> Status {
        const auto x = call.tensor(0).value().to_vector<float>();
        for (size_t part = 0; part < call.list_size(1).value(); ++part) {
          if (Status resized = call.resize_item(1, part, {3}); !resized) return resized;
          auto out = call.item(1, part).value();
          for (size_t i = 0; i < 3; ++i) out->data_as<float>()[i] = x[3 * part + i];
        }
        return {};
      },
      &result));
  EXPECT_EQ(result, kX);
}

TEST(Operators, FailuresKeepTheirWords) {
  Status status = run(pte_test::scale(), kScale, [](Call&) -> Status {
    return pte::Error{Code::kUnsupported, "it is Sunday", ""};
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnsupported);
  EXPECT_NE(status.error().message.find("mylib::scale.out: it is Sunday"), std::string::npos)
      << status.error().message;
  status = run(pte_test::scale(), kScale,
               [](Call&) -> Status { throw std::runtime_error("thrown words"); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kInternal);
  EXPECT_NE(status.error().message.find("thrown words"), std::string::npos);
  // The words of a question that failed, handed on.
  status =
      run(pte_test::scale(), kScale, [](Call& call) -> Status { return call.integer(0).error(); });
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("argument 0 is Tensor, the kernel asks for Int"),
            std::string::npos)
      << status.error().message;
  status = run(pte_test::scale(), kScale, [](Call& call) -> Status {
    return call.resize(2, {100, 100}).error();
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kMismatch);
}

TEST(Operators, RegistriesRefuseNonsense) {
  OperatorRegistry operators;
  ASSERT_OK(operators.add(kScale, scale));
  EXPECT_EQ(operators.add(kScale, scale).error().code, Code::kInvalidArgument);
  EXPECT_EQ(operators.add("nonsense", scale).error().code, Code::kInvalidArgument);
  EXPECT_EQ(operators.add("mylib::none.out(Tensor x, *, Tensor(a!) out) -> Tensor(a!)", nullptr)
                .error()
                .code,
            Code::kInvalidArgument);
  const Status built_in =
      operators.add("aten::relu.out(Tensor self, *, Tensor(a!) out) -> Tensor(a!)", scale);
  ASSERT_FALSE(built_in);
  EXPECT_NE(built_in.error().message.find("built in"), std::string::npos);
  const Status missing = operators.load_plugin("/no such folder/libmine.so");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("libmine.so"), std::string::npos);
  OperatorRegistry taken = std::move(operators);
  EXPECT_FALSE(operators.add(kScale, scale));  // NOLINT: moved from
}

TEST(Operators, KernelsLiveAsLongAsTheyAreNeeded) {
  auto witness = std::make_shared<int>(0);
  const std::weak_ptr<int> alive = witness;
  auto operators = std::make_unique<OperatorRegistry>();
  ASSERT_OK(operators->add(kScale, [witness = std::move(witness)](Call& call) {
    ++*witness;
    return scale(call);
  }));
  auto module = load(pte_test::scale(), operators.get());
  ASSERT_OK(module);
  operators.reset();
  EXPECT_FALSE(alive.expired());
  auto method = module->method();
  ASSERT_OK(method);
  *module = Module();
  ASSERT_OK(method->set_input(0, {kX, {2, 3}}));
  ASSERT_OK(method->execute());
  *method = Method();
  EXPECT_TRUE(alive.expired());
}

TEST(Operators, AMethodInUseSaysSo) {
  Method* running = nullptr;
  Code set = Code::kInternal;
  Code executed = Code::kInternal;
  OperatorRegistry operators;
  ASSERT_OK(operators.add(kScale, [&](Call& call) {
    set = running->set_input(0, {kX, {2, 3}}).error().code;
    executed = running->execute().error().code;
    EXPECT_EQ(running->output_kind(0), Kind::kNone);
    return scale(call);
  }));
  auto module = load(pte_test::scale(), &operators);
  ASSERT_OK(module);
  auto method = module->method();
  ASSERT_OK(method);
  running = &*method;
  ASSERT_OK(method->set_input(0, {kX, {2, 3}}));
  ASSERT_OK(method->execute());
  EXPECT_EQ(set, Code::kInvalidArgument);
  EXPECT_EQ(executed, Code::kInvalidArgument);
}

}  // namespace
