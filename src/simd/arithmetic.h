// Arithmetic over arrays in fp32, for what no kernel could take in: sums, products, roots.
#pragma once

#include <cstdint>
#include <string_view>

#include "simd/isa.h"

namespace pte::simd {

// kMax and kMin give NaN where an operand is NaN.
enum class Binary : uint8_t { kAdd, kSub, kMul, kDiv, kMax, kMin };
std::string_view binary_name(Binary op);

// kLeaky is x where x > 0, else parameter * x.
enum class Unary : uint8_t {
  kNegate,
  kAbs,
  kSqrt,
  kRsqrt,
  kReciprocal,
  kSquare,
  kFloor,
  kCeil,
  kLeaky,
};
std::string_view unary_name(Unary op);

// out[i] = x[i] op y[i], or x[0] where `x_one`, y[0] where `y_one`. `out` may be an operand.
void binary(Binary op, const float* x, bool x_one, const float* y, bool y_one, float* out,
            int64_t count, Isa isa = best_isa());

// out[i] = op(in[i]); `in` may be `out`. Roots and quotients are rounded correctly.
void unary(Unary op, float parameter, const float* in, float* out, int64_t count,
           Isa isa = best_isa());

}  // namespace pte::simd
