#include "simd/elementwise.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "simd/testing.h"

namespace pte::simd {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Floats of both signs spread evenly over their bits, up to `most`.
std::vector<float> spread(float most) {
  std::vector<float> values;
  const uint32_t last = std::bit_cast<uint32_t>(most);
  for (uint32_t bits = 0; bits <= last; bits += 2053) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(-std::bit_cast<float>(bits));
  }
  return values;
}

double ulp_of(double value) {
  const auto magnitude = static_cast<float>(std::abs(value));
  const float smallest = std::numeric_limits<float>::min();
  const float at = std::max(magnitude, smallest);
  return static_cast<double>(std::nextafter(at, kInfinity)) - static_cast<double>(at);
}

// The worst error in units in the last place, where the true value is at least `least`.
double worst_ulp(const std::vector<float>& in, const std::vector<float>& out,
                 const std::function<double(double)>& truth, double least) {
  double worst = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    const double expected = truth(static_cast<double>(in[i]));
    if (std::abs(expected) < least) continue;
    const double error = std::abs(expected - static_cast<double>(out[i])) / ulp_of(expected);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

double worst_absolute(const std::vector<float>& in, const std::vector<float>& out,
                      const std::function<double(double)>& truth, bool relative_to_input) {
  double worst = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    const auto x = static_cast<double>(in[i]);
    const double unit = relative_to_input ? std::max(std::abs(x), 1e-30) : 1.0;
    const double error = std::abs(truth(x) - static_cast<double>(out[i])) / unit;
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

std::vector<float> activated(Activation activation, const std::vector<float>& in, Isa isa) {
  std::vector<float> out(in.size());
  activate(activation, -0.5f, 0.75f, in.data(), out.data(), static_cast<int64_t>(in.size()), isa);
  return out;
}

TEST(Elementwise, KeepsItsBounds) {
  for (const Isa isa : available_isas()) {
    SCOPED_TRACE(std::string(isa_name(isa)));
    const auto wide = spread(80.0f);
    const auto count = static_cast<int64_t>(wide.size());
    std::vector<float> out(wide.size());
    exponential(wide.data(), out.data(), count, isa);
    EXPECT_LE(worst_ulp(
                  wide, out, [](double x) { return std::exp(x); }, 0),
              2.0);
    error_function(wide.data(), out.data(), count, isa);
    EXPECT_LE(worst_ulp(
                  wide, out, [](double x) { return std::erf(x); }, 1e-37),
              6.0);
    out = activated(Activation::kTanh, wide, isa);
    EXPECT_LE(worst_ulp(
                  wide, out, [](double x) { return std::tanh(x); }, 1e-37),
              6.0);
    const auto logistic = [](double x) { return 1 / (1 + std::exp(-x)); };
    out = activated(Activation::kSigmoid, wide, isa);
    EXPECT_LE(worst_absolute(wide, out, logistic, false), 1.8e-7);
    EXPECT_LE(worst_ulp(wide, out, logistic, logistic(-2)), 4.0);
    EXPECT_LE(worst_ulp(wide, out, logistic, 0), 128.0);
    for (const Activation one :
         {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh, Activation::kHardswish}) {
      out = activated(one, wide, isa);
      EXPECT_LE(worst_absolute(
                    wide, out, [one](double x) { return testing::apply(one, 0, 0, x); }, true),
                2.5e-7)
          << activation_name(one);
    }
  }
}

TEST(Elementwise, Extremes) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> in{-kInfinity, -1e30f, -200, -104, -100,  -88,       0,
                              -0.0f,      88,     89,   200,  1e30f, kInfinity, nan};
  for (const Isa isa : available_isas()) {
    SCOPED_TRACE(std::string(isa_name(isa)));
    std::vector<float> out(in.size());
    exponential(in.data(), out.data(), static_cast<int64_t>(in.size()), isa);
    for (size_t i = 0; i < in.size(); ++i) {
      if (std::isnan(in[i])) {
        EXPECT_TRUE(std::isnan(out[i]));
        continue;
      }
      const float expected = std::exp(in[i]);
      // Denormal results are within one step of their own.
      const float room = std::max(expected * 3e-7f, 1.5e-45f);
      EXPECT_TRUE(out[i] == expected || std::abs(out[i] - expected) <= room)
          << in[i] << ": " << out[i] << " for " << expected;
    }
    out = activated(Activation::kSigmoid, in, isa);
    EXPECT_EQ(out[0], 0.0f);
    EXPECT_EQ(out[2], 0.0f);
    EXPECT_FLOAT_EQ(out[6], 0.5f);
    EXPECT_FLOAT_EQ(out[12], 1.0f);
    EXPECT_TRUE(std::isnan(out[13]));
    out = activated(Activation::kTanh, in, isa);
    EXPECT_NEAR(out[0], -1.0f, 1.2e-7);
    EXPECT_NEAR(out[12], 1.0f, 1.2e-7);
    out = activated(Activation::kSilu, in, isa);
    EXPECT_EQ(out[1], 0.0f);
    EXPECT_FLOAT_EQ(out[11], 1e30f);
    out = activated(Activation::kClamp, in, isa);
    EXPECT_EQ(out[0], -0.5f);
    EXPECT_EQ(out[12], 0.75f);
    EXPECT_TRUE(std::isnan(out[13]));
  }
}

TEST(Elementwise, AnyLengthInPlace) {
  for (const Isa isa : available_isas()) {
    for (int64_t count = 0; count < 70; ++count) {
      auto values = testing::random_floats(count + 1, 5);
      const auto before = values;
      activate(Activation::kHardsigmoid, 0, 0, values.data(), values.data(), count, isa);
      for (int64_t i = 0; i < count; ++i) {
        EXPECT_NEAR(values[static_cast<size_t>(i)], (before[static_cast<size_t>(i)] + 3) / 6, 1e-6);
      }
      EXPECT_EQ(values.back(), before.back());
    }
  }
}

TEST(Isa, NamesRoundTrip) {
  for (const Isa isa : available_isas()) {
    auto parsed = parse_isa(isa_name(isa));
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(*parsed, isa);
    EXPECT_TRUE(has_isa(isa));
  }
  EXPECT_EQ(best_isa(), available_isas().back());
  auto none = parse_isa("mmx");
  ASSERT_FALSE(none.has_value());
  EXPECT_NE(none.error().message.find(isa_name(best_isa())), std::string::npos);
}

}  // namespace
}  // namespace pte::simd
