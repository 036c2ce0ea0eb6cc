// Convolution in one to three dimensions, plain and transposed, grouped, dilated.
//
// Every convolution is a product of the filters with columns gathered from the input, one column
// an output pixel; only filters that read a single channel (depthwise) go row by row instead.
#include "kernels/conv/shape.h"
#include "kernels/families.h"
#include "kernels/matmul/gemm.h"

namespace pte::kernels {
namespace {

// Filters as rows of group_in * kernel taps, one row an output channel. Transposed weights come
// with the input channel outermost.
template <typename T>
std::vector<T> filters_of(const ConvShape& shape, const T* weight) {
  const int64_t taps = shape.taps();
  const int64_t in = shape.group_in();
  const int64_t out = shape.group_out();
  std::vector<T> filters(static_cast<size_t>(shape.out_channels * in * taps));
  for (int64_t g = 0; g < shape.groups; ++g) {
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < in; ++i) {
        std::copy_n(weight + ((g * in + i) * out + o) * taps, taps,
                    filters.data() + ((g * out + o) * in + i) * taps);
      }
    }
  }
  return filters;
}

// Gathers columns of one image and group: `planes` is its first channel.
template <typename T>
void gather_columns(const ConvShape& shape, const T* planes, int64_t column, int64_t count,
                    T* tile) {
  constexpr int64_t kColumns = Gemm<T>::kColumns;
  const int64_t taps = shape.taps();
  const int64_t plane = shape.plane();
  const ConvAxis& z = shape.z;
  const ConvAxis& y = shape.y;
  const ConvAxis& x = shape.x;
  const bool transposed = shape.transposed;
  // A tap's places in the plane, one for each column; the channels share them.
  int64_t places[kColumns];
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t kx = tap % x.kernel;
    const int64_t ky = tap / x.kernel % y.kernel;
    const int64_t kz = tap / x.kernel / y.kernel;
    bool in_a_row = count == kColumns;
    for (int64_t j = 0; j < kColumns; ++j) {
      places[j] = -1;
      if (j >= count) continue;
      const int64_t row = (column + j) / x.out;
      const int64_t iz = z.source(row / y.out, kz, transposed);
      const int64_t iy = y.source(row % y.out, ky, transposed);
      const int64_t ix = x.source((column + j) % x.out, kx, transposed);
      if (iz >= 0 && iy >= 0 && ix >= 0) places[j] = (iz * y.in + iy) * x.in + ix;
      in_a_row = in_a_row && places[j] >= 0 && places[j] == places[0] + j;
    }
    T* to = tile + tap * kColumns;
    for (int64_t c = 0; c < shape.group_in(); ++c, to += taps * kColumns) {
      const T* from = planes + c * plane;
      if (in_a_row) {
        std::memcpy(to, from + places[0], sizeof(T) * kColumns);
      } else {
        for (int64_t j = 0; j < kColumns; ++j) to[j] = places[j] < 0 ? T{0} : from[places[j]];
      }
    }
  }
}

// One output channel that reads one input channel: whole rows for each tap.
template <typename T>
void convolve_plane(const ConvShape& shape, const T* plane, const T* taps, T bias, T* out) {
  const ConvAxis& z = shape.z;
  const ConvAxis& y = shape.y;
  const ConvAxis& x = shape.x;
  // One row of the result and the row of taps that meets one row of the input.
  const auto add_row = [&x](const T* row, const T* weights, T* to) {
    for (int64_t kx = 0; kx < x.kernel; ++kx) {
      const T w = weights[kx];
      // Outputs whose input lies inside the row: 0 <= ox * stride + shift < in.
      const int64_t stride = x.stride;
      const int64_t shift = kx * x.dilation - x.padding;
      const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
      const int64_t last = x.in - shift <= 0 ? 0 : std::min(x.out, (x.in - shift - 1) / stride + 1);
      if (stride == 1) {
        const T* from = row + shift;
        for (int64_t ox = first; ox < last; ++ox) to[ox] += w * from[ox];
      } else {
        for (int64_t ox = first; ox < last; ++ox) to[ox] += w * row[ox * stride + shift];
      }
    }
  };
  for (int64_t oz = 0; oz < z.out; ++oz) {
    for (int64_t oy = 0; oy < y.out; ++oy, out += x.out) {
      std::fill_n(out, x.out, bias);
      for (int64_t kz = 0; kz < z.kernel; ++kz) {
        const int64_t iz = z.source(oz, kz, false);
        if (iz < 0) continue;
        for (int64_t ky = 0; ky < y.kernel; ++ky) {
          const int64_t iy = y.source(oy, ky, false);
          if (iy < 0) continue;
          add_row(plane + (iz * y.in + iy) * x.in, taps + (kz * y.kernel + ky) * x.kernel, out);
        }
      }
    }
  }
}

template <typename T>
void convolve(const Call& call, const ConvShape& shape, const T* input, const T* filters,
              const T* bias, T* out) {
  const int64_t plane = shape.plane();
  const int64_t pixels = shape.pixels();
  const int64_t taps = shape.taps();
  const int64_t in = shape.group_in();
  const int64_t depth = in * taps;
  if (in == 1 && !shape.transposed) {
    const int64_t grain = 1 + (1 << 14) / std::max<int64_t>(pixels * taps, 1);
    call.parallel_for(shape.batch * shape.out_channels, grain, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t channel = item % shape.out_channels;
        const int64_t source =
            item / shape.out_channels * shape.in_channels + channel / shape.group_out();
        convolve_plane(shape, input + source * plane, filters + channel * taps,
                       bias == nullptr ? T{0} : bias[channel], out + item * pixels);
      }
    });
    return;
  }
  for (int64_t n = 0; n < shape.batch; ++n) {
    for (int64_t g = 0; g < shape.groups; ++g) {
      const T* planes = input + (n * shape.in_channels + g * in) * plane;
      const int64_t channel = g * shape.group_out();
      T* target = out + (n * shape.out_channels + channel) * pixels;
      Gemm<T>::run(
          call, shape.group_out(), pixels, depth, filters + channel * depth, depth,
          [&](int64_t column, int64_t count, T* tile) {
            gather_columns(shape, planes, column, count, tile);
          },
          [&](int64_t row, int64_t column, int64_t count, const T* values) {
            const T add = bias == nullptr ? T{0} : bias[channel + row];
            T* to = target + row * pixels + column;
            for (int64_t j = 0; j < count; ++j) to[j] = values[j] + add;
          });
    }
  }
}

Status bias_alone(Call& call, const Tensor* bias) {
  Tensor& out = call.out();
  if (bias == nullptr) return fill_with(call, out, Scalar{});
  Strides strides(out.rank(), 0);
  strides[1] = bias->strides()[0];
  return copy_converting(call, bias->with_layout(out.sizes(), strides), out);
}

Status convolution(Call& call) {
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(1);
  const Tensor* bias = call.optional_tensor(2);
  PTE_CHECK(check_real(call, input));
  if (input.dtype() == DType::kBool) return call.not_supported("operands of type bool");
  if (weight.dtype() != input.dtype()) {
    return call.invalid("input is {} and weight {}, expected one type", dtype_name(input.dtype()),
                        dtype_name(weight.dtype()));
  }
  PTE_TRY(const ConvShape shape, ConvShape::of(call, input, weight, 3));
  if (bias != nullptr && (bias->rank() != 1 || bias->size(0) != shape.out_channels)) {
    return call.invalid("bias {} does not fit {} output channels", bias->describe(),
                        shape.out_channels);
  }
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), shape.out_sizes(input.rank())));
  if (call.out().numel() == 0) return {};
  // Without an input channel a kernel of any extent has no taps to add.
  if (weight.numel() == 0) return bias_alone(call, bias);
  return dispatch_compute(input.dtype(), [&]<typename C>(C) -> Status {
    using T = GemmElement<C>;
    PTE_TRY(const Tensor planes, dense_as<C>(call, input));
    PTE_TRY(const Tensor filters, dense_as<C>(call, weight));
    Tensor adds;
    if (bias != nullptr) {
      PTE_TRY(adds, dense_as<C>(call, *bias));
    }
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    std::vector<T> turned;
    if (shape.transposed) turned = filters_of(shape, filters.data_as<T>());
    convolve(call, shape, planes.data_as<T>(),
             shape.transposed ? turned.data() : filters.data_as<T>(),
             bias == nullptr ? nullptr : adds.data_as<T>(), reinterpret_cast<T*>(out.data()));
    return out.commit(call);
  });
}

}  // namespace

std::span<const Entry> conv_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_convolution, convolution},
      {Op::aten_convolution_backward, convolution_backward},
  };
  return kEntries;
}

}  // namespace pte::kernels
