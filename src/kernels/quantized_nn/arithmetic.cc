#include "kernels/quantized_nn/arithmetic.h"

namespace pte::kernels {

DynamicScale DynamicScale::of(float min, float max, DType storage) {
  constexpr float kLow = -128;
  constexpr float kHigh = 127;
  min = std::min(0.0F, min);
  max = std::max(0.0F, max);
  DynamicScale result;
  const float scale = min == max ? 1.0F : (kHigh - kLow) / (max - min);
  const float scaled_min = min * scale;
  const float scaled_max = max * scale;
  // The zero point comes from the end at which the range of integers fits worse.
  float zero_point =
      (kLow + scaled_min) + (kHigh + scaled_max) > 0 ? kLow - scaled_min : kHigh - scaled_max;
  // NaN becomes the lowest value.
  zero_point = zero_point > kLow ? std::min(zero_point, kHigh) : kLow;
  result.zero_point = static_cast<int32_t>(round_even(zero_point));
  result.to_real = 1.0F / scale;
  // The multiplier is kept in the type of the values.
  result.to_stored = scale;
  if (storage == DType::kFloat16) result.to_stored = static_cast<float>(Half(scale));
  if (storage == DType::kBFloat16) result.to_stored = static_cast<float>(BFloat16(scale));
  return result;
}

DynamicScale quantize_dynamically(const float* values, int64_t count, DType storage,
                                  int16_t* integers) {
  float min = 0;
  float max = 0;
  for (int64_t i = 0; i < count; ++i) {
    min = std::min(min, values[i]);
    max = std::max(max, values[i]);
  }
  const DynamicScale scale = DynamicScale::of(min, max, storage);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t stored = to_stored(values[i] * scale.to_stored, scale.zero_point, {});
    integers[i] = static_cast<int16_t>(stored - scale.zero_point);
  }
  return scale;
}

}  // namespace pte::kernels
