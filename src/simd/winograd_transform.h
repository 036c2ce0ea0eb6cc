// Winograd convolution by tiles: what one direction of a tile is made of, and the transforms of
// whole tiles over vectors of channels.
#pragma once

#include <cstdint>
#include <vector>

#include "simd/isa.h"
#include "simd/tile.h"

namespace pte::simd {

// F(outputs, taps) along one direction. With stride 2, even and odd samples are convolutions of
// stride 1 with every second tap: their positions follow each other, and the outputs are sums of
// both.
enum class WinogradLine : uint8_t {
  kOne,   // not transformed: a kernel of one tap
  kF2x3,  // F(2, 3)
  kF4x3,  // F(4, 3)
  kF4x5,  // F(4, 5)
  kS4x3,  // stride 2: F(4, 2) of even samples, odd ones as they are
  kS4x5,  // stride 2: F(4, 3) of even samples, F(4, 2) of odd ones
};
struct WinogradExtents {
  int64_t inputs = 1;
  int64_t positions = 1;  // multiplications
  int64_t outputs = 1;
  int64_t taps = 1;
  int64_t stride = 1;
};
WinogradExtents extents_of(WinogradLine line);
// The weights' transform: [positions][taps].
std::vector<double> weights_transform(WinogradLine line);

struct WinogradInput {
  const float* image = nullptr;
  int64_t height = 0;  // in samples, of the direction `y`
  int64_t width = 0;
  int64_t y_step = 0;  // floats from one sample to the next
  int64_t x_step = 0;
  int64_t channels = 0;
  // The tile's first sample; what lies outside the image is zero.
  int64_t y = 0;
  int64_t x = 0;
  // Position p's channels, rounded up to whole vectors, go to to + p * position_stride.
  float* to = nullptr;
  int64_t position_stride = 0;
};

struct WinogradOutput {
  const float* from = nullptr;  // as WinogradInput::to, of output channels
  int64_t position_stride = 0;
  int64_t rows = 0;  // valid outputs in each direction
  int64_t columns = 0;
  int64_t y_pixels = 0;  // of the output, from one row to the next
  int64_t x_pixels = 1;
  // out, out_stride, bias, residual, activation; `columns` is the number of channels.
  TileArgs tile;
};

struct WinogradTransforms {
  void (*input)(const WinogradInput&) = nullptr;
  void (*output)(const WinogradOutput&) = nullptr;
};

// By line: square tiles (kF2x3, kF4x3, kS4x3), and tiles of one row (kF4x3 and what follows it);
// other entries are null.
struct WinogradSet {
  static constexpr int kLines = 6;
  int64_t lanes = 1;
  WinogradTransforms square[kLines];
  WinogradTransforms row[kLines];
};

const WinogradSet& winograd_set(Isa isa);

}  // namespace pte::simd
