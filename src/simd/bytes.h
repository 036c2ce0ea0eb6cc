// Arithmetic on arrays of int8 that lie side by side: what stands between quantised products. Every
// instruction set gives the same bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "simd/isa.h"

namespace pte::simd {

// What each of the 256 values becomes, by the value's bit pattern: table[uint8_t(x)].
using ByteTable = std::array<int8_t, 256>;

// out[i] = table[in[i]]; `out` may be `in`.
void look_up(const ByteTable& table, const int8_t* in, int8_t* out, int64_t count,
             Isa isa = best_isa());

// out = clamp(((start + a * by_a + b * by_b) >> shift) + zero_point, lowest, highest), the sum in
// 32 bits that it must fit.
struct ByteSum {
  int32_t by_a = 0;
  int32_t by_b = 0;
  int32_t start = 0;
  int32_t shift = 0;
  int32_t zero_point = 0;
  int32_t lowest = -128;
  int32_t highest = 127;
};
// Rows of `count` values; `one_b`: a row of b is a single value.
struct ByteRows {
  const int8_t* a = nullptr;
  int64_t a_stride = 0;
  const int8_t* b = nullptr;
  int64_t b_stride = 0;
  bool one_b = false;
  int8_t* out = nullptr;
  int64_t out_stride = 0;
  int64_t rows = 0;
  int64_t count = 0;
};
void add_bytes(const ByteSum& sum, const ByteRows& rows, Isa isa = best_isa());

// out = clamp(round_to_even((a - a_zero) * (b - b_zero) * scale) + zero_point, lowest, highest)
struct ByteProduct {
  int32_t a_zero = 0;
  int32_t b_zero = 0;
  float scale = 1;
  int32_t zero_point = 0;
  int32_t lowest = -128;
  int32_t highest = 127;
};
void multiply_bytes(const ByteProduct& product, const ByteRows& rows, Isa isa = best_isa());

// out[c] = max over the given rows of row[c]; at least one row.
void max_of_byte_rows(const int8_t* const* rows, int64_t row_count, int64_t count, int8_t* out,
                      Isa isa = best_isa());

// sums[c] = in[c] + in[stride + c] + … over `rows` rows, less than 2^24 of them.
void sum_byte_rows(const int8_t* in, int64_t stride, int64_t rows, int64_t count, int32_t* sums,
                   Isa isa = best_isa());

// out = round_to_even(sums * scale + shift), clamped to the limits; the product and the sum are
// rounded each.
void finish_means(const int32_t* sums, float scale, float shift, int32_t lowest, int32_t highest,
                  int8_t* out, int64_t count, Isa isa = best_isa());

// out[i * planes + p] = in[p][i]: pixels of a few planes.
void interleave_bytes(const int8_t* const* in, int64_t planes, int64_t count, int8_t* out,
                      Isa isa = best_isa());

}  // namespace pte::simd
