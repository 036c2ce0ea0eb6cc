#include "simd/bytes.h"

// The target with byte permutations is compiled here and in qtile.cc only.
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/bytes.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
// What the line above must come before.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/dispatch.h"
#include "simd/round.inl.h"

#ifndef PTE_SIMD_BYTE_SET
#define PTE_SIMD_BYTE_SET
namespace pte::simd {
struct ByteSet {
  void (*look_up)(const ByteTable&, const int8_t*, int8_t*, int64_t) = nullptr;
  void (*add)(const ByteSum&, const ByteRows&) = nullptr;
  void (*multiply)(const ByteProduct&, const ByteRows&) = nullptr;
  void (*interleave)(const int8_t* const*, int64_t, int64_t, int8_t*) = nullptr;
  void (*max_rows)(const int8_t* const*, int64_t, int64_t, int8_t*) = nullptr;
  void (*sum_rows)(const int8_t*, int64_t, int64_t, int64_t, int32_t*) = nullptr;
  void (*means)(const int32_t*, float, float, int32_t, int32_t, int8_t*, int64_t) = nullptr;
};
}  // namespace pte::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<DF>;
using D8 = hn::Rebind<int8_t, DF>;
using DB = hn::ScalableTag<int8_t>;
using VI = hn::Vec<DI>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(DF()));
constexpr int64_t kBytes = static_cast<int64_t>(hn::MaxLanes(DB()));

// Calls body(in pointers, out pointer) for whole vectors of values; the rest of a row goes through
// copies of that length, so that nothing outside the arrays is touched.
template <typename Body>
HWY_INLINE void pairs(const ByteRows& rows, const Body& body) {
  const int8_t* a = rows.a;
  const int8_t* b = rows.b;
  int8_t* out = rows.out;
  for (int64_t r = 0; r < rows.rows; ++r) {
    int64_t i = 0;
    for (; i + kLanes <= rows.count; i += kLanes) body(a + i, rows.one_b ? b : b + i, out + i);
    if (kLanes > 1 && i < rows.count) {
      int8_t x[kLanes + 16] = {};
      int8_t y[kLanes + 16] = {};
      int8_t z[kLanes + 16];
      const auto left = static_cast<size_t>(std::min(rows.count - i, kLanes));
      std::memcpy(x, a + i, left);
      if (!rows.one_b) std::memcpy(y, b + i, left);
      body(x, rows.one_b ? b : y, z);
      std::memcpy(out + i, z, left);
    }
    a += rows.a_stride;
    b += rows.b_stride;
    out += rows.out_stride;
  }
}

HWY_INLINE VI load_wide(const int8_t* from) { return hn::PromoteTo(DI(), hn::LoadU(D8(), from)); }

#if HWY_TARGET == HWY_AVX3_DL

// 256 entries in four registers: two permutations of 128 entries each, chosen by the top bit.
void look_up_bytes(const ByteTable& table, const int8_t* in, int8_t* out, int64_t count) {
  const __m512i t0 = _mm512_loadu_si512(table.data());
  const __m512i t1 = _mm512_loadu_si512(table.data() + 64);
  const __m512i t2 = _mm512_loadu_si512(table.data() + 128);
  const __m512i t3 = _mm512_loadu_si512(table.data() + 192);
  const auto map = [&](__m512i x) {
    const __m512i low = _mm512_permutex2var_epi8(t0, x, t1);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(x), _mm512_permutex2var_epi8(t2, x, t3));
  };
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    _mm512_storeu_si512(out + i, map(_mm512_loadu_si512(in + i)));
  }
  if (i < count) {
    const __mmask64 rest = ~uint64_t{0} >> (64 - (count - i));
    _mm512_mask_storeu_epi8(out + i, rest, map(_mm512_maskz_loadu_epi8(rest, in + i)));
  }
}

#else

void look_up_bytes(const ByteTable& table, const int8_t* in, int8_t* out, int64_t count) {
  const int8_t* values = table.data();
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, in + i, 8);
    int8_t made[8];
    for (int k = 0; k < 8; ++k) made[k] = values[eight >> (8 * k) & 255];
    std::memcpy(out + i, made, 8);
  }
  for (; i < count; ++i) out[i] = values[static_cast<uint8_t>(in[i])];
}

#endif

void add(const ByteSum& sum, const ByteRows& rows) {
  const DI d;
  const VI by_a = hn::Set(d, sum.by_a);
  const VI by_b = hn::Set(d, sum.by_b);
  const VI start = hn::Set(d, sum.start);
  const VI zero = hn::Set(d, sum.zero_point);
  const VI low = hn::Set(d, sum.lowest);
  const VI high = hn::Set(d, sum.highest);
  const bool one = rows.one_b;
  pairs(rows, [&](const int8_t* x, const int8_t* y, int8_t* to) HWY_ATTR {
    const VI other = one ? hn::Set(d, int32_t{*y}) : load_wide(y);
    VI v = hn::Add(hn::Add(start, hn::Mul(load_wide(x), by_a)), hn::Mul(other, by_b));
    v = hn::Add(hn::ShiftRightSame(v, sum.shift), zero);
    hn::StoreU(to_bytes(hn::Min(hn::Max(v, low), high)), D8(), to);
  });
}

void multiply(const ByteProduct& product, const ByteRows& rows) {
  const DF df;
  const DI d;
  const VI a_zero = hn::Set(d, product.a_zero);
  const VI b_zero = hn::Set(d, product.b_zero);
  const auto scale = hn::Set(df, product.scale);
  const VI zero = hn::Set(d, product.zero_point);
  const auto low = hn::Set(df, static_cast<float>(product.lowest - product.zero_point));
  const auto high = hn::Set(df, static_cast<float>(product.highest - product.zero_point));
  const bool one = rows.one_b;
  // Products of two whole numbers of nine bits are exact in fp32.
  pairs(rows, [&](const int8_t* x, const int8_t* y, int8_t* to) HWY_ATTR {
    const auto u = hn::ConvertTo(df, hn::Sub(load_wide(x), a_zero));
    const VI wide = one ? hn::Set(d, int32_t{*y}) : load_wide(y);
    const auto v = hn::ConvertTo(df, hn::Sub(wide, b_zero));
    const auto scaled = hn::Min(hn::Max(hn::Mul(hn::Mul(u, v), scale), low), high);
    hn::StoreU(to_bytes(hn::Add(round_even(scaled), zero)), D8(), to);
  });
}

void max_rows(const int8_t* const* rows, int64_t row_count, int64_t count, int8_t* out) {
  const DB d;
  int64_t i = 0;
  for (; i + kBytes <= count; i += kBytes) {
    auto most = hn::LoadU(d, rows[0] + i);
    for (int64_t r = 1; r < row_count; ++r) most = hn::Max(most, hn::LoadU(d, rows[r] + i));
    hn::StoreU(most, d, out + i);
  }
  for (; i < count; ++i) {
    int8_t most = rows[0][i];
    for (int64_t r = 1; r < row_count; ++r) most = std::max(most, rows[r][i]);
    out[i] = most;
  }
}

void sum_rows(const int8_t* in, int64_t stride, int64_t rows, int64_t count, int32_t* sums) {
  const DI d;
  int64_t i = 0;
  constexpr int64_t kAtOnce = 4;
  for (; i + kAtOnce * kLanes <= count; i += kAtOnce * kLanes) {
    VI s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    const int8_t* from = in + i;
    for (int64_t r = 0; r < rows; ++r, from += stride) {
      s0 = hn::Add(s0, load_wide(from));
      s1 = hn::Add(s1, load_wide(from + kLanes));
      s2 = hn::Add(s2, load_wide(from + 2 * kLanes));
      s3 = hn::Add(s3, load_wide(from + 3 * kLanes));
    }
    hn::StoreU(s0, d, sums + i);
    hn::StoreU(s1, d, sums + i + kLanes);
    hn::StoreU(s2, d, sums + i + 2 * kLanes);
    hn::StoreU(s3, d, sums + i + 3 * kLanes);
  }
  for (; i + kLanes <= count; i += kLanes) {
    VI sum = hn::Zero(d);
    for (int64_t r = 0; r < rows; ++r) sum = hn::Add(sum, load_wide(in + r * stride + i));
    hn::StoreU(sum, d, sums + i);
  }
  for (; i < count; ++i) {
    int32_t sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += in[r * stride + i];
    sums[i] = sum;
  }
}

void means(const int32_t* sums, float scale, float shift, int32_t lowest, int32_t highest,
           int8_t* out, int64_t count) {
  const DF d;
  const auto factor = hn::Set(d, scale);
  const auto add_to = hn::Set(d, shift);
  const auto low = hn::Set(d, static_cast<float>(lowest));
  const auto high = hn::Set(d, static_cast<float>(highest));
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t n = std::min(kLanes, count - i);
    int32_t in[kLanes] = {};
    std::memcpy(in, sums + i, static_cast<size_t>(n) * sizeof(int32_t));
    auto x = hn::Mul(hn::ConvertTo(d, hn::LoadU(DI(), in)), factor);
    x = hn::Add(x, add_to);
    int8_t bytes[kLanes + 16];
    hn::StoreU(to_bytes(round_even(hn::Min(hn::Max(x, low), high))), D8(), bytes);
    std::memcpy(out + i, bytes, static_cast<size_t>(n));
  }
}

void interleave(const int8_t* const* in, int64_t planes, int64_t count, int8_t* out) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<uint8_t, 32> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto load = [&](int64_t p) HWY_ATTR {
    return hn::LoadU(d, reinterpret_cast<const uint8_t*>(in[p] + i));
  };
  if (planes == 3) {
    for (; i + lanes <= count; i += lanes, out += 3 * lanes) {
      hn::StoreInterleaved3(load(0), load(1), load(2), d, reinterpret_cast<uint8_t*>(out));
    }
  } else if (planes == 4) {
    for (; i + lanes <= count; i += lanes, out += 4 * lanes) {
      hn::StoreInterleaved4(load(0), load(1), load(2), load(3), d, reinterpret_cast<uint8_t*>(out));
    }
  }
#endif
  for (; i < count; ++i) {
    for (int64_t p = 0; p < planes; ++p) *out++ = in[p][i];
  }
}

void describe(ByteSet* set) {
  set->look_up = look_up_bytes;
  set->add = add;
  set->multiply = multiply;
  set->interleave = interleave;
  set->max_rows = max_rows;
  set->sum_rows = sum_rows;
  set->means = means;
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {
namespace {

PTE_SIMD_SETS(ByteSet, byte_set)

}  // namespace

void look_up(const ByteTable& table, const int8_t* in, int8_t* out, int64_t count, Isa isa) {
  byte_set(isa).look_up(table, in, out, count);
}

void add_bytes(const ByteSum& sum, const ByteRows& rows, Isa isa) { byte_set(isa).add(sum, rows); }

void multiply_bytes(const ByteProduct& product, const ByteRows& rows, Isa isa) {
  byte_set(isa).multiply(product, rows);
}

void max_of_byte_rows(const int8_t* const* rows, int64_t row_count, int64_t count, int8_t* out,
                      Isa isa) {
  byte_set(isa).max_rows(rows, row_count, count, out);
}

void sum_byte_rows(const int8_t* in, int64_t stride, int64_t rows, int64_t count, int32_t* sums,
                   Isa isa) {
  byte_set(isa).sum_rows(in, stride, rows, count, sums);
}

void finish_means(const int32_t* sums, float scale, float shift, int32_t lowest, int32_t highest,
                  int8_t* out, int64_t count, Isa isa) {
  byte_set(isa).means(sums, scale, shift, lowest, highest, out, count);
}

void interleave_bytes(const int8_t* const* in, int64_t planes, int64_t count, int8_t* out,
                      Isa isa) {
  byte_set(isa).interleave(in, planes, count, out);
}

}  // namespace pte::simd
#endif
