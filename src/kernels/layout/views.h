// Views that several kernels of this family read from or write into.
#pragma once

#include <optional>

#include "kernels/common/map.h"

namespace pte::kernels {

// Writes a strided view of the operand as the result.
Status copy_view(Call& call, const Tensor& view, Tensor& out);

// `count` elements from `start` in steps of `step` along one dimension.
Tensor slice_of(const Tensor& self, size_t dim, int64_t start, int64_t count, int64_t step);

// self.select(dim, index): one place of a dimension, which goes away.
Result<Tensor> select_view(const Call& call, const Tensor& self, int64_t dim, int64_t index);
// self[start:end:step] along `dim`, counted and clamped as Python does.
Result<Tensor> slice_view(const Call& call, const Tensor& self, int64_t dim,
                          std::optional<int64_t> start, std::optional<int64_t> end, int64_t step);
// self.diagonal(offset, dim1, dim2): the diagonal becomes the last dimension.
Result<Tensor> diagonal_view(const Call& call, const Tensor& self, int64_t offset, int64_t dim1,
                             int64_t dim2);

}  // namespace pte::kernels
