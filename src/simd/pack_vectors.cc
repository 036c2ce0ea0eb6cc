#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/pack_vectors.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>

#include "simd/dispatch.h"
#include "simd/pack_vectors.h"
#include "simd/partial.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

void pack_plain(const float* b, int64_t stride, int64_t columns, int64_t k, float scale,
                float* packed) {
  const D d;
  const V factor = hn::Set(d, scale);
  for (int64_t j = 0; j < columns; j += 2 * kLanes) {
    const int64_t left = columns - j;
    const int vectors = left <= kLanes ? 1 : 2;
    for (int64_t p = 0; p < k; ++p) {
      for (int v = 0; v < vectors; ++v, packed += kLanes) {
        const float* from = b + p * stride + j + v * kLanes;
        const int64_t count = std::min<int64_t>(left - v * kLanes, kLanes);
        const V x = count == kLanes ? hn::LoadU(d, from) : load_part(d, from, count);
        hn::Store(hn::Mul(x, factor), d, packed);
      }
    }
  }
}

// Blocks of 4 x 4, each column of B read once along its row.
void pack_transposed(const float* b, int64_t stride, int64_t columns, int64_t k, float scale,
                     float* packed) {
  for (int64_t j = 0; j < columns; j += 2 * kLanes) {
    const int64_t left = columns - j;
    const int64_t width = left <= kLanes ? kLanes : 2 * kLanes;
    const int64_t valid = std::min(left, width);
    int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
    const hn::FixedTag<float, 4> d4;
    const hn::Repartition<double, decltype(d4)> d2;
    const auto factor = hn::Set(d4, scale);
    for (; i + 4 <= valid; i += 4) {
      const float* from = b + (j + i) * stride;
      float* to = packed + i;
      int64_t p = 0;
      for (; p + 4 <= k; p += 4, to += 4 * width) {
        const auto r0 = hn::Mul(hn::LoadU(d4, from + p), factor);
        const auto r1 = hn::Mul(hn::LoadU(d4, from + stride + p), factor);
        const auto r2 = hn::Mul(hn::LoadU(d4, from + 2 * stride + p), factor);
        const auto r3 = hn::Mul(hn::LoadU(d4, from + 3 * stride + p), factor);
        const auto a = hn::BitCast(d2, hn::InterleaveLower(d4, r0, r1));
        const auto c = hn::BitCast(d2, hn::InterleaveLower(d4, r2, r3));
        const auto e = hn::BitCast(d2, hn::InterleaveUpper(d4, r0, r1));
        const auto f = hn::BitCast(d2, hn::InterleaveUpper(d4, r2, r3));
        hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, a, c)), d4, to);
        hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, a, c)), d4, to + width);
        hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, e, f)), d4, to + 2 * width);
        hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, e, f)), d4, to + 3 * width);
      }
      for (; p < k; ++p, to += width) {
        for (int64_t l = 0; l < 4; ++l) to[l] = from[l * stride + p] * scale;
      }
    }
#endif
    for (; i < width; ++i) {
      const float* from = b + (j + i) * stride;
      for (int64_t p = 0; p < k; ++p) packed[p * width + i] = i < valid ? from[p] * scale : 0.0f;
    }
    packed += width * k;
  }
}

void interleave3(const float* planes, int64_t plane, int64_t count, float* pixels) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const D d;
  for (; i + kLanes <= count; i += kLanes) {
    hn::StoreInterleaved3(hn::LoadU(d, planes + i), hn::LoadU(d, planes + plane + i),
                          hn::LoadU(d, planes + 2 * plane + i), d, pixels + 3 * i);
  }
#endif
  for (; i < count; ++i) {
    for (int64_t c = 0; c < 3; ++c) pixels[3 * i + c] = planes[c * plane + i];
  }
}

void describe(PackSet* set) {
  set->plain = pack_plain;
  set->transposed = pack_transposed;
  set->interleave3 = interleave3;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(PackSet, pack_set)

}  // namespace pte::simd
#endif
