// Elements put at places counted through the whole tensor, row by row.
#include "kernels/common/dense.h"
#include "kernels/index/places.h"

namespace pte::kernels {
namespace {

// The places, negative ones counted from the end.
Result<std::vector<int64_t>> places_in(const Call& call, const Tensor& index, int64_t count) {
  PTE_CHECK(check_index_type(call, index));
  PTE_TRY(const Tensor dense, dense_as<int64_t>(call, index));
  const int64_t* const from = dense.data_as<int64_t>();
  std::vector<int64_t> places(from, from + dense.numel());
  for (int64_t& place : places) {
    if (place < -count || place >= count) {
      return call.invalid("index {} is out of range for {} elements", place, count);
    }
    if (place < 0) place += count;
  }
  return places;
}

}  // namespace

Status put_flat(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& source = call.tensor(2);
  Tensor& out = call.out();
  if (source.dtype() != self.dtype()) {
    return call.invalid("values of type {} for a tensor of type {}", dtype_name(source.dtype()),
                        dtype_name(self.dtype()));
  }
  if (source.numel() != call.tensor(1).numel()) {
    return call.invalid("{} places for {} values", call.tensor(1).numel(), source.numel());
  }
  PTE_TRY(const std::vector<int64_t> places, places_in(call, call.tensor(1), self.numel()));
  PTE_TRY(const Tensor values, source.contiguous());
  PTE_CHECK(resize_out(call, out, self.sizes()));
  PTE_TRY(RawOut result, RawOut::make(call, out, self.dtype()));
  Tensor target =
      Tensor::view(self.dtype(), self.sizes(), contiguous_strides(self.sizes()), result.data(), {});
  PTE_CHECK(copy_elements(self, target));
  if (call.boolean(3)) {
    PTE_CHECK(check_real(call, self));
    const auto size = static_cast<int64_t>(size_of(self.dtype()));
    dispatch_compute(self.dtype(), [&]<typename C>(C) {
      using Wrap = std::conditional_t<std::is_integral_v<C>, uint64_t, C>;
      for (size_t i = 0; i < places.size(); ++i) {
        C sum{};
        C term{};
        std::byte* const place = result.data() + places[i] * size;
        load_run<C>(self.dtype(), place, 1, 1, &sum);
        load_run<C>(self.dtype(), values.data() + static_cast<int64_t>(i) * size, 1, 1, &term);
        sum = static_cast<C>(static_cast<Wrap>(sum) + static_cast<Wrap>(term));
        store_run<C>(self.dtype(), place, 1, 1, &sum);
      }
    });
    return result.commit(call);
  }
  const bool known = with_word(size_of(self.dtype()), [&]<typename W>(W) {
    W* const to = result.data_as<W>();
    const W* const from = values.data_as<W>();
    for (size_t i = 0; i < places.size(); ++i) to[places[i]] = from[i];
  });
  if (!known) return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  return result.commit(call);
}

}  // namespace pte::kernels
