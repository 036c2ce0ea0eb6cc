#include "simd/bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace pte::simd {
namespace {

constexpr int64_t kCounts[] = {0, 1, 3, 15, 16, 17, 63, 64, 65, 100, 257, 1000};

std::vector<int8_t> random_bytes(size_t count, uint32_t seed) {
  std::minstd_rand engine(seed);
  std::vector<int8_t> values(count);
  for (int8_t& value : values) value = static_cast<int8_t>(engine() >> 9 & 255);
  return values;
}

// Calls `run(count, out)` for every length and set; `wanted(i)` says what must come out, and that
// nothing behind it is written.
template <typename Run, typename Wanted>
void check(const Run& run, const Wanted& wanted) {
  for (const Isa isa : available_isas()) {
    for (const int64_t count : kCounts) {
      std::vector<int8_t> out(static_cast<size_t>(count) + 80, 55);
      run(count, out.data(), isa);
      for (int64_t i = 0; i < static_cast<int64_t>(out.size()); ++i) {
        ASSERT_EQ(out[static_cast<size_t>(i)], i < count ? wanted(static_cast<size_t>(i)) : 55)
            << isa_name(isa) << " " << i << " of " << count;
      }
    }
  }
}

TEST(Bytes, LookUp) {
  ByteTable table;
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<int8_t>(i * 37 + 11);
  auto in = random_bytes(1000, 3);
  for (size_t i = 0; i < 256; ++i) in[i] = static_cast<int8_t>(i);
  check([&](int64_t count, int8_t* out, Isa isa) { look_up(table, in.data(), out, count, isa); },
        [&](size_t i) { return table[static_cast<uint8_t>(in[i])]; });
  // In place.
  auto same = in;
  look_up(table, same.data(), same.data(), 1000);
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(same[i], table[static_cast<uint8_t>(in[i])]);
}

TEST(Bytes, Sums) {
  const auto a = random_bytes(1000, 4);
  const auto b = random_bytes(1000, 5);
  for (const int32_t shift : {13, 20, 30}) {
    for (const bool one : {false, true}) {
      // The largest multipliers that there are, and a negative one.
      const ByteSum sum{
          (1 << 21) - 1, -(1 << 20) + 3, (1 << (shift - 1)) + 12345, shift, -7, -90, 101};
      check(
          [&](int64_t count, int8_t* out, Isa isa) {
            add_bytes(sum, {a.data(), 0, b.data(), 0, one, out, 0, 1, count}, isa);
          },
          [&](size_t i) {
            const int64_t total =
                int64_t{sum.start} + int64_t{a[i]} * sum.by_a + int64_t{b[one ? 0 : i]} * sum.by_b;
            return std::clamp<int64_t>((total >> shift) + sum.zero_point, -90, 101);
          });
    }
  }
}

TEST(Bytes, Products) {
  const auto a = random_bytes(1000, 6);
  const auto b = random_bytes(1000, 7);
  for (const float scale : {0.0039f, 0.5f, 1e-6f, 4.0f}) {
    for (const bool one : {false, true}) {
      const ByteProduct product{-128, 5, scale, 3, -100, 127};
      check(
          [&](int64_t count, int8_t* out, Isa isa) {
            multiply_bytes(product, {a.data(), 0, b.data(), 0, one, out, 0, 1, count}, isa);
          },
          [&](size_t i) {
            const float scaled = static_cast<float>((a[i] + 128) * (b[one ? 0 : i] - 5)) * scale;
            return static_cast<int>(std::clamp(std::nearbyint(scaled) + 3, -100.0f, 127.0f));
          });
    }
  }
}

TEST(Bytes, MaximaAndMeansOfRows) {
  const auto in = random_bytes(9 * 1003, 8);
  std::vector<const int8_t*> rows;
  for (size_t r = 0; r < 9; ++r) rows.push_back(in.data() + r * 1003);
  for (const int64_t used : {1, 4, 9}) {
    check([&](int64_t count, int8_t* out,
              Isa isa) { max_of_byte_rows(rows.data(), used, count, out, isa); },
          [&](size_t i) {
            int8_t most = -128;
            for (int64_t r = 0; r < used; ++r)
              most = std::max(most, rows[static_cast<size_t>(r)][i]);
            return most;
          });
    check(
        [&](int64_t count, int8_t* out, Isa isa) {
          std::vector<int32_t> sums(static_cast<size_t>(count));
          sum_byte_rows(in.data(), 1003, used, count, sums.data(), isa);
          finish_means(sums.data(), 0.31f, 2.25f, -120, 119, out, count, isa);
        },
        [&](size_t i) {
          int32_t sum = 0;
          for (int64_t r = 0; r < used; ++r) sum += rows[static_cast<size_t>(r)][i];
          const float scaled = static_cast<float>(sum) * 0.31f;
          return static_cast<int>(std::clamp(std::nearbyint(scaled + 2.25f), -120.0f, 119.0f));
        });
  }
}

TEST(Bytes, RowsOfPairs) {
  const auto a = random_bytes(1000, 10);
  const auto b = random_bytes(1000, 11);
  const ByteSum sum{1 << 20, 1 << 19, 1 << 19, 20, 0, -128, 127};
  for (const Isa isa : available_isas()) {
    std::vector<int8_t> out(1000, 55);
    add_bytes(sum, {a.data(), 40, b.data(), 0, false, out.data(), 50, 7, 37}, isa);
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t row = i / 50, column = i % 50;
      int64_t wanted = 55;
      if (row < 7 && column < 37) {
        wanted = ((1 << 19) + a[row * 40 + column] * (1 << 20) + b[column] * (1 << 19)) >> 20;
        wanted = std::clamp<int64_t>(wanted, -128, 127);
      }
      ASSERT_EQ(out[i], wanted) << isa_name(isa) << " " << i;
    }
  }
}

TEST(Bytes, Interleave) {
  const auto in = random_bytes(1000, 9);
  for (const Isa isa : available_isas()) {
    for (const int64_t planes : {1, 2, 3, 4, 5}) {
      for (const int64_t count : {0, 1, 31, 32, 33, 150}) {
        std::vector<const int8_t*> from;
        for (int64_t p = 0; p < planes; ++p) from.push_back(in.data() + p * 155);
        std::vector<int8_t> out(static_cast<size_t>(planes * count + 1), 99);
        interleave_bytes(from.data(), planes, count, out.data(), isa);
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t p = 0; p < planes; ++p) {
            ASSERT_EQ(out[static_cast<size_t>(i * planes + p)], from[static_cast<size_t>(p)][i]);
          }
        }
        EXPECT_EQ(out.back(), 99);
      }
    }
  }
}

}  // namespace
}  // namespace pte::simd
