// Whether a number can become an element of a type.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/kernel.h"

namespace pte::kernels {

// PyTorch's rule for numbers that fill tensors: fractions are cut, unsigned types take the negative
// numbers whose magnitude they could hold, infinity and NaN fit floating types; else an error.
inline Status check_fits(const Call& call, const Scalar& value, DType dtype) {
  bool fits = true;
  dispatch(dtype, [&]<typename T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      return;
    } else if constexpr (std::is_integral_v<T>) {
      using Limits = std::numeric_limits<T>;
      if (value.kind == Scalar::Kind::kFloat) {
        // 2^digits is a double; the largest integer itself may not be.
        const double end = std::ldexp(1.0, Limits::digits);
        const double begin = std::is_signed_v<T> ? -end : -end + 1;
        fits = value.real < end && value.real >= begin;
      } else if constexpr (sizeof(T) < sizeof(int64_t)) {
        const auto most = static_cast<int64_t>(Limits::max());
        const auto least = std::is_signed_v<T> ? static_cast<int64_t>(Limits::min()) : -most;
        fits = value.integer >= least && value.integer <= most;
      }
    } else {
      const double size = std::abs(value.as_double());
      const double most = std::is_same_v<T, Half>       ? 65504.0
                          : std::is_same_v<T, BFloat16> ? 3.3895313892515355e38
                          : std::is_same_v<T, float>
                              ? static_cast<double>(std::numeric_limits<float>::max())
                              : std::numeric_limits<double>::max();
      fits = !(size > most) || std::isinf(size);
    }
  });
  if (fits) return {};
  return call.invalid("the number {} does not fit {}", value.as_double(), dtype_name(dtype));
}

}  // namespace pte::kernels
