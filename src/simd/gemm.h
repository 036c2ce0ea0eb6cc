// C[m, n] = A[m, k] x B[k, n] + epilogue in fp32, B known beforehand (weights of a linear layer):
// it is packed once for the instruction set that will read it.
//
// Every element of C is one sum over k in rising order, so results depend neither on how the tasks
// are shared out nor on m.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "simd/buffer.h"
#include "simd/epilogue.h"
#include "simd/isa.h"

namespace pte::simd {

struct TileSet;

class Gemm {
 public:
  struct Shape {
    int64_t m = 0;
    int64_t n = 0;
    int64_t k = 0;
  };
  struct Args {
    const float* a = nullptr;
    int64_t a_stride = 0;  // floats from one row to the next, >= k
    float* c = nullptr;
    int64_t c_stride = 0;  // >= n
    Epilogue epilogue;
  };

  // `b` holds n rows of k (as PyTorch keeps the weight of a linear layer) when `transposed`, or k
  // rows of n; `b_stride` floats from one row to the next.
  static Result<Gemm> make(const Shape& shape, const float* b, int64_t b_stride, bool transposed,
                           Isa isa = best_isa());
  // Without weights yet: buffer() is to be provided with what pack() writes, before run().
  static Result<Gemm> unpacked(const Shape& shape, Isa isa = best_isa());
  // Takes what packed() of a kernel with the same n, k and isa gave, without a copy.
  static Result<Gemm> from_packed(const Shape& shape, Buffer packed, Isa isa = best_isa());
  // The same weights for another number of rows.
  Result<Gemm> with_rows(int64_t m) const;

  const Shape& shape() const { return shape_; }
  Isa isa() const { return isa_; }
  std::span<const std::byte> packed() const { return packed_.bytes(); }
  Buffer buffer() const { return packed_; }
  // Writes packed().size() bytes, which were zero, from `b` as make() takes it.
  void pack(const float* b, int64_t b_stride, bool transposed, std::byte* to) const;

  int64_t tasks() const { return row_blocks_ * column_blocks_; }
  size_t scratch_bytes() const { return scratch_bytes_; }  // aligned to kAlignment
  // Tasks [begin, end). Ranges that do not overlap may run at the same time, each with its own
  // scratch. C must overlap neither A nor, unless it is the same, the residual.
  void run(const Args& args, int64_t begin, int64_t end, void* scratch) const;

 private:
  void plan();

  Shape shape_;
  Isa isa_ = Isa::kScalar;
  const TileSet* tiles_ = nullptr;
  Buffer packed_;
  int64_t rows_per_block_ = 1;
  int64_t row_blocks_ = 0;
  int64_t columns_per_block_ = 1;
  int64_t column_blocks_ = 0;
  size_t scratch_bytes_ = 0;
};

}  // namespace pte::simd
