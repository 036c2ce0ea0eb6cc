#include "cli/load_model.h"

#include <charconv>
#include <filesystem>

#include "cli/output.h"
#include "importers/checkpoint/checkpoint.h"
#include "importers/torch_export/torch_export.h"
#include "lowering/lower.h"
#include "program/reader.h"
#include "vision/labels.h"
#include "zoo/zoo.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

}  // namespace

Result<std::vector<std::vector<int64_t>>> parse_shapes(const std::string& text) {
  std::vector<std::vector<int64_t>> shapes;
  if (text.empty()) return shapes;
  std::vector<int64_t> current;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    while (at != end && *at == ' ') ++at;
    int64_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || size < 0) {
      return invalid_argument("--input-shapes '{}': expected a size at column {}", text, at - text.data() + 1)
          .with_hint("write sizes with commas, inputs with semicolons: \"1,3,224,224;1,100\"");
    }
    current.push_back(size);
    at = next;
    while (at != end && *at == ' ') ++at;
    if (at != end && *at == ',') {
      ++at;
      continue;
    }
    shapes.push_back(std::move(current));
    current.clear();
    if (at == end) return shapes;
    if (*at != ';') {
      return invalid_argument("--input-shapes '{}': expected ',' or ';' at column {}", text, at - text.data() + 1);
    }
    ++at;
  }
}

}  // namespace pte::cli
