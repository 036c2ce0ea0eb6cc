// Programs of the official exporter, called as tests/golden/runtime/expected.json says: one method
// instance for each method name, so that state goes on from call to call.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "program/reader.h"
#include "program/verify.h"
#include "runtime/method.h"

namespace pte::runtime {
namespace {

using nlohmann::json;

std::string folder() { return std::string(PTE_SOURCE_DIR) + "/tests/golden/runtime/"; }

json expected() {
  std::ifstream stream(folder() + "expected.json");
  return json::parse(stream);
}

std::shared_ptr<const program::Program> load(const std::string& path) {
  auto file = MappedFile::open(path);
  EXPECT_TRUE(file) << file.error().message;
  auto program = program::read_program(*file);
  EXPECT_TRUE(program) << program.error().message;
  if (!program) return nullptr;
  for (const program::Method& method : program->methods) {
    for (const program::Finding& finding : program::find_plan_conflicts(method)) {
      ADD_FAILURE() << finding.where << ": " << finding.message;
    }
  }
  return std::make_shared<const program::Program>(std::move(*program));
}

std::shared_ptr<const program::DataMap> data_of(const json& files) {
  auto map = std::make_shared<program::DataMap>();
  for (const json& name : files) {
    auto file = MappedFile::open(folder() + name.get<std::string>());
    EXPECT_TRUE(file) << file.error().message;
    auto data = program::read_data(*file);
    EXPECT_TRUE(data) << data.error().message;
    EXPECT_TRUE(map->add(std::move(*data)));
  }
  return map->empty() ? nullptr : map;
}

Tensor tensor_of(const json& in) {
  const auto dtype = parse_dtype(in["dtype"].get<std::string>());
  auto tensor = Tensor::zeros(dtype.value(), in["shape"].get<Sizes>());
  EXPECT_TRUE(tensor);
  dispatch(*dtype, [&]<typename T>(T) {
    for (size_t i = 0; i < in["data"].size(); ++i) {
      tensor->mutable_data_as<T>()[i] = static_cast<T>(in["data"][i].get<double>());
    }
  });
  return std::move(*tensor);
}

EValue value_of(const json& in) {
  EValue out;
  if (in.is_object()) {
    out = tensor_of(in);
  } else if (in.is_boolean()) {
    out.v = in.get<bool>();
  } else if (in.is_number_integer()) {
    out = in.get<int64_t>();
  } else if (in.is_number()) {
    out = in.get<double>();
  } else if (in.is_string()) {
    out = in.get<std::string>();
  }
  return out;
}

void expect_equal(const EValue& got, const json& want) {
  if (!want.is_object()) {
    EXPECT_EQ(got.kind(), value_of(want).kind());
    EXPECT_EQ(got.v.index(), value_of(want).v.index());
    if (want.is_boolean()) {
      EXPECT_EQ(*got.get<bool>(), want.get<bool>());
    }
    if (want.is_number_integer()) {
      EXPECT_EQ(*got.get<int64_t>(), want.get<int64_t>());
    }
    if (want.is_number_float()) {
      EXPECT_EQ(*got.get<double>(), want.get<double>());
    }
    if (want.is_string()) {
      EXPECT_EQ(*got.get<std::string>(), want.get<std::string>());
    }
    return;
  }
  ASSERT_TRUE(got.is<Tensor>()) << got.kind();
  const Tensor& tensor = *got.get<Tensor>();
  const Tensor answer = tensor_of(want);
  EXPECT_EQ(tensor.describe(), answer.describe());
  if (tensor.describe() != answer.describe()) return;
  auto dense = tensor.contiguous();
  ASSERT_TRUE(dense);
  dispatch(answer.dtype(), [&]<typename T>(T) {
    for (int64_t i = 0; i < answer.numel(); ++i) {
      EXPECT_NEAR(static_cast<double>(dense->data_as<T>()[i]),
                  static_cast<double>(answer.data_as<T>()[i]), 2e-5)
          << "element " << i;
    }
  });
}

class OfficialProgram : public ::testing::TestWithParam<std::string> {};

TEST_P(OfficialProgram, AnswersAsEagerPyTorch) {
  const json plan = expected()[GetParam()];
  const auto program = load(folder() + GetParam() + ".pte");
  ASSERT_NE(program, nullptr);
  Options options;
  options.data = data_of(plan["data"]);
  std::map<std::string, std::unique_ptr<Method>> methods;
  size_t index = 0;
  for (const json& call : plan["calls"]) {
    SCOPED_TRACE(fmt::format("call {}", index++));
    const auto name = call["method"].get<std::string>();
    if (methods[name] == nullptr) {
      auto loaded = Method::load(program, name, options);
      ASSERT_TRUE(loaded) << loaded.error().message;
      methods[name] = std::move(*loaded);
    }
    Method& method = *methods[name];
    ASSERT_EQ(method.input_count(), call["inputs"].size());
    for (size_t i = 0; i < method.input_count(); ++i) {
      const Status set = method.set_input(i, value_of(call["inputs"][i]));
      ASSERT_TRUE(set) << set.error().message;
    }
    const Status done = method.execute();
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_EQ(method.output_count(), call["outputs"].size());
    for (size_t i = 0; i < method.output_count(); ++i) {
      SCOPED_TRACE(fmt::format("output {}", i));
      expect_equal(method.output(i), call["outputs"][i]);
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  const json all = expected();
  for (const auto& item : all.items()) out.push_back(item.key());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Files, OfficialProgram, ::testing::ValuesIn(names()),
                         [](const auto& test) { return test.param; });

TEST(ExternalData, IsAskedForByName) {
  const auto program = load(folder() + "external_weights.pte");
  const auto none = Method::load(program, "forward");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_NE(none.error().message.find("'w' lies in a .ptd file, and none was given"),
            std::string::npos)
      << none.error().message;
  EXPECT_NE(none.error().hint.find("--data"), std::string::npos);

  Options options;
  options.data = data_of(json::array({"external_two_files.rest.ptd"}));
  const auto part = Method::load(program, "forward", options);
  ASSERT_FALSE(part);
  EXPECT_NE(part.error().message.find("none of the .ptd files has 'l.weight'"), std::string::npos)
      << part.error().message;
}

}  // namespace
}  // namespace pte::runtime
