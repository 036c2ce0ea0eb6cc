#include "simd/gemm.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/checked.h"
#include "simd/tile.h"

namespace pte::simd {

namespace {

constexpr int64_t kLargestExtent = int64_t{1} << 31;
constexpr int64_t kBlockFloats = 128 * 1024;  // of A, read again for each panel: fits a L2 cache
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kSmallestTask = 128 * 1024;  // multiply-adds

// Rows at such a distance in floats fall on so few sets of the first cache that the rows of one
// pass of the inner loop drive each other out; they are copied to a distance that spreads them.
constexpr int64_t kConflict = 512;
constexpr int64_t kSpread = 16;
constexpr int64_t kFewRows = 4;

int64_t addresses_bytes(int64_t rows) {
  return (rows * static_cast<int64_t>(sizeof(float*)) + 63) / 64 * 64;
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

Status check_shape(const Gemm::Shape& shape) {
  for (const int64_t extent : {shape.m, shape.n, shape.k}) {
    if (extent < 0 || extent > kLargestExtent) {
      return invalid_argument("GEMM {} x {} x {}: extents must lie in [0, 2^31]", shape.m, shape.n,
                              shape.k);
    }
  }
  const auto weights = checked_mul<int64_t>(shape.n + 64, shape.k);
  if (!weights || *weights > (int64_t{1} << 40)) {
    return invalid_argument("GEMM {} x {} x {}: the weights are too large", shape.m, shape.n,
                            shape.k);
  }
  return {};
}

}  // namespace

Result<Gemm> Gemm::make(const Shape& shape, const float* b, int64_t b_stride, bool transposed,
                        Isa isa) {
  PTE_TRY(Gemm gemm, unpacked(shape, isa));
  PTE_TRY(Buffer packed, Buffer::allocate(gemm.packed_.size()));
  gemm.pack(b, b_stride, transposed, packed.fill<std::byte>());
  gemm.packed_.provide(packed);
  return gemm;
}

Result<Gemm> Gemm::unpacked(const Shape& shape, Isa isa) {
  PTE_CHECK(check_shape(shape));
  const auto floats = static_cast<size_t>(padded_columns(tile_set(isa), shape.n) * shape.k);
  return from_packed(shape, Buffer::later(floats * sizeof(float)), isa);
}

void Gemm::pack(const float* b, int64_t b_stride, bool transposed, std::byte* to) const {
  pack_columns(
      *tiles_, shape_.n, shape_.k, reinterpret_cast<float*>(to),
      [&](int64_t p, int64_t j) { return transposed ? b[j * b_stride + p] : b[p * b_stride + j]; });
}

Result<Gemm> Gemm::from_packed(const Shape& shape, Buffer packed, Isa isa) {
  PTE_CHECK(check_shape(shape));
  Gemm gemm;
  gemm.shape_ = shape;
  gemm.isa_ = isa;
  gemm.tiles_ = &tile_set(isa);
  const auto bytes =
      static_cast<size_t>(padded_columns(*gemm.tiles_, shape.n) * shape.k) * sizeof(float);
  if (packed.size() != bytes) {
    return invalid_data("packed weights of a {} x {} GEMM for {}: {} bytes, expected {}", shape.k,
                        shape.n, isa_name(isa), packed.size(), bytes);
  }
  gemm.packed_ = std::move(packed);
  gemm.plan();
  return gemm;
}

Result<Gemm> Gemm::with_rows(int64_t m) const {
  return from_packed({m, shape_.n, shape_.k}, packed_, isa_);
}

void Gemm::plan() {
  if (shape_.m == 0 || shape_.n == 0) return;
  const int64_t pass = tiles_->max_rows;
  const int64_t fitting = kBlockFloats / std::max<int64_t>(shape_.k, 1) / pass * pass;
  rows_per_block_ = std::min(shape_.m, std::clamp(fitting, 4 * pass, 16 * pass));
  row_blocks_ = ceil_div(shape_.m, rows_per_block_);
  // Even blocks, whole passes.
  rows_per_block_ = ceil_div(ceil_div(shape_.m, row_blocks_), pass) * pass;
  row_blocks_ = ceil_div(shape_.m, rows_per_block_);
  rows_per_block_ = std::min(rows_per_block_, shape_.m);

  const int64_t panels = ceil_div(shape_.n, tiles_->panel_width);
  const int64_t work = rows_per_block_ * shape_.n * std::max<int64_t>(shape_.k, 1);
  int64_t blocks = std::min(ceil_div(kWantedTasks, row_blocks_), work / kSmallestTask);
  blocks = std::clamp<int64_t>(blocks, 1, panels);
  columns_per_block_ = ceil_div(panels, blocks) * tiles_->panel_width;
  column_blocks_ = ceil_div(shape_.n, columns_per_block_);
  scratch_bytes_ = static_cast<size_t>(addresses_bytes(rows_per_block_));
  if (shape_.k % kConflict == 0 && rows_per_block_ > kFewRows) {
    scratch_bytes_ += static_cast<size_t>(rows_per_block_ * (shape_.k + kSpread)) * sizeof(float);
  }
}

void Gemm::run(const Args& args, int64_t begin, int64_t end, void* scratch) const {
  const auto** rows = static_cast<const float**>(scratch);
  const int64_t tap = 0;
  TileArgs tile;
  tile.rows = rows;
  tile.taps = &tap;
  tile.tap_count = 1;
  tile.depth = shape_.k;
  tile.panel = packed_.as<float>();
  tile.out_stride = args.c_stride;
  tile.bias = args.epilogue.bias;
  tile.residual_stride = args.epilogue.residual_stride;
  tile.residual_after_activation = args.epilogue.residual_after_activation;
  tile.activation = args.epilogue.activation;
  tile.lo = args.epilogue.lo;
  tile.hi = args.epilogue.hi;
  auto* copied =
      reinterpret_cast<float*>(static_cast<std::byte*>(scratch) + addresses_bytes(rows_per_block_));
  const bool copies = shape_.k % kConflict == 0 && args.a_stride % kConflict == 0 &&
                      rows_per_block_ > kFewRows && shape_.n > tiles_->panel_width;
  int64_t loaded = -1;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t block = task % row_blocks_;
    const int64_t first = block * rows_per_block_;
    tile.row_count = std::min(rows_per_block_, shape_.m - first);
    if (block != loaded) {
      for (int64_t r = 0; r < tile.row_count; ++r) {
        rows[r] = args.a + (first + r) * args.a_stride;
        if (copies) {
          float* copy = copied + r * (shape_.k + kSpread);
          std::memcpy(copy, rows[r], static_cast<size_t>(shape_.k) * sizeof(float));
          rows[r] = copy;
        }
      }
      loaded = block;
    }
    tile.out = args.c + first * args.c_stride;
    if (args.epilogue.residual != nullptr) {
      tile.residual = args.epilogue.residual + first * args.epilogue.residual_stride;
    }
    const int64_t column = task / row_blocks_ * columns_per_block_;
    run_columns(*tiles_, tile, shape_.n, column, std::min(column + columns_per_block_, shape_.n));
  }
}

}  // namespace pte::simd
