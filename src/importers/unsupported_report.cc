#include "importers/unsupported_report.h"

#include <algorithm>

namespace pte::importers {

void UnsupportedReport::add(std::string_view name, const std::string& place,
                            const std::string& reason) {
  Row& row = rows_[std::string(name.substr(0, 200))];
  ++row.count;
  if (row.reason.empty()) row.reason = reason;
  if (!place.empty() && row.places.size() < 8 &&
      std::find(row.places.begin(), row.places.end(), place) == row.places.end()) {
    row.places.push_back(place);
  }
}

Error UnsupportedReport::error() const {
  constexpr size_t kShownPlaces = 3;
  size_t widest = 0;
  for (const auto& [name, row] : rows_) widest = std::max(widest, name.size());
  std::string text = rows_.size() == 1
                         ? "1 operator is not supported"
                         : fmt::format("{} operators are not supported", rows_.size());
  for (const auto& [name, row] : rows_) {
    std::string places;
    for (size_t i = 0; i < std::min(row.places.size(), kShownPlaces); ++i)
      places += (i > 0 ? ", " : "") + row.places[i];
    if (row.places.size() > kShownPlaces) places += ", …";
    text += fmt::format("\n  {:<{}}  {}×", name, widest, row.count);
    if (!places.empty()) text += "  " + places;
    if (!row.reason.empty()) text += "  " + row.reason;
  }
  return unsupported("{}", text).with_hint("`pte ops` lists the operators that are supported");
}

}  // namespace pte::importers
