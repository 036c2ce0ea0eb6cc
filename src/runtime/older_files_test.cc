// Files of older exporters: see tests/golden/older/README.md.
#include <gtest/gtest.h>

#include "program/bundle.h"
#include "program/reader.h"
#include "runtime/compare.h"
#include "runtime/method.h"

namespace pte::runtime {
namespace {

MappedFile older(const std::string& name) {
  auto file = MappedFile::open(std::string(PTE_SOURCE_DIR) + "/tests/golden/older/" + name);
  EXPECT_TRUE(file) << file.error().message;
  return file ? *file : MappedFile::from_bytes({});
}

std::shared_ptr<const program::Program> read(const MappedFile& file) {
  EXPECT_TRUE(program::check_program(file).empty());
  auto program = program::read_program(file);
  EXPECT_TRUE(program) << program.error().message;
  if (!program) return nullptr;
  return std::make_shared<const program::Program>(std::move(*program));
}

struct Case {
  std::string file;
  std::vector<Tensor> inputs;
  std::vector<float> expected;
};

TEST(OlderFiles, Answer) {
  const std::vector<float> linear = {0, 0, 0, 0.15851706266403198f, 0, 0.02447742223739624f};
  const Tensor four = Tensor::of<float>({2, 4}, {1, -2, 3, 0.5f, 0, 1, 0, -1});
  const Tensor three = Tensor::of<float>({3}, {1, 2, 3});
  const Case cases[] = {
      {"arduino_add.pte", {three}, {2, 3, 4}},
      {"apple_add.pte", {Tensor::of<float>({1}, {1.5f}), Tensor::of<float>({1}, {2})}, {3.5f}},
      {"linear_inline_constants.pte", {Tensor::of<float>({2, 2}, {1, 2, 3, -4})}, {5, 8, 11, -10}},
      {"et100_linear_relu.pte", {four}, linear},
      {"et100_linear_relu_xnnpack.pte", {four}, linear},
      {"et100_counter.pte", {three}, {2, 4, 6}},
      {"et070_linear_relu.pte", {four}, linear},
      {"et070_linear_relu_xnnpack.pte", {four}, linear},
      {"et070_counter.pte", {three}, {2, 4, 6}},
  };
  for (const Case& item : cases) {
    SCOPED_TRACE(item.file);
    const auto program = read(older(item.file));
    ASSERT_NE(program, nullptr);
    auto method = Method::load(program, "forward");
    ASSERT_TRUE(method) << method.error().message;
    program::TestCase test;
    for (const Tensor& input : item.inputs) test.inputs.emplace_back(input);
    const auto sizes = (*method)->output_info(0).sizes;
    test.expected.emplace_back(Tensor::of<float>(sizes, std::span<const float>(item.expected)));
    const auto result = run_case(**method, test, {1e-5, 1e-7});
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->matches) << result->message;
  }
}

// A bundle whose inner program has a header of 24 bytes; it carries ten calls with their answers.
TEST(OlderFiles, BundleWithShortHeader) {
  const auto bundle = program::read_bundle(older("bundled_header24.bpte"));
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(static_cast<int>(bundle->program.bytes()[12]), 24);
  const auto program = read(bundle->program);
  size_t cases = 0;
  for (const program::TestSuite& suite : bundle->suites) {
    auto method = Method::load(program, suite.method);
    ASSERT_TRUE(method) << method.error().message;
    for (const program::TestCase& test : suite.cases) {
      const auto result = run_case(**method, test, {});
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_TRUE(result->matches) << result->message;
      ++cases;
    }
  }
  EXPECT_EQ(cases, 10u);
}

// Operators of Arm's Cortex-M library: all that is missing is named, with counts.
TEST(OlderFiles, ForeignOperatorsAreNamed) {
  const auto program = read(older("keyword_spotting.pte"));
  ASSERT_NE(program, nullptr);
  const auto method = Method::load(program, "forward");
  ASSERT_FALSE(method);
  EXPECT_EQ(method.error().code, Code::kUnsupported);
  EXPECT_NE(method.error().message.find("7 operators have no kernel"), std::string::npos);
  EXPECT_NE(method.error().message.find("'cortex_m::quantized_depthwise_conv2d.out' 5×"),
            std::string::npos)
      << method.error().message;
}

}  // namespace
}  // namespace pte::runtime
