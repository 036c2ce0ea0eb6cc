// How a camera was held: the EXIF orientation tag, and turning a picture upright by it.
#pragma once

#include <optional>
#include <string_view>

#include "base/file.h"
#include "vision/image.h"

namespace pte::vision {

// The value of tag 0x0112 in the first directory of a TIFF block ("II*\0" or "MM\0*" first; a
// leading "Exif\0\0" is skipped). Nothing when the block is damaged or has no such tag: a picture
// with broken metadata is still a picture.
std::optional<int> exif_orientation(Bytes tiff);

// The value of tiff:Orientation in an XMP packet, which counts where EXIF has none.
std::optional<int> xmp_orientation(std::string_view xmp);

// Undoes orientation 2 to 8 (mirrored and turned pictures); other values return the picture as is.
Result<Image> apply_orientation(Image image, int orientation);

}  // namespace pte::vision
