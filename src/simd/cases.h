// The shapes that the kernels are measured on and tested with: those of the models that people run,
// and awkward ones. One list drives simd_test, simd_fuzz and simd_bench.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "simd/conv2d.h"
#include "simd/conv_transpose2d.h"
#include "simd/epilogue.h"

namespace pte::simd {

struct GemmCase {
  std::string_view name;
  int64_t m, n, k;
  Activation activation = Activation::kNone;
};

struct ConvCase {
  std::string_view name;
  Conv2dShape shape;
  Activation activation = Activation::kNone;
};

// From models, at batch 1.
std::span<const GemmCase> model_gemms();
std::span<const ConvCase> model_convs();

}  // namespace pte::simd
