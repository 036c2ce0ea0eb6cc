#include "vision/resize.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include "vision/resize_passes.h"
#include "vision/vision_test_util.h"

namespace pte::vision {
namespace {

void expect_goldens() {
  int cases = 0;
  for (auto& line : golden_lines("resize.txt")) {
    uint32_t seed;
    int64_t width, height, out_width, out_height;
    int channels;
    std::string filter, expected;
    Box box;
    line >> seed >> width >> height >> channels >> out_width >> out_height >> filter >> box.left >>
        box.top >> box.right >> box.bottom >> expected;
    ASSERT_TRUE(line);
    const std::optional<Box> region = box.right > 0 ? std::optional(box) : std::nullopt;
    const auto result = resize(noise(seed, width, height, channels), out_width, out_height,
                               *parse_filter(filter), region);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->width(), out_width);
    EXPECT_EQ(result->height(), out_height);
    EXPECT_EQ(crc(*result), expected) << line.str();
    ++cases;
  }
  EXPECT_GE(cases, 700);
}

TEST(Resize, MatchesPillowOnEveryTarget) {
#ifdef PTE_FORCE_SCALAR
  EXPECT_STREQ(passes_target(), "SCALAR");
  expect_goldens();
#else
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    EXPECT_STREQ(passes_target(), hwy::TargetName(target));
    expect_goldens();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
#endif
}

TEST(Resize, SameSizeCopies) {
  const Image image = noise(1, 9, 7, 3);
  const auto copy = resize(image, 9, 7, Filter::kLanczos);
  ASSERT_TRUE(copy);
  EXPECT_NE(copy->data(), image.data());
  EXPECT_EQ(crc(*copy), crc(image));
}

TEST(Resize, KeepsConstantPicturesConstant) {
  auto image = Image::create(37, 23, 3);
  std::fill_n(image->data(), image->size_bytes(), uint8_t{255});
  for (const Filter filter : {Filter::kNearest, Filter::kBox, Filter::kBilinear, Filter::kHamming,
                              Filter::kBicubic, Filter::kLanczos}) {
    const auto result = resize(*image, 101, 5, filter);
    ASSERT_TRUE(result);
    for (const uint8_t sample : result->samples()) ASSERT_EQ(sample, 255) << filter_name(filter);
  }
}

TEST(Resize, RefusesWhatMakesNoSense) {
  const Image image = noise(1, 10, 10, 3);
  const auto code = [&](auto result) { return result ? Code::kInternal : result.error().code; };
  EXPECT_EQ(code(resize(Image(), 4, 4, Filter::kBox)), Code::kInvalidArgument);
  EXPECT_EQ(code(resize(image, 0, 4, Filter::kBox)), Code::kInvalidArgument);
  EXPECT_EQ(code(resize(image, 4, -1, Filter::kNearest)), Code::kInvalidArgument);
  EXPECT_EQ(code(resize(image, 1 << 30, 1 << 30, Filter::kBox)), Code::kResourceLimit);
  EXPECT_EQ(code(resize(image, INT64_MAX, 2, Filter::kNearest)), Code::kResourceLimit);
  EXPECT_EQ(code(resize(image, 200'000'000, 1, Filter::kLanczos)), Code::kResourceLimit);
  for (const Box box :
       {Box{-1, 0, 5, 5}, Box{0, 0, 11, 5}, Box{3, 3, 3, 6}, Box{5, 0, 2, 5}, Box{0, 0, NAN, 5}})
    EXPECT_EQ(code(resize(image, 4, 4, Filter::kBilinear, box)), Code::kInvalidArgument);
  EXPECT_EQ(code(crop(Image(), {0, 0, 4, 4})), Code::kInvalidArgument);
  EXPECT_EQ(code(crop(image, {INT64_MIN, 0, 4, 4})), Code::kInvalidArgument);
  EXPECT_EQ(code(crop(image, {0, 0, 0, 4})), Code::kInvalidArgument);
}

TEST(Resize, SingleSampleRegions) {
  const Image image = noise(4, 10, 10, 3);
  for (const Filter filter : {Filter::kNearest, Filter::kBox, Filter::kLanczos}) {
    EXPECT_TRUE(resize(image, 1, 1, filter, Box{9.5f, 9.5f, 9.75f, 9.75f}));
    EXPECT_TRUE(resize(image, 1, 300, filter, Box{0, 0, 1e-6f, 1e-6f}));
  }
}

TEST(Resize, WindowEqualsCrop) {
  const Image image = noise(6, 61, 83, 3);
  const Window windows[] = {{0, 0, 40, 30}, {7, 5, 20, 11},  {39, 29, 1, 1}, {0, 29, 40, 1},
                            {-3, 4, 9, 9},  {30, 20, 30, 9}, {90, 90, 2, 2}, {-5, -5, 60, 60}};
  for (const auto& [width, height] :
       {std::pair{40, 30}, {61, 30}, {40, 83}, {61, 83}, {150, 200}}) {
    for (int filter = 0; filter < 6; ++filter) {
      for (const Window& window : windows) {
        const auto part = resize_window(image, width, height, static_cast<Filter>(filter), window);
        const auto whole = resize(image, width, height, static_cast<Filter>(filter));
        ASSERT_TRUE(part && whole);
        EXPECT_EQ(part->width(), window.width);
        EXPECT_EQ(crc(*part), crc(*crop(*whole, window)))
            << width << " " << height << " " << filter;
      }
    }
  }
  EXPECT_FALSE(resize_window(image, 10, 10, Filter::kBox, {0, 0, 0, 1}));
  EXPECT_FALSE(resize_window(image, 0, 10, Filter::kBox, {0, 0, 1, 1}));
  EXPECT_FALSE(resize_window(image, 10, 10, Filter::kBox, {INT64_MIN, 0, 1, 1}));
}

TEST(Crop, FillsWithZerosOutside) {
  const Image image = noise(5, 4, 3, 1);
  const auto result = crop(image, {-2, -1, 7, 5});
  ASSERT_TRUE(result);
  for (int64_t y = 0; y < 5; ++y) {
    for (int64_t x = 0; x < 7; ++x) {
      const bool inside = x >= 2 && x < 6 && y >= 1 && y < 4;
      EXPECT_EQ(result->row(y)[x], inside ? image.row(y - 1)[x - 2] : 0) << x << " " << y;
    }
  }
  const auto away = crop(image, {100, 100, 2, 2});
  ASSERT_TRUE(away);
  for (const uint8_t sample : away->samples()) EXPECT_EQ(sample, 0);
}

TEST(Filter, NamesRoundTrip) {
  for (int i = 0; i < 6; ++i) {
    const auto filter = static_cast<Filter>(i);
    EXPECT_EQ(parse_filter(filter_name(filter)), filter);
  }
  EXPECT_FALSE(parse_filter("cubic"));
}

}  // namespace
}  // namespace pte::vision
