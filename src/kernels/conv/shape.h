// How a convolution's filters lie over its input, in one to three dimensions.
#pragma once

#include "kernels/common/dense.h"

namespace pte::kernels {

// One spatial dimension.
struct ConvAxis {
  int64_t in = 1;
  int64_t out = 1;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;

  // The input index that output `o` reads under tap `k`, or -1.
  int64_t source(int64_t o, int64_t k, bool transposed) const {
    if (!transposed) {
      const int64_t i = o * stride - padding + k * dilation;
      return i >= 0 && i < in ? i : -1;
    }
    const int64_t scaled = o + padding - k * dilation;
    if (scaled < 0 || scaled % stride != 0) return -1;
    return scaled / stride < in ? scaled / stride : -1;
  }
};

struct ConvShape {
  int64_t batch = 0;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t groups = 1;
  bool transposed = false;
  // From the outermost; dimensions that the input lacks have one place and one tap.
  ConvAxis z;
  ConvAxis y;
  ConvAxis x;

  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t pixels() const { return z.out * y.out * x.out; }
  int64_t plane() const { return z.in * y.in * x.in; }
  int64_t taps() const { return z.kernel * y.kernel * x.kernel; }
  // Of the result for an input of `rank` dimensions, 3 to 5.
  Sizes out_sizes(size_t rank) const;

  // The shape of a call on these operands whose arguments from `first` on are stride, padding,
  // dilation, transposed, output padding and groups.
  static Result<ConvShape> of(const Call& call, const Tensor& input, const Tensor& weight,
                              size_t first);
};

// Gradients of a convolution; see backward.cc.
Status convolution_backward(Call& call);

}  // namespace pte::kernels
