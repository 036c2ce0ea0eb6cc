// What a kernel does to each result before it stores it, so that no other pass over memory is
// needed: bias, activation, residual.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace pte::simd {

// kClamp is min(max(x, lo), hi), NaN kept: relu is lo = 0, relu6 is lo = 0 and hi = 6.
// kHardsigmoid is clamp(x + 3, 0, 6) / 6, kHardswish x times that. kGelu is the exact one (erf).
enum class Activation : uint8_t {
  kNone,
  kClamp,
  kSigmoid,
  kSilu,
  kHardsigmoid,
  kHardswish,
  kGelu,
  kGeluTanh,
  kTanh,
};
constexpr int kActivationCount = 9;

std::string_view activation_name(Activation activation);

// result = activation(sum + bias [+ residual]) or activation(sum + bias) + residual.
struct Epilogue {
  const float* bias = nullptr;  // one for each output channel (column), or null
  Activation activation = Activation::kNone;
  float lo = -std::numeric_limits<float>::infinity();  // of kClamp
  float hi = std::numeric_limits<float>::infinity();
  // Rows as those of the output, `residual_stride` floats from one to the next, or null. It may be
  // the output itself.
  const float* residual = nullptr;
  int64_t residual_stride = 0;
  bool residual_after_activation = false;
};

}  // namespace pte::simd
