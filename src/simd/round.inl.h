// fp32 to int8 by way of int32, where Highway's own conversions do more than is needed here.
// Included once per target.
#if defined(PTE_SIMD_ROUND_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef PTE_SIMD_ROUND_INL
#undef PTE_SIMD_ROUND_INL
#else
#define PTE_SIMD_ROUND_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using RoundFloat = hn::Vec<hn::ScalableTag<float>>;
using RoundInt = hn::Vec<hn::ScalableTag<int32_t>>;
using RoundBytes = hn::Vec<hn::Rebind<int8_t, hn::ScalableTag<int32_t>>>;

// To nearest, ties to even; x lies in the range of int32.
HWY_INLINE RoundInt round_even(RoundFloat x) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return RoundInt{_mm512_cvtps_epi32(x.raw)};
#else
  return hn::NearestInt(x);
#endif
}

// Values in the range of int8.
HWY_INLINE RoundBytes to_bytes(RoundInt x) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return RoundBytes{_mm512_cvtepi32_epi8(x.raw)};
#else
  return hn::DemoteTo(hn::Rebind<int8_t, hn::ScalableTag<int32_t>>(), x);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();
#endif
