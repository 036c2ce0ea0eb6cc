#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/tile.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <utility>

#include "simd/activation.inl.h"
#include "simd/dispatch.h"
#include "simd/partial.inl.h"
#include "simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));

// As many rows as accumulators fit in registers next to two vectors of weights and one broadcast.
#ifdef PTE_SIMD_SMALL
constexpr int kMaxRows = 3;
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kMaxRows = 14;
#elif HWY_TARGET == HWY_NEON
constexpr int kMaxRows = 12;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4
constexpr int kMaxRows = 6;
#else
constexpr int kMaxRows = 4;
#endif

#if HWY_COMPILER_GCC_ACTUAL
#define PTE_UNROLL _Pragma("GCC unroll 32")
#else
#define PTE_UNROLL _Pragma("unroll")
#endif

// Residual and activation over rows of sums: what the tile does not do in registers.
HWY_NOINLINE void finish_rows(const TileArgs& args, int64_t rows, const float* in,
                              int64_t in_stride, float* out, const float* residual) {
  const D d;
  const bool before = residual != nullptr && !args.residual_after_activation;
  const bool after = residual != nullptr && args.residual_after_activation;
  const auto body = [&](auto function) HWY_ATTR {
    for (int64_t r = 0; r < rows; ++r) {
      const float* from = in + r * in_stride;
      const float* other = residual == nullptr ? nullptr : residual + r * args.residual_stride;
      float* to = out + r * args.out_stride;
      int64_t j = 0;
      for (; j + kLanes <= args.columns; j += kLanes) {
        V x = hn::LoadU(d, from + j);
        if (before) x = hn::Add(x, hn::LoadU(d, other + j));
        x = function(x);
        if (after) x = hn::Add(x, hn::LoadU(d, other + j));
        hn::StoreU(x, d, to + j);
      }
      if (j < args.columns) {
        const int64_t left = args.columns - j;
        V x = load_part(d, from + j, left);
        if (before) x = hn::Add(x, load_part(d, other + j, left));
        x = function(x);
        if (after) x = hn::Add(x, load_part(d, other + j, left));
        store_part(d, x, to + j, left);
      }
    }
  };
  with_activation(args.activation, d, hn::Set(d, args.lo), hn::Set(d, args.hi), body);
}

template <int kRows, int kVectors>
HWY_NOINLINE void tile(const TileArgs& args, const float* const* rows, float* out,
                       const float* residual) {
  const D d;
  constexpr int kWidth = kVectors * kLanes;
  // What is written last is asked for first: it comes while the sums are made.
  PTE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    PTE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      __builtin_prefetch(out + r * args.out_stride + v * kLanes);
    }
  }
  if (residual != nullptr) {
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      PTE_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        __builtin_prefetch(residual + r * args.residual_stride + v * kLanes);
      }
    }
  }
  V sum[kRows][kVectors];
  PTE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    PTE_UNROLL
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const float* panel = args.panel;
  const int64_t depth = args.depth;
  for (int64_t t = 0; t < args.tap_count; ++t) {
    const float* in[kRows];
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) in[r] = rows[r] + args.taps[t];
    const auto step = [&](int64_t i, const float* weights) HWY_ATTR {
      V w[kVectors];
      PTE_UNROLL
      for (int v = 0; v < kVectors; ++v) w[v] = hn::LoadU(d, weights + v * kLanes);
      PTE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V x = hn::Set(d, in[r][i]);
        PTE_UNROLL
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(x, w[v], sum[r][v]);
      }
    };
    int64_t i = 0;
    for (; i + 4 <= depth; i += 4) {
      step(i, panel);
      step(i + 1, panel + kWidth);
      step(i + 2, panel + 2 * kWidth);
      step(i + 3, panel + 3 * kWidth);
      panel += 4 * kWidth;
    }
    for (; i < depth; ++i, panel += kWidth) step(i, panel);
  }

  // Sums with all that follows in registers go straight to their place; others pass through a tile
  // that stays in the first cache.
  if (args.activation > Activation::kClamp) {
    HWY_ALIGN float sums[kRows * kWidth];
    PTE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t left = std::clamp<int64_t>(args.columns - v * kLanes, 0, kLanes);
      const V bias = args.bias == nullptr ? hn::Zero(d)
                     : left == kLanes     ? hn::LoadU(d, args.bias + v * kLanes)
                                          : load_part(d, args.bias + v * kLanes, left);
      PTE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        hn::Store(hn::Add(sum[r][v], bias), d, sums + r * kWidth + v * kLanes);
      }
    }
    return finish_rows(args, kRows, sums, kWidth, out, residual);
  }
  const bool before = residual != nullptr && !args.residual_after_activation;
  const bool after = residual != nullptr && args.residual_after_activation;
  const bool clamped = args.activation == Activation::kClamp;
  const V lo = hn::Set(d, args.lo);
  const V hi = hn::Set(d, args.hi);
  PTE_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int64_t first = v * kLanes;
    const int64_t left = std::min<int64_t>(args.columns - first, kLanes);
    if (left <= 0) break;
    const auto load = [&](const float* from) HWY_ATTR {
      return left == kLanes ? hn::LoadU(d, from + first) : load_part(d, from + first, left);
    };
    const V bias = args.bias != nullptr ? load(args.bias) : hn::Zero(d);
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      V x = hn::Add(sum[r][v], bias);
      if (before) x = hn::Add(x, load(residual + r * args.residual_stride));
      if (clamped) x = clamp(x, lo, hi);
      if (after) x = hn::Add(x, load(residual + r * args.residual_stride));
      float* to = out + r * args.out_stride + first;
      if (left == kLanes) {
        hn::StoreU(x, d, to);
      } else {
        store_part(d, x, to, left);
      }
    }
  }
}

constexpr int kFewRows = 3;
constexpr int kManyPanels = 4;

// Few rows against kManyPanels whole panels at once: one panel alone would leave most of the time
// waiting for the last sum. The order of each sum is that of tile().
template <int kRows>
HWY_NOINLINE void few_rows(const TileArgs& args) {
  const D d;
  constexpr int kVectors = 2 * kManyPanels;
  constexpr int kWidth = 2 * kLanes;
  const int64_t panel_floats = args.tap_count * args.depth * kWidth;
  V sum[kRows][kVectors];
  PTE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    PTE_UNROLL
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const float* panel = args.panel;
  for (int64_t t = 0; t < args.tap_count; ++t) {
    const float* in[kRows];
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) in[r] = args.rows[r] + args.taps[t];
    for (int64_t i = 0; i < args.depth; ++i, panel += kWidth) {
      V x[kRows];
      PTE_UNROLL
      for (int r = 0; r < kRows; ++r) x[r] = hn::Set(d, in[r][i]);
      PTE_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const V w = hn::LoadU(d, panel + v / 2 * panel_floats + v % 2 * kLanes);
        PTE_UNROLL
        for (int r = 0; r < kRows; ++r) sum[r][v] = hn::MulAdd(x[r], w, sum[r][v]);
      }
    }
  }
  HWY_ALIGN float sums[kRows * kVectors * kLanes];
  PTE_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const V bias = args.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, args.bias + v * kLanes);
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      hn::Store(hn::Add(sum[r][v], bias), d, sums + (r * kVectors + v) * kLanes);
    }
  }
  finish_rows(args, kRows, sums, kVectors * kLanes, args.out, args.residual);
}

void many_panels(const TileArgs& args) {
  if (args.row_count == 1) return few_rows<1>(args);
  if (args.row_count == 2) return few_rows<2>(args);
  few_rows<3>(args);
}

using TileFunction = void (*)(const TileArgs&, const float* const*, float*, const float*);

template <int kVectors, size_t... kRows>
constexpr std::array<TileFunction, kMaxRows> tiles_for(std::index_sequence<kRows...>) {
  return {tile<static_cast<int>(kRows) + 1, kVectors>...};
}

template <int kVectors>
HWY_INLINE void panel_rows(const TileArgs& args) {
  static constexpr std::array<TileFunction, kMaxRows> kTiles =
      tiles_for<kVectors>(std::make_index_sequence<kMaxRows>());
  // Passes of equal height: a short last one would not fill the pipeline.
  const int64_t passes = (args.row_count + kMaxRows - 1) / kMaxRows;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t begin = args.row_count * pass / passes;
    const int64_t end = args.row_count * (pass + 1) / passes;
    kTiles[static_cast<size_t>(end - begin - 1)](
        args, args.rows + begin, args.out + begin * args.out_stride,
        args.residual == nullptr ? nullptr : args.residual + begin * args.residual_stride);
  }
}

void wide_panel(const TileArgs& args) { panel_rows<2>(args); }
void narrow_panel(const TileArgs& args) { panel_rows<1>(args); }
void describe(TileSet* set) {
  set->lanes = kLanes;
  set->panel_width = 2 * kLanes;
  set->max_rows = kMaxRows;
  set->wide = wide_panel;
  set->narrow = narrow_panel;
  set->few_rows = kFewRows;
  set->many_panels = kManyPanels;
  set->many = many_panels;
  set->finish = finish_rows;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(TileSet, tile_set)

void run_columns(const TileSet& tiles, const TileArgs& args, int64_t n, int64_t begin,
                 int64_t end) {
  const int64_t k = args.tap_count * args.depth;
  TileArgs one = args;
  int64_t step = tiles.panel_width;
  for (int64_t j = begin; j < end; j += step) {
    step = tiles.panel_width;
    one.panel = args.panel + j * k;
    one.columns = std::min(tiles.panel_width, n - j);
    one.out = args.out + j;
    if (args.bias != nullptr) one.bias = args.bias + j;
    if (args.residual != nullptr) one.residual = args.residual + j;
    const int64_t many = tiles.many_panels * tiles.panel_width;
    if (args.row_count > 0 && args.row_count <= tiles.few_rows && j + many <= std::min(end, n)) {
      one.columns = step = many;
      tiles.many(one);
      continue;
    }
    (one.columns <= tiles.lanes ? tiles.narrow : tiles.wide)(one);
  }
}

}  // namespace pte::simd
#endif
