// Functions of two real operands: atan2, hypot, powers, incomplete gamma, extremes that skip NaN …
#include <bit>
#include <cmath>

#include "kernels/elementwise/binary.h"
#include "kernels/elementwise/integer_power.h"
#include "kernels/elementwise/special_functions.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

// Integers compute and give float32, or are refused.
template <typename F, bool kIntegers, bool kOtherIsScalar = false>
Status floating(Call& call) {
  PTE_TRY(Binary binary, Binary::make(call, kOtherIsScalar));
  if (!is_floating(binary.common)) {
    if (!kIntegers) return call.not_supported("operands of type {}", dtype_name(binary.common));
    binary.common = DType::kFloat32;
  }
  return dispatch_floating(binary.common, [&]<typename C>(C) {
    return binary.run<C>(call, binary.common, [](C a, C b) { return F{}(a, b); });
  });
}

struct Atan2 {
  template <typename C>
  C operator()(C a, C b) const {
    return std::atan2(a, b);
  }
};
struct Copysign {
  template <typename C>
  C operator()(C a, C b) const {
    return std::copysign(a, b);
  }
};
struct Hypot {
  template <typename C>
  C operator()(C a, C b) const {
    return std::hypot(a, b);
  }
};
template <double (*kFunction)(double, double)>
struct InDouble {
  template <typename C>
  C operator()(C a, C b) const {
    return static_cast<C>(kFunction(static_cast<double>(a), static_cast<double>(b)));
  }
};

// The next number of the 16-bit type T from `from` towards `to`.
template <typename T>
float next_short(float from, float to) {
  if (from != from || to != to) return std::numeric_limits<float>::quiet_NaN();
  if (from == to) return to;
  T value(from);
  if (from == 0) {
    value.bits = static_cast<uint16_t>((to < 0 ? 0x8000U : 0U) | 1U);
  } else {
    // Bits of one sign grow with the magnitude.
    value.bits = static_cast<uint16_t>(value.bits + ((from < to) == (from > 0) ? 1 : -1));
  }
  return static_cast<float>(value);
}

Status nextafter(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, false));
  switch (binary.common) {
    case DType::kFloat64:
      return binary.run<double>(call, binary.common,
                                [](double a, double b) { return std::nextafter(a, b); });
    case DType::kFloat32:
      return binary.run<float>(call, binary.common,
                               [](float a, float b) { return std::nextafter(a, b); });
    case DType::kFloat16:
      return binary.run<float>(call, binary.common, next_short<Half>);
    case DType::kBFloat16:
      return binary.run<float>(call, binary.common, next_short<BFloat16>);
    default:
      return call.not_supported("operands of type {}", dtype_name(binary.common));
  }
}

// self * 2^other, by way of PyTorch's composition: the power has a type of its own (float32 for
// integers), so that 2^1000 is infinite unless `other` is float64.
Status ldexp(Call& call) {
  PTE_TRY(Binary binary, Binary::make(call, false));
  const Tensor& other = *binary.other;
  const DType power = is_floating(other.dtype()) ? other.dtype() : DType::kFloat32;
  Promotion promotion;
  Tensor typed = other;
  if (power != other.dtype())
    typed = Tensor::view(power, other.sizes(), other.strides(), nullptr, {});
  PTE_TRY(binary.common, promotion.add(*binary.self).add(typed).result(call));
  Tensor& out = call.out();
  PTE_CHECK(check_out_type(call, binary.common, out));
  PTE_CHECK(resize_out(call, out, binary.sizes));
  dispatch_floating(binary.common, [&]<typename C>(C) {
    const std::array in{Operand::of(*binary.self, binary.sizes, binary.common),
                        Operand::of(other, binary.sizes, power)};
    map_elements<C>(call, in, out, binary.common, [power](C a, C b) {
      C factor = std::exp2(b);
      round_run<C>(power, &factor, 1);
      return a * factor;
    });
  });
  return {};
}

// The other operand when one is NaN.
template <bool kMaximum>
Status extreme_number(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, false));
  return dispatch_exact(binary.common, [&]<typename C>(C) {
    return binary.run<C>(call, binary.common, [](C a, C b) {
      if constexpr (std::is_floating_point_v<C>)
        return kMaximum ? std::fmax(a, b) : std::fmin(a, b);
      return (kMaximum ? a < b : b < a) ? b : a;
    });
  });
}

// ---- powers

Status pow_run(Call& call, const Binary& binary) {
  if (binary.common == DType::kBool) return call.not_supported("operands of type bool");
  if (is_floating(binary.common)) {
    return dispatch_floating(binary.common, [&]<typename C>(C) {
      return binary.run<C>(call, binary.common, [](C a, C b) { return std::pow(a, b); });
    });
  }
  if (binary.common == DType::kUInt64) {
    return binary.run<uint64_t>(call, binary.common,
                                [](uint64_t a, uint64_t b) { return unsigned_power(a, b); });
  }
  return binary.run<int64_t>(call, binary.common,
                             [](int64_t a, int64_t b) { return integer_power(a, b); });
}

Status pow_tensors(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, false));
  return pow_run(call, binary);
}

// A number raised to each element.
Status pow_of_scalar(Call& call) {
  const Scalar base = call.scalar(0);
  const Tensor& exponent = call.tensor(1);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, exponent));
  Promotion promotion;
  PTE_TRY(const DType common, promotion.add(exponent).add(base).result(call));
  PTE_CHECK(check_out_type(call, common, out));
  PTE_CHECK(resize_out(call, out, exponent.sizes()));
  if (base.as_double() == 1) return fill_with(call, out, base);
  if (common == DType::kBool) return call.not_supported("operands of type bool");
  const std::array in{Operand::of(exponent, out.sizes(), common)};
  if (is_floating(common)) {
    dispatch_floating(common, [&]<typename C>(C) {
      const C a = scalar_as<C>(base, common);
      map_elements<C>(call, in, out, common, [a](C b) { return std::pow(a, b); });
    });
  } else {
    const int64_t a = scalar_as<int64_t>(base, common);
    map_elements<int64_t>(call, in, out, common, [a](int64_t b) { return integer_power(a, b); });
  }
  return {};
}

// ---- logic

struct Or {
  bool operator()(bool a, bool b) const { return a || b; }
};
struct Xor {
  bool operator()(bool a, bool b) const { return a != b; }
};

template <typename F>
Status logical(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, false));
  return binary.run<bool>(call, DType::kBool, F{});
}

// ---- bounds that are tensors

Status clamp_tensors(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor* low = call.optional_tensor(1);
  const Tensor* high = call.optional_tensor(2);
  Tensor& out = call.out();
  if (low == nullptr && high == nullptr) {
    return call.invalid("at least one of min and max must be given");
  }
  Promotion promotion;
  promotion.add(self);
  PTE_CHECK(check_real(call, self));
  Sizes sizes = self.sizes();
  for (const Tensor* bound : {low, high}) {
    if (bound == nullptr) continue;
    PTE_CHECK(check_real(call, *bound));
    promotion.add(*bound);
    PTE_TRY(sizes, broadcast_sizes(call, sizes, bound->sizes()));
  }
  PTE_TRY(const DType common, promotion.result(call));
  PTE_CHECK(check_out_type(call, common, out));
  PTE_CHECK(resize_out(call, out, sizes));
  dispatch_exact(common, [&]<typename C>(C) {
    // NaN anywhere is the result; a lower bound above the upper one gives the upper one.
    const auto raise = [](C x, C bound) {
      return x != x ? x : bound != bound || x < bound ? bound : x;
    };
    const auto lower = [](C x, C bound) {
      return x != x ? x : bound != bound || bound < x ? bound : x;
    };
    const Operand value = Operand::of(self, sizes, common);
    if (low == nullptr) {
      map_elements<C>(call, std::array{value, Operand::of(*high, sizes, common)}, out, common,
                      lower);
    } else if (high == nullptr) {
      map_elements<C>(call, std::array{value, Operand::of(*low, sizes, common)}, out, common,
                      raise);
    } else {
      map_elements<C>(
          call,
          std::array{value, Operand::of(*low, sizes, common), Operand::of(*high, sizes, common)},
          out, common, [=](C x, C a, C b) { return lower(raise(x, a), b); });
    }
  });
  return {};
}

}  // namespace

std::span<const Entry> binary_math_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_atan2, floating<Atan2, true>},
      {Op::aten_copysign_Tensor, floating<Copysign, true>},
      {Op::aten_copysign_Scalar, floating<Copysign, true, true>},
      {Op::aten_hypot, floating<Hypot, false>},
      {Op::aten_igamma, floating<InDouble<special::igamma>, false>},
      {Op::aten_igammac, floating<InDouble<special::igammac>, false>},
      {Op::aten_special_zeta, floating<InDouble<special::zeta>, true>},
      {Op::aten_nextafter, nextafter},
      {Op::aten_ldexp_Tensor, ldexp},
      {Op::aten_fmax, extreme_number<true>},
      {Op::aten_fmin, extreme_number<false>},
      {Op::aten_pow_Tensor_Tensor, pow_tensors},
      {Op::aten_pow_Scalar, pow_of_scalar},
      {Op::aten_logical_or, logical<Or>},
      {Op::aten_logical_xor, logical<Xor>},
      {Op::aten_clamp_Tensor, clamp_tensors},
  };
  return kEntries;
}

}  // namespace pte::kernels
