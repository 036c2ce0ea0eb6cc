#include "vision/preprocess.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "vision/vision_test_util.h"

namespace pte::vision {
namespace {

std::string crc(const Tensor& tensor) { return vision::crc(tensor.data(), tensor.nbytes()); }

TEST(Preprocess, MatchesTorchvisionOnPillow) {
  int cases = 0;
  for (auto& line : golden_lines("preprocess.txt")) {
    uint32_t seed;
    int64_t width, height;
    std::string name, expected;
    line >> seed >> width >> height >> name >> expected;
    ASSERT_TRUE(line);
    const auto tensor = apply(*preset(name), noise(seed, width, height, 3));
    ASSERT_TRUE(tensor) << tensor.error().message;
    EXPECT_EQ(tensor->describe(), "float32[1,3,224,224]");
    EXPECT_EQ(crc(*tensor), expected) << line.str();
    ++cases;
  }
  EXPECT_GE(cases, 39);
}

TEST(Preprocess, SwapsChannels) {
  Preprocess p = Preprocess::squash(16);
  const Image image = noise(1, 16, 16, 3);
  const auto rgb = apply(p, image);
  p.channel_order = Preprocess::ChannelOrder::kBgr;
  const auto bgr = apply(p, image);
  ASSERT_TRUE(rgb && bgr);
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(rgb->data_as<float>()[i], bgr->data_as<float>()[512 + i]);
    EXPECT_EQ(rgb->data_as<float>()[512 + i], bgr->data_as<float>()[i]);
  }
}

TEST(Preprocess, GreyAndFourChannels) {
  Preprocess p = Preprocess::squash(8);
  const Image grey = noise(1, 8, 8, 1);
  const auto tensor = apply(p, grey);
  ASSERT_TRUE(tensor);
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(tensor->data_as<float>()[i], tensor->data_as<float>()[128 + i]);
    EXPECT_FLOAT_EQ(tensor->data_as<float>()[i], static_cast<float>(grey.data()[i]) / 127.5f - 1);
  }
  const Image four = noise(1, 8, 8, 4);
  const auto dropped = apply(p, four);
  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->sizes(), (Sizes{1, 3, 8, 8}));
  EXPECT_FLOAT_EQ(dropped->data_as<float>()[1], static_cast<float>(four.data()[4]) / 127.5f - 1);
}

TEST(Preprocess, CropsRectanglesAndPads) {
  Preprocess p;
  p.resize = Preprocess::Resize::kNone;
  p.width = 5;
  p.height = 2;
  const Image image = noise(2, 2, 7, 3);
  const auto result = resize_and_crop(p, image);
  ASSERT_TRUE(result);
  // One zero column before (floor of 3 / 2), two after; rows from round(2.5) = 2.
  for (int64_t y = 0; y < 2; ++y) {
    for (int64_t x = 0; x < 5; ++x)
      EXPECT_EQ(result->row(y)[x * 3], x == 1 || x == 2 ? image.row(y + 2)[(x - 1) * 3] : 0)
          << x << " " << y;
  }
}

TEST(Preprocess, JsonRoundTrips) {
  Preprocess odd = Preprocess::imagenet(288);
  odd.width = 300;
  odd.filter = Filter::kLanczos;
  odd.channel_order = Preprocess::ChannelOrder::kBgr;
  Preprocess crop_only = Preprocess::squash(32);
  crop_only.resize = Preprocess::Resize::kNone;
  for (const Preprocess& p : {Preprocess::imagenet(), Preprocess::efficientnet_lite(),
                              Preprocess::squash(384), odd, crop_only, Preprocess{}}) {
    const auto back = preprocess_from_json(nlohmann::json::parse(to_json(p).dump()));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, p) << to_json(p).dump();
  }
  EXPECT_EQ(*preprocess_from_json(nlohmann::json::object()), Preprocess{});
  // A size beside "squash" says nothing, so it does not come back either.
  const auto json = nlohmann::json::parse(R"({"resize": "squash", "size": 8, "width": 9})");
  EXPECT_EQ(preprocess_from_json(json)->size, 9);
}

TEST(Preprocess, JsonErrorsNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([])", "must be an object"},
      {R"({"resize": "letterbox"})", "'resize' is 'letterbox'"},
      {R"({"resize": 3})", "'resize' must be a string"},
      {R"({"size": 0})", "'size' is 0"},
      {R"({"size": 1.5})", "'size' must be a whole number"},
      {R"({"width": 99999999999})", "'width' is 99999999999"},
      {R"({"height": 18446744073709551615})", "'height' is too large"},
      {R"({"interpolation": "cubic"})", "'interpolation' is 'cubic'"},
      {R"({"channel_order": "gbr"})", "'channel_order' is 'gbr'"},
      {R"({"layout": "nhwc"})", "'layout' is 'nhwc'"},
      {R"({"mean": [1, 2]})", "'mean' must be a list of three numbers"},
      {R"({"std": [1, 0, 1]})", "'std' is 0 for channel 1"},
      {R"({"std": [1, 1e-300, 1]})", "'std' is 1e-300"},
      {R"({"scale": "1"})", "'scale' must be a number"},
  };
  for (const auto& [json, expected] : cases) {
    const auto result = preprocess_from_json(nlohmann::json::parse(json));
    ASSERT_FALSE(result) << json;
    EXPECT_NE(result.error().message.find(expected), std::string::npos) << result.error().message;
  }
}

TEST(Preprocess, RefusesExtremeShapes) {
  EXPECT_FALSE(apply(Preprocess::imagenet(), Image()));
  // 1 x 3,000,000: the long side would be 768 million.
  const auto image = Image::create(3'000'000, 1, 1);
  const auto result = apply(Preprocess::imagenet(), *image);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kResourceLimit);
  Preprocess bad;
  bad.std[2] = 0;
  EXPECT_FALSE(apply(bad, noise(1, 4, 4, 3)));
}

TEST(Preprocess, Presets) {
  EXPECT_EQ(*preset("imagenet"), Preprocess::imagenet(224));
  EXPECT_EQ(preset("imagenet")->size, 256);
  EXPECT_EQ(*preset("efficientnet_lite"), Preprocess::efficientnet_lite());
  EXPECT_EQ(*preset("squash"), Preprocess::squash(224));
  EXPECT_FALSE(preset("yolo"));
}

}  // namespace
}  // namespace pte::vision
