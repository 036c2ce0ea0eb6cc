// Elementary functions over fp32 vectors. Polynomials are minimax fits made for this file (Lawson
// weights on Chebyshev nodes); bounds are against the true value, checked by elementwise_test.cc on
// every target. NaN stays NaN everywhere. Included once per target.
#if defined(PTE_SIMD_MATH_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef PTE_SIMD_MATH_INL
#undef PTE_SIMD_MATH_INL
#else
#define PTE_SIMD_MATH_INL
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// min(max(x, lo), hi) that keeps NaN.
template <class V>
HWY_INLINE V clamp(V x, V lo, V hi) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  // These instructions give their second operand when either is NaN.
  return hn::Min(hi, hn::Max(lo, x));
#else
  x = hn::IfThenElse(hn::Lt(x, lo), lo, x);
  return hn::IfThenElse(hn::Gt(x, hi), hi, x);
#endif
}

// x * 2^n for n with x * 2^n a normal number.
template <class D, class V>
HWY_INLINE V scale_normal(D d, V x, V n) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if constexpr (sizeof(V) == 64) return V{_mm512_scalef_ps(x.raw, n.raw)};
#endif
  const hn::RebindToSigned<D> di;
  const auto exponent = hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127));
  return hn::Mul(x, hn::BitCast(d, hn::ShiftLeft<23>(exponent)));
}

// 1 / x for finite x, not denormal: at most 2 ulp off.
template <class D, class V>
HWY_INLINE V reciprocal(D d, V x) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX2
  const V guess = hn::ApproximateReciprocal(x);
  return hn::MulAdd(guess, hn::NegMulAdd(x, guess, hn::Set(d, 1.0f)), guess);
#else
  return hn::Div(hn::Set(d, 1.0f), x);
#endif
}

// e^x, 2 ulp; results below the normal numbers may be 1 denormal step off. Overflow gives infinity.
template <class D, class V>
HWY_INLINE V exp(D d, V x) {
  x = clamp(x, hn::Set(d, -104.0f), hn::Set(d, 89.0f));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504088896340736f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125f), x);
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6f), r);
  V p = hn::Set(d, 1.3836842e-3f);
  p = hn::MulAdd(p, r, hn::Set(d, 8.3748158e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1668226e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666420e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.9999992e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if constexpr (sizeof(V) == 64) return scale_normal(d, p, n);  // exact there for any result
#endif
  // In two steps, so that neither leaves the normal numbers before its time.
  const V half = hn::Floor(hn::Mul(n, hn::Set(d, 0.5f)));
  return scale_normal(d, scale_normal(d, p, half), hn::Sub(n, half));
}

// 1 / (1 + e^-x): absolute error at most 1.8e-7; relative error at most 4 ulp for x > -2, growing
// with |x| below that (at -80: 100 ulp). Exactly 0 below -87.
template <class D, class V>
HWY_INLINE V sigmoid(D d, V x) {
  const V t = clamp(hn::Mul(x, hn::Set(d, -1.44269504088896340736f)), hn::Set(d, -126.0f),
                    hn::Set(d, 126.0f));
  const V n = hn::Round(t);
  const V f = hn::Sub(t, n);
  V p = hn::Set(d, 1.3276467e-3f);
  p = hn::MulAdd(p, f, hn::Set(d, 9.6755413e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 5.5507133e-2f));
  p = hn::MulAdd(p, f, hn::Set(d, 2.4022120e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 6.9314697e-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0000001f));
  const V one = hn::Set(d, 1.0f);
  const V s = reciprocal(d, hn::Add(one, scale_normal(d, p, n)));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.0f)), s);
}

// tanh x: 6 ulp.
template <class D, class V>
HWY_INLINE V tanh(D d, V x) {
  x = clamp(x, hn::Set(d, -9.0f), hn::Set(d, 9.0f));
  const V u = hn::Mul(x, x);
  V p = hn::Set(d, 1.3354684309e-08f);
  p = hn::MulAdd(p, u, hn::Set(d, 2.0609126674e-05f));
  p = hn::MulAdd(p, u, hn::Set(d, 3.4955921907e-03f));
  p = hn::MulAdd(p, u, hn::Set(d, 1.3381029567e-01f));
  p = hn::MulAdd(p, u, hn::Set(d, 9.9999997948e-01f));
  V q = hn::Set(d, 7.7765756291e-07f);
  q = hn::MulAdd(q, u, hn::Set(d, 3.2856404674e-04f));
  q = hn::MulAdd(q, u, hn::Set(d, 2.5876999205e-02f));
  q = hn::MulAdd(q, u, hn::Set(d, 4.6714345182e-01f));
  const V one = hn::Set(d, 1.0f);
  q = hn::MulAdd(q, u, one);
  return clamp(hn::Mul(hn::Mul(x, p), reciprocal(d, q)), hn::Neg(one), one);
}

// erf x: 6 ulp.
template <class D, class V>
HWY_INLINE V erf(D d, V x) {
  x = clamp(x, hn::Set(d, -3.92f), hn::Set(d, 3.92f));
  const V u = hn::Mul(x, x);
  V p = hn::Set(d, 2.0500573445e-06f);
  p = hn::MulAdd(p, u, hn::Set(d, 2.8487622474e-04f));
  p = hn::MulAdd(p, u, hn::Set(d, 3.7654929637e-03f));
  p = hn::MulAdd(p, u, hn::Set(d, 5.2748334459e-02f));
  p = hn::MulAdd(p, u, hn::Set(d, 1.9040407750e-01f));
  p = hn::MulAdd(p, u, hn::Set(d, 1.1283791462e+00f));
  V q = hn::Set(d, 3.8091065118e-05f);
  q = hn::MulAdd(q, u, hn::Set(d, 1.1624984064e-03f));
  q = hn::MulAdd(q, u, hn::Set(d, 1.4968973623e-02f));
  q = hn::MulAdd(q, u, hn::Set(d, 1.1410805726e-01f));
  q = hn::MulAdd(q, u, hn::Set(d, 5.0207396231e-01f));
  const V one = hn::Set(d, 1.0f);
  q = hn::MulAdd(q, u, one);
  return clamp(hn::Mul(hn::Mul(x, p), reciprocal(d, q)), hn::Neg(one), one);
}

// x / 2 (1 + erf(x / sqrt 2)): absolute error at most 1e-7 |x|.
template <class D, class V>
HWY_INLINE V gelu(D d, V x) {
  const V half = hn::Mul(x, hn::Set(d, 0.5f));
  return hn::MulAdd(half, erf(d, hn::Mul(x, hn::Set(d, 0.70710678118654752440f))), half);
}

// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): absolute error at most 2e-7 |x|.
template <class D, class V>
HWY_INLINE V gelu_tanh(D d, V x) {
  const V half = hn::Mul(x, hn::Set(d, 0.5f));
  const V cube = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715f), hn::Set(d, 1.0f));
  const V inner = hn::Mul(hn::Mul(x, hn::Set(d, 0.79788456080286535588f)), cube);
  return hn::MulAdd(half, tanh(d, inner), half);
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();
#endif
