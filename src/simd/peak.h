// The machine's own limit: what one core does in fused multiply-adds when nothing else is asked of
// it. Benchmarks print their share of it.
#pragma once

#include "simd/isa.h"

namespace pte::simd {

// GFLOP/s in fp32 of this thread with the vectors of `isa`, the best of several runs of about a
// millisecond each. A set without fused multiply-add counts its multiplies and adds.
double measure_fma_peak(Isa isa = best_isa());

}  // namespace pte::simd
