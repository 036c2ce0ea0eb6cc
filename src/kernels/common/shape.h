// Shape and type rules that operators share.
#pragma once

#include "kernels/kernel.h"

namespace pte::kernels {

// A dimension counted from the end when negative; rank 0 counts as rank 1.
Result<int64_t> wrap_dim(const Call& call, int64_t dim, size_t rank);
// Which dimensions a list names; none given, or an empty list, means all. Repeats are errors.
Result<std::vector<bool>> dim_mask(const Call& call, const std::vector<int64_t>* dims, size_t rank);

Result<Sizes> broadcast_sizes(const Call& call, const Sizes& a, const Sizes& b);
// Strides under which `tensor` reads as `sizes`, 0 where it repeats; the sizes must broadcast.
Strides broadcast_strides(const Tensor& tensor, const Sizes& sizes);

// Resizes a result; the error names the operator.
Status resize_out(const Call& call, Tensor& out, const Sizes& sizes);

// PyTorch's result type: tensors with dimensions decide, then rank-0 tensors, then numbers, each
// lower class only lifting the kind (bool, integer, floating) of the ones above.
class Promotion {
 public:
  Promotion& add(const Tensor& tensor);
  Promotion& add(const Scalar& scalar);
  // Fails where PyTorch has no common type.
  Result<DType> result(const Call& call) const;

 private:
  static void merge(std::optional<DType>& slot, DType dtype, bool& failed);
  std::optional<DType> tensors_;
  std::optional<DType> scalars_;
  std::optional<DType> numbers_;
  bool failed_ = false;
};

// Whether results of type `from` may be written to a result of type `to`: never floating to
// integer, nor anything but bool to bool.
bool can_cast(DType from, DType to);
Status check_out_type(const Call& call, DType result, const Tensor& out);
// Refuses element types that the shared loops cannot read, naming them.
Status check_real(const Call& call, const Tensor& tensor);

}  // namespace pte::kernels
