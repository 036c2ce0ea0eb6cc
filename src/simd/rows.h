// Softmax, layer norm and sums over rows of fp32 elements that lie side by side.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace pte::simd {

// Rows of `count` elements, `in_stride` floats from one to the next.
struct Rows {
  const float* in = nullptr;
  int64_t in_stride = 0;
  float* out = nullptr;
  int64_t out_stride = 0;
  int64_t rows = 0;
  int64_t count = 0;
};

// e^(x - max) / sum, each row by itself. `out` may be `in`.
void softmax(const Rows& rows, Isa isa = best_isa());

// out[r * out_stride] = the sum of weights[i] * softmax(row r)[i]: what a distribution over `count`
// values is on average, as in the decoding of YOLO's boxes.
void softmax_mean(const Rows& rows, const float* weights, Isa isa = best_isa());

// (x - mean) / sqrt(variance + epsilon) * weight + bias, each row by itself; weight and bias have
// `count` elements or are null.
void layer_norm(const Rows& rows, const float* weight, const float* bias, float epsilon,
                Isa isa = best_isa());

// out[c] = scale * (in[0][c] + in[1][c] + …): one row of sums over all rows.
void sum_rows(const float* in, int64_t in_stride, int64_t rows, int64_t count, float scale,
              float* out, Isa isa = best_isa());

// out[r * out_stride] = scale * the sum of row r.
void row_sums(const Rows& rows, float scale, Isa isa = best_isa());

// out[c] = max over the given rows of row[c] (NaN wins), for windows of pooling; at least one row.
void max_of_rows(const float* const* rows, int64_t row_count, int64_t count, float* out,
                 Isa isa = best_isa());
// out[c] = scale * the sum over the given rows of row[c].
void sum_of_rows(const float* const* rows, int64_t row_count, int64_t count, float scale,
                 float* out, Isa isa = best_isa());

}  // namespace pte::simd
