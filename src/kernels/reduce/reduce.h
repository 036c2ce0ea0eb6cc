// Folding the elements along some dimensions into one.
#pragma once

#include "kernels/common/map.h"

namespace pte::kernels {

// The sizes of the result: masked dimensions become 1 with keepdim, else vanish.
inline Sizes reduced_sizes(const Tensor& self, const std::vector<bool>& mask, bool keepdim) {
  Sizes sizes;
  for (size_t i = 0; i < self.rank(); ++i) {
    if (!mask[i])
      sizes.push_back(self.size(i));
    else if (keepdim)
      sizes.push_back(1);
  }
  return sizes;
}

// How many elements each result folds.
inline int64_t reduced_count(const Tensor& self, const std::vector<bool>& mask) {
  int64_t count = 1;
  for (size_t i = 0; i < self.rank(); ++i) {
    if (mask[i]) count *= self.size(i);
  }
  return count;
}

// For each element of `out` (sized by reduced_sizes), feeds the elements that it folds to a copy of
// `initial` by add(const C*, n), then stores finish(), a value of a compute type. Elements are
// rounded to `via` first and, along one dimension or over a contiguous tensor, come in order.
template <typename C, typename State>
void reduce_elements(const Call& call, const Tensor& self, const std::vector<bool>& mask,
                     bool keepdim, DType via, Tensor& out, DType result, const State& initial) {
  Sizes kept = self.sizes();
  Sizes folded = self.sizes();
  Strides out_strides(self.rank(), 0);
  size_t next = 0;
  for (size_t i = 0; i < self.rank(); ++i) {
    (mask[i] ? kept : folded)[i] = 1;
    if (!mask[i]) out_strides[i] = out.strides()[next];
    if (!mask[i] || keepdim) ++next;
  }
  const Loop walk(kept, std::array{out_strides, self.strides()});
  const Loop fold(folded, std::array{self.strides()});
  const Operand operand{self.data(), self.dtype(), {}, via};
  const bool round = internal::needs_rounding<C>(self.dtype(), via);
  const auto out_size = static_cast<int64_t>(size_of(out.dtype()));
  std::byte* const target = out.mutable_data();
  call.parallel_for(walk.count(), 1 + (1 << 14) / std::max<int64_t>(fold.count(), 1),
                    [&](int64_t begin, int64_t end) {
                      C buffer[kBlock];
                      const auto one = [&](int64_t to, int64_t from) {
                        State state = initial;
                        fold.run(0, fold.count(), [&](const int64_t* offsets, int64_t n) {
                          const int64_t step = fold.step(0);
                          for (int64_t at = 0; at < n; at += kBlock) {
                            const int64_t m = std::min(kBlock, n - at);
                            state.add(
                                internal::fetch<C>(operand, round, from + offsets[0] + at * step,
                                                   step, m, buffer),
                                m);
                          }
                        });
                        auto value = state.finish();
                        using R = decltype(value);
                        if (out.dtype() != result && result != dtype_of<R>())
                          round_run<R>(result, &value, 1);
                        store_run<R>(out.dtype(), target + to * out_size, 1, 1, &value);
                      };
                      walk.run(begin, end, [&](const int64_t* offsets, int64_t n) {
                        for (int64_t i = 0; i < n; ++i)
                          one(offsets[0] + i * walk.step(0), offsets[1] + i * walk.step(1));
                      });
                    });
}

// In segments.cc.
Status segment_reduce(Call& call);

}  // namespace pte::kernels
