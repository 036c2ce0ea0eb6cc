// Convolution by Winograd's algorithm: input tiles are transformed to positions, each position is a
// GEMM of its own over a block of tiles, and the products are transformed back with the epilogue.
// Multiplications per output: 3x3: 4 for F(2x2), 2.25 for F(4x4), instead of 9, with stride 2: 5.1;
// kernels of one row or column: 1.5 for 3 taps, 2 for 5 taps, with stride 2: 2.25 and 2.75.
#include <cstddef>
#include <vector>

#include "simd/conv2d_impl.h"
#include "simd/winograd_transform.h"

namespace pte::simd {

namespace {

constexpr int64_t kBlockFloats = 160 * 1024;  // both transforms of a block: most of a L2 cache
constexpr int64_t kWantedTasks = 8;

class WinogradConv final : public Conv2dImpl {
 public:
  WinogradConv(const Conv2dShape& shape, Isa isa, ConvAlgorithm algorithm)
      : Conv2dImpl(shape, isa, algorithm),
        square_(shape.kernel_h == 3 && shape.kernel_w == 3),
        line_(winograd_line(shape, algorithm)),
        across_(extents_of(square_ ? line_ : WinogradLine::kOne)),
        along_(extents_of(line_)) {
    const WinogradSet& set = winograd_set(isa);
    const auto at = static_cast<size_t>(line_);
    transforms_ = square_ ? set.square[at] : set.row[at];
    // A kernel of one column walks down: its tiles are rows of the image turned over.
    const bool down = shape.kernel_w == 1;
    y_ = Axis{shape.h, shape.out_h(), shape.pad_top, shape.w, shape.out_w()};
    x_ = Axis{shape.w, shape.out_w(), shape.pad_left, 1, 1};
    if (down) std::swap(x_, y_);
    tiles_y_ = ceil_div(y_.outputs, across_.outputs);
    tiles_x_ = ceil_div(x_.outputs, along_.outputs);
    positions_ = across_.positions * along_.positions;
    plan(set.lanes);
  }

  size_t packed_bytes() const override {
    return static_cast<size_t>(positions_ * position_floats()) * sizeof(float);
  }

  void pack(const float* weights, float* packed) const override {
    const std::vector<double> rows = weights_transform(square_ ? line_ : WinogradLine::kOne);
    const std::vector<double> columns = weights_transform(line_);
    const int64_t area = across_.taps * along_.taps;
    for (int64_t y = 0; y < across_.positions; ++y) {
      for (int64_t x = 0; x < along_.positions; ++x) {
        const double* row = rows.data() + y * across_.taps;
        const double* column = columns.data() + x * along_.taps;
        pack_columns(tiles_, shape_.out_channels, shape_.in_channels,
                     packed + (y * along_.positions + x) * position_floats(),
                     [&](int64_t c, int64_t o) {
                       const float* g = weights + (o * shape_.in_channels + c) * area;
                       double sum = 0;
                       for (int64_t i = 0; i < across_.taps; ++i) {
                         for (int64_t j = 0; j < along_.taps; ++j) {
                           sum += row[i] * column[j] * static_cast<double>(g[i * along_.taps + j]);
                         }
                       }
                       return static_cast<float>(sum);
                     });
      }
    }
  }

  void run(const Conv2d::Args& args, int64_t begin, int64_t end, void* scratch) const override {
    const Conv2dShape& s = shape_;
    const auto** rows = static_cast<const float**>(scratch);
    auto* inputs = reinterpret_cast<float*>(static_cast<std::byte*>(scratch) + rows_bytes_);
    float* products = inputs + positions_ * input_stride_;
    const int64_t total = s.n * tiles_y_ * tiles_x_;

    WinogradInput in;
    in.height = y_.inputs;
    in.width = x_.inputs;
    in.y_step = y_.input_pixels * args.input_stride;
    in.x_step = x_.input_pixels * args.input_stride;
    in.channels = s.in_channels;
    in.position_stride = input_stride_;
    WinogradOutput out;
    out.position_stride = output_stride_;
    out.y_pixels = y_.output_pixels;
    out.x_pixels = x_.output_pixels;
    set_epilogue(args.epilogue, &out.tile);
    out.tile.columns = s.out_channels;
    out.tile.out_stride = args.output_stride;
    TileArgs tile;
    tile.rows = rows;
    tile.tap_count = 1;
    tile.depth = s.in_channels;
    tile.out_stride = columns_;

    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task * block_;
      const int64_t count = std::min(block_, total - first);
      for (int64_t i = 0; i < count; ++i) {
        const Place place = place_of(first + i);
        in.image = args.input + place.image * s.h * s.w * args.input_stride;
        in.y = place.y * across_.stride - y_.pad;
        in.x = place.x * along_.stride - x_.pad;
        in.to = inputs + i * depth_;
        rows[i] = in.to;
        transforms_.input(in);
      }
      tile.row_count = count;
      for (int64_t p = 0; p < positions_; ++p) {
        const int64_t tap = p * input_stride_;
        tile.taps = &tap;
        tile.panel = packed_.as<float>() + p * position_floats();
        tile.out = products + p * output_stride_;
        run_columns(tiles_, tile, s.out_channels, 0, s.out_channels);
      }
      for (int64_t i = 0; i < count; ++i) {
        const Place place = place_of(first + i);
        const int64_t pixel = place.image * y_.outputs * x_.outputs + place.y * y_.output_pixels +
                              place.x * x_.output_pixels;
        out.from = products + i * columns_;
        out.rows = std::min(across_.outputs, y_.outputs - place.y);
        out.columns = std::min(along_.outputs, x_.outputs - place.x);
        out.tile.out = args.output + pixel * args.output_stride;
        if (args.epilogue.residual != nullptr) {
          out.tile.residual = args.epilogue.residual + pixel * args.epilogue.residual_stride;
        }
        transforms_.output(out);
      }
    }
  }

 private:
  struct Axis {
    int64_t inputs = 0;
    int64_t outputs = 0;
    int64_t pad = 0;
    int64_t input_pixels = 0;  // from one sample to the next
    int64_t output_pixels = 0;
  };
  struct Place {
    int64_t image;
    int64_t y;  // of the first output
    int64_t x;
  };

  void plan(int64_t lanes) {
    depth_ = ceil_div(shape_.in_channels, lanes) * lanes;
    columns_ = ceil_div(shape_.out_channels, lanes) * lanes;
    const int64_t total = shape_.n * tiles_y_ * tiles_x_;
    const int64_t pass = tiles_.max_rows;
    int64_t block = kBlockFloats / (positions_ * (depth_ + columns_)) / pass * pass;
    block = std::clamp(block, pass, 8 * pass);
    // Even blocks, enough of them for a few threads as long as each fills the inner loop.
    int64_t blocks = std::max(ceil_div(total, block),
                              std::min(kWantedTasks, total / std::max<int64_t>(2 * pass, 1)));
    blocks = std::max<int64_t>(blocks, 1);
    block_ = std::max<int64_t>(ceil_div(total, blocks), 1);
    tasks_ = ceil_div(total, block_);
    input_stride_ = spread(block_ * depth_);
    output_stride_ = spread(block_ * columns_);
    rows_bytes_ = ceil_div(block_ * static_cast<int64_t>(sizeof(float*)), 64) * 64;
    scratch_bytes_ =
        static_cast<size_t>(rows_bytes_ + positions_ * (input_stride_ + output_stride_) *
                                              static_cast<int64_t>(sizeof(float)));
  }

  Place place_of(int64_t tile) const {
    return {tile / (tiles_y_ * tiles_x_), tile / tiles_x_ % tiles_y_ * across_.outputs,
            tile % tiles_x_ * along_.outputs};
  }

  int64_t position_floats() const {
    return padded_columns(tiles_, shape_.out_channels) * shape_.in_channels;
  }

  // Positions an odd number of cache lines apart, so that they do not fall on the same sets.
  static int64_t spread(int64_t floats) {
    const int64_t lines = ceil_div(floats, 16);
    return (lines | 1) * 16;
  }

  bool square_;
  WinogradLine line_;
  WinogradExtents across_;  // of a tile, over its rows
  WinogradExtents along_;
  WinogradTransforms transforms_;
  Axis y_;
  Axis x_;
  int64_t tiles_y_ = 0;
  int64_t tiles_x_ = 0;
  int64_t positions_ = 0;
  int64_t depth_ = 0;    // input channels, whole vectors
  int64_t columns_ = 0;  // output channels, whole vectors
  int64_t block_ = 1;    // tiles of a task
  int64_t input_stride_ = 0;
  int64_t output_stride_ = 0;
  int64_t rows_bytes_ = 0;
};

}  // namespace

WinogradLine winograd_line(const Conv2dShape& s, ConvAlgorithm algorithm) {
  // An image without pixels may have no memory to take tiles from.
  if (s.groups != 1 || s.input_nchw || s.dilation_h != 1 || s.dilation_w != 1 || s.h == 0 ||
      s.w == 0) {
    return WinogradLine::kOne;
  }
  const bool square = s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == s.stride_w;
  const bool row = s.kernel_h == 1 && s.stride_h == 1 && s.pad_top == 0 && s.pad_bottom == 0;
  const bool column = s.kernel_w == 1 && s.stride_w == 1 && s.pad_left == 0 && s.pad_right == 0;
  if (!square && !row && !column) return WinogradLine::kOne;
  const int64_t taps = column ? s.kernel_h : s.kernel_w;
  const int64_t stride = column ? s.stride_h : s.stride_w;
  if (algorithm == ConvAlgorithm::kWinograd2) {
    return square && stride == 1 ? WinogradLine::kF2x3 : WinogradLine::kOne;
  }
  if (taps == 3 && stride == 1) return WinogradLine::kF4x3;
  if (taps == 3 && stride == 2) return WinogradLine::kS4x3;
  if (taps == 5 && stride == 1) return WinogradLine::kF4x5;
  if (taps == 5 && stride == 2) return WinogradLine::kS4x5;
  return WinogradLine::kOne;
}

std::unique_ptr<Conv2dImpl> make_winograd_conv(const Conv2dShape& shape, Isa isa,
                                               ConvAlgorithm algorithm) {
  return std::make_unique<WinogradConv>(shape, isa, algorithm);
}

}  // namespace pte::simd
