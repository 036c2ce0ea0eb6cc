#include "vision/image.h"

#include <cstring>
#include <new>

namespace pte::vision {

Result<Image> Image::create(int64_t width, int64_t height, int channels) {
  if (width < 1 || height < 1)
    return invalid_argument("an image of {} x {} pixels has no pixels", width, height);
  if (channels != 1 && channels != 3 && channels != 4)
    return invalid_argument("an image has 1, 3 or 4 channels, not {}", channels);
  if (width > kMaxPixels || height > kMaxPixels / width)
    return make_error(Code::kResourceLimit,
                      "an image of {} x {} pixels exceeds the limit of {} Mpixel", width, height,
                      kMaxPixels / 1'000'000);
  Image image;
  image.width_ = width;
  image.height_ = height;
  image.channels_ = channels;
  const size_t bytes = image.size_bytes();
  image.data_.reset(new (std::nothrow) uint8_t[bytes + kSlack]);
  if (image.data_ == nullptr)
    return make_error(Code::kResourceLimit, "no memory for an image of {} x {} pixels", width,
                      height);
  std::memset(image.data_.get() + bytes, 0, kSlack);
  return image;
}

Result<Image> Image::from_pixels(int64_t width, int64_t height, int channels,
                                 std::span<const uint8_t> samples) {
  PTE_TRY(Image image, create(width, height, channels));
  if (samples.size() != image.size_bytes())
    return make_error(Code::kMismatch, "an image of {} x {} x {} needs {} bytes, got {}", width,
                      height, channels, image.size_bytes(), samples.size());
  std::memcpy(image.data(), samples.data(), samples.size());
  return image;
}

Result<Image> Image::clone() const {
  if (empty()) return Image();
  return from_pixels(width_, height_, channels_, samples());
}

}  // namespace pte::vision
