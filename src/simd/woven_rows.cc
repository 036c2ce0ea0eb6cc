#include "simd/woven_rows.h"

// The target with the int8 dot product is compiled in files like this one only.
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/woven_rows.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "simd/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3_DL

#if HWY_COMPILER_GCC_ACTUAL
#define PTE_UNROLL _Pragma("GCC unroll 16")
#else
#define PTE_UNROLL _Pragma("unroll")
#endif

using V = __m512i;

HWY_INLINE V load(const void* from) { return _mm512_loadu_si512(from); }

uint64_t mask_of(int64_t channels) { return ~uint64_t{0} >> (64 - channels); }

// One kernel row's channels of a column, for each of the outputs.
template <int kSpan>
HWY_INLINE V load_column(const int8_t* const* rows, int64_t distance, int64_t at, uint64_t mask,
                         V padding) {
  if constexpr (kSpan == 1) {
    return rows[0] == nullptr ? padding : _mm512_maskz_loadu_epi8(mask, rows[0] + at);
  } else if constexpr (kSpan == 2) {
    const auto part = [&](int64_t l) {
      const int8_t* row = rows[l * distance];
      return row == nullptr ? _mm512_castsi512_si256(padding)
                            : _mm256_maskz_loadu_epi8(static_cast<__mmask32>(mask), row + at);
    };
    return _mm512_inserti64x4(_mm512_castsi256_si512(part(0)), part(1), 1);
  } else {
    const auto part = [&](int64_t l) {
      const int8_t* row = rows[l * distance];
      return row == nullptr ? _mm512_castsi512_si128(padding)
                            : _mm_maskz_loadu_epi8(static_cast<__mmask16>(mask), row + at);
    };
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(part(0)), part(1), 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(part(2)), part(3), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  }
}

template <int kSpan>
void weave(const WovenRow& row) {
  const V top = _mm512_set1_epi8(static_cast<char>(0x80));
  const V padding = _mm512_set1_epi8(static_cast<char>(row.padding ^ 0x80));
  const uint64_t mask = mask_of(row.channels);
  const int64_t groups = (row.kernel_h + 3) / 4;
  std::byte* to = row.to;
  for (int64_t x = 0; x < row.width; ++x) {
    for (int64_t g = 0; g < groups; ++g, to += 4 * 64) {
      V in[4];
      PTE_UNROLL
      for (int64_t t = 0; t < 4; ++t) {
        // Behind the last kernel row weights are zero.
        in[t] = 4 * g + t < row.kernel_h ? load_column<kSpan>(row.rows + 4 * g + t, row.kernel_h,
                                                              x * row.pixel, mask, padding)
                                         : padding;
        in[t] = _mm512_xor_si512(in[t], top);
      }
      const V a = _mm512_unpacklo_epi8(in[0], in[1]);
      const V b = _mm512_unpackhi_epi8(in[0], in[1]);
      const V c = _mm512_unpacklo_epi8(in[2], in[3]);
      const V d = _mm512_unpackhi_epi8(in[2], in[3]);
      _mm512_storeu_si512(to, _mm512_unpacklo_epi16(a, c));
      _mm512_storeu_si512(to + 64, _mm512_unpackhi_epi16(a, c));
      _mm512_storeu_si512(to + 128, _mm512_unpacklo_epi16(b, d));
      _mm512_storeu_si512(to + 192, _mm512_unpackhi_epi16(b, d));
    }
  }
}

// Outputs x, x + 1, … of each row of the span.
template <int kOutputs>
HWY_INLINE void some_outputs(const WovenRow& row, int64_t column, int64_t x) {
  const std::byte* woven = row.woven + x * row.step * column;
  const int64_t step = row.step * column;
  V sum[kOutputs][4];
  PTE_UNROLL
  for (int j = 0; j < 4; ++j) {
    const V bias = load(row.bias + j * 16);
    PTE_UNROLL
    for (int o = 0; o < kOutputs; ++o) sum[o][j] = bias;
  }
  const std::byte* weights = row.weights;
  for (int64_t kx = 0; kx < row.kernel_w; ++kx) {
    const std::byte* from = woven + kx * row.dilation * column;
    for (int64_t at = 0; at < column; at += 4 * 64, weights += 4 * 64) {
      PTE_UNROLL
      for (int j = 0; j < 4; ++j) {
        const V w = load(weights + j * 64);
        PTE_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
          const V in = load(from + o * step + at + j * 64);
          // As text: the flags that this Highway gives the target leave AVX512-VNNI out, although
          // the target asks for it at run time.
          __asm__("vpdpbusd %2, %1, %0" : "+v"(sum[o][j]) : "v"(in), "v"(w));
        }
      }
    }
  }
  const __m512 high = _mm512_set1_ps(static_cast<float>(row.highest - row.zero_point));
  const V zero_point = _mm512_set1_epi16(static_cast<int16_t>(row.zero_point));
  const V lowest = _mm512_set1_epi8(static_cast<char>(row.lowest));
  const uint64_t mask = mask_of(row.channels);
  PTE_UNROLL
  for (int o = 0; o < kOutputs; ++o) {
    V whole[4];
    PTE_UNROLL
    for (int j = 0; j < 4; ++j) {
      const __m512 real =
          _mm512_mul_ps(_mm512_cvtepi32_ps(sum[o][j]), _mm512_loadu_ps(row.scale + j * 16));
      whole[j] = _mm512_cvtps_epi32(_mm512_min_ps(real, high));
    }
    const V low_words = _mm512_adds_epi16(_mm512_packs_epi32(whole[0], whole[1]), zero_point);
    const V high_words = _mm512_adds_epi16(_mm512_packs_epi32(whole[2], whole[3]), zero_point);
    V bytes = _mm512_max_epi8(_mm512_packs_epi16(low_words, high_words), lowest);
    if (row.table != nullptr) {
      const int8_t* t = row.table->data();
      const V low = _mm512_permutex2var_epi8(load(t), bytes, load(t + 64));
      const V other = _mm512_permutex2var_epi8(load(t + 128), bytes, load(t + 192));
      bytes = _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(bytes), other);
    }
    const int64_t at = (x + o) * row.out_stride;
    if (row.span == 1) {
      _mm512_mask_storeu_epi8(row.out[0] + at, mask, bytes);
    } else if (row.span == 2) {
      const auto some = static_cast<__mmask32>(mask);
      _mm256_mask_storeu_epi8(row.out[0] + at, some, _mm512_castsi512_si256(bytes));
      if (row.out[1] == nullptr) continue;
      _mm256_mask_storeu_epi8(row.out[1] + at, some, _mm512_extracti64x4_epi64(bytes, 1));
    } else {
      const auto some = static_cast<__mmask16>(mask);
      const auto store = [&](int l, __m128i part) {
        if (row.out[l] != nullptr) _mm_mask_storeu_epi8(row.out[l] + at, some, part);
      };
      store(0, _mm512_castsi512_si128(bytes));
      store(1, _mm512_extracti32x4_epi32(bytes, 1));
      store(2, _mm512_extracti32x4_epi32(bytes, 2));
      store(3, _mm512_extracti32x4_epi32(bytes, 3));
    }
  }
}

void multiply(const WovenRow& row) {
  constexpr int kAtOnce = 4;
  const int64_t column = (row.kernel_h + 3) / 4 * 4 * 64;
  int64_t x = 0;
  for (; x + kAtOnce <= row.outputs; x += kAtOnce) some_outputs<kAtOnce>(row, column, x);
  if (x + 2 <= row.outputs) {
    some_outputs<2>(row, column, x);
    x += 2;
  }
  if (x < row.outputs) some_outputs<1>(row, column, x);
}

void weave_any(const WovenRow& row) {
  row.span == 4 ? weave<4>(row) : row.span == 2 ? weave<2>(row) : weave<1>(row);
}

void describe(WovenSet* set) {
  set->weave = weave_any;
  set->multiply = multiply;
}

#else

void describe(WovenSet*) {}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

PTE_SIMD_SETS(WovenSet, woven_set)

}  // namespace pte::simd
#endif
