#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/winograd_transform.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>

#include "simd/activation.inl.h"
#include "simd/dispatch.h"
#include "simd/partial.inl.h"
#include "simd/winograd_transform.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

#ifdef PTE_SIMD_SMALL
#define PTE_UNROLL
#elif HWY_COMPILER_GCC_ACTUAL
#define PTE_UNROLL _Pragma("GCC unroll 8")
#else
#define PTE_UNROLL _Pragma("unroll")
#endif

// One direction of the input transform, B^T: points 0, 1, -1 and infinity.
HWY_INLINE void input_line(const V (&d)[4], V (&t)[4]) {
  t[0] = hn::Sub(d[0], d[2]);
  t[1] = hn::Add(d[1], d[2]);
  t[2] = hn::Sub(d[2], d[1]);
  t[3] = hn::Sub(d[1], d[3]);
}

// Points 0, 1, -1, 2, -2 and infinity.
HWY_INLINE void input_line(const V (&d)[6], V (&t)[6]) {
  const D tag;
  const V two = hn::Set(tag, 2.0f);
  const V four = hn::Set(tag, 4.0f);
  const V five = hn::Set(tag, 5.0f);
  const V d42 = hn::NegMulAdd(four, d[2], d[4]);  // d4 - 4 d2
  const V d31 = hn::NegMulAdd(four, d[1], d[3]);  // d3 - 4 d1
  const V e42 = hn::Sub(d[4], d[2]);
  const V e31 = hn::Mul(two, hn::Sub(d[3], d[1]));
  t[0] = hn::MulAdd(four, d[0], hn::NegMulAdd(five, d[2], d[4]));
  t[1] = hn::Add(d42, d31);
  t[2] = hn::Sub(d42, d31);
  t[3] = hn::Add(e42, e31);
  t[4] = hn::Sub(e42, e31);
  t[5] = hn::MulAdd(four, d[1], hn::NegMulAdd(five, d[3], d[5]));
}

// One direction of the output transform, A^T.
HWY_INLINE void output_line(const V (&d)[4], V (&t)[2]) {
  t[0] = hn::Add(hn::Add(d[0], d[1]), d[2]);
  t[1] = hn::Sub(hn::Sub(d[1], d[2]), d[3]);
}

HWY_INLINE void output_line(const V (&d)[6], V (&t)[4]) {
  const D tag;
  const V a = hn::Add(d[1], d[2]);
  const V b = hn::Sub(d[1], d[2]);
  const V c = hn::Add(d[3], d[4]);
  const V e = hn::Sub(d[3], d[4]);
  t[0] = hn::Add(hn::Add(d[0], a), c);
  t[1] = hn::MulAdd(hn::Set(tag, 2.0f), e, b);
  t[2] = hn::MulAdd(hn::Set(tag, 4.0f), c, a);
  t[3] = hn::Add(hn::MulAdd(hn::Set(tag, 8.0f), e, b), d[5]);
}

template <int kSize>
void input_tile(const WinogradInput& a) {
  const D d;
  const bool inside = a.y >= 0 && a.x >= 0 && a.y + kSize <= a.height && a.x + kSize <= a.width;
  const float* origin = a.image + (a.y * a.width + a.x) * a.pixel;
  const int64_t row = a.width * a.pixel;
  for (int64_t c = 0; c < a.channels; c += kLanes) {
    const int64_t count = std::min(kLanes, a.channels - c);
    HWY_ALIGN float lines[kSize * kSize * kLanes];
    const bool whole = inside && count == kLanes;
    PTE_UNROLL
    for (int x = 0; x < kSize; ++x) {
      V in[kSize];
      V out[kSize];
      const float* from = origin + x * a.pixel + c;
      if (whole) {
        PTE_UNROLL
        for (int y = 0; y < kSize; ++y) in[y] = hn::LoadU(d, from + y * row);
      } else {
        const bool column = a.x + x >= 0 && a.x + x < a.width;
        PTE_UNROLL
        for (int y = 0; y < kSize; ++y) {
          const bool valid = column && a.y + y >= 0 && a.y + y < a.height;
          in[y] = !valid            ? hn::Zero(d)
                  : count == kLanes ? hn::LoadU(d, from + y * row)
                                    : load_part(d, from + y * row, count);
        }
      }
      input_line(in, out);
      PTE_UNROLL
      for (int y = 0; y < kSize; ++y) hn::Store(out[y], d, lines + (y * kSize + x) * kLanes);
    }
    PTE_UNROLL
    for (int y = 0; y < kSize; ++y) {
      V in[kSize];
      V out[kSize];
      PTE_UNROLL
      for (int x = 0; x < kSize; ++x) in[x] = hn::Load(d, lines + (y * kSize + x) * kLanes);
      input_line(in, out);
      PTE_UNROLL
      for (int x = 0; x < kSize; ++x) {
        hn::StoreU(out[x], d, a.to + (y * kSize + x) * a.position_stride + c);
      }
    }
  }
}

template <int kSize, class Function>
HWY_INLINE void output_channels(const WinogradOutput& a, int64_t c, int64_t count,
                                Function function) {
  constexpr int kOut = kSize - 2;
  const D d;
  const TileArgs& t = a.tile;
  const auto load = [&](const float* from) HWY_ATTR {
    return count == kLanes ? hn::LoadU(d, from) : load_part(d, from, count);
  };
  HWY_ALIGN float lines[kOut * kSize * kLanes];
  PTE_UNROLL
  for (int x = 0; x < kSize; ++x) {
    V in[kSize];
    V out[kOut];
    PTE_UNROLL
    for (int y = 0; y < kSize; ++y) {
      in[y] = hn::LoadU(d, a.from + (y * kSize + x) * a.position_stride + c);
    }
    output_line(in, out);
    PTE_UNROLL
    for (int y = 0; y < kOut; ++y) hn::Store(out[y], d, lines + (y * kSize + x) * kLanes);
  }
  const V bias = t.bias == nullptr ? hn::Zero(d) : load(t.bias + c);
  const bool before = t.residual != nullptr && !t.residual_after_activation;
  const bool after = t.residual != nullptr && t.residual_after_activation;
  for (int64_t y = 0; y < a.rows; ++y) {
    V in[kSize];
    V out[kOut];
    PTE_UNROLL
    for (int x = 0; x < kSize; ++x) in[x] = hn::Load(d, lines + (y * kSize + x) * kLanes);
    output_line(in, out);
    PTE_UNROLL
    for (int x = 0; x < kOut; ++x) {
      if (x >= a.columns) break;
      const int64_t pixel = y * a.row_pixels + x;
      V sum = hn::Add(out[x], bias);
      if (before) sum = hn::Add(sum, load(t.residual + pixel * t.residual_stride + c));
      sum = function(sum);
      if (after) sum = hn::Add(sum, load(t.residual + pixel * t.residual_stride + c));
      float* to = t.out + pixel * t.out_stride + c;
      if (count == kLanes) {
        hn::StoreU(sum, d, to);
      } else {
        store_part(d, sum, to, count);
      }
    }
  }
}

#ifdef PTE_SIMD_SMALL
// One copy of each activation, not one for each place that calls it.
HWY_NOINLINE void activate_lanes(const TileArgs& args, float* lanes) {
  const D d;
  with_activation(args.activation, d, hn::Set(d, args.lo), hn::Set(d, args.hi),
                  [&](auto function)
                      HWY_ATTR { hn::Store(function(hn::Load(d, lanes)), d, lanes); });
}
#endif

template <int kSize>
void output_tile(const WinogradOutput& a) {
  const D d;
  const auto all = [&](auto function) HWY_ATTR {
    for (int64_t c = 0; c < a.tile.columns; c += kLanes) {
      output_channels<kSize>(a, c, std::min(kLanes, a.tile.columns - c), function);
    }
  };
#ifdef PTE_SIMD_SMALL
  all([&](V x) HWY_ATTR {
    HWY_ALIGN float lanes[kLanes];
    hn::Store(x, d, lanes);
    activate_lanes(a.tile, lanes);
    return hn::Load(d, lanes);
  });
#else
  with_activation(a.tile.activation, d, hn::Set(d, a.tile.lo), hn::Set(d, a.tile.hi), all);
#endif
}

void describe(WinogradSet* set) {
  set->lanes = kLanes;
  set->input2 = input_tile<4>;
  set->input4 = input_tile<6>;
  set->output2 = output_tile<4>;
  set->output4 = output_tile<6>;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(WinogradSet, winograd_set)

}  // namespace pte::simd
#endif
