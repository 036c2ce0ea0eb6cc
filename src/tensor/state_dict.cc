#include "tensor/state_dict.h"

#include <cmath>
#include <set>
#include <tuple>

namespace pte {

const Tensor* StateDict::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &entries_[it->second].tensor;
}

void StateDict::set(std::string name, Tensor tensor) {
  const auto [it, fresh] = by_name_.try_emplace(name, entries_.size());
  if (fresh) {
    entries_.push_back({std::move(name), std::move(tensor)});
  } else {
    entries_[it->second].tensor = std::move(tensor);
  }
}

std::optional<int64_t> StateDict::metadata_int(std::string_view path) const {
  const auto number = metadata_number(path);
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (!number || *number != std::floor(*number) || std::abs(*number) > kExact) return std::nullopt;
  return static_cast<int64_t>(*number);
}

std::optional<double> StateDict::metadata_number(std::string_view path) const {
  const auto it = metadata.find(path);
  if (it == metadata.end()) return std::nullopt;
  if (const auto* integer = std::get_if<int64_t>(&it->second)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&it->second)) return *real;
  return std::nullopt;
}

int64_t StateDict::parameter_count() const {
  int64_t count = 0;
  std::set<std::tuple<const std::byte*, Sizes, Strides>> seen;
  for (const Entry& entry : entries_) {
    const std::string_view name = entry.name;
    if (!is_floating(entry.tensor.dtype()) && !is_complex(entry.tensor.dtype())) continue;
    if (name.ends_with("running_mean") || name.ends_with("running_var")) continue;
    if (entry.tensor.numel() == 0) continue;
    if (seen.emplace(entry.tensor.data(), entry.tensor.sizes(), entry.tensor.strides()).second) {
      count += entry.tensor.numel();
    }
  }
  return count;
}

}  // namespace pte
