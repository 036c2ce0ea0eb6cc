// The inner loop that GEMM and every implicit-GEMM convolution share: one panel of packed weights
// against any number of rows, each given by its address.
//
// out[r][j] = epilogue(sum over t, i of rows[r][taps[t] + i] * panel[t * depth + i][j])
//
// A GEMM has one tap; a convolution has one for each kernel position (or row of positions), the
// same distances for each output pixel. Sums run over t, then i, each in rising order by fused
// multiply-add (by multiply and add where the machine has none), whatever the number of rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/epilogue.h"
#include "simd/isa.h"

namespace pte::simd {

struct TileArgs {
  const float* const* rows = nullptr;
  int64_t row_count = 0;
  const int64_t* taps = nullptr;  // distances from a row's address, in floats
  int64_t tap_count = 0;
  int64_t depth = 0;  // of a tap
  const float* panel = nullptr;
  int64_t columns = 0;  // valid ones of the panel's, >= 1
  float* out = nullptr;
  int64_t out_stride = 0;
  const float* bias = nullptr;
  const float* residual = nullptr;
  int64_t residual_stride = 0;
  bool residual_after_activation = false;
  Activation activation = Activation::kNone;
  float lo = 0;
  float hi = 0;
};

// The kernels of one instruction set. A panel is `panel_width` columns wide; the last of a matrix,
// if at most half as many columns are left, `lanes` = panel_width / 2.
struct TileSet {
  int64_t lanes = 1;
  int64_t panel_width = 2;
  int64_t max_rows = 1;  // that one pass of the inner loop holds
  void (*wide)(const TileArgs&) = nullptr;
  void (*narrow)(const TileArgs&) = nullptr;
  // Up to `few_rows` rows (one at least) against `many_panels` whole panels that follow each other.
  int64_t few_rows = 0;
  int64_t many_panels = 1;
  void (*many)(const TileArgs&) = nullptr;
  // Residual and activation over `rows` rows of `columns` sums, bias included, for kernels that
  // leave both to it. `in` may be `out`.
  void (*finish)(const TileArgs&, int64_t rows, const float* in, int64_t in_stride, float* out,
                 const float* residual) = nullptr;
};

const TileSet& tile_set(Isa isa);

// Columns that a packed matrix of `n` takes.
inline int64_t padded_columns(const TileSet& tiles, int64_t n) {
  return (n + tiles.lanes - 1) / tiles.lanes * tiles.lanes;
}

// Runs columns [begin, end) of a packed matrix, `begin` a multiple of panel_width; `args` speaks of
// column 0, and `panel` of the whole matrix.
void run_columns(const TileSet& tiles, const TileArgs& args, int64_t n, int64_t begin, int64_t end);

// Packs column `j` of `n` from value(p, j), p in [0, k), into `packed`: k x padded_columns floats.
template <typename Value>
void pack_columns(const TileSet& tiles, int64_t n, int64_t k, float* packed, Value value) {
  for (int64_t j = 0; j < n; j += tiles.panel_width) {
    const int64_t left = n - j;
    const int64_t width = left <= tiles.lanes ? tiles.lanes : tiles.panel_width;
    float* panel = packed + j * k;
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t i = 0; i < width && i < left; ++i) panel[p * width + i] = value(p, j + i);
    }
  }
}

}  // namespace pte::simd
