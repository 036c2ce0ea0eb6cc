// The arithmetic that quantised kernels share: XNNPACK's, step for step, because results must be
// equal and not only close.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/common/dense.h"
#include "kernels/kernel.h"

namespace pte::kernels {

// What stored integers of a type may be.
struct ByteRange {
  int32_t min = -128;
  int32_t max = 127;

  static ByteRange of(DType dtype) {
    return dtype == DType::kUInt8 ? ByteRange{0, 255} : ByteRange{-128, 127};
  }
};

struct Quantization {
  float scale = 1;
  int32_t zero_point = 0;
};

inline bool is_byte(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

inline Status check_byte(const Call& call, size_t arg) {
  if (is_byte(call.tensor(arg).dtype())) return {};
  return call.invalid("argument '{}' is {}, expected int8 or uint8", call.op().args[arg].name,
                      dtype_name(call.tensor(arg).dtype()));
}

inline Result<int32_t> zero_point_arg(const Call& call, size_t arg, ByteRange range) {
  const int64_t value = call.integer(arg);
  if (value < range.min || value > range.max) {
    return call.invalid("{} {} is not between {} and {}", call.op().args[arg].name, value,
                        range.min, range.max);
  }
  return static_cast<int32_t>(value);
}

// Arguments `arg` and `arg + 1`. A scale is a positive normal number; `negative` lets its sign be
// either.
inline Result<Quantization> quantization_args(const Call& call, size_t arg, DType dtype,
                                              bool negative = false) {
  const auto scale = static_cast<float>(call.real(arg));
  if (!std::isnormal(scale) || (scale < 0 && !negative)) {
    return call.invalid("{} {} is no scale", call.op().args[arg].name, call.real(arg));
  }
  PTE_TRY(const int32_t zero_point, zero_point_arg(call, arg + 1, ByteRange::of(dtype)));
  return Quantization{scale, zero_point};
}

// To the nearest integer, ties to even; |value| must be below 2^22.
inline float round_even(float value) {
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: its last bit counts ones
  return (value + kMagic) - kMagic;
}

// A real multiple of the result's scale as a stored integer.
inline int32_t to_stored(float value, int32_t zero_point, ByteRange range) {
  const auto low = static_cast<float>(range.min - zero_point);
  const auto high = static_cast<float>(range.max - zero_point);
  // NaN becomes the lowest value.
  const float bounded = value > low ? std::min(value, high) : low;
  return static_cast<int32_t>(round_even(bounded)) + zero_point;
}

// Scales of weights: one, or one for each of `channels`.
inline Result<std::vector<float>> channel_scales(const Call& call, size_t arg, int64_t channels) {
  const Tensor& given = call.tensor(arg);
  if (given.numel() != 1 && (given.rank() != 1 || given.size(0) != channels)) {
    return call.invalid("{} scales {} for {} output channels", call.op().args[arg].name,
                        given.describe(), channels);
  }
  PTE_TRY(const Tensor dense, dense_as<float>(call, given));
  const auto* data = dense.data_as<float>();
  std::vector<float> scales(static_cast<size_t>(channels), channels > 0 ? data[0] : 0.0F);
  if (given.numel() == channels) std::copy_n(data, channels, scales.begin());
  return scales;
}

// A bias as int32, or an empty tensor.
inline Result<Tensor> int32_bias(const Call& call, const Tensor* bias) {
  if (bias == nullptr) return Tensor();
  if (bias->dtype() != DType::kInt32) {
    return call.invalid("bias is {}, expected int32", dtype_name(bias->dtype()));
  }
  return dense_as<int32_t>(call, *bias);
}

// How one group of values is quantised by its own extremes.
struct DynamicScale {
  float to_stored = 1;  // multiplier of the values
  float to_real = 1;    // of the integers, the way back
  int32_t zero_point = 0;

  static DynamicScale of(float min, float max, DType storage);
};

// Replaces `count` values by integers less their zero point.
DynamicScale quantize_dynamically(const float* values, int64_t count, DType storage,
                                  int16_t* integers);

}  // namespace pte::kernels
