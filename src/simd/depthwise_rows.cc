#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/depthwise_rows.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <utility>

#include "simd/depthwise_rows.h"
#include "simd/dispatch.h"
#include "simd/partial.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
constexpr int kMostOutputs = 7;

#if HWY_COMPILER_GCC_ACTUAL
#define PTE_UNROLL _Pragma("GCC unroll 32")
#else
#define PTE_UNROLL _Pragma("unroll")
#endif

// kOutputs neighbours from output `x` on, channels [c, c + count). kCareful: some input pixels may
// lie outside the row, or the vector of channels may be cut short.
template <int kWidth, int kStride, int kOutputs, bool kCareful>
HWY_NOINLINE void block(const DepthwiseRow& a, int64_t x, int64_t c, int64_t count) {
  const D d;
  constexpr int kInputs = (kOutputs - 1) * kStride + kWidth;
  const int64_t first = x * kStride - a.pad_left;
  V sum[kOutputs];
  PTE_UNROLL
  for (int o = 0; o < kOutputs; ++o) sum[o] = hn::Zero(d);
  const float* weights = a.weights + c;
  for (int64_t ky = 0; ky < a.kernel_h; ++ky, weights += kWidth * a.weight_stride) {
    if (a.rows[ky] == nullptr) continue;
    const float* in = a.rows[ky] + first * a.pixel + c;
    V w[kWidth];
    PTE_UNROLL
    for (int k = 0; k < kWidth; ++k) w[k] = hn::LoadU(d, weights + k * a.weight_stride);
    PTE_UNROLL
    for (int i = 0; i < kInputs; ++i, in += a.pixel) {
      V value;
      if constexpr (kCareful) {
        const int64_t at = first + i;
        if (at < 0 || at >= a.width) continue;
        value = count == kLanes ? hn::LoadU(d, in) : load_part(d, in, count);
      } else {
        value = hn::LoadU(d, in);
      }
      PTE_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        const int k = i - o * kStride;
        if (k >= 0 && k < kWidth) sum[o] = hn::MulAdd(value, w[k], sum[o]);
      }
    }
  }
  const V bias = a.bias == nullptr ? hn::Zero(d)
                 : count == kLanes ? hn::LoadU(d, a.bias + c)
                                   : load_part(d, a.bias + c, count);
  float* out = a.out + x * a.out_stride + c;
  PTE_UNROLL
  for (int o = 0; o < kOutputs; ++o) {
    const V result = hn::Add(sum[o], bias);
    if (!kCareful || count == kLanes) {
      hn::StoreU(result, d, out + o * a.out_stride);
    } else {
      store_part(d, result, out + o * a.out_stride, count);
    }
  }
}

using Block = void (*)(const DepthwiseRow&, int64_t, int64_t, int64_t);

template <int kWidth, int kStride, bool kCareful, size_t... kOutputs>
constexpr std::array<Block, kMostOutputs> blocks(std::index_sequence<kOutputs...>) {
  return {block<kWidth, kStride, static_cast<int>(kOutputs) + 1, kCareful>...};
}

template <int kWidth, int kStride>
void row_of(const DepthwiseRow& a) {
  constexpr auto kSizes = std::make_index_sequence<kMostOutputs>();
  static constexpr std::array<Block, kMostOutputs> kCareful = blocks<kWidth, kStride, true>(kSizes);
  static constexpr std::array<Block, kMostOutputs> kFast = blocks<kWidth, kStride, false>(kSizes);
  const int64_t parts = (a.out_width + kMostOutputs - 1) / kMostOutputs;
  for (int64_t c = 0; c < a.channels; c += kLanes) {
    const int64_t count = std::min(kLanes, a.channels - c);
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t x = a.out_width * part / parts;
      const int64_t end = a.out_width * (part + 1) / parts;
      const bool inside = count == kLanes && x * kStride >= a.pad_left &&
                          (end - 1) * kStride - a.pad_left + kWidth <= a.width;
      (inside ? kFast : kCareful)[static_cast<size_t>(end - x - 1)](a, x, c, count);
    }
  }
}

// Any kernel, one output pixel at a time.
void row_of_any(const DepthwiseRow& a) {
  const D d;
  for (int64_t c = 0; c < a.channels; c += kLanes) {
    const int64_t count = std::min(kLanes, a.channels - c);
    const bool whole = count == kLanes;
    const V bias = a.bias == nullptr ? hn::Zero(d)
                   : whole           ? hn::LoadU(d, a.bias + c)
                                     : load_part(d, a.bias + c, count);
    for (int64_t x = 0; x < a.out_width; ++x) {
      const int64_t first = x * a.stride - a.pad_left;
      V sum = hn::Zero(d);
      for (int64_t ky = 0; ky < a.kernel_h; ++ky) {
        if (a.rows[ky] == nullptr) continue;
        const float* weights = a.weights + ky * a.kernel_w * a.weight_stride + c;
        for (int64_t kx = 0; kx < a.kernel_w; ++kx) {
          const int64_t at = first + kx * a.dilation;
          if (at < 0 || at >= a.width) continue;
          const float* in = a.rows[ky] + at * a.pixel + c;
          const V value = whole ? hn::LoadU(d, in) : load_part(d, in, count);
          sum = hn::MulAdd(value, hn::LoadU(d, weights + kx * a.weight_stride), sum);
        }
      }
      float* out = a.out + x * a.out_stride + c;
      sum = hn::Add(sum, bias);
      if (whole) {
        hn::StoreU(sum, d, out);
      } else {
        store_part(d, sum, out, count);
      }
    }
  }
}

void depthwise_row(const DepthwiseRow& a) {
  if (a.dilation == 1 && a.stride <= 2) {
    if (a.kernel_w == 3) return a.stride == 1 ? row_of<3, 1>(a) : row_of<3, 2>(a);
    if (a.kernel_w == 5) return a.stride == 1 ? row_of<5, 1>(a) : row_of<5, 2>(a);
  }
  row_of_any(a);
}

void describe(DepthwiseSet* set) {
  set->lanes = kLanes;
  set->row = depthwise_row;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

HWY_EXPORT(describe);

const DepthwiseSet& depthwise_set(Isa isa) {
  static const auto kSets = [] {
    std::array<DepthwiseSet, 6> sets;
    for (const Isa one : available_isas())
      PTE_SIMD_PICK(describe, one)(&sets[static_cast<size_t>(one)]);
    return sets;
  }();
  return kSets[static_cast<size_t>(has_isa(isa) ? isa : best_isa())];
}

}  // namespace pte::simd
#endif
