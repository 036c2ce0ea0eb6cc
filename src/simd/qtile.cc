// The target with the int8 dot product is compiled here only.
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/qtile.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "simd/dispatch.h"
#include "simd/qtile.h"
#include "simd/round.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_COMPILER_GCC_ACTUAL
#define PTE_UNROLL _Pragma("GCC unroll 32")
#else
#define PTE_UNROLL _Pragma("unroll")
#endif

using D = hn::ScalableTag<int32_t>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
constexpr int kVectors = 2;
constexpr int64_t kWidth = kVectors * kLanes;

#ifdef PTE_SIMD_SMALL
constexpr int kMostRows = 3;
#elif HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
constexpr int kMostRows = 12;
#else
constexpr int kMostRows = 5;
#endif

#if HWY_TARGET == HWY_AVX3_DL
constexpr int64_t kGroup = 4;
using Input = uint8_t;
using Weight = int8_t;
#else
constexpr int64_t kGroup = 2;
using Input = int16_t;
using Weight = int16_t;
#endif

HWY_INLINE V load_group(const std::byte* from) {
  int32_t group;
  std::memcpy(&group, from, sizeof group);
  return hn::Set(D(), group);
}
HWY_INLINE V load_weights(const std::byte* from) {
  return hn::LoadU(D(), reinterpret_cast<const int32_t*>(from));
}

// One group of inputs, the same in every lane, times the groups of kLanes columns.
#if HWY_TARGET == HWY_AVX3_DL
HWY_INLINE V multiply_add(V sum, V inputs, V weights) {
  // As text: the flags that this Highway gives the target leave AVX512-VNNI out, although the
  // target asks for it at run time.
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(inputs.raw), "v"(weights.raw));
  return sum;
}
#elif HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR
HWY_INLINE V multiply_add(V sum, V inputs, V weights) {
  const hn::Repartition<int16_t, D> d16;
  V unused = hn::Zero(D());
  return hn::ReorderWidenMulAccumulate(D(), hn::BitCast(d16, inputs), hn::BitCast(d16, weights),
                                       sum, unused);
}
#else
// Plain: the two halves of each lane by themselves.
HWY_INLINE V low_half(V v) { return hn::ShiftRight<16>(hn::ShiftLeft<16>(v)); }
HWY_INLINE V multiply_add(V sum, V inputs, V weights) {
  const V low = hn::Mul(low_half(inputs), low_half(weights));
  const V high = hn::Mul(hn::ShiftRight<16>(inputs), hn::ShiftRight<16>(weights));
  return hn::Add(sum, hn::Add(low, high));
}
#endif

template <int kRows>
HWY_NOINLINE void tile(const QTileArgs& args, const std::byte* const* rows, int8_t* out) {
  const D d;
  constexpr int64_t kBytes = kGroup * static_cast<int64_t>(sizeof(Input));
  constexpr int64_t kStep = kLanes * 4;  // bytes of a vector of weights
  V sum[kRows][kVectors];
  PTE_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const V bias = hn::LoadU(d, args.bias + v * kLanes);
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) sum[r][v] = bias;
  }
  const std::byte* panel = args.panel;
  for (int64_t t = 0; t < args.tap_count; ++t) {
    const std::byte* in[kRows];
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) in[r] = rows[r] + args.taps[t];
    for (int64_t g = 0; g < args.groups; ++g) {
      V w[kVectors];
      PTE_UNROLL
      for (int v = 0; v < kVectors; ++v) w[v] = load_weights(panel + v * kStep);
      panel += kVectors * kStep;
      PTE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V x = load_group(in[r] + g * kBytes);
        PTE_UNROLL
        for (int v = 0; v < kVectors; ++v) sum[r][v] = multiply_add(sum[r][v], x, w[v]);
      }
    }
  }

  const hn::RebindToFloat<D> df;
  const hn::Rebind<int8_t, D> d8;
  // Limits before the zero point is added, so that large sums cannot overflow on the way.
  const auto low = hn::Set(df, static_cast<float>(args.lowest - args.zero_point));
  const auto high = hn::Set(df, static_cast<float>(args.highest - args.zero_point));
  const V zero_point = hn::Set(d, args.zero_point);
  PTE_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int64_t first = v * kLanes;
    const int64_t left = std::min(args.columns - first, kLanes);
    if (left <= 0) break;
    const auto scale = hn::LoadU(df, args.scale + first);
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      auto x = hn::Mul(hn::ConvertTo(df, sum[r][v]), scale);
      x = hn::Min(hn::Max(x, low), high);
      const auto bytes = to_bytes(hn::Add(round_even(x), zero_point));
      int8_t* to = out + r * args.out_stride + first;
      if (left == kLanes) {
        hn::StoreU(bytes, d8, to);
      } else {
        HWY_ALIGN int8_t lanes[kLanes + 16];
        hn::StoreU(bytes, d8, lanes);
        std::memcpy(to, lanes, static_cast<size_t>(left));
      }
    }
  }
}

using TileFunction = void (*)(const QTileArgs&, const std::byte* const*, int8_t*);

template <size_t... kRows>
constexpr std::array<TileFunction, kMostRows> tiles(std::index_sequence<kRows...>) {
  return {tile<static_cast<int>(kRows) + 1>...};
}

void panel_rows(const QTileArgs& args) {
  static constexpr std::array<TileFunction, kMostRows> kTiles =
      tiles(std::make_index_sequence<kMostRows>());
  const int64_t passes = (args.row_count + kMostRows - 1) / kMostRows;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t begin = args.row_count * pass / passes;
    const int64_t end = args.row_count * (pass + 1) / passes;
    kTiles[static_cast<size_t>(end - begin - 1)](args, args.rows + begin,
                                                 args.out + begin * args.out_stride);
  }
}

void prepare_row(const int8_t* in, int64_t count, int32_t zero_point, std::byte* out) {
  auto* to = reinterpret_cast<Input*>(out);
  if constexpr (sizeof(Input) == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Input>(in[i] + 128);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Input>(in[i] - zero_point);
  }
}

void describe(QTileSet* set) {
  set->panel_width = kWidth;
  set->group = kGroup;
  set->input_bytes = sizeof(Input);
  set->weight_bytes = sizeof(Weight);
  set->panel = panel_rows;
  set->prepare = prepare_row;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(QTileSet, qtile_set)

}  // namespace pte::simd
#endif
