#include "program/quote.h"

#include <fmt/format.h>

namespace pte::program {

std::string quote(std::string_view name) {
  constexpr size_t kLongest = 120;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  if (name.size() > kLongest) text += "…";
  return text + "'";
}

}  // namespace pte::program
