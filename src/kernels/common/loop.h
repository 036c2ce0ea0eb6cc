// Walks several strided tensors of one shape together, in as few and as long runs as their
// strides allow.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace pte::kernels {

inline constexpr size_t kMaxStreams = 8;

class Loop {
 public:
  // Strides are in elements, one list per stream, each as long as `sizes`; a stride of 0 repeats.
  // The first stream decides the order of the walk.
  Loop(const Sizes& sizes, std::span<const Strides> strides);

  int64_t count() const { return count_; }
  // How far a stream moves from one element of a run to the next.
  int64_t step(size_t stream) const { return strides_[stream].back(); }

  // Calls body(offsets, n) for runs that cover elements [begin, end) of the walk; offsets[s] is
  // where stream s begins.
  template <typename Body>
  void run(int64_t begin, int64_t end, Body&& body) const {
    if (begin >= end) return;
    std::array<int64_t, kMaxStreams> offsets{};
    Sizes index(sizes_.size());
    int64_t rest = begin;
    for (size_t d = sizes_.size(); d-- > 0;) {
      index[d] = rest % sizes_[d];
      rest /= sizes_[d];
      for (size_t s = 0; s < streams_; ++s) offsets[s] += index[d] * strides_[s][d];
    }
    const size_t inner = sizes_.size() - 1;
    for (int64_t position = begin; position < end;) {
      const int64_t n = std::min(sizes_[inner] - index[inner], end - position);
      body(offsets.data(), n);
      position += n;
      if (position >= end) return;
      // The run ended at the end of the inner dimension: step the outer ones.
      for (size_t s = 0; s < streams_; ++s) offsets[s] -= index[inner] * strides_[s][inner];
      index[inner] = 0;
      for (size_t d = inner; d-- > 0;) {
        for (size_t s = 0; s < streams_; ++s) offsets[s] += strides_[s][d];
        if (++index[d] < sizes_[d]) break;
        for (size_t s = 0; s < streams_; ++s) offsets[s] -= strides_[s][d] * sizes_[d];
        index[d] = 0;
      }
    }
  }

 private:
  size_t streams_;
  int64_t count_ = 1;
  Sizes sizes_;  // merged, at least one dimension
  std::array<Strides, kMaxStreams> strides_;
};

}  // namespace pte::kernels
