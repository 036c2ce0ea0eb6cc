// The inner loop of int8 depthwise convolution: one row of output, vectors of channels.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace pte::simd {

struct QDepthwiseRow {
  const int8_t* const* rows = nullptr;  // one for each kernel row; null where padding lies
  int64_t kernel_h = 0;
  int64_t kernel_w = 0;
  int64_t stride = 1;    // horizontal
  int64_t dilation = 1;  // horizontal
  int64_t pad_left = 0;
  int64_t width = 0;  // of the input
  int64_t pixel = 0;  // from one input pixel to the next
  int64_t channels = 0;
  const float* weights = nullptr;  // [kernel_h * kernel_w][weight_stride]
  int64_t weight_stride = 0;       // channels rounded up to `lanes`, as bias and scale
  const int32_t* bias = nullptr;
  const float* scale = nullptr;
  int32_t input_zero_point = 0;
  int32_t zero_point = 0;
  int32_t lowest = -128;
  int32_t highest = 127;
  int8_t* out = nullptr;
  int64_t out_stride = 0;
  int64_t out_width = 0;
};

struct QDepthwiseSet {
  int64_t lanes = 1;
  void (*row)(const QDepthwiseRow&) = nullptr;
  // Arrays; see quantize.h.
  void (*quantize)(const float* in, float inverse_scale, int32_t zero_point, int32_t lowest,
                   int32_t highest, int8_t* out, int64_t count) = nullptr;
  void (*dequantize)(const int8_t* in, float scale, int32_t zero_point, float* out,
                     int64_t count) = nullptr;
};

const QDepthwiseSet& qdepthwise_set(Isa isa);

}  // namespace pte::simd
