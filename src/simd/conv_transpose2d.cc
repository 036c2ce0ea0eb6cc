#include "simd/conv_transpose2d.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "simd/conv2d_impl.h"

namespace pte::simd {

namespace {

// One direction: output position stride * q + r takes kernel positions `kernel` at input positions
// q + `shift`.
struct Residue {
  struct Tap {
    int64_t kernel = 0;
    int64_t shift = 0;
  };
  std::vector<Tap> taps;
};

std::vector<Residue> find_residues(int64_t stride, int64_t kernel, int64_t dilation, int64_t pad) {
  std::vector<Residue> residues(static_cast<size_t>(stride));
  for (int64_t r = 0; r < stride; ++r) {
    for (int64_t k = 0; k < kernel; ++k) {
      const int64_t at = r + pad - k * dilation;
      if (at % stride == 0) residues[static_cast<size_t>(r)].taps.push_back({k, at / stride});
    }
  }
  return residues;
}

void find_shifts(const std::vector<Residue>& residues, int64_t* least, int64_t* most) {
  *least = 0;
  *most = 0;
  for (const Residue& residue : residues) {
    for (const Residue::Tap& tap : residue.taps) {
      *least = std::min(*least, tap.shift);
      *most = std::max(*most, tap.shift);
    }
  }
}

Status check_shape(const ConvTranspose2dShape& s) {
  constexpr int64_t kMost = int64_t{1} << 31;
  for (const int64_t value : {s.n, s.h, s.w, s.pad_h, s.pad_w, s.output_pad_h, s.output_pad_w}) {
    if (value < 0 || value > kMost)
      return invalid_argument("transposed convolution: an extent of {} is out of range", value);
  }
  for (const int64_t value : {s.h, s.w, s.in_channels, s.out_channels, s.kernel_h, s.kernel_w,
                              s.dilation_h, s.dilation_w, s.groups}) {
    if (value < 1 || value > kMost)
      return invalid_argument("transposed convolution: an extent of {} is out of range", value);
  }
  for (const int64_t stride : {s.stride_h, s.stride_w}) {
    if (stride < 1 || stride > 4096)
      return unsupported("transposed convolution: a stride of {}; at most 4096", stride);
  }
  if (s.in_channels % s.groups != 0 || s.out_channels % s.groups != 0) {
    return invalid_argument(
        "transposed convolution: {} and {} channels are not multiples of {} groups", s.in_channels,
        s.out_channels, s.groups);
  }
  if (s.out_h() < 1 || s.out_w() < 1) {
    return invalid_argument("transposed convolution: the output would be {} x {}", s.out_h(),
                            s.out_w());
  }
  if (!is_bounded({s.n, s.h, s.w, s.in_channels}) ||
      !is_bounded({s.n, s.out_h(), s.out_w(), s.out_channels}) ||
      !is_bounded(
          {s.out_channels + 64 * s.groups, s.in_channels / s.groups, s.kernel_h, s.kernel_w}) ||
      !is_bounded({s.dilation_h, s.kernel_h}) || !is_bounded({s.dilation_w, s.kernel_w})) {
    return invalid_argument("transposed convolution: {} x {} x {} x {} to {} channels is too large",
                            s.n, s.h, s.w, s.in_channels, s.out_channels);
  }
  return {};
}

}  // namespace

class ConvTranspose2dImpl {
 public:
  ConvTranspose2dImpl(const ConvTranspose2dShape& shape, Isa isa)
      : shape_(shape),
        tiles_(tile_set(isa)),
        vertical_(find_residues(shape.stride_h, shape.kernel_h, shape.dilation_h, shape.pad_h)),
        horizontal_(find_residues(shape.stride_w, shape.kernel_w, shape.dilation_w, shape.pad_w)) {
    depth_ = shape.in_channels / shape.groups;
    columns_ = shape.out_channels / shape.groups;
    out_h_ = shape.out_h();
    out_w_ = shape.out_w();
    find_shifts(vertical_, &least_y_, &most_y_);
    find_shifts(horizontal_, &least_x_, &most_x_);
    steps_h_ = ceil_div(out_h_, shape.stride_h);
    steps_w_ = ceil_div(out_w_, shape.stride_w);
    width_ = steps_w_ + most_x_ - least_x_;
    const int64_t row_floats = width_ * shape.in_channels;
    band_ =
        std::clamp<int64_t>(96 * 1024 / row_floats, 1, std::max<int64_t>(ceil_div(steps_h_, 8), 1));
    bands_ = ceil_div(steps_h_, band_);
    tasks = shape.n * bands_;
    // Offsets of each residue's weights, in floats for one group.
    int64_t offset = 0;
    for (const Residue& y : vertical_) {
      for (const Residue& x : horizontal_) {
        offsets_.push_back(offset);
        offset += padded_columns(tiles_, columns_) * depth_ *
                  static_cast<int64_t>(y.taps.size() * x.taps.size());
      }
    }
    group_floats_ = offset;
    rows_bytes_ = ceil_div(steps_w_ * static_cast<int64_t>(sizeof(float*)), 64) * 64;
    taps_bytes_ =
        ceil_div(shape.kernel_h * shape.kernel_w * static_cast<int64_t>(sizeof(int64_t)), 64) * 64;
    scratch_bytes = static_cast<size_t>(rows_bytes_ + taps_bytes_ +
                                        (band_ + most_y_ - least_y_) * row_floats *
                                            static_cast<int64_t>(sizeof(float)));
  }

  size_t packed_bytes() const {
    return static_cast<size_t>(group_floats_ * shape_.groups) * sizeof(float);
  }

  void pack(const float* weights, float* to) const {
    const int64_t area = shape_.kernel_h * shape_.kernel_w;
    for (int64_t g = 0; g < shape_.groups; ++g) {
      const float* from = weights + g * depth_ * columns_ * area;
      size_t index = 0;
      for (const Residue& y : vertical_) {
        for (const Residue& x : horizontal_) {
          const auto across = static_cast<int64_t>(x.taps.size());
          const auto taps = static_cast<int64_t>(y.taps.size()) * across;
          pack_columns(
              tiles_, columns_, taps * depth_, to + g * group_floats_ + offsets_[index],
              [&](int64_t p, int64_t j) {
                const int64_t tap = p / depth_;
                const int64_t ky = y.taps[static_cast<size_t>(tap / across)].kernel;
                const int64_t kx = x.taps[static_cast<size_t>(tap % across)].kernel;
                return from[(p % depth_ * columns_ + j) * area + ky * shape_.kernel_w + kx];
              });
          ++index;
        }
      }
    }
  }

  void run(const ConvTranspose2d::Args& args, int64_t begin, int64_t end, void* scratch) const {
    auto* bytes = static_cast<std::byte*>(scratch);
    auto* band = reinterpret_cast<float*>(bytes + rows_bytes_ + taps_bytes_);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / bands_;
      const int64_t first = task % bands_ * band_;
      const int64_t steps = std::min(band_, steps_h_ - first);
      copy_band(args, image, first + least_y_, steps + most_y_ - least_y_, band);
      for (int64_t step = 0; step < steps; ++step) {
        for (int64_t ry = 0; ry < shape_.stride_h; ++ry) {
          const int64_t y = (first + step) * shape_.stride_h + ry;
          if (y >= out_h_) break;
          for (int64_t rx = 0; rx < std::min(shape_.stride_w, out_w_); ++rx) {
            run_residue(args, (image * out_h_ + y) * out_w_ + rx, ry, rx,
                        band + step * width_ * shape_.in_channels, scratch);
          }
        }
      }
    }
  }

  const ConvTranspose2dShape& shape() const { return shape_; }

  int64_t tasks = 0;
  size_t scratch_bytes = 0;
  Buffer packed;

 private:
  // Rows [first, first + rows) and columns from least_x_ on of an image, zeros where it has none.
  void copy_band(const ConvTranspose2d::Args& args, int64_t image, int64_t first, int64_t rows,
                 float* to) const {
    const int64_t channels = shape_.in_channels;
    const auto bytes = static_cast<size_t>(channels) * sizeof(float);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t y = first + r;
      for (int64_t i = 0; i < width_; ++i, to += channels) {
        const int64_t x = least_x_ + i;
        if (y < 0 || y >= shape_.h || x < 0 || x >= shape_.w) {
          std::memset(to, 0, bytes);
        } else {
          std::memcpy(to, args.input + ((image * shape_.h + y) * shape_.w + x) * args.input_stride,
                      bytes);
        }
      }
    }
  }

  // The outputs of one row at stride_w from each other, the first of them being pixel `pixel`.
  void run_residue(const ConvTranspose2d::Args& args, int64_t pixel, int64_t ry, int64_t rx,
                   const float* band, void* scratch) const {
    const Residue& vertical = vertical_[static_cast<size_t>(ry)];
    const Residue& horizontal = horizontal_[static_cast<size_t>(rx)];
    const auto** rows = static_cast<const float**>(scratch);
    auto* taps = reinterpret_cast<int64_t*>(static_cast<std::byte*>(scratch) + rows_bytes_);
    TileArgs tile;
    tile.row_count = ceil_div(out_w_ - rx, shape_.stride_w);
    for (int64_t q = 0; q < tile.row_count; ++q) rows[q] = band + q * shape_.in_channels;
    tile.rows = rows;
    tile.taps = taps;
    tile.depth = depth_;
    tile.out_stride = args.output_stride * shape_.stride_w;
    tile.residual_stride = args.epilogue.residual_stride * shape_.stride_w;
    tile.residual_after_activation = args.epilogue.residual_after_activation;
    tile.activation = args.epilogue.activation;
    tile.lo = args.epilogue.lo;
    tile.hi = args.epilogue.hi;
    for (int64_t g = 0; g < shape_.groups; ++g) {
      tile.tap_count = 0;
      for (const Residue::Tap& y : vertical.taps) {
        for (const Residue::Tap& x : horizontal.taps) {
          taps[tile.tap_count++] =
              ((y.shift - least_y_) * width_ + x.shift - least_x_) * shape_.in_channels +
              g * depth_;
        }
      }
      tile.panel = packed.as<float>() + g * group_floats_ +
                   offsets_[static_cast<size_t>(ry * shape_.stride_w + rx)];
      tile.out = args.output + pixel * args.output_stride + g * columns_;
      if (args.epilogue.bias != nullptr) tile.bias = args.epilogue.bias + g * columns_;
      if (args.epilogue.residual != nullptr) {
        tile.residual =
            args.epilogue.residual + pixel * args.epilogue.residual_stride + g * columns_;
      }
      run_columns(tiles_, tile, columns_, 0, columns_);
    }
  }

  ConvTranspose2dShape shape_;
  const TileSet& tiles_;
  std::vector<Residue> vertical_;
  std::vector<Residue> horizontal_;
  std::vector<int64_t> offsets_;
  int64_t depth_ = 0;
  int64_t columns_ = 0;
  int64_t out_h_ = 0;
  int64_t out_w_ = 0;
  int64_t least_y_ = 0;
  int64_t most_y_ = 0;
  int64_t least_x_ = 0;
  int64_t most_x_ = 0;
  int64_t steps_h_ = 0;  // output rows of one residue
  int64_t steps_w_ = 0;
  int64_t width_ = 0;  // pixels of a row of the band
  int64_t band_ = 1;
  int64_t bands_ = 0;
  int64_t group_floats_ = 0;
  int64_t rows_bytes_ = 0;
  int64_t taps_bytes_ = 0;
};

Result<ConvTranspose2d> ConvTranspose2d::make(const ConvTranspose2dShape& shape,
                                              const float* weights, Isa isa) {
  PTE_TRY(ConvTranspose2d conv, unpacked(shape, isa));
  PTE_TRY(Buffer packed, Buffer::allocate(conv.buffer().size()));
  conv.pack(weights, packed.fill<std::byte>());
  conv.buffer().provide(packed);
  return conv;
}

Result<ConvTranspose2d> ConvTranspose2d::unpacked(const ConvTranspose2dShape& shape, Isa isa) {
  PTE_CHECK(check_shape(shape));
  auto impl = std::make_shared<ConvTranspose2dImpl>(shape, isa);
  impl->packed = Buffer::later(impl->packed_bytes());
  ConvTranspose2d conv;
  conv.impl_ = std::move(impl);
  return conv;
}

Result<ConvTranspose2d> ConvTranspose2d::from_packed(const ConvTranspose2dShape& shape,
                                                     Buffer packed, Isa isa) {
  PTE_CHECK(check_shape(shape));
  auto impl = std::make_shared<ConvTranspose2dImpl>(shape, isa);
  if (packed.size() != impl->packed_bytes()) {
    return invalid_data("packed weights of a transposed convolution for {}: {} bytes, expected {}",
                        isa_name(isa), packed.size(), impl->packed_bytes());
  }
  impl->packed = std::move(packed);
  ConvTranspose2d conv;
  conv.impl_ = std::move(impl);
  return conv;
}

const ConvTranspose2dShape& ConvTranspose2d::shape() const { return impl_->shape(); }
std::span<const std::byte> ConvTranspose2d::packed() const { return impl_->packed.bytes(); }
Buffer ConvTranspose2d::buffer() const { return impl_->packed; }
void ConvTranspose2d::pack(const float* weights, std::byte* to) const {
  impl_->pack(weights, reinterpret_cast<float*>(to));
}
int64_t ConvTranspose2d::tasks() const { return impl_->tasks; }
size_t ConvTranspose2d::scratch_bytes() const { return impl_->scratch_bytes; }

void ConvTranspose2d::run(const Args& args, int64_t begin, int64_t end, void* scratch) const {
  impl_->run(args, begin, end, scratch);
}

}  // namespace pte::simd
