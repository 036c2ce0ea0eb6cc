// What a checkpoint holds once its file format no longer matters: named tensors in file order, and
// the scalars that were saved beside them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace pte {

class StateDict {
 public:
  struct Entry {
    std::string name;  // "features.0.0.weight"
    Tensor tensor;
  };
  using Scalar = std::variant<bool, int64_t, double, std::string>;

  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // Null when there is none.
  const Tensor* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  // Appends, or replaces the tensor of that name in its place.
  void set(std::string name, Tensor tensor);

  // Scalars by dotted path: {"config": {"numClasses": 2}} gives "config.numClasses" -> 2.
  std::map<std::string, Scalar, std::less<>> metadata;
  // The scalar at `path` when it is an integer (or a float that is one), or a number.
  std::optional<int64_t> metadata_int(std::string_view path) const;
  std::optional<double> metadata_number(std::string_view path) const;

  // Elements of the floating tensors, without the running statistics of batch norms; tensors that
  // view the same memory in the same way count once. What people call a model's parameter count.
  int64_t parameter_count() const;

 private:
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace pte
