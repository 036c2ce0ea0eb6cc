// Bits, shifts and common divisors of integers.
#include <numeric>

#include "kernels/elementwise/binary.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

struct BitAnd {
  template <typename C>
  C operator()(C a, C b) const {
    return a & b;
  }
};
struct BitOr {
  template <typename C>
  C operator()(C a, C b) const {
    return a | b;
  }
};
struct BitXor {
  template <typename C>
  C operator()(C a, C b) const {
    return a ^ b;
  }
};

Status check_integers(const Call& call, DType common, bool with_bool) {
  if (is_integer(common) || (with_bool && common == DType::kBool)) return {};
  return call.not_supported("operands of type {}", dtype_name(common));
}

// Bools are 0 and 1 in the compute type, which these three keep.
template <typename F, bool kOtherIsScalar>
Status bitwise(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, kOtherIsScalar));
  PTE_CHECK(check_integers(call, binary.common, true));
  if (binary.common == DType::kUInt64) {
    return binary.run<uint64_t>(call, binary.common, F{});
  }
  return binary.run<int64_t>(call, binary.common, F{});
}

// Shifts by a negative number of bits, or by all bits and more, shift everything out: 0, or the
// sign for numbers shifted right.
template <bool kLeft, bool kOtherIsScalar>
Status shift(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, kOtherIsScalar));
  PTE_CHECK(check_integers(call, binary.common, false));
  const auto width = static_cast<int64_t>(8 * size_of(binary.common));
  if (binary.common == DType::kUInt64) {
    return binary.run<uint64_t>(call, binary.common, [](uint64_t a, uint64_t b) -> uint64_t {
      if (b >= 64) return 0;
      return kLeft ? a << b : a >> b;
    });
  }
  return binary.run<int64_t>(call, binary.common, [width](int64_t a, int64_t b) -> int64_t {
    const bool out = b < 0 || b >= width;
    if (kLeft) return out ? 0 : static_cast<int64_t>(static_cast<uint64_t>(a) << b);
    return a >> (out ? 63 : b);
  });
}

uint64_t magnitude(int64_t x) {
  const uint64_t bits = static_cast<uint64_t>(x);
  return x < 0 ? 0 - bits : bits;
}

struct Gcd {
  uint64_t operator()(uint64_t a, uint64_t b) const { return std::gcd(a, b); }
};
struct Lcm {
  uint64_t operator()(uint64_t a, uint64_t b) const {
    const uint64_t divisor = std::gcd(a, b);
    return divisor == 0 ? 0 : a / divisor * b;
  }
};

template <typename F>
Status divisor(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, false));
  PTE_CHECK(check_integers(call, binary.common, false));
  if (binary.common == DType::kUInt64) {
    return binary.run<uint64_t>(call, binary.common, F{});
  }
  return binary.run<int64_t>(call, binary.common, [](int64_t a, int64_t b) {
    return static_cast<int64_t>(F{}(magnitude(a), magnitude(b)));
  });
}

}  // namespace

std::span<const Entry> bitwise_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_bitwise_and_Tensor, bitwise<BitAnd, false>},
      {Op::aten_bitwise_and_Scalar, bitwise<BitAnd, true>},
      {Op::aten_bitwise_or_Tensor, bitwise<BitOr, false>},
      {Op::aten_bitwise_or_Scalar, bitwise<BitOr, true>},
      {Op::aten_bitwise_xor_Tensor, bitwise<BitXor, false>},
      {Op::aten_bitwise_xor_Scalar, bitwise<BitXor, true>},
      {Op::aten_bitwise_left_shift_Tensor, shift<true, false>},
      {Op::aten_bitwise_left_shift_Tensor_Scalar, shift<true, true>},
      {Op::aten_bitwise_right_shift_Tensor, shift<false, false>},
      {Op::aten_bitwise_right_shift_Tensor_Scalar, shift<false, true>},
      {Op::aten___lshift___Tensor, shift<true, false>},
      {Op::aten___lshift___Scalar, shift<true, true>},
      {Op::aten___rshift___Tensor, shift<false, false>},
      {Op::aten___rshift___Scalar, shift<false, true>},
      {Op::aten_gcd, divisor<Gcd>},
      {Op::aten_lcm, divisor<Lcm>},
  };
  return kEntries;
}

}  // namespace pte::kernels
