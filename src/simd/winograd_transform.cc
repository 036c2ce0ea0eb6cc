#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/winograd_transform.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <array>

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
#define PTE_UNROLL _Pragma("GCC unroll 16")
#else
#define PTE_UNROLL _Pragma("unroll")
#endif

// One direction of a tile: samples to positions, positions to outputs. The points are 0, 1, -1,
// then 2, -2, then 1/2, -1/2, as many as there are, and infinity; weights_transform() has the same.
struct One {
  static constexpr int kInputs = 1;
  static constexpr int kPositions = 1;
  static constexpr int kOutputs = 1;
  static HWY_INLINE void input(const V (&d)[1], V (&t)[1]) { t[0] = d[0]; }
  static HWY_INLINE void output(const V (&t)[1], V (&y)[1]) { y[0] = t[0]; }
};

struct F2x3 {
  static constexpr int kInputs = 4;
  static constexpr int kPositions = 4;
  static constexpr int kOutputs = 2;
  static HWY_INLINE void input(const V (&d)[4], V (&t)[4]) {
    t[0] = hn::Sub(d[2], d[0]);
    t[1] = hn::Add(d[1], d[2]);
    t[2] = hn::Sub(d[2], d[1]);
    t[3] = hn::Sub(d[3], d[1]);
  }
  static HWY_INLINE void output(const V (&t)[4], V (&y)[2]) {
    y[0] = hn::Add(hn::Add(t[0], t[1]), t[2]);
    y[1] = hn::Add(hn::Sub(t[1], t[2]), t[3]);
  }
};

// Samples kFirst, kFirst + kStep … of F(4, 3) at positions kTo and on.
template <int kFirst, int kStep, int kTo, class In, class Out>
HWY_INLINE void input_4x3(const In& d, Out& t) {
  const D tag;
  const V two = hn::Set(tag, 2.0f);
  const V four = hn::Set(tag, 4.0f);
  const V five = hn::Set(tag, 5.0f);
  const V d0 = d[kFirst];
  const V d1 = d[kFirst + kStep];
  const V d2 = d[kFirst + 2 * kStep];
  const V d3 = d[kFirst + 3 * kStep];
  const V d4 = d[kFirst + 4 * kStep];
  const V d5 = d[kFirst + 5 * kStep];
  const V d42 = hn::NegMulAdd(four, d2, d4);  // d4 - 4 d2
  const V d31 = hn::NegMulAdd(four, d1, d3);  // d3 - 4 d1
  const V e42 = hn::Sub(d4, d2);
  const V e31 = hn::Mul(two, hn::Sub(d3, d1));
  t[kTo] = hn::MulAdd(four, d0, hn::NegMulAdd(five, d2, d4));
  t[kTo + 1] = hn::Add(d42, d31);
  t[kTo + 2] = hn::Sub(d42, d31);
  t[kTo + 3] = hn::Add(e42, e31);
  t[kTo + 4] = hn::Sub(e42, e31);
  t[kTo + 5] = hn::MulAdd(four, d1, hn::NegMulAdd(five, d3, d5));
}

template <int kFrom, class In>
HWY_INLINE void output_4x3(const In& t, V (&y)[4]) {
  const D tag;
  const V a = hn::Add(t[kFrom + 1], t[kFrom + 2]);
  const V b = hn::Sub(t[kFrom + 1], t[kFrom + 2]);
  const V c = hn::Add(t[kFrom + 3], t[kFrom + 4]);
  const V e = hn::Sub(t[kFrom + 3], t[kFrom + 4]);
  y[0] = hn::Add(hn::Add(t[kFrom], a), c);
  y[1] = hn::MulAdd(hn::Set(tag, 2.0f), e, b);
  y[2] = hn::MulAdd(hn::Set(tag, 4.0f), c, a);
  y[3] = hn::Add(hn::MulAdd(hn::Set(tag, 8.0f), e, b), t[kFrom + 5]);
}

// The same of F(4, 2), whose points are 0, 1, -1, 2.
template <int kFirst, int kStep, int kTo, class In, class Out>
HWY_INLINE void input_4x2(const In& d, Out& t) {
  const D tag;
  const V two = hn::Set(tag, 2.0f);
  const V three = hn::Set(tag, 3.0f);
  const V d0 = d[kFirst];
  const V d1 = d[kFirst + kStep];
  const V d2 = d[kFirst + 2 * kStep];
  const V d3 = d[kFirst + 3 * kStep];
  const V d4 = d[kFirst + 4 * kStep];
  const V d31 = hn::Sub(d3, d1);
  t[kTo] = hn::MulAdd(two, hn::Sub(d0, d2), d31);
  t[kTo + 1] = hn::NegMulAdd(two, d1, hn::Sub(d3, d2));
  t[kTo + 2] = hn::MulAdd(two, d1, hn::NegMulAdd(three, d2, d3));
  t[kTo + 3] = d31;
  t[kTo + 4] = hn::NegMulAdd(two, d31, hn::Sub(d4, d2));
}

template <int kFrom, class In>
HWY_INLINE void output_4x2(const In& t, V (&y)[4]) {
  const D tag;
  const V a = hn::Add(t[kFrom + 1], t[kFrom + 2]);
  const V b = hn::Sub(t[kFrom + 1], t[kFrom + 2]);
  const V c = t[kFrom + 3];
  y[0] = hn::Add(hn::Add(t[kFrom], a), c);
  y[1] = hn::MulAdd(hn::Set(tag, 2.0f), c, b);
  y[2] = hn::MulAdd(hn::Set(tag, 4.0f), c, a);
  y[3] = hn::Add(hn::MulAdd(hn::Set(tag, 8.0f), c, b), t[kFrom + 4]);
}

struct F4x3 {
  static constexpr int kInputs = 6;
  static constexpr int kPositions = 6;
  static constexpr int kOutputs = 4;
  static HWY_INLINE void input(const V (&d)[6], V (&t)[6]) { input_4x3<0, 1, 0>(d, t); }
  static HWY_INLINE void output(const V (&t)[6], V (&y)[4]) { output_4x3<0>(t, y); }
};

struct F4x5 {
  static constexpr int kInputs = 8;
  static constexpr int kPositions = 8;
  static constexpr int kOutputs = 4;
  static HWY_INLINE void input(const V (&d)[8], V (&t)[8]) {
    const D tag;
    const V quarter = hn::Set(tag, 0.25f);
    const V half = hn::Set(tag, 0.5f);
    const V two = hn::Set(tag, 2.0f);
    const V four = hn::Set(tag, 4.0f);
    const V five = hn::Set(tag, 5.0f);
    const V a = hn::Set(tag, 4.25f);
    const V b = hn::Set(tag, 1.25f);
    const V c = hn::Set(tag, 2.5f);
    const V e = hn::Set(tag, 5.25f);
    const V even1 = hn::NegMulAdd(a, d[4], hn::Add(d[2], d[6]));
    const V odd1 = hn::NegMulAdd(a, d[3], hn::Add(d[1], d[5]));
    const V even2 = hn::MulAdd(quarter, d[2], hn::NegMulAdd(b, d[4], d[6]));
    const V odd2 = hn::MulAdd(half, d[1], hn::NegMulAdd(c, d[3], hn::Mul(two, d[5])));
    const V even3 = hn::MulAdd(four, d[2], hn::NegMulAdd(five, d[4], d[6]));
    const V odd3 = hn::MulAdd(two, d[1], hn::NegMulAdd(c, d[3], hn::Mul(half, d[5])));
    t[0] = hn::MulAdd(e, hn::Sub(d[2], d[4]), hn::Sub(d[6], d[0]));
    t[1] = hn::Add(even1, odd1);
    t[2] = hn::Sub(even1, odd1);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
    t[5] = hn::Add(even3, odd3);
    t[6] = hn::Sub(even3, odd3);
    t[7] = hn::MulAdd(e, hn::Sub(d[3], d[5]), hn::Sub(d[7], d[1]));
  }
  static HWY_INLINE void output(const V (&t)[8], V (&y)[4]) {
    const D tag;
    const V a = hn::Add(t[1], t[2]);
    const V b = hn::Sub(t[1], t[2]);
    const V c = hn::Add(t[3], t[4]);
    const V e = hn::Sub(t[3], t[4]);
    const V f = hn::Add(t[5], t[6]);
    const V g = hn::Sub(t[5], t[6]);
    y[0] = hn::Add(hn::Add(t[0], a), hn::Add(c, f));
    y[1] = hn::MulAdd(hn::Set(tag, 2.0f), e, hn::MulAdd(hn::Set(tag, 0.5f), g, b));
    y[2] = hn::MulAdd(hn::Set(tag, 4.0f), c, hn::MulAdd(hn::Set(tag, 0.25f), f, a));
    y[3] = hn::MulAdd(hn::Set(tag, 8.0f), e, hn::MulAdd(hn::Set(tag, 0.125f), g, hn::Add(b, t[7])));
  }
};

struct S4x3 {
  static constexpr int kInputs = 9;
  static constexpr int kPositions = 9;
  static constexpr int kOutputs = 4;
  static HWY_INLINE void input(const V (&d)[9], V (&t)[9]) {
    input_4x2<0, 2, 0>(d, t);
    t[5] = d[1];
    t[6] = d[3];
    t[7] = d[5];
    t[8] = d[7];
  }
  static HWY_INLINE void output(const V (&t)[9], V (&y)[4]) {
    output_4x2<0>(t, y);
    y[0] = hn::Add(y[0], t[5]);
    y[1] = hn::Add(y[1], t[6]);
    y[2] = hn::Add(y[2], t[7]);
    y[3] = hn::Add(y[3], t[8]);
  }
};

struct S4x5 {
  static constexpr int kInputs = 11;
  static constexpr int kPositions = 11;
  static constexpr int kOutputs = 4;
  static HWY_INLINE void input(const V (&d)[11], V (&t)[11]) {
    input_4x3<0, 2, 0>(d, t);
    input_4x2<1, 2, 6>(d, t);
  }
  static HWY_INLINE void output(const V (&t)[11], V (&y)[4]) {
    V odd[4];
    output_4x3<0>(t, y);
    output_4x2<6>(t, odd);
    PTE_UNROLL
    for (int i = 0; i < 4; ++i) y[i] = hn::Add(y[i], odd[i]);
  }
};

template <class Y, class X>
void input_tile(const WinogradInput& a) {
  const D d;
  const bool inside =
      a.y >= 0 && a.x >= 0 && a.y + Y::kInputs <= a.height && a.x + X::kInputs <= a.width;
  const float* origin = a.image + a.y * a.y_step + a.x * a.x_step;
  for (int64_t c = 0; c < a.channels; c += kLanes) {
    const int64_t count = std::min(kLanes, a.channels - c);
    HWY_ALIGN float lines[Y::kPositions * X::kInputs * kLanes];
    const bool whole = inside && count == kLanes;
    PTE_UNROLL
    for (int x = 0; x < X::kInputs; ++x) {
      V in[Y::kInputs];
      V out[Y::kPositions];
      const float* from = origin + x * a.x_step + c;
      if (whole) {
        PTE_UNROLL
        for (int y = 0; y < Y::kInputs; ++y) in[y] = hn::LoadU(d, from + y * a.y_step);
      } else {
        const bool column = a.x + x >= 0 && a.x + x < a.width;
        PTE_UNROLL
        for (int y = 0; y < Y::kInputs; ++y) {
          const bool valid = column && a.y + y >= 0 && a.y + y < a.height;
          in[y] = !valid            ? hn::Zero(d)
                  : count == kLanes ? hn::LoadU(d, from + y * a.y_step)
                                    : load_part(d, from + y * a.y_step, count);
        }
      }
      Y::input(in, out);
      PTE_UNROLL
      for (int y = 0; y < Y::kPositions; ++y) {
        hn::Store(out[y], d, lines + (y * X::kInputs + x) * kLanes);
      }
    }
    PTE_UNROLL
    for (int y = 0; y < Y::kPositions; ++y) {
      V in[X::kInputs];
      V out[X::kPositions];
      PTE_UNROLL
      for (int x = 0; x < X::kInputs; ++x) {
        in[x] = hn::Load(d, lines + (y * X::kInputs + x) * kLanes);
      }
      X::input(in, out);
      PTE_UNROLL
      for (int x = 0; x < X::kPositions; ++x) {
        hn::StoreU(out[x], d, a.to + (y * X::kPositions + x) * a.position_stride + c);
      }
    }
  }
}

template <class Y, class X, class Function>
HWY_INLINE void output_channels(const WinogradOutput& a, int64_t c, int64_t count,
                                Function function) {
  const D d;
  const TileArgs& t = a.tile;
  const auto load = [&](const float* from) HWY_ATTR {
    return count == kLanes ? hn::LoadU(d, from) : load_part(d, from, count);
  };
  HWY_ALIGN float lines[Y::kOutputs * X::kPositions * kLanes];
  PTE_UNROLL
  for (int x = 0; x < X::kPositions; ++x) {
    V in[Y::kPositions];
    V out[Y::kOutputs];
    PTE_UNROLL
    for (int y = 0; y < Y::kPositions; ++y) {
      in[y] = hn::LoadU(d, a.from + (y * X::kPositions + x) * a.position_stride + c);
    }
    Y::output(in, out);
    PTE_UNROLL
    for (int y = 0; y < Y::kOutputs; ++y) {
      hn::Store(out[y], d, lines + (y * X::kPositions + x) * kLanes);
    }
  }
  const V bias = t.bias == nullptr ? hn::Zero(d) : load(t.bias + c);
  const bool before = t.residual != nullptr && !t.residual_after_activation;
  const bool after = t.residual != nullptr && t.residual_after_activation;
  for (int64_t y = 0; y < a.rows; ++y) {
    V in[X::kPositions];
    V out[X::kOutputs];
    PTE_UNROLL
    for (int x = 0; x < X::kPositions; ++x) {
      in[x] = hn::Load(d, lines + (y * X::kPositions + x) * kLanes);
    }
    X::output(in, out);
    PTE_UNROLL
    for (int x = 0; x < X::kOutputs; ++x) {
      if (x >= a.columns) break;
      const int64_t pixel = y * a.y_pixels + x * a.x_pixels;
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

template <class Y, class X>
void output_tile(const WinogradOutput& a) {
  const D d;
  const auto all = [&](auto function) HWY_ATTR {
    for (int64_t c = 0; c < a.tile.columns; c += kLanes) {
      output_channels<Y, X>(a, c, std::min(kLanes, a.tile.columns - c), function);
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

template <class Y, class X>
constexpr WinogradTransforms transforms() {
  return {input_tile<Y, X>, output_tile<Y, X>};
}

void describe(WinogradSet* set) {
  set->lanes = kLanes;
  const auto at = [](WinogradLine line) { return static_cast<size_t>(line); };
  set->square[at(WinogradLine::kF2x3)] = transforms<F2x3, F2x3>();
  set->square[at(WinogradLine::kF4x3)] = transforms<F4x3, F4x3>();
  set->square[at(WinogradLine::kS4x3)] = transforms<S4x3, S4x3>();
  set->row[at(WinogradLine::kF4x3)] = transforms<One, F4x3>();
  set->row[at(WinogradLine::kF4x5)] = transforms<One, F4x5>();
  set->row[at(WinogradLine::kS4x3)] = transforms<One, S4x3>();
  set->row[at(WinogradLine::kS4x5)] = transforms<One, S4x5>();
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(WinogradSet, winograd_set)

WinogradExtents extents_of(WinogradLine line) {
  switch (line) {
    case WinogradLine::kOne:
      return {};
    case WinogradLine::kF2x3:
      return {4, 4, 2, 3, 1};
    case WinogradLine::kF4x3:
      return {6, 6, 4, 3, 1};
    case WinogradLine::kF4x5:
      return {8, 8, 4, 5, 1};
    case WinogradLine::kS4x3:
      return {9, 9, 4, 3, 2};
    case WinogradLine::kS4x5:
      return {11, 11, 4, 5, 2};
  }
  return {};
}

namespace {

constexpr std::array kPoints{0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5};

// The weights' part of F(outputs, taps), which reads every `step`-th of `width` taps from `first`:
// at each point the polynomial that the taps are, over the product of distances to the others; at
// infinity the last tap.
void append_rows(int64_t outputs, int64_t taps, int64_t first, int64_t step, int64_t width,
                 std::vector<double>& rows) {
  const int64_t finite = outputs + taps - 2;
  for (int64_t j = 0; j <= finite; ++j) {
    const size_t row = rows.size();
    rows.resize(row + static_cast<size_t>(width));
    double value = 1;
    for (int64_t k = 0; k < finite && j < finite; ++k) {
      if (k != j) value /= kPoints[static_cast<size_t>(j)] - kPoints[static_cast<size_t>(k)];
    }
    for (int64_t i = 0; i < taps; ++i) {
      const bool last = i == taps - 1;
      rows[row + static_cast<size_t>(first + i * step)] = j < finite ? value : (last ? 1.0 : 0.0);
      if (j < finite) value *= kPoints[static_cast<size_t>(j)];
    }
  }
}

}  // namespace

std::vector<double> weights_transform(WinogradLine line) {
  std::vector<double> rows;
  const WinogradExtents extents = extents_of(line);
  if (line == WinogradLine::kOne) return {1.0};
  if (extents.stride == 1) {
    append_rows(extents.outputs, extents.taps, 0, 1, extents.taps, rows);
    return rows;
  }
  append_rows(extents.outputs, (extents.taps + 1) / 2, 0, 2, extents.taps, rows);
  if (extents.taps / 2 > 1) {
    append_rows(extents.outputs, extents.taps / 2, 1, 2, extents.taps, rows);
    return rows;
  }
  for (int64_t i = 0; i < extents.outputs; ++i) {
    rows.resize(rows.size() + static_cast<size_t>(extents.taps));
    rows[rows.size() - static_cast<size_t>(extents.taps) + 1] = 1;
  }
  return rows;
}

}  // namespace pte::simd
#endif
