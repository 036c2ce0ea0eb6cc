// Contiguous operands and results in the type a kernel computes in, for kernels that index.
#pragma once

#include "kernels/common/map.h"

namespace pte::kernels {

// The tensor itself when it is contiguous and of type C already, else a converted copy.
template <typename C>
Result<Tensor> dense_as(const Call& call, const Tensor& tensor) {
  if (tensor.dtype() == dtype_of<C>()) return tensor.contiguous().at(call.op().full_name());
  PTE_CHECK(check_real(call, tensor));
  PTE_TRY(Tensor copy, Tensor::zeros(dtype_of<C>(), tensor.sizes()));
  PTE_CHECK(copy_converting(call, tensor, copy));
  return copy;
}

// Where to compute a result that has its sizes already: the result's own memory when it is
// contiguous and of type C, else a buffer that commit() converts into it.
template <typename C>
class DenseOut {
 public:
  static Result<DenseOut> make(const Call& call, Tensor& out) {
    PTE_CHECK(check_real(call, out));
    DenseOut dense(out);
    if (!dense.in_place()) {
      PTE_TRY(dense.buffer_, Tensor::zeros(dtype_of<C>(), out.sizes()));
    }
    return dense;
  }

  C* data() { return (in_place() ? *out_ : buffer_).template mutable_data_as<C>(); }
  Status commit(const Call& call) {
    return in_place() ? Status{} : copy_converting(call, buffer_, *out_);
  }

 private:
  explicit DenseOut(Tensor& out) : out_(&out) {}
  bool in_place() const { return out_->dtype() == dtype_of<C>() && out_->is_contiguous(); }

  Tensor* out_;
  Tensor buffer_;
};

}  // namespace pte::kernels
