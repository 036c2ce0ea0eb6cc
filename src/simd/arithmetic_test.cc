#include "simd/arithmetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace pte::simd {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float expected(Binary op, float a, float b) {
  switch (op) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSub:
      return a - b;
    case Binary::kMul:
      return a * b;
    case Binary::kDiv:
      return a / b;
    case Binary::kMax:
      return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b);
    case Binary::kMin:
      return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b);
  }
  return 0;
}

float expected(Unary op, float parameter, float x) {
  switch (op) {
    case Unary::kNegate:
      return -x;
    case Unary::kAbs:
      return std::abs(x);
    case Unary::kSqrt:
      return std::sqrt(x);
    case Unary::kRsqrt:
      return 1.0f / std::sqrt(x);
    case Unary::kReciprocal:
      return 1.0f / x;
    case Unary::kSquare:
      return x * x;
    case Unary::kFloor:
      return std::floor(x);
    case Unary::kCeil:
      return std::ceil(x);
    case Unary::kLeaky:
      return x > 0 ? x : x * parameter;
  }
  return 0;
}

bool same(float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }

std::vector<float> numbers(size_t count, float shift) {
  std::vector<float> out;
  for (size_t i = 0; i < count; ++i) {
    out.push_back(static_cast<float>((i * 37) % 23) * 0.37f - 3.0f + shift);
  }
  if (count > 3) out[3] = kNan;
  if (count > 2) out[2] = std::numeric_limits<float>::infinity();
  return out;
}

TEST(Arithmetic, BinaryIsExactOnEveryIsaLengthAndBroadcast) {
  for (const Isa isa : available_isas()) {
    for (const size_t count : {0, 1, 3, 15, 16, 17, 70}) {
      std::vector<float> x = numbers(std::max<size_t>(count, 1), 0);
      const std::vector<float> y = numbers(std::max<size_t>(count, 1), 1.25f);
      for (int op = 0; op <= static_cast<int>(Binary::kMin); ++op) {
        for (const bool x_one : {false, true}) {
          for (const bool y_one : {false, true}) {
            std::vector<float> out(count + 1, 77.0f);
            binary(static_cast<Binary>(op), x.data(), x_one, y.data(), y_one, out.data(),
                   static_cast<int64_t>(count), isa);
            for (size_t i = 0; i < count; ++i) {
              EXPECT_TRUE(same(
                  out[i], expected(static_cast<Binary>(op), x[x_one ? 0 : i], y[y_one ? 0 : i])))
                  << isa_name(isa) << " " << op << " at " << i << " of " << count;
            }
            EXPECT_EQ(out[count], 77.0f);
          }
        }
      }
    }
  }
}

TEST(Arithmetic, BinaryInPlace) {
  std::vector<float> x = {1, 2, 3, 4, 5};
  const std::vector<float> y = {10, 20, 30, 40, 50};
  binary(Binary::kSub, y.data(), false, x.data(), false, x.data(), 5);
  EXPECT_EQ(x, (std::vector<float>{9, 18, 27, 36, 45}));
}

TEST(Arithmetic, UnaryIsExactOnEveryIsaAndLength) {
  for (const Isa isa : available_isas()) {
    for (const size_t count : {1, 5, 16, 33}) {
      const std::vector<float> in = numbers(count, 0);
      for (int op = 0; op <= static_cast<int>(Unary::kLeaky); ++op) {
        std::vector<float> out(count + 1, 77.0f);
        unary(static_cast<Unary>(op), 0.1f, in.data(), out.data(), static_cast<int64_t>(count),
              isa);
        for (size_t i = 0; i < count; ++i) {
          EXPECT_TRUE(same(out[i], expected(static_cast<Unary>(op), 0.1f, in[i])))
              << isa_name(isa) << " " << unary_name(static_cast<Unary>(op)) << " of " << in[i];
        }
        EXPECT_EQ(out[count], 77.0f);
      }
    }
  }
}

}  // namespace
}  // namespace pte::simd
