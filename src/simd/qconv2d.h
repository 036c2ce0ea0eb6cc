// 2-D convolution of int8 (static quantization, weights scaled by output channel) over NHWC; a
// linear layer is a 1x1 convolution of one row. Sums are exact integers, so every instruction set
// gives the same bytes.
//
//   out = clamp(round_to_even((bias[o] + sum (in - input_zero_point) * w) * scale[o])
//               + output_zero_point, lowest, highest)
//
// which is what XNNPACK computes for the same numbers, padding being input_zero_point.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "simd/buffer.h"
#include "simd/bytes.h"
#include "simd/conv2d.h"
#include "simd/isa.h"

namespace pte::simd {

struct QConv2dShape {
  Conv2dShape conv;  // input_nchw must be false
  int32_t input_zero_point = 0;
  int32_t output_zero_point = 0;
  int32_t lowest = -128;  // of the output: relu and relu6 are limits
  int32_t highest = 127;
};

class QConv2dImpl;

class QConv2d {
 public:
  struct Args {
    const int8_t* input = nullptr;
    int64_t input_stride = 0;  // from pixel to pixel
    int8_t* output = nullptr;
    int64_t output_stride = 0;
    const ByteTable* table = nullptr;  // applied to the results
  };

  // `weights`: [out_channels, in_channels / groups, kernel_h, kernel_w]; `bias` (may be null) in
  // units of input scale times weight scale; `scale` = input scale * weight scale / output scale.
  static Result<QConv2d> make(const QConv2dShape& shape, const int8_t* weights, const int32_t* bias,
                              const float* scale, Isa isa = best_isa());
  // Without weights yet, as Conv2d::unpacked().
  static Result<QConv2d> unpacked(const QConv2dShape& shape, Isa isa = best_isa());
  static Result<QConv2d> from_packed(const QConv2dShape& shape, Buffer packed,
                                     Isa isa = best_isa());

  const QConv2dShape& shape() const;
  std::span<const std::byte> packed() const;  // weights, bias and scales
  Buffer buffer() const;
  void pack(const int8_t* weights, const int32_t* bias, const float* scale, std::byte* to) const;
  int64_t tasks() const;
  size_t scratch_bytes() const;
  // As Gemm::run.
  void run(const Args& args, int64_t begin, int64_t end, void* scratch) const;

 private:
  static Result<std::unique_ptr<QConv2dImpl>> choose(const QConv2dShape& shape, Isa isa);
  std::shared_ptr<const QConv2dImpl> impl_;
};

}  // namespace pte::simd
