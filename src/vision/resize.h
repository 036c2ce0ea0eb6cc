// Scaling of 8-bit pictures, bit for bit what Image.resize of Pillow 10 to 12 gives: every filter
// but kNearest widens with the reduction factor (antialiasing), first along rows and then along
// columns, with 22-bit fixed-point weights, and each pass rounds to 8 bits. (Pillow 13 takes
// columns first where the height shrinks much more than the width; samples may then differ by one.)
#pragma once

#include <optional>
#include <string_view>

#include "vision/image.h"

namespace pte::vision {

enum class Filter { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };

std::string_view filter_name(Filter filter);  // "bicubic"
std::optional<Filter> parse_filter(std::string_view name);

// A region of the source in pixels, fractions allowed: single precision, as in Pillow.
struct Box {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;
};

// Scales `box` of the picture (all of it when absent) to width x height. Samples around the box
// take part in the filter. The four channels of a picture are independent: none is taken for
// opacity. Fails with kInvalidArgument for an empty picture, sizes below 1 or a box that is empty
// or leaves the picture, with kResourceLimit when the result or the filter would be too large.
Result<Image> resize(const Image& image, int64_t width, int64_t height, Filter filter,
                     std::optional<Box> box = std::nullopt);

// A rectangle of whole pixels.
struct Window {
  int64_t left = 0;
  int64_t top = 0;
  int64_t width = 0;
  int64_t height = 0;
};

// crop(resize(image, width, height, filter), window), but what lies outside the window is not
// computed where it can be helped.
Result<Image> resize_window(const Image& image, int64_t width, int64_t height, Filter filter,
                            const Window& window);

// The pixels of the window. Parts outside the picture are 0.
Result<Image> crop(const Image& image, const Window& window);

}  // namespace pte::vision
