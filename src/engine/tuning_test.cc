#include "engine/tuning.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "engine/testing.h"

namespace pte::engine {
namespace {

namespace fs = std::filesystem;

class TuningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("pte_tuning_{}", ::getpid());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

simd::Conv2dShape shape_of(int64_t kernel, int64_t groups) {
  simd::Conv2dShape shape;
  shape.h = shape.w = 12;
  shape.in_channels = shape.out_channels = 16;
  shape.kernel_h = shape.kernel_w = kernel;
  shape.pad_top = shape.pad_left = shape.pad_bottom = shape.pad_right = kernel / 2;
  shape.groups = groups;
  return shape;
}

TEST_F(TuningTest, MeasuresWhatCanDoAShapeAndKeepsWhatIsKnown) {
  const std::vector<simd::Conv2dShape> shapes{shape_of(3, 1), shape_of(1, 1), shape_of(3, 16),
                                              shape_of(3, 1)};
  ConvChoices choices;
  const auto measured = tune(shapes, simd::best_isa(), true, choices);
  ASSERT_TRUE(measured.has_value());
  EXPECT_EQ(*measured, 3U);
  EXPECT_EQ(choices.size(), 3U);
  EXPECT_EQ(*tune(shapes, simd::best_isa(), true, choices), 0U);
  for (const auto& [key, algorithm] : choices) EXPECT_NE(algorithm, simd::ConvAlgorithm::kAuto);
  ConvChoices exact;
  ASSERT_TRUE(tune(shapes, simd::best_isa(), false, exact).has_value());
  for (const auto& [key, algorithm] : exact) {
    EXPECT_NE(algorithm, simd::ConvAlgorithm::kWinograd4) << key;
  }
}

TEST_F(TuningTest, FilesKeepChoicesAndBadLinesAreLeftOut) {
  const std::string path = choices_path(folder_.string(), simd::Isa::kScalar);
  EXPECT_TRUE(read_choices(path).empty());
  const ConvChoices choices{{"1 2 3", simd::ConvAlgorithm::kDirect},
                            {"4 5 6", simd::ConvAlgorithm::kWinograd2}};
  ASSERT_TRUE(write_choices(path, choices).has_value());
  EXPECT_EQ(read_choices(path), choices);
  std::string text(as_text(MappedFile::open(path)->bytes()));
  ASSERT_TRUE(
      write_file(path, text + "\nfast 1 1\nwinograd4\n\xff\xfe direct 9\ndirect 7 8").has_value());
  const ConvChoices read = read_choices(path);
  EXPECT_EQ(read.size(), 3U);
  EXPECT_EQ(read.at("7 8"), simd::ConvAlgorithm::kDirect);
  ASSERT_TRUE(write_file(path, "something else\n" + text).has_value());
  EXPECT_TRUE(read_choices(path).empty());
}

TEST_F(TuningTest, SessionsTuneOnceAndLaterOnesUseIt) {
  const auto program = testing::program_of(R"(const @w: float32[16,16,3,3] parameter = elided
  func forward(%x: float32[1,16,12,12]) {
    %w = const @w
    %c: float32[1,16,12,12] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    return %c
  })");
  Options options;
  options.packed_cache = folder_.string();
  options.tune = true;
  auto tuned = testing::compare(program, options, 1e-4);
  ASSERT_NE(tuned, nullptr);
  const std::string path = choices_path(options.packed_cache, options.plan.isa);
  ConvChoices choices = read_choices(path);
  ASSERT_EQ(choices.size(), 1U);
  // Whatever was the fastest: what the file says is what is used.
  options.tune = false;
  for (const auto algorithm : {simd::ConvAlgorithm::kWinograd2, simd::ConvAlgorithm::kDirect}) {
    choices.begin()->second = algorithm;
    ASSERT_TRUE(write_choices(path, choices).has_value());
    auto session = testing::compare(program, options, 1e-4);
    ASSERT_NE(session, nullptr);
    EXPECT_NE(testing::kernels_of(*session).find(simd::conv_algorithm_name(algorithm)),
              std::string::npos)
        << testing::kernels_of(*session);
    EXPECT_NE(testing::kernels_of(*session).find("tuned"), std::string::npos);
  }
  // F(4,3) that a file names is not used where it is not allowed, nor what cannot be done.
  options.plan.winograd = false;
  for (const auto algorithm : {simd::ConvAlgorithm::kWinograd4, simd::ConvAlgorithm::kDepthwise}) {
    choices.begin()->second = algorithm;
    ASSERT_TRUE(write_choices(path, choices).has_value());
    auto session = testing::compare(program, options);
    ASSERT_NE(session, nullptr);
    EXPECT_EQ(testing::kernels_of(*session).find("tuned"), std::string::npos);
  }
}

}  // namespace
}  // namespace pte::engine
