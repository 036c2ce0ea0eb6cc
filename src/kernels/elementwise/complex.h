// Arithmetic of complex tensors: the few operators that programs use it in.
#pragma once

#include "kernels/kernel.h"

namespace pte::kernels {

enum class ComplexOp { kAdd, kSub, kReverseSub, kMul, kDiv };

// Whether an operand among the first two arguments is a complex tensor.
bool is_complex_call(const Call& call, bool other_is_scalar);
// self (op) other; sums take argument 2 as the factor of `other` (of self, when reversed).
Status complex_arithmetic(Call& call, ComplexOp op, bool other_is_scalar);
// The magnitude, in the type of the parts.
Status complex_abs(Call& call);

}  // namespace pte::kernels
