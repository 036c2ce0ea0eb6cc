// Transposed 2-D convolution in fp32 over NHWC (1-D: height 1): each residue of the output position
// modulo the stride is a small convolution of its own, run as implicit GEMM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "simd/buffer.h"
#include "simd/epilogue.h"
#include "simd/isa.h"

namespace pte::simd {

struct ConvTranspose2dShape {
  int64_t n = 1;
  int64_t h = 0;  // of the input
  int64_t w = 0;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel_h = 1;
  int64_t kernel_w = 1;
  int64_t stride_h = 1;
  int64_t stride_w = 1;
  int64_t pad_h = 0;  // what PyTorch calls padding: cut off on both sides
  int64_t pad_w = 0;
  int64_t output_pad_h = 0;
  int64_t output_pad_w = 0;
  int64_t dilation_h = 1;
  int64_t dilation_w = 1;
  int64_t groups = 1;

  int64_t out_h() const {
    return (h - 1) * stride_h - 2 * pad_h + dilation_h * (kernel_h - 1) + output_pad_h + 1;
  }
  int64_t out_w() const {
    return (w - 1) * stride_w - 2 * pad_w + dilation_w * (kernel_w - 1) + output_pad_w + 1;
  }
};

class ConvTranspose2dImpl;

class ConvTranspose2d {
 public:
  struct Args {
    const float* input = nullptr;
    int64_t input_stride = 0;  // floats from pixel to pixel
    float* output = nullptr;
    int64_t output_stride = 0;
    Epilogue epilogue;
  };

  // `weights`: [in_channels, out_channels / groups, kernel_h, kernel_w], dense.
  static Result<ConvTranspose2d> make(const ConvTranspose2dShape& shape, const float* weights,
                                      Isa isa = best_isa());
  // Without weights yet, as Conv2d::unpacked().
  static Result<ConvTranspose2d> unpacked(const ConvTranspose2dShape& shape, Isa isa = best_isa());
  static Result<ConvTranspose2d> from_packed(const ConvTranspose2dShape& shape, Buffer packed,
                                             Isa isa = best_isa());

  const ConvTranspose2dShape& shape() const;
  std::span<const std::byte> packed() const;
  Buffer buffer() const;
  void pack(const float* weights, std::byte* to) const;
  int64_t tasks() const;
  size_t scratch_bytes() const;
  void run(const Args& args, int64_t begin, int64_t end, void* scratch) const;

 private:
  std::shared_ptr<const ConvTranspose2dImpl> impl_;
};

}  // namespace pte::simd
