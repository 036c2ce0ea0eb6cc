// Columns of UTF-8 text: characters, not bytes.
#pragma once

#include <string_view>

namespace pte::inspect {

inline size_t text_width(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  return width;
}

}  // namespace pte::inspect
