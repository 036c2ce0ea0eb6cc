// Numbers by chance. Element i of the n-th such call of a session is drawn from Philox with the
// session's seed as key and (i, n) as counter: runs repeat, calls differ, threads change nothing.
//
// PyTorch promises a distribution, not numbers, and so do these.
#include <fmt/ranges.h>

#include "kernels/families.h"
#include "kernels/random/distributions.h"

namespace pte::kernels {
namespace {

Status check_sizes(const Call& call, const Sizes& sizes) {
  for (const int64_t size : sizes) {
    if (size < 0) return call.invalid("size [{}] has a negative number", fmt::join(sizes, ","));
  }
  return {};
}

template <bool kNormal>
Status draw_floats(Call& call, const Sizes& sizes) {
  Tensor& out = call.out();
  PTE_CHECK(check_sizes(call, sizes));
  if (!is_floating(out.dtype())) {
    return call.not_supported("a result of type {}", dtype_name(out.dtype()));
  }
  PTE_CHECK(check_real(call, out));
  PTE_CHECK(resize_out(call, out, sizes));
  const Stream stream(call.next_stream());
  const int digits = digits_of(out.dtype());
  return draw_each<double>(
      call, out, [&](int64_t i) { return kNormal ? stream.normal(i) : stream.uniform(i, digits); });
}

Status rand(Call& call) { return draw_floats<false>(call, call.ints(0)); }
Status randn(Call& call) { return draw_floats<true>(call, call.ints(0)); }
Status rand_like(Call& call) { return draw_floats<false>(call, call.tensor(0).sizes()); }
Status randn_like(Call& call) { return draw_floats<true>(call, call.tensor(0).sizes()); }

Status randint(Call& call) {
  const int64_t low = call.integer(0);
  const int64_t high = call.integer(1);
  const Sizes& sizes = call.ints(2);
  Tensor& out = call.out();
  PTE_CHECK(check_sizes(call, sizes));
  if (low >= high) return call.invalid("low {} is not below high {}", low, high);
  PTE_CHECK(check_real(call, out));
  PTE_CHECK(resize_out(call, out, sizes));
  const Stream stream(call.next_stream());
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  return draw_each<int64_t>(call, out, [&](int64_t i) {
    return static_cast<int64_t>(static_cast<uint64_t>(low) + stream.below(i, range));
  });
}

// Fisher and Yates' shuffle.
Status randperm(Call& call) {
  const int64_t n = call.integer(0);
  Tensor& out = call.out();
  if (n < 0) return call.invalid("n is {}, expected 0 or more", n);
  PTE_CHECK(check_real(call, out));
  PTE_CHECK(resize_out(call, out, {n}));
  const Stream stream(call.next_stream());
  PTE_TRY(Tensor order, Tensor::zeros(DType::kInt64, {n}));
  int64_t* to = order.mutable_data_as<int64_t>();
  for (int64_t i = 0; i < n; ++i) {
    const auto j = static_cast<int64_t>(stream.below(i, static_cast<uint64_t>(i) + 1));
    to[i] = to[j];
    to[j] = i;
  }
  return copy_converting(call, order, out);
}

// Keeps elements with probability 1 - p, divided by it. Without `train` it trains, as in PyTorch.
Status native_dropout(Call& call) {
  const Tensor& self = call.tensor(0);
  const double p = call.real(1);
  const bool train = call.is_none(2) || call.boolean(2);
  Tensor& out = call.out(0);
  Tensor& mask = call.out(1);
  if (!(p >= 0 && p <= 1)) return call.invalid("p is {}, expected a number from 0 to 1", p);
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_CHECK(check_out_type(call, DType::kBool, mask));
  PTE_CHECK(resize_out(call, out, self.sizes()));
  PTE_CHECK(resize_out(call, mask, self.sizes()));
  if (!train) {
    PTE_CHECK(fill_with(call, mask, Scalar{Scalar::Kind::kBool, 1, 0}));
    return copy_converting(call, self, out);
  }
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  const Stream stream(call.next_stream());
  PTE_TRY(Tensor kept, Tensor::zeros(DType::kBool, self.sizes()));
  bool* to = kept.mutable_data_as<bool>();
  call.parallel_for(kept.numel(), 1 << 13, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = stream.uniform(i, 53) >= p;
  });
  PTE_CHECK(copy_converting(call, kept, mask));
  dispatch_floating(self.dtype(), [&]<typename C>(C) {
    const C scale = p == 1 ? C{0} : static_cast<C>(1 / (1 - p));
    const std::array in{Operand::of(self, self.sizes(), self.dtype()),
                        Operand::of(kept, self.sizes(), DType::kBool)};
    map_elements<C>(call, in, out, self.dtype(), [scale](C x, C k) { return x * (k * scale); });
  });
  return {};
}

}  // namespace

std::span<const Entry> random_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_rand, rand},
      {Op::aten_randn, randn},
      {Op::aten_rand_like, rand_like},
      {Op::aten_randn_like, randn_like},
      {Op::aten_randint_low, randint},
      {Op::aten_randperm, randperm},
      {Op::aten_native_dropout, native_dropout},
      {Op::aten_bernoulli, bernoulli},
      {Op::aten_exponential, exponential},
      {Op::aten_uniform, uniform},
      {Op::aten_normal_Tensor_float, normal_tensor_float},
      {Op::aten_normal_float_Tensor, normal_float_tensor},
      {Op::aten_normal_Tensor_Tensor, normal_tensor_tensor},
      {Op::aten_multinomial, multinomial},
  };
  return kEntries;
}

}  // namespace pte::kernels
