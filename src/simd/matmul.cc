#include "simd/matmul.h"

#include <algorithm>

#include "base/checked.h"
#include "simd/pack_vectors.h"
#include "simd/tile.h"

namespace pte::simd {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 31;
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kSmallestTask = 128 * 1024;  // multiply-adds

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Result<Matmul> Matmul::make(const Shape& shape, Isa isa) {
  for (const int64_t extent : {shape.batch, shape.m, shape.n, shape.k}) {
    if (extent < 0 || extent > kLargestExtent) {
      return invalid_argument("matmul of {} times {} x {} x {}: extents must lie in [0, 2^31]",
                              shape.batch, shape.m, shape.n, shape.k);
    }
  }
  const auto elements = checked_mul<int64_t>(shape.n + 64, shape.k);
  if (!elements || *elements > (int64_t{1} << 40)) {
    return invalid_argument("matmul of {} times {} x {} x {} is too large", shape.batch, shape.m,
                            shape.n, shape.k);
  }
  Matmul matmul;
  matmul.shape_ = shape;
  matmul.tiles_ = &tile_set(isa);
  matmul.packs_ = &pack_set(isa);
  if (shape.m == 0 || shape.n == 0) return matmul;
  const int64_t panels = ceil_div(shape.n, matmul.tiles_->panel_width);
  // Each task packs the columns that it needs, so it takes many rows: first columns are cut, then
  // rows.
  const int64_t work = shape.m * shape.n * std::max<int64_t>(shape.k, 1);
  const int64_t wanted = std::clamp<int64_t>(
      std::min(ceil_div(kWantedTasks, std::max<int64_t>(shape.batch, 1)), work / kSmallestTask), 1,
      kWantedTasks);
  const int64_t blocks = std::min(wanted, panels);
  // At most 64 Ki floats of packed columns for each task, to stay in the cache.
  const int64_t fitting = std::max<int64_t>(
      64 * 1024 / (std::max<int64_t>(shape.k, 1) * matmul.tiles_->panel_width), 1);
  matmul.columns_per_block_ =
      std::min(ceil_div(panels, blocks), fitting) * matmul.tiles_->panel_width;
  matmul.column_blocks_ = ceil_div(shape.n, matmul.columns_per_block_);
  const int64_t cuts = std::clamp<int64_t>(ceil_div(wanted, matmul.column_blocks_), 1,
                                           ceil_div(shape.m, 8 * matmul.tiles_->max_rows));
  matmul.rows_per_block_ = ceil_div(shape.m, cuts);
  matmul.row_blocks_ = ceil_div(shape.m, matmul.rows_per_block_);
  const int64_t rows_bytes =
      ceil_div(matmul.rows_per_block_ * static_cast<int64_t>(sizeof(float*)), 64) * 64;
  const int64_t packed =
      padded_columns(*matmul.tiles_, std::min(matmul.columns_per_block_, shape.n)) * shape.k *
      static_cast<int64_t>(sizeof(float));
  matmul.scratch_bytes_ = static_cast<size_t>(rows_bytes + packed);
  return matmul;
}

void Matmul::run(const Args& args, int64_t begin, int64_t end, void* scratch) const {
  const auto** rows = static_cast<const float**>(scratch);
  auto* packed = reinterpret_cast<float*>(
      static_cast<std::byte*>(scratch) +
      ceil_div(rows_per_block_ * static_cast<int64_t>(sizeof(float*)), 64) * 64);
  const int64_t tap = 0;
  TileArgs tile;
  tile.rows = rows;
  tile.taps = &tap;
  tile.tap_count = 1;
  tile.depth = shape_.k;
  tile.panel = packed;
  tile.out_stride = args.c_stride;
  tile.residual_stride = args.epilogue.residual_stride;
  tile.residual_after_activation = args.epilogue.residual_after_activation;
  tile.activation = args.epilogue.activation;
  tile.lo = args.epilogue.lo;
  tile.hi = args.epilogue.hi;
  int64_t loaded = -1;
  for (int64_t task = begin; task < end; ++task) {
    // Row blocks follow each other, so that packed columns serve as many as they can.
    const int64_t block = task / row_blocks_;
    const int64_t batch = block / column_blocks_;
    const int64_t column = block % column_blocks_ * columns_per_block_;
    const int64_t columns = std::min(columns_per_block_, shape_.n - column);
    if (block != loaded) {
      const float* b = args.b + batch * args.b_batch_stride;
      if (shape_.b_transposed) {
        packs_->transposed(b + column * args.b_stride, args.b_stride, columns, shape_.k, args.scale,
                           packed);
      } else {
        packs_->plain(b + column, args.b_stride, columns, shape_.k, args.scale, packed);
      }
      loaded = block;
    }
    const int64_t first = task % row_blocks_ * rows_per_block_;
    tile.row_count = std::min(rows_per_block_, shape_.m - first);
    const float* a = args.a + batch * args.a_batch_stride + first * args.a_stride;
    for (int64_t r = 0; r < tile.row_count; ++r) rows[r] = a + r * args.a_stride;
    tile.out = args.c + batch * args.c_batch_stride + first * args.c_stride + column;
    if (args.epilogue.bias != nullptr) tile.bias = args.epilogue.bias + column;
    if (args.epilogue.residual != nullptr) {
      tile.residual = args.epilogue.residual +
                      (batch * shape_.m + first) * args.epilogue.residual_stride + column;
    }
    run_columns(*tiles_, tile, columns, 0, columns);
  }
}

}  // namespace pte::simd
