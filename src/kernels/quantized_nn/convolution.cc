// Quantised convolutions in two dimensions, plain and transposed, grouped, dilated, with any
// padding on each side: int8 to int8, and floating values quantised image by image on the way.
#include <fmt/ranges.h>

#include <cmath>

#include "kernels/families.h"
#include "kernels/quantized_nn/arithmetic.h"
#include "kernels/quantized_nn/integer_gemm.h"

namespace pte::kernels {
namespace {

// One spatial dimension.
struct Axis {
  int64_t in = 1;
  int64_t out = 1;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t before = 0;  // padding
  int64_t dilation = 1;

  bool copies() const { return kernel == 1 && stride == 1 && before == 0 && out == in; }

  // The input index that output `o` reads under tap `k`, or -1.
  int64_t source(int64_t o, int64_t k, bool transposed) const {
    if (!transposed) {
      const int64_t i = o * stride - before + k * dilation;
      return i >= 0 && i < in ? i : -1;
    }
    const int64_t scaled = o + before - k * dilation;
    if (scaled < 0 || scaled % stride != 0) return -1;
    return scaled / stride < in ? scaled / stride : -1;
  }
};

struct Shape {
  int64_t batch = 0;
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t groups = 1;
  bool transposed = false;
  Axis y;
  Axis x;

  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t taps() const { return y.kernel * x.kernel; }
  int64_t pixels() const { return y.out * x.out; }
  // Every output pixel is a product of the weight with the same input pixel.
  bool is_pointwise() const { return !transposed && groups == 1 && y.copies() && x.copies(); }
  Sizes sizes() const { return {batch, out_channels, y.out, x.out}; }
};

Result<std::vector<int64_t>> numbers(const Call& call, size_t arg, size_t count, int64_t least) {
  const std::vector<int64_t>& list = call.ints(arg);
  bool good = list.size() == count;
  for (const int64_t value : list) good = good && value >= least && value <= INT32_MAX;
  if (!good) {
    return call.invalid("{} [{}] is no list of {} numbers from {} to {}", call.op().args[arg].name,
                        fmt::join(list, ","), count, least, INT32_MAX);
  }
  return list;
}

// The weight is argument `weight_arg`, the bias `bias_arg`; stride, padding, dilation, transposed,
// output_padding and groups follow it.
Result<Shape> shape_of(const Call& call, size_t weight_arg, size_t bias_arg) {
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(weight_arg);
  const Tensor* bias = call.optional_tensor(bias_arg);
  if (input.rank() != 4 || weight.rank() != 4) {
    return call.invalid("input {} and weight {} do not both have rank 4", input.describe(),
                        weight.describe());
  }
  PTE_TRY(const auto stride, numbers(call, bias_arg + 1, 2, 1));
  PTE_TRY(const auto padding, numbers(call, bias_arg + 2, 4, 0));
  PTE_TRY(const auto dilation, numbers(call, bias_arg + 3, 2, 1));
  PTE_TRY(const auto extra, numbers(call, bias_arg + 5, 2, 0));
  Shape shape;
  shape.transposed = call.boolean(bias_arg + 4);
  shape.groups = call.integer(bias_arg + 6);
  shape.batch = input.size(0);
  shape.in_channels = input.size(1);
  const auto fan = element_count(std::array{weight.size(1), shape.groups});
  const int64_t outer = weight.size(0);
  const bool fits = shape.groups >= 1 && fan &&
                    shape.in_channels == (shape.transposed ? outer : *fan) &&
                    outer % shape.groups == 0;
  if (!fits) {
    return call.invalid("weight {} in {} groups does not fit input {}", weight.describe(),
                        shape.groups, input.describe());
  }
  shape.out_channels = shape.transposed ? *fan : outer;
  if (bias != nullptr && (bias->rank() != 1 || bias->size(0) != shape.out_channels)) {
    return call.invalid("bias {} does not fit {} output channels", bias->describe(),
                        shape.out_channels);
  }
  for (size_t i = 0; i < 2; ++i) {
    Axis& axis = i == 0 ? shape.y : shape.x;
    axis.in = input.size(2 + i);
    axis.kernel = weight.size(2 + i);
    axis.stride = stride[i];
    axis.before = padding[i];
    axis.dilation = dilation[i];
    if (axis.in > INT32_MAX || axis.kernel > INT32_MAX || axis.kernel < 1) {
      return call.invalid("weight {} does not fit input {}", weight.describe(), input.describe());
    }
    const int64_t sides = padding[i] + padding[i + 2];
    const int64_t reach = axis.dilation * (axis.kernel - 1) + 1;
    if (shape.transposed) {
      axis.out = (axis.in - 1) * axis.stride - sides + reach + extra[i];
    } else {
      const int64_t room = axis.in + sides - reach;
      axis.out = room < 0 ? -1 : room / axis.stride + 1;
    }
    if (axis.out < 1) {
      return call.invalid("input {} with padding [{}] is smaller than the kernel of weight {}",
                          input.describe(), fmt::join(padding, ","), weight.describe());
    }
  }
  return shape;
}

// The weights, read where they lie.
class Filters {
 public:
  Filters(const Shape& shape, const Tensor& weight, int32_t zero_point)
      : shape_(shape), weight_(weight), zero_point_(zero_point) {}

  // The taps of one output channel, all its input channels, as floats or integers.
  template <typename To>
  void row(int64_t channel, To* to) const {
    if (weight_.dtype() == DType::kInt8) {
      fill<int8_t>(channel, to);
    } else {
      fill<uint8_t>(channel, to);
    }
  }

 private:
  template <typename T, typename To>
  void fill(int64_t channel, To* to) const {
    const Strides& s = weight_.strides();
    const int64_t in = shape_.group_in();
    const T* from = weight_.data_as<T>();
    int64_t step = s[1];
    if (shape_.transposed) {
      from += channel / shape_.group_out() * in * s[0] + channel % shape_.group_out() * s[1];
      step = s[0];
    } else {
      from += channel * s[0];
    }
    for (int64_t i = 0; i < in; ++i, from += step) {
      for (int64_t y = 0; y < shape_.y.kernel; ++y) {
        const T* line = from + y * s[2];
        for (int64_t x = 0; x < shape_.x.kernel; ++x) {
          *to++ = static_cast<To>(line[x * s[3]] - zero_point_);
        }
      }
    }
  }

  const Shape& shape_;
  const Tensor& weight_;
  int32_t zero_point_;
};

// Gathers columns of one image and group, `planes` its first channel. Padding counts as zero.
template <typename T>
void gather_columns(const Shape& shape, const T* planes, int32_t zero_point, int64_t column,
                    int64_t count, float* tile) {
  constexpr int64_t kColumns = IntegerGemm::kColumns;
  const int64_t plane = shape.y.in * shape.x.in;
  // A tap's places in the plane, one for each column; the channels share them.
  int64_t places[kColumns];
  for (int64_t ky = 0; ky < shape.y.kernel; ++ky) {
    for (int64_t kx = 0; kx < shape.x.kernel; ++kx) {
      bool in_a_row = count == kColumns;
      for (int64_t j = 0; j < kColumns; ++j) {
        places[j] = -1;
        if (j >= count) continue;
        const int64_t iy = shape.y.source((column + j) / shape.x.out, ky, shape.transposed);
        const int64_t ix = shape.x.source((column + j) % shape.x.out, kx, shape.transposed);
        if (iy >= 0 && ix >= 0) places[j] = iy * shape.x.in + ix;
        in_a_row = in_a_row && places[j] >= 0 && places[j] == places[0] + j;
      }
      float* to = tile + (ky * shape.x.kernel + kx) * kColumns;
      for (int64_t c = 0; c < shape.group_in(); ++c, to += shape.taps() * kColumns) {
        const T* from = planes + c * plane;
        if (in_a_row) {
          from += places[0];
          for (int64_t j = 0; j < kColumns; ++j) to[j] = static_cast<float>(from[j] - zero_point);
        } else {
          for (int64_t j = 0; j < kColumns; ++j) {
            to[j] = places[j] < 0 ? 0.0F : static_cast<float>(from[places[j]] - zero_point);
          }
        }
      }
    }
  }
}

// One output channel that reads one input channel: whole rows for each tap.
template <typename T>
void convolve_plane(const Shape& shape, const T* plane, int32_t zero_point, const int32_t* taps,
                    int32_t* sums) {
  std::fill_n(sums, shape.pixels(), 0);
  for (int64_t oy = 0; oy < shape.y.out; ++oy, sums += shape.x.out) {
    for (int64_t ky = 0; ky < shape.y.kernel; ++ky) {
      const int64_t iy = shape.y.source(oy, ky, false);
      if (iy < 0) continue;
      const T* row = plane + iy * shape.x.in;
      for (int64_t kx = 0; kx < shape.x.kernel; ++kx) {
        const int32_t w = taps[ky * shape.x.kernel + kx];
        // Outputs whose input lies inside the row: 0 <= ox * stride + shift < in.
        const int64_t stride = shape.x.stride;
        const int64_t shift = kx * shape.x.dilation - shape.x.before;
        const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
        const int64_t last = shape.x.in - shift <= 0
                                 ? 0
                                 : std::min(shape.x.out, (shape.x.in - shift - 1) / stride + 1);
        for (int64_t ox = first; ox < last; ++ox) {
          sums[ox] += w * (row[ox * stride + shift] - zero_point);
        }
      }
    }
  }
}

// `store(image, channel, pixel, count, sums)` takes finished sums of integers (double or int32).
template <typename T, typename StoreSums>
void convolve(const Call& call, const Shape& shape, const T* input, int32_t zero_point,
              const Filters& filters, const StoreSums& store) {
  const int64_t plane = shape.y.in * shape.x.in;
  const int64_t in = shape.group_in();
  constexpr int64_t kMaxTaps = 1 << 14;  // 2^14 products of 2^16 fit an int32
  if (in == 1 && !shape.transposed && shape.taps() <= kMaxTaps) {
    const int64_t work = std::max<int64_t>(shape.pixels() * shape.taps(), 1);
    call.parallel_for(
        shape.batch * shape.out_channels, 1 + (1 << 14) / work, [&](int64_t begin, int64_t end) {
          std::vector<int32_t> sums(static_cast<size_t>(shape.pixels()));
          std::vector<int32_t> taps(static_cast<size_t>(shape.taps()));
          for (int64_t item = begin; item < end; ++item) {
            const int64_t image = item / shape.out_channels;
            const int64_t channel = item % shape.out_channels;
            const int64_t source = image * shape.in_channels + channel / shape.group_out();
            filters.row(channel, taps.data());
            convolve_plane(shape, input + source * plane, zero_point, taps.data(), sums.data());
            store(image, channel, 0, shape.pixels(), sums.data());
          }
        });
    return;
  }
  for (int64_t n = 0; n < shape.batch; ++n) {
    for (int64_t g = 0; g < shape.groups; ++g) {
      const T* planes = input + (n * shape.in_channels + g * in) * plane;
      const int64_t channel = g * shape.group_out();
      IntegerGemm::run(
          call, shape.group_out(), shape.pixels(), in * shape.taps(),
          [&](int64_t row, float* to) { filters.row(channel + row, to); },
          [&](int64_t column, int64_t count, float* tile) {
            gather_columns(shape, planes, zero_point, column, count, tile);
          },
          [&](int64_t row, int64_t column, int64_t count, const double* sums) {
            store(n, channel + row, column, count, sums);
          });
    }
  }
}

// pte::quantized_convolution
Status quantized_convolution(Call& call) {
  constexpr size_t kWeight = 3;
  constexpr size_t kBias = 6;
  PTE_CHECK(check_byte(call, 0));
  PTE_CHECK(check_byte(call, kWeight));
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(kWeight);
  const Tensor* bias = call.optional_tensor(kBias);
  PTE_TRY(const Quantization from, quantization_args(call, 1, input.dtype()));
  PTE_TRY(const int32_t weight_zero, zero_point_arg(call, 5, ByteRange::of(weight.dtype())));
  PTE_TRY(const Quantization to, quantization_args(call, 13, input.dtype()));
  PTE_TRY(const Shape shape, shape_of(call, kWeight, kBias));
  PTE_TRY(std::vector<float> scales, channel_scales(call, 4, shape.out_channels));
  for (float& scale : scales) scale = from.scale * scale / to.scale;
  PTE_TRY(const Tensor adds, int32_bias(call, bias));
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), shape.sizes()));
  if (call.out().numel() == 0) return {};
  const ByteRange range = ByteRange::of(input.dtype());
  const Filters filters(shape, weight, weight_zero);
  const auto run = [&]<typename T>(T) -> Status {
    PTE_TRY(const Tensor planes, dense_as<T>(call, input));
    PTE_TRY(DenseOut<T> out, DenseOut<T>::make(call, call.out()));
    T* const results = out.data();
    convolve(call, shape, planes.data_as<T>(), from.zero_point, filters,
             [&](int64_t image, int64_t channel, int64_t pixel, int64_t count, const auto* sums) {
               const auto index = static_cast<size_t>(channel);
               const double add = bias == nullptr ? 0 : adds.data_as<int32_t>()[index];
               T* target =
                   results + (image * shape.out_channels + channel) * shape.pixels() + pixel;
               for (int64_t j = 0; j < count; ++j) {
                 const auto sum = static_cast<float>(static_cast<double>(sums[j]) + add);
                 target[j] = static_cast<T>(to_stored(sum * scales[index], to.zero_point, range));
               }
             });
    return out.commit(call);
  };
  return input.dtype() == DType::kInt8 ? run(int8_t{}) : run(uint8_t{});
}

// Replaces the values by integers less their zero points, and gives the scale of each part: an
// image, or (by pixel) the channels of one pixel.
std::vector<float> quantize_images(Call& call, const Shape& shape, const float* values,
                                   DType storage, bool by_pixel, int16_t* integers) {
  const int64_t plane = shape.y.in * shape.x.in;
  const int64_t image_size = shape.in_channels * plane;
  std::vector<float> to_real(static_cast<size_t>(by_pixel ? shape.batch * plane : shape.batch));
  if (!by_pixel) {
    call.parallel_for(shape.batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        to_real[static_cast<size_t>(n)] = quantize_dynamically(values + n * image_size, image_size,
                                                               storage, integers + n * image_size)
                                              .to_real;
      }
    });
    return to_real;
  }
  call.parallel_for(shape.batch * plane, 256, [&](int64_t begin, int64_t end) {
    const auto channels = static_cast<size_t>(shape.in_channels);
    std::vector<float> from(channels);
    std::vector<int16_t> to(channels);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i / plane * image_size + i % plane;
      for (size_t c = 0; c < channels; ++c)
        from[c] = values[first + static_cast<int64_t>(c) * plane];
      to_real[static_cast<size_t>(i)] =
          quantize_dynamically(from.data(), shape.in_channels, storage, to.data()).to_real;
      for (size_t c = 0; c < channels; ++c)
        integers[first + static_cast<int64_t>(c) * plane] = to[c];
    }
  });
  return to_real;
}

// pte::dynamic_quantized_convolution. XNNPACK runs a pointwise one as a matrix product, whose rows,
// the pixels, have a scale each; otherwise an image has one.
Status dynamic_quantized_convolution(Call& call) {
  constexpr size_t kWeight = 1;
  constexpr size_t kBias = 4;
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(kWeight);
  const Tensor* bias = call.optional_tensor(kBias);
  if (!is_floating(input.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(input.dtype()));
  }
  PTE_CHECK(check_byte(call, kWeight));
  PTE_TRY(const int32_t weight_zero, zero_point_arg(call, 3, ByteRange::of(weight.dtype())));
  PTE_TRY(const Shape shape, shape_of(call, kWeight, kBias));
  PTE_TRY(const std::vector<float> scales, channel_scales(call, 2, shape.out_channels));
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), shape.sizes()));
  if (call.out().numel() == 0) return {};
  Tensor adds;
  if (bias != nullptr) {
    PTE_TRY(adds, dense_as<float>(call, *bias));
  }
  PTE_TRY(const Tensor dense, dense_as<float>(call, input));
  PTE_TRY(Tensor integers, Tensor::zeros(DType::kInt16, input.sizes()));
  const bool by_pixel = shape.is_pointwise();
  const std::vector<float> to_real =
      quantize_images(call, shape, dense.data_as<float>(), input.dtype(), by_pixel,
                      integers.mutable_data_as<int16_t>());
  PTE_TRY(DenseOut<float> out, DenseOut<float>::make(call, call.out()));
  float* const results = out.data();
  const Filters filters(shape, weight, weight_zero);
  convolve(call, shape, integers.data_as<int16_t>(), 0, filters,
           [&](int64_t image, int64_t channel, int64_t pixel, int64_t count, const auto* sums) {
             const auto index = static_cast<size_t>(channel);
             const float add = bias == nullptr ? 0.0F : adds.data_as<float>()[index];
             const float* scale =
                 &to_real[static_cast<size_t>(by_pixel ? image * shape.pixels() + pixel : image)];
             float* to = results + (image * shape.out_channels + channel) * shape.pixels() + pixel;
             for (int64_t j = 0; j < count; ++j) {
               // Rounded once, as XNNPACK does: else later layers would quantise to other integers.
               to[j] = std::fma(static_cast<float>(sums[j]) * scale[by_pixel ? j : 0],
                                scales[index], add);
             }
           });
  return out.commit(call);
}

}  // namespace

std::span<const Entry> quantized_convolution_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::pte_quantized_convolution, quantized_convolution},
      {Op::pte_dynamic_quantized_convolution, dynamic_quantized_convolution},
  };
  return kEntries;
}

}  // namespace pte::kernels
