// Kernels that make a tensor from numbers. The result's own element type decides.
#include <fmt/ranges.h>

#include <cmath>

#include "kernels/common/map.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

Status fill(Call& call, const Sizes& sizes, const Scalar& value) {
  Tensor& out = call.out();
  for (const int64_t size : sizes) {
    if (size < 0) return call.invalid("size [{}] has a negative number", fmt::join(sizes, ","));
  }
  PTE_CHECK(check_real(call, out));
  PTE_CHECK(resize_out(call, out, sizes));
  return fill_with(call, out, value);
}

Status full(Call& call) { return fill(call, call.ints(0), call.scalar(1)); }
Status scalar_tensor(Call& call) { return fill(call, {}, call.scalar(0)); }

Status arange(Call& call) {
  const Scalar start = call.scalar(0);
  const Scalar end = call.scalar(1);
  const Scalar step = call.scalar(2);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, out));
  double span = end.as_double() - start.as_double();
  int64_t integer_span = 0;
  const bool integers = start.kind != Scalar::Kind::kFloat && end.kind != Scalar::Kind::kFloat;
  // Large integers differ exactly only as integers.
  if (integers && !__builtin_sub_overflow(end.integer, start.integer, &integer_span)) {
    span = static_cast<double>(integer_span);
  }
  if (step.as_double() == 0) return call.invalid("step is zero");
  if (!std::isfinite(span) || !std::isfinite(step.as_double())) {
    return call.invalid("the range from {} to {} is not finite", start.as_double(),
                        end.as_double());
  }
  if (span != 0 && (span > 0) != (step.as_double() > 0)) {
    return call.invalid("step {} leads away from {}", step.as_double(), end.as_double());
  }
  const double wanted = std::ceil(span / step.as_double());
  if (wanted > 0x1p53) return call.invalid("it would have {} elements", wanted);
  const int64_t count = static_cast<int64_t>(wanted);
  PTE_CHECK(resize_out(call, out, {count}));
  constexpr int64_t kChunk = 256;
  const auto write_each = [&](auto element) {
    using C = decltype(element(int64_t{0}));
    C values[kChunk];
    const int64_t stride = out.strides()[0];
    for (int64_t at = 0; at < count; at += kChunk) {
      const int64_t n = std::min(kChunk, count - at);
      for (int64_t i = 0; i < n; ++i) values[i] = element(at + i);
      store_run<C>(out.dtype(),
                   out.mutable_data() + at * stride * static_cast<int64_t>(size_of(out.dtype())),
                   stride, n, values);
    }
  };
  if (is_floating(out.dtype())) {
    write_each(
        [&](int64_t i) { return start.as_double() + static_cast<double>(i) * step.as_double(); });
  } else {
    write_each([&](int64_t i) {
      return static_cast<int64_t>(static_cast<uint64_t>(start.as_int()) +
                                  static_cast<uint64_t>(i) * static_cast<uint64_t>(step.as_int()));
    });
  }
  return {};
}

}  // namespace

std::span<const Entry> factory_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_full, full},
      {Op::aten_scalar_tensor, scalar_tensor},
      {Op::aten_arange_start_step, arange},
  };
  return kEntries;
}

}  // namespace pte::kernels
