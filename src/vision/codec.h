// The two decoders behind decode_image; the orientation is read here and applied there.
#pragma once

#include "base/file.h"
#include "vision/image.h"

namespace pte::vision {

struct Decoded {
  Image image;  // RGB, as stored
  int orientation = 1;
};

Result<Decoded> decode_jpeg(Bytes bytes);
Result<Decoded> decode_png(Bytes bytes);

}  // namespace pte::vision
