#include "simd/qgemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "simd/testing.h"

namespace pte::simd {
namespace {

// Against the definition, in double behind the integers.
void check(int64_t m, int64_t n, int64_t k, int64_t blocks, Isa isa, float zero_rows = 0) {
  SCOPED_TRACE(::testing::Message()
               << isa_name(isa) << " " << m << "x" << n << "x" << k << " in " << blocks);
  const int64_t a_stride = k + 3, c_stride = n + 2;
  auto a = testing::random_floats(static_cast<size_t>(m * a_stride), 1);
  for (size_t i = 0; i < a.size(); ++i) a[i] = a[i] * 3 + 0.5f;
  if (zero_rows != 0) std::fill(a.begin(), a.begin() + a_stride, 0.0f);
  std::minstd_rand random(7);
  std::vector<int8_t> weights(static_cast<size_t>(n * k));
  for (int8_t& w : weights) w = static_cast<int8_t>(static_cast<int>(random() >> 8 & 255) - 128);
  const auto scales = testing::random_floats(static_cast<size_t>(n * blocks), 2);
  const auto bias = testing::random_floats(static_cast<size_t>(n), 3);
  auto gemm = QGemm::make({m, n, k, blocks}, weights.data(), scales.data(), bias.data(), isa);
  ASSERT_TRUE(gemm.has_value()) << gemm.error().message;
  std::vector<float> c(static_cast<size_t>(m * c_stride), 77.0f);
  std::vector<std::byte> scratch(gemm->scratch_bytes() + 64);
  void* at = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
  for (int64_t task = gemm->tasks(); task-- > 0;) {
    gemm->run({a.data(), a_stride, c.data(), c_stride}, task, task + 1, at);
  }
  for (int64_t row = 0; row < m; ++row) {
    const float* x = a.data() + row * a_stride;
    const float least = std::min(0.0f, *std::min_element(x, x + k));
    const float most = std::max(0.0f, *std::max_element(x, x + k));
    const float scale = least == most ? 1.0f : 255.0f / (most - least);
    const float zero = -128.0f + least * scale + 127.0f + most * scale > 0 ? -128.0f - least * scale
                                                                           : 127.0f - most * scale;
    const auto zero_point = static_cast<int>(std::nearbyint(std::clamp(zero, -128.0f, 127.0f)));
    for (int64_t j = 0; j < n; ++j) {
      double total = 0;
      double size = 0;
      for (int64_t i = 0; i < k; ++i) {
        const auto low = static_cast<float>(-128 - zero_point);
        const auto high = static_cast<float>(127 - zero_point);
        const double stored = std::nearbyint(std::clamp(x[i] * scale, low, high));
        const double by = scales[static_cast<size_t>(j * blocks + i / (k / blocks))];
        total += stored * weights[static_cast<size_t>(j * k + i)] * by;
        size += std::abs(stored * weights[static_cast<size_t>(j * k + i)] * by);
      }
      const double wanted = total / scale + bias[static_cast<size_t>(j)];
      const double bound = 1e-6 * (size / scale + 1);
      ASSERT_NEAR(c[static_cast<size_t>(row * c_stride + j)], wanted, bound) << row << " " << j;
    }
    ASSERT_EQ(c[static_cast<size_t>(row * c_stride + n)], 77.0f);
  }
}

TEST(QGemm, AwkwardSizes) {
  for (const Isa isa : available_isas()) {
    for (const int64_t m : {1, 2, 5, 13, 50}) {
      for (const int64_t n : {1, 15, 16, 33, 70}) {
        check(m, n, 1, 1, isa);
        check(m, n, 37, 1, isa, 1);
        check(m, n, 64, 4, isa);
        check(m, n, 96, 3, isa);
      }
    }
    check(3, 300, 256, 8, isa);
    check(700, 40, 192, 1, isa);
    check(1, 2000, 512, 1, isa);
    check(0, 4, 4, 1, isa);
  }
}

TEST(QGemm, RefusesWhatItCannotHold) {
  const int8_t weight = 1;
  const float scale = 1;
  EXPECT_FALSE(QGemm::make({1, 1, 6, 4}, &weight, &scale, nullptr).has_value());
  EXPECT_FALSE(QGemm::make({1, 1, 100000, 1}, &weight, &scale, nullptr).has_value());
  EXPECT_FALSE(QGemm::make({1, 0, 4, 1}, &weight, &scale, nullptr).has_value());
  EXPECT_FALSE(
      QGemm::make({1, 1, 6, 2}, &weight, &scale, nullptr, available_isas().back()).has_value());
}

}  // namespace
}  // namespace pte::simd
