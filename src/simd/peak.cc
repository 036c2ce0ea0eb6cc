#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/peak.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <ctime>

#include "simd/dispatch.h"
#include "simd/peak.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Does `rounds` rounds of multiply-adds and returns how many operations that was. As many chains as
// hide the latency of any machine so far and fit in 16 registers.
double spin(int64_t rounds, float* sink) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const V a = hn::Set(d, 0.999f + *sink * 0.0f);
  const V b = hn::Set(d, 1e-6f);
  // Different starts, or the compiler would keep one chain for all.
  V s0 = hn::Set(d, *sink + 0.0f);
  V s1 = hn::Set(d, *sink + 1.0f);
  V s2 = hn::Set(d, *sink + 2.0f);
  V s3 = hn::Set(d, *sink + 3.0f);
  V s4 = hn::Set(d, *sink + 4.0f);
  V s5 = hn::Set(d, *sink + 5.0f);
  V s6 = hn::Set(d, *sink + 6.0f);
  V s7 = hn::Set(d, *sink + 7.0f);
  V s8 = hn::Set(d, *sink + 8.0f);
  V s9 = hn::Set(d, *sink + 9.0f);
  for (int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, a, b);
    s1 = hn::MulAdd(s1, a, b);
    s2 = hn::MulAdd(s2, a, b);
    s3 = hn::MulAdd(s3, a, b);
    s4 = hn::MulAdd(s4, a, b);
    s5 = hn::MulAdd(s5, a, b);
    s6 = hn::MulAdd(s6, a, b);
    s7 = hn::MulAdd(s7, a, b);
    s8 = hn::MulAdd(s8, a, b);
    s9 = hn::MulAdd(s9, a, b);
  }
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  *sink = hn::GetLane(hn::Add(s0, hn::Add(s8, s9)));
  return static_cast<double>(rounds) * 20.0 * static_cast<double>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

HWY_EXPORT(spin);

namespace {

double thread_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

double measure_fma_peak(Isa isa) {
  const auto function = PTE_SIMD_PICK(spin, isa);
  float sink = 1.0f;
  double best = 0;
  for (int run = 0; run < 20; ++run) {
    sink = 1.0f;
    const double start = thread_seconds();
    const double operations = function(200000, &sink);
    best = std::max(best, operations / (thread_seconds() - start) * 1e-9);
  }
  return best;
}

}  // namespace pte::simd
#endif
