// The vectorised functions that the epilogues use, over arrays: for what no kernel could take in.
#pragma once

#include <cstdint>

#include "simd/epilogue.h"
#include "simd/isa.h"

namespace pte::simd {

// out[i] = activation(in[i]); `in` may be `out`. lo and hi belong to kClamp.
void activate(Activation activation, float lo, float hi, const float* in, float* out, int64_t count,
              Isa isa = best_isa());

// out[i] = e^in[i]: at most 2 ulp from the true value where that is a normal number.
void exponential(const float* in, float* out, int64_t count, Isa isa = best_isa());

// out[i] = erf(in[i]).
void error_function(const float* in, float* out, int64_t count, Isa isa = best_isa());

}  // namespace pte::simd
