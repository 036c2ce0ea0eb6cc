// 2-D convolution in fp32 over NHWC (1-D: height 1), weights as PyTorch keeps them: OIHW, packed
// once. One class for all kinds; make() chooses the algorithm from the shape and says which.
//
// Input and output pixels may be windows of wider tensors (concat and slice by aliasing): only the
// distance from pixel to pixel counts; rows and images follow without gaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "simd/buffer.h"
#include "simd/epilogue.h"
#include "simd/isa.h"

namespace pte::simd {

struct Conv2dShape {
  int64_t n = 1;
  int64_t h = 0;  // of the input
  int64_t w = 0;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel_h = 1;
  int64_t kernel_w = 1;
  int64_t stride_h = 1;
  int64_t stride_w = 1;
  int64_t pad_top = 0;
  int64_t pad_left = 0;
  int64_t pad_bottom = 0;
  int64_t pad_right = 0;
  int64_t dilation_h = 1;
  int64_t dilation_w = 1;
  int64_t groups = 1;
  // The input is [n, c, h, w], dense: first layers read their image as it comes.
  bool input_nchw = false;

  int64_t out_h() const {
    return (h + pad_top + pad_bottom - dilation_h * (kernel_h - 1) - 1) / stride_h + 1;
  }
  int64_t out_w() const {
    return (w + pad_left + pad_right - dilation_w * (kernel_w - 1) - 1) / stride_w + 1;
  }
};

// kGemm: 1x1, rows read where they lie. kDirect: any other, implicit GEMM over padded input rows
// copied to scratch. kWinograd2 and kWinograd4: F(2x2, 3x3) and F(4x4, 3x3), for 3x3, stride 1,
// dilation 1, one group. kDepthwise: groups = in_channels = out_channels.
enum class ConvAlgorithm : uint8_t { kAuto, kGemm, kDirect, kWinograd2, kWinograd4, kDepthwise };
std::string_view conv_algorithm_name(ConvAlgorithm algorithm);

struct Conv2dOptions {
  Isa isa = best_isa();
  // kAuto chooses; anything else is what must be used, or make() says why it cannot. kWinograd4
  // rounds worse than the others (its share of the largest output: about 1e-5 against 1e-6), so it
  // is chosen by kAuto only where `winograd` allows it.
  ConvAlgorithm algorithm = ConvAlgorithm::kAuto;
  bool winograd = true;
};

class Conv2dImpl;

class Conv2d {
 public:
  struct Args {
    const float* input = nullptr;
    int64_t input_stride = 0;  // floats from pixel to pixel, >= in_channels; unused for NCHW
    float* output = nullptr;
    int64_t output_stride = 0;  // >= out_channels
    Epilogue epilogue;
  };

  // `weights`: [out_channels, in_channels / groups, kernel_h, kernel_w], dense.
  static Result<Conv2d> make(const Conv2dShape& shape, const float* weights,
                             const Conv2dOptions& options = {});
  // Without weights yet: buffer() is to be provided with what pack() writes, before run().
  static Result<Conv2d> unpacked(const Conv2dShape& shape, const Conv2dOptions& options = {});
  // Takes what packed() of a kernel gave, without a copy; `shape` may differ from that kernel's in
  // n, h and w only where `options` names the algorithm.
  static Result<Conv2d> from_packed(const Conv2dShape& shape, Buffer packed,
                                    const Conv2dOptions& options = {});

  const Conv2dShape& shape() const;
  ConvAlgorithm algorithm() const;
  std::span<const std::byte> packed() const;
  Buffer buffer() const;
  // Writes packed().size() bytes, which were zero.
  void pack(const float* weights, std::byte* to) const;
  int64_t tasks() const;
  size_t scratch_bytes() const;  // for each thread, aligned to kAlignment
  // As Gemm::run.
  void run(const Args& args, int64_t begin, int64_t end, void* scratch) const;

 private:
  std::shared_ptr<const Conv2dImpl> impl_;
};

}  // namespace pte::simd
