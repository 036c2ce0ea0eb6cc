#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/elementwise.cc"
#include "simd/targets.h"
// The next line includes this file once for each target.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <array>

#include "simd/activation.inl.h"
#include "simd/dispatch.h"
#include "simd/elementwise.h"
#include "simd/partial.inl.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

template <class Function>
HWY_INLINE void map(const float* in, float* out, int64_t count, Function function) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(function(hn::LoadU(d, in + i)), d, out + i);
  if (i < count) store_part(d, function(load_part(d, in + i, count - i)), out + i, count - i);
}

void activate_array(Activation activation, float lo, float hi, const float* in, float* out,
                    int64_t count) {
  const D d;
  with_activation(activation, d, hn::Set(d, lo), hn::Set(d, hi),
                  [&](auto function) HWY_ATTR { map(in, out, count, function); });
}

void exponential_array(const float* in, float* out, int64_t count) {
  map(in, out, count, [](V x) HWY_ATTR { return exp(D(), x); });
}

void error_function_array(const float* in, float* out, int64_t count) {
  map(in, out, count, [](V x) HWY_ATTR { return erf(D(), x); });
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

HWY_EXPORT(activate_array);
HWY_EXPORT(exponential_array);
HWY_EXPORT(error_function_array);

std::string_view activation_name(Activation activation) {
  constexpr std::array<std::string_view, kActivationCount> kNames{
      "none", "clamp", "sigmoid", "silu", "hardsigmoid", "hardswish", "gelu", "gelu_tanh", "tanh"};
  return kNames[static_cast<size_t>(activation)];
}

void activate(Activation activation, float lo, float hi, const float* in, float* out, int64_t count,
              Isa isa) {
  PTE_SIMD_PICK(activate_array, isa)(activation, lo, hi, in, out, count);
}

void exponential(const float* in, float* out, int64_t count, Isa isa) {
  PTE_SIMD_PICK(exponential_array, isa)(in, out, count);
}

void error_function(const float* in, float* out, int64_t count, Isa isa) {
  PTE_SIMD_PICK(error_function_array, isa)(in, out, count);
}

}  // namespace pte::simd
#endif
