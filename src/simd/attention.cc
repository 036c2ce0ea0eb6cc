#include "simd/attention.h"

#include <algorithm>

#include "base/checked.h"
#include "simd/attention_rows.h"
#include "simd/pack_vectors.h"
#include "simd/tile.h"

namespace pte::simd {

namespace {

constexpr int64_t kScoreFloats = 48 * 1024;  // held at once: a part of a L2 cache
constexpr int64_t kWantedTasks = 12;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t whole_lines(int64_t bytes) { return ceil_div(bytes, 64) * 64; }
int64_t float_bytes(int64_t count) {
  return whole_lines(count * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

struct Attention::Scratch {
  const float** rows;
  float* keys;     // packed
  float* values;   // packed
  float* scores;   // step_ x scores_stride_
  float* sums;     // step_ x value_dim
  float* queries;  // step_ x head_dim, turned
  float* turned;   // keys x head_dim, turned
  float* factors;  // step_
  int64_t bytes;
};

Attention::Scratch Attention::lay_out(void* scratch) const {
  auto* base = static_cast<std::byte*>(scratch);
  int64_t at = 0;
  const auto take = [&](int64_t bytes) {
    std::byte* here = base == nullptr ? nullptr : base + at;
    at += whole_lines(bytes);
    return here;
  };
  const auto floats = [&](int64_t count) {
    return reinterpret_cast<float*>(take(float_bytes(count)));
  };
  Scratch s;
  s.rows = reinterpret_cast<const float**>(take(step_ * static_cast<int64_t>(sizeof(float*))));
  s.keys = floats(padded_columns(*tiles_, shape_.keys) * shape_.head_dim);
  s.values = floats(padded_columns(*tiles_, shape_.value_dim) * shape_.keys);
  s.scores = floats(step_ * scores_stride_);
  s.sums = floats(step_ * shape_.value_dim);
  s.queries = floats(step_ * shape_.head_dim);
  s.turned = floats(shape_.keys * shape_.head_dim);
  s.factors = floats(step_);
  s.bytes = at;
  return s;
}

Result<Attention> Attention::make(const Shape& shape, Isa isa) {
  constexpr int64_t kMost = int64_t{1} << 24;
  for (const int64_t extent : {shape.batch, shape.heads, shape.queries}) {
    if (extent < 0 || extent > kMost)
      return invalid_argument("attention: an extent of {} is out of range", extent);
  }
  for (const int64_t extent : {shape.keys, shape.head_dim, shape.value_dim}) {
    if (extent < 1 || extent > kMost)
      return invalid_argument("attention: an extent of {} is out of range", extent);
  }
  const auto elements =
      checked_mul<int64_t>(shape.keys, std::max(shape.head_dim, shape.value_dim) + 64);
  if (!elements || *elements > (int64_t{1} << 32)) {
    return invalid_argument("attention over {} keys of {} and {} is too large", shape.keys,
                            shape.head_dim, shape.value_dim);
  }
  Attention attention;
  attention.shape_ = shape;
  attention.tiles_ = &tile_set(isa);
  attention.packs_ = &pack_set(isa);
  attention.rows_ = &attention_row_set(isa);
  const int64_t pass = attention.tiles_->max_rows;
  // An odd number of cache lines, so that rows do not fall on the same sets.
  attention.scores_stride_ = (ceil_div(shape.keys, 16) | 1) * 16;
  attention.step_ =
      std::clamp(kScoreFloats / attention.scores_stride_ / pass * pass, pass, 4 * pass);
  // Each task packs the keys and values of its head, so it takes many queries.
  const int64_t heads = std::max<int64_t>(shape.batch * shape.heads, 1);
  const int64_t blocks = std::clamp<int64_t>(ceil_div(kWantedTasks, heads), 1,
                                             std::max<int64_t>(shape.queries / (8 * pass), 1));
  attention.queries_per_block_ = std::max<int64_t>(ceil_div(shape.queries, blocks), 1);
  attention.query_blocks_ = ceil_div(shape.queries, attention.queries_per_block_);
  attention.step_ = std::min(attention.step_, attention.queries_per_block_);
  attention.scratch_bytes_ = static_cast<size_t>(attention.lay_out(nullptr).bytes);
  return attention;
}

void Attention::pack(const Args& args, int64_t batch, int64_t head, const Scratch& to) const {
  const float* k = args.k + batch * args.k_layout.batch_stride + head * args.k_layout.head_stride;
  int64_t stride = args.k_layout.token_stride;
  if (args.rope_cos != nullptr) {
    rows_->rope(k, stride, args.rope_cos, args.rope_sin, args.rope_stride, args.rope_halves,
                to.turned, shape_.head_dim, shape_.keys, shape_.head_dim);
    k = to.turned;
    stride = shape_.head_dim;
  }
  packs_->transposed(k, stride, shape_.keys, shape_.head_dim, args.scale, to.keys);
  packs_->plain(args.v + batch * args.v_layout.batch_stride + head * args.v_layout.head_stride,
                args.v_layout.token_stride, shape_.value_dim, shape_.keys, 1.0f, to.values);
}

void Attention::run(const Args& args, int64_t begin, int64_t end, void* scratch) const {
  const Scratch s = lay_out(scratch);
  const int64_t tap = 0;
  TileArgs tile;
  tile.rows = s.rows;
  tile.taps = &tap;
  tile.tap_count = 1;
  int64_t packed = -1;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t both = task / query_blocks_;
    const int64_t batch = both / shape_.heads;
    const int64_t head = both % shape_.heads;
    if (both != packed) {
      pack(args, batch, head, s);
      packed = both;
    }
    const int64_t first = task % query_blocks_ * queries_per_block_;
    const int64_t last = std::min(first + queries_per_block_, shape_.queries);
    for (int64_t query = first; query < last; query += step_) {
      const int64_t count = std::min(step_, last - query);
      const float* q = args.q + batch * args.q_layout.batch_stride +
                       head * args.q_layout.head_stride + query * args.q_layout.token_stride;
      int64_t stride = args.q_layout.token_stride;
      if (args.rope_cos != nullptr) {
        const int64_t at = query * args.rope_stride;
        rows_->rope(q, stride, args.rope_cos + at, args.rope_sin + at, args.rope_stride,
                    args.rope_halves, s.queries, shape_.head_dim, count, shape_.head_dim);
        q = s.queries;
        stride = shape_.head_dim;
      }
      for (int64_t r = 0; r < count; ++r) s.rows[r] = q + r * stride;
      tile.row_count = count;
      tile.depth = shape_.head_dim;
      tile.panel = s.keys;
      tile.out = s.scores;
      tile.out_stride = scores_stride_;
      // Behind the last key that any of these queries sees there is nothing to compute.
      const int64_t keys = shape_.causal ? std::min(shape_.keys, query + count) : shape_.keys;
      run_columns(*tiles_, tile, shape_.keys, 0, keys);

      const float* mask = args.mask == nullptr
                              ? nullptr
                              : args.mask + batch * args.mask_batch_stride +
                                    head * args.mask_head_stride + query * args.mask_query_stride;
      rows_->softmax(s.scores, scores_stride_, count, keys, shape_.causal ? query + 1 : 0, mask,
                     args.mask_query_stride, s.factors);

      for (int64_t r = 0; r < count; ++r) s.rows[r] = s.scores + r * scores_stride_;
      tile.out_stride = shape_.value_dim;
      tile.depth = keys;
      // Panels of values are packed for all keys; a causal block reads the first of each.
      for (int64_t j = 0; j < shape_.value_dim; j += tiles_->panel_width) {
        tile.panel = s.values + j * shape_.keys;
        tile.columns = std::min(tiles_->panel_width, shape_.value_dim - j);
        tile.out = s.sums + j;
        (tile.columns <= tiles_->lanes ? tiles_->narrow : tiles_->wide)(tile);
      }
      rows_->scale(s.sums, shape_.value_dim, s.factors, count, shape_.value_dim,
                   args.out + batch * args.out_layout.batch_stride +
                       head * args.out_layout.head_stride + query * args.out_layout.token_stride,
                   args.out_layout.token_stride);
    }
  }
}

}  // namespace pte::simd
