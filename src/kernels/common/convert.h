// Runs of elements of any real type, read into and written from the type a kernel computes in.
//
// Kernels compute in int64_t (all integers and bool), float (float32, half, bfloat16), double or
// bool, and in uint64_t where the upper half of uint64 matters; these functions are the only place
// where the element types of tensors multiply.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "tensor/dtype.h"

namespace pte::kernels {

template <typename T>
inline constexpr bool kIsReduced = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Floating to integer as x86 does it, with defined results: out of range or NaN gives the smallest
// 32-bit value (64-bit for wide types), cut to the narrower type.
template <typename To, typename From>
To float_to_integer(From value) {
  if constexpr (std::is_same_v<To, uint64_t>) {
    if (value >= static_cast<From>(9223372036854775808.0)) {
      return value < static_cast<From>(18446744073709551616.0) ? static_cast<uint64_t>(value) : 0;
    }
    return static_cast<uint64_t>(float_to_integer<int64_t>(value));
  } else if constexpr (sizeof(To) == 8 || std::is_same_v<To, uint32_t>) {
    constexpr From kEnd = static_cast<From>(9223372036854775808.0);
    const bool fits = value >= -kEnd && value < kEnd;
    return static_cast<To>(fits ? static_cast<int64_t>(value)
                                : std::numeric_limits<int64_t>::min());
  } else {
    constexpr From kEnd = static_cast<From>(2147483648.0);
    const bool fits = value > -kEnd - 1 && value < kEnd;
    return static_cast<To>(fits ? static_cast<int32_t>(value)
                                : std::numeric_limits<int32_t>::min());
  }
}

template <typename To, typename From>
To convert_element(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (kIsReduced<From>) {
    return convert_element<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{0};
  } else if constexpr (kIsReduced<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return float_to_integer<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

// Reads `count` elements of type `dtype`, `step` elements apart, from `from`. False when the type
// is not a real one (complex, quantized, float8). C is int64_t, uint64_t, float, double or bool.
template <typename C>
bool load_run(DType dtype, const std::byte* from, int64_t step, int64_t count, C* to);
// Writes them, converting.
template <typename C>
bool store_run(DType dtype, std::byte* to, int64_t step, int64_t count, const C* from);
// Rounds values to what `dtype` can hold.
template <typename C>
void round_run(DType dtype, C* values, int64_t count);

// Whether load_run and store_run know the type.
bool is_real(DType dtype);

// The type a kernel computes in.
enum class Compute { kInt, kFloat, kDouble };
constexpr Compute compute_of(DType dtype) {
  if (dtype == DType::kFloat64) return Compute::kDouble;
  return is_floating(dtype) ? Compute::kFloat : Compute::kInt;
}
// Calls fn with a value of the compute type: dispatch_compute(dtype, [&]<typename C>(C) {...}).
template <typename Fn>
auto dispatch_compute(DType dtype, Fn&& fn) {
  switch (compute_of(dtype)) {
    case Compute::kDouble:
      return fn(double{});
    case Compute::kFloat:
      return fn(float{});
    default:
      return fn(int64_t{});
  }
}
// The same with uint64_t for uint64: where order, division or the value itself matters, numbers
// from 2^63 on must not read as negative.
template <typename Fn>
auto dispatch_exact(DType dtype, Fn&& fn) {
  if (dtype == DType::kUInt64) return fn(uint64_t{});
  return dispatch_compute(dtype, std::forward<Fn>(fn));
}
// The floating ones only: integers compute in float.
template <typename Fn>
auto dispatch_floating(DType dtype, Fn&& fn) {
  return dtype == DType::kFloat64 ? fn(double{}) : fn(float{});
}

}  // namespace pte::kernels
