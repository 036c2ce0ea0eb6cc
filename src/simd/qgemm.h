// Linear layers of int8 weights over fp32: each row is quantised with the scale that its own
// extremes ask for, products are exact integers, and results are floats again. Weights have a scale
// for each column, or for each block of a column; those of 4 bits come widened to 8.
//
// As XNNPACK's dynamically quantised layers. With one scale a column, results are the same on every
// instruction set that has a fused multiply-add; blocks are summed up in fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "simd/buffer.h"
#include "simd/isa.h"
#include "simd/qtile.h"

namespace pte::simd {

class QGemm {
 public:
  struct Shape {
    int64_t m = 0;
    int64_t n = 0;
    int64_t k = 0;
    int64_t blocks = 1;  // of a column; k is a multiple, and blocks of more than one of 4
  };
  struct Args {
    const float* a = nullptr;  // [m, k]
    int64_t a_stride = 0;
    float* c = nullptr;  // [m, n]
    int64_t c_stride = 0;
  };

  // `weights`: [n, k]; `scales`: [n, blocks]; `bias`: [n], or null.
  static Result<QGemm> make(const Shape& shape, const int8_t* weights, const float* scales,
                            const float* bias, Isa isa = best_isa());

  const Shape& shape() const { return shape_; }
  int64_t tasks() const { return row_blocks_ * column_blocks_; }
  size_t scratch_bytes() const;
  // Tasks [begin, end), as Gemm::run.
  void run(const Args& args, int64_t begin, int64_t end, void* scratch) const;

 private:
  int64_t groups() const;  // of a block
  int64_t row_bytes() const;
  int64_t table_bytes() const;
  int64_t panel_bytes() const;

  Shape shape_;
  const QTileSet* tiles_ = nullptr;
  Isa isa_ = Isa::kScalar;
  std::shared_ptr<const Buffer> packed_;
  int64_t panels_ = 0;
  int64_t rows_per_block_ = 1;
  int64_t row_blocks_ = 0;
  int64_t panels_per_block_ = 1;
  int64_t column_blocks_ = 0;
};

}  // namespace pte::simd
