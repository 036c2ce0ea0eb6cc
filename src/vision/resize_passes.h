// The inner loops of resize(): weighted sums over pixels of a row, or over rows.
#pragma once

#include <cstdint>
#include <vector>

namespace pte::vision {

constexpr int kPrecisionBits = 32 - 8 - 2;

// For each output position, `count` source positions from `first` on and their weights, fixed-point
// with kPrecisionBits. A row of weights is `stride` long, zero behind `count`.
struct Weights {
  struct Span {
    int32_t first = 0;
    int32_t count = 0;
  };
  std::vector<Span> spans;
  int32_t stride = 0;
  std::vector<int32_t> fixed;  // spans.size() x stride
};

// Filters `rows` rows of `channels` interleaved samples to spans.size() pixels each. At least 64
// bytes behind the last source row must be readable.
void horizontal_pass(const uint8_t* source, int64_t source_row_bytes, int64_t rows, int channels,
                     const Weights& weights, uint8_t* target, int64_t target_row_bytes);

// Filters columns of `row_bytes` samples to spans.size() rows; source and target rows are
// `row_bytes` apart. Span.first counts rows from `source`.
void vertical_pass(const uint8_t* source, int64_t row_bytes, const Weights& weights,
                   uint8_t* target);

// The instruction set that the passes run on now: "AVX2".
const char* passes_target();

}  // namespace pte::vision
