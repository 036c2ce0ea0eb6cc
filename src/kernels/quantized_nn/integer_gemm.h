// Products of rows and columns of small integers, exact to the last bit.
//
// Both sides hold integers of magnitude 255 at most as floats: 256 products of two such sum to less
// than 2^24, which a float holds exactly, so that sums in vector registers lose nothing. Longer
// sums are collected in double. Rows (weights) are unpacked a few at a time as they are needed, and
// never all: a model's weights stay as small as its file has them.
#pragma once

#include <cstring>
#include <functional>
#include <vector>

#include "kernels/kernel.h"

namespace pte::kernels {

class IntegerGemm {
 public:
  static constexpr int64_t kColumns = 8;

  // Writes the `inner` integers of a row.
  using Row = std::function<void(int64_t row, float* to)>;
  // Writes tile[k * kColumns + j] for the `count` columns from `column`, zero for further j.
  using Pack = std::function<void(int64_t column, int64_t count, float* tile)>;
  // Takes `count` finished sums of a row from `column` on: integers, unless blocks have scales.
  using Store = std::function<void(int64_t row, int64_t column, int64_t count, const double* sums)>;
  // Sums of `length` products are multiplied by scales[row * (inner / length) + block]; a length
  // of 0 means that there are none.
  struct Blocks {
    int64_t length;
    const float* scales;
  };

  // Results do not depend on the number of threads.
  static void run(const Call& call, int64_t rows, int64_t columns, int64_t inner, const Row& row,
                  const Pack& pack, const Store& store, Blocks blocks = {0, nullptr});
};

}  // namespace pte::kernels
