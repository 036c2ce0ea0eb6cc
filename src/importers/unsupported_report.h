// Everything in a model that cannot be imported, so that a user learns it at once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pte::importers {

class UnsupportedReport {
 public:
  // `place` may be empty, and `reason` too: the first one that is given stays.
  void add(std::string_view name, const std::string& place, const std::string& reason);
  bool empty() const { return rows_.empty(); }
  // One line an operator: name, how often, where, why.
  Error error() const;

 private:
  struct Row {
    size_t count = 0;
    std::vector<std::string> places;
    std::string reason;
  };
  std::map<std::string, Row, std::less<>> rows_;
};

}  // namespace pte::importers
