// Between fp32 and int8, over arrays.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace pte::simd {

// out[i] = clamp(round_to_even(in[i] * inverse_scale) + zero_point, lowest, highest); NaN becomes
// an unspecified value within the limits.
void quantize(const float* in, float inverse_scale, int32_t zero_point, int32_t lowest,
              int32_t highest, int8_t* out, int64_t count, Isa isa = best_isa());

// out[i] = (in[i] - zero_point) * scale
void dequantize(const int8_t* in, float scale, int32_t zero_point, float* out, int64_t count,
                Isa isa = best_isa());

}  // namespace pte::simd
