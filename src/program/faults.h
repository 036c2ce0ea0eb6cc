// Collects what is wrong with a program: the first thing, or all of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pte::program {

class Faults {
 public:
  struct Fault {
    std::string where;
    Error error;
  };

  explicit Faults(size_t limit) : limit_(limit) {}

  // True when enough is known and the search may end.
  bool add(std::string where, Error error) {
    if (!full()) faults_.push_back({std::move(where), std::move(error)});
    return full();
  }
  // The same when there is an error; `where` is called only then.
  template <typename Where>
  bool check(Status status, Where&& where) {
    return !status.has_value() && add(where(), std::move(status.error()));
  }

  bool full() const { return faults_.size() >= limit_; }
  size_t count() const { return faults_.size(); }
  std::vector<Fault>& all() { return faults_; }

 private:
  size_t limit_;
  std::vector<Fault> faults_;
};

}  // namespace pte::program
