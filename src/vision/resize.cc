#include "vision/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "vision/resize_passes.h"

namespace pte::vision {
namespace {

constexpr std::string_view kFilterNames[] = {"nearest", "box",     "bilinear",
                                             "hamming", "bicubic", "lanczos"};

// Weights of one pass: about six a source pixel at most, so only absurd sizes meet this.
constexpr double kMaxWeights = 1 << 24;

double box_kernel(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear_kernel(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming_kernel(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));  // single-precision constants, as there
}

double bicubic_kernel(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos_kernel(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*value)(double);
  double support;
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::kBox:
      return {box_kernel, 0.5};
    case Filter::kHamming:
      return {hamming_kernel, 1.0};
    case Filter::kBicubic:
      return {bicubic_kernel, 2.0};
    case Filter::kLanczos:
      return {lanczos_kernel, 3.0};
    default:
      return {bilinear_kernel, 1.0};
  }
}

// The weights of output positions [from, from + taken) of [0, output), whose whole covers source
// samples [begin, end) of [0, size). The order of the floating-point operations decides the last
// bit: it is Pillow's.
Result<Weights> make_weights(int64_t size, float begin, float end, int64_t output, int64_t from,
                             int64_t taken, const Kernel& kernel) {
  const double scale = static_cast<double>(end - begin) / static_cast<double>(output);
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double stride = std::ceil(support) * 2 + 1;
  if (stride * static_cast<double>(taken) > kMaxWeights)
    return make_error(Code::kResourceLimit, "scaling {} pixels to {} needs too large a filter",
                      size, output);
  Weights weights;
  weights.stride = static_cast<int32_t>(stride);
  weights.spans.resize(static_cast<size_t>(taken));
  weights.fixed.assign(static_cast<size_t>(taken) * static_cast<size_t>(weights.stride), 0);
  std::vector<double> values(static_cast<size_t>(weights.stride));
  const double inverse = 1.0 / filter_scale;
  for (int64_t i = 0; i < taken; ++i) {
    const double center = begin + (static_cast<double>(from + i) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), size);
    const int64_t count = std::max<int64_t>(last - first, 0);
    double total = 0.0;
    for (int64_t k = 0; k < count; ++k) {
      const double value = kernel.value((static_cast<double>(k + first) - center + 0.5) * inverse);
      values[static_cast<size_t>(k)] = value;
      total += value;
    }
    weights.spans[static_cast<size_t>(i)] = {static_cast<int32_t>(first),
                                             static_cast<int32_t>(count)};
    int32_t* fixed = weights.fixed.data() + i * weights.stride;
    for (int64_t k = 0; k < count; ++k) {
      double value = values[static_cast<size_t>(k)];
      if (total != 0.0) value /= total;
      fixed[k] = static_cast<int32_t>((value < 0 ? -0.5 : 0.5) + value * (1 << kPrecisionBits));
    }
  }
  return weights;
}

// Source positions by repeated addition, as Pillow's affine transform steps; -1 where a position
// leaves the picture.
std::vector<int64_t> nearest_positions(int64_t size, float begin, float end, int64_t output) {
  const double step = static_cast<double>(end - begin) / static_cast<double>(output);
  double at = begin + step * 0.5;
  std::vector<int64_t> positions(static_cast<size_t>(output));
  for (int64_t& position : positions) {
    position = at < 0.0 || at >= static_cast<double>(size) ? -1 : static_cast<int64_t>(at);
    at += step;
  }
  return positions;
}

Result<Image> resize_nearest(const Image& image, int64_t width, int64_t height, const Box& box) {
  PTE_TRY(Image out, Image::create(width, height, image.channels()));
  const auto xs = nearest_positions(image.width(), box.left, box.right, width);
  const auto ys = nearest_positions(image.height(), box.top, box.bottom, height);
  const auto channels = static_cast<size_t>(image.channels());
  std::memset(out.data(), 0, out.size_bytes());
  for (int64_t y = 0; y < height; ++y) {
    const int64_t from = ys[static_cast<size_t>(y)];
    if (from < 0) continue;
    const uint8_t* row = image.row(from);
    uint8_t* to = out.row(y);
    for (const int64_t x : xs) {
      if (x >= 0) std::memcpy(to, row + static_cast<size_t>(x) * channels, channels);
      to += channels;
    }
  }
  return out;
}

// The window of the picture that `box` scaled to width x height would be. A window smaller than
// that needs both passes.
Result<Image> resample(const Image& image, int64_t width, int64_t height, Filter filter,
                       const Box& box, const Window& window) {
  const Kernel kernel = kernel_of(filter);
  const int channels = image.channels();
  const bool horizontal =
      width != image.width() || box.left != 0 || box.right != static_cast<float>(width);
  const bool vertical =
      height != image.height() || box.top != 0 || box.bottom != static_cast<float>(height);
  if (!horizontal && !vertical) return image.clone();
  PTE_TRY(Weights columns, make_weights(image.width(), box.left, box.right, width, window.left,
                                        window.width, kernel));
  PTE_TRY(Weights rows, make_weights(image.height(), box.top, box.bottom, height, window.top,
                                     window.height, kernel));
  // Only the rows that the vertical pass will read are filtered.
  const int64_t first_row = rows.spans.front().first;
  const int64_t last_row = rows.spans.back().first + rows.spans.back().count;
  if (last_row <= first_row) return invalid_argument("the region to scale holds no samples");

  Image narrow;
  const Image* source = &image;
  if (horizontal) {
    for (Weights::Span& span : rows.spans) span.first -= static_cast<int32_t>(first_row);
    PTE_TRY(narrow,
            Image::create(window.width, vertical ? last_row - first_row : height, channels));
    horizontal_pass(image.row(vertical ? first_row : 0), static_cast<int64_t>(image.row_bytes()),
                    narrow.height(), channels, columns, narrow.data(),
                    static_cast<int64_t>(narrow.row_bytes()));
    source = &narrow;
  }
  if (!vertical) return narrow;
  PTE_TRY(Image out, Image::create(source->width(), window.height, channels));
  vertical_pass(source->data(), static_cast<int64_t>(source->row_bytes()), rows, out.data());
  return out;
}

Status check_size(const Image& image, int64_t width, int64_t height) {
  if (image.empty()) return invalid_argument("an empty picture cannot be scaled");
  if (width < 1 || height < 1)
    return invalid_argument("a picture cannot be scaled to {} x {} pixels", width, height);
  if (width > kMaxPixels || height > kMaxPixels / width)
    return make_error(Code::kResourceLimit,
                      "scaling to {} x {} pixels exceeds the limit of {} Mpixel", width, height,
                      kMaxPixels / 1'000'000);
  return {};
}

bool is_whole(float value) { return value == std::trunc(value); }

}  // namespace

std::string_view filter_name(Filter filter) { return kFilterNames[static_cast<size_t>(filter)]; }

std::optional<Filter> parse_filter(std::string_view name) {
  for (size_t i = 0; i < std::size(kFilterNames); ++i)
    if (kFilterNames[i] == name) return static_cast<Filter>(i);
  return std::nullopt;
}

Result<Image> crop(const Image& image, const Window& window) {
  const auto [left, top, width, height] = window;
  if (image.empty()) return invalid_argument("an empty picture cannot be cropped");
  if (left < -kMaxPixels || left > kMaxPixels || top < -kMaxPixels || top > kMaxPixels)
    return invalid_argument("a crop at ({}, {}) is out of every picture", left, top);
  PTE_TRY(Image out, Image::create(width, height, image.channels()));
  const auto channels = static_cast<size_t>(image.channels());
  const int64_t x0 = std::clamp<int64_t>(-left, 0, width);
  const int64_t x1 = std::clamp<int64_t>(image.width() - left, x0, width);
  const size_t before = static_cast<size_t>(x0) * channels;
  const size_t inside = static_cast<size_t>(x1 - x0) * channels;
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* to = out.row(y);
    if (top + y < 0 || top + y >= image.height() || inside == 0) {
      std::memset(to, 0, out.row_bytes());
      continue;
    }
    std::memset(to, 0, before);
    std::memcpy(to + before, image.row(top + y) + static_cast<size_t>(left + x0) * channels,
                inside);
    std::memset(to + before + inside, 0, out.row_bytes() - before - inside);
  }
  return out;
}

Result<Image> resize(const Image& image, int64_t width, int64_t height, Filter filter,
                     std::optional<Box> box) {
  PTE_CHECK(check_size(image, width, height));
  if (!box && image.width() == width && image.height() == height) return image.clone();
  const auto right = static_cast<float>(image.width());
  const auto bottom = static_cast<float>(image.height());
  const Box region = box.value_or(Box{0, 0, right, bottom});
  if (!(region.left >= 0 && region.top >= 0 && region.right <= right && region.bottom <= bottom &&
        region.left < region.right && region.top < region.bottom))
    return invalid_argument(
        "region ({}, {}, {}, {}) is empty or leaves the picture of {} x {} pixels", region.left,
        region.top, region.right, region.bottom, image.width(), image.height());
  if (is_whole(region.left) && is_whole(region.top) &&
      region.right - region.left == static_cast<float>(width) &&
      region.bottom - region.top == static_cast<float>(height))
    return crop(image, {static_cast<int64_t>(region.left), static_cast<int64_t>(region.top), width,
                        height});
  if (filter == Filter::kNearest) return resize_nearest(image, width, height, region);
  return resample(image, width, height, filter, region, {0, 0, width, height});
}

Result<Image> resize_window(const Image& image, int64_t width, int64_t height, Filter filter,
                            const Window& window) {
  PTE_CHECK(check_size(image, width, height));
  const bool inside = window.left >= 0 && window.top >= 0 && window.width >= 1 &&
                      window.height >= 1 && window.width <= width && window.height <= height &&
                      window.left <= width - window.width && window.top <= height - window.height;
  if (inside && filter != Filter::kNearest && width != image.width() && height != image.height()) {
    const Box all = {0, 0, static_cast<float>(image.width()), static_cast<float>(image.height())};
    return resample(image, width, height, filter, all, window);
  }
  PTE_TRY(const Image whole, resize(image, width, height, filter));
  return crop(whole, window);
}

}  // namespace pte::vision
