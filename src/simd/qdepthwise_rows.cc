#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/qdepthwise_rows.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "simd/dispatch.h"
#include "simd/qdepthwise_rows.h"
#include "simd/quantize.h"

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

// Rounds, adds the zero point and stores; x lies within the limits minus the zero point.
HWY_INLINE void store_bytes(V x, int32_t zero_point, int8_t* to, int64_t count) {
  const D8 d8;
  const auto bytes = hn::DemoteTo(d8, hn::Add(hn::NearestInt(x), hn::Set(DI(), zero_point)));
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

// kOutputs neighbours at a time share the loads of weights.
template <int kOutputs>
HWY_INLINE void outputs(const QDepthwiseRow& a, int64_t x, int64_t c, int64_t count) {
  const D d;
  const V zero_point = hn::Set(d, static_cast<float>(a.input_zero_point));
  V sum[kOutputs];
  for (int o = 0; o < kOutputs; ++o) sum[o] = hn::Zero(d);
  for (int64_t ky = 0; ky < a.kernel_h; ++ky) {
    if (a.rows[ky] == nullptr) continue;
    const float* weights = a.weights + ky * a.kernel_w * a.weight_stride + c;
    for (int64_t kx = 0; kx < a.kernel_w; ++kx) {
      const V w = hn::LoadU(d, weights + kx * a.weight_stride);
      for (int o = 0; o < kOutputs; ++o) {
        const int64_t at = (x + o) * a.stride - a.pad_left + kx * a.dilation;
        if (at < 0 || at >= a.width) continue;
        const V value = load_bytes(a.rows[ky] + at * a.pixel + c, count);
        sum[o] = hn::MulAdd(hn::Sub(value, zero_point), w, sum[o]);
      }
    }
  }
  const auto bias = hn::LoadU(DI(), a.bias + c);
  const V scale = hn::LoadU(d, a.scale + c);
  for (int o = 0; o < kOutputs; ++o) {
    const V total = hn::ConvertTo(d, hn::Add(hn::ConvertTo(DI(), sum[o]), bias));
    store_bytes(within(hn::Mul(total, scale), a.zero_point, a.lowest, a.highest), a.zero_point,
                a.out + (x + o) * a.out_stride + c, count);
  }
}

void qdepthwise_row(const QDepthwiseRow& a) {
  for (int64_t c = 0; c < a.channels; c += kLanes) {
    const int64_t count = std::min(kLanes, a.channels - c);
    int64_t x = 0;
    for (; x + 4 <= a.out_width; x += 4) outputs<4>(a, x, c, count);
    for (; x < a.out_width; ++x) outputs<1>(a, x, c, count);
  }
}

void quantize_array(const float* in, float inverse_scale, int32_t zero_point, int32_t lowest,
                    int32_t highest, int8_t* out, int64_t count) {
  const D d;
  const V factor = hn::Set(d, inverse_scale);
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t n = std::min(kLanes, count - i);
    V x;
    if (n == kLanes) {
      x = hn::LoadU(d, in + i);
    } else {
      HWY_ALIGN float lanes[kLanes] = {};
      std::memcpy(lanes, in + i, static_cast<size_t>(n) * sizeof(float));
      x = hn::Load(d, lanes);
    }
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

void describe(QDepthwiseSet* set) {
  set->lanes = kLanes;
  set->row = qdepthwise_row;
  set->quantize = quantize_array;
  set->dequantize = dequantize_array;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

HWY_EXPORT(describe);

const QDepthwiseSet& qdepthwise_set(Isa isa) {
  static const auto kSets = [] {
    std::array<QDepthwiseSet, 6> sets;
    for (const Isa one : available_isas()) {
      PTE_SIMD_PICK(describe, one)(&sets[static_cast<size_t>(one)]);
    }
    return sets;
  }();
  return kSets[static_cast<size_t>(has_isa(isa) ? isa : best_isa())];
}

void quantize(const float* in, float inverse_scale, int32_t zero_point, int32_t lowest,
              int32_t highest, int8_t* out, int64_t count, Isa isa) {
  qdepthwise_set(isa).quantize(in, inverse_scale, zero_point, lowest, highest, out, count);
}

void dequantize(const int8_t* in, float scale, int32_t zero_point, float* out, int64_t count,
                Isa isa) {
  qdepthwise_set(isa).dequantize(in, scale, zero_point, out, count);
}

}  // namespace pte::simd
#endif
