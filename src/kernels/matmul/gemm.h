// The product of a row-major matrix with columns that are packed on the way.
//
// Convolutions and matrix products are both this: rows are filters (or rows of the left matrix),
// columns are output pixels (or columns of the right one). Columns are packed in tiles of kColumns,
// the inner dimension outermost, so that the innermost loop reads both sides in order.
#pragma once

#include <cstring>
#include <functional>
#include <vector>

#include "kernels/kernel.h"

namespace pte::kernels {

template <typename T>
class Gemm {
 public:
  static constexpr int64_t kColumns = 32 / sizeof(T);
  static constexpr int64_t kRows = 4;

  // Writes tile[k * kColumns + j] for the `count` columns from `column`, zero for further j.
  using Pack = std::function<void(int64_t column, int64_t count, T* tile)>;
  // Takes `count` finished elements of a row from `column` on.
  using Store = std::function<void(int64_t row, int64_t column, int64_t count, const T* values)>;

  // `left` has `rows` rows of `inner` elements, `left_step` apart. Each result element is summed
  // in an order that depends on `inner` alone, so results do not depend on the threads.
  static void run(const Call& call, int64_t rows, int64_t columns, int64_t inner, const T* left,
                  int64_t left_step, const Pack& pack, const Store& store) {
    if (rows <= 0 || columns <= 0) return;
    // As many tiles at a time as fit a second-level cache.
    constexpr int64_t kPanelBytes = 1 << 19;
    const int64_t tile_size = std::max<int64_t>(inner, 1) * kColumns;
    const int64_t tiles = (columns + kColumns - 1) / kColumns;
    const int64_t at_once =
        std::clamp<int64_t>(kPanelBytes / static_cast<int64_t>(sizeof(T)) / tile_size, 1, tiles);
    const int64_t row_blocks = (rows + kRows - 1) / kRows;
    std::vector<T> panel(static_cast<size_t>(at_once * tile_size));
    for (int64_t first = 0; first < tiles; first += at_once) {
      const int64_t count = std::min(at_once, tiles - first);
      call.parallel_for(count, 1 + (1 << 13) / tile_size, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          const int64_t column = (first + t) * kColumns;
          pack(column, std::min(kColumns, columns - column), panel.data() + t * tile_size);
        }
      });
      call.parallel_for(
          row_blocks * count, 1 + (1 << 13) / tile_size, [&](int64_t begin, int64_t end) {
            T results[kRows][kColumns];
            for (int64_t item = begin; item < end; ++item) {
              const int64_t row = item / count * kRows;
              const int64_t tile = item % count;
              const int64_t column = (first + tile) * kColumns;
              // Missing rows of the last block repeat its last one and are not stored.
              const T* lines[kRows];
              for (int64_t r = 0; r < kRows; ++r)
                lines[r] = left + std::min(row + r, rows - 1) * left_step;
              multiply(lines, panel.data() + tile * tile_size, inner, results);
              for (int64_t r = 0; r < std::min(kRows, rows - row); ++r) {
                store(row + r, column, std::min(kColumns, columns - column), results[r]);
              }
            }
          });
    }
  }

 private:
  // One vector register of the baseline instruction set.
  typedef T Vector __attribute__((vector_size(16)));
  static constexpr int64_t kLanes = 16 / sizeof(T);

  // Sums blocks of the inner dimension apart, which bounds the rounding error by the block's
  // length plus the number of blocks.
  static void multiply(const T* const (&lines)[kRows], const T* tile, int64_t inner,
                       T (&results)[kRows][kColumns]) {
    constexpr int64_t kBlockLength = 64;
    std::memset(results, 0, sizeof(results));
    for (int64_t begin = 0; begin < inner; begin += kBlockLength) {
      const int64_t end = std::min(begin + kBlockLength, inner);
      Vector sums[kRows][2] = {};
      for (int64_t k = begin; k < end; ++k) {
        Vector right[2];
        std::memcpy(right, tile + k * kColumns, sizeof(right));
        for (int64_t r = 0; r < kRows; ++r) {
          const T x = lines[r][k];
          sums[r][0] += x * right[0];
          sums[r][1] += x * right[1];
        }
      }
      for (int64_t r = 0; r < kRows; ++r) {
        T part[kColumns];
        std::memcpy(part, sums[r], sizeof(part));
        for (int64_t j = 0; j < kColumns; ++j) results[r][j] += part[j];
      }
    }
  }
};

// Integers multiply as unsigned ones, which wrap.
template <typename C>
using GemmElement = std::conditional_t<std::is_same_v<C, int64_t>, uint64_t, C>;

}  // namespace pte::kernels
