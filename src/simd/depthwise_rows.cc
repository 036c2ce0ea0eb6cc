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
#include "simd/math.inl.h"
#include "simd/partial.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
#ifdef PTE_SIMD_SMALL
constexpr int kMostOutputs = 2;
#else
constexpr int kMostOutputs = 7;
#endif

#if HWY_COMPILER_GCC_ACTUAL
#define PTE_UNROLL _Pragma("GCC unroll 32")
#else
#define PTE_UNROLL _Pragma("unroll")
#endif

enum Mode {
  kInside,   // all input pixels exist, the vector of channels is whole
  kAtEdge,   // some input pixels may lie outside the row: they are zero
  kPartial,  // the same, and there are fewer channels than lanes
};

HWY_ALIGN constexpr float kZeros[kLanes] = {};

// kOutputs neighbours from output `x` on, one vector of channels from `c` on.
template <int kWidth, int kStride, int kOutputs, Mode kMode>
HWY_NOINLINE void block(const DepthwiseRow& a, int64_t x, int64_t c, float* out,
                        int64_t out_stride) {
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
      if constexpr (kMode == kInside) {
        value = hn::LoadU(d, in);
      } else {
        // The address is chosen, not the way: no branch.
        const float* from =
            static_cast<uint64_t>(first + i) < static_cast<uint64_t>(a.width) ? in : kZeros;
        value = kMode == kAtEdge ? hn::LoadU(d, from) : load_part(d, from, a.channels);
      }
      PTE_UNROLL
      for (int o = 0; o < kOutputs; ++o) {
        const int k = i - o * kStride;
        if (k >= 0 && k < kWidth) sum[o] = hn::MulAdd(value, w[k], sum[o]);
      }
    }
  }
  const V bias = a.bias == nullptr   ? hn::Zero(d)
                 : kMode == kPartial ? load_part(d, a.bias, a.channels)
                                     : hn::LoadU(d, a.bias + c);
  const V lo = hn::Set(d, a.lo);
  const V hi = hn::Set(d, a.hi);
  PTE_UNROLL
  for (int o = 0; o < kOutputs; ++o) {
    const V result = clamp(hn::Add(sum[o], bias), lo, hi);
    if constexpr (kMode == kPartial) {
      store_part(d, result, out + o * out_stride, a.channels);
    } else {
      hn::StoreU(result, d, out + o * out_stride);
    }
  }
}

using Block = void (*)(const DepthwiseRow&, int64_t, int64_t, float*, int64_t);

template <int kWidth, int kStride, Mode kMode, size_t... kOutputs>
constexpr std::array<Block, kMostOutputs> blocks(std::index_sequence<kOutputs...>) {
  return {block<kWidth, kStride, static_cast<int>(kOutputs) + 1, kMode>...};
}

// Channels are done in groups of a few vectors, pixels of a group in runs of a few outputs: what is
// read and written stays in the first cache, and the finish sees sums that were just made.
template <int kWidth, int kStride>
void row_of(const DepthwiseRow& a) {
  constexpr auto kSizes = std::make_index_sequence<kMostOutputs>();
  static constexpr std::array<Block, kMostOutputs> kBlocks[3] = {
      blocks<kWidth, kStride, kInside>(kSizes), blocks<kWidth, kStride, kAtEdge>(kSizes),
      blocks<kWidth, kStride, kPartial>(kSizes)};
  constexpr int64_t kGroup = 4 * kLanes;
  HWY_ALIGN float sums[kMostOutputs * (kGroup + kLanes)];
  TileArgs finish;
  if (a.finish != nullptr) finish = *a.finish;
  const int64_t parts = (a.out_width + kMostOutputs - 1) / kMostOutputs;
  for (int64_t group = 0; group < a.channels;) {
    const int64_t left = a.channels - group;
    const int64_t size = left < kGroup + kLanes ? left : kGroup;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t x = a.out_width * part / parts;
      const int64_t end = a.out_width * (part + 1) / parts;
      float* out = a.out + x * a.out_stride + group;
      float* to = a.finish == nullptr ? out : sums;
      const int64_t stride = a.finish == nullptr ? a.out_stride : kGroup + kLanes;
      const bool inside =
          x * kStride >= a.pad_left && (end - 1) * kStride - a.pad_left + kWidth <= a.width;
      const Mode mode = size < kLanes ? kPartial : inside ? kInside : kAtEdge;
      const Block run = kBlocks[mode][static_cast<size_t>(end - x - 1)];
      for (int64_t next = 0; next < size; next += kLanes) {
        // The last vector overlaps the one before.
        const int64_t c = std::min(next, std::max<int64_t>(size - kLanes, 0));
        run(a, x, group + c, to + c, stride);
      }
      if (a.finish != nullptr) {
        finish.columns = size;
        a.tiles->finish(
            finish, end - x, sums, stride, out,
            a.residual == nullptr ? nullptr : a.residual + x * finish.residual_stride + group);
      }
    }
    group += size;
  }
}

// Any kernel, one output pixel at a time.
void row_of_any(const DepthwiseRow& a) {
  const D d;
  HWY_ALIGN float sums[kLanes];
  TileArgs finish;
  if (a.finish != nullptr) finish = *a.finish;
  for (int64_t c = 0; c < a.channels; c += kLanes) {
    const int64_t count = std::min(kLanes, a.channels - c);
    const bool whole = count == kLanes;
    const auto load = [&](const float* from) HWY_ATTR {
      return whole ? hn::LoadU(d, from) : load_part(d, from, count);
    };
    const V bias = a.bias == nullptr ? hn::Zero(d) : load(a.bias + c);
    for (int64_t x = 0; x < a.out_width; ++x) {
      const int64_t first = x * a.stride - a.pad_left;
      V sum = hn::Zero(d);
      for (int64_t ky = 0; ky < a.kernel_h; ++ky) {
        if (a.rows[ky] == nullptr) continue;
        const float* weights = a.weights + ky * a.kernel_w * a.weight_stride + c;
        for (int64_t kx = 0; kx < a.kernel_w; ++kx) {
          const int64_t at = first + kx * a.dilation;
          if (at < 0 || at >= a.width) continue;
          const V value = load(a.rows[ky] + at * a.pixel + c);
          sum = hn::MulAdd(value, hn::LoadU(d, weights + kx * a.weight_stride), sum);
        }
      }
      sum = clamp(hn::Add(sum, bias), hn::Set(d, a.lo), hn::Set(d, a.hi));
      float* out = a.out + x * a.out_stride + c;
      if (a.finish != nullptr) {
        hn::Store(sum, d, sums);
        finish.columns = count;
        a.tiles->finish(
            finish, 1, sums, kLanes, out,
            a.residual == nullptr ? nullptr : a.residual + x * finish.residual_stride + c);
      } else if (whole) {
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

PTE_SIMD_SETS(DepthwiseSet, depthwise_set)

DepthwiseRow row_of(const Conv2dShape& shape, const float* const* rows, const float* weights,
                    int64_t weight_stride, int64_t out_width) {
  DepthwiseRow row;
  row.rows = rows;
  row.kernel_h = shape.kernel_h;
  row.kernel_w = shape.kernel_w;
  row.stride = shape.stride_w;
  row.dilation = shape.dilation_w;
  row.pad_left = shape.pad_left;
  row.width = shape.w;
  row.channels = shape.in_channels;
  row.weights = weights;
  row.weight_stride = weight_stride;
  row.out_width = out_width;
  return row;
}

}  // namespace pte::simd
#endif
