// PNG by libspng, which undoes compression, filters and interlacing; samples become RGB here, by
// Pillow's rules, so that every kind has one visible rule.
#include <spng.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "vision/codec.h"
#include "vision/exif.h"

namespace pte::vision {
namespace {

// Deflate cannot do better than this, so a header that claims more lies.
constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr size_t kMaxChunkBytes = size_t{64} << 20;
constexpr size_t kMaxCacheBytes = size_t{128} << 20;

struct FreeContext {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};
using Context = std::unique_ptr<spng_ctx, FreeContext>;

Error failure(int code) {
  if (code == SPNG_EMEM || code == SPNG_ECHUNK_LIMITS)
    return make_error(Code::kResourceLimit, "the PNG needs too much memory ({})",
                      spng_strerror(code));
  if (code == SPNG_EOF || code == SPNG_EIDAT_TOO_SHORT)
    return invalid_data("the PNG data is truncated: the file ends before the picture does");
  return invalid_data("damaged PNG: {}", spng_strerror(code));
}

int samples_per_pixel(int color_type) {
  switch (color_type) {
    case SPNG_COLOR_TYPE_TRUECOLOR:
      return 3;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
      return 2;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
      return 4;
    default:
      return 1;
  }
}

class RowConverter {
 public:
  // Indices beyond a short palette are black.
  RowConverter(const spng_ihdr& header, const spng_plte& palette)
      : depth_(header.bit_depth), samples_(samples_per_pixel(header.color_type)), colors_() {
    if (header.color_type == SPNG_COLOR_TYPE_INDEXED) {
      for (uint32_t i = 0; i < palette.n_entries && i < 256; ++i)
        colors_[i] = {palette.entries[i].red, palette.entries[i].green, palette.entries[i].blue};
      return;
    }
    const int top = depth_ < 8 ? (1 << depth_) - 1 : 255;
    for (int i = 0; i <= top; ++i)
      colors_[static_cast<size_t>(i)].fill(static_cast<uint8_t>(i * (255 / top)));
  }

  size_t raw_bytes(int64_t width) const {
    return (static_cast<size_t>(width) * static_cast<size_t>(samples_ * depth_) + 7) / 8;
  }

  // `in` as spng's own format gives it: 16-bit samples big-endian, small ones packed high bit
  // first.
  void convert(const uint8_t* in, int64_t width, uint8_t* out) const {
    if (depth_ < 8) {
      const int mask = (1 << depth_) - 1;
      for (int64_t x = 0; x < width; ++x, out += 3) {
        const int64_t bit = x * depth_;
        put(in[bit / 8] >> (8 - depth_ - bit % 8) & mask, out);
      }
      return;
    }
    const int step = depth_ / 8;
    const int pixel = samples_ * step;
    for (int64_t x = 0; x < width; ++x, in += pixel, out += 3) {
      if (samples_ < 3) {
        put(in[0], out);
      } else {
        out[0] = in[0];
        out[1] = in[step];
        out[2] = in[2 * step];
      }
    }
  }

 private:
  void put(int sample, uint8_t* out) const {
    std::memcpy(out, colors_[static_cast<size_t>(sample)].data(), 3);
  }

  int depth_;
  int samples_;
  std::array<std::array<uint8_t, 3>, 256> colors_;
};

// Reads scanline by scanline, and puts the pixels of an interlaced pass where they belong.
Status decode_rows(spng_ctx* ctx, const spng_ihdr& header, const RowConverter& converter,
                   Image& image) {
  struct Pass {
    int x, step;
  };
  constexpr Pass kPasses[] = {{0, 8}, {4, 8}, {0, 4}, {2, 4}, {0, 2}, {1, 2}, {0, 1}};
  const bool interlaced = header.interlace_method != SPNG_INTERLACE_NONE;
  const int64_t width = image.width();
  if (const int code = spng_decode_image(ctx, nullptr, 0, SPNG_FMT_RAW, SPNG_DECODE_PROGRESSIVE))
    return failure(code);
  std::vector<uint8_t> raw(converter.raw_bytes(width));
  std::vector<uint8_t> pixels(interlaced ? image.row_bytes() : 0);
  for (int code = 0; code != SPNG_EOI;) {
    spng_row_info info = {};
    if ((code = spng_get_row_info(ctx, &info)) != 0) return failure(code);
    const Pass pass = interlaced && info.pass < 7 ? kPasses[info.pass] : Pass{0, 1};
    const int64_t count = (width - pass.x + pass.step - 1) / pass.step;
    if (info.row_num >= header.height || count < 1)
      return internal_error("a PNG pass left the picture");
    code = spng_decode_scanline(ctx, raw.data(), converter.raw_bytes(count));
    if (code != 0 && code != SPNG_EOI) return failure(code);
    uint8_t* row = image.row(info.row_num);
    if (pass.step == 1) {
      converter.convert(raw.data(), width, row);
      continue;
    }
    converter.convert(raw.data(), count, pixels.data());
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(row + (pass.x + i * pass.step) * 3, &pixels[static_cast<size_t>(i) * 3], 3);
  }
  return {};
}

int read_orientation(spng_ctx* context) {
  spng_exif exif = {};
  if (spng_get_exif(context, &exif) == 0) {
    if (const auto orientation = exif_orientation(std::as_bytes(std::span(exif.data, exif.length))))
      return *orientation;
  }
  uint32_t count = 0;
  if (spng_get_text(context, nullptr, &count) != 0 || count == 0) return 1;
  std::vector<spng_text> texts(count);
  if (spng_get_text(context, texts.data(), &count) != 0) return 1;
  for (const spng_text& text : texts) {
    if (std::string_view(text.keyword) != "XML:com.adobe.xmp") continue;
    if (const auto orientation = xmp_orientation(std::string_view(text.text, text.length)))
      return *orientation;
  }
  return 1;
}

}  // namespace

Result<Decoded> decode_png(Bytes bytes) {
  // The chunks' checksums cover the compressed bytes; a second sum over the pixels adds nothing.
  const Context context(spng_ctx_new(SPNG_CTX_IGNORE_ADLER32));
  if (context == nullptr) return make_error(Code::kResourceLimit, "no memory to read a PNG");
  spng_ctx* ctx = context.get();
  spng_set_chunk_limits(ctx, kMaxChunkBytes, kMaxCacheBytes);
  // Metadata with a wrong checksum is dropped; pixels with one are an error.
  spng_set_crc_action(ctx, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
  if (const int code = spng_set_png_buffer(ctx, bytes.data(), bytes.size())) return failure(code);
  spng_ihdr header = {};
  if (const int code = spng_get_ihdr(ctx, &header)) return failure(code);

  const auto width = static_cast<int64_t>(header.width);
  const auto height = static_cast<int64_t>(header.height);
  Decoded decoded;
  if (width > kMaxPixels || height > kMaxPixels / width)
    return make_error(Code::kResourceLimit,
                      "a PNG of {} x {} pixels exceeds the limit of {} Mpixel", width, height,
                      kMaxPixels / 1'000'000);
  spng_plte palette = {};
  if (header.color_type == SPNG_COLOR_TYPE_INDEXED) {
    if (const int code = spng_get_plte(ctx, &palette)) return failure(code);
  }
  const RowConverter converter(header, palette);
  const size_t raw_row = converter.raw_bytes(width);
  if (raw_row * static_cast<uint64_t>(height) / kMaxDeflateRatio > bytes.size())
    return invalid_data("the PNG claims {} x {} pixels but has only {} bytes", width, height,
                        bytes.size());
  PTE_TRY(decoded.image, Image::create(width, height, 3));

  const bool ready = header.color_type == SPNG_COLOR_TYPE_TRUECOLOR && header.bit_depth == 8;
  if (ready) {
    const int code =
        spng_decode_image(ctx, decoded.image.data(), decoded.image.size_bytes(), SPNG_FMT_PNG, 0);
    if (code != 0) return failure(code);
  } else {
    PTE_CHECK(decode_rows(ctx, header, converter, decoded.image));
  }
  // Orientation may stand behind the pixels; damage there costs only the orientation.
  if (const int code = spng_decode_chunks(ctx); code == SPNG_EMEM) return failure(code);
  decoded.orientation = read_orientation(ctx);
  return decoded;
}

}  // namespace pte::vision
