// Rows looked up in tables, distances between rows, and the three-operand product.
#pragma once

#include "kernels/common/dense.h"
#include "kernels/families.h"

namespace pte::kernels {

// Fails unless argument `arg` holds int32 or int64.
Status check_indices(const Call& call, size_t arg);
// Its elements, contiguous, each at least 0 and below `rows`.
Result<Tensor> places_of(const Call& call, size_t arg, int64_t rows);

Status embedding(Call& call);
Status embedding_bag(Call& call);
Status embedding_renorm(Call& call);

}  // namespace pte::kernels
