#include "vision/decode.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "vision/exif.h"
#include "vision/vision_test_util.h"

namespace pte::vision {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::string file(const std::string& name) {
  std::ifstream in(golden_path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Result<Image> decode(std::string_view bytes) { return decode_image(as_bytes(bytes), "x.img"); }

Error error_of(std::string_view bytes) {
  auto result = decode(bytes);
  return result ? Error{Code::kInternal, "decoded", {}} : result.error();
}

std::string be32(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}

// The PNG with its header's sides replaced and the checksum set right.
std::string with_png_size(std::string png, uint32_t width, uint32_t height) {
  png.replace(16, 8, be32(width) + be32(height));
  png.replace(
      29, 4,
      be32(static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(png.data() + 12), 17))));
  return png;
}

// The JPEG with the sides in its frame header replaced.
std::string with_jpeg_size(std::string jpeg, uint16_t width, uint16_t height) {
  for (size_t at = 2; at + 9 < jpeg.size();) {
    const auto kind = static_cast<uint8_t>(jpeg[at + 1]);
    if (kind == 0xC0 || kind == 0xC2) {
      jpeg[at + 5] = static_cast<char>(height >> 8);
      jpeg[at + 6] = static_cast<char>(height);
      jpeg[at + 7] = static_cast<char>(width >> 8);
      jpeg[at + 8] = static_cast<char>(width);
      break;
    }
    at += 2 + (static_cast<uint8_t>(jpeg[at + 2]) << 8) + static_cast<uint8_t>(jpeg[at + 3]);
  }
  return jpeg;
}

TEST(Decode, MatchesPillow) {
  int cases = 0;
  for (auto& line : golden_lines("decode.txt")) {
    std::string name, expected;
    int64_t width, height;
    line >> name >> width >> height >> expected;
    ASSERT_TRUE(line);
    const auto image = load_image(golden_path(name));
    ASSERT_TRUE(image) << name << ": " << image.error().message;
    EXPECT_EQ(image->channels(), 3) << name;
    EXPECT_EQ(image->width(), width) << name;
    EXPECT_EQ(image->height(), height) << name;
    EXPECT_EQ(crc(*image), expected) << name;
    ++cases;
  }
  EXPECT_GE(cases, 60);
}

TEST(Decode, EveryTruncationIsAnError) {
  for (const char* name :
       {"420.jpg", "progressive.jpg", "cmyk.jpg", "rgb8.png", "palette4_interlaced.png"}) {
    const std::string whole = file(name);
    ASSERT_GT(whole.size(), 100u) << name;
    // A PNG is whole once its pixels are; all that follows is the 12-byte IEND.
    const size_t needed = whole.starts_with("\x89PNG") ? whole.size() - 16 : whole.size();
    for (size_t size = 0; size < needed; ++size) {
      // An exact-size copy, so that a sanitizer sees a read past the end.
      const std::vector<char> bytes(whole.begin(),
                                    whole.begin() + static_cast<std::ptrdiff_t>(size));
      const auto result = decode({bytes.data(), bytes.size()});
      ASSERT_FALSE(result) << name << " cut to " << size;
      EXPECT_TRUE(result.error().message.starts_with("x.img: ")) << result.error().message;
    }
  }
}

TEST(Decode, DamagedPixelsAreAnErrorOrAPicture) {
  for (const char* name :
       {"420.jpg", "progressive.jpg", "ycck.jpg", "grey16.png", "rgba8_interlaced.png"}) {
    const std::string whole = file(name);
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
      (void)decode(damaged);
      damaged[at] = '\xFF';
      (void)decode(damaged);
    }
  }
}

TEST(Decode, RefusesSizesThatTheBytesCannotHold) {
  const std::string png = file("rgb8.png");
  EXPECT_EQ(error_of(with_png_size(png, 1 << 30, 1 << 30)).code, Code::kResourceLimit);
  EXPECT_EQ(error_of(with_png_size(png, 20000, 15001)).code, Code::kResourceLimit);
  const Error small = error_of(with_png_size(png, 15000, 15000));
  EXPECT_EQ(small.code, Code::kInvalidData);
  EXPECT_NE(small.message.find("15000 x 15000"), std::string::npos) << small.message;
  EXPECT_EQ(error_of(with_png_size(png, 0, 5)).code, Code::kInvalidData);

  const std::string jpeg = file("420.jpg");
  EXPECT_EQ(error_of(with_jpeg_size(jpeg, 65500, 65500)).code, Code::kInvalidData);
  EXPECT_EQ(error_of(with_jpeg_size(jpeg, 0, 16)).code, Code::kInvalidData);
  // Space enough after the picture to make the claim believable: the pixel limit stands.
  EXPECT_EQ(error_of(with_jpeg_size(jpeg, 20000, 20000) + std::string(200'000, '\0')).code,
            Code::kResourceLimit);
}

TEST(Decode, WrongChecksums) {
  std::string png = file("rgb8.png");
  png[png.find("IDAT") - 4 + 30] ^= 1;
  EXPECT_EQ(error_of(png).code, Code::kInvalidData);
  // A damaged text or gamma chunk costs nothing but itself.
  std::string gamma = file("gamma.png");
  gamma[gamma.find("gAMA") + 8] ^= 1;
  EXPECT_TRUE(decode(gamma));
}

TEST(Decode, NamesWhatItCannotRead) {
  const auto padded = [](std::string_view magic) {
    return std::string(magic) + std::string(64, 'x');
  };
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"GIF89a", "GIF"},
      {"RIFF\x24\0\0\0WEBPVP8 "sv, "WebP"},
      {"\0\0\0\x18"
       "ftypheic"sv,
       "HEIC"},
      {"\0\0\0\x18"
       "ftypavif"sv,
       "AVIF"},
      {"BM\x36\0\0\0"sv, "BMP"},
      {"II*\0\x08\0\0\0"sv, "TIFF"},
      {"%PDF-1.7", "PDF"},
      {"<svg xmlns=", "SVG"},
      {"qoif", "QOI"},
  };
  for (const auto& [magic, format] : cases) {
    const Error error = error_of(padded(magic));
    EXPECT_EQ(error.code, Code::kUnsupported) << format;
    EXPECT_NE(error.message.find(format), std::string::npos) << error.message;
    EXPECT_FALSE(error.hint.empty());
  }
  EXPECT_EQ(error_of("hello, world").code, Code::kUnsupported);
  const Error empty = error_of("");
  EXPECT_EQ(empty.code, Code::kInvalidData);
  EXPECT_EQ(empty.message, "x.img: the file is empty; expected a JPEG or PNG picture");
  const auto missing = load_image("/nonexistent/picture.jpg");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

TEST(Exif, DamagedBlocksSayNothing) {
  const std::string tiff("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", 26);
  EXPECT_EQ(exif_orientation(as_bytes(tiff)), 6);
  EXPECT_EQ(exif_orientation(as_bytes("Exif"s + std::string(2, '\0') + tiff)), 6);
  for (size_t size = 0; size < 20; ++size)
    EXPECT_FALSE(exif_orientation(as_bytes(std::string_view(tiff).substr(0, size))));
  std::string far = tiff;
  far[4] = '\xFF';
  EXPECT_FALSE(exif_orientation(as_bytes(far)));
  std::string many = tiff;
  many[8] = '\xFF';  // 65281 entries in a block of one
  EXPECT_EQ(exif_orientation(as_bytes(many)), 6);
}

TEST(Exif, XmpOrientation) {
  EXPECT_EQ(xmp_orientation("<a tiff:Orientation=\"8\"/>"), 8);
  EXPECT_EQ(xmp_orientation("<tiff:Orientation>3</tiff:Orientation>"), 3);
  EXPECT_FALSE(xmp_orientation("tiff:Orientation='8'"));
  EXPECT_FALSE(xmp_orientation("tiff:Orientation=\""));
  EXPECT_FALSE(xmp_orientation("tiff:Orientation"));
}

TEST(Exif, OrientationsUndoEachOther) {
  const int inverse[] = {0, 1, 2, 3, 4, 5, 8, 7, 6};
  for (const int channels : {1, 3, 4}) {
    const Image image = noise(3, 70, 41, channels);
    for (int orientation = 0; orientation <= 9; ++orientation) {
      auto turned = apply_orientation(std::move(*image.clone()), orientation);
      ASSERT_TRUE(turned);
      EXPECT_EQ(turned->width(), orientation >= 5 && orientation <= 8 ? 41 : 70);
      const auto back =
          apply_orientation(std::move(*turned), orientation <= 8 ? inverse[orientation] : 1);
      EXPECT_EQ(crc(*back), crc(image)) << orientation;
    }
  }
}

}  // namespace
}  // namespace pte::vision
