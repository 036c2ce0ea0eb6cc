// The loops of depthwise int8 convolution where there is a dot product of four bytes: four kernel
// rows are woven together, so that a lane holds what one channel takes from one column.
//
// Channels go in blocks of up to 64; of a narrow block, 2 or 4 output rows go at once, one beside
// the other. A woven column is, for each group of four kernel rows, four vectors: channel 16 l + 4
// j + i of the block (or channel 4 j + i of output row l) lies in vector j, element 4 l + i.
#pragma once

#include <cstdint>

#include "simd/bytes.h"
#include "simd/isa.h"

namespace pte::simd {

struct WovenRow {
  // ---- weaving: columns [0, width) of kernel_h rows for each of `span` outputs; null: padding
  const int8_t* const* rows = nullptr;
  int64_t kernel_h = 0;
  int64_t width = 0;
  int64_t pixel = 0;    // bytes from column to column
  uint8_t padding = 0;  // a value of it, plus 128
  std::byte* to = nullptr;
  // ---- products: `woven` begins at the first column that the first output reads
  const std::byte* woven = nullptr;
  int64_t kernel_w = 0;
  int64_t step = 0;      // columns from output to output
  int64_t dilation = 0;  // columns from tap to tap
  const std::byte* weights = nullptr;
  const int32_t* bias = nullptr;
  const float* scale = nullptr;
  int64_t outputs = 0;
  int8_t* out[4] = {};  // for each of `span`; null: there is none
  int64_t out_stride = 0;
  int32_t zero_point = 0;
  int32_t lowest = -128;
  int32_t highest = 127;
  const ByteTable* table = nullptr;
  // ---- both
  int64_t span = 1;      // output rows at once: 1, 2 or 4
  int64_t channels = 0;  // valid ones of the block's 64 / span
};

struct WovenSet {
  // Null where the instruction set lacks it.
  void (*weave)(const WovenRow&) = nullptr;
  void (*multiply)(const WovenRow&) = nullptr;
};

const WovenSet& woven_set(Isa isa);

}  // namespace pte::simd
