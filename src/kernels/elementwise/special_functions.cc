#include "kernels/elementwise/special_functions.h"

#include <math.h>  // lgamma_r, which <cmath> need not have

#include <cmath>
#include <limits>
#include <numbers>

namespace pte::kernels::special {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kPi = std::numbers::pi;
constexpr double kRootPi = 1.7724538509055160273;

}  // namespace

double lgamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

// ---- digamma, polygamma, zeta

double digamma(double x) {
  if (x == 0) return std::copysign(kInf, -x);
  double result = 0;
  if (x < 0) {
    // Reflected: digamma(1 - x) - pi / tan(pi x), of which only the fraction of x matters.
    const double fraction = x - std::trunc(x);
    if (fraction == 0) return kNaN;
    result = -kPi / std::tan(kPi * fraction);
    x = 1 - x;
  }
  for (; x < 10; x += 1) result -= 1 / x;
  // The asymptotic series; its coefficients are B(2n) / 2n.
  static constexpr double kTerms[] = {1.0 / 12,  -1.0 / 120,     1.0 / 252, -1.0 / 240,
                                      1.0 / 132, -691.0 / 32760, 1.0 / 12,  -3617.0 / 8160};
  const double inverse = 1 / (x * x);
  double power = inverse;
  double series = 0;
  for (const double term : kTerms) {
    series += term * power;
    power *= inverse;
  }
  return result + std::log(x) - 0.5 / x - series;
}

namespace {

// q > 0: some terms one by one, the rest by Euler and Maclaurin's formula.
double positive_zeta(double x, double q) {
  double sum = std::pow(q, -x);
  double power = sum;
  double at = q;
  for (int i = 0; i < 12 || at < 12; ++i) {
    at += 1;
    power = std::pow(at, -x);
    sum += power;
    if (power < kEpsilon * sum) return sum;
  }
  // `power` is the last term that the sum holds, whole; the formula wants half of it.
  sum += power * at / (x - 1) - 0.5 * power;
  // B(2k) / (2k)!
  static constexpr double kBernoulli[] = {
      1.0 / 12,
      -1.0 / 720,
      1.0 / 30240,
      -1.0 / 1209600,
      1.0 / 47900160,
      -691.0 / 1307674368000.0,
      1.0 / 74724249600.0,
      -3617.0 / 10670622842880000.0,
  };
  double factor = x * power / at;
  double next = x;
  for (const double b : kBernoulli) {
    const double term = b * factor;
    sum += term;
    if (std::abs(term) < kEpsilon * std::abs(sum)) break;
    factor *= (next + 1) * (next + 2) / (at * at);
    next += 2;
  }
  return sum;
}

}  // namespace

double zeta(double x, double q) {
  if (x == 1) return kInf;
  if (!(x > 1) || q != q) return kNaN;
  if (q > 0) return positive_zeta(x, q);
  if (q == std::floor(q)) return kInf;
  if (x != std::floor(x)) return kNaN;
  // The terms below 0 mirror ones above: there are -floor(q) of them, up to 1 - r.
  const double r = q - std::floor(q);
  const double mirrored = positive_zeta(x, 1 - r) - positive_zeta(x, 1 - q);
  return positive_zeta(x, r) + (std::fmod(x, 2) == 0 ? mirrored : -mirrored);
}

double polygamma(int64_t n, double x) {
  if (n == 0) return digamma(x);
  const double order = static_cast<double>(n);
  const double magnitude = std::exp(lgamma(order + 1)) * zeta(order + 1, x);
  return n % 2 == 0 ? -magnitude : magnitude;
}

// ---- incomplete gamma

namespace {

// x^a e^-x / gamma(a + 1)
double gamma_weight(double a, double x) { return std::exp(a * std::log(x) - x - lgamma(a + 1)); }

// From here on sums take too many terms, and the expansion for large a is exact enough.
constexpr double kLargeA = 1e4;

double lower_series(double a, double x) {
  double term = 1;
  double sum = 1;
  for (int n = 1; n < 20000 && term > kEpsilon * sum; ++n) {
    term *= x / (a + n);
    sum += term;
  }
  return gamma_weight(a, x) * sum;
}

// 1 minus the lower function for small a and x, where that difference would lose every digit.
double upper_series(double a, double x) {
  double factor = 1;
  double sum = 0;
  for (int n = 1; n < 2000; ++n) {
    factor *= -x / n;
    const double term = factor / (a + n);
    sum += term;
    if (std::abs(term) <= kEpsilon * std::abs(sum)) break;
  }
  const double power = a * std::log(x);
  return -std::expm1(power - lgamma(1 + a)) - std::exp(power - lgamma(a)) * sum;
}

// Legendre's continued fraction, by Lentz' method.
double upper_fraction(double a, double x) {
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a;
  double c = 1 / kTiny;
  double d = 1 / (b == 0 ? kTiny : b);
  double h = d;
  for (int n = 1; n < 20000; ++n) {
    const double step = -n * (n - a);
    b += 2;
    d = step * d + b;
    if (std::abs(d) < kTiny) d = kTiny;
    c = b + step / c;
    if (std::abs(c) < kTiny) c = kTiny;
    d = 1 / d;
    h *= d * c;
    if (std::abs(d * c - 1) < kEpsilon) break;
  }
  return std::exp(a * std::log(x) - x - lgamma(a)) * h;
}

// Temme's uniform expansion for large a; two terms of it.
double large_a(double a, double x, bool upper) {
  const double mu = (x - a) / a;
  double half_square = 0;  // mu - log(1 + mu)
  if (std::abs(mu) < 0.02) {
    double power = mu * mu;
    for (int n = 2; n < 14; ++n, power *= -mu) half_square += power / n;
  } else {
    half_square = mu - std::log1p(mu);
  }
  const double eta = std::copysign(std::sqrt(2 * half_square), mu);
  double c0 = 0;
  double c1 = 0;
  if (std::abs(eta) < 0.05) {
    // The Taylor series of what follows, which cancels near 0.
    c0 = -1.0 / 3 + eta * (1.0 / 12 - eta * (2.0 / 135 - eta * (1.0 / 864 + eta / 2835)));
    c1 = -1.0 / 540 - eta * (1.0 / 288 - eta / 378);
  } else {
    c0 = 1 / mu - 1 / eta;
    c1 = 1 / (eta * eta * eta) - 1 / (mu * mu * mu) - 1 / (mu * mu) - 1 / (12 * mu);
  }
  const double rest = std::exp(-a * half_square) / std::sqrt(2 * kPi * a) * (c0 + c1 / a);
  const double argument = eta * std::sqrt(a / 2);
  return upper ? 0.5 * std::erfc(argument) + rest : 0.5 * std::erfc(-argument) - rest;
}

}  // namespace

double igammac(double a, double x) {
  if (x < 0 || a < 0 || a != a) return kNaN;
  if (a == 0) return x > 0 ? 0 : kNaN;
  if (x == 0) return 1;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 1;
  if (std::isinf(x)) return 0;
  if (x != x) return kNaN;
  if (a > kLargeA) return large_a(a, x, true);
  if (x > 1.1) return x < a ? 1 - lower_series(a, x) : upper_fraction(a, x);
  const double edge = x <= 0.5 ? -0.4 / std::log(x) : x * 1.1;
  return edge < a ? 1 - lower_series(a, x) : upper_series(a, x);
}

double igamma(double a, double x) {
  if (x < 0 || a < 0 || a != a) return kNaN;
  if (a == 0) return x > 0 ? 1 : kNaN;
  if (x == 0) return 0;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 0;
  if (std::isinf(x)) return 1;
  if (x != x) return kNaN;
  if (a > kLargeA) return large_a(a, x, false);
  return x > 1 && x > a ? 1 - igammac(a, x) : lower_series(a, x);
}

// ---- around the normal distribution

double erfcx(double x) {
  if (x != x) return x;
  if (x < 0) return x < -26.7 ? kInf : 2 * std::exp(x * x) - erfcx(-x);
  if (x < 10) return std::exp(x * x) * std::erfc(x);
  // The asymptotic series in 1 / (2 x^2).
  const double step = 0.5 / (x * x);
  double term = 1;
  double sum = 1;
  for (int n = 1; n < 30; ++n) {
    term *= -(2 * n - 1) * step;
    sum += term;
    if (std::abs(term) < kEpsilon) break;
  }
  return sum / (x * kRootPi);
}

double ndtri(double p) {
  if (p == 0) return -kInf;
  if (p == 1) return kInf;
  if (!(p > 0 && p < 1)) return kNaN;
  if (p > 0.5) return -ndtri(1 - p);
  // A rational guess, right to 5e-4, then Halley's method.
  const double t = std::sqrt(-2 * std::log(p));
  double x = (2.515517 + t * (0.802853 + t * 0.010328)) /
                 (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
             t;
  for (int i = 0; i < 3; ++i) {
    const double error = 0.5 * std::erfc(-x / std::numbers::sqrt2) - p;
    const double newton = error * std::sqrt(2 * kPi) * std::exp(0.5 * x * x);
    if (!std::isfinite(newton)) break;
    x -= newton / (1 + 0.5 * x * newton);
  }
  return x;
}

double erfinv(double x) {
  const double size = std::abs(x);
  if (!(size <= 1)) return kNaN;
  if (size == 1) return std::copysign(kInf, x);
  if (size > 0.5) return std::copysign(ndtri(0.5 * (1 - size)) / std::numbers::sqrt2, x);
  // Newton's method from the first terms of the series at 0, right to 2e-2.
  double y = x * kRootPi / 2 * (1 + x * x * (kPi / 12 + x * x * 7 * kPi * kPi / 480));
  for (int i = 0; i < 3; ++i) {
    const double newton = (std::erf(y) - x) * kRootPi / 2 * std::exp(y * y);
    y -= newton / (1 + y * newton);
  }
  return y;
}

double log_ndtr(double x) {
  const double t = x / std::numbers::sqrt2;
  if (x < -1) return std::log(erfcx(-t) / 2) - t * t;
  return std::log1p(-std::erfc(t) / 2);
}

// ---- modified Bessel functions

namespace {

// Up to here the power series is summed, beyond it the asymptotic one.
constexpr double kBesselEdge = 30;

// sum over k of (x^2/4)^k / (k! (k + order)!)
double bessel_series(int order, double x) {
  const double quarter = x * x / 4;
  double term = 1;
  double sum = 1;
  for (int k = 1; k < 200 && term > kEpsilon * sum; ++k) {
    term *= quarter / (static_cast<double>(k) * (k + order));
    sum += term;
  }
  return order == 0 ? sum : sum * x / 2;
}

// The function times exp(-x), for large x.
double bessel_asymptotic(int order, double x) {
  const double mu = 4.0 * order * order;
  double term = 1;
  double sum = 1;
  for (int k = 1; k < 40; ++k) {
    const double odd = 2 * k - 1;
    term *= -(mu - odd * odd) / (k * 8 * x);
    sum += term;
    if (std::abs(term) < kEpsilon * std::abs(sum)) break;
  }
  return sum / std::sqrt(2 * kPi * x);
}

double bessel(int order, double x, bool scaled) {
  if (x != x) return x;
  const double size = std::abs(x);
  double value = 0;
  if (size <= kBesselEdge) {
    value = bessel_series(order, size) * (scaled ? std::exp(-size) : 1);
  } else {
    value = bessel_asymptotic(order, size);
    // In two halves, so that what fits a double does not overflow on the way.
    if (!scaled) value = value * std::exp(size / 2) * std::exp(size / 2);
  }
  return order == 1 && x < 0 ? -value : value;
}

}  // namespace

// At infinity PyTorch's product of an infinite and a vanishing factor is NaN.
double i0(double x) { return std::isinf(x) ? kNaN : bessel(0, x, false); }
double i0e(double x) { return bessel(0, x, true); }
double i1(double x) { return std::isinf(x) ? kNaN : bessel(1, x, false); }
double i1e(double x) { return bessel(1, x, true); }

}  // namespace pte::kernels::special
