// What attention does to rows besides its two products: rotary position embedding, softmax.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace pte::simd {

// x * cos + turned(x) * sin over each row of `count` (even), with a row of cos and sin for each row
// of x. Turned is (-b, a) for each pair (a, b): neighbours, or, when `halves`, elements count / 2
// apart. `in` may not be `out` when `halves`.
void rope_rows(const float* in, int64_t in_stride, const float* cos, const float* sin,
               int64_t table_stride, bool halves, float* out, int64_t out_stride, int64_t rows,
               int64_t count, Isa isa = best_isa());

// What attention calls between its two products, for one instruction set.
struct AttentionRowSet {
  // Turns each row of scores (plus its row of `mask`, if not null) to e^(x - largest), zeros from
  // `valid` on up to `count`, and gives 1 / their sum in `factors`. With `causal` > 0, row r has
  // causal + r valid scores at most.
  void (*softmax)(float* scores, int64_t stride, int64_t rows, int64_t count, int64_t causal,
                  const float* mask, int64_t mask_stride, float* factors) = nullptr;
  // out[r][j] = in[r][j] * factors[r]
  void (*scale)(const float* in, int64_t in_stride, const float* factors, int64_t rows,
                int64_t count, float* out, int64_t out_stride) = nullptr;
  void (*rope)(const float* in, int64_t in_stride, const float* cos, const float* sin,
               int64_t table_stride, bool halves, float* out, int64_t out_stride, int64_t rows,
               int64_t count) = nullptr;
};

const AttentionRowSet& attention_row_set(Isa isa);

}  // namespace pte::simd
