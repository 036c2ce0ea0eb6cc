// Picture files to RGB samples, the same samples that Pillow's
// ImageOps.exif_transpose(Image.open(f)).convert("RGB") gives.
//
// JPEG (baseline, progressive; grey, YCbCr, RGB, CMYK, YCCK) and PNG (every kind). The result has
// three channels and stands upright. Transparency is dropped, not blended. A 16-bit grey PNG keeps
// its high bytes, where Pillow would clip all but the darkest samples to white.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"
#include "vision/image.h"

namespace pte::vision {

// `name` stands before every message. Damaged or truncated data is kInvalidData; a picture of more
// than kMaxPixels kResourceLimit; any other format kUnsupported, named.
Result<Image> decode_image(Bytes bytes, std::string_view name);

Result<Image> load_image(const std::string& path);

// The format by its first bytes: "JPEG", "PNG", "WebP", …; empty when nothing is recognised.
std::string_view image_format(Bytes bytes);

}  // namespace pte::vision
