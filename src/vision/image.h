// A picture in memory: 8-bit samples, rows from the top, channels side by side (HWC).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <memory>

#include "base/result.h"

namespace pte::vision {

// More pixels than this are refused before any memory is taken: a few bytes of a hostile file can
// claim any size.
constexpr int64_t kMaxPixels = 300'000'000;

class Image {
 public:
  // Readable (and ignored) bytes behind the last row, so that vector loads may run over.
  static constexpr size_t kSlack = 64;

  Image() = default;  // 0 x 0
  // Uninitialised samples. Sides must be at least 1 and channels 1, 3 or 4 (kInvalidArgument);
  // more than kMaxPixels, or no memory, is kResourceLimit.
  static Result<Image> create(int64_t width, int64_t height, int channels);
  // A copy of width * height * channels samples.
  static Result<Image> from_pixels(int64_t width, int64_t height, int channels,
                                   std::span<const uint8_t> samples);

  int64_t width() const { return width_; }
  int64_t height() const { return height_; }
  int channels() const { return channels_; }
  size_t row_bytes() const { return static_cast<size_t>(width_) * static_cast<size_t>(channels_); }
  size_t size_bytes() const { return row_bytes() * static_cast<size_t>(height_); }
  bool empty() const { return size_bytes() == 0; }

  const uint8_t* data() const { return data_.get(); }
  uint8_t* data() { return data_.get(); }
  const uint8_t* row(int64_t y) const { return data() + static_cast<size_t>(y) * row_bytes(); }
  uint8_t* row(int64_t y) { return data() + static_cast<size_t>(y) * row_bytes(); }
  std::span<const uint8_t> samples() const { return {data(), size_bytes()}; }

  Result<Image> clone() const;

 private:
  int64_t width_ = 0;
  int64_t height_ = 0;
  int channels_ = 3;
  std::unique_ptr<uint8_t[]> data_;
};

}  // namespace pte::vision
