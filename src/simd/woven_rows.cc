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

// The same operations on 16, 32 and 64 bytes.
struct Narrow {
  using V = __m128i;
  using F = __m128;
  static constexpr int kLanes = 1;
  static HWY_INLINE V load(const void* p) { return _mm_loadu_si128(static_cast<const V*>(p)); }
  static HWY_INLINE void store(void* p, V v) { _mm_storeu_si128(static_cast<V*>(p), v); }
  static HWY_INLINE V load_some(const int8_t* p, uint64_t mask) {
    return _mm_maskz_loadu_epi8(static_cast<__mmask16>(mask), p);
  }
  static HWY_INLINE void store_some(int8_t* p, uint64_t mask, V v) {
    _mm_mask_storeu_epi8(p, static_cast<__mmask16>(mask), v);
  }
  static HWY_INLINE V all(uint8_t x) { return _mm_set1_epi8(static_cast<char>(x)); }
  static HWY_INLINE V all_words(int x) { return _mm_set1_epi16(static_cast<int16_t>(x)); }
  static HWY_INLINE F all_floats(float x) { return _mm_set1_ps(x); }
  static HWY_INLINE F load_floats(const float* p) { return _mm_loadu_ps(p); }
  static HWY_INLINE V flip(V a, V b) { return _mm_xor_si128(a, b); }
  static HWY_INLINE V low8(V a, V b) { return _mm_unpacklo_epi8(a, b); }
  static HWY_INLINE V high8(V a, V b) { return _mm_unpackhi_epi8(a, b); }
  static HWY_INLINE V low16(V a, V b) { return _mm_unpacklo_epi16(a, b); }
  static HWY_INLINE V high16(V a, V b) { return _mm_unpackhi_epi16(a, b); }
  static HWY_INLINE V whole(V sum, F scale, F high) {
    return _mm_cvtps_epi32(_mm_min_ps(_mm_mul_ps(_mm_cvtepi32_ps(sum), scale), high));
  }
  static HWY_INLINE V words(V a, V b, V zero) {
    return _mm_adds_epi16(_mm_packs_epi32(a, b), zero);
  }
  static HWY_INLINE V bytes(V a, V b) { return _mm_packs_epi16(a, b); }
  static HWY_INLINE V largest(V a, V b) { return _mm_max_epi8(a, b); }
  static HWY_INLINE __m512i wide(V v) { return _mm512_castsi128_si512(v); }
  static HWY_INLINE V from_wide(__m512i v) { return _mm512_castsi512_si128(v); }
};

struct Middle {
  using V = __m256i;
  using F = __m256;
  static constexpr int kLanes = 2;
  static HWY_INLINE V load(const void* p) { return _mm256_loadu_si256(static_cast<const V*>(p)); }
  static HWY_INLINE void store(void* p, V v) { _mm256_storeu_si256(static_cast<V*>(p), v); }
  static HWY_INLINE V load_some(const int8_t* p, uint64_t mask) {
    return _mm256_maskz_loadu_epi8(static_cast<__mmask32>(mask), p);
  }
  static HWY_INLINE void store_some(int8_t* p, uint64_t mask, V v) {
    _mm256_mask_storeu_epi8(p, static_cast<__mmask32>(mask), v);
  }
  static HWY_INLINE V all(uint8_t x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static HWY_INLINE V all_words(int x) { return _mm256_set1_epi16(static_cast<int16_t>(x)); }
  static HWY_INLINE F all_floats(float x) { return _mm256_set1_ps(x); }
  static HWY_INLINE F load_floats(const float* p) { return _mm256_loadu_ps(p); }
  static HWY_INLINE V flip(V a, V b) { return _mm256_xor_si256(a, b); }
  static HWY_INLINE V low8(V a, V b) { return _mm256_unpacklo_epi8(a, b); }
  static HWY_INLINE V high8(V a, V b) { return _mm256_unpackhi_epi8(a, b); }
  static HWY_INLINE V low16(V a, V b) { return _mm256_unpacklo_epi16(a, b); }
  static HWY_INLINE V high16(V a, V b) { return _mm256_unpackhi_epi16(a, b); }
  static HWY_INLINE V whole(V sum, F scale, F high) {
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale), high));
  }
  static HWY_INLINE V words(V a, V b, V zero) {
    return _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
  }
  static HWY_INLINE V bytes(V a, V b) { return _mm256_packs_epi16(a, b); }
  static HWY_INLINE V largest(V a, V b) { return _mm256_max_epi8(a, b); }
  static HWY_INLINE __m512i wide(V v) { return _mm512_castsi256_si512(v); }
  static HWY_INLINE V from_wide(__m512i v) { return _mm512_castsi512_si256(v); }
};

struct Wide {
  using V = __m512i;
  using F = __m512;
  static constexpr int kLanes = 4;
  static HWY_INLINE V load(const void* p) { return _mm512_loadu_si512(p); }
  static HWY_INLINE void store(void* p, V v) { _mm512_storeu_si512(p, v); }
  static HWY_INLINE V load_some(const int8_t* p, uint64_t mask) {
    return _mm512_maskz_loadu_epi8(mask, p);
  }
  static HWY_INLINE void store_some(int8_t* p, uint64_t mask, V v) {
    _mm512_mask_storeu_epi8(p, mask, v);
  }
  static HWY_INLINE V all(uint8_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  static HWY_INLINE V all_words(int x) { return _mm512_set1_epi16(static_cast<int16_t>(x)); }
  static HWY_INLINE F all_floats(float x) { return _mm512_set1_ps(x); }
  static HWY_INLINE F load_floats(const float* p) { return _mm512_loadu_ps(p); }
  static HWY_INLINE V flip(V a, V b) { return _mm512_xor_si512(a, b); }
  static HWY_INLINE V low8(V a, V b) { return _mm512_unpacklo_epi8(a, b); }
  static HWY_INLINE V high8(V a, V b) { return _mm512_unpackhi_epi8(a, b); }
  static HWY_INLINE V low16(V a, V b) { return _mm512_unpacklo_epi16(a, b); }
  static HWY_INLINE V high16(V a, V b) { return _mm512_unpackhi_epi16(a, b); }
  static HWY_INLINE V whole(V sum, F scale, F high) {
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale), high));
  }
  static HWY_INLINE V words(V a, V b, V zero) {
    return _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
  }
  static HWY_INLINE V bytes(V a, V b) { return _mm512_packs_epi16(a, b); }
  static HWY_INLINE V largest(V a, V b) { return _mm512_max_epi8(a, b); }
  static HWY_INLINE __m512i wide(V v) { return v; }
  static HWY_INLINE V from_wide(__m512i v) { return v; }
};

uint64_t mask_of(int64_t channels) { return ~uint64_t{0} >> (64 - channels); }

template <typename S>
void weave(const WovenRow& row) {
  using V = typename S::V;
  constexpr int64_t kVector = 16 * S::kLanes;
  const V top = S::all(0x80);
  const V padding = S::all(row.padding);
  const uint64_t mask = mask_of(row.channels);
  const int64_t groups = (row.kernel_h + 3) / 4;
  std::byte* to = row.to;
  for (int64_t x = 0; x < row.width; ++x) {
    for (int64_t g = 0; g < groups; ++g, to += 4 * kVector) {
      V in[4];
      for (int64_t t = 0; t < 4; ++t) {
        const int8_t* from = 4 * g + t < row.kernel_h ? row.rows[4 * g + t] : nullptr;
        in[t] = from == nullptr ? padding : S::flip(S::load_some(from + x * row.pixel, mask), top);
      }
      const V a = S::low8(in[0], in[1]);
      const V b = S::high8(in[0], in[1]);
      const V c = S::low8(in[2], in[3]);
      const V d = S::high8(in[2], in[3]);
      S::store(to, S::low16(a, c));
      S::store(to + kVector, S::high16(a, c));
      S::store(to + 2 * kVector, S::low16(b, d));
      S::store(to + 3 * kVector, S::high16(b, d));
    }
  }
}

template <typename S, int kOutputs>
HWY_INLINE void some_outputs(const WovenRow& row, const std::byte* woven, int8_t* out) {
  using V = typename S::V;
  constexpr int64_t kVector = 16 * S::kLanes;
  const int64_t column = (row.kernel_h + 3) / 4 * 4 * kVector;
  const int64_t step = row.step * column;
  V sum[kOutputs][4];
  for (int j = 0; j < 4; ++j) {
    const V bias = S::load(row.bias + j * 4 * S::kLanes);
    for (int o = 0; o < kOutputs; ++o) sum[o][j] = bias;
  }
  const std::byte* weights = row.weights;
  for (int64_t kx = 0; kx < row.kernel_w; ++kx) {
    const std::byte* from = woven + kx * row.dilation * column;
    for (int64_t at = 0; at < column; at += 4 * kVector) {
      for (int j = 0; j < 4; ++j, weights += kVector) {
        const V w = S::load(weights);
        for (int o = 0; o < kOutputs; ++o) {
          const V x = S::load(from + o * step + at + j * kVector);
          // As text: the flags that this Highway gives the target leave AVX512-VNNI out, although
          // the target asks for it at run time.
          __asm__("vpdpbusd %2, %1, %0" : "+v"(sum[o][j]) : "v"(x), "v"(w));
        }
      }
    }
  }
  const auto high = S::all_floats(static_cast<float>(row.highest - row.zero_point));
  const V zero_point = S::all_words(row.zero_point);
  const V lowest = S::all(static_cast<uint8_t>(row.lowest));
  const uint64_t mask = mask_of(row.channels);
  for (int o = 0; o < kOutputs; ++o) {
    V whole[4];
    for (int j = 0; j < 4; ++j) {
      whole[j] = S::whole(sum[o][j], S::load_floats(row.scale + j * 4 * S::kLanes), high);
    }
    V bytes = S::bytes(S::words(whole[0], whole[1], zero_point),
                       S::words(whole[2], whole[3], zero_point));
    bytes = S::largest(bytes, lowest);
    if (row.table != nullptr) {
      const __m512i x = S::wide(bytes);
      const int8_t* t = row.table->data();
      const __m512i low =
          _mm512_permutex2var_epi8(_mm512_loadu_si512(t), x, _mm512_loadu_si512(t + 64));
      const __m512i other =
          _mm512_permutex2var_epi8(_mm512_loadu_si512(t + 128), x, _mm512_loadu_si512(t + 192));
      bytes = S::from_wide(_mm512_mask_mov_epi8(low, _mm512_movepi8_mask(x), other));
    }
    S::store_some(out + o * row.out_stride, mask, bytes);
  }
}

template <typename S>
void multiply(const WovenRow& row) {
  constexpr int kAtOnce = 4;
  const int64_t step = row.step * ((row.kernel_h + 3) / 4) * 64 * S::kLanes;
  int64_t x = 0;
  for (; x + kAtOnce <= row.outputs; x += kAtOnce) {
    some_outputs<S, kAtOnce>(row, row.woven + x * step, row.out + x * row.out_stride);
  }
  for (; x < row.outputs; ++x) {
    some_outputs<S, 1>(row, row.woven + x * step, row.out + x * row.out_stride);
  }
}

void weave_any(const WovenRow& row) {
  row.lanes == 1 ? weave<Narrow>(row) : row.lanes == 2 ? weave<Middle>(row) : weave<Wide>(row);
}

void multiply_any(const WovenRow& row) {
  row.lanes == 1   ? multiply<Narrow>(row)
  : row.lanes == 2 ? multiply<Middle>(row)
                   : multiply<Wide>(row);
}

void describe(WovenSet* set) {
  set->weave = weave_any;
  set->multiply = multiply_any;
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
