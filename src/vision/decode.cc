#include "vision/decode.h"

#include "vision/codec.h"
#include "vision/exif.h"

namespace pte::vision {
namespace {

struct Magic {
  size_t offset;
  std::string_view bytes;
  std::string_view format;
};

using namespace std::string_view_literals;

constexpr Magic kMagics[] = {
    {0, "\xFF\xD8\xFF"sv, "JPEG"},
    {0, "\x89PNG\r\n\x1A\n"sv, "PNG"},
    {0, "GIF87a"sv, "GIF"},
    {0, "GIF89a"sv, "GIF"},
    {8, "WEBP"sv, "WebP"},
    {4, "ftypheic"sv, "HEIC"},
    {4, "ftypheix"sv, "HEIC"},
    {4, "ftyphevc"sv, "HEIC"},
    {4, "ftypmif1"sv, "HEIF"},
    {4, "ftypmsf1"sv, "HEIF"},
    {4, "ftypavif"sv, "AVIF"},
    {4, "ftypavis"sv, "AVIF"},
    {4, "ftyp"sv, "MP4 or QuickTime video"},
    {0, "\0\0\0\x0CJXL "sv, "JPEG XL"},
    {0, "\xFF\x0A"sv, "JPEG XL"},
    {0, "\0\0\0\x0CjP  "sv, "JPEG 2000"},
    {0, "\xFF\x4F\xFF\x51"sv, "JPEG 2000"},
    {0, "II*\0"sv, "TIFF"},
    {0, "MM\0*"sv, "TIFF"},
    {0, "II+\0"sv, "BigTIFF"},
    {0, "8BPS"sv, "Photoshop"},
    {0, "qoif"sv, "QOI"},
    {0, "\0\0\x01\0"sv, "ICO"},
    {0, "%PDF-"sv, "PDF"},
    {0, "<svg"sv, "SVG"},
    {0, "<?xml"sv, "XML or SVG"},
    {0, "<!DOCTYPE"sv, "HTML"},
    {0, "<html"sv, "HTML"},
    {0, "\x93NUMPY"sv, "NumPy array"},
    {0, "\x1A\x45\xDF\xA3"sv, "Matroska or WebM video"},
    {0, "PK\x03\x04"sv, "ZIP archive"},
    {4, "ET12"sv, "ExecuTorch program"},
    {0, "BM"sv, "BMP"},
    {0, "P1\n"sv, "PBM"},
    {0, "P2\n"sv, "PGM"},
    {0, "P3\n"sv, "PPM"},
    {0, "P4\n"sv, "PBM"},
    {0, "P5\n"sv, "PGM"},
    {0, "P6\n"sv, "PPM"},
};

Result<Decoded> decode(Bytes bytes) {
  if (bytes.empty()) return invalid_data("the file is empty; expected a JPEG or PNG picture");
  const std::string_view format = image_format(bytes);
  if (format == "JPEG") return decode_jpeg(bytes);
  if (format == "PNG") return decode_png(bytes);
  if (format.empty())
    return unsupported("this is not a picture in a format that ptekit knows (JPEG, PNG)");
  return unsupported("{} files cannot be read; JPEG and PNG can", format)
      .with_hint("convert the picture to PNG or JPEG first");
}

}  // namespace

std::string_view image_format(Bytes bytes) {
  const std::string_view text = as_text(bytes.first(std::min<size_t>(bytes.size(), 64)));
  for (const Magic& magic : kMagics)
    if (text.size() >= magic.offset && text.substr(magic.offset).starts_with(magic.bytes))
      return magic.format;
  return {};
}

Result<Image> decode_image(Bytes bytes, std::string_view name) {
  PTE_TRY(Decoded decoded, decode(bytes).at(name));
  return apply_orientation(std::move(decoded.image), decoded.orientation).at(name);
}

Result<Image> load_image(const std::string& path) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  return decode_image(file.bytes(), path);
}

}  // namespace pte::vision
