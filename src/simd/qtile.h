// The inner loop of int8 GEMM and convolution: as tile.h, over integers. Sums are exact.
//
// Operands come prepared: rows hold groups of kGroup input values for each of which the panel has
// as many weights for every column, so that one instruction multiplies a group and adds it up. The
// kernels of an instruction set say what they want:
//   - with an int8 dot product, groups of 4: rows of uint8 (value + 128), weights of int8;
//   - otherwise groups of 2: rows of int16 (value - zero point), weights of int16.
#pragma once

#include <cstdint>

#include "simd/bytes.h"
#include "simd/isa.h"

namespace pte::simd {

struct QTileArgs {
  const std::byte* const* rows = nullptr;
  int64_t row_count = 0;
  const int64_t* taps = nullptr;  // bytes
  int64_t tap_count = 0;
  int64_t groups = 0;  // of a tap
  const std::byte* panel = nullptr;
  int64_t vectors = 1;            // of the panel: 1 to QTileSet::max_vectors
  int64_t columns = 0;            // valid ones of the panel's
  const int32_t* bias = nullptr;  // what each sum begins with; whole panels, never null
  const float* scale = nullptr;   // of each column; whole panels
  int8_t* out = nullptr;
  int64_t out_stride = 0;
  // out = clamp(round to even(sum * scale) + zero_point, lowest, highest)
  int32_t zero_point = 0;
  int32_t lowest = -128;
  int32_t highest = 127;
  const ByteTable* table = nullptr;  // applied to that, where QTileSet::applies_table
};

// Rows times panels to floats. Panels are `real_width` columns wide, in their order; a row's
// integers less `shift` are the values that count (0 where rows hold those already).
//
//   out = total * real * scale + bias             one block, rounded at each step but the last sum
//   out = (total_0 * scale_0 + …) * real + bias   more
struct QRealArgs {
  const std::byte* const* rows = nullptr;
  int64_t row_count = 0;
  const int32_t* shift = nullptr;  // of each row
  const float* real = nullptr;     // of each row
  int64_t groups = 0;              // of a block
  int64_t blocks = 1;
  const std::byte* panel = nullptr;
  int64_t columns = 0;              // valid ones
  const int32_t* totals = nullptr;  // of the weights: [blocks, real_width]
  const float* scale = nullptr;     // [blocks, real_width]
  const float* bias = nullptr;      // [real_width]
  float* out = nullptr;
  int64_t out_stride = 0;
};

struct QTileSet {
  int64_t real_width = 1;
  void (*real)(const QRealArgs&) = nullptr;
  // The least and the largest of `count` values and 0.
  void (*extremes)(const float* in, int64_t count, float* least, float* most) = nullptr;
  int64_t lanes = 1;
  int64_t max_vectors = 1;  // a panel's width is at most so many vectors
  int64_t group = 2;
  bool applies_table = false;
  // Bytes of one input value in a row, and of one weight in a panel.
  int64_t input_bytes = 2;
  int64_t weight_bytes = 2;
  void (*panel)(const QTileArgs&) = nullptr;
  // Where in a panel of so many vectors a column's weights, bias and scale lie.
  int64_t (*place)(int64_t vectors, int64_t column) = nullptr;
  // `rows` rows of `count` int8 values to rows side by side: `zero_point` is that of the input.
  void (*prepare)(const int8_t* in, int64_t stride, int64_t rows, int64_t count, int32_t zero_point,
                  std::byte* out) = nullptr;
};

const QTileSet& qtile_set(Isa isa);

}  // namespace pte::simd
