#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quantize_rows.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "simd/dispatch.h"
#include "simd/partial.inl.h"
#include "simd/quantize.h"
#include "simd/quantize_rows.h"
#include "simd/round.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using DI = hn::RebindToSigned<D>;
using D8 = hn::Rebind<int8_t, D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
constexpr int64_t kRoom = kLanes < 16 ? 16 : kLanes;

HWY_INLINE V load_bytes(const int8_t* from, int64_t count) {
  const D8 d8;
  if (count == kLanes) {
    return hn::ConvertTo(D(), hn::PromoteTo(DI(), hn::LoadU(d8, from)));
  }
  HWY_ALIGN int8_t lanes[kRoom] = {};
  std::memcpy(lanes, from, static_cast<size_t>(count));
  return hn::ConvertTo(D(), hn::PromoteTo(DI(), hn::LoadU(d8, lanes)));
}

HWY_INLINE V load_floats(const float* from, int64_t count) {
  return count == kLanes ? hn::LoadU(D(), from) : load_part(D(), from, count);
}

// Rounds, adds the zero point and stores; x lies within the limits minus the zero point.
HWY_INLINE void store_bytes(V x, int32_t zero_point, int8_t* to, int64_t count) {
  const D8 d8;
  const auto bytes = to_bytes(hn::Add(round_even(x), hn::Set(DI(), zero_point)));
  if (count == kLanes) {
    hn::StoreU(bytes, d8, to);
  } else {
    HWY_ALIGN int8_t lanes[kRoom];
    hn::StoreU(bytes, d8, lanes);
    std::memcpy(to, lanes, static_cast<size_t>(count));
  }
}

HWY_INLINE V within(V x, int32_t zero_point, int32_t lowest, int32_t highest) {
  const D d;
  return hn::Min(hn::Max(x, hn::Set(d, static_cast<float>(lowest - zero_point))),
                 hn::Set(d, static_cast<float>(highest - zero_point)));
}

void requantize(const Requantize& a) {
  const D d;
  for (int64_t p = 0; p < a.pixels; ++p) {
    const float* sums = a.sums + p * a.channels;
    int8_t* out = a.out + p * a.out_stride;
    for (int64_t c = 0; c < a.channels; c += kLanes) {
      const int64_t n = std::min(kLanes, a.channels - c);
      const auto sum =
          hn::Add(hn::ConvertTo(DI(), load_floats(sums + c, n)), hn::LoadU(DI(), a.bias + c));
      const V scaled = hn::Mul(hn::ConvertTo(d, sum), hn::LoadU(d, a.scale + c));
      store_bytes(within(scaled, a.zero_point, a.lowest, a.highest), a.zero_point, out + c, n);
    }
  }
}

void quantize_array(const float* in, float inverse_scale, int32_t zero_point, int32_t lowest,
                    int32_t highest, int8_t* out, int64_t count) {
  const D d;
  const V factor = hn::Set(d, inverse_scale);
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t n = std::min(kLanes, count - i);
    const V x = load_floats(in + i, n);
    store_bytes(within(hn::Mul(x, factor), zero_point, lowest, highest), zero_point, out + i, n);
  }
}

void dequantize_array(const int8_t* in, float scale, int32_t zero_point, float* out,
                      int64_t count) {
  const D d;
  const V factor = hn::Set(d, scale);
  const V shift = hn::Set(d, static_cast<float>(zero_point));
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t n = std::min(kLanes, count - i);
    const V x = hn::Mul(hn::Sub(load_bytes(in + i, n), shift), factor);
    if (n == kLanes) {
      hn::StoreU(x, d, out + i);
    } else {
      HWY_ALIGN float lanes[kLanes];
      hn::Store(x, d, lanes);
      std::memcpy(out + i, lanes, static_cast<size_t>(n) * sizeof(float));
    }
  }
}

void describe(QuantizeSet* set) {
  set->lanes = kLanes;
  set->requantize = requantize;
  set->quantize = quantize_array;
  set->dequantize = dequantize_array;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(QuantizeSet, quantize_set)

void quantize(const float* in, float inverse_scale, int32_t zero_point, int32_t lowest,
              int32_t highest, int8_t* out, int64_t count, Isa isa) {
  quantize_set(isa).quantize(in, inverse_scale, zero_point, lowest, highest, out, count);
}

void dequantize(const int8_t* in, float scale, int32_t zero_point, float* out, int64_t count,
                Isa isa) {
  quantize_set(isa).dequantize(in, scale, zero_point, out, count);
}

}  // namespace pte::simd
#endif
