#include "kernels/quantized_nn/integer_gemm.h"

#include <algorithm>

namespace pte::kernels {
namespace {

constexpr int64_t kColumns = IntegerGemm::kColumns;
constexpr int64_t kRows = 4;
constexpr int64_t kExact = 256;  // products whose sum a float holds exactly

// One vector register of the baseline instruction set.
typedef float Vector __attribute__((vector_size(16)));
constexpr int64_t kLanes = 4;

// Calls part(begin, end, scale index) for stretches of at most kExact within each block.
template <typename Part>
void for_each_part(int64_t inner, int64_t block, Part part) {
  const int64_t length = block > 0 ? block : inner;
  for (int64_t first = 0, index = 0; first < inner; first += length, ++index) {
    const int64_t last = std::min(first + length, inner);
    for (int64_t begin = first; begin < last; begin += kExact) {
      part(begin, std::min(begin + kExact, last), index);
    }
  }
}

void multiply(const float* const (&lines)[kRows], const float* const (&scales)[kRows],
              const float* tile, int64_t inner, int64_t block, double (&sums)[kRows][kColumns]) {
  std::memset(sums, 0, sizeof(sums));
  for_each_part(inner, block, [&](int64_t begin, int64_t end, int64_t index) {
    Vector part[kRows][2] = {};
    for (int64_t k = begin; k < end; ++k) {
      Vector right[2];
      std::memcpy(right, tile + k * kColumns, sizeof(right));
      for (int64_t r = 0; r < kRows; ++r) {
        const float x = lines[r][k];
        part[r][0] += x * right[0];
        part[r][1] += x * right[1];
      }
    }
    for (int64_t r = 0; r < kRows; ++r) {
      const double scale = scales[r] == nullptr ? 1.0 : static_cast<double>(scales[r][index]);
      float values[kColumns];
      std::memcpy(values, part[r], sizeof(values));
      for (int64_t j = 0; j < kColumns; ++j) {
        sums[r][j] += scale * static_cast<double>(values[j]);
      }
    }
  });
}

double dot(const float* a, const float* b, const float* scales, int64_t inner, int64_t block) {
  double sum = 0;
  for_each_part(inner, block, [&](int64_t begin, int64_t end, int64_t index) {
    Vector part[4] = {};
    int64_t k = begin;
    for (; k + 4 * kLanes <= end; k += 4 * kLanes) {
      Vector x[4];
      Vector y[4];
      std::memcpy(x, a + k, sizeof(x));
      std::memcpy(y, b + k, sizeof(y));
      for (int64_t i = 0; i < 4; ++i) part[i] += x[i] * y[i];
    }
    float lanes[kLanes];
    const Vector all = (part[0] + part[1]) + (part[2] + part[3]);
    std::memcpy(lanes, &all, sizeof(lanes));
    float total = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    for (; k < end; ++k) total += a[k] * b[k];
    const double scale = scales == nullptr ? 1.0 : static_cast<double>(scales[index]);
    sum += scale * static_cast<double>(total);
  });
  return sum;
}

}  // namespace

void IntegerGemm::run(const Call& call, int64_t rows, int64_t columns, int64_t inner,
                      const Row& row, const Pack& pack, const Store& store, Blocks blocks) {
  if (rows <= 0 || columns <= 0) return;
  const int64_t block_count = blocks.length > 0 ? inner / blocks.length : 0;
  const auto scales_of = [&](int64_t r) {
    return blocks.length > 0 ? blocks.scales + r * block_count : nullptr;
  };
  const int64_t tile_size = std::max<int64_t>(inner, 1) * kColumns;
  const int64_t grain = 1 + (1 << 13) / tile_size;
  if (columns == 1) {
    // One token: a tile would be mostly empty.
    std::vector<float> tile(static_cast<size_t>(tile_size));
    pack(0, 1, tile.data());
    std::vector<float> line(static_cast<size_t>(inner));
    for (int64_t k = 0; k < inner; ++k) line[static_cast<size_t>(k)] = tile[k * kColumns];
    call.parallel_for(rows, 4 * grain, [&](int64_t begin, int64_t end) {
      std::vector<float> weights(static_cast<size_t>(inner));
      for (int64_t r = begin; r < end; ++r) {
        row(r, weights.data());
        const double sum = dot(weights.data(), line.data(), scales_of(r), inner, blocks.length);
        store(r, 0, 1, &sum);
      }
    });
    return;
  }
  // As many tiles at a time as fit a second-level cache.
  constexpr int64_t kPanelBytes = 1 << 19;
  const int64_t tiles = (columns + kColumns - 1) / kColumns;
  const int64_t at_once =
      std::clamp<int64_t>(kPanelBytes / static_cast<int64_t>(sizeof(float)) / tile_size, 1, tiles);
  std::vector<float> panel(static_cast<size_t>(at_once * tile_size));
  for (int64_t first = 0; first < tiles; first += at_once) {
    const int64_t count = std::min(at_once, tiles - first);
    call.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t column = (first + t) * kColumns;
        pack(column, std::min(kColumns, columns - column), panel.data() + t * tile_size);
      }
    });
    call.parallel_for((rows + kRows - 1) / kRows, grain, [&](int64_t begin, int64_t end) {
      std::vector<float> unpacked(static_cast<size_t>(kRows * inner));
      double sums[kRows][kColumns];
      for (int64_t item = begin; item < end; ++item) {
        const int64_t top = item * kRows;
        const int64_t height = std::min(kRows, rows - top);
        // Missing rows of the last block repeat its last one and are not stored.
        const float* lines[kRows];
        const float* scales[kRows];
        for (int64_t r = 0; r < kRows; ++r) {
          const int64_t real = std::min(r, height - 1);
          float* line = unpacked.data() + real * inner;
          if (r == real) row(top + r, line);
          lines[r] = line;
          scales[r] = scales_of(top + real);
        }
        for (int64_t t = 0; t < count; ++t) {
          const int64_t column = (first + t) * kColumns;
          multiply(lines, scales, panel.data() + t * tile_size, inner, blocks.length, sums);
          for (int64_t r = 0; r < height; ++r) {
            store(top + r, column, std::min(kColumns, columns - column), sums[r]);
          }
        }
      }
    });
  }
}

}  // namespace pte::kernels
