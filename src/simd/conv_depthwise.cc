// Depthwise convolution: rows of output as tasks, padding by leaving kernel rows and columns out.
#include <cstddef>
#include <limits>

#include "simd/conv2d_impl.h"
#include "simd/depthwise_rows.h"

namespace pte::simd {

namespace {

constexpr int64_t kSmallestTask = 64 * 1024;  // multiply-adds

class DepthwiseConv final : public Conv2dImpl {
 public:
  DepthwiseConv(const Conv2dShape& shape, Isa isa)
      : Conv2dImpl(shape, isa, ConvAlgorithm::kDepthwise), rows_(depthwise_set(isa)) {
    out_h_ = shape.out_h();
    out_w_ = shape.out_w();
    padded_ = ceil_div(shape.in_channels, rows_.lanes) * rows_.lanes;
    const int64_t work = out_w_ * shape.in_channels * shape.kernel_h * shape.kernel_w;
    band_rows_ = std::clamp<int64_t>(ceil_div(kSmallestTask, work), 1, ceil_div(out_h_, 4));
    bands_ = ceil_div(out_h_, band_rows_);
    tasks_ = shape.n * bands_;
    scratch_bytes_ = static_cast<size_t>(shape.kernel_h) * sizeof(const float*);
  }

  size_t packed_bytes() const override {
    return static_cast<size_t>(shape_.kernel_h * shape_.kernel_w * padded_) * sizeof(float);
  }

  void pack(const float* weights, float* packed) const override {
    const int64_t area = shape_.kernel_h * shape_.kernel_w;
    for (int64_t c = 0; c < shape_.in_channels; ++c) {
      for (int64_t t = 0; t < area; ++t) packed[t * padded_ + c] = weights[c * area + t];
    }
  }

  void run(const Conv2d::Args& args, int64_t begin, int64_t end, void* scratch) const override {
    const Conv2dShape& s = shape_;
    const auto** rows = static_cast<const float**>(scratch);
    const Epilogue& epilogue = args.epilogue;
    DepthwiseRow row = row_of(s, rows, packed_.as<float>(), padded_, out_w_);
    row.pixel = args.input_stride;
    row.bias = epilogue.bias;
    row.out_stride = args.output_stride;
    TileArgs finish;
    set_epilogue(epilogue, &finish);
    finish.out_stride = args.output_stride;
    const bool finishes = epilogue.activation > Activation::kClamp || epilogue.residual != nullptr;
    const bool clamps = epilogue.activation == Activation::kClamp && !finishes;
    row.lo = clamps ? epilogue.lo : -std::numeric_limits<float>::infinity();
    row.hi = clamps ? epilogue.hi : std::numeric_limits<float>::infinity();
    row.finish = finishes ? &finish : nullptr;
    row.tiles = &tiles_;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / bands_;
      const int64_t first = task % bands_ * band_rows_;
      for (int64_t y = first; y < std::min(first + band_rows_, out_h_); ++y) {
        for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
          const int64_t in = y * s.stride_h - s.pad_top + ky * s.dilation_h;
          rows[ky] = in < 0 || in >= s.h
                         ? nullptr
                         : args.input + (image * s.h + in) * s.w * args.input_stride;
        }
        const int64_t pixel = (image * out_h_ + y) * out_w_;
        row.out = args.output + pixel * args.output_stride;
        if (epilogue.residual != nullptr) {
          row.residual = epilogue.residual + pixel * epilogue.residual_stride;
        }
        rows_.row(row);
      }
    }
  }

 private:
  const DepthwiseSet& rows_;
  int64_t out_h_ = 0;
  int64_t out_w_ = 0;
  int64_t padded_ = 0;
  int64_t band_rows_ = 1;
  int64_t bands_ = 0;
};

}  // namespace

std::unique_ptr<Conv2dImpl> make_depthwise_conv(const Conv2dShape& shape, Isa isa) {
  return std::make_unique<DepthwiseConv>(shape, isa);
}

}  // namespace pte::simd
