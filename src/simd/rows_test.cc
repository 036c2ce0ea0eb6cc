#include "simd/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace pte::simd {
namespace {

std::vector<float> numbers(int64_t count) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<float>((i * 53) % 41) * 0.3f - 6);
  return out;
}

TEST(Rows, SoftmaxSumsToOneAndFollowsTheDefinition) {
  for (const Isa isa : available_isas()) {
    for (const int64_t count : {1, 2, 7, 16, 31, 400}) {
      const int64_t stride = count + 3;
      const std::vector<float> in = numbers(stride * 3);
      std::vector<float> out(in.size(), 77.0f);
      softmax({in.data(), stride, out.data(), stride, 3, count}, isa);
      for (int64_t row = 0; row < 3; ++row) {
        const float* x = in.data() + row * stride;
        const float most = *std::max_element(x, x + count);
        double sum = 0;
        for (int64_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(x[i] - most));
        for (int64_t i = 0; i < count; ++i) {
          const double want = std::exp(static_cast<double>(x[i] - most)) / sum;
          EXPECT_NEAR(out[static_cast<size_t>(row * stride + i)], want, 1e-6 * want + 1e-30)
              << isa_name(isa) << " " << count;
        }
        EXPECT_EQ(out[static_cast<size_t>(row * stride + count)], 77.0f);
      }
    }
  }
}

TEST(Rows, SoftmaxMean) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Isa isa : available_isas()) {
    for (const int64_t count : {1, 3, 16, 17, 40}) {
      std::vector<float> in = numbers(count * 2);
      std::vector<float> weights;
      for (int64_t i = 0; i < count; ++i) weights.push_back(static_cast<float>(i) - 1.5f);
      float out[4] = {9, 9, 9, 9};
      softmax_mean({in.data(), count, out, 3, 2, count}, weights.data(), isa);
      for (int64_t row = 0; row < 2; ++row) {
        std::vector<float> shares(static_cast<size_t>(count));
        softmax({in.data() + row * count, count, shares.data(), count, 1, count}, isa);
        double want = 0;
        for (size_t i = 0; i < shares.size(); ++i) {
          want += static_cast<double>(shares[i]) * static_cast<double>(weights[i]);
        }
        EXPECT_NEAR(out[row * 3], want, 1e-5) << isa_name(isa) << " " << count;
      }
      EXPECT_EQ(out[1], 9.0f);
      in[0] = std::numeric_limits<float>::quiet_NaN();
      std::fill(in.begin() + count, in.end(), -kInfinity);
      softmax_mean({in.data(), count, out, 3, 2, count}, weights.data(), isa);
      EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[3])) << isa_name(isa) << " " << count;
    }
  }
}

TEST(Rows, SoftmaxOfExtremes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Isa isa : available_isas()) {
    // What is masked out gets nothing; large values do not overflow; NaN spreads over its row.
    std::vector<float> x = {3e38f, -kInfinity, 0, 3e38f, -kInfinity, 0, 1,  2,  3,
                            4,     5,          6, 7,     8,          9, 10, 11, 12};
    softmax({x.data(), 18, x.data(), 18, 1, 18}, isa);
    EXPECT_EQ(x[0], 0.5f);
    EXPECT_EQ(x[1], 0.0f);
    EXPECT_EQ(x[3], 0.5f);
    std::vector<float> y(20, 1.0f);
    y[17] = std::numeric_limits<float>::quiet_NaN();
    softmax({y.data(), 20, y.data(), 20, 1, 20}, isa);
    for (const float value : y) EXPECT_TRUE(std::isnan(value)) << isa_name(isa);
    // All masked: 0 / 0, as PyTorch.
    std::vector<float> z(20, -kInfinity);
    softmax({z.data(), 20, z.data(), 20, 1, 20}, isa);
    for (const float value : z) EXPECT_TRUE(std::isnan(value)) << isa_name(isa);
  }
}

TEST(Rows, LayerNorm) {
  for (const Isa isa : available_isas()) {
    for (const int64_t count : {1, 5, 16, 48, 100}) {
      const std::vector<float> in = numbers(2 * count);
      const std::vector<float> weight = numbers(count);
      const std::vector<float> bias = numbers(count);
      for (const bool affine : {false, true}) {
        std::vector<float> out(in.size());
        layer_norm({in.data(), count, out.data(), count, 2, count},
                   affine ? weight.data() : nullptr, affine ? bias.data() : nullptr, 1e-5f, isa);
        for (int64_t row = 0; row < 2; ++row) {
          const float* x = in.data() + row * count;
          double mean = 0;
          double variance = 0;
          for (int64_t i = 0; i < count; ++i) mean += x[i] / static_cast<double>(count);
          for (int64_t i = 0; i < count; ++i) {
            variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(count);
          }
          for (int64_t i = 0; i < count; ++i) {
            const auto at = static_cast<size_t>(i);
            double want = (x[i] - mean) / std::sqrt(variance + 1e-5);
            if (affine) want = want * weight[at] + bias[at];
            EXPECT_NEAR(out[static_cast<size_t>(row * count + i)], want, 2e-5) << isa_name(isa);
          }
        }
      }
    }
  }
}

TEST(Rows, SumsAndMaxima) {
  for (const Isa isa : available_isas()) {
    for (const int64_t count : {1, 3, 16, 37}) {
      for (const int64_t rows : {1, 2, 33, 100}) {
        const int64_t stride = count + 2;
        const std::vector<float> in = numbers(stride * rows);
        std::vector<float> down(static_cast<size_t>(count) + 1, 77.0f);
        sum_rows(in.data(), stride, rows, count, 0.5f, down.data(), isa);
        std::vector<const float*> places;
        for (int64_t r = 0; r < rows; ++r) places.push_back(in.data() + r * stride);
        std::vector<float> most(static_cast<size_t>(count) + 1, 77.0f);
        max_of_rows(places.data(), rows, count, most.data(), isa);
        std::vector<float> sums(static_cast<size_t>(count));
        sum_of_rows(places.data(), rows, count, 0.5f, sums.data(), isa);
        std::vector<float> across(static_cast<size_t>(rows));
        row_sums({in.data(), stride, across.data(), 1, rows, count}, 2.0f, isa);
        for (int64_t c = 0; c < count; ++c) {
          double sum = 0;
          float top = in[static_cast<size_t>(c)];
          for (int64_t r = 0; r < rows; ++r) {
            const float value = in[static_cast<size_t>(r * stride + c)];
            sum += value;
            top = std::max(top, value);
          }
          EXPECT_NEAR(down[static_cast<size_t>(c)], 0.5 * sum, 1e-4);
          EXPECT_EQ(sums[static_cast<size_t>(c)], down[static_cast<size_t>(c)]);
          EXPECT_EQ(most[static_cast<size_t>(c)], top);
        }
        EXPECT_EQ(down.back(), 77.0f);
        EXPECT_EQ(most.back(), 77.0f);
        for (int64_t r = 0; r < rows; ++r) {
          double sum = 0;
          for (int64_t c = 0; c < count; ++c) sum += in[static_cast<size_t>(r * stride + c)];
          EXPECT_NEAR(across[static_cast<size_t>(r)], 2 * sum, 1e-4);
        }
      }
    }
  }
}

TEST(Rows, MaximumKeepsNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Isa isa : available_isas()) {
    std::vector<float> a(20, 1.0f);
    std::vector<float> b(20, 2.0f);
    a[1] = b[18] = nan;
    const float* rows[] = {a.data(), b.data()};
    std::vector<float> out(20);
    max_of_rows(rows, 2, 20, out.data(), isa);
    EXPECT_EQ(out[0], 2.0f);
    EXPECT_TRUE(std::isnan(out[1])) << isa_name(isa);
    EXPECT_TRUE(std::isnan(out[18])) << isa_name(isa);
  }
}

}  // namespace
}  // namespace pte::simd
