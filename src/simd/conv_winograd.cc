// 3x3 convolution by F(m x m, 3 x 3): input tiles are transformed to (m + 2)^2 positions, each
// position is a GEMM of its own over a block of tiles, and the products are transformed back with
// the epilogue. Multiplications per output: 4 for m = 2, 2.25 for m = 4, instead of 9.
#include <array>
#include <cstddef>

#include "simd/conv2d_impl.h"
#include "simd/winograd_transform.h"

namespace pte::simd {

namespace {

constexpr int64_t kBlockFloats = 160 * 1024;  // both transforms of a block: most of a L2 cache
constexpr int64_t kWantedTasks = 8;

// Rows of G: the weights' transform.
constexpr double kG2[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
constexpr double kG4[6][3] = {{1. / 4, 0, 0},
                              {-1. / 6, -1. / 6, -1. / 6},
                              {-1. / 6, 1. / 6, -1. / 6},
                              {1. / 24, 1. / 12, 1. / 6},
                              {1. / 24, -1. / 12, 1. / 6},
                              {0, 0, 1}};

class WinogradConv final : public Conv2dImpl {
 public:
  WinogradConv(const Conv2dShape& shape, Isa isa, ConvAlgorithm algorithm)
      : Conv2dImpl(shape, isa, algorithm),
        transforms_(winograd_set(isa)),
        outputs_(algorithm == ConvAlgorithm::kWinograd4 ? 4 : 2),
        size_(outputs_ + 2),
        out_h_(shape.out_h()),
        out_w_(shape.out_w()),
        tiles_w_(ceil_div(out_w_, outputs_)),
        tiles_h_(ceil_div(out_h_, outputs_)) {
    const int64_t lanes = transforms_.lanes;
    depth_ = ceil_div(shape.in_channels, lanes) * lanes;
    columns_ = ceil_div(shape.out_channels, lanes) * lanes;
    const int64_t positions = size_ * size_;
    const int64_t total = shape.n * tiles_h_ * tiles_w_;
    const int64_t pass = tiles_.max_rows;
    int64_t block = kBlockFloats / (positions * (depth_ + columns_)) / pass * pass;
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
        static_cast<size_t>(rows_bytes_ + positions * (input_stride_ + output_stride_) *
                                              static_cast<int64_t>(sizeof(float)));
  }

  size_t packed_bytes() const override {
    return static_cast<size_t>(size_ * size_ * position_floats()) * sizeof(float);
  }

  void pack(const float* weights, float* packed) const override {
    for (int64_t y = 0; y < size_; ++y) {
      for (int64_t x = 0; x < size_; ++x) {
        const double* row = outputs_ == 4 ? kG4[y] : kG2[y];
        const double* column = outputs_ == 4 ? kG4[x] : kG2[x];
        pack_columns(tiles_, shape_.out_channels, shape_.in_channels,
                     packed + (y * size_ + x) * position_floats(), [&](int64_t c, int64_t o) {
                       const float* g = weights + (o * shape_.in_channels + c) * 9;
                       double sum = 0;
                       for (int i = 0; i < 3; ++i) {
                         for (int j = 0; j < 3; ++j) {
                           sum += row[i] * column[j] * static_cast<double>(g[i * 3 + j]);
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
    const int64_t positions = size_ * size_;
    float* products = inputs + positions * input_stride_;
    const int64_t total = s.n * tiles_h_ * tiles_w_;

    WinogradInput in;
    in.height = s.h;
    in.width = s.w;
    in.pixel = args.input_stride;
    in.channels = s.in_channels;
    in.position_stride = input_stride_;
    WinogradOutput out;
    out.position_stride = output_stride_;
    out.row_pixels = out_w_;
    set_epilogue(args.epilogue, &out.tile);
    out.tile.columns = s.out_channels;
    out.tile.out_stride = args.output_stride;
    TileArgs tile;
    tile.rows = rows;
    tile.tap_count = 1;
    tile.depth = s.in_channels;
    tile.out_stride = columns_;
    const auto input_transform = outputs_ == 4 ? transforms_.input4 : transforms_.input2;
    const auto output_transform = outputs_ == 4 ? transforms_.output4 : transforms_.output2;

    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task * block_;
      const int64_t count = std::min(block_, total - first);
      for (int64_t i = 0; i < count; ++i) {
        const Place place = place_of(first + i);
        in.image = args.input + place.image * s.h * s.w * args.input_stride;
        in.y = place.y - s.pad_top;
        in.x = place.x - s.pad_left;
        in.to = inputs + i * depth_;
        rows[i] = in.to;
        input_transform(in);
      }
      tile.row_count = count;
      for (int64_t p = 0; p < positions; ++p) {
        const int64_t tap = p * input_stride_;
        tile.taps = &tap;
        tile.panel = packed_.as<float>() + p * position_floats();
        tile.out = products + p * output_stride_;
        run_columns(tiles_, tile, s.out_channels, 0, s.out_channels);
      }
      for (int64_t i = 0; i < count; ++i) {
        const Place place = place_of(first + i);
        const int64_t pixel = (place.image * out_h_ + place.y) * out_w_ + place.x;
        out.from = products + i * columns_;
        out.rows = std::min(outputs_, out_h_ - place.y);
        out.columns = std::min(outputs_, out_w_ - place.x);
        out.tile.out = args.output + pixel * args.output_stride;
        if (args.epilogue.residual != nullptr) {
          out.tile.residual = args.epilogue.residual + pixel * args.epilogue.residual_stride;
        }
        output_transform(out);
      }
    }
  }

 private:
  struct Place {
    int64_t image;
    int64_t y;  // of the first output
    int64_t x;
  };

  Place place_of(int64_t tile) const {
    return {tile / (tiles_h_ * tiles_w_), tile / tiles_w_ % tiles_h_ * outputs_,
            tile % tiles_w_ * outputs_};
  }

  int64_t position_floats() const {
    return padded_columns(tiles_, shape_.out_channels) * shape_.in_channels;
  }

  // Positions an odd number of cache lines apart, so that they do not fall on the same sets.
  static int64_t spread(int64_t floats) {
    const int64_t lines = ceil_div(floats, 16);
    return (lines | 1) * 16;
  }

  const WinogradSet& transforms_;
  int64_t outputs_;  // m
  int64_t size_;     // m + 2
  int64_t out_h_;
  int64_t out_w_;
  int64_t tiles_w_;
  int64_t tiles_h_;
  int64_t depth_ = 0;    // input channels, whole vectors
  int64_t columns_ = 0;  // output channels, whole vectors
  int64_t block_ = 1;    // tiles of a task
  int64_t input_stride_ = 0;
  int64_t output_stride_ = 0;
  int64_t rows_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Conv2dImpl> make_winograd_conv(const Conv2dShape& shape, Isa isa,
                                               ConvAlgorithm algorithm) {
  return std::make_unique<WinogradConv>(shape, isa, algorithm);
}

}  // namespace pte::simd
