// The transforms of Winograd convolution F(m x m, 3 x 3), m = 2 or 4, of one tile: vectors of
// channels, (m + 2)^2 positions.
#pragma once

#include <cstdint>

#include "simd/isa.h"
#include "simd/tile.h"

namespace pte::simd {

struct WinogradInput {
  const float* image = nullptr;  // NHWC
  int64_t height = 0;
  int64_t width = 0;
  int64_t pixel = 0;  // floats from one pixel to the next
  int64_t channels = 0;
  // The tile's first row and column; what lies outside the image is zero.
  int64_t y = 0;
  int64_t x = 0;
  // Position p's channels, rounded up to whole vectors, go to to + p * position_stride.
  float* to = nullptr;
  int64_t position_stride = 0;
};

struct WinogradOutput {
  const float* from = nullptr;  // as WinogradInput::to, of output channels
  int64_t position_stride = 0;
  int64_t rows = 0;  // valid ones of the m x m outputs
  int64_t columns = 0;
  int64_t row_pixels = 0;  // of the output, from one row to the next
  // out, out_stride, bias, residual, activation; `columns` is the number of channels.
  TileArgs tile;
};

struct WinogradSet {
  int64_t lanes = 1;
  void (*input2)(const WinogradInput&) = nullptr;
  void (*input4)(const WinogradInput&) = nullptr;
  void (*output2)(const WinogradOutput&) = nullptr;
  void (*output4)(const WinogradOutput&) = nullptr;
};

const WinogradSet& winograd_set(Isa isa);

}  // namespace pte::simd
