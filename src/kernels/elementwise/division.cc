// Division that gives whole numbers, and what it leaves: floor_divide, fmod, remainder, div with a
// rounding mode. Integers divided by 0 are an error, as in PyTorch.
#include <atomic>
#include <cmath>

#include "kernels/elementwise/binary.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

// Rounded down, where the most negative number divided by -1 wraps.
struct FloorQuotient {
  static constexpr bool kWideOther = true;  // see Binary
  template <typename C>
  static C integers(C a, C b) {
    if constexpr (std::is_signed_v<C>) {
      if (b == -1) return static_cast<C>(0 - static_cast<uint64_t>(a));
      return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
    } else {
      return a / b;
    }
  }
  // Python's: from the exact remainder, because a / b may round up to a whole number.
  template <typename C>
  static C reals(C a, C b) {
    if (b == 0) return a / b;
    const C rest = std::fmod(a, b);
    C quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= C{1};
    if (quotient == 0) return std::copysign(C{0}, a / b);
    const C down = std::floor(quotient);
    return quotient - down > C(0.5) ? down + C{1} : down;
  }
};

struct TruncatedQuotient {
  static constexpr bool kWideOther = true;
  template <typename C>
  static C integers(C a, C b) {
    if constexpr (std::is_signed_v<C>) {
      if (b == -1) return static_cast<C>(0 - static_cast<uint64_t>(a));
    }
    return a / b;
  }
  template <typename C>
  static C reals(C a, C b) {
    return std::trunc(a / b);
  }
};

// With the dividend's sign, as C has it.
struct Fmod {
  static constexpr bool kWideOther = false;
  template <typename C>
  static C integers(C a, C b) {
    if constexpr (std::is_signed_v<C>) {
      if (b == -1) return 0;
    }
    return a % b;
  }
  template <typename C>
  static C reals(C a, C b) {
    return std::fmod(a, b);
  }
};

// With the divisor's sign, as Python has it.
struct Remainder {
  static constexpr bool kWideOther = false;
  template <typename C>
  static C integers(C a, C b) {
    const C rest = Fmod::integers(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  template <typename C>
  static C reals(C a, C b) {
    const C rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
};

template <typename F>
Status divide(Call& call, Binary binary) {
  binary.wide_other = F::kWideOther;
  if (binary.common == DType::kBool) return call.not_supported("operands of type bool");
  if (is_floating(binary.common)) {
    return dispatch_floating(binary.common, [&]<typename C>(C) {
      return binary.run<C>(call, binary.common, [](C a, C b) { return F::reals(a, b); });
    });
  }
  std::atomic<bool> by_zero = false;
  const auto run = [&]<typename C>(C) {
    return binary.run<C>(call, binary.common, [&by_zero](C a, C b) -> C {
      if (b != 0) return F::integers(a, b);
      by_zero.store(true, std::memory_order_relaxed);
      return 0;
    });
  };
  PTE_CHECK(binary.common == DType::kUInt64 ? run(uint64_t{}) : run(int64_t{}));
  if (by_zero.load()) return call.invalid("division by zero");
  return {};
}

template <typename F, bool kOtherIsScalar>
Status divide_call(Call& call) {
  PTE_TRY(Binary binary, Binary::make(call, kOtherIsScalar));
  return divide<F>(call, std::move(binary));
}

// A number's remainder after division by each element.
Status remainder_of_scalar(Call& call) {
  const Scalar self = call.scalar(0);
  const Tensor& other = call.tensor(1);
  PTE_CHECK(check_real(call, other));
  PTE_TRY(const DType common, Promotion().add(other).add(self).result(call));
  if (common == DType::kBool) return call.not_supported("operands of type bool");
  PTE_CHECK(check_out_type(call, common, call.out()));
  PTE_CHECK(resize_out(call, call.out(), other.sizes()));
  const std::array in{Operand::of(other, other.sizes(), common)};
  if (is_floating(common)) {
    dispatch_floating(common, [&]<typename C>(C) {
      const C a = scalar_as<C>(self, common);
      map_elements<C>(call, in, call.out(), common, [a](C b) { return Remainder::reals(a, b); });
    });
    return {};
  }
  std::atomic<bool> by_zero = false;
  const auto run = [&]<typename C>(C) {
    const C a = scalar_as<C>(self, common);
    map_elements<C>(call, in, call.out(), common, [a, &by_zero](C b) -> C {
      if (b != 0) return Remainder::integers(a, b);
      by_zero.store(true, std::memory_order_relaxed);
      return 0;
    });
  };
  if (common == DType::kUInt64) {
    run(uint64_t{});
  } else {
    run(int64_t{});
  }
  if (by_zero.load()) return call.invalid("division by zero");
  return {};
}

template <bool kOtherIsScalar>
Status div_mode(Call& call) {
  PTE_TRY(Binary binary, Binary::make(call, kOtherIsScalar));
  const std::string* mode = call.optional_text(2);
  if (mode != nullptr) {
    if (*mode == "floor") return divide<FloorQuotient>(call, std::move(binary));
    if (*mode == "trunc") return divide<TruncatedQuotient>(call, std::move(binary));
    return call.invalid("rounding_mode is '{}', expected 'floor', 'trunc' or None", *mode);
  }
  binary.wide_other = true;
  if (!is_floating(binary.common)) binary.common = DType::kFloat32;
  return dispatch_floating(binary.common, [&]<typename C>(C) {
    return binary.run<C>(call, binary.common, [](C a, C b) { return a / b; });
  });
}

}  // namespace

std::span<const Entry> division_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_floor_divide, divide_call<FloorQuotient, false>},
      {Op::aten_fmod_Tensor, divide_call<Fmod, false>},
      {Op::aten_fmod_Scalar, divide_call<Fmod, true>},
      {Op::aten_remainder_Tensor, divide_call<Remainder, false>},
      {Op::aten_remainder_Scalar, divide_call<Remainder, true>},
      {Op::aten_remainder_Scalar_Tensor, remainder_of_scalar},
      {Op::aten_div_Tensor_mode, div_mode<false>},
      {Op::aten_div_Scalar_mode, div_mode<true>},
  };
  return kEntries;
}

}  // namespace pte::kernels
