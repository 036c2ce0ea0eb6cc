// Powers of integers, which wrap as PyTorch's do.
#pragma once

#include <cstdint>

namespace pte::kernels {

inline uint64_t unsigned_power(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent > 0; exponent >>= 1U) {
    if ((exponent & 1U) != 0) result *= base;
    base *= base;
  }
  return result;
}

// A negative exponent leaves 1 and -1 as they are and everything else 0.
inline int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return 0;
  }
  return static_cast<int64_t>(
      unsigned_power(static_cast<uint64_t>(base), static_cast<uint64_t>(exponent)));
}

}  // namespace pte::kernels
