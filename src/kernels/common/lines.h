// Kernels that treat each line along one dimension by itself: sorting, running sums.
#pragma once

#include <vector>

#include "kernels/common/map.h"

namespace pte::kernels {

// A tensor of rank 0 as one of rank 1.
inline Tensor at_least_1d(const Tensor& tensor) {
  return tensor.rank() == 0 ? tensor.with_layout({1}, {1}) : tensor;
}

// A reduced result as if its dimension had been kept.
inline Tensor with_kept_dim(const Tensor& out, size_t dim, size_t rank) {
  if (out.rank() == rank) return out;
  Sizes sizes = out.sizes();
  Strides strides = out.strides();
  sizes.insert(sizes.begin() + static_cast<std::ptrdiff_t>(dim), 1);
  strides.insert(strides.begin() + static_cast<std::ptrdiff_t>(dim), 1);
  return out.with_layout(sizes, strides);
}

// For each line of `self` along `dim`, calls body(line, values, places) with the line's elements,
// rounded to `via`, as a std::vector<C>&; what it leaves in `values` and `places` (which have
// values.size(dim) elements) becomes the line of `values` and, unless null, of `places`. The
// tensors have the rank of `self`, at least 1, and its sizes but for `dim`; `result` is the type
// that PyTorch gives the values.
template <typename C, typename Body>
void for_each_line(const Call& call, const Tensor& self, size_t dim, DType via, Tensor values,
                   DType result, Tensor* places, const Body& body) {
  Sizes others = self.sizes();
  others[dim] = 1;
  const int64_t length = self.size(dim);
  const int64_t count = values.size(dim);
  const Strides place_strides = places != nullptr ? places->strides() : values.strides();
  const Loop loop(others, std::array{self.strides(), values.strides(), place_strides});
  const bool round = internal::needs_rounding<C>(self.dtype(), via);
  const auto value_size = static_cast<int64_t>(size_of(values.dtype()));
  std::byte* const value_data = values.mutable_data();
  call.parallel_for(loop.count(), 1 + (1 << 12) / (length + 1), [&](int64_t begin, int64_t end) {
    std::vector<C> line(static_cast<size_t>(length));
    std::vector<C> found(static_cast<size_t>(count));
    std::vector<int64_t> found_at(static_cast<size_t>(count));
    const auto one = [&](int64_t from, int64_t to, int64_t place) {
      const Operand operand{self.data(), self.dtype(), {}, via};
      for (int64_t at = 0; at < length; at += kBlock) {
        const int64_t step = self.strides()[dim];
        const int64_t n = std::min(kBlock, length - at);
        C* const to_line = line.data() + at;
        const C* values_at = internal::fetch<C>(operand, round, from + at * step, step, n, to_line);
        if (values_at != to_line) std::copy_n(values_at, n, to_line);
      }
      body(line, found, found_at);
      if (values.dtype() != result && result != dtype_of<C>())
        round_run<C>(result, found.data(), count);
      store_run<C>(values.dtype(), value_data + to * value_size, values.strides()[dim], count,
                   found.data());
      if (places == nullptr) return;
      store_run<int64_t>(
          places->dtype(),
          places->mutable_data() + place * static_cast<int64_t>(size_of(places->dtype())),
          places->strides()[dim], count, found_at.data());
    };
    loop.run(begin, end, [&](const int64_t* offsets, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        one(offsets[0] + i * loop.step(0), offsets[1] + i * loop.step(1),
            offsets[2] + i * loop.step(2));
      }
    });
  });
}

}  // namespace pte::kernels
