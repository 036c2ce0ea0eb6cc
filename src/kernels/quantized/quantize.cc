// Quantizing and dequantizing: with one scale, one for each channel, one for each token; and the
// sum of two quantized tensors.
#include <fmt/ranges.h>

#include "kernels/quantized/quantize.h"

namespace pte::kernels {
namespace {

// What a quantizing call rounds and clamps to.
struct Range {
  int64_t low = 0;
  int64_t high = 0;
};

// Arguments `arg` to `arg` + 2: quant_min, quant_max and the type of the result.
Result<Range> range_of(const Call& call, size_t arg) {
  const Range range{call.integer(arg), call.integer(arg + 1)};
  PTE_TRY(const DType dtype, dtype_argument(call, arg + 2, call.out().dtype()));
  if (dtype != call.out().dtype()) {
    return call.invalid("dtype says {}, the result is {}", dtype_name(dtype),
                        dtype_name(call.out().dtype()));
  }
  PTE_CHECK(check_quantized_type(call, dtype, range.low, range.high));
  return range;
}

Status check_floating(const Call& call, const Tensor& input) {
  PTE_CHECK(check_real(call, input));
  if (is_floating(input.dtype())) return {};
  return call.not_supported("operands of type {}", dtype_name(input.dtype()));
}

template <typename C>
C clamped(C value, const Range& range) {
  // Written so that NaN stays, as PyTorch's clamp leaves it.
  const C low = static_cast<C>(range.low);
  const C high = static_cast<C>(range.high);
  return value < low ? (low < high ? low : high) : value > high ? high : value;
}

// round(x / scale) + zero_point, clamped. Halves compute as float.
Status quantize(Call& call, double scale, double zero_point) {
  const Tensor& input = call.tensor(0);
  PTE_CHECK(check_floating(call, input));
  PTE_TRY(const Range range, range_of(call, 3));
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  const std::array in{Operand::of(input, input.sizes(), input.dtype())};
  dispatch_floating(input.dtype(), [&]<typename C>(C) {
    const C factor = static_cast<C>(1.0 / scale);
    const C zero = static_cast<C>(zero_point);
    map_elements<C>(call, in, call.out(), dtype_of<C>(),
                    [=](C x) { return clamped<C>(std::nearbyint(x * factor) + zero, range); });
  });
  return {};
}

Status quantize_per_tensor(Call& call) {
  return quantize(call, call.real(1), static_cast<double>(call.integer(2)));
}

Result<double> single(const Call& call, size_t arg) {
  const Tensor& tensor = call.tensor(arg);
  if (tensor.numel() != 1) {
    return call.invalid("{} is {}, expected one element", call.op().args[arg].name,
                        tensor.describe());
  }
  PTE_TRY(const auto values, doubles_of(call, tensor));
  return values[0];
}

Status quantize_per_tensor_tensor(Call& call) {
  PTE_TRY(const double scale, single(call, 1));
  PTE_TRY(const double zero_point, single(call, 2));
  return quantize(call, scale, zero_point);
}

// The type of a dequantized result: argument `out_arg`, float32 when it is None. The result itself
// may have another floating type; values are converted to it.
Result<DType> dequantized_type(const Call& call, size_t input_type_arg, size_t out_arg) {
  const DType input = call.tensor(0).dtype();
  PTE_TRY(const DType named, dtype_argument(call, input_type_arg, input));
  if (named != input) {
    return call.invalid("dtype says {}, the input is {}", dtype_name(named), dtype_name(input));
  }
  PTE_CHECK(check_quantized_type(call, input, 0, 0));
  PTE_TRY(const DType type, dtype_argument(call, out_arg, DType::kFloat32));
  if (!is_floating(type) || !is_real(type)) {
    return call.not_supported("a result of type {}", dtype_name(type));
  }
  PTE_CHECK(check_out_type(call, type, call.out()));
  return type;
}

// (input.to(type) - zero_point) * scale, each step rounded to the type.
Status dequantize(Call& call, double scale, double zero_point) {
  const Tensor& input = call.tensor(0);
  PTE_TRY(const DType type, dequantized_type(call, 5, 6));
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  const std::array in{Operand::of(input, input.sizes(), type)};
  if (type == DType::kFloat16 || type == DType::kBFloat16) {
    // Float computes what a half's steps round.
    const float factor = static_cast<float>(scale);
    const float zero = static_cast<float>(zero_point);
    map_elements<float>(call, in, call.out(), type, [=](float x) {
      return static_cast<float>(round_to(type, static_cast<double>(x - zero))) * factor;
    });
    return {};
  }
  dispatch_floating(type, [&]<typename C>(C) {
    const C factor = static_cast<C>(scale);
    const C zero = static_cast<C>(zero_point);
    map_elements<C>(call, in, call.out(), type, [=](C x) { return (x - zero) * factor; });
  });
  return {};
}

Status dequantize_per_tensor(Call& call) {
  return dequantize(call, call.real(1), static_cast<double>(call.integer(2)));
}

Status dequantize_per_tensor_tensor(Call& call) {
  PTE_TRY(const double scale, single(call, 1));
  PTE_TRY(const double zero_point, single(call, 2));
  return dequantize(call, scale, zero_point);
}

// Parameters spread over an input: strides under which their elements, in order, read as it.
struct Spread {
  std::vector<double> values;
  Strides strides;
};

// One parameter for each place along `axis`, or one for all.
Result<Spread> along_axis(const Call& call, size_t arg, size_t axis) {
  const Tensor& input = call.tensor(0);
  const Tensor& tensor = call.tensor(arg);
  const int64_t count = tensor.numel();
  if (tensor.rank() == 0 || (count != input.size(axis) && count != 1)) {
    return call.invalid("{} {} does not fit dimension {} of {}", call.op().args[arg].name,
                        tensor.describe(), axis, input.describe());
  }
  Spread spread;
  PTE_TRY(spread.values, doubles_of(call, tensor));
  spread.strides.assign(input.rank(), 0);
  spread.strides[axis] = count == 1 ? 0 : 1;
  return spread;
}

// One parameter for each token (all dimensions but the last), or any shape that broadcasts.
Result<Spread> along_tokens(const Call& call, size_t arg) {
  const Tensor& input = call.tensor(0);
  const Tensor& tensor = call.tensor(arg);
  Spread spread;
  PTE_TRY(spread.values, doubles_of(call, tensor));
  bool broadcasts = tensor.rank() <= input.rank();
  for (size_t i = 0; broadcasts && i < tensor.rank(); ++i) {
    const int64_t size = tensor.size(i);
    broadcasts = size == 1 || size == input.size(input.rank() - tensor.rank() + i);
  }
  if (broadcasts) {
    const Tensor dense = tensor.with_layout(tensor.sizes(), contiguous_strides(tensor.sizes()));
    spread.strides = broadcast_strides(dense, input.sizes());
    return spread;
  }
  Sizes tokens = input.sizes();
  if (!tokens.empty()) tokens.back() = 1;
  if (element_count(tokens) != tensor.numel()) {
    return call.invalid("{} {} does not fit the tokens of {}", call.op().args[arg].name,
                        tensor.describe(), input.describe());
  }
  spread.strides = contiguous_strides(tokens);
  if (!spread.strides.empty()) spread.strides.back() = 0;
  return spread;
}

Operand operand(const Spread& spread) {
  return {reinterpret_cast<const std::byte*>(spread.values.data()), DType::kFloat64, spread.strides,
          DType::kFloat64};
}

// 1 / scale in the scale's own type.
void invert(Spread& scales, DType type) {
  for (double& scale : scales.values) scale = round_to(type, 1.0 / scale);
}

Result<size_t> axis_of(const Call& call) {
  const Tensor& input = call.tensor(0);
  if (input.rank() == 0) return call.invalid("a tensor of rank 0 has no channels");
  PTE_TRY(const int64_t axis, wrap_dim(call, call.integer(3), input.rank()));
  return static_cast<size_t>(axis);
}

Status quantize_per_channel(Call& call) {
  const Tensor& input = call.tensor(0);
  PTE_CHECK(check_floating(call, input));
  PTE_TRY(const size_t axis, axis_of(call));
  PTE_TRY(Spread scales, along_axis(call, 1, axis));
  PTE_TRY(const Spread zeros, along_axis(call, 2, axis));
  PTE_TRY(const Range range, range_of(call, 4));
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  const DType scale_type = call.tensor(1).dtype();
  const DType zero_type = call.tensor(2).dtype();
  if (!is_floating(scale_type)) {
    return call.not_supported("scales of type {}", dtype_name(scale_type));
  }
  invert(scales, scale_type);
  const DType wide = input.dtype() == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
  PTE_TRY(const DType product, promoted(call, wide, scale_type));
  const DType sum = zero_type == DType::kFloat64 ? DType::kFloat64 : product;
  map_elements<double>(call,
                       std::array{Operand::of(input, input.sizes(), DType::kFloat64),
                                  operand(scales), operand(zeros)},
                       call.out(), DType::kFloat64, [=](double x, double factor, double zero) {
                         const double units = std::nearbyint(round_to(product, x * factor));
                         return clamped<double>(round_to(sum, units + round_to(sum, zero)), range);
                       });
  return {};
}

Status quantize_per_token(Call& call) {
  const Tensor& input = call.tensor(0);
  PTE_CHECK(check_floating(call, input));
  PTE_TRY(Spread scales, along_tokens(call, 1));
  PTE_TRY(const Spread zeros, along_tokens(call, 2));
  PTE_TRY(const Range range, range_of(call, 3));
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  const DType scale_type = call.tensor(1).dtype();
  const DType zero_type = call.tensor(2).dtype();
  if (!is_floating(scale_type)) {
    return call.not_supported("scales of type {}", dtype_name(scale_type));
  }
  invert(scales, scale_type);
  PTE_TRY(const DType product, promoted(call, input.dtype(), scale_type));
  PTE_TRY(const DType sum, promoted(call, product, zero_type));
  map_elements<double>(call,
                       std::array{Operand::of(input, input.sizes(), DType::kFloat64),
                                  operand(scales), operand(zeros)},
                       call.out(), DType::kFloat64, [=](double x, double factor, double zero) {
                         const double units = round_to(product, x * round_to(product, factor));
                         return clamped<double>(
                             std::nearbyint(round_to(sum, units + round_to(sum, zero))), range);
                       });
  return {};
}

// (input - zeros) * scales: the difference in the type of input and zero points, where integers
// wrap, the product in the type that the scales make of it.
Status dequantize_spread(Call& call, const Spread& scales, const Spread* zeros, DType scale_type,
                         DType zero_type, DType type) {
  const Tensor& input = call.tensor(0);
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  DType difference = input.dtype();
  // PyTorch has no type for uint16 with signed integers; nothing that fits is lost in int64.
  if (zeros != nullptr) {
    difference = promote_types(input.dtype(), zero_type).value_or(DType::kInt64);
  }
  PTE_TRY(const DType product, promoted(call, difference, scale_type));
  if (!is_floating(product)) {
    return call.not_supported("scales of type {}", dtype_name(scale_type));
  }
  const Spread none{{0.0}, Strides(input.rank(), 0)};
  map_elements<double>(
      call,
      std::array{Operand::of(input, input.sizes(), DType::kFloat64), operand(scales),
                 operand(zeros == nullptr ? none : *zeros)},
      call.out(), type, [=](double x, double scale, double zero) {
        double units = x - zero;
        if (is_floating(difference)) {
          units = round_to(difference, round_to(difference, x) - round_to(difference, zero));
        } else {
          auto wrapped = float_to_integer<int64_t>(units);
          round_run<int64_t>(difference, &wrapped, 1);
          units = static_cast<double>(wrapped);
        }
        return round_to(product, round_to(product, units) * round_to(product, scale));
      });
  return {};
}

Status dequantize_per_channel(Call& call) {
  PTE_TRY(const size_t axis, axis_of(call));
  PTE_TRY(const Spread scales, along_axis(call, 1, axis));
  Spread zeros;
  const Tensor* zero_points = call.optional_tensor(2);
  if (zero_points != nullptr) {
    PTE_TRY(zeros, along_axis(call, 2, axis));
  }
  PTE_TRY(const DType type, dequantized_type(call, 6, 7));
  return dequantize_spread(call, scales, zero_points == nullptr ? nullptr : &zeros,
                           call.tensor(1).dtype(),
                           zero_points == nullptr ? DType::kInt64 : zero_points->dtype(), type);
}

Status dequantize_per_token(Call& call) {
  PTE_TRY(const Spread scales, along_tokens(call, 1));
  PTE_TRY(const Spread zeros, along_tokens(call, 2));
  PTE_TRY(const DType type, dequantized_type(call, 5, 6));
  return dequantize_spread(call, scales, &zeros, call.tensor(1).dtype(), call.tensor(2).dtype(),
                           type);
}

// The sum of two quantized tensors, quantized again.
Status add(Call& call) {
  const Tensor& a = call.tensor(0);
  const Tensor& b = call.tensor(5);
  Tensor& out = call.out();
  const Range range{call.integer(12), call.integer(13)};
  if (a.dtype() != b.dtype() || a.dtype() != out.dtype()) {
    return call.invalid("operands {} and {} and the result {} are not of one type", a.describe(),
                        b.describe(), out.describe());
  }
  PTE_CHECK(check_quantized_type(call, a.dtype(), range.low, range.high));
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, a.sizes(), b.sizes()));
  PTE_CHECK(resize_out(call, out, sizes));
  const auto number = [&](size_t arg) { return static_cast<float>(call.real(arg)); };
  const float a_scale = number(1);
  const float a_zero = number(2);
  const float b_scale = number(6);
  const float b_zero = number(7);
  const float factor = static_cast<float>(1.0 / call.real(10));
  const float zero = number(11);
  map_elements<float>(
      call,
      std::array{Operand::of(a, sizes, DType::kFloat32), Operand::of(b, sizes, DType::kFloat32)},
      out, DType::kFloat32, [=](float x, float y) {
        const float sum = (x - a_zero) * a_scale + (y - b_zero) * b_scale;
        return clamped<float>(std::nearbyint(sum * factor) + zero, range);
      });
  return {};
}

}  // namespace

std::span<const Entry> quantize_entries() {
  static constexpr Entry kEntries[] = {
      {Op::qd_quantize_per_tensor, quantize_per_tensor},
      {Op::qd_quantize_per_tensor_tensor, quantize_per_tensor_tensor},
      {Op::qd_dequantize_per_tensor, dequantize_per_tensor},
      {Op::qd_dequantize_per_tensor_tensor, dequantize_per_tensor_tensor},
      {Op::qd_quantize_per_channel, quantize_per_channel},
      {Op::qd_dequantize_per_channel, dequantize_per_channel},
      {Op::qd_quantize_per_token, quantize_per_token},
      {Op::qd_dequantize_per_token, dequantize_per_token},
      {Op::qd_add, add},
  };
  return kEntries;
}

}  // namespace pte::kernels
