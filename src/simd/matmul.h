// C[b, m, n] = scale * A[b, m, k] x B[b, k, n] in fp32, both operands known only when it runs
// (attention: A x B^T, then A x B).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "simd/epilogue.h"
#include "simd/isa.h"

namespace pte::simd {

struct PackSet;
struct TileSet;

class Matmul {
 public:
  struct Shape {
    int64_t batch = 1;
    int64_t m = 0;
    int64_t n = 0;
    int64_t k = 0;
    bool b_transposed = false;  // B is given as [b, n, k]
  };
  // Rows are contiguous; strides count floats.
  struct Args {
    const float* a = nullptr;
    int64_t a_stride = 0;        // from row to row
    int64_t a_batch_stride = 0;  // from matrix to matrix, 0 for one shared matrix
    const float* b = nullptr;
    int64_t b_stride = 0;
    int64_t b_batch_stride = 0;
    float* c = nullptr;
    int64_t c_stride = 0;
    int64_t c_batch_stride = 0;
    float scale = 1.0f;  // of B, before anything else
    Epilogue epilogue;   // residual: by rows of the whole batch, `m` rows each
  };

  static Result<Matmul> make(const Shape& shape, Isa isa = best_isa());

  const Shape& shape() const { return shape_; }
  int64_t tasks() const { return shape_.batch * row_blocks_ * column_blocks_; }
  size_t scratch_bytes() const { return scratch_bytes_; }
  void run(const Args& args, int64_t begin, int64_t end, void* scratch) const;

 private:
  Shape shape_;
  const TileSet* tiles_ = nullptr;
  const PackSet* packs_ = nullptr;
  int64_t rows_per_block_ = 1;
  int64_t row_blocks_ = 0;
  int64_t columns_per_block_ = 1;
  int64_t column_blocks_ = 0;
  size_t scratch_bytes_ = 0;
};

}  // namespace pte::simd
