// The inner loop of depthwise convolution: one row of output, vectors of channels.
#pragma once

#include <cstdint>

#include "simd/conv2d.h"
#include "simd/isa.h"
#include "simd/tile.h"

namespace pte::simd {

struct DepthwiseRow {
  const float* const* rows = nullptr;  // one for each kernel row; null where padding lies
  int64_t kernel_h = 0;
  int64_t kernel_w = 0;
  int64_t stride = 1;    // horizontal
  int64_t dilation = 1;  // horizontal
  int64_t pad_left = 0;
  int64_t width = 0;  // of the input
  int64_t pixel = 0;  // floats from one input pixel to the next
  int64_t channels = 0;
  const float* weights = nullptr;  // [kernel_h * kernel_w][weight_stride]
  int64_t weight_stride = 0;       // channels rounded up to `lanes`
  const float* bias = nullptr;
  float lo = 0;  // sums are clamped to [lo, hi]
  float hi = 0;
  // What remains to be done to the clamped sums, or null: out_stride, residual and activation.
  const TileArgs* finish = nullptr;
  const TileSet* tiles = nullptr;
  const float* residual = nullptr;
  float* out = nullptr;
  int64_t out_stride = 0;
  int64_t out_width = 0;
};

// What follows from the shape and the packed weights; `rows` is the thread's own list.
DepthwiseRow row_of(const Conv2dShape& shape, const float* const* rows, const float* weights,
                    int64_t weight_stride, int64_t out_width);

struct DepthwiseSet {
  int64_t lanes = 1;
  void (*row)(const DepthwiseRow&) = nullptr;
};

const DepthwiseSet& depthwise_set(Isa isa);

}  // namespace pte::simd
