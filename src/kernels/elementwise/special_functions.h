// Special functions of one or two real numbers, in double, to about 1e-12 of their value.
//
// Arguments outside a function's domain give what PyTorch gives: NaN, or the limit at a pole. Each
// takes bounded time whatever its arguments are.
#pragma once

#include <cstdint>

namespace pte::kernels::special {

// The logarithm of |gamma(x)|. Unlike std::lgamma it touches no global.
double lgamma(double x);
// The derivative of lgamma, and its n-th derivative (n = 0: digamma itself).
double digamma(double x);
double polygamma(int64_t n, double x);
// Hurwitz' zeta: the sum over k >= 0 of (q + k)^-x.
double zeta(double x, double q);

// The regularised incomplete gamma functions: lower (a, x) and upper, which sum to 1.
double igamma(double a, double x);
double igammac(double a, double x);

// exp(x^2) erfc(x), without overflow for large x.
double erfcx(double x);
double erfinv(double x);
// Where the normal distribution reaches p, and the logarithm of the distribution at x.
double ndtri(double p);
double log_ndtr(double x);

// Modified Bessel functions of the first kind, plain and times exp(-|x|).
double i0(double x);
double i0e(double x);
double i1(double x);
double i1e(double x);

}  // namespace pte::kernels::special
