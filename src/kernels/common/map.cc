#include "kernels/common/map.h"

namespace pte::kernels {

Status copy_converting(const Call& call, const Tensor& from, Tensor& to) {
  if (from.dtype() == to.dtype()) {
    if (from.data() == to.data() && from.strides() == to.strides()) return {};
    return copy_elements(from, to).at(call.op().full_name());
  }
  PTE_CHECK(check_real(call, from));
  PTE_CHECK(check_real(call, to));
  const std::array in{Operand::of(from, to.sizes(), from.dtype())};
  dispatch_compute(from.dtype(), [&]<typename C>(C) {
    map_elements<C>(call, in, to, to.dtype(), [](C x) { return x; });
  });
  return {};
}

Status fill_with(const Call& call, Tensor& out, const Scalar& value) {
  PTE_CHECK(check_real(call, out));
  dispatch_compute(out.dtype(), [&]<typename C>(C) {
    const C constant = scalar_as<C>(value);
    map_elements<C>(call, std::array<Operand, 0>{}, out, out.dtype(), [constant] { return constant; });
  });
  return {};
}

}  // namespace pte::kernels
