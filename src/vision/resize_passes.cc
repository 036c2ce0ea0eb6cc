// Weights have 22 fractional bits, samples 8. A weight is split into high * 2^11 + low, so that
// both halves fit the 16-bit multiply-add that every machine has; the sums wrap modulo 2^32 and
// come out exact.
#ifdef PTE_FORCE_SCALAR
#define HWY_COMPILE_ONLY_SCALAR
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vision/resize_passes.cc"
#include <hwy/foreach_target.h>
// The line above includes this file again for each target, so it stays before the next ones.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "vision/resize_passes.h"

HWY_BEFORE_NAMESPACE();
namespace pte::vision {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline uint8_t round_and_clip(uint32_t sum) {
  const int32_t value = static_cast<int32_t>(sum + (1u << (kPrecisionBits - 1))) >> kPrecisionBits;
  return static_cast<uint8_t>(std::clamp(value, 0, 255));
}

// Plain loops: for machines without fixed-size vectors, and for what vectors leave over.
inline void horizontal_plain(const uint8_t* row, int channels, const Weights& weights,
                             uint8_t* out) {
  const int32_t* fixed = weights.fixed.data();
  for (const Weights::Span& span : weights.spans) {
    const uint8_t* in = row + static_cast<int64_t>(span.first) * channels;
    for (int c = 0; c < channels; ++c) {
      uint32_t sum = 0;
      for (int k = 0; k < span.count; ++k) {
        sum += static_cast<uint32_t>(fixed[k]) * in[static_cast<int64_t>(k) * channels + c];
      }
      *out++ = round_and_clip(sum);
    }
    fixed += weights.stride;
  }
}

inline void vertical_plain(const uint8_t* source, int64_t row_bytes, const int32_t* fixed,
                           int count, int64_t begin, int64_t end, uint8_t* out) {
  for (int64_t x = begin; x < end; ++x) {
    uint32_t sum = 0;
    for (int k = 0; k < count; ++k)
      sum += static_cast<uint32_t>(fixed[k]) * source[k * row_bytes + x];
    out[x] = round_and_clip(sum);
  }
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_HAVE_SCALABLE

void horizontal(const uint8_t* source, int64_t source_row_bytes, int64_t rows, int channels,
                const Weights& weights, uint8_t* target, int64_t target_row_bytes) {
  for (int64_t y = 0; y < rows; ++y)
    horizontal_plain(source + y * source_row_bytes, channels, weights,
                     target + y * target_row_bytes);
}

void vertical(const uint8_t* source, int64_t row_bytes, const Weights& weights, uint8_t* target) {
  const int32_t* fixed = weights.fixed.data();
  for (const Weights::Span& span : weights.spans) {
    vertical_plain(source + span.first * row_bytes, row_bytes, fixed, span.count, 0, row_bytes,
                   target);
    fixed += weights.stride;
    target += row_bytes;
  }
}

#else

constexpr int kSplitBits = 11;

using D8 = hn::CappedTag<uint8_t, 32>;
using D16 = hn::Repartition<int16_t, D8>;
using D32 = hn::Repartition<int32_t, D8>;
using V8 = hn::Vec<D8>;
using V16 = hn::Vec<D16>;
using V32 = hn::Vec<D32>;
constexpr int kBytes = static_cast<int>(hn::MaxLanes(D8()));
constexpr int kBlocks = kBytes / 16;
constexpr int kTaps = 2 * kBlocks;  // pixels that one vector takes, two in each 16-byte block

// Two weights as the halves of a 32-bit lane.
inline void split_pair(int32_t first, int32_t second, int32_t& high, int32_t& low) {
  const auto pack = [](int32_t a, int32_t b) {
    return static_cast<int32_t>((static_cast<uint32_t>(a) & 0xFFFF) | static_cast<uint32_t>(b)
                                                                          << 16);
  };
  const int32_t half = 1 << (kSplitBits - 1);
  const int32_t high0 = (first + half) >> kSplitBits;
  const int32_t high1 = (second + half) >> kSplitBits;
  high = pack(high0, high1);
  low = pack(first - high0 * (1 << kSplitBits), second - high1 * (1 << kSplitBits));
}

// A sum of high parts and one of low parts. The multiply-add may spread its pairs over two vectors.
struct Sums {
  V32 high, high_rest, low, low_rest;

  HWY_INLINE void clear() { high = high_rest = low = low_rest = hn::Zero(D32()); }
  HWY_INLINE void add(V16 samples, V16 high_weights, V16 low_weights) {
    high = hn::ReorderWidenMulAccumulate(D32(), samples, high_weights, high, high_rest);
    low = hn::ReorderWidenMulAccumulate(D32(), samples, low_weights, low, low_rest);
  }
  HWY_INLINE V32 total() const {
    return hn::Add(hn::ShiftLeft<kSplitBits>(hn::RearrangeToOddPlusEven(high, high_rest)),
                   hn::RearrangeToOddPlusEven(low, low_rest));
  }
};

// The weights of all output pixels, laid out as the inner loop loads them: for each group of kTaps
// a vector of high and one of low parts.
struct Packed {
  std::vector<int32_t> lanes;
  std::vector<int32_t> groups;  // of each output pixel
};

inline Packed pack_weights(const Weights& weights) {
  Packed packed;
  constexpr int kLanes = kBytes / 4;
  int64_t total = 0;
  for (const Weights::Span& span : weights.spans) {
    packed.groups.push_back((span.count + kTaps - 1) / kTaps);
    total += packed.groups.back();
  }
  packed.lanes.resize(static_cast<size_t>(total) * 2 * kLanes);
  int32_t* out = packed.lanes.data();
  const int32_t* fixed = weights.fixed.data();
  for (const Weights::Span& span : weights.spans) {
    for (int k = 0; k < span.count; k += kTaps, out += 2 * kLanes) {
      for (int block = 0; block < kBlocks; ++block) {
        const int tap = k + 2 * block;
        int32_t high, low;
        split_pair(tap < span.count ? fixed[tap] : 0, tap + 1 < span.count ? fixed[tap + 1] : 0,
                   high, low);
        std::fill_n(out + block * 4, 4, high);
        std::fill_n(out + kLanes + block * 4, 4, low);
      }
    }
    fixed += weights.stride;
  }
  return packed;
}

// Gathers, in each block, two pixels as 16-bit pairs by channel: r0 r1 g0 g1 b0 b1 a0 a1.
template <int kChannels>
V8 pair_pattern() {
  HWY_ALIGN uint8_t pattern[kBytes];
  for (int block = 0; block < kBlocks; ++block) {
    for (int i = 0; i < 16; ++i) {
      const int channel = i / 4;
      const int tap = 2 * block + i / 2 % 2;
      const bool used = i % 2 == 0 && channel < kChannels;
      pattern[block * 16 + i] = static_cast<uint8_t>(used ? tap * kChannels + channel : 0x80);
    }
  }
  return hn::Load(D8(), pattern);
}

HWY_INLINE uint32_t finish_pixel(const Sums& sums) {
  const hn::Full128<int32_t> d;
  const V32 total = sums.total();
#if HWY_MAX_BYTES >= 32
  const auto both = hn::Add(hn::LowerHalf(d, total), hn::UpperHalf(d, total));
#else
  const auto both = total;
#endif
  const auto rounded =
      hn::ShiftRight<kPrecisionBits>(hn::Add(both, hn::Set(d, 1 << (kPrecisionBits - 1))));
  const hn::Rebind<uint8_t, decltype(d)> d8;
  const hn::Repartition<uint32_t, decltype(d8)> d32;
  return hn::GetLane(hn::BitCast(d32, hn::DemoteTo(d8, rounded)));
}

template <int kChannels, int kRows>
HWY_INLINE void horizontal_rows(const uint8_t* source, int64_t source_row_bytes,
                                const Weights& weights, const Packed& packed, V8 pattern,
                                uint8_t* target, int64_t target_row_bytes) {
  const D8 d8;
  const D16 d16;
  const D32 d32;
  constexpr int kLanes = kBytes / 4;
  const int32_t* lanes = packed.lanes.data();
  const size_t width = weights.spans.size();
  for (size_t x = 0; x < width; ++x) {
    const uint8_t* in = source + static_cast<int64_t>(weights.spans[x].first) * kChannels;
    Sums sums[kRows];
    for (Sums& sum : sums) sum.clear();
    for (int group = packed.groups[x]; group > 0; --group) {
      const V16 high = hn::BitCast(d16, hn::LoadU(d32, lanes));
      const V16 low = hn::BitCast(d16, hn::LoadU(d32, lanes + kLanes));
      lanes += 2 * kLanes;
      for (int row = 0; row < kRows; ++row) {
        const V8 pixels = hn::LoadDup128(d8, in + row * source_row_bytes);
        sums[row].add(hn::BitCast(d16, hn::TableLookupBytesOr0(pixels, pattern)), high, low);
      }
      in += kTaps * kChannels;
    }
    for (int row = 0; row < kRows; ++row) {
      uint8_t* out = target + row * target_row_bytes + x * kChannels;
      const uint32_t pixel = finish_pixel(sums[row]);
      // Inside a row the fourth byte is overwritten by the next pixel.
      if (x + 1 < width) {
        std::memcpy(out, &pixel, 4);
      } else {
        std::memcpy(out, &pixel, kChannels);
      }
    }
  }
}

template <int kChannels>
void horizontal_all(const uint8_t* source, int64_t source_row_bytes, int64_t rows,
                    const Weights& weights, uint8_t* target, int64_t target_row_bytes) {
  const Packed packed = pack_weights(weights);
  const V8 pattern = pair_pattern<kChannels>();
  int64_t y = 0;
  for (; y + 4 <= rows; y += 4)
    horizontal_rows<kChannels, 4>(source + y * source_row_bytes, source_row_bytes, weights, packed,
                                  pattern, target + y * target_row_bytes, target_row_bytes);
  for (; y < rows; ++y)
    horizontal_rows<kChannels, 1>(source + y * source_row_bytes, source_row_bytes, weights, packed,
                                  pattern, target + y * target_row_bytes, target_row_bytes);
}

void horizontal(const uint8_t* source, int64_t source_row_bytes, int64_t rows, int channels,
                const Weights& weights, uint8_t* target, int64_t target_row_bytes) {
  if (channels == 3) {
    horizontal_all<3>(source, source_row_bytes, rows, weights, target, target_row_bytes);
  } else if (channels == 4) {
    horizontal_all<4>(source, source_row_bytes, rows, weights, target, target_row_bytes);
  } else {
    for (int64_t y = 0; y < rows; ++y)
      horizontal_plain(source + y * source_row_bytes, channels, weights,
                       target + y * target_row_bytes);
  }
}

// 32-bit sums of the four quarters of kBytes columns (by 4 in each block) to bytes in order.
HWY_INLINE V8 finish_columns(const Sums (&sums)[4], V8 unzip) {
  const D16 d16;
  const V32 half = hn::Set(D32(), 1 << (kPrecisionBits - 1));
  V32 rounded[4];
  for (int i = 0; i < 4; ++i)
    rounded[i] = hn::ShiftRight<kPrecisionBits>(hn::Add(sums[i].total(), half));
  const V16 zero = hn::Zero(d16);
  const V16 top = hn::Set(d16, 255);
  const V16 lower = hn::Min(hn::Max(hn::ReorderDemote2To(d16, rounded[0], rounded[1]), zero), top);
  const V16 upper = hn::Min(hn::Max(hn::ReorderDemote2To(d16, rounded[2], rounded[3]), zero), top);
  return hn::TableLookupBytes(hn::BitCast(D8(), hn::Or(lower, hn::ShiftLeft<8>(upper))), unzip);
}

void vertical(const uint8_t* source, int64_t row_bytes, const Weights& weights, uint8_t* target) {
  const D8 d8;
  const D16 d16;
  const D32 d32;
  HWY_ALIGN uint8_t pattern[kBytes];
  for (int i = 0; i < kBytes; ++i) pattern[i] = static_cast<uint8_t>(i % 8 * 2 + i / 8 % 2);
  const V8 unzip = hn::Load(d8, pattern);
  const V8 zero = hn::Zero(d8);
  std::vector<int32_t> pairs(static_cast<size_t>(weights.stride) + 1);
  const int32_t* fixed = weights.fixed.data();
  for (const Weights::Span& span : weights.spans) {
    const uint8_t* first = source + span.first * row_bytes;
    if (row_bytes < kBytes) {
      vertical_plain(first, row_bytes, fixed, span.count, 0, row_bytes, target);
    } else {
      for (int k = 0; k < span.count; k += 2)
        split_pair(fixed[k], k + 1 < span.count ? fixed[k + 1] : 0, pairs[static_cast<size_t>(k)],
                   pairs[static_cast<size_t>(k) + 1]);
      for (int64_t next = 0; next < row_bytes; next += kBytes) {
        const int64_t x = std::min(next, row_bytes - kBytes);  // the last vector overlaps
        const uint8_t* in = first + x;
        Sums sums[4];
        for (Sums& sum : sums) sum.clear();
        for (int k = 0; k < span.count; k += 2) {
          const V8 a = hn::LoadU(d8, in);
          const V8 b = hn::LoadU(d8, k + 1 < span.count ? in + row_bytes : in);
          in += 2 * row_bytes;
          const V16 high = hn::BitCast(d16, hn::Set(d32, pairs[static_cast<size_t>(k)]));
          const V16 low = hn::BitCast(d16, hn::Set(d32, pairs[static_cast<size_t>(k) + 1]));
          const V8 lower = hn::InterleaveLower(d8, a, b);
          const V8 upper = hn::InterleaveUpper(d8, a, b);
          sums[0].add(hn::BitCast(d16, hn::InterleaveLower(d8, lower, zero)), high, low);
          sums[1].add(hn::BitCast(d16, hn::InterleaveUpper(d8, lower, zero)), high, low);
          sums[2].add(hn::BitCast(d16, hn::InterleaveLower(d8, upper, zero)), high, low);
          sums[3].add(hn::BitCast(d16, hn::InterleaveUpper(d8, upper, zero)), high, low);
        }
        hn::StoreU(finish_columns(sums, unzip), d8, target + x);
      }
    }
    fixed += weights.stride;
    target += row_bytes;
  }
}

#endif

const char* target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace pte::vision
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::vision {

HWY_EXPORT(horizontal);
HWY_EXPORT(vertical);
HWY_EXPORT(target);

const char* passes_target() { return HWY_DYNAMIC_DISPATCH(target)(); }

void horizontal_pass(const uint8_t* source, int64_t source_row_bytes, int64_t rows, int channels,
                     const Weights& weights, uint8_t* target, int64_t target_row_bytes) {
  HWY_DYNAMIC_DISPATCH(horizontal)
  (source, source_row_bytes, rows, channels, weights, target, target_row_bytes);
}

void vertical_pass(const uint8_t* source, int64_t row_bytes, const Weights& weights,
                   uint8_t* target) {
  HWY_DYNAMIC_DISPATCH(vertical)(source, row_bytes, weights, target);
}

}  // namespace pte::vision
#endif
