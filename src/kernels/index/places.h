// What the kernels of this family share: reading indices and saying which one is out of range.
//
// An index is read once, checked and used: its memory may be the result's in a hostile program.
#pragma once

#include <atomic>

#include "kernels/common/lines.h"
#include "kernels/common/raw.h"

namespace pte::kernels {

// Refuses index tensors that are not of an integer type.
inline Status check_index_type(const Call& call, const Tensor& index) {
  if (is_integer(index.dtype())) return {};
  return call.invalid("indices are {}, expected integers", dtype_name(index.dtype()));
}

// Remembers an index that is out of range, from any thread.
class BadIndex {
 public:
  // Whether `index` lies in [0, size); remembers it when it does not.
  bool accepts(int64_t index, int64_t size) {
    if (index >= 0 && index < size) return true;
    value_.store(index, std::memory_order_relaxed);
    found_.store(true, std::memory_order_relaxed);
    return false;
  }
  Status status(const Call& call, int64_t size) const {
    if (!found_.load(std::memory_order_relaxed)) return {};
    return call.invalid("index {} is out of range for a dimension of size {}",
                        value_.load(std::memory_order_relaxed), size);
  }

 private:
  std::atomic<bool> found_{false};
  std::atomic<int64_t> value_{0};
};

// In put.cc.
Status put_flat(Call& call);

}  // namespace pte::kernels
