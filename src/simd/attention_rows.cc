#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/attention_rows.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <limits>

#include "simd/attention_rows.h"
#include "simd/dispatch.h"
#include "simd/math.inl.h"
#include "simd/partial.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

// The lanes behind `count` hold `filler`.
HWY_INLINE V load_filled(const float* from, int64_t count, V filler) {
  const D d;
  const V part = load_part(d, from, count);
  return hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(count)), part, filler);
}

// Two sums side by side hide the latency of addition.
template <class Function>
HWY_INLINE float reduce_sum(int64_t count, Function term) {
  const D d;
  V sum0 = hn::Zero(d);
  V sum1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    sum0 = hn::Add(sum0, term(i, kLanes));
    sum1 = hn::Add(sum1, term(i + kLanes, kLanes));
  }
  for (; i < count; i += kLanes) sum0 = hn::Add(sum0, term(i, std::min(kLanes, count - i)));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
}

HWY_INLINE V load_some(const float* from, int64_t count) {
  const D d;
  return count == kLanes ? hn::LoadU(d, from) : load_part(d, from, count);
}

HWY_INLINE void store_some(V v, float* to, int64_t count) {
  const D d;
  if (count == kLanes) {
    hn::StoreU(v, d, to);
  } else {
    store_part(d, v, to, count);
  }
}

// NaN anywhere in the row makes every result NaN by way of the sum.
HWY_INLINE float largest_of(const float* row, int64_t count) {
  const D d;
  const V lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  V most0 = lowest;
  V most1 = lowest;
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    most0 = hn::Max(hn::LoadU(d, row + i), most0);
    most1 = hn::Max(hn::LoadU(d, row + i + kLanes), most1);
  }
  for (; i < count; i += kLanes) {
    const int64_t left = std::min(kLanes, count - i);
    most0 =
        hn::Max(left == kLanes ? hn::LoadU(d, row + i) : load_filled(row + i, left, lowest), most0);
  }
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(most0, most1)));
}

// e^(x - largest) of a row to `out`; returns the sum.
HWY_INLINE float exponentials(const float* in, int64_t count, float largest, float* out) {
  const D d;
  const V shift = hn::Set(d, largest);
  return reduce_sum(count, [&](int64_t i, int64_t n) HWY_ATTR {
    const V x = exp(d, hn::Sub(load_some(in + i, n), shift));
    store_some(x, out + i, n);
    return n == kLanes ? x : hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n)), x);
  });
}

void softmax_scores(float* scores, int64_t stride, int64_t rows, int64_t count, int64_t causal,
                    const float* mask, int64_t mask_stride, float* factors) {
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scores + r * stride;
    const int64_t valid = causal > 0 ? std::min(count, causal + r) : count;
    if (mask != nullptr) {
      const float* other = mask + r * mask_stride;
      for (int64_t i = 0; i < valid; i += kLanes) {
        const int64_t n = std::min(kLanes, valid - i);
        store_some(hn::Add(load_some(row + i, n), load_some(other + i, n)), row + i, n);
      }
    }
    factors[r] = 1.0f / exponentials(row, valid, largest_of(row, valid), row);
    std::fill(row + valid, row + count, 0.0f);
  }
}

void scale_array(const float* in, int64_t in_stride, const float* factors, int64_t rows,
                 int64_t count, float* out, int64_t out_stride) {
  const D d;
  for (int64_t r = 0; r < rows; ++r) {
    const V factor = hn::Set(d, factors[r]);
    for (int64_t i = 0; i < count; i += kLanes) {
      const int64_t n = std::min(kLanes, count - i);
      store_some(hn::Mul(load_some(in + r * in_stride + i, n), factor), out + r * out_stride + i,
                 n);
    }
  }
}

void rope_array(const float* in, int64_t in_stride, const float* cos, const float* sin,
                int64_t table_stride, bool halves, float* out, int64_t out_stride, int64_t rows,
                int64_t count) {
  const D d;
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = in + r * in_stride;
    const float* c = cos + r * table_stride;
    const float* s = sin + r * table_stride;
    float* to = out + r * out_stride;
    const int64_t half = count / 2;
    int64_t i = 0;
    if (halves) {
      for (; i + kLanes <= half; i += kLanes) {
        const V a = hn::LoadU(d, x + i);
        const V b = hn::LoadU(d, x + half + i);
        hn::StoreU(hn::NegMulAdd(b, hn::LoadU(d, s + i), hn::Mul(a, hn::LoadU(d, c + i))), d,
                   to + i);
        hn::StoreU(
            hn::MulAdd(a, hn::LoadU(d, s + half + i), hn::Mul(b, hn::LoadU(d, c + half + i))), d,
            to + half + i);
      }
      for (; i < half; ++i) {
        const float a = x[i];
        const float b = x[half + i];
        to[i] = a * c[i] - b * s[i];
        to[half + i] = b * c[half + i] + a * s[half + i];
      }
      continue;
    }
#if HWY_TARGET != HWY_SCALAR
    for (; i + kLanes <= count; i += kLanes) {
      const V a = hn::LoadU(d, x + i);
      const V turned = hn::Shuffle2301(a);
      const V straight = hn::Mul(a, hn::LoadU(d, c + i));
      const V across = hn::LoadU(d, s + i);
      hn::StoreU(hn::OddEven(hn::MulAdd(turned, across, straight),
                             hn::NegMulAdd(turned, across, straight)),
                 d, to + i);
    }
#endif
    for (; i + 1 < count; i += 2) {
      const float a = x[i];
      const float b = x[i + 1];
      to[i] = a * c[i] - b * s[i];
      to[i + 1] = b * c[i + 1] + a * s[i + 1];
    }
  }
}

void describe(AttentionRowSet* set) {
  set->softmax = softmax_scores;
  set->scale = scale_array;
  set->rope = rope_array;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

HWY_EXPORT(rope_array);
PTE_SIMD_SETS(AttentionRowSet, attention_row_set)

void rope_rows(const float* in, int64_t in_stride, const float* cos, const float* sin,
               int64_t table_stride, bool halves, float* out, int64_t out_stride, int64_t rows,
               int64_t count, Isa isa) {
  PTE_SIMD_PICK(rope_array, isa)
  (in, in_stride, cos, sin, table_stride, halves, out, out_stride, rows, count);
}

}  // namespace pte::simd
#endif
