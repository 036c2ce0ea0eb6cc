#include "inspect/compare_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <map>

#include "base/sha256.h"
#include "inspect/weights.h"

namespace pte::inspect {
namespace {

bool same_bytes(const Weight& a, const Weight& b) {
  const Bytes x = a.data.bytes(), y = b.data.bytes();
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size()) == 0);
}

// Files may put elements at odd addresses.
template <typename T>
double element(const std::byte* data, int64_t index) {
  T value;
  std::memcpy(&value, data + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

WeightChange compare(const Weight& a, const Weight& b) {
  WeightChange out;
  out.name = a.name;
  if (b.name != a.name) out.other = b.name;
  out.a = a.type;
  out.b = b.type;
  out.count = a.data.numel();
  if (a.data.dtype() != b.data.dtype() || a.data.sizes() != b.data.sizes() ||
      a.data.strides() != b.data.strides() || !a.data.has_data() || !b.data.has_data()) {
    return out;
  }
  out.comparable = dispatch(a.data.dtype(), [&]<typename T>(T) {
    for (int64_t i = 0; i < out.count; ++i) {
      const double x = element<T>(a.data.data(), i);
      const double y = element<T>(b.data.data(), i);
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      ++out.different;
      double difference = std::fabs(x - y);
      if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
      const double relative =
          x == 0 ? std::numeric_limits<double>::infinity() : difference / std::fabs(x);
      if (difference > out.max_abs) {
        out.max_abs = difference;
        out.worst = i;
      }
      out.max_rel = std::max(out.max_rel, relative);
    }
  });
  return out;
}

class Matcher {
 public:
  Matcher(std::vector<Weight> a, std::vector<Weight> b, Diff& out)
      : a_(std::move(a)), b_(std::move(b)), out_(out) {
    taken_.assign(b_.size(), false);
    matched_.assign(a_.size(), SIZE_MAX);
  }

  void run() {
    by_stored_name();
    by_content();
    by_key(true);
    by_key(false);
    for (size_t i = 0; i < a_.size(); ++i) {
      if (matched_[i] == SIZE_MAX) {
        out_.weights_only_a.push_back(a_[i].name + "  " + a_[i].type);
        continue;
      }
      const Weight& other = b_[matched_[i]];
      if (a_[i].type == other.type && same_bytes(a_[i], other)) {
        ++out_.weights_equal;
      } else {
        WeightChange change = compare(a_[i], other);
        // -0 and 0, or two kinds of NaN.
        if (change.comparable && change.different == 0) {
          ++out_.weights_equal;
        } else {
          out_.weights.push_back(std::move(change));
        }
      }
    }
    for (size_t i = 0; i < b_.size(); ++i) {
      if (!taken_[i]) out_.weights_only_b.push_back(b_[i].name + "  " + b_[i].type);
    }
    std::stable_sort(out_.weights.begin(), out_.weights.end(),
                     [](const WeightChange& x, const WeightChange& y) {
                       if (x.comparable != y.comparable) return y.comparable;
                       return x.max_abs > y.max_abs;
                     });
  }

 private:
  void match(size_t i, size_t k) {
    matched_[i] = k;
    taken_[k] = true;
  }

  void by_stored_name() {
    std::map<std::string_view, size_t> names;
    for (size_t k = 0; k < b_.size(); ++k) {
      if (b_[k].named) names.emplace(b_[k].name, k);
    }
    for (size_t i = 0; i < a_.size(); ++i) {
      const auto it = a_[i].named ? names.find(a_[i].name) : names.end();
      if (it != names.end() && !taken_[it->second]) match(i, it->second);
    }
  }

  void by_content() {
    const auto hash = [](const Weight& weight) {
      return weight.type + sha256_hex(weight.data.bytes());
    };
    std::map<std::string, std::deque<size_t>> contents;
    for (size_t k = 0; k < b_.size(); ++k) {
      if (!taken_[k]) contents[hash(b_[k])].push_back(k);
    }
    for (size_t i = 0; i < a_.size(); ++i) {
      if (matched_[i] != SIZE_MAX) continue;
      const auto it = contents.find(hash(a_[i]));
      if (it == contents.end() || it->second.empty()) continue;
      match(i, it->second.front());
      it->second.pop_front();
    }
  }

  // What is left, in order: first those of one made-up name and type, then those of one type.
  void by_key(bool with_name) {
    const auto key = [&](const Weight& weight) {
      return with_name ? weight.name + " " + weight.type : weight.type;
    };
    std::map<std::string, std::deque<size_t>> rest;
    for (size_t k = 0; k < b_.size(); ++k) {
      if (!taken_[k] && !(b_[k].named && !with_name)) rest[key(b_[k])].push_back(k);
    }
    for (size_t i = 0; i < a_.size(); ++i) {
      if (matched_[i] != SIZE_MAX || (a_[i].named && !with_name)) continue;
      const auto it = rest.find(key(a_[i]));
      if (it == rest.end() || it->second.empty()) continue;
      match(i, it->second.front());
      it->second.pop_front();
    }
  }

  std::vector<Weight> a_, b_;
  Diff& out_;
  std::vector<bool> taken_;
  std::vector<size_t> matched_;
};

}  // namespace

void compare_weights(const program::Program& a, const program::Program& b, Diff& out) {
  Matcher(list_weights(a), list_weights(b), out).run();
}

std::string without_keys(const std::string& listing) {
  const size_t at = listing.find("\nconstants ");
  if (at == std::string::npos) return listing;
  std::string out;
  size_t begin = 0;
  while (begin < listing.size()) {
    const size_t end = std::min(listing.find('\n', begin), listing.size());
    const std::string line = listing.substr(begin, end - begin);
    const size_t bytes = line.find(" bytes  ");
    out += (begin > at && bytes != std::string::npos ? line.substr(0, bytes) : line) + "\n";
    begin = end + 1;
  }
  return out;
}

}  // namespace pte::inspect
