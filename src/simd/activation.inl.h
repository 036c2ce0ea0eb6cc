// Activations over vectors, for every kernel's epilogue. Included once per target.
#if defined(PTE_SIMD_ACTIVATION_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef PTE_SIMD_ACTIVATION_INL
#undef PTE_SIMD_ACTIVATION_INL
#else
#define PTE_SIMD_ACTIVATION_INL
#endif

#include <hwy/highway.h>

#include "simd/epilogue.h"
#include "simd/math.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The activations that are a function object over vectors; kNone and kClamp are done in place.
template <class D, class V, class Body>
HWY_INLINE void with_activation(Activation activation, D d, V lo, V hi, Body body) {
  using hn::Max;
  using hn::Min;
  using hn::Mul;
  const auto sixth = hn::Set(d, 1.0f / 6.0f);
  const auto three = hn::Set(d, 3.0f);
  const auto six = hn::Set(d, 6.0f);
  const auto zero = hn::Zero(d);
  switch (activation) {
    case Activation::kNone:
      body([=](V x) HWY_ATTR { return x; });
      break;
    case Activation::kClamp:
      body([=](V x) HWY_ATTR { return clamp(x, lo, hi); });
      break;
    case Activation::kSigmoid:
      body([=](V x) HWY_ATTR { return sigmoid(d, x); });
      break;
    case Activation::kSilu:
      body([=](V x) HWY_ATTR { return Mul(x, sigmoid(d, x)); });
      break;
    case Activation::kHardsigmoid:
      body([=](V x) HWY_ATTR { return Mul(clamp(hn::Add(x, three), zero, six), sixth); });
      break;
    case Activation::kHardswish:
      body([=](V x) HWY_ATTR { return Mul(x, Mul(clamp(hn::Add(x, three), zero, six), sixth)); });
      break;
    case Activation::kGelu:
      body([=](V x) HWY_ATTR { return gelu(d, x); });
      break;
    case Activation::kGeluTanh:
      body([=](V x) HWY_ATTR { return gelu_tanh(d, x); });
      break;
    case Activation::kTanh:
      body([=](V x) HWY_ATTR { return tanh(d, x); });
      break;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();
#endif
