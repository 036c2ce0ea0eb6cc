#include "simd/arithmetic.h"

#include "simd/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/arithmetic.cc"
#include <hwy/foreach_target.h>
// The line above includes this file again for each target, so it stays before the next ones.
#include <hwy/highway.h>

#include "simd/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using D1 = hn::CappedTag<float, 1>;

// Calls step(tag, i) for whole vectors, then for single elements.
template <typename Step>
inline void walk(int64_t count, const Step& step) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) step(d, i);
  const D1 one;
  for (; i < count; ++i) step(one, i);
}

template <typename Fn>
inline void pairs(const float* x, bool x_one, const float* y, bool y_one, float* out, int64_t count,
                  const Fn& fn) {
  if (count <= 0) return;
  const float first_x = x[0];
  const float first_y = y[0];
  if (x_one) {
    walk(count, [&](auto d, int64_t i) {
      hn::StoreU(fn(d, hn::Set(d, first_x), y_one ? hn::Set(d, first_y) : hn::LoadU(d, y + i)), d,
                 out + i);
    });
  } else if (y_one) {
    walk(count, [&](auto d, int64_t i) {
      hn::StoreU(fn(d, hn::LoadU(d, x + i), hn::Set(d, first_y)), d, out + i);
    });
  } else {
    walk(count, [&](auto d, int64_t i) {
      hn::StoreU(fn(d, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, out + i);
    });
  }
}

void binary(Binary op, const float* x, bool x_one, const float* y, bool y_one, float* out,
            int64_t count) {
  const auto run = [&](const auto& fn) { pairs(x, x_one, y, y_one, out, count, fn); };
  switch (op) {
    case Binary::kAdd:
      return run([](auto, auto a, auto b) { return hn::Add(a, b); });
    case Binary::kSub:
      return run([](auto, auto a, auto b) { return hn::Sub(a, b); });
    case Binary::kMul:
      return run([](auto, auto a, auto b) { return hn::Mul(a, b); });
    case Binary::kDiv:
      return run([](auto, auto a, auto b) { return hn::Div(a, b); });
    // A sum with NaN is NaN, whichever operand it was.
    case Binary::kMax:
      return run([](auto, auto a, auto b) {
        return hn::IfThenElse(hn::And(hn::Eq(a, a), hn::Eq(b, b)), hn::Max(a, b), hn::Add(a, b));
      });
    case Binary::kMin:
      return run([](auto, auto a, auto b) {
        return hn::IfThenElse(hn::And(hn::Eq(a, a), hn::Eq(b, b)), hn::Min(a, b), hn::Add(a, b));
      });
  }
}

void unary(Unary op, float parameter, const float* in, float* out, int64_t count) {
  const auto run = [&](const auto& fn) {
    walk(count, [&](auto d, int64_t i) { hn::StoreU(fn(d, hn::LoadU(d, in + i)), d, out + i); });
  };
  switch (op) {
    case Unary::kNegate:
      return run([](auto, auto v) { return hn::Neg(v); });
    case Unary::kAbs:
      return run([](auto, auto v) { return hn::Abs(v); });
    case Unary::kSqrt:
      return run([](auto, auto v) { return hn::Sqrt(v); });
    case Unary::kRsqrt:
      return run([](auto d, auto v) { return hn::Div(hn::Set(d, 1.0f), hn::Sqrt(v)); });
    case Unary::kReciprocal:
      return run([](auto d, auto v) { return hn::Div(hn::Set(d, 1.0f), v); });
    case Unary::kSquare:
      return run([](auto, auto v) { return hn::Mul(v, v); });
    case Unary::kFloor:
      return run([](auto, auto v) { return hn::Floor(v); });
    case Unary::kCeil:
      return run([](auto, auto v) { return hn::Ceil(v); });
    case Unary::kLeaky:
      return run([parameter](auto d, auto v) {
        return hn::IfThenElse(hn::Gt(v, hn::Zero(d)), v, hn::Mul(v, hn::Set(d, parameter)));
      });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

HWY_EXPORT(binary);
HWY_EXPORT(unary);

void binary(Binary op, const float* x, bool x_one, const float* y, bool y_one, float* out,
            int64_t count, Isa isa) {
  PTE_SIMD_PICK(binary, isa)(op, x, x_one, y, y_one, out, count);
}

void unary(Unary op, float parameter, const float* in, float* out, int64_t count, Isa isa) {
  PTE_SIMD_PICK(unary, isa)(op, parameter, in, out, count);
}

std::string_view binary_name(Binary op) {
  static constexpr std::string_view kNames[] = {"add", "sub", "mul", "div", "max", "min"};
  return kNames[static_cast<size_t>(op)];
}

std::string_view unary_name(Unary op) {
  static constexpr std::string_view kNames[] = {
      "negate", "abs", "sqrt", "rsqrt", "reciprocal", "square", "floor", "ceil", "leaky relu"};
  return kNames[static_cast<size_t>(op)];
}

}  // namespace pte::simd
#endif
