// Results whose element at [i0, i1, …] is the operand's at [f(0, i0), f(1, i1), …]: mirrored,
// rolled, repeated and padded copies.
#pragma once

#include "kernels/common/raw.h"

namespace pte::kernels {

namespace internal {

// offsets[d][i] is where place i of dimension d begins, in elements of `self`.
Status take_offsets(Call& call, const Tensor& self, Tensor& out,
                    const std::vector<std::vector<int64_t>>& offsets);

}  // namespace internal

// `out` has its sizes and as many dimensions as `self`. place(dim, i) must be in range for every
// i < out.size(dim); it is asked only when the result holds anything.
template <typename Place>
Status take(Call& call, const Tensor& self, Tensor& out, Place place) {
  // A size beside a 0 may be any number: no table of it then.
  if (out.numel() == 0) return internal::take_offsets(call, self, out, {});
  std::vector<std::vector<int64_t>> offsets(out.rank());
  for (size_t d = 0; d < out.rank(); ++d) {
    offsets[d].resize(static_cast<size_t>(out.size(d)));
    for (int64_t i = 0; i < out.size(d); ++i) {
      offsets[d][static_cast<size_t>(i)] = place(d, i) * self.strides()[d];
    }
  }
  return internal::take_offsets(call, self, out, offsets);
}

}  // namespace pte::kernels
