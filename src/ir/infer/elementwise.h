// What the files of elementwise inference share.
#pragma once

#include "ir/infer/common.h"
#include "tensor/complex_type.h"

namespace pte::ir {

// Argument `arg` with another dtype.
InferResult like(const InferContext& c, size_t arg, DType dtype);
// How a result of `sizes` lies: as the first operand that large does.
DimOrder elementwise_order(std::initializer_list<const TensorType*> operands,
                           const SymSizes& sizes);
// Promoted and broadcast.
Result<TensorType> binary_type(const InferContext& c, size_t first, size_t second);

}  // namespace pte::ir
