// Any bytes through the picture decoders, metadata and EXIF readers: an image or an error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "vision/decode.h"
#include "vision/exif.h"
#include "vision/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pte;
  const Bytes bytes = std::as_bytes(std::span(data, size));
  if (const auto image = vision::decode_image(bytes, "input")) {
    if (image->channels() != 3 || image->empty()) std::abort();
    if (image->width() * image->height() < 1 << 16)
      (void)vision::apply(vision::Preprocess::squash(8), *image);
  }
  (void)vision::exif_orientation(bytes);
  (void)vision::xmp_orientation(as_text(bytes));
  if (const auto metadata = vision::parse_metadata(as_text(bytes))) {
    const auto again = vision::parse_metadata(vision::print_metadata(*metadata));
    if (!again || !(*again == *metadata)) std::abort();
  }
  return 0;
}
