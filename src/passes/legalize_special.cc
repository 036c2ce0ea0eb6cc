// Special functions as formulas of exp, log, powers and polynomials, to about 1e-6 of their value:
// what single precision can hold of them.
#include <cmath>
#include <limits>
#include <numbers>

#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kRootHalf = std::numbers::sqrt2 / 2;

// Half precision computes in float32.
Value* operand(Maker& m, size_t arg) {
  const DType result = m.rewrite().result_type().dtype;
  return m.cast(m.rewrite().input(arg),
                result == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32);
}

// exp(x^2) erfc(x) for x >= 0: a rational variable and the exponential of a polynomial, within
// 1.2e-7 of its value everywhere.
Value* scaled_erfc(Maker& m, Value* x) {
  Value* t = m.unary(Op::aten_reciprocal, m.add(m.mul(x, Arg(0.5)), Arg(1.0)));
  Value* p = m.polynomial(t, {-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806,
                              0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277});
  return m.mul(t, m.exp(p));
}

Value* square(Maker& m, Value* x) { return m.mul(x, x); }

Value* erfc_of(Maker& m, Value* x) {
  Value* size = m.abs(x);
  Value* tail = m.mul(scaled_erfc(m, size), m.exp(m.neg(square(m, size))));
  return m.where(m.lt(x, Arg(0)), m.rsub(tail, Arg(2.0)), tail);
}

Value* erfcx_of(Maker& m, Value* x) {
  Value* size = m.abs(x);
  Value* tail = scaled_erfc(m, size);
  Value* whole = m.sub(m.mul(m.exp(square(m, size)), Arg(2.0)), tail);
  return m.where(m.lt(x, Arg(0)), whole, tail);
}

Result<Replacement> erfc(Rewrite& r) {
  Maker m(r);
  return m.done(erfc_of(m, operand(m, 0)));
}

Result<Replacement> erfcx(Rewrite& r) {
  Maker m(r);
  return m.done(erfcx_of(m, operand(m, 0)));
}

// Two polynomials in the logarithm of (1 - x)(1 + x), for the middle and the tails.
Value* erfinv_of(Maker& m, Value* x) {
  Value* w = m.neg(m.log(m.mul(m.rsub(x, Arg(1.0)), m.add(x, Arg(1.0)))));
  Value* middle = m.polynomial(
      m.sub(w, Arg(2.5)), {1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.000218580870,
                           -4.39150654e-06, -3.5233877e-06, 3.43273939e-07, 2.81022636e-08});
  Value* tail = m.polynomial(m.sub(m.sqrt(w), Arg(3.0)),
                             {2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773,
                              -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257});
  Value* result = m.mul(m.where(m.lt(w, Arg(5.0)), middle, tail), x);
  return m.where(m.eq(m.abs(x), Arg(1.0)), m.mul(x, Arg(kInfinity)), result);
}

Result<Replacement> erfinv(Rewrite& r) {
  Maker m(r);
  return m.done(erfinv_of(m, operand(m, 0)));
}

// In the far tail by the tail's own expansion, which three steps make exact enough.
Result<Replacement> ndtri(Rewrite& r) {
  Maker m(r);
  Value* p = operand(m, 0);
  Value* x = m.sub(m.mul(p, Arg(2.0)), Arg(1.0));
  Value* near = erfinv_of(m, x);
  Value* q = m.mul(m.call(Op::aten_minimum, {p, m.rsub(p, Arg(1.0))}), Arg(2.0));
  Value* bounded = m.call(Op::aten_clamp, {q, Arg(), Arg(1e-6)});
  Value* base = m.neg(m.log(m.mul(bounded, Arg(std::sqrt(std::numbers::pi)))));
  Value* y = m.sqrt(base);
  for (int i = 0; i < 3; ++i) {
    Value* inverse = m.unary(Op::aten_reciprocal, square(m, y));
    Value* series = m.polynomial(inverse, {0.0, -0.5, 0.75});
    y = m.sqrt(m.add(m.sub(base, m.log(y)), m.unary(Op::aten_log1p, series)));
  }
  Value* far = m.where(m.lt(x, Arg(0)), m.neg(y), y);
  Value* tail = m.both(m.lt(q, Arg(1e-6)), m.gt(q, Arg(0)));
  return m.done(m.mul(m.where(tail, far, near), Arg(std::numbers::sqrt2)));
}

Result<Replacement> log_ndtr(Rewrite& r) {
  Maker m(r);
  Value* x = operand(m, 0);
  Value* t = m.mul(x, Arg(kRootHalf));
  Value* low = m.call(Op::aten_clamp, {t, Arg(), Arg(-0.5)});
  Value* lower = m.sub(m.log(m.mul(scaled_erfc(m, m.neg(low)), Arg(0.5))), square(m, low));
  Value* upper = m.unary(Op::aten_log1p, m.mul(erfc_of(m, t), Arg(-0.5)));
  return m.done(m.where(m.lt(x, Arg(-1.0)), lower, upper));
}

// ---- Bessel functions, times exp(-|x|) when scaled

enum class Scaled { kNo, kYes };

Value* bessel(Maker& m, Value* x, std::initializer_list<double> small,
              std::initializer_list<double> large, bool odd, Scaled scaled) {
  constexpr double kBorder = 3.75;
  Value* size = m.abs(x);
  Value* near = m.call(Op::aten_clamp, {size, Arg(), Arg(kBorder)});
  Value* inner = m.polynomial(square(m, m.div(near, Arg(kBorder))), small);
  if (odd) inner = m.mul(inner, size);
  if (scaled == Scaled::kYes) inner = m.mul(inner, m.exp(m.neg(near)));
  Value* far = m.call(Op::aten_clamp, {size, Arg(kBorder), Arg()});
  Value* inverse = m.mul(m.unary(Op::aten_reciprocal, far), Arg(kBorder));
  Value* outer = m.mul(m.polynomial(inverse, large), m.unary(Op::aten_rsqrt, far));
  if (scaled == Scaled::kNo) outer = m.mul(outer, m.exp(far));
  Value* result = m.where(m.le(size, Arg(kBorder)), inner, outer);
  return odd ? m.where(m.lt(x, Arg(0)), m.neg(result), result) : result;
}

template <Scaled kScaled>
Result<Replacement> i0(Rewrite& r) {
  Maker m(r);
  return m.done(bessel(m, operand(m, 0),
                       {1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813},
                       {0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706,
                        0.02635537, -0.01647633, 0.00392377},
                       false, kScaled));
}

template <Scaled kScaled>
Result<Replacement> i1(Rewrite& r) {
  Maker m(r);
  return m.done(
      bessel(m, operand(m, 0),
             {0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411},
             {0.39894228, -0.03988024, -0.00362018, 0.00163801, -0.01031555, 0.02282967,
              -0.02895312, 0.01787654, -0.00420059},
             true, kScaled));
}

// ---- gamma and its kin: small arguments move up by kShift, where the asymptotic series holds

constexpr int kShift = 7;

// x and 1 - x mirror each other; y is the one of at least a half, z is y moved up when small.
struct Mirrored {
  Value* left = nullptr;  // whether x is below a half
  Value* y = nullptr;
  Value* small = nullptr;  // whether y was moved
  Value* z = nullptr;
  Value* fraction = nullptr;  // of x, above its floor
};

Mirrored mirror(Maker& m, Value* x) {
  Mirrored at;
  at.left = m.lt(x, Arg(0.5));
  at.y = m.where(at.left, m.rsub(x, Arg(1.0)), x);
  at.small = m.lt(at.y, Arg(static_cast<double>(kShift)));
  at.z = m.where(at.small, m.add(at.y, Arg(static_cast<double>(kShift))), at.y);
  at.fraction = m.sub(x, m.floor(x));
  return at;
}

Result<Replacement> lgamma(Rewrite& r) {
  Maker m(r);
  Value* x = operand(m, 0);
  const Mirrored at = mirror(m, x);
  Value* inverse = m.unary(Op::aten_reciprocal, at.z);
  Value* series =
      m.mul(m.polynomial(square(m, inverse), {1.0 / 12, -1.0 / 360, 1.0 / 1260}), inverse);
  Value* stirling = m.add(m.sub(m.mul(m.sub(at.z, Arg(0.5)), m.log(at.z)), at.z), series);
  stirling = m.add(stirling, Arg(0.5 * std::log(2 * std::numbers::pi)));
  Value* bounded = m.call(Op::aten_clamp, {at.y, Arg(), Arg(static_cast<double>(kShift))});
  Value* product = bounded;
  for (int k = 1; k < kShift; ++k)
    product = m.mul(product, m.add(bounded, Arg(static_cast<double>(k))));
  Value* direct = m.where(at.small, m.sub(stirling, m.log(product)), stirling);
  Value* sine = m.unary(Op::aten_sin, m.mul(at.fraction, Arg(std::numbers::pi)));
  Value* mirrored = m.sub(m.rsub(m.log(m.abs(sine)), Arg(std::log(std::numbers::pi))), direct);
  Value* result = m.where(at.left, mirrored, direct);
  // Infinity less infinity at both ends.
  return m.done(m.where(m.unary(Op::aten_isinf, x), m.abs(x), result));
}

Value* digamma_of(Maker& m, Value* x) {
  const Mirrored at = mirror(m, x);
  Value* inverse = m.unary(Op::aten_reciprocal, at.z);
  Value* squared = square(m, inverse);
  Value* series = m.mul(m.polynomial(squared, {1.0 / 12, -1.0 / 120, 1.0 / 252}), squared);
  Value* direct = m.sub(m.sub(m.log(at.z), m.mul(inverse, Arg(0.5))), series);
  Value* moved = direct;
  for (int k = 0; k < kShift; ++k) {
    moved = m.sub(moved, m.unary(Op::aten_reciprocal, m.add(at.y, Arg(static_cast<double>(k)))));
  }
  direct = m.where(at.small, moved, direct);
  Value* tangent = m.unary(Op::aten_tan, m.mul(at.fraction, Arg(std::numbers::pi)));
  Value* mirrored =
      m.sub(direct, m.mul(m.unary(Op::aten_reciprocal, tangent), Arg(std::numbers::pi)));
  Value* result = m.where(at.left, mirrored, direct);
  Value* pole = m.both(m.lt(x, Arg(0)), m.eq(at.fraction, Arg(0)));
  // At zero the sign decides.
  result = m.where(m.eq(x, Arg(0)), m.neg(m.unary(Op::aten_reciprocal, x)), result);
  return m.where(pole, Arg(kNan), result);
}

Result<Replacement> digamma(Rewrite& r) {
  Maker m(r);
  return m.done(digamma_of(m, operand(m, 0)));
}

// The sum over k >= 0 of (q + k)^-s: some terms, then Euler and Maclaurin's formula.
Value* zeta_of(Maker& m, Value* s, Value* q) {
  constexpr int kTerms = 9;
  const auto power = [&](Value* base) {
    return m.call(Op::aten_pow_Tensor_Tensor, {base, m.neg(s)});
  };
  Value* total = power(q);
  for (int k = 1; k < kTerms; ++k)
    total = m.add(total, power(m.add(q, Arg(static_cast<double>(k)))));
  Value* n = m.add(q, Arg(static_cast<double>(kTerms)));
  Value* last = power(n);
  Value* inverse = m.unary(Op::aten_reciprocal, n);
  total = m.add(total, m.div(m.mul(last, n), m.sub(s, Arg(1.0))));
  total = m.add(total, m.mul(last, Arg(0.5)));
  Value* term = m.mul(m.mul(last, inverse), s);
  total = m.add(total, m.mul(term, Arg(1.0 / 12)));
  const auto next = [&](double first) {
    Value* factor = m.mul(m.add(s, Arg(first)), m.add(s, Arg(first + 1)));
    term = m.mul(m.mul(term, factor), square(m, inverse));
  };
  next(1);
  total = m.sub(total, m.mul(term, Arg(1.0 / 720)));
  next(3);
  return m.add(total, m.mul(term, Arg(1.0 / 30240)));
}

Result<Replacement> zeta(Rewrite& r) {
  Maker m(r);
  Value* s = operand(m, 0);
  Value* q = operand(m, 1);
  Value* result = zeta_of(m, s, q);
  Value* below = m.le(q, Arg(0));
  Value* pole = m.both(below, m.eq(q, m.floor(q)));
  Value* fraction = m.both(m.negate(pole), m.negate(m.eq(s, m.floor(s))));
  Value* undefined = m.either(m.lt(s, Arg(1.0)), m.both(below, fraction));
  result = m.where(undefined, Arg(kNan), m.where(pole, Arg(kInfinity), result));
  return m.done(m.where(m.eq(s, Arg(1.0)), Arg(kInfinity), result));
}

// (-1)^(n+1) n! zeta(n + 1, x)
Result<Replacement> polygamma(Rewrite& r) {
  const auto n = r.arg(0).integer();
  if (!n || *n < 0 || *n > 30) return r.not_supported("an order that is not from 0 to 30");
  Maker m(r);
  Value* x = operand(m, 1);
  if (*n == 0) return m.done(digamma_of(m, x));
  Value* s = m.number_like(Arg(static_cast<double>(*n + 1)), x);
  const double factor = std::tgamma(static_cast<double>(*n + 1)) * (*n % 2 == 0 ? -1 : 1);
  return m.done(m.mul(zeta_of(m, s, x), Arg(factor)));
}

}  // namespace

std::span<const RuleEntry> legal_special_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_erfc, erfc},
      {Op::aten_special_erfcx, erfcx},
      {Op::aten_erfinv, erfinv},
      {Op::aten_special_ndtri, ndtri},
      {Op::aten_special_log_ndtr, log_ndtr},
      {Op::aten_i0, i0<Scaled::kNo>},
      {Op::aten_special_i0e, i0<Scaled::kYes>},
      {Op::aten_special_i1, i1<Scaled::kNo>},
      {Op::aten_special_i1e, i1<Scaled::kYes>},
      {Op::aten_lgamma, lgamma},
      {Op::aten_digamma, digamma},
      {Op::aten_special_zeta, zeta},
      {Op::aten_polygamma, polygamma},
  };
  return kRules;
}

}  // namespace pte::passes
