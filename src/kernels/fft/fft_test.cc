#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "kernels/common/test_call.h"
#include "kernels/fft/transform.h"

namespace pte::kernels {
namespace {

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

TEST(Transform, EveryLengthMatchesTheDefinition) {
  for (size_t n = 1; n <= 70; ++n) {
    std::vector<Complex> x(n);
    for (size_t k = 0; k < n; ++k) {
      x[k] = {std::sin(1.0 + static_cast<double>(k * k % 17)), static_cast<double>(k % 5) - 2};
    }
    const Transform transform(n);
    std::vector<Complex> scratch(transform.scratch_size());
    std::vector<Complex> y = x;
    transform.run(y.data(), true, scratch.data());
    for (size_t j = 0; j < n; ++j) {
      Complex sum = 0;
      for (size_t k = 0; k < n; ++k) {
        const double turn = static_cast<double>(j * k % n) / static_cast<double>(n);
        sum += x[k] * std::polar(1.0, -2 * std::numbers::pi * turn);
      }
      ASSERT_LT(std::abs(y[j] - sum), 1e-11) << n;
    }
    transform.run(y.data(), false, scratch.data());
    for (size_t k = 0; k < n; ++k) ASSERT_LT(std::abs(y[k] / static_cast<double>(n) - x[k]), 1e-13);
  }
}

TEST(Transform, LongPrimeLengthsStayExact) {
  constexpr size_t kPrime = 10007;
  const Transform transform(kPrime);
  std::vector<Complex> scratch(transform.scratch_size());
  std::vector<Complex> wave(kPrime);
  for (size_t k = 0; k < kPrime; ++k) {
    wave[k] = std::polar(1.0, 2 * std::numbers::pi * static_cast<double>(3 * k % kPrime) / kPrime);
  }
  transform.run(wave.data(), true, scratch.data());
  for (size_t j = 0; j < kPrime; ++j) {
    ASSERT_LT(std::abs(wave[j] - Complex(j == 3 ? kPrime : 0)), 1e-8) << j;
  }
}

TEST(Fourier, RefusesWhatHasNoTransform) {
  const Tensor x = make(DType::kFloat32, {2, 4});
  const Tensor z = make(DType::kComplex64, {2, 3});
  const Tensor out = make(DType::kComplex64, {2, 4});
  const auto dims = [](int64_t dim) { return std::vector<int64_t>{dim}; };
  EXPECT_TRUE(call_one("aten::_fft_r2c", {x, dims(1), int64_t{0}, true}, out).has_value());
  EXPECT_FALSE(call_one("aten::_fft_r2c", {x, dims(2), int64_t{0}, true}, out).has_value());
  EXPECT_FALSE(call_one("aten::_fft_r2c", {x, dims(1), int64_t{3}, true}, out).has_value());
  EXPECT_FALSE(call_one("aten::_fft_r2c", {z, dims(1), int64_t{0}, true}, out).has_value());
  EXPECT_FALSE(call_one("aten::_fft_r2c", {x, dims(1), int64_t{0}, true}, x).has_value());
  EXPECT_FALSE(call_one("aten::_fft_c2c", {x, dims(1), int64_t{0}, true}, out).has_value());
  EXPECT_FALSE(call_one("aten::_fft_c2r", {z, dims(1), int64_t{0}, int64_t{8}}, x).has_value());
  EXPECT_FALSE(call_one("aten::_fft_c2r", {z, dims(1), int64_t{0}, int64_t{0}}, x).has_value());
  EXPECT_TRUE(call_one("aten::_fft_c2r", {z, dims(1), int64_t{0}, int64_t{4}}, x).has_value());
  const Tensor scalar = make(DType::kComplex64, {});
  EXPECT_FALSE(call_one("aten::_fft_c2c", {scalar, dims(0), int64_t{0}, true}, scalar).has_value());
  // No signals at all are no error.
  const Tensor none = make(DType::kComplex64, {0, 3});
  EXPECT_TRUE(
      call_one("aten::_fft_c2c", {none, dims(1), int64_t{0}, true}, make(DType::kComplex64, {0, 3}))
          .has_value());
}

}  // namespace
}  // namespace pte::kernels
