#include "simd/qconv2d.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "simd/depthwise_rows.h"
#include "simd/qconv2d_impl.h"
#include "simd/qtile.h"
#include "simd/quantize_rows.h"

namespace pte::simd {

namespace {

constexpr int64_t kBandBytes = 256 * 1024;
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kSmallestTask = 512 * 1024;  // multiply-adds
constexpr int64_t kMostRows = 4096;
constexpr int64_t kSlack = 64;  // groups may reach behind the last value; its weights are zero

// Implicit GEMM over input rows converted to what the inner loop takes.
class QDirect final : public QConv2dImpl {
 public:
  QDirect(const QConv2dShape& shape, Isa isa) : QConv2dImpl(shape, isa), tiles_(qtile_set(isa)) {
    geometry_ = shape.conv;
    Conv2dShape& s = geometry_;
    if (s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 &&
        s.pad_top + s.pad_left + s.pad_bottom + s.pad_right == 0) {
      s.h = s.n * s.h * s.w;
      s.n = s.h == 0 ? 0 : 1;
      s.w = 1;
    }
    band_out_h_ = s.out_h();
    band_out_w_ = s.out_w();
    depth_ = s.in_channels / s.groups;
    columns_ = s.out_channels / s.groups;
    // Kernel positions of a row that follow each other in memory are one tap.
    merged_ = s.groups == 1 && s.dilation_w == 1;
    taps_ = merged_ ? s.kernel_h : s.kernel_h * s.kernel_w;
    tap_depth_ = merged_ ? depth_ * s.kernel_w : depth_;
    tap_groups_ = ceil_div(tap_depth_, tiles_.group);
    width_ = tiles_.lanes * tiles_.max_vectors;
    panels_ = ceil_div(columns_, width_);
    plan();
  }

  size_t packed_bytes() const override {
    return static_cast<size_t>(geometry_.groups * group_bytes());
  }

  void pack(const int8_t* weights, const int32_t* bias, const float* scale,
            std::byte* packed) const override {
    const Conv2dShape& s = geometry_;
    const int64_t area = s.kernel_h * s.kernel_w;
    // Inputs come as value - zero point, or as value + 128: then the rest goes into the bias.
    const int32_t offset = tiles_.input_bytes == 1 ? 128 + shape_.input_zero_point : 0;
    for (int64_t g = 0; g < s.groups; ++g) {
      std::byte* group = packed + g * group_bytes();
      auto* biases = reinterpret_cast<int32_t*>(group);
      auto* scales = reinterpret_cast<float*>(group + table_bytes());
      for (int64_t j = 0; j < columns_; ++j) {
        const int64_t o = g * columns_ + j;
        const int64_t panel = j / width_;
        const int64_t vectors = vectors_of(panel);
        const int64_t lane = tiles_.place(vectors, j % width_);
        const int64_t entry = panel * width_ + lane;
        scales[entry] = scale[o];
        std::byte* to = group + 2 * table_bytes() + panel * panel_bytes();
        int32_t sum = 0;
        for (int64_t t = 0; t < taps_; ++t) {
          for (int64_t i = 0; i < tap_depth_; ++i) {
            const int64_t ky = merged_ ? t : t / s.kernel_w;
            const int64_t kx = merged_ ? i / depth_ : t % s.kernel_w;
            const int8_t w = weights[(o * depth_ + i % depth_) * area + ky * s.kernel_w + kx];
            sum += w;
            const int64_t at =
                ((t * tap_groups_ + i / tiles_.group) * vectors * tiles_.lanes + lane) *
                    tiles_.group +
                i % tiles_.group;
            if (tiles_.weight_bytes == 1) {
              std::memcpy(to + at, &w, 1);
            } else {
              const auto wide = static_cast<int16_t>(w);
              std::memcpy(to + 2 * at, &wide, 2);
            }
          }
        }
        biases[entry] = (bias == nullptr ? 0 : bias[o]) - offset * sum;
      }
    }
  }

  void run(const QConv2d::Args& args, int64_t begin, int64_t end, void* scratch) const override {
    if (begin >= end) return;  // there may be no scratch
    const Conv2dShape& s = geometry_;
    auto* bytes = static_cast<std::byte*>(scratch);
    const auto** rows = reinterpret_cast<const std::byte**>(bytes);
    auto* taps = reinterpret_cast<int64_t*>(bytes + rows_bytes());
    std::byte* band = bytes + rows_bytes() + taps_bytes();
    const int64_t pixel = s.in_channels * tiles_.input_bytes;
    int64_t count = 0;
    for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
      for (int64_t kx = 0; kx < (merged_ ? 1 : s.kernel_w); ++kx) {
        taps[count++] = (ky * s.dilation_h * padded_width() + kx * s.dilation_w) * pixel;
      }
    }
    QTileArgs tile;
    tile.rows = rows;
    tile.taps = taps;
    tile.tap_count = taps_;
    tile.groups = tap_groups_;
    tile.out_stride = args.output_stride;
    tile.zero_point = shape_.output_zero_point;
    tile.lowest = shape_.lowest;
    tile.highest = shape_.highest;
    tile.table = args.table;
    int64_t loaded = -1;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t block = task / column_blocks_;
      const int64_t image = block / bands_;
      const int64_t y = block % bands_ * band_rows_;
      const int64_t height = std::min(band_rows_, band_out_h_ - y);
      tile.row_count = height * band_out_w_;
      if (block != loaded) {
        copy_band(args.input + image * s.h * s.w * args.input_stride, args.input_stride,
                  y * s.stride_h, band_input_rows(height), band);
        const std::byte** row = rows;
        for (int64_t r = 0; r < height; ++r) {
          for (int64_t x = 0; x < band_out_w_; ++x) {
            *row++ = band + (r * s.stride_h * padded_width() + x * s.stride_w) * pixel;
          }
        }
        loaded = block;
      }
      const int64_t first = (image * band_out_h_ + y) * band_out_w_;
      const int64_t from = task % column_blocks_ * panels_per_block_;
      const int64_t to = std::min(from + panels_per_block_, panels_);
      for (int64_t g = 0; g < s.groups; ++g) {
        const std::byte* group = packed_.as<std::byte>() + g * group_bytes();
        for (int64_t t = 0; g > 0 && t < taps_; ++t) taps[t] += depth_ * tiles_.input_bytes;
        for (int64_t panel = from; panel < to; ++panel) {
          const int64_t column = panel * width_;
          tile.vectors = vectors_of(panel);
          tile.panel = group + 2 * table_bytes() + panel * panel_bytes();
          tile.bias = reinterpret_cast<const int32_t*>(group) + column;
          tile.scale = reinterpret_cast<const float*>(group + table_bytes()) + column;
          tile.columns = std::min(width_, columns_ - column);
          tile.out = args.output + first * args.output_stride + g * columns_ + column;
          tiles_.panel(tile);
        }
      }
      for (int64_t t = 0; t < taps_; ++t) taps[t] -= depth_ * tiles_.input_bytes * (s.groups - 1);
      if (args.table != nullptr && !tiles_.applies_table) {
        const int64_t column = from * width_;
        const int64_t width =
            s.groups > 1 ? s.out_channels : std::min(to * width_, columns_) - column;
        map_rows(*args.table, args.output + first * args.output_stride + column, args.output_stride,
                 width, tile.row_count);
      }
    }
  }

 private:
  // Bias and scale of a group, then its panels.
  int64_t table_bytes() const { return whole_lines(panels_ * width_ * 4); }
  int64_t panel_bytes() const {
    return taps_ * tap_groups_ * width_ * tiles_.group * tiles_.weight_bytes;
  }
  int64_t vectors_of(int64_t panel) const {
    return std::min(tiles_.max_vectors, ceil_div(columns_ - panel * width_, tiles_.lanes));
  }
  int64_t group_bytes() const { return 2 * table_bytes() + whole_lines(panels_ * panel_bytes()); }
  int64_t band_input_rows(int64_t rows) const {
    return (rows - 1) * geometry_.stride_h + geometry_.dilation_h * (geometry_.kernel_h - 1) + 1;
  }
  int64_t padded_width() const {
    return (band_out_w_ - 1) * geometry_.stride_w +
           geometry_.dilation_w * (geometry_.kernel_w - 1) + 1;
  }
  int64_t rows_bytes() const { return whole_lines(band_rows_ * band_out_w_ * 8); }
  int64_t taps_bytes() const { return whole_lines(taps_ * 8); }

  void plan() {
    if (geometry_.n == 0) return;
    const int64_t row_bytes = padded_width() * geometry_.in_channels * tiles_.input_bytes;
    const int64_t reach = band_input_rows(1);
    const int64_t fitting = (kBandBytes / row_bytes - reach) / geometry_.stride_h + 1;
    const int64_t worthwhile = ceil_div(96, band_out_w_);
    band_rows_ = std::min(std::max<int64_t>(fitting, 1),
                          std::max(ceil_div(band_out_h_, kWantedTasks), worthwhile));
    band_rows_ = std::clamp<int64_t>(std::min(band_rows_, kMostRows / band_out_w_), 1, band_out_h_);
    bands_ = ceil_div(band_out_h_, band_rows_);
    const int64_t work = band_rows_ * band_out_w_ * columns_ * taps_ * tap_depth_;
    const int64_t blocks =
        geometry_.groups > 1
            ? 1
            : std::clamp<int64_t>(
                  std::min(ceil_div(kWantedTasks, bands_ * geometry_.n), work / kSmallestTask), 1,
                  panels_);
    panels_per_block_ = ceil_div(panels_, blocks);
    column_blocks_ = ceil_div(panels_, panels_per_block_);
    tasks_ = geometry_.n * bands_ * column_blocks_;
    scratch_bytes_ = static_cast<size_t>(rows_bytes() + taps_bytes() +
                                         band_input_rows(band_rows_) * row_bytes + kSlack);
  }

  void copy_band(const int8_t* image, int64_t pixel, int64_t first, int64_t rows,
                 std::byte* to) const {
    const Conv2dShape& s = geometry_;
    const int64_t channels = s.in_channels;
    const int64_t bytes = channels * tiles_.input_bytes;
    const int64_t width = padded_width();
    const int64_t left = std::min(s.pad_left, width);
    const int64_t inside = std::clamp<int64_t>(width - left, 0, s.w);
    if (s.w == 1 && width == 1 && s.pad_top + s.pad_left == 0 && s.stride_h == 1 &&
        s.kernel_h == 1 && first + rows <= s.h) {
      tiles_.prepare(image + first * pixel, pixel, rows, channels, shape_.input_zero_point, to);
      return;
    }
    const auto zero = [&](std::byte* at, int64_t pixels) {
      if (pixels == 0) return;
      const auto value = tiles_.input_bytes == 1
                             ? static_cast<uint8_t>(shape_.input_zero_point + 128)
                             : uint8_t{0};
      std::memset(at, value, static_cast<size_t>(pixels * bytes));
    };
    for (int64_t r = 0; r < rows; ++r, to += width * bytes) {
      const int64_t y = first + r - s.pad_top;
      if (y < 0 || y >= s.h) {
        zero(to, width);
        continue;
      }
      zero(to, left);
      std::byte* row = to + left * bytes;
      const int8_t* from = image + y * s.w * pixel;
      tiles_.prepare(from, pixel, inside, channels, shape_.input_zero_point, row);
      zero(row + inside * bytes, width - left - inside);
    }
  }

  const QTileSet& tiles_;
  Conv2dShape geometry_;
  int64_t band_out_h_ = 0;
  int64_t band_out_w_ = 0;
  int64_t depth_ = 0;
  int64_t columns_ = 0;
  bool merged_ = false;
  int64_t taps_ = 0;
  int64_t tap_depth_ = 0;
  int64_t tap_groups_ = 0;
  int64_t width_ = 0;  // of a whole panel
  int64_t panels_ = 0;
  int64_t band_rows_ = 1;
  int64_t bands_ = 0;
  int64_t panels_per_block_ = 1;
  int64_t column_blocks_ = 1;
};

// By the fp32 kernel, in which products and sums of up to 2^24 are exact: input rows are converted
// once for a band of output rows, sums are scaled row by row.
class QDepthwise final : public QConv2dImpl {
 public:
  QDepthwise(const QConv2dShape& shape, Isa isa)
      : QConv2dImpl(shape, isa), rows_(depthwise_set(isa)), quantize_(quantize_set(isa)) {
    const Conv2dShape& s = shape.conv;
    padded_ = ceil_div(s.in_channels, rows_.lanes) * rows_.lanes;
    row_floats_ = s.w * s.in_channels;
    const int64_t fitting =
        (64 * 1024 / std::max<int64_t>(row_floats_, 1) - band_inputs(1)) / s.stride_h + 1;
    band_rows_ = std::clamp<int64_t>(fitting, 1, ceil_div(out_h_, 4));
    bands_ = ceil_div(out_h_, band_rows_);
    tasks_ = s.n * bands_;
    rows_bytes_ = whole_lines(s.kernel_h * 8);
    scratch_bytes_ =
        static_cast<size_t>(rows_bytes_ + whole_lines(out_w_ * s.in_channels * 4) +
                            std::min(band_inputs(band_rows_), s.h) * row_floats_ * 4 + kSlack);
  }

  size_t packed_bytes() const override {
    return static_cast<size_t>((area() + 2) * padded_) * sizeof(float);
  }

  void pack(const int8_t* weights, const int32_t* bias, const float* scale,
            std::byte* packed) const override {
    auto* to = reinterpret_cast<float*>(packed);
    auto* biases = reinterpret_cast<int32_t*>(to + area() * padded_);
    float* scales = to + (area() + 1) * padded_;
    for (int64_t c = 0; c < shape_.conv.in_channels; ++c) {
      for (int64_t t = 0; t < area(); ++t) {
        to[t * padded_ + c] = static_cast<float>(weights[c * area() + t]);
      }
      biases[c] = bias == nullptr ? 0 : bias[c];
      scales[c] = scale[c];
    }
  }

  void run(const QConv2d::Args& args, int64_t begin, int64_t end, void* scratch) const override {
    const Conv2dShape& s = shape_.conv;
    auto* bytes = static_cast<std::byte*>(scratch);
    const auto** rows = reinterpret_cast<const float**>(bytes);
    auto* sums = reinterpret_cast<float*>(bytes + rows_bytes_);
    auto* band =
        reinterpret_cast<float*>(bytes + rows_bytes_ + whole_lines(out_w_ * s.in_channels * 4));
    DepthwiseRow row = row_of(s, rows, packed_.as<float>(), padded_, out_w_);
    row.pixel = s.in_channels;
    row.lo = -std::numeric_limits<float>::infinity();
    row.hi = std::numeric_limits<float>::infinity();
    row.out = sums;
    row.out_stride = s.in_channels;
    Requantize finish;
    finish.sums = sums;
    finish.pixels = out_w_;
    finish.channels = s.in_channels;
    finish.bias = reinterpret_cast<const int32_t*>(row.weights + area() * padded_);
    finish.scale = row.weights + (area() + 1) * padded_;
    finish.zero_point = shape_.output_zero_point;
    finish.lowest = shape_.lowest;
    finish.highest = shape_.highest;
    finish.out_stride = args.output_stride;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / bands_;
      const int64_t first = task % bands_ * band_rows_;
      const int64_t count = std::min(band_rows_, out_h_ - first);
      const int64_t top = std::clamp<int64_t>(first * s.stride_h - s.pad_top, 0, s.h);
      const int64_t bottom =
          std::clamp<int64_t>(first * s.stride_h - s.pad_top + band_inputs(count), top, s.h);
      for (int64_t y = top; y < bottom; ++y) {
        convert_row(args.input + (image * s.h + y) * s.w * args.input_stride, args.input_stride,
                    band + (y - top) * row_floats_);
      }
      for (int64_t y = first; y < first + count; ++y) {
        for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
          const int64_t in = y * s.stride_h - s.pad_top + ky * s.dilation_h;
          rows[ky] = in < 0 || in >= s.h ? nullptr : band + (in - top) * row_floats_;
        }
        rows_.row(row);
        finish.out = args.output + (image * out_h_ + y) * out_w_ * args.output_stride;
        quantize_.requantize(finish);
        if (args.table != nullptr) {
          map_rows(*args.table, finish.out, args.output_stride, s.in_channels, out_w_);
        }
      }
    }
  }

 private:
  int64_t area() const { return shape_.conv.kernel_h * shape_.conv.kernel_w; }
  int64_t band_inputs(int64_t rows) const {
    const Conv2dShape& s = shape_.conv;
    return (rows - 1) * s.stride_h + s.dilation_h * (s.kernel_h - 1) + 1;
  }

  void convert_row(const int8_t* from, int64_t pixel, float* to) const {
    const Conv2dShape& s = shape_.conv;
    if (pixel == s.in_channels) {
      quantize_.dequantize(from, 1.0f, shape_.input_zero_point, to, row_floats_);
      return;
    }
    for (int64_t x = 0; x < s.w; ++x) {
      quantize_.dequantize(from + x * pixel, 1.0f, shape_.input_zero_point, to + x * s.in_channels,
                           s.in_channels);
    }
  }

  const DepthwiseSet& rows_;
  const QuantizeSet& quantize_;
  int64_t padded_ = 0;
  int64_t row_floats_ = 0;  // of the input
  int64_t band_rows_ = 1;
  int64_t bands_ = 0;
  int64_t rows_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<QConv2dImpl>> QConv2d::choose(const QConv2dShape& shape, Isa isa) {
  PTE_CHECK(check_conv_shape(shape.conv));
  const Conv2dShape& s = shape.conv;
  if (s.input_nchw) return unsupported("an int8 convolution of NCHW input");
  for (const int32_t value :
       {shape.input_zero_point, shape.output_zero_point, shape.lowest, shape.highest}) {
    if (value < -128 || value > 127) {
      return invalid_argument("int8 convolution: {} is no int8 value", value);
    }
  }
  if (shape.lowest > shape.highest) {
    return invalid_argument("int8 convolution: outputs between {} and {}", shape.lowest,
                            shape.highest);
  }
  // Sums of 255 * 128 each must fit 31 bits, and those of a depthwise kernel 24.
  const int64_t terms = s.in_channels / s.groups * s.kernel_h * s.kernel_w;
  if (terms > 65536) {
    return unsupported("an int8 convolution that sums {} products; at most 65536", terms);
  }
  std::unique_ptr<QConv2dImpl> impl;
  const bool depthwise = s.groups == s.in_channels && s.groups == s.out_channels && s.groups > 1;
  if (depthwise && terms <= 512) impl = make_woven_depthwise(shape, isa);
  if (impl != nullptr) {
    // chosen
  } else if (depthwise && terms <= 512) {
    impl = std::make_unique<QDepthwise>(shape, isa);
  } else {
    impl = std::make_unique<QDirect>(shape, isa);
  }
  return impl;
}

Result<QConv2d> QConv2d::make(const QConv2dShape& shape, const int8_t* weights, const int32_t* bias,
                              const float* scale, Isa isa) {
  PTE_TRY(QConv2d conv, unpacked(shape, isa));
  PTE_TRY(Buffer packed, Buffer::allocate(conv.buffer().size()));
  conv.pack(weights, bias, scale, packed.fill<std::byte>());
  conv.buffer().provide(packed);
  return conv;
}

Result<QConv2d> QConv2d::unpacked(const QConv2dShape& shape, Isa isa) {
  PTE_TRY(std::unique_ptr<QConv2dImpl> impl, choose(shape, isa));
  impl->packed_ = Buffer::later(impl->packed_bytes());
  QConv2d conv;
  conv.impl_ = std::move(impl);
  return conv;
}

Result<QConv2d> QConv2d::from_packed(const QConv2dShape& shape, Buffer packed, Isa isa) {
  PTE_TRY(std::unique_ptr<QConv2dImpl> impl, choose(shape, isa));
  if (packed.size() != impl->packed_bytes()) {
    return invalid_data("packed weights of an int8 convolution for {}: {} bytes, expected {}",
                        isa_name(isa), packed.size(), impl->packed_bytes());
  }
  impl->packed_ = std::move(packed);
  QConv2d conv;
  conv.impl_ = std::move(impl);
  return conv;
}

const QConv2dShape& QConv2d::shape() const { return impl_->shape_; }
std::span<const std::byte> QConv2d::packed() const { return impl_->packed_.bytes(); }
Buffer QConv2d::buffer() const { return impl_->packed_; }
void QConv2d::pack(const int8_t* weights, const int32_t* bias, const float* scale,
                   std::byte* to) const {
  impl_->pack(weights, bias, scale, to);
}
int64_t QConv2d::tasks() const { return impl_->tasks_; }
size_t QConv2d::scratch_bytes() const { return impl_->scratch_bytes_; }

void QConv2d::run(const Args& args, int64_t begin, int64_t end, void* scratch) const {
  impl_->run(args, begin, end, scratch);
}

}  // namespace pte::simd
