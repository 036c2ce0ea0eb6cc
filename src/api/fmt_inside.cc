// The text library, inside libpte: whoever links libpte links nothing else for it.
//
// The layers are compiled against fmt's shared library. In header mode fmt's functions are inline,
// and inline functions that a file needs are emitted with it, under the same names: this file needs
// all that the layers do, and its definitions are the ones that the linker finds. When one is
// missing, libpte asks for libfmt, which the test of the installed library sees.
#define FMT_HEADER_ONLY
#undef FMT_SHARED
#include <fmt/format.h>

namespace pte::api {

// Kept by the compiler although nothing calls them.
[[gnu::used]] std::string (*const kVformat)(fmt::string_view, fmt::format_args) = &fmt::vformat;

[[gnu::used]] std::string fmt_inside(std::string_view format, double real, float single) {
  std::string text;
  fmt::format_to(std::back_inserter(text), fmt::runtime(format), real, single);
  fmt::format_to(std::back_inserter(text), "{} {:L}", real, single);
  return text;
}

}  // namespace pte::api
