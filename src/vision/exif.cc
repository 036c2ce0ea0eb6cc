#include "vision/exif.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace pte::vision {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;

class TiffReader {
 public:
  TiffReader(Bytes bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<uint32_t> read(uint64_t offset, int size) const {
    if (!in_range(offset, static_cast<uint64_t>(size), bytes_.size())) return std::nullopt;
    uint32_t value = 0;
    for (int i = 0; i < size; ++i) {
      const int shift = 8 * (big_endian_ ? size - 1 - i : i);
      value |= std::to_integer<uint32_t>(bytes_[offset + static_cast<uint64_t>(i)]) << shift;
    }
    return value;
  }

 private:
  Bytes bytes_;
  bool big_endian_;
};

// dst(x, y) = src at the place that `orientation` put it; both walked in tiles so that a turned
// picture reads and writes whole cache lines.
template <int kChannels>
void reorient(const Image& from, int orientation, Image& to) {
  constexpr int64_t kTile = 32;
  const int64_t width = to.width();
  const int64_t height = to.height();
  const bool transpose = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const auto row = static_cast<int64_t>(from.row_bytes());
  // Source address = origin + x * step_x + y * step_y for destination (x, y).
  const uint8_t* origin = from.data();
  if (flip_x) origin += (from.width() - 1) * kChannels;
  if (flip_y) origin += (from.height() - 1) * row;
  const int64_t along_x = flip_x ? -kChannels : kChannels;
  const int64_t along_y = flip_y ? -row : row;
  const int64_t step_x = transpose ? along_y : along_x;
  const int64_t step_y = transpose ? along_x : along_y;
  for (int64_t y0 = 0; y0 < height; y0 += kTile) {
    for (int64_t x0 = 0; x0 < width; x0 += kTile) {
      const int64_t y1 = std::min(y0 + kTile, height);
      const int64_t x1 = std::min(x0 + kTile, width);
      for (int64_t y = y0; y < y1; ++y) {
        uint8_t* out = to.row(y) + x0 * kChannels;
        const uint8_t* in = origin + y * step_y + x0 * step_x;
        for (int64_t x = x0; x < x1; ++x, out += kChannels, in += step_x)
          std::memcpy(out, in, kChannels);
      }
    }
  }
}

}  // namespace

std::optional<int> exif_orientation(Bytes tiff) {
  if (as_text(tiff).starts_with(std::string_view("Exif\0\0", 6))) tiff = tiff.subspan(6);
  const std::string_view magic = as_text(tiff).substr(0, 4);
  const bool big_endian = magic == std::string_view("MM\0*", 4);
  if (!big_endian && magic != std::string_view("II*\0", 4)) return std::nullopt;
  const TiffReader reader(tiff, big_endian);
  const auto directory = reader.read(4, 4);
  if (!directory) return std::nullopt;
  const auto count = reader.read(*directory, 2);
  if (!count) return std::nullopt;
  std::optional<int> orientation;
  for (uint64_t i = 0; i < *count; ++i) {
    const uint64_t entry = *directory + 2 + i * 12;
    const auto tag = reader.read(entry, 2);
    const auto type = reader.read(entry + 2, 2);
    const auto values = reader.read(entry + 4, 4);
    if (!tag || !type || !values) break;
    if (*tag != kOrientationTag || *values != 1) continue;
    std::optional<uint32_t> value;
    if (*type == 3 || *type == 8) value = reader.read(entry + 8, 2);  // SHORT, SSHORT
    if (*type == 4 || *type == 9) value = reader.read(entry + 8, 4);  // LONG, SLONG
    if (value && *value <= 8) orientation = static_cast<int>(*value);
  }
  return orientation;
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with('>'))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

Result<Image> apply_orientation(Image image, int orientation) {
  if (orientation < 2 || orientation > 8 || image.empty()) return image;
  const bool transpose = orientation >= 5;
  PTE_TRY(Image out, Image::create(transpose ? image.height() : image.width(),
                                   transpose ? image.width() : image.height(), image.channels()));
  switch (image.channels()) {
    case 1:
      reorient<1>(image, orientation, out);
      break;
    case 3:
      reorient<3>(image, orientation, out);
      break;
    default:
      reorient<4>(image, orientation, out);
      break;
  }
  return out;
}

}  // namespace pte::vision
