#include "kernels/fft/transform.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

namespace pte::kernels {
namespace {

// exp(-2 pi i k / n) with the angle brought below an eighth of a turn, where sin and cos are most
// exact and quarter turns come out whole.
Complex root(uint64_t k, uint64_t n) {
  k %= n;
  const uint64_t eighths = 8 * k / n;
  const auto angle = [&](uint64_t part) {
    return 2 * std::numbers::pi * static_cast<double>(part) / static_cast<double>(8 * n);
  };
  const uint64_t rest = 8 * k - eighths * n;  // of 8 n
  double c = 0;
  double s = 0;
  switch (eighths) {
    case 0:
      c = std::cos(angle(rest)), s = std::sin(angle(rest));
      break;
    case 1:
      c = std::sin(angle(n - rest)), s = std::cos(angle(n - rest));
      break;
    case 2:
      c = -std::sin(angle(rest)), s = std::cos(angle(rest));
      break;
    case 3:
      c = -std::cos(angle(n - rest)), s = std::sin(angle(n - rest));
      break;
    case 4:
      c = -std::cos(angle(rest)), s = -std::sin(angle(rest));
      break;
    case 5:
      c = -std::sin(angle(n - rest)), s = -std::cos(angle(n - rest));
      break;
    case 6:
      c = std::sin(angle(rest)), s = -std::cos(angle(rest));
      break;
    default:
      c = std::cos(angle(n - rest)), s = -std::sin(angle(n - rest));
      break;
  }
  return {c, -s};
}

// Without the checks for infinities that std::complex's operator makes.
Complex times(const Complex& a, const Complex& b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

Transform::Transform(size_t n) : n_(n) {
  const bool power = std::has_single_bit(n);
  if (!power) padded_ = std::bit_ceil(2 * n - 1);
  const size_t used = power ? n : padded_;
  roots_.resize(used / 2);
  for (size_t k = 0; k < roots_.size(); ++k) roots_[k] = root(k, used);
  if (power) return;
  // Bluestein: j k = (j^2 + k^2 - (j - k)^2) / 2 makes the transform a convolution.
  chirp_.resize(n);
  // k^2 mod 2n, step by step, so that it never overflows.
  for (uint64_t k = 0, square = 0; k < n; square = (square + 2 * k + 1) % (2 * n), ++k) {
    chirp_[k] = root(square, 2 * n);
  }
  filter_.assign(padded_, Complex{});
  filter_[0] = std::conj(chirp_[0]);
  for (size_t k = 1; k < n; ++k) filter_[k] = filter_[padded_ - k] = std::conj(chirp_[k]);
  powers_of_two(filter_.data(), padded_, roots_);
  for (Complex& value : filter_) value /= static_cast<double>(padded_);
}

void Transform::powers_of_two(Complex* values, size_t n, const std::vector<Complex>& roots) {
  // Bit reversal, then butterflies of growing width.
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1U;
    for (; (j & bit) != 0; bit >>= 1U) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(values[i], values[j]);
  }
  for (size_t half = 1; half < n; half *= 2) {
    const size_t stride = n / (2 * half);
    for (size_t block = 0; block < n; block += 2 * half) {
      for (size_t k = 0; k < half; ++k) {
        const Complex a = values[block + k];
        const Complex b = times(values[block + half + k], roots[k * stride]);
        values[block + k] = a + b;
        values[block + half + k] = a - b;
      }
    }
  }
}

void Transform::chirp(Complex* values, Complex* scratch) const {
  for (size_t k = 0; k < n_; ++k) scratch[k] = times(values[k], chirp_[k]);
  std::fill(scratch + n_, scratch + padded_, Complex{});
  powers_of_two(scratch, padded_, roots_);
  // The way back is the way there of the conjugate.
  for (size_t k = 0; k < padded_; ++k) scratch[k] = std::conj(times(scratch[k], filter_[k]));
  powers_of_two(scratch, padded_, roots_);
  for (size_t k = 0; k < n_; ++k) values[k] = times(std::conj(scratch[k]), chirp_[k]);
}

void Transform::run(Complex* values, bool forward, Complex* scratch) const {
  if (!forward) {
    for (size_t k = 0; k < n_; ++k) values[k] = std::conj(values[k]);
  }
  if (padded_ == 0) {
    powers_of_two(values, n_, roots_);
  } else {
    chirp(values, scratch);
  }
  if (!forward) {
    for (size_t k = 0; k < n_; ++k) values[k] = std::conj(values[k]);
  }
}

}  // namespace pte::kernels
