#include "importers/checkpoint/pickle_text.h"

#include <charconv>

#include "base/checked.h"

namespace pte::importers {
namespace {

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18 & 7));
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// `count` hex digits at `at`, or nothing.
std::optional<uint32_t> hex_at(std::string_view text, size_t at, size_t count) {
  if (!in_range(at, count, text.size())) return std::nullopt;
  uint32_t value = 0;
  const char* end = text.data() + at + count;
  const auto [stop, error] = std::from_chars(text.data() + at, end, value, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> decode_pickle_unicode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\\' && i + 1 < text.size() && (text[i + 1] == 'u' || text[i + 1] == 'U')) {
      const size_t digits = text[i + 1] == 'u' ? 4 : 8;
      const auto code = hex_at(text, i + 2, digits);
      if (!code || *code > 0x10ffff) return std::nullopt;
      append_utf8(out, *code);
      i += 2 + digits;
    } else {
      append_utf8(out, c);
      ++i;
    }
  }
  return out;
}

std::optional<std::string> decode_pickle_string(std::string_view text) {
  if (text.size() < 2 || text.front() != text.back() ||
      (text.front() != '\'' && text.front() != '"')) {
    return std::nullopt;
  }
  text = text.substr(1, text.size() - 2);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    switch (text[i]) {
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case 'a':
        out += '\a';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'v':
        out += '\v';
        break;
      case 'x': {
        const auto code = hex_at(text, i + 1, 2);
        if (!code) return std::nullopt;
        out += static_cast<char>(*code);
        i += 2;
        break;
      }
      default:
        if (text[i] >= '0' && text[i] <= '7') {
          int code = 0;
          size_t digits = 0;
          while (digits < 3 && i + digits < text.size() && text[i + digits] >= '0' &&
                 text[i + digits] <= '7') {
            code = code * 8 + (text[i + digits++] - '0');
          }
          out += static_cast<char>(code);
          i += digits - 1;
        } else {
          if (text[i] != '\\' && text[i] != '\'' && text[i] != '"') out += '\\';
          out += text[i];
        }
    }
  }
  return out;
}

}  // namespace pte::importers
