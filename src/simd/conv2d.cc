#include "simd/conv2d.h"

#include <array>

#include "base/checked.h"
#include "simd/conv2d_impl.h"

namespace pte::simd {

namespace {

constexpr std::array<std::string_view, 6> kNames{"auto",      "gemm",      "direct",
                                                 "winograd2", "winograd4", "depthwise"};

bool is_depthwise(const Conv2dShape& s) {
  return s.groups == s.in_channels && s.groups == s.out_channels && s.groups > 1 && !s.input_nchw;
}

bool is_winograd(const Conv2dShape& s, ConvAlgorithm algorithm) {
  return winograd_line(s, algorithm) != WinogradLine::kOne;
}

// Multiplications for each channel, tiles that hang over the edge included.
double winograd_work(const Conv2dShape& s, ConvAlgorithm algorithm) {
  const WinogradExtents e = extents_of(winograd_line(s, algorithm));
  const auto along = [&](int64_t outputs) {
    return static_cast<double>(ceil_div(outputs, e.outputs) * e.positions);
  };
  if (s.kernel_w == 1) return along(s.out_h()) * static_cast<double>(s.out_w());
  if (s.kernel_h == 1) return along(s.out_w()) * static_cast<double>(s.out_h());
  return along(s.out_h()) * along(s.out_w());
}

// By multiplications and what the transforms add to them (shares measured with simd_bench). Tiles
// of 4 x 4 outputs have 4 to 9 times as many weights; where those would no longer fit a cache,
// F(2,3) has to do.
ConvAlgorithm best_of_direct_and_winograd(const Conv2dShape& s, bool allowed) {
  constexpr int64_t kLargestWeights = 4 << 20;  // floats
  constexpr int64_t kWeightsForEachTile = 30000;
  constexpr int64_t kManyChannels = 32;
  constexpr double kSmallTransform = 1.2;
  constexpr double kLargeTransform = 1.4;
  if (!allowed || s.in_channels < 8 || s.out_channels < 8) return ConvAlgorithm::kDirect;
  ConvAlgorithm best = ConvAlgorithm::kDirect;
  double least = static_cast<double>(s.kernel_h * s.kernel_w * s.out_h() * s.out_w());
  if (is_winograd(s, ConvAlgorithm::kWinograd2)) {
    const double work = kSmallTransform * winograd_work(s, ConvAlgorithm::kWinograd2);
    if (work < least) {
      least = work;
      best = ConvAlgorithm::kWinograd2;
    }
  }
  if (is_winograd(s, ConvAlgorithm::kWinograd4)) {
    const WinogradExtents e = extents_of(winograd_line(s, ConvAlgorithm::kWinograd4));
    const bool square = s.kernel_h > 1 && s.kernel_w > 1;
    const int64_t positions = square ? e.positions * e.positions : e.positions;
    const int64_t weights = positions * s.in_channels * s.out_channels;
    const double work = kLargeTransform * winograd_work(s, ConvAlgorithm::kWinograd4);
    // With stride 2 the weights are many and the gain is small: only pictures that use them often.
    const int64_t uses = ceil_div(s.out_h(), e.outputs) * ceil_div(s.out_w(), e.outputs);
    const bool often = !square || e.stride == 1 ||
                       (s.in_channels >= kManyChannels && weights <= kWeightsForEachTile * uses);
    if (work < least && weights <= kLargestWeights && often) best = ConvAlgorithm::kWinograd4;
  }
  return best;
}

bool is_pointwise(const Conv2dShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.groups == 1 && !s.input_nchw && s.pad_top == 0 &&
         s.pad_left == 0 && s.pad_bottom == 0 && s.pad_right == 0;
}

Result<std::unique_ptr<Conv2dImpl>> choose(const Conv2dShape& shape, const Conv2dOptions& options) {
  PTE_CHECK(check_conv_shape(shape));
  ConvAlgorithm algorithm = options.algorithm;
  if (algorithm == ConvAlgorithm::kAuto) {
    algorithm = is_depthwise(shape)   ? ConvAlgorithm::kDepthwise
                : is_pointwise(shape) ? ConvAlgorithm::kGemm
                                      : best_of_direct_and_winograd(shape, options.winograd);
  }
  const bool possible = algorithm == ConvAlgorithm::kDepthwise ? is_depthwise(shape)
                        : algorithm == ConvAlgorithm::kGemm    ? is_pointwise(shape)
                        : algorithm == ConvAlgorithm::kDirect  ? true
                                                               : is_winograd(shape, algorithm);
  if (possible) {
    switch (algorithm) {
      case ConvAlgorithm::kGemm:
      case ConvAlgorithm::kDirect:
        return make_direct_conv(shape, options.isa, algorithm);
      case ConvAlgorithm::kDepthwise:
        return make_depthwise_conv(shape, options.isa);
      case ConvAlgorithm::kWinograd2:
      case ConvAlgorithm::kWinograd4:
        return make_winograd_conv(shape, options.isa, algorithm);
      case ConvAlgorithm::kAuto:
        break;
    }
  }
  return unsupported("a {} x {} convolution with {} groups cannot be done by algorithm '{}'",
                     shape.kernel_h, shape.kernel_w, shape.groups, conv_algorithm_name(algorithm));
}

}  // namespace

bool is_bounded(std::initializer_list<int64_t> extents) {
  int64_t total = 1;
  for (const int64_t extent : extents) {
    const auto next = checked_mul<int64_t>(total, std::max<int64_t>(extent, 1));
    if (!next || *next > (int64_t{1} << 40)) return false;
    total = *next;
  }
  return true;
}

Status check_conv_shape(const Conv2dShape& s) {
  const auto bad = [](std::string_view what, int64_t value) {
    return invalid_argument("convolution: {} is {}, which is out of range", what, value);
  };
  constexpr int64_t kMost = int64_t{1} << 31;
  struct Field {
    std::string_view name;
    int64_t value;
    int64_t least;
  };
  for (const Field& field :
       {Field{"batch", s.n, 0}, Field{"height", s.h, 0}, Field{"width", s.w, 0},
        Field{"input channels", s.in_channels, 1}, Field{"output channels", s.out_channels, 1},
        Field{"kernel height", s.kernel_h, 1}, Field{"kernel width", s.kernel_w, 1},
        Field{"vertical stride", s.stride_h, 1}, Field{"horizontal stride", s.stride_w, 1},
        Field{"padding", s.pad_top, 0}, Field{"padding", s.pad_left, 0},
        Field{"padding", s.pad_bottom, 0}, Field{"padding", s.pad_right, 0},
        Field{"vertical dilation", s.dilation_h, 1}, Field{"horizontal dilation", s.dilation_w, 1},
        Field{"groups", s.groups, 1}}) {
    if (field.value < field.least || field.value > kMost) return bad(field.name, field.value);
  }
  if (s.in_channels % s.groups != 0 || s.out_channels % s.groups != 0) {
    return invalid_argument("convolution: {} and {} channels are not multiples of {} groups",
                            s.in_channels, s.out_channels, s.groups);
  }
  if (s.h + s.pad_top + s.pad_bottom < s.dilation_h * (s.kernel_h - 1) + 1 ||
      s.w + s.pad_left + s.pad_right < s.dilation_w * (s.kernel_w - 1) + 1) {
    return invalid_argument("convolution: a {} x {} kernel is larger than the padded {} x {} input",
                            s.kernel_h, s.kernel_w, s.h, s.w);
  }
  if (!is_bounded(
          {s.n, s.h + s.pad_top + s.pad_bottom, s.w + s.pad_left + s.pad_right, s.in_channels}) ||
      !is_bounded({s.n, s.out_h(), s.out_w(), s.out_channels}) ||
      !is_bounded(
          {s.out_channels + 64 * s.groups, s.in_channels / s.groups, s.kernel_h, s.kernel_w})) {
    return invalid_argument("convolution: {} x {} x {} x {} to {} channels is too large", s.n, s.h,
                            s.w, s.in_channels, s.out_channels);
  }
  return {};
}

std::string_view conv_algorithm_name(ConvAlgorithm algorithm) {
  return kNames[static_cast<size_t>(algorithm)];
}

Result<Conv2d> Conv2d::make(const Conv2dShape& shape, const float* weights,
                            const Conv2dOptions& options) {
  PTE_TRY(Conv2d conv, unpacked(shape, options));
  PTE_TRY(Buffer packed, Buffer::allocate(conv.buffer().size()));
  conv.pack(weights, packed.fill<std::byte>());
  conv.buffer().provide(packed);
  return conv;
}

Result<Conv2d> Conv2d::unpacked(const Conv2dShape& shape, const Conv2dOptions& options) {
  PTE_TRY(std::unique_ptr<Conv2dImpl> impl, choose(shape, options));
  impl->set_packed(Buffer::later(impl->packed_bytes()));
  Conv2d conv;
  conv.impl_ = std::move(impl);
  return conv;
}

Result<Conv2d> Conv2d::from_packed(const Conv2dShape& shape, Buffer packed,
                                   const Conv2dOptions& options) {
  PTE_TRY(std::unique_ptr<Conv2dImpl> impl, choose(shape, options));
  if (packed.size() != impl->packed_bytes()) {
    return invalid_data("packed weights of a convolution for {} by '{}': {} bytes, expected {}",
                        isa_name(options.isa), conv_algorithm_name(impl->algorithm()),
                        packed.size(), impl->packed_bytes());
  }
  impl->set_packed(std::move(packed));
  Conv2d conv;
  conv.impl_ = std::move(impl);
  return conv;
}

const Conv2dShape& Conv2d::shape() const { return impl_->shape(); }
ConvAlgorithm Conv2d::algorithm() const { return impl_->algorithm(); }
std::span<const std::byte> Conv2d::packed() const { return impl_->packed().bytes(); }
Buffer Conv2d::buffer() const { return impl_->packed(); }
void Conv2d::pack(const float* weights, std::byte* to) const {
  impl_->pack(weights, reinterpret_cast<float*>(to));
}
int64_t Conv2d::tasks() const { return impl_->tasks(); }
size_t Conv2d::scratch_bytes() const { return impl_->scratch_bytes(); }

void Conv2d::run(const Args& args, int64_t begin, int64_t end, void* scratch) const {
  impl_->run(args, begin, end, scratch);
}

}  // namespace pte::simd
