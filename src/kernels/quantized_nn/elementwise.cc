// Quantised sums, products and means, and changes of scale.
#include "kernels/common/loop.h"
#include "kernels/families.h"
#include "kernels/quantized_nn/arithmetic.h"

namespace pte::kernels {
namespace {

struct Operands {
  DType dtype = DType::kInt8;
  Quantization a, b, out;
};

// Arguments: a and its quantisation, b and its own, the result's.
Result<Operands> operands(const Call& call, bool negative) {
  PTE_CHECK(check_byte(call, 0));
  const DType dtype = call.tensor(0).dtype();
  if (call.tensor(3).dtype() != dtype) {
    return call.invalid("operands of types {} and {}", dtype_name(dtype),
                        dtype_name(call.tensor(3).dtype()));
  }
  Operands o;
  o.dtype = dtype;
  PTE_TRY(o.a, quantization_args(call, 1, dtype));
  PTE_TRY(o.b, quantization_args(call, 4, dtype, negative));
  PTE_TRY(o.out, quantization_args(call, 6, dtype));
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, call.tensor(0).sizes(), call.tensor(3).sizes()));
  PTE_CHECK(check_out_type(call, dtype, call.out()));
  if (call.out().dtype() != dtype) {
    return call.invalid("a result of type {} for {}", dtype_name(call.out().dtype()),
                        dtype_name(dtype));
  }
  PTE_CHECK(resize_out(call, call.out(), sizes));
  return o;
}

// Computes each element of the result from one of both operands.
template <typename T, typename Compute>
void map_pairs(const Call& call, const Compute& compute) {
  const Tensor& a = call.tensor(0);
  const Tensor& b = call.tensor(3);
  Tensor& out = call.out();
  if (out.numel() == 0) return;
  const std::array strides{out.strides(), broadcast_strides(a, out.sizes()),
                           broadcast_strides(b, out.sizes())};
  const Loop loop(out.sizes(), strides);
  T* const to = out.mutable_data_as<T>();
  const T* const x = a.data_as<T>();
  const T* const y = b.data_as<T>();
  call.parallel_for(loop.count(), 1 << 14, [&](int64_t begin, int64_t end) {
    loop.run(begin, end, [&](const int64_t* offsets, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        to[offsets[0] + i * loop.step(0)] = static_cast<T>(
            compute(x[offsets[1] + i * loop.step(1)], y[offsets[2] + i * loop.step(2)]));
      }
    });
  });
}

// Calls body with the C++ type of the result.
template <typename Body>
Status by_type(DType dtype, const Body& body) {
  if (dtype == DType::kInt8) {
    body(int8_t{});
  } else {
    body(uint8_t{});
  }
  return {};
}

// pte::quantized_add: scales become multipliers of 21 bits over one power of two, whose last bit
// is rounded upwards at ties.
Status quantized_add(Call& call) {
  PTE_TRY(const Operands o, operands(call, true));
  const float a_scale = o.a.scale / o.out.scale;
  const float b_scale = o.b.scale / o.out.scale;
  int exponent = 0;
  std::frexp(std::max(a_scale, std::abs(b_scale)), &exponent);
  --exponent;  // of a number from 1 to 2
  if (!std::isfinite(a_scale) || !std::isfinite(b_scale) || exponent < -10 || exponent > 7) {
    return call.not_supported("scales {} and {} added to scale {}", o.a.scale, o.b.scale,
                              o.out.scale);
  }
  const int shift = 20 - exponent;
  const auto multiplier = [shift](float scale) {
    return static_cast<int64_t>(std::nearbyint(std::ldexp(scale, shift)));
  };
  const int64_t by_a = multiplier(a_scale);
  const int64_t by_b = multiplier(b_scale);
  const int64_t start = (int64_t{1} << (shift - 1)) - by_a * o.a.zero_point - by_b * o.b.zero_point;
  const ByteRange range = ByteRange::of(o.dtype);
  return by_type(o.dtype, [&]<typename T>(T) {
    map_pairs<T>(call, [&](int64_t x, int64_t y) {
      const int64_t sum = (start + x * by_a + y * by_b) >> shift;
      return std::clamp<int64_t>(sum + o.out.zero_point, range.min, range.max);
    });
  });
}

// pte::quantized_mul
Status quantized_mul(Call& call) {
  PTE_TRY(const Operands o, operands(call, false));
  const float scale = o.a.scale * o.b.scale / o.out.scale;
  const ByteRange range = ByteRange::of(o.dtype);
  return by_type(o.dtype, [&]<typename T>(T) {
    map_pairs<T>(call, [&](int32_t x, int32_t y) {
      const auto product = static_cast<float>((x - o.a.zero_point) * (y - o.b.zero_point));
      return to_stored(product * scale, o.out.zero_point, range);
    });
  });
}

// pte::quantized_mean
Status quantized_mean(Call& call) {
  PTE_CHECK(check_byte(call, 0));
  const Tensor& input = call.tensor(0);
  PTE_TRY(const Quantization from, quantization_args(call, 1, input.dtype()));
  PTE_TRY(const Quantization to, quantization_args(call, 5, input.dtype()));
  PTE_TRY(const std::vector<bool> mask, dim_mask(call, &call.ints(3), input.rank()));
  Sizes sizes;
  Sizes outer;
  Sizes inner;
  Strides outer_strides;
  Strides inner_strides;
  for (size_t d = 0; d < input.rank(); ++d) {
    (mask[d] ? inner : outer).push_back(input.size(d));
    (mask[d] ? inner_strides : outer_strides).push_back(input.strides()[d]);
    if (!mask[d]) sizes.push_back(input.size(d));
    if (mask[d] && call.boolean(4)) sizes.push_back(1);
  }
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() == 0) return {};
  const Loop elements(inner, std::array{inner_strides});
  const int64_t count = elements.count();
  if (count == 0 || count > INT32_MAX / 256) {
    return call.invalid("the mean of {} elements", count);
  }
  const float scale = from.scale / to.scale * (1.0F / static_cast<float>(count));
  // The operands' zero point goes into the result's, which is then no integer.
  const float zero = static_cast<float>(to.zero_point) -
                     static_cast<float>(static_cast<int32_t>(count) * from.zero_point) * scale;
  const ByteRange range = ByteRange::of(input.dtype());
  const auto run = [&]<typename T>(T) -> Status {
    PTE_TRY(DenseOut<T> out, DenseOut<T>::make(call, call.out()));
    T* const results = out.data();
    const Strides dense = contiguous_strides(outer);
    const Loop places(outer, std::array{dense, outer_strides});
    call.parallel_for(places.count(), 1 + (1 << 14) / count, [&](int64_t begin, int64_t end) {
      places.run(begin, end, [&](const int64_t* offsets, int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          const T* source = input.data_as<T>() + offsets[1] + i * places.step(1);
          int32_t sum = 0;
          elements.run(0, count, [&](const int64_t* at, int64_t length) {
            for (int64_t j = 0; j < length; ++j) sum += source[at[0] + j * elements.step(0)];
          });
          const float value = std::nearbyint(static_cast<float>(sum) * scale + zero);
          const float bounded = value > static_cast<float>(range.min)
                                    ? std::min(value, static_cast<float>(range.max))
                                    : static_cast<float>(range.min);
          results[offsets[0] + i * places.step(0)] = static_cast<T>(bounded);
        }
      });
    });
    return out.commit(call);
  };
  return input.dtype() == DType::kInt8 ? run(int8_t{}) : run(uint8_t{});
}

// pte::requantize: the ratio of the scales has 8 bits after the point.
Status requantize(Call& call) {
  PTE_CHECK(check_byte(call, 0));
  const Tensor& input = call.tensor(0);
  PTE_TRY(const Quantization from, quantization_args(call, 1, input.dtype()));
  PTE_TRY(const Quantization to, quantization_args(call, 3, input.dtype()));
  const float ratio = from.scale / to.scale;
  constexpr float kLeast = 1.0F / 256;
  constexpr float kMost = 128;
  if (!(ratio >= kLeast && ratio <= kMost)) {
    return call.not_supported("scale {} as scale {}", from.scale, to.scale);
  }
  const auto multiplier = static_cast<int32_t>(std::nearbyint(256 * ratio));
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  if (call.out().numel() == 0) return {};
  const ByteRange range = ByteRange::of(input.dtype());
  const auto run = [&]<typename T>(T) -> Status {
    PTE_TRY(const Tensor dense, dense_as<T>(call, input));
    PTE_TRY(DenseOut<T> out, DenseOut<T>::make(call, call.out()));
    const T* const source = dense.data_as<T>();
    T* const results = out.data();
    for (int64_t i = 0; i < input.numel(); ++i) {
      const int32_t value = ((source[i] - from.zero_point) * multiplier + 128) >> 8;
      results[i] = static_cast<T>(std::clamp(value + to.zero_point, range.min, range.max));
    }
    return out.commit(call);
  };
  return input.dtype() == DType::kInt8 ? run(int8_t{}) : run(uint8_t{});
}

}  // namespace

std::span<const Entry> quantized_elementwise_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::pte_quantized_add, quantized_add},
      {Op::pte_quantized_mul, quantized_mul},
      {Op::pte_quantized_mean, quantized_mean},
      {Op::pte_requantize, requantize},
  };
  return kEntries;
}

}  // namespace pte::kernels
