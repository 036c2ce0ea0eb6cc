// Choosing a scale and zero point from the values at hand, as dynamic quantization does.
#include <algorithm>

#include "kernels/quantized/quantize.h"

namespace pte::kernels {
namespace {

// The least and greatest of `count` elements; NaN when there is one.
struct Extent {
  double low = 0;
  double high = 0;
};

template <typename C>
Extent extent_of(const C* values, int64_t count) {
  Extent extent{static_cast<double>(values[0]), static_cast<double>(values[0])};
  for (int64_t i = 0; i < count; ++i) {
    const double v = static_cast<double>(values[i]);
    if (v != v) return {v, v};
    extent.low = std::min(extent.low, v);
    extent.high = std::max(extent.high, v);
  }
  return extent;
}

// As PyTorch's minimum and maximum with 0: NaN stays.
Extent with_zero(Extent extent) {
  if (extent.low > 0) extent.low = 0;
  if (extent.high < 0) extent.high = 0;
  return extent;
}

Status check_input(const Call& call) {
  const Tensor& input = call.tensor(0);
  PTE_CHECK(check_real(call, input));
  if (!is_floating(input.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(input.dtype()));
  }
  PTE_TRY(const DType dtype, dtype_argument(call, call.op().args.size() - 1, DType::kInt8));
  PTE_CHECK(check_quantized_type(call, dtype, 0, 0));
  PTE_CHECK(check_out_type(call, DType::kFloat64, call.out(0)));
  return check_out_type(call, DType::kInt64, call.out(1));
}

Status store(const Call& call, size_t result, double scale, int64_t zero_point) {
  Tensor& scales = call.out(result);
  Tensor& zeros = call.out(result + 1);
  store_run<double>(scales.dtype(), scales.mutable_data(), 1, 1, &scale);
  store_run<int64_t>(zeros.dtype(), zeros.mutable_data(), 1, 1, &zero_point);
  return {};
}

Status choose_qparams(Call& call) {
  const Tensor& input = call.tensor(0);
  const int64_t low = call.integer(1);
  const int64_t high = call.integer(2);
  PTE_CHECK(check_input(call));
  if (low > 0 || high < 0 || low >= high || low < INT32_MIN || high > INT32_MAX) {
    return call.invalid("{} to {} is no range around 0", low, high);
  }
  if (input.numel() == 0) return call.invalid("{} has no elements", input.describe());
  PTE_CHECK(resize_out(call, call.out(0), {1}));
  PTE_CHECK(resize_out(call, call.out(1), {1}));
  Extent extent;
  PTE_CHECK(dispatch_floating(input.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, input));
    extent = extent_of(dense.data_as<C>(), dense.numel());
    return {};
  }));
  extent = with_zero(extent);
  // The range in the input's type; eps, of type float32, lifts what follows to float.
  const DType type = input.dtype();
  const double eps = round_to(DType::kFloat32, call.real(3));
  const double width = round_to(type, extent.high - extent.low);
  double scale = round_to(type, width / round_to(type == DType::kFloat64 ? type : DType::kFloat32,
                                                 static_cast<double>(high - low)));
  if (scale < eps) scale = eps;
  const double units = std::nearbyint(
      round_to(type == DType::kFloat64 ? type : DType::kFloat32, extent.low / scale));
  // The subtraction wraps in 32 bits.
  const auto zero = static_cast<int32_t>(static_cast<uint32_t>(low) -
                                         static_cast<uint32_t>(float_to_integer<int32_t>(units)));
  return store(call, 0, scale, std::clamp<int64_t>(zero, low, high));
}

Status choose_qparams_per_token(Call& call) {
  const Tensor& input = call.tensor(0);
  PTE_CHECK(check_input(call));
  if (input.rank() == 0) return call.invalid("a tensor of rank 0 has no tokens");
  Sizes sizes = input.sizes();
  const int64_t length = sizes.back();
  sizes.back() = 1;
  PTE_CHECK(resize_out(call, call.out(0), sizes));
  PTE_CHECK(resize_out(call, call.out(1), sizes));
  const int64_t tokens = call.out(0).numel();
  if (tokens == 0) return {};
  if (length == 0) return call.invalid("the tokens of {} have no elements", input.describe());
  const DType type = input.dtype();
  return dispatch_floating(type, [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, input));
    PTE_TRY(DenseOut<double> scales, DenseOut<double>::make(call, call.out(0)));
    PTE_TRY(DenseOut<int64_t> zeros, DenseOut<int64_t>::make(call, call.out(1)));
    const C* const source = dense.data_as<C>();
    double* const scale_data = scales.data();
    int64_t* const zero_data = zeros.data();
    call.parallel_for(tokens, 1 + (1 << 14) / length, [&](int64_t begin, int64_t end) {
      constexpr double kLow = -128;
      constexpr double kHigh = 127;
      const double eps = round_to(type, static_cast<double>(std::numeric_limits<float>::epsilon()));
      for (int64_t token = begin; token < end; ++token) {
        const Extent extent = with_zero(extent_of(source + token * length, length));
        double scale = round_to(type, round_to(type, extent.high - extent.low) / (kHigh - kLow));
        if (scale < eps) scale = eps;
        const double low_units = round_to(type, extent.low / scale);
        const double high_units = round_to(type, extent.high / scale);
        const double low_error = round_to(type, kLow + low_units);
        const double high_error = round_to(type, kHigh + high_units);
        double zero = round_to(type, low_error + high_error) > 0
                          ? round_to(type, kLow - low_units)
                          : round_to(type, kHigh - high_units);
        if (zero < kLow) zero = kLow;
        if (zero > kHigh) zero = kHigh;
        scale_data[token] = scale;
        zero_data[token] = float_to_integer<int64_t>(std::nearbyint(zero));
      }
    });
    PTE_CHECK(scales.commit(call));
    return zeros.commit(call);
  });
}

}  // namespace

std::span<const Entry> choose_entries() {
  static constexpr Entry kEntries[] = {
      {Op::qd_choose_qparams_tensor, choose_qparams},
      {Op::qd_choose_qparams_per_token_asymmetric, choose_qparams_per_token},
  };
  return kEntries;
}

}  // namespace pte::kernels
