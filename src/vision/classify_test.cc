#include "vision/classify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "vision/labels.h"

namespace pte::vision {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Softmax, StaysFiniteFarFromZero) {
  const auto p = softmax(std::vector<float>{10000, 10001, -10000, -kInf});
  ASSERT_TRUE(p);
  EXPECT_FLOAT_EQ((*p)[0], 0.26894142f);
  EXPECT_FLOAT_EQ((*p)[1], 0.73105858f);
  EXPECT_EQ((*p)[2], 0);
  EXPECT_EQ((*p)[3], 0);
  EXPECT_FLOAT_EQ((*softmax(std::vector<float>{-5}))[0], 1);
}

TEST(Softmax, RefusesWhatHasNoAnswer) {
  EXPECT_FALSE(softmax({}));
  EXPECT_FALSE(softmax(std::vector<float>{1, kNaN}));
  EXPECT_FALSE(softmax(std::vector<float>{1, kInf}));
  EXPECT_FALSE(softmax(std::vector<float>{-kInf, -kInf}));
}

TEST(TopK, TiesGoToTheLowerIndex) {
  const std::vector<float> values = {1, 3, 2, 3, 3, -1};
  EXPECT_EQ(top_k(values, 4), (std::vector<int64_t>{1, 3, 4, 2}));
  EXPECT_EQ(top_k(values, 100).size(), 6u);
  EXPECT_TRUE(top_k(values, 0).empty());
  EXPECT_TRUE(top_k(values, -3).empty());
}

TEST(Classify, RanksAndNames) {
  Metadata metadata;
  metadata.labels = {"a", "b", "c"};
  const auto ranked = classify(Tensor::of<float>({1, 3}, {0, 2, 1}), metadata, 2);
  ASSERT_TRUE(ranked) << ranked.error().message;
  ASSERT_EQ(ranked->size(), 2u);
  EXPECT_EQ((*ranked)[0].label, "b");
  EXPECT_EQ((*ranked)[0].index, 1);
  EXPECT_NEAR((*ranked)[0].probability, 0.66524096, 1e-7);
  EXPECT_EQ((*ranked)[1].label, "c");
}

TEST(Classify, LeavesProbabilitiesAlone) {
  Metadata metadata;
  metadata.output = Metadata::Output::kProbabilities;
  const auto ranked = classify(Tensor::of<float>({1, 3, 1, 1}, {0.25f, 0.25f, 0.5f}), metadata);
  ASSERT_TRUE(ranked);
  EXPECT_EQ((*ranked)[0].probability, 0.5f);
  EXPECT_EQ((*ranked)[0].label, "class 2");
  EXPECT_EQ((*ranked)[1].index, 0);
  EXPECT_FALSE(classify(Tensor::of<float>({2}, {kNaN, 1}), metadata));
}

TEST(Classify, EqualProbabilitiesKeepTheOrderOfScores) {
  // exp(-200) vanishes beside 1 in float32; the scores still differ.
  const auto ranked = classify(Tensor::of<float>({4}, {0, -201, -200, -202}), Metadata{});
  ASSERT_TRUE(ranked);
  EXPECT_EQ((*ranked)[1].index, 2);
  EXPECT_EQ((*ranked)[2].index, 1);
}

TEST(Classify, ReadsHalfAndStrided) {
  const auto half = classify(Tensor::of<Half>({1, 2}, {Half(1.0f), Half(2.0f)}), Metadata{}, 1);
  ASSERT_TRUE(half);
  EXPECT_EQ((*half)[0].index, 1);
  const Tensor wide = Tensor::of<float>({4}, {9, 1, 5, 2});
  const auto strided = classify(wide.with_layout({1, 2}, {4, 2}), Metadata{}, 2);
  ASSERT_TRUE(strided);
  EXPECT_EQ((*strided)[0].index, 0);
  EXPECT_NEAR((*strided)[0].probability, 0.98201379, 1e-6);
}

TEST(Classify, RefusesOtherShapesAndCounts) {
  EXPECT_EQ(classify(Tensor::of<float>({2, 2}, {1, 2, 3, 4}), Metadata{}).error().code,
            Code::kMismatch);
  EXPECT_EQ(classify(Tensor::of<int64_t>({2}, {1, 2}), Metadata{}).error().code, Code::kMismatch);
  EXPECT_EQ(classify(Tensor(), Metadata{}).error().code, Code::kMismatch);
  Metadata metadata;
  metadata.labels = {"only"};
  const auto result = classify(Tensor::of<float>({1, 2}, {1, 2}), metadata);
  EXPECT_EQ(result.error().message, "the model gives 2 scores but has 1 labels");
}

TEST(Labels, ImageNet) {
  const auto& labels = imagenet1k_labels();
  ASSERT_EQ(labels.size(), 1000u);
  EXPECT_EQ(labels[0], "tench");
  EXPECT_EQ(labels[282], "tiger cat");
  EXPECT_EQ(labels[654], "minibus");
  EXPECT_EQ(labels[657], "missile");
  EXPECT_EQ(labels[960], "chocolate sauce");
  EXPECT_EQ(labels[967], "espresso");
  EXPECT_EQ(labels[968], "cup");
  EXPECT_EQ(labels[971], "bubble");
  EXPECT_EQ(labels[999], "toilet tissue");
  EXPECT_EQ(std::set<std::string>(labels.begin(), labels.end()).size(), 1000u);
}

TEST(Labels, Parses) {
  EXPECT_EQ(parse_labels("a\r\nb c\n\nd"), (std::vector<std::string>{"a", "b c", "", "d"}));
  EXPECT_TRUE(parse_labels("").empty());
}

Metadata sample() {
  Metadata metadata;
  metadata.model = "efficientnet_lite0";
  metadata.input_name = "x";
  metadata.input_shape = {1, 3, 224, 224};
  metadata.preprocess = Preprocess::efficientnet_lite();
  metadata.labels = imagenet1k_labels();
  return metadata;
}

TEST(MetadataJson, RoundTrips) {
  for (const auto output : {Metadata::Output::kLogits, Metadata::Output::kProbabilities}) {
    Metadata metadata = sample();
    metadata.output = output;
    const auto back = parse_metadata(print_metadata(metadata));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, metadata);
  }
  EXPECT_EQ(*parse_metadata(print_metadata(Metadata{})), Metadata{});
  EXPECT_EQ(*parse_metadata("{}"), Metadata{});
}

TEST(MetadataJson, IgnoresWhatItDoesNotKnow) {
  const auto metadata = parse_metadata(
      R"({"format": 1, "future": {"a": [1, {"b": 2}]}, "model": null,
          "preprocess": {"resize": "squash", "new": 1}})");
  ASSERT_TRUE(metadata) << metadata.error().message;
  EXPECT_EQ(metadata->preprocess->resize, Preprocess::Resize::kSquash);
}

TEST(MetadataJson, InvalidUtf8IsReplaced) {
  Metadata metadata;
  metadata.model = "caf\xE9";
  const auto back = parse_metadata(print_metadata(metadata));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->model, "caf\xEF\xBF\xBD");
}

TEST(MetadataJson, ErrorsSayWhatIsWrong) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "not valid JSON"},
      {"{\"model\":", "not valid JSON"},
      {"[1]", "expected an object"},
      {R"({"format": 2})", "format 2 is not known"},
      {R"({"format": "1"})", "'format' must be a whole number"},
      {R"({"model": 7})", "'model' must be a string"},
      {R"({"output": "scores"})", "'output' is 'scores'"},
      {R"({"labels": "a,b"})", "'labels' must be a list"},
      {R"({"labels": ["a", 2]})", "entry 1"},
      {R"({"input": []})", "'input' must be an object"},
      {R"({"input": {"shape": [1, 0]}})", "'input.shape'"},
      {R"({"input": {"shape": [1.5]}})", "'input.shape'"},
      {R"({"input": {"shape": [1e300]}})", "'input.shape'"},
      {R"({"preprocess": {"size": -1}})", "preprocess: 'size' is -1"},
      {std::string(100'000, '['), "nests too deep"},
      {std::string(9 << 20, ' '), "exceed the limit"},
  };
  for (const auto& [json, expected] : cases) {
    const auto result = parse_metadata(json);
    ASSERT_FALSE(result) << json.substr(0, 80);
    EXPECT_TRUE(result.error().message.starts_with("ptekit.metadata: ")) << result.error().message;
    EXPECT_NE(result.error().message.find(expected), std::string::npos) << result.error().message;
  }
  EXPECT_FALSE(parse_metadata(R"({"format": 2})").error().hint.empty());
}

}  // namespace
}  // namespace pte::vision
