// Convolution as implicit GEMM: for a band of output rows, the input rows below it are copied to
// scratch with their padding (or read where they lie, if there is none), and the tile kernel takes
// the pixel's address as its row and the kernel positions as its taps.
#include <cstring>

#include "simd/conv2d_impl.h"
#include "simd/pack_vectors.h"

namespace pte::simd {

namespace {

constexpr int64_t kBandFloats = 96 * 1024;  // of input in a band: fits a L2 cache with its weights
constexpr int64_t kWantedTasks = 16;
constexpr int64_t kSmallestTask = 128 * 1024;  // multiply-adds
constexpr int64_t kConflict = 512;             // floats from pixel to pixel
constexpr int64_t kSpread = 16;
constexpr int64_t kMostRows = 4096;  // addresses in scratch

class DirectConv final : public Conv2dImpl {
 public:
  DirectConv(const Conv2dShape& shape, Isa isa, ConvAlgorithm algorithm)
      : Conv2dImpl(shape, isa, algorithm), packs_(pack_set(isa)), geometry_(shape) {
    // A 1x1 kernel without stride sees its pixels as one column of single ones.
    if (algorithm == ConvAlgorithm::kGemm && shape.stride_h == 1 && shape.stride_w == 1) {
      geometry_.h = shape.n * shape.h * shape.w;
      geometry_.n = geometry_.h == 0 ? 0 : 1;
      geometry_.w = 1;
    }
    const Conv2dShape& s = geometry_;
    depth_ = s.in_channels / s.groups;
    columns_ = s.out_channels / s.groups;
    k_ = s.kernel_h * s.kernel_w * depth_;
    out_h_ = s.out_h();
    out_w_ = s.out_w();
    copies_ =
        s.input_nchw || s.pad_top != 0 || s.pad_left != 0 || s.pad_bottom != 0 || s.pad_right != 0;
    // Pixels that far apart fall on the same sets of the first cache: a copy spreads them.
    copied_pixel_ = s.in_channels;
    if (s.in_channels * s.stride_w % kConflict == 0) {
      copied_pixel_ += kSpread;
      copies_ = copies_ || columns_ > tiles_.panel_width;
    }
    plan();
  }

  size_t packed_bytes() const override {
    return static_cast<size_t>(shape_.groups * group_floats()) * sizeof(float);
  }

  void pack(const float* weights, float* packed) const override {
    const int64_t area = shape_.kernel_h * shape_.kernel_w;
    for (int64_t g = 0; g < shape_.groups; ++g) {
      const float* from = weights + g * columns_ * depth_ * area;
      pack_columns(tiles_, columns_, k_, packed + g * group_floats(), [&](int64_t p, int64_t j) {
        return from[(j * depth_ + p % depth_) * area + p / depth_];
      });
    }
  }

  void run(const Conv2d::Args& args, int64_t begin, int64_t end, void* scratch) const override;

 private:
  int64_t group_floats() const { return padded_columns(tiles_, columns_) * k_; }
  int64_t reach_h() const { return shape_.dilation_h * (shape_.kernel_h - 1) + 1; }
  int64_t reach_w() const { return shape_.dilation_w * (shape_.kernel_w - 1) + 1; }
  // The input's rows and columns that a band of output touches, padding included.
  int64_t band_input_rows(int64_t rows) const { return (rows - 1) * shape_.stride_h + reach_h(); }
  int64_t padded_width() const { return (out_w_ - 1) * shape_.stride_w + reach_w(); }
  int64_t rows_bytes() const {
    return ceil_div(band_rows_ * out_w_ * static_cast<int64_t>(sizeof(float*)), 64) * 64;
  }
  int64_t taps_bytes() const {
    return ceil_div(shape_.kernel_h * shape_.kernel_w * static_cast<int64_t>(sizeof(int64_t)), 64) *
           64;
  }

  void plan();
  void copy_band(const float* image, int64_t pixel, int64_t first, int64_t rows, float* to) const;

  const PackSet& packs_;
  Conv2dShape geometry_;
  int64_t depth_ = 0;    // input channels of a group
  int64_t columns_ = 0;  // output channels of a group
  int64_t k_ = 0;
  int64_t out_h_ = 0;
  int64_t out_w_ = 0;
  bool copies_ = false;
  int64_t copied_pixel_ = 0;  // floats from pixel to pixel in scratch
  int64_t band_rows_ = 1;
  int64_t bands_ = 0;
  int64_t columns_per_block_ = 1;
  int64_t column_blocks_ = 1;
};

void DirectConv::plan() {
  if (geometry_.n == 0) return;
  const int64_t row_floats = padded_width() * copied_pixel_;
  // Weights larger than a band are what a pass over the image waits for: few passes then.
  const int64_t weights = geometry_.groups * group_floats();
  const int64_t band_floats = weights > 4 * kBandFloats ? 2 * kBandFloats : kBandFloats;
  const int64_t fitting = (band_floats / row_floats - reach_h()) / geometry_.stride_h + 1;
  // Enough pixels that the weights, read once for each band, are worth it.
  const int64_t worthwhile = ceil_div(8 * tiles_.max_rows, out_w_);
  band_rows_ =
      std::min(std::max<int64_t>(fitting, 1), std::max(ceil_div(out_h_, kWantedTasks), worthwhile));
  band_rows_ = std::clamp<int64_t>(std::min(band_rows_, kMostRows / out_w_), 1, out_h_);
  bands_ = ceil_div(out_h_, band_rows_);
  band_rows_ = ceil_div(out_h_, bands_);
  bands_ = ceil_div(out_h_, band_rows_);

  const int64_t panels = ceil_div(columns_, tiles_.panel_width);
  const int64_t work = band_rows_ * out_w_ * columns_ * k_;
  const int64_t blocks =
      geometry_.groups > 1
          ? 1
          : std::clamp<int64_t>(
                std::min(ceil_div(kWantedTasks, bands_ * geometry_.n), work / kSmallestTask), 1,
                panels);
  columns_per_block_ = ceil_div(panels, blocks) * tiles_.panel_width;
  column_blocks_ = ceil_div(columns_, columns_per_block_);
  tasks_ = geometry_.n * bands_ * column_blocks_;
  scratch_bytes_ = static_cast<size_t>(
      rows_bytes() + taps_bytes() +
      (copies_ ? band_input_rows(band_rows_) * row_floats * static_cast<int64_t>(sizeof(float))
               : 0));
}

// Rows [first, first + rows) of the padded image, NHWC.
void DirectConv::copy_band(const float* image, int64_t pixel, int64_t first, int64_t rows,
                           float* to) const {
  const Conv2dShape& s = geometry_;
  const int64_t channels = s.in_channels;
  const int64_t target = copied_pixel_;
  const int64_t width = padded_width();
  const int64_t left = std::min(s.pad_left, width);
  const int64_t inside = std::clamp<int64_t>(width - left, 0, s.w);
  const auto bytes = [](int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); };
  for (int64_t r = 0; r < rows; ++r, to += width * target) {
    const int64_t y = first + r - s.pad_top;
    if (y < 0 || y >= s.h) {
      std::memset(to, 0, bytes(width * target));
      continue;
    }
    std::memset(to, 0, bytes(left * target));
    float* row = to + left * target;
    if (s.input_nchw) {
      const int64_t plane = s.h * s.w;
      const float* from = image + y * s.w;
      if (channels == 3) {
        packs_.interleave3(from, plane, inside, row);
      } else {
        for (int64_t c = 0; c < channels; ++c) {
          for (int64_t x = 0; x < inside; ++x) row[x * target + c] = from[c * plane + x];
        }
      }
    } else if (inside == 0) {
      // An image without columns may have no memory.
    } else if (pixel == target) {
      std::memcpy(row, image + y * s.w * pixel, bytes(inside * channels));
    } else {
      const float* from = image + y * s.w * pixel;
      for (int64_t x = 0; x < inside; ++x) {
        std::memcpy(row + x * target, from + x * pixel, bytes(channels));
      }
    }
    std::memset(row + inside * target, 0, bytes((width - left - inside) * target));
  }
}

void DirectConv::run(const Conv2d::Args& args, int64_t begin, int64_t end, void* scratch) const {
  if (begin >= end) return;  // there may be no scratch
  const Conv2dShape& s = geometry_;
  auto* bytes = static_cast<std::byte*>(scratch);
  const auto** rows = reinterpret_cast<const float**>(bytes);
  auto* taps = reinterpret_cast<int64_t*>(bytes + rows_bytes());
  auto* band = reinterpret_cast<float*>(bytes + rows_bytes() + taps_bytes());

  const int64_t pixel = copies_ ? copied_pixel_ : args.input_stride;
  const int64_t width = copies_ ? padded_width() : s.w;
  // Kernel positions of a row that follow each other in memory are one tap.
  const bool merged = s.groups == 1 && s.dilation_w == 1 && pixel == s.in_channels;
  int64_t tap_count = 0;
  for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < (merged ? 1 : s.kernel_w); ++kx) {
      taps[tap_count++] = (ky * s.dilation_h * width + kx * s.dilation_w) * pixel;
    }
  }
  TileArgs tile;
  set_epilogue(args.epilogue, &tile);
  tile.rows = rows;
  tile.taps = taps;
  tile.tap_count = tap_count;
  tile.depth = merged ? depth_ * s.kernel_w : depth_;
  tile.out_stride = args.output_stride;

  int64_t loaded = -1;
  for (int64_t task = begin; task < end; ++task) {
    // Column blocks follow each other, so that a copied band serves as many as it can.
    const int64_t block = task / column_blocks_;
    const int64_t image = block / bands_;
    const int64_t y = block % bands_ * band_rows_;
    const int64_t count = std::min(band_rows_, out_h_ - y);
    tile.row_count = count * out_w_;
    const float* source = args.input;
    if (block != loaded) {
      const float* origin;
      if (copies_) {
        source += image * s.h * s.w * (s.input_nchw ? s.in_channels : args.input_stride);
        copy_band(source, args.input_stride, y * s.stride_h, band_input_rows(count), band);
        origin = band;
      } else {
        origin = source + (image * s.h + y * s.stride_h) * s.w * pixel;
      }
      const float** row = rows;
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t x = 0; x < out_w_; ++x) {
          *row++ = origin + (r * s.stride_h * width + x * s.stride_w) * pixel;
        }
      }
      loaded = block;
    }
    const int64_t first = (image * out_h_ + y) * out_w_;
    const int64_t column = task % column_blocks_ * columns_per_block_;
    for (int64_t g = 0; g < s.groups; ++g) {
      if (g > 0) {
        for (int64_t t = 0; t < tap_count; ++t) taps[t] += depth_;
      }
      tile.panel = packed_.as<float>() + g * group_floats();
      tile.out = args.output + first * args.output_stride + g * columns_;
      if (args.epilogue.bias != nullptr) tile.bias = args.epilogue.bias + g * columns_;
      if (args.epilogue.residual != nullptr) {
        tile.residual =
            args.epilogue.residual + first * args.epilogue.residual_stride + g * columns_;
      }
      run_columns(tiles_, tile, columns_, column, std::min(column + columns_per_block_, columns_));
    }
    for (int64_t t = 0; t < tap_count; ++t) taps[t] -= depth_ * (s.groups - 1);
  }
}

}  // namespace

std::unique_ptr<Conv2dImpl> make_direct_conv(const Conv2dShape& shape, Isa isa,
                                             ConvAlgorithm algorithm) {
  return std::make_unique<DirectConv>(shape, isa, algorithm);
}

}  // namespace pte::simd
