// TorchScript files of tests/golden/torchscript, run and compared with what eager PyTorch answered.
#include <nlohmann/json.hpp>

#include "cli/load_model.h"
#include "cli/testing.h"
#include "runtime/method.h"

namespace pte::cli {
namespace {

const std::string kGolden = PTE_SOURCE_DIR "/tests/golden/torchscript/";

void expect_equal(const EValue& value, const nlohmann::json& expected) {
  if (expected.is_string()) {
    ASSERT_NE(value.get<std::string>(), nullptr);
    EXPECT_EQ(*value.get<std::string>(), expected.get<std::string>());
    return;
  }
  const auto* tensor = value.get<Tensor>();
  if (expected.is_number()) {
    // A number that the run decides comes as a tensor of one element.
    const double number = tensor != nullptr    ? static_cast<double>(*tensor->data_as<int64_t>())
                          : value.is<double>() ? *value.get<double>()
                                               : static_cast<double>(*value.get<int64_t>());
    EXPECT_DOUBLE_EQ(number, expected.get<double>());
    return;
  }
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->sizes(), expected.at("sizes").get<Sizes>());
  const auto values = expected.at("values").get<std::vector<double>>();
  for (size_t k = 0; k < values.size(); ++k) {
    const double own = tensor->dtype() == DType::kInt64
                           ? static_cast<double>(tensor->data_as<int64_t>()[k])
                           : static_cast<double>(tensor->data_as<float>()[k]);
    EXPECT_NEAR(own, values[k], 1e-5 * std::max(1.0, std::abs(values[k]))) << k;
  }
}

class TorchScriptGoldens : public ::testing::TestWithParam<const char*> {};

TEST_P(TorchScriptGoldens, AnswerAsEagerDoes) {
  const auto text = MappedFile::open(kGolden + "expected.json");
  ASSERT_TRUE(text);
  const auto row = nlohmann::json::parse(as_text(text->bytes())).at(GetParam());
  LoadOptions options;
  const auto sizes = row.at("sizes").get<Sizes>();
  options.shapes = {sizes};
  auto loaded = load_program(kGolden + row.at("file").get<std::string>(), options);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto program = std::make_shared<const program::Program>(std::move(*loaded));
  auto method = runtime::Method::load(program, "forward", {});
  ASSERT_TRUE(method) << method.error().message;
  std::vector<nlohmann::json> calls{row.at("outputs")};
  for (const auto& later : row.at("later")) calls.push_back(later);
  for (size_t call = 0; call < calls.size(); ++call) {
    auto input = Tensor::zeros(DType::kFloat32, sizes);
    ASSERT_TRUE(input);
    for (int64_t i = 0; i < input->numel(); ++i) {
      const float value = static_cast<float>(i) / 100;
      input->mutable_data_as<float>()[i] =
          call == 0 ? value : value * static_cast<float>(call + 1) - 0.03F;
    }
    ASSERT_TRUE((*method)->set_input(0, *input));
    const Status ran = (*method)->execute();
    ASSERT_TRUE(ran) << ran.error().message;
    for (size_t i = 0; i < calls[call].size(); ++i) {
      SCOPED_TRACE(fmt::format("call {}, output {}", call, i));
      expect_equal((*method)->output(i), calls[call][i]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TorchScriptGoldens,
                         ::testing::Values("traced_convolution", "scripted_convolution",
                                           "frozen_convolution", "mobile_convolution",
                                           "traced_sizes", "language", "mobile_language", "counter",
                                           "branch", "loop", "recurrent", "mobile_recurrent",
                                           "changes", "mobile_changes", "methods",
                                           "mobile_methods"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace pte::cli
