// Scaled dot-product attention in fp32: softmax(scale * Q x K^T + mask) x V for each head, a block
// of queries at a time, so that the scores never leave the cache. Rotary position embedding of
// queries and keys is done on the way in.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "simd/isa.h"

namespace pte::simd {

struct AttentionRowSet;
struct PackSet;
struct TileSet;

class Attention {
 public:
  struct Shape {
    int64_t batch = 1;
    int64_t heads = 1;
    int64_t queries = 0;
    int64_t keys = 0;
    int64_t head_dim = 0;   // of queries and keys
    int64_t value_dim = 0;  // of values and the output
    bool causal = false;    // query i sees keys [0, i]
  };
  // One of Q, K, V and the output: element (b, h, token, i) lies at
  // b * batch_stride + h * head_stride + token * token_stride + i. Any layout will do that keeps a
  // token's row of a head together: separate tensors, or windows of one QKV tensor.
  struct Layout {
    int64_t batch_stride = 0;
    int64_t head_stride = 0;
    int64_t token_stride = 0;
  };
  struct Args {
    const float* q = nullptr;
    const float* k = nullptr;
    const float* v = nullptr;
    float* out = nullptr;
    Layout q_layout;
    Layout k_layout;
    Layout v_layout;
    Layout out_layout;
    float scale = 1.0f;
    // Added to the scores, or null: element (b, h, query, key); strides may be 0.
    const float* mask = nullptr;
    int64_t mask_batch_stride = 0;
    int64_t mask_head_stride = 0;
    int64_t mask_query_stride = 0;
    // Rows of cos and sin for each token, head_dim wide, as rope_rows() (attention_rows.h) takes
    // them, or null. Tokens of queries and of keys count from 0.
    const float* rope_cos = nullptr;
    const float* rope_sin = nullptr;
    int64_t rope_stride = 0;
    bool rope_halves = false;
  };

  static Result<Attention> make(const Shape& shape, Isa isa = best_isa());

  const Shape& shape() const { return shape_; }
  int64_t tasks() const { return shape_.batch * shape_.heads * query_blocks_; }
  size_t scratch_bytes() const { return scratch_bytes_; }
  // As Gemm::run.
  void run(const Args& args, int64_t begin, int64_t end, void* scratch) const;

 private:
  struct Scratch;
  Scratch lay_out(void* scratch) const;
  void pack(const Args& args, int64_t batch, int64_t head, const Scratch& to) const;

  Shape shape_;
  const TileSet* tiles_ = nullptr;
  const PackSet* packs_ = nullptr;
  const AttentionRowSet* rows_ = nullptr;
  int64_t queries_per_block_ = 1;  // of a task
  int64_t query_blocks_ = 0;
  int64_t step_ = 1;           // queries whose scores are held at once
  int64_t scores_stride_ = 0;  // floats
  size_t scratch_bytes_ = 0;
};

}  // namespace pte::simd
