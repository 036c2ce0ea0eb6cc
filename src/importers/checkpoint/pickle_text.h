// The text of protocol 0, where strings are written as Python literals.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pte::importers {

// UNICODE: Latin-1 with \uXXXX and \UXXXXXXXX, to UTF-8. Nothing when malformed.
std::optional<std::string> decode_pickle_unicode(std::string_view text);
// STRING: a quoted Python 2 literal. Nothing when malformed.
std::optional<std::string> decode_pickle_string(std::string_view text);

}  // namespace pte::importers
