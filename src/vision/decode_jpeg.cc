// JPEG by libjpeg-turbo with the settings Pillow decodes with: accurate integer DCT, smooth chroma
// upsampling. The library reports errors by longjmp; every call to it runs inside guarded().
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
// jpeglib.h needs FILE and size_t declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <memory>
#include <string>
#include <vector>

#include "vision/codec.h"
#include "vision/exif.h"

namespace pte::vision {
namespace {

// A progressive file may repeat scans that cost it a few bytes and us a pass over the picture.
constexpr int kMaxScans = 100;
// What libjpeg may hold: coefficients of a progressive picture are 2 bytes a sample.
constexpr int64_t kMaxMemory = int64_t{3} << 30;
// The densest Huffman coding spends a bit on a block of 64 samples. Arithmetic coding has no such
// bound.
constexpr int64_t kMaxPixelsPerByte = 4096;

struct Jpeg {
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  jpeg_progress_mgr progress = {};
  jpeg_source_mgr source = {};
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = {};
  bool truncated = false;
  bool too_many_scans = false;
  bool created = false;

  Jpeg() = default;
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;
  ~Jpeg() {
    if (created) jpeg_destroy_decompress(&info);
  }
};

Jpeg& self(j_common_ptr info) { return *static_cast<Jpeg*>(info->client_data); }
Jpeg& self(j_decompress_ptr info) { return *static_cast<Jpeg*>(info->client_data); }

[[noreturn]] void on_error(j_common_ptr info) {
  Jpeg& jpeg = self(info);
  info->err->format_message(info, jpeg.message);
  std::longjmp(jpeg.jump, 1);
}

[[noreturn]] void fail_truncated(Jpeg& jpeg) {
  jpeg.truncated = true;
  std::longjmp(jpeg.jump, 1);
}

// The whole file is in the buffer from the start: asking for more means that it ends too early.
boolean fill_input(j_decompress_ptr info) { fail_truncated(self(info)); }

void skip_input(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > info->src->bytes_in_buffer) fail_truncated(self(info));
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<size_t>(count);
}

void on_progress(j_common_ptr info) {
  if (!info->is_decompressor) return;
  Jpeg& jpeg = self(info);
  if (jpeg.info.input_scan_number <= kMaxScans) return;
  jpeg.too_many_scans = true;
  std::longjmp(jpeg.jump, 1);
}

// Runs `step` and tells whether it came through. The step's own frame must hold nothing that needs
// a destructor.
template <typename Step>
bool guarded(Jpeg& jpeg, Step&& step) {
  if (setjmp(jpeg.jump) != 0) return false;
  step();
  return true;
}

Error failure(const Jpeg& jpeg) {
  if (jpeg.truncated)
    return invalid_data("the JPEG data is truncated: the file ends before the picture does");
  if (jpeg.too_many_scans)
    return make_error(Code::kResourceLimit, "the JPEG has more than {} scans", kMaxScans);
  const int code = jpeg.errors.msg_code;
  if (code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE)
    return make_error(Code::kResourceLimit, "the JPEG needs more than {} GiB to decode",
                      kMaxMemory >> 30);
  if (code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION)
    return unsupported("this kind of JPEG cannot be read ({})", jpeg.message)
        .with_hint("convert the picture to an 8-bit baseline or progressive JPEG, or to PNG");
  return invalid_data("damaged JPEG: {}", jpeg.message);
}

void open(Jpeg& jpeg, Bytes bytes) {
  jpeg.info.err = jpeg_std_error(&jpeg.errors);
  jpeg.errors.error_exit = on_error;
  jpeg.errors.output_message = [](j_common_ptr) {};
  jpeg.info.client_data = &jpeg;
  jpeg_create_decompress(&jpeg.info);
  jpeg.created = true;
  jpeg.info.client_data = &jpeg;
  jpeg.info.mem->max_memory_to_use = kMaxMemory;
  jpeg.progress.progress_monitor = on_progress;
  jpeg.info.progress = &jpeg.progress;
  jpeg.source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  jpeg.source.bytes_in_buffer = bytes.size();
  jpeg.source.init_source = [](j_decompress_ptr) {};
  jpeg.source.fill_input_buffer = fill_input;
  jpeg.source.skip_input_data = skip_input;
  jpeg.source.resync_to_restart = jpeg_resync_to_restart;
  jpeg.source.term_source = [](j_decompress_ptr) {};
  jpeg.info.src = &jpeg.source;
  jpeg_save_markers(&jpeg.info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&jpeg.info, TRUE);
}

int read_orientation(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  constexpr std::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  std::string exif;  // long blocks are split over several segments
  std::optional<int> from_xmp;
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->marker != JPEG_APP0 + 1) continue;
    std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.starts_with(kExif)) {
      exif += data.substr(kExif.size());
    } else if (data.starts_with(kXmp) && !from_xmp) {
      from_xmp = xmp_orientation(data.substr(kXmp.size()));
    }
  }
  if (const auto orientation = exif_orientation(as_bytes(exif))) return *orientation;
  return from_xmp.value_or(1);
}

// Ink to light. Adobe programs, and everyone after them, store CMYK inverted: a sample says how
// much paper stays white.
void cmyk_row_to_rgb(const uint8_t* in, int64_t width, uint8_t* out) {
  for (int64_t x = 0; x < width; ++x, in += 4, out += 3) {
    const int paper = in[3];
    for (int c = 0; c < 3; ++c) {
      const int scaled = (255 - in[c]) * paper + 128;  // rounded division by 255 below
      out[c] = static_cast<uint8_t>(paper - ((scaled + (scaled >> 8)) >> 8));
    }
  }
}

}  // namespace

Result<Decoded> decode_jpeg(Bytes bytes) {
  const auto jpeg = std::make_unique<Jpeg>();  // on the heap: longjmp leaves it as it is
  if (!guarded(*jpeg, [&] { open(*jpeg, bytes); })) return failure(*jpeg);
  jpeg_decompress_struct& info = jpeg->info;

  const int64_t width = info.image_width;
  const int64_t height = info.image_height;
  if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4)
    return unsupported("JPEG files with {} components cannot be read; 1, 3 and 4 can",
                       info.num_components);
  const bool cmyk = info.num_components == 4;
  Decoded decoded;
  if (!info.arith_code && width * height / kMaxPixelsPerByte > static_cast<int64_t>(bytes.size()))
    return invalid_data("the JPEG claims {} x {} pixels but has only {} bytes", width, height,
                        bytes.size());
  PTE_TRY(decoded.image, Image::create(width, height, 3));
  decoded.orientation = read_orientation(info);

  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  if (!guarded(*jpeg, [&] { jpeg_start_decompress(&info); })) return failure(*jpeg);
  constexpr int kRows = 16;  // one row of the largest blocks
  std::vector<uint8_t> ink(cmyk ? static_cast<size_t>(width) * 4 * kRows : 0);
  while (info.output_scanline < info.output_height) {
    const int64_t first = info.output_scanline;
    JSAMPROW rows[kRows];
    const auto count = static_cast<JDIMENSION>(std::min<int64_t>(kRows, height - first));
    for (JDIMENSION i = 0; i < count; ++i)
      rows[i] =
          cmyk ? ink.data() + i * static_cast<size_t>(width) * 4 : decoded.image.row(first + i);
    if (!guarded(*jpeg, [&] { jpeg_read_scanlines(&info, rows, count); })) return failure(*jpeg);
    for (int64_t y = first; cmyk && y < info.output_scanline; ++y)
      cmyk_row_to_rgb(rows[y - first], width, decoded.image.row(y));
  }
  if (!guarded(*jpeg, [&] { jpeg_finish_decompress(&info); })) return failure(*jpeg);
  return decoded;
}

}  // namespace pte::vision
