// Between fp32, exact integers held in fp32, and int8: one table of functions for each instruction
// set.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace pte::simd {

// Sums without bias, whole numbers of less than 2^24, to int8.
struct Requantize {
  const float* sums = nullptr;  // pixels x channels
  int64_t pixels = 0;
  int64_t channels = 0;
  const int32_t* bias = nullptr;  // both rounded up to whole vectors
  const float* scale = nullptr;
  int32_t zero_point = 0;
  int32_t lowest = -128;
  int32_t highest = 127;
  int8_t* out = nullptr;
  int64_t out_stride = 0;
};

struct QuantizeSet {
  int64_t lanes = 1;
  void (*requantize)(const Requantize&) = nullptr;
  // See quantize.h.
  void (*quantize)(const float* in, float inverse_scale, int32_t zero_point, int32_t lowest,
                   int32_t highest, int8_t* out, int64_t count) = nullptr;
  void (*dequantize)(const int8_t* in, float scale, int32_t zero_point, float* out,
                     int64_t count) = nullptr;
};

const QuantizeSet& quantize_set(Isa isa);

}  // namespace pte::simd
