// Elementwise kernels of several operands: arithmetic, comparison, logic, choice.
#include "kernels/elementwise/binary.h"
#include "kernels/elementwise/complex.h"
#include "kernels/elementwise/integer_power.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

// Integer arithmetic wraps, as it does in PyTorch.
template <typename C>
struct Wrap {
  static C add(C a, C b) { return a + b; }
  static C sub(C a, C b) { return a - b; }
  static C mul(C a, C b) { return a * b; }
  // a + factor * b, rounded once as PyTorch's vector loops do it.
  static C add_scaled(C a, C factor, C b) {
    if constexpr (std::is_same_v<C, float>) {
      return static_cast<float>(static_cast<double>(a) +
                                static_cast<double>(factor) * static_cast<double>(b));
    } else {
      return std::fma(factor, b, a);
    }
  }
};
template <>
struct Wrap<uint64_t> {
  static uint64_t add(uint64_t a, uint64_t b) { return a + b; }
  static uint64_t sub(uint64_t a, uint64_t b) { return a - b; }
  static uint64_t mul(uint64_t a, uint64_t b) { return a * b; }
  static uint64_t add_scaled(uint64_t a, uint64_t factor, uint64_t b) { return a + factor * b; }
};
template <>
struct Wrap<int64_t> {
  static uint64_t u(int64_t x) { return static_cast<uint64_t>(x); }
  static int64_t add(int64_t a, int64_t b) { return static_cast<int64_t>(u(a) + u(b)); }
  static int64_t sub(int64_t a, int64_t b) { return static_cast<int64_t>(u(a) - u(b)); }
  static int64_t mul(int64_t a, int64_t b) { return static_cast<int64_t>(u(a) * u(b)); }
  static int64_t add_scaled(int64_t a, int64_t factor, int64_t b) { return add(a, mul(factor, b)); }
};

enum class Sum { kAdd, kSub, kReverseSub };

// self + alpha * other and its kin.
template <Sum kKind, bool kOtherIsScalar>
Status add_like(Call& call) {
  if (is_complex_call(call, kOtherIsScalar)) {
    constexpr ComplexOp kOp = kKind == Sum::kAdd   ? ComplexOp::kAdd
                              : kKind == Sum::kSub ? ComplexOp::kSub
                                                   : ComplexOp::kReverseSub;
    return complex_arithmetic(call, kOp, kOtherIsScalar);
  }
  PTE_TRY(const Binary binary, Binary::make(call, kOtherIsScalar));
  const Scalar alpha = call.scalar(2);
  if (kKind != Sum::kAdd && binary.common == DType::kBool) {
    return call.not_supported("subtraction of bool tensors");
  }
  if (alpha.kind == Scalar::Kind::kFloat && !is_floating(binary.common)) {
    return call.invalid("alpha must be an integer for operands of type {}",
                        dtype_name(binary.common));
  }
  return dispatch_exact(binary.common, [&]<typename C>(C) {
    const C factor = scalar_as<C>(alpha);
    using W = Wrap<C>;
    if (factor == C{1}) {
      return binary.run<C>(call, binary.common, [](C a, C b) {
        if constexpr (kKind == Sum::kAdd) return W::add(a, b);
        return kKind == Sum::kSub ? W::sub(a, b) : W::sub(b, a);
      });
    }
    const C signed_factor = kKind == Sum::kAdd ? factor : W::sub(C{0}, factor);
    return binary.run<C>(call, binary.common, [signed_factor](C a, C b) {
      return kKind == Sum::kReverseSub ? W::add_scaled(b, signed_factor, a)
                                       : W::add_scaled(a, signed_factor, b);
    });
  });
}

template <bool kOtherIsScalar>
Status mul(Call& call) {
  if (is_complex_call(call, kOtherIsScalar)) {
    return complex_arithmetic(call, ComplexOp::kMul, kOtherIsScalar);
  }
  PTE_TRY(Binary binary, Binary::make(call, kOtherIsScalar));
  binary.wide_other = true;
  return dispatch_exact(binary.common, [&]<typename C>(C) {
    return binary.run<C>(call, binary.common, [](C a, C b) { return Wrap<C>::mul(a, b); });
  });
}

// True division: integers divide as float32.
template <bool kOtherIsScalar>
Status div(Call& call) {
  if (is_complex_call(call, kOtherIsScalar)) {
    return complex_arithmetic(call, ComplexOp::kDiv, kOtherIsScalar);
  }
  PTE_TRY(Binary binary, Binary::make(call, kOtherIsScalar));
  binary.wide_other = true;
  if (!is_floating(binary.common)) binary.common = DType::kFloat32;
  return dispatch_floating(binary.common, [&]<typename C>(C) {
    return binary.run<C>(call, binary.common, [](C a, C b) { return a / b; });
  });
}

// NaN in either operand wins.
template <bool kMaximum>
Status extreme(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, false));
  return dispatch_exact(binary.common, [&]<typename C>(C) {
    return binary.run<C>(call, binary.common, [](C a, C b) {
      if constexpr (std::is_floating_point_v<C>) {
        if (a != a) return a;
        if (b != b) return b;
      }
      return (kMaximum ? a < b : b < a) ? b : a;
    });
  });
}

template <typename F, bool kOtherIsScalar>
Status compare(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, kOtherIsScalar));
  return dispatch_exact(binary.common, [&]<typename C>(C) {
    return binary.run<C>(call, DType::kBool, [](C a, C b) -> bool { return F{}(a, b); });
  });
}

template <typename F>
Status logical(Call& call) {
  PTE_TRY(const Binary binary, Binary::make(call, false));
  return binary.run<bool>(call, DType::kBool, [](bool a, bool b) -> bool { return F{}(a, b); });
}

Status where(Call& call) {
  const Tensor& condition = call.tensor(0);
  const Tensor& self = call.tensor(1);
  const Tensor& other = call.tensor(2);
  Tensor& out = call.out();
  if (condition.dtype() != DType::kBool && condition.dtype() != DType::kUInt8) {
    return call.not_supported("a condition of type {}", dtype_name(condition.dtype()));
  }
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_real(call, other));
  Promotion promotion;
  PTE_TRY(const DType common, promotion.add(self).add(other).result(call));
  PTE_CHECK(check_out_type(call, common, out));
  PTE_TRY(Sizes sizes, broadcast_sizes(call, self.sizes(), other.sizes()));
  PTE_TRY(sizes, broadcast_sizes(call, condition.sizes(), sizes));
  PTE_CHECK(resize_out(call, out, sizes));
  dispatch_exact(common, [&]<typename C>(C) {
    map_elements<C>(call,
                    std::array{Operand::of(condition, sizes, condition.dtype()),
                               Operand::of(self, sizes, common), Operand::of(other, sizes, common)},
                    out, common, [](C c, C a, C b) { return c != C{0} ? a : b; });
  });
  return {};
}

Status pow_scalar(Call& call) {
  const Scalar exponent = call.scalar(1);
  PTE_TRY(Binary binary, Binary::make(call, true));
  binary.wide_other = true;
  if (!is_floating(binary.common)) {
    if (binary.common == DType::kBool) return call.not_supported("operands of type bool");
    if (exponent.integer < 0) return call.invalid("integers cannot be raised to a negative power");
    return binary.run<int64_t>(call, binary.common,
                               [](int64_t a, int64_t b) { return integer_power(a, b); });
  }
  const double power = exponent.as_double();
  return dispatch_floating(binary.common, [&]<typename C>(C) {
    if (power == 2) return binary.run<C>(call, binary.common, [](C a, C) { return a * a; });
    if (power == 3) return binary.run<C>(call, binary.common, [](C a, C) { return a * a * a; });
    if (power == 0.5)
      return binary.run<C>(call, binary.common, [](C a, C) { return std::sqrt(a); });
    if (power == -0.5)
      return binary.run<C>(call, binary.common, [](C a, C) { return C{1} / std::sqrt(a); });
    if (power == -1) return binary.run<C>(call, binary.common, [](C a, C) { return C{1} / a; });
    if (power == -2)
      return binary.run<C>(call, binary.common, [](C a, C) { return C{1} / (a * a); });
    return binary.run<C>(call, binary.common, [](C a, C b) { return std::pow(a, b); });
  });
}

Status copy(Call& call) {
  const Tensor& src = call.tensor(1);
  Tensor& out = call.op().has(kTagInPlace) ? call.written(0) : call.out();
  const Sizes sizes = call.tensor(0).sizes();
  PTE_TRY(const Sizes both, broadcast_sizes(call, sizes, src.sizes()));
  if (both != sizes) {
    return call.invalid("{} does not broadcast to {}", src.describe(), call.tensor(0).describe());
  }
  PTE_CHECK(resize_out(call, out, sizes));
  const Tensor expanded = src.with_layout(sizes, broadcast_strides(src, sizes));
  PTE_CHECK(copy_converting(call, expanded, out));
  // A caller that lists the written tensor again as the result may hold it as a second value.
  if (call.op().has(kTagInPlace) && call.result_count() > 0) call.out() = out;
  return {};
}

struct Equal {
  template <typename T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};
struct NotEqual {
  template <typename T>
  bool operator()(T a, T b) const {
    return a != b;
  }
};
struct Greater {
  template <typename T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct GreaterEqual {
  template <typename T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};
struct Less {
  template <typename T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessEqual {
  template <typename T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct And {
  bool operator()(bool a, bool b) const { return a && b; }
};

}  // namespace

std::span<const Entry> elementwise_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_add_Tensor, add_like<Sum::kAdd, false>},
      {Op::aten_add_Scalar, add_like<Sum::kAdd, true>},
      {Op::aten_sub_Tensor, add_like<Sum::kSub, false>},
      {Op::aten_sub_Scalar, add_like<Sum::kSub, true>},
      {Op::aten_rsub_Scalar, add_like<Sum::kReverseSub, true>},
      {Op::aten_mul_Tensor, mul<false>},
      {Op::aten_mul_Scalar, mul<true>},
      {Op::aten_div_Tensor, div<false>},
      {Op::aten_div_Scalar, div<true>},
      {Op::aten_maximum, extreme<true>},
      {Op::aten_minimum, extreme<false>},
      {Op::aten_where_self, where},
      {Op::aten_eq_Tensor, compare<Equal, false>},
      {Op::aten_eq_Scalar, compare<Equal, true>},
      {Op::aten_ne_Tensor, compare<NotEqual, false>},
      {Op::aten_ne_Scalar, compare<NotEqual, true>},
      {Op::aten_gt_Tensor, compare<Greater, false>},
      {Op::aten_gt_Scalar, compare<Greater, true>},
      {Op::aten_ge_Tensor, compare<GreaterEqual, false>},
      {Op::aten_ge_Scalar, compare<GreaterEqual, true>},
      {Op::aten_lt_Tensor, compare<Less, false>},
      {Op::aten_lt_Scalar, compare<Less, true>},
      {Op::aten_le_Tensor, compare<LessEqual, false>},
      {Op::aten_le_Scalar, compare<LessEqual, true>},
      {Op::aten_logical_and, logical<And>},
      {Op::aten_pow_Tensor_Scalar, pow_scalar},
      {Op::aten_copy, copy},
      {Op::aten_copy_, copy},
  };
  return kEntries;
}

}  // namespace pte::kernels
