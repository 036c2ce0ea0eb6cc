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

#if HWY_TARGET == HWY_AVX3_DL
constexpr int kMaxVectors = 4;
#else
constexpr int kMaxVectors = 2;
#endif

// As many sums as there are registers beside a group of weights and one of inputs.
constexpr int most_rows(int vectors) {
#ifdef PTE_SIMD_SMALL
  return vectors > 0 ? 3 : 0;
#elif HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  return vectors == 1 ? 16 : 24 / vectors;
#else
  return vectors == 1 ? 10 : 5;
#endif
}

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

#if HWY_TARGET == HWY_AVX3_DL

// Four columns of one vector, four of the next, and so on: sums that are packed to bytes lane by
// lane then come out in order.
int64_t place_of(int64_t vectors, int64_t column) {
  const auto woven = [](int64_t count, int64_t c) {
    return c / 4 % count * 16 + c / (4 * count) * 4 + c % 4;
  };
  if (vectors == 4) return woven(4, column);
  if (vectors >= 2 && column < 32) return woven(2, column);
  return column;
}

// Results of one row: sums of a panel's vectors to bytes.
template <int kVectors>
struct Finish {
  explicit HWY_INLINE Finish(const QTileArgs& args) {
    for (int v = 0; v < kVectors; ++v) scale[v] = _mm512_loadu_ps(args.scale + v * 16);
    high = _mm512_set1_ps(static_cast<float>(args.highest - args.zero_point));
    zero_point = _mm512_set1_epi16(static_cast<int16_t>(args.zero_point));
    lowest = _mm512_set1_epi8(static_cast<char>(args.lowest));
    table = args.table;
    columns = args.columns;
  }

  // Of the range of int32, larger ones being cut off, smaller ones becoming the smallest.
  HWY_INLINE __m512i whole(__m512i sum, int v) const {
    const __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale[v]);
    return _mm512_cvtps_epi32(_mm512_min_ps(x, high));
  }
  HWY_INLINE __m512i words(__m512i a, __m512i b, int v) const {
    const __m512i both = _mm512_packs_epi32(whole(a, v), whole(b, v + 1));
    return _mm512_adds_epi16(both, zero_point);
  }
  HWY_INLINE __m512i mapped(__m512i x) const {
    x = _mm512_max_epi8(x, lowest);
    if (table == nullptr) return x;
    const int8_t* t = table->data();
    const __m512i low =
        _mm512_permutex2var_epi8(_mm512_loadu_si512(t), x, _mm512_loadu_si512(t + 64));
    const __m512i other =
        _mm512_permutex2var_epi8(_mm512_loadu_si512(t + 128), x, _mm512_loadu_si512(t + 192));
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(x), other);
  }

  HWY_INLINE void store(const V* sum, int8_t* out) const {
    if constexpr (kVectors == 4) {
      const __m512i bytes = mapped(
          _mm512_packs_epi16(words(sum[0].raw, sum[1].raw, 0), words(sum[2].raw, sum[3].raw, 2)));
      if (columns >= 64) {
        _mm512_storeu_si512(out, bytes);
      } else {
        _mm512_mask_storeu_epi8(out, ~uint64_t{0} >> (64 - columns), bytes);
      }
      return;
    }
    if constexpr (kVectors >= 2 && kVectors < 4) {
      const __m256i bytes = _mm512_cvtsepi16_epi8(words(sum[0].raw, sum[1].raw, 0));
      const __m256i done = _mm512_castsi512_si256(mapped(_mm512_castsi256_si512(bytes)));
      if (columns >= 32) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), done);
      } else {
        _mm256_mask_storeu_epi8(out, ~uint32_t{0} >> (32 - columns), done);
      }
    }
    if constexpr (kVectors == 1 || kVectors == 3) {
      constexpr int kLast = kVectors - 1;
      const int64_t left = columns - 16 * kLast;
      const __m256i low = _mm512_cvtsepi32_epi16(whole(sum[kLast].raw, kLast));
      const __m256i shifted = _mm256_adds_epi16(low, _mm512_castsi512_si256(zero_point));
      const __m128i done =
          _mm512_castsi512_si128(mapped(_mm512_castsi128_si512(_mm256_cvtsepi16_epi8(shifted))));
      if (left >= 16) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16 * kLast), done);
      } else {
        _mm_mask_storeu_epi8(out + 16 * kLast, static_cast<__mmask16>(0xFFFF >> (16 - left)), done);
      }
    }
  }

  __m512 scale[kVectors];
  __m512 high;
  __m512i zero_point;
  __m512i lowest;
  const ByteTable* table;
  int64_t columns;
};

#else

int64_t place_of(int64_t, int64_t column) { return column; }

template <int kVectors>
struct Finish {
  using DF = hn::RebindToFloat<D>;
  using D8 = hn::Rebind<int8_t, D>;

  explicit HWY_INLINE Finish(const QTileArgs& given) : args(given) {
    // Limits before the zero point is added, so that large sums cannot overflow on the way.
    low = hn::Set(DF(), static_cast<float>(args.lowest - args.zero_point));
    high = hn::Set(DF(), static_cast<float>(args.highest - args.zero_point));
    zero_point = hn::Set(D(), args.zero_point);
  }

  HWY_INLINE void store(const V* sum, int8_t* out) const {
    PTE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t first = v * kLanes;
      const int64_t left = std::min(args.columns - first, kLanes);
      if (left <= 0) break;
      auto x = hn::Mul(hn::ConvertTo(DF(), sum[v]), hn::LoadU(DF(), args.scale + first));
      x = hn::Min(hn::Max(x, low), high);
      const auto bytes = to_bytes(hn::Add(round_even(x), zero_point));
      if (left == kLanes) {
        hn::StoreU(bytes, D8(), out + first);
      } else {
        HWY_ALIGN int8_t lanes[kLanes + 16];
        hn::StoreU(bytes, D8(), lanes);
        std::memcpy(out + first, lanes, static_cast<size_t>(left));
      }
    }
  }

  const QTileArgs& args;
  hn::Vec<DF> low;
  hn::Vec<DF> high;
  V zero_point;
};

#endif

template <int kRows, int kVectors>
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
  const Finish<kVectors> finish(args);
  PTE_UNROLL
  for (int r = 0; r < kRows; ++r) finish.store(sum[r], out + r * args.out_stride);
}

using TileFunction = void (*)(const QTileArgs&, const std::byte* const*, int8_t*);
constexpr int kMostRows = most_rows(1);
using TileRow = std::array<TileFunction, kMostRows>;

template <int kVectors, size_t... kRows>
constexpr TileRow tiles(std::index_sequence<kRows...>) {
  return {tile<static_cast<int>(kRows) + 1, kVectors>...};
}

template <size_t... kVectors>
constexpr std::array<TileRow, kMaxVectors> all_tiles(std::index_sequence<kVectors...>) {
  return {tiles<static_cast<int>(kVectors) + 1>(
      std::make_index_sequence<most_rows(static_cast<int>(kVectors) + 1)>())...};
}

void panel_rows(const QTileArgs& args) {
  static constexpr std::array<TileRow, kMaxVectors> kTiles =
      all_tiles(std::make_index_sequence<kMaxVectors>());
  const TileRow& functions = kTiles[static_cast<size_t>(args.vectors - 1)];
  const int64_t most = most_rows(static_cast<int>(args.vectors));
  const int64_t passes = (args.row_count + most - 1) / most;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t begin = args.row_count * pass / passes;
    const int64_t end = args.row_count * (pass + 1) / passes;
    functions[static_cast<size_t>(end - begin - 1)](args, args.rows + begin,
                                                    args.out + begin * args.out_stride);
  }
}

// ---- to floats

#ifdef PTE_SIMD_SMALL
constexpr int kRealRows = 2;
#elif HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
constexpr int kRealRows = 6;
#else
constexpr int kRealRows = 3;
#endif
constexpr int kRealVectors = 2;

template <int kRows>
HWY_NOINLINE void real_tile(const QRealArgs& args, int64_t first) {
  const D d;
  const hn::RebindToFloat<D> df;
  using F = hn::Vec<hn::RebindToFloat<D>>;
  constexpr int64_t kBytes = kGroup * static_cast<int64_t>(sizeof(Input));
  constexpr int64_t kStep = kLanes * 4;
  constexpr int64_t kRealWidth = kRealVectors * kLanes;
  const std::byte* in[kRows];
  F value[kRows][kRealVectors];
  PTE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    in[r] = args.rows[first + r];
    PTE_UNROLL
    for (int v = 0; v < kRealVectors; ++v) value[r][v] = hn::Zero(df);
  }
  const std::byte* panel = args.panel;
  for (int64_t b = 0; b < args.blocks; ++b) {
    V sum[kRows][kRealVectors];
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      PTE_UNROLL
      for (int v = 0; v < kRealVectors; ++v) sum[r][v] = hn::Zero(d);
    }
    for (int64_t g = 0; g < args.groups; ++g, panel += kRealVectors * kStep) {
      V w[kRealVectors];
      PTE_UNROLL
      for (int v = 0; v < kRealVectors; ++v) w[v] = load_weights(panel + v * kStep);
      PTE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V x = load_group(in[r]);
        in[r] += kBytes;
        PTE_UNROLL
        for (int v = 0; v < kRealVectors; ++v) sum[r][v] = multiply_add(sum[r][v], x, w[v]);
      }
    }
    PTE_UNROLL
    for (int v = 0; v < kRealVectors; ++v) {
      const int64_t at = b * kRealWidth + v * kLanes;
      const V totals = hn::LoadU(d, args.totals + at);
      const F scale = hn::LoadU(df, args.scale + at);
      PTE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const V shift = hn::Set(d, args.shift[first + r]);
        const F total = hn::ConvertTo(df, hn::Sub(sum[r][v], hn::Mul(shift, totals)));
        if (args.blocks == 1) {
          const F bias = hn::LoadU(df, args.bias + v * kLanes);
          const F real = hn::Set(df, args.real[first + r]);
          value[r][v] = hn::MulAdd(hn::Mul(total, real), scale, bias);
        } else {
          value[r][v] = hn::MulAdd(total, scale, value[r][v]);
        }
      }
    }
  }
  PTE_UNROLL
  for (int v = 0; v < kRealVectors; ++v) {
    const int64_t left = std::min(args.columns - v * kLanes, kLanes);
    if (left <= 0) break;
    PTE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      F x = value[r][v];
      if (args.blocks != 1) {
        x = hn::MulAdd(x, hn::Set(df, args.real[first + r]), hn::LoadU(df, args.bias + v * kLanes));
      }
      float* to = args.out + (first + r) * args.out_stride + v * kLanes;
      if (left == kLanes) {
        hn::StoreU(x, df, to);
      } else {
        HWY_ALIGN float lanes[kLanes];
        hn::Store(x, df, lanes);
        std::memcpy(to, lanes, static_cast<size_t>(left) * sizeof(float));
      }
    }
  }
}

template <size_t... kRows>
constexpr auto real_tiles(std::index_sequence<kRows...>) {
  return std::array<void (*)(const QRealArgs&, int64_t), sizeof...(kRows)>{
      real_tile<static_cast<int>(kRows) + 1>...};
}

void real_rows(const QRealArgs& args) {
  static constexpr auto kTiles = real_tiles(std::make_index_sequence<kRealRows>());
  const int64_t passes = (args.row_count + kRealRows - 1) / kRealRows;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t begin = args.row_count * pass / passes;
    const int64_t end = args.row_count * (pass + 1) / passes;
    kTiles[static_cast<size_t>(end - begin - 1)](args, begin);
  }
}

void extremes(const float* in, int64_t count, float* least, float* most) {
  const hn::RebindToFloat<D> d;
  int64_t i = 0;
  float low = 0;
  float high = 0;
  if (count >= kLanes) {
    auto lows = hn::Zero(d);
    auto highs = hn::Zero(d);
    for (; i + kLanes <= count; i += kLanes) {
      const auto x = hn::LoadU(d, in + i);
      // Values come first: where one is NaN, the other operand stays.
      lows = hn::Min(x, lows);
      highs = hn::Max(x, highs);
    }
    low = hn::GetLane(hn::MinOfLanes(d, lows));
    high = hn::GetLane(hn::MaxOfLanes(d, highs));
  }
  for (; i < count; ++i) {
    low = std::min(low, in[i]);
    high = std::max(high, in[i]);
  }
  *least = low;
  *most = high;
}

#if HWY_TARGET == HWY_AVX3_DL

void prepare_rows(const int8_t* in, int64_t stride, int64_t rows, int64_t count, int32_t,
                  std::byte* out) {
  const __m512i top = _mm512_set1_epi8(static_cast<char>(-128));
  if (rows == 0) return;  // there may be no memory to walk in
  if (stride == count) {
    count *= rows;
    rows = 1;
  }
  for (int64_t r = 0; r < rows; ++r, in += stride, out += count) {
    int64_t i = 0;
    for (; i + 64 <= count; i += 64) {
      _mm512_storeu_si512(out + i, _mm512_xor_si512(_mm512_loadu_si512(in + i), top));
    }
    if (i < count) {
      const __mmask64 rest = ~uint64_t{0} >> (64 - (count - i));
      _mm512_mask_storeu_epi8(out + i, rest,
                              _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, in + i), top));
    }
  }
}

#else

void prepare_rows(const int8_t* in, int64_t stride, int64_t rows, int64_t count, int32_t zero_point,
                  std::byte* out) {
  auto* to = reinterpret_cast<Input*>(out);
  if (rows == 0) return;  // there may be no memory to walk in
  if (stride == count) {
    count *= rows;
    rows = 1;
  }
  for (int64_t r = 0; r < rows; ++r, in += stride, to += count) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Input>(in[i] - zero_point);
  }
}

#endif

void describe(QTileSet* set) {
  set->real_width = kRealVectors * kLanes;
  set->real = real_rows;
  set->extremes = extremes;
  set->lanes = kLanes;
  set->max_vectors = kMaxVectors;
  set->applies_table = HWY_TARGET == HWY_AVX3_DL;
  set->place = place_of;
  set->group = kGroup;
  set->input_bytes = sizeof(Input);
  set->weight_bytes = sizeof(Weight);
  set->panel = panel_rows;
  set->prepare = prepare_rows;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(QTileSet, qtile_set)

}  // namespace pte::simd
#endif
