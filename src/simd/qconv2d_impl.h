// What the algorithms of QConv2d share.
#pragma once

#include <memory>

#include "simd/conv2d_impl.h"
#include "simd/qconv2d.h"

namespace pte::simd {

inline int64_t whole_lines(int64_t bytes) { return ceil_div(bytes, 64) * 64; }

class QConv2dImpl {
 public:
  QConv2dImpl(const QConv2dShape& shape, Isa isa) : shape_(shape), isa_(isa) {
    out_h_ = shape.conv.out_h();
    out_w_ = shape.conv.out_w();
  }
  virtual ~QConv2dImpl() = default;
  QConv2dImpl(const QConv2dImpl&) = delete;
  QConv2dImpl& operator=(const QConv2dImpl&) = delete;

  virtual size_t packed_bytes() const = 0;
  virtual void pack(const int8_t* weights, const int32_t* bias, const float* scale,
                    std::byte* packed) const = 0;
  virtual void run(const QConv2d::Args& args, int64_t begin, int64_t end, void* scratch) const = 0;

  QConv2dShape shape_;
  Buffer packed_;
  int64_t tasks_ = 0;
  size_t scratch_bytes_ = 0;

 protected:
  // Results of `rows` pixels, while they are in the cache.
  void map_rows(const ByteTable& table, int8_t* out, int64_t stride, int64_t width,
                int64_t rows) const {
    if (stride == width) {
      look_up(table, out, out, width * rows, isa_);
      return;
    }
    for (int64_t r = 0; r < rows; ++r, out += stride) look_up(table, out, out, width, isa_);
  }

  Isa isa_;
  int64_t out_h_ = 0;
  int64_t out_w_ = 0;
};

// Depthwise, in integers from end to end; null where the instruction set has no byte dot product.
std::unique_ptr<QConv2dImpl> make_woven_depthwise(const QConv2dShape& shape, Isa isa);

}  // namespace pte::simd
