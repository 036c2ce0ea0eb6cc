#include <algorithm>
#include <cstring>

#include "simd/qconv2d_impl.h"
#include "simd/woven_rows.h"

namespace pte::simd {
namespace {

constexpr int64_t kBlock = 64;
constexpr int64_t kMostSpan = 4;
constexpr int64_t kWantedTasks = 16;

class WovenDepthwise final : public QConv2dImpl {
 public:
  WovenDepthwise(const QConv2dShape& shape, Isa isa)
      : QConv2dImpl(shape, isa), rows_(woven_set(isa)) {
    const Conv2dShape& s = shape.conv;
    groups_ = ceil_div(s.kernel_h, 4);
    blocks_ = ceil_div(s.in_channels, kBlock);
    width_ = (out_w_ - 1) * s.stride_w + s.dilation_w * (s.kernel_w - 1) + 1;
    if (s.n == 0) return;
    const int64_t bands =
        std::clamp<int64_t>(ceil_div(kWantedTasks, s.n * blocks_), 1, std::max<int64_t>(out_h_, 1));
    band_rows_ = ceil_div(ceil_div(out_h_, bands), kMostSpan) * kMostSpan;
    bands_ = ceil_div(out_h_, band_rows_);
    tasks_ = s.n * blocks_ * bands_;
    scratch_bytes_ =
        static_cast<size_t>(whole_lines(kMostSpan * s.kernel_h * 8) + width_ * groups_ * 4 * 64);
  }

  size_t packed_bytes() const override { return static_cast<size_t>(blocks_ * block_bytes()); }

  void pack(const int8_t* weights, const int32_t* bias, const float* scale,
            std::byte* packed) const override {
    const Conv2dShape& s = shape_.conv;
    const int32_t offset = 128 + shape_.input_zero_point;
    std::memset(packed, 0, packed_bytes());
    for (int64_t c = 0; c < s.in_channels; ++c) {
      std::byte* block = packed + c / kBlock * block_bytes();
      const int64_t span = span_of(c / kBlock);
      const int64_t in_block = c % kBlock;
      const int64_t vector = in_block % 16 / 4;
      const int64_t element = in_block / 16 * 4 + in_block % 4;
      // The same for each output row of a span.
      const int64_t copy = 16 / span;
      int32_t sum = 0;
      for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
        for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
          const int8_t w = weights[(c * s.kernel_h + ky) * s.kernel_w + kx];
          sum += w;
          const int64_t at = ((kx * groups_ + ky / 4) * 4 + vector) * 64 + element * 4 + ky % 4;
          for (int64_t l = 0; l < span; ++l) std::memcpy(block + at + l * copy * 4, &w, 1);
        }
      }
      const int32_t start = (bias == nullptr ? 0 : bias[c]) - offset * sum;
      for (int64_t l = 0; l < span; ++l) {
        const int64_t entry = vector * 16 + element + l * copy;
        std::memcpy(block + weight_bytes() + entry * 4, &start, 4);
        std::memcpy(block + weight_bytes() + kBlock * 4 + entry * 4, &scale[c], 4);
      }
    }
  }

  void run(const QConv2d::Args& args, int64_t begin, int64_t end, void* scratch) const override {
    if (begin >= end) return;  // there may be no scratch
    const Conv2dShape& s = shape_.conv;
    auto* bytes = static_cast<std::byte*>(scratch);
    const auto** rows = reinterpret_cast<const int8_t**>(bytes);
    std::byte* woven = bytes + whole_lines(kMostSpan * s.kernel_h * 8);
    WovenRow row;
    row.rows = rows;
    row.kernel_h = s.kernel_h;
    row.pixel = args.input_stride;
    row.padding = static_cast<uint8_t>(shape_.input_zero_point + 128);
    row.woven = woven;
    row.kernel_w = s.kernel_w;
    row.step = s.stride_w;
    row.dilation = s.dilation_w;
    row.outputs = out_w_;
    row.out_stride = args.output_stride;
    row.zero_point = shape_.output_zero_point;
    row.lowest = shape_.lowest;
    row.highest = shape_.highest;
    row.table = args.table;
    const int64_t left = std::min(s.pad_left, width_);
    row.width = std::clamp<int64_t>(width_ - left, 0, s.w);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task % blocks_;
      const int64_t band = task / blocks_ % bands_;
      const int64_t image = task / blocks_ / bands_;
      const std::byte* packed = packed_.as<std::byte>() + block * block_bytes();
      const int64_t first = block * kBlock;
      row.span = span_of(block);
      row.channels = std::min(kBlock, s.in_channels - first);
      row.weights = packed;
      row.bias = reinterpret_cast<const int32_t*>(packed + weight_bytes());
      row.scale = reinterpret_cast<const float*>(packed + weight_bytes() + kBlock * 4);
      const int64_t column = groups_ * 4 * 64;
      row.to = woven + left * column;
      std::memset(woven, row.padding, static_cast<size_t>(left * column));
      std::memset(row.to + row.width * column, row.padding,
                  static_cast<size_t>((width_ - left - row.width) * column));
      const int64_t last = std::min((band + 1) * band_rows_, out_h_);
      for (int64_t y = band * band_rows_; y < last; y += row.span) {
        for (int64_t l = 0; l < row.span; ++l) {
          const bool there = y + l < last;
          for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
            const int64_t in = (y + l) * s.stride_h - s.pad_top + ky * s.dilation_h;
            rows[l * s.kernel_h + ky] =
                !there || in < 0 || in >= s.h
                    ? nullptr
                    : args.input + ((image * s.h + in) * s.w) * args.input_stride + first;
          }
          row.out[l] =
              there ? args.output + (image * out_h_ + y + l) * out_w_ * args.output_stride + first
                    : nullptr;
        }
        rows_.weave(row);
        rows_.multiply(row);
      }
    }
  }

 private:
  // A narrow last block leaves room for more output rows.
  int64_t span_of(int64_t block) const {
    const int64_t channels = std::min(kBlock, shape_.conv.in_channels - block * kBlock);
    return channels <= 16 ? 4 : channels <= 32 ? 2 : 1;
  }
  int64_t weight_bytes() const { return shape_.conv.kernel_w * groups_ * 4 * kBlock; }
  int64_t block_bytes() const { return weight_bytes() + 2 * kBlock * 4; }

  const WovenSet& rows_;
  int64_t groups_ = 1;  // of four kernel rows
  int64_t blocks_ = 1;  // of channels
  int64_t width_ = 0;   // of a padded row
  int64_t band_rows_ = 1;
  int64_t bands_ = 0;
};

}  // namespace

std::unique_ptr<QConv2dImpl> make_woven_depthwise(const QConv2dShape& shape, Isa isa) {
  if (woven_set(isa).weave == nullptr) return nullptr;
  return std::make_unique<WovenDepthwise>(shape, isa);
}

}  // namespace pte::simd
