#include "simd/qgemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/qconv2d_impl.h"
#include "simd/quantize.h"

namespace pte::simd {
namespace {

constexpr int64_t kMostRows = 48;
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kSmallestTask = 256 * 1024;  // multiply-adds

// How a row is quantised by its extremes, as XNNPACK does it.
struct RowScale {
  float to_stored = 1;
  float to_real = 1;
  int32_t zero_point = 0;
};

RowScale scale_of(float least, float most) {
  constexpr float kLow = -128;
  constexpr float kHigh = 127;
  RowScale result;
  const float scale = least == most ? 1.0F : (kHigh - kLow) / (most - least);
  const float scaled_least = least * scale;
  const float scaled_most = most * scale;
  // The zero point comes from the end at which the range of integers fits worse.
  float zero_point =
      (kLow + scaled_least) + (kHigh + scaled_most) > 0 ? kLow - scaled_least : kHigh - scaled_most;
  // NaN becomes the lowest value.
  zero_point = zero_point > kLow ? std::min(zero_point, kHigh) : kLow;
  result.zero_point = static_cast<int32_t>(std::nearbyint(zero_point));
  result.to_real = 1.0F / scale;
  result.to_stored = scale;
  return result;
}

}  // namespace

int64_t QGemm::groups() const { return ceil_div(shape_.k / shape_.blocks, tiles_->group); }
int64_t QGemm::row_bytes() const {
  return whole_lines(shape_.blocks * groups() * tiles_->group * tiles_->input_bytes);
}
// Totals and scales of the blocks, then the bias.
int64_t QGemm::table_bytes() const {
  return whole_lines((2 * shape_.blocks + 1) * tiles_->real_width * 4);
}
int64_t QGemm::panel_bytes() const {
  return table_bytes() + whole_lines(shape_.blocks * groups() * tiles_->real_width * tiles_->group *
                                     tiles_->weight_bytes);
}

Result<QGemm> QGemm::make(const Shape& shape, const int8_t* weights, const float* scales,
                          const float* bias, Isa isa) {
  if (shape.m < 0 || shape.n < 1 || shape.k < 1 || shape.blocks < 1 ||
      shape.k % shape.blocks != 0) {
    return invalid_argument("int8 product of {}x{}x{} in {} blocks", shape.m, shape.n, shape.k,
                            shape.blocks);
  }
  // Sums of 255 * 128 each must fit 31 bits.
  if (shape.k / shape.blocks > 65536) {
    return unsupported("an int8 product that sums {} terms; at most 65536", shape.k / shape.blocks);
  }
  QGemm gemm;
  gemm.shape_ = shape;
  gemm.tiles_ = &qtile_set(isa);
  gemm.isa_ = isa;
  const QTileSet& tiles = *gemm.tiles_;
  const int64_t length = shape.k / shape.blocks;
  if (shape.blocks > 1 && length % tiles.group != 0) {
    return unsupported("int8 weights in blocks of {}", length);
  }
  const int64_t width = tiles.real_width;
  gemm.panels_ = ceil_div(shape.n, width);
  PTE_TRY(Buffer packed, Buffer::allocate(static_cast<size_t>(gemm.panels_ * gemm.panel_bytes())));
  auto* bytes = packed.fill<std::byte>();
  std::memset(bytes, 0, packed.size());
  for (int64_t column = 0; column < shape.n; ++column) {
    std::byte* panel = bytes + column / width * gemm.panel_bytes();
    const int64_t lane = column % width;
    auto* totals = reinterpret_cast<int32_t*>(panel);
    auto* factors = reinterpret_cast<float*>(panel) + shape.blocks * width;
    auto* adds = factors + shape.blocks * width;
    adds[lane] = bias == nullptr ? 0 : bias[column];
    for (int64_t b = 0; b < shape.blocks; ++b) {
      factors[b * width + lane] = scales[column * shape.blocks + b];
      for (int64_t i = 0; i < length; ++i) {
        const int8_t w = weights[column * shape.k + b * length + i];
        totals[b * width + lane] += w;
        const int64_t at =
            ((b * gemm.groups() + i / tiles.group) * width + lane) * tiles.group + i % tiles.group;
        std::byte* to = panel + gemm.table_bytes();
        if (tiles.weight_bytes == 1) {
          std::memcpy(to + at, &w, 1);
        } else {
          const auto wide = static_cast<int16_t>(w);
          std::memcpy(to + 2 * at, &wide, 2);
        }
      }
    }
  }
  gemm.packed_ = std::make_shared<const Buffer>(std::move(packed));
  gemm.rows_per_block_ = std::clamp<int64_t>(ceil_div(shape.m, kWantedTasks),
                                             std::min<int64_t>(shape.m, 12), kMostRows);
  gemm.rows_per_block_ = std::max<int64_t>(gemm.rows_per_block_, 1);
  gemm.row_blocks_ = ceil_div(shape.m, gemm.rows_per_block_);
  const int64_t work = gemm.rows_per_block_ * shape.n * shape.k;
  const int64_t wanted = gemm.row_blocks_ == 0 ? 1 : ceil_div(kWantedTasks, gemm.row_blocks_);
  const int64_t blocks =
      std::clamp<int64_t>(std::min(wanted, work / kSmallestTask), 1, gemm.panels_);
  gemm.panels_per_block_ = ceil_div(gemm.panels_, blocks);
  gemm.column_blocks_ = ceil_div(gemm.panels_, gemm.panels_per_block_);
  return gemm;
}

size_t QGemm::scratch_bytes() const {
  return static_cast<size_t>(whole_lines(kMostRows * 16) + whole_lines(shape_.k) +
                             rows_per_block_ * row_bytes());
}

void QGemm::run(const Args& args, int64_t begin, int64_t end, void* scratch) const {
  if (begin >= end) return;
  auto* bytes = static_cast<std::byte*>(scratch);
  const auto** rows = reinterpret_cast<const std::byte**>(bytes);
  auto* shift = reinterpret_cast<int32_t*>(rows + kMostRows);
  auto* real = reinterpret_cast<float*>(shift + kMostRows);
  auto* stored = reinterpret_cast<int8_t*>(bytes + whole_lines(kMostRows * 16));
  std::byte* prepared = bytes + whole_lines(kMostRows * 16) + whole_lines(shape_.k);
  QRealArgs tile;
  tile.rows = rows;
  tile.shift = shift;
  tile.real = real;
  tile.groups = groups();
  tile.blocks = shape_.blocks;
  tile.out_stride = args.c_stride;
  int64_t loaded = -1;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t block = task / column_blocks_;
    const int64_t first = block * rows_per_block_;
    tile.row_count = std::min(rows_per_block_, shape_.m - first);
    for (int64_t r = 0; block != loaded && r < tile.row_count; ++r) {
      const float* in = args.a + (first + r) * args.a_stride;
      float least = 0;
      float most = 0;
      tiles_->extremes(in, shape_.k, &least, &most);
      const RowScale scale = scale_of(least, most);
      quantize(in, scale.to_stored, scale.zero_point, -128, 127, stored, shape_.k, isa_);
      std::byte* row = prepared + r * row_bytes();
      tiles_->prepare(stored, shape_.k, 1, shape_.k, scale.zero_point, row);
      rows[r] = row;
      // Rows of bytes hold values + 128, others values less the zero point.
      shift[r] = tiles_->input_bytes == 1 ? 128 + scale.zero_point : 0;
      real[r] = scale.to_real;
    }
    loaded = block;
    const int64_t from = task % column_blocks_ * panels_per_block_;
    const int64_t to = std::min(from + panels_per_block_, panels_);
    for (int64_t p = from; p < to; ++p) {
      const std::byte* panel = packed_->as<std::byte>() + p * panel_bytes();
      const int64_t width = tiles_->real_width;
      tile.totals = reinterpret_cast<const int32_t*>(panel);
      tile.scale = reinterpret_cast<const float*>(panel) + shape_.blocks * width;
      tile.bias = tile.scale + shape_.blocks * width;
      tile.panel = panel + table_bytes();
      tile.columns = std::min(width, shape_.n - p * width);
      tile.out = args.c + first * args.c_stride + p * width;
      tiles_->real(tile);
    }
  }
}

}  // namespace pte::simd
