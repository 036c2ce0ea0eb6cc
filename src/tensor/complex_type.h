// Complex element types and the types of their parts.
#pragma once

#include "tensor/dtype.h"

namespace pte {

// The type of each part of a complex type, float32 for complex64; others are themselves.
constexpr DType real_part(DType dtype) {
  switch (dtype) {
    case DType::kComplex32:
      return DType::kFloat16;
    case DType::kComplex64:
      return DType::kFloat32;
    case DType::kComplex128:
      return DType::kFloat64;
    default:
      return dtype;
  }
}

}  // namespace pte
