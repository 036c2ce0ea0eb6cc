// Arithmetic on sizes that come from untrusted bytes: an overflow is a value, not a surprise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

namespace pte {

template <typename T>
std::optional<T> checked_add(T a, std::type_identity_t<T> b) {
  T out;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

template <typename T>
std::optional<T> checked_mul(T a, std::type_identity_t<T> b) {
  T out;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

// True when [offset, offset + size) lies inside [0, limit).
inline bool in_range(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

// `value` rounded up to a multiple of `alignment` (a power of two or not); the caller knows that
// the sum fits.
constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace pte
