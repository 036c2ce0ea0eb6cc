// Kernels that make a tensor from numbers. The result's own element type decides.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "kernels/common/map.h"
#include "kernels/factory/windows.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

Status check_sizes(const Call& call, const Sizes& sizes) {
  for (const int64_t size : sizes) {
    if (size < 0) return call.invalid("size [{}] has a negative number", fmt::join(sizes, ","));
  }
  return {};
}

Status fill(Call& call, const Sizes& sizes, const Scalar& value) {
  Tensor& out = call.out();
  PTE_CHECK(check_sizes(call, sizes));
  PTE_CHECK(check_real(call, out));
  PTE_CHECK(resize_out(call, out, sizes));
  return fill_with(call, out, value);
}

Status full(Call& call) { return fill(call, call.ints(0), call.scalar(1)); }
Status scalar_tensor(Call& call) { return fill(call, {}, call.scalar(0)); }

Status arange_between(Call& call, Scalar start, Scalar end, Scalar step) {
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, out));
  if (out.dtype() == DType::kInt64) {
    // PyTorch counts in int64 then, and in double for every other type.
    for (Scalar* bound : {&start, &end, &step})
      *bound = {Scalar::Kind::kInt, scalar_as<int64_t>(*bound), 0};
  }
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

Status arange(Call& call) {
  return arange_between(call, call.scalar(0), call.scalar(1), call.scalar(2));
}

Status arange_to(Call& call) {
  return arange_between(call, Scalar{}, call.scalar(0), Scalar{Scalar::Kind::kInt, 1, 0});
}

template <int kValue>
Status constant(Call& call) {
  return fill(call, call.ints(0), Scalar{Scalar::Kind::kInt, kValue, 0});
}

// Memory whose content no program may rely on. It is zero here, so that every run is alike.
Status empty(Call& call) {
  const Sizes& sizes = call.ints(0);
  PTE_CHECK(check_sizes(call, sizes));
  Tensor& out = call.out();
  PTE_CHECK(resize_out(call, out, sizes));
  std::fill_n(out.mutable_data(), out.nbytes(), std::byte{0});
  return {};
}

// Rows and columns of a triangle of a matrix, as two rows of the result. Lower: the elements with
// column <= row + offset; upper: column >= row + offset.
template <bool kLower>
Status triangle_indices(Call& call) {
  const int64_t rows = call.integer(0);
  const int64_t columns = call.integer(1);
  const int64_t offset = call.integer(2);
  if (rows < 0 || columns < 0) return call.invalid("a matrix of {} x {}", rows, columns);
  // The first and the last column that row `row` has in the triangle, exclusive.
  const auto begin_of = [&](int64_t row) {
    const auto bound = checked_add(row, offset);
    if (kLower) return int64_t{0};
    return bound ? std::clamp<int64_t>(*bound, 0, columns) : (offset < 0 ? 0 : columns);
  };
  const auto end_of = [&](int64_t row) {
    if (!kLower) return columns;
    const auto bound = checked_add(row, offset);
    if (!bound || *bound == INT64_MAX) return offset < 0 ? 0 : columns;
    return std::clamp<int64_t>(*bound + 1, 0, columns);
  };
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, out));
  // Rows with nothing in them are skipped at once, so that time is bounded by the result.
  const auto room = static_cast<int64_t>(out.capacity_bytes() / size_of(out.dtype()));
  int64_t first = 0;
  int64_t last = rows;
  if (kLower && offset < 0) first = offset <= -rows ? rows : -offset;
  if (!kLower && offset < columns) last = offset <= columns - rows ? rows : columns - offset;
  if (!kLower && offset >= columns) last = 0;
  if (columns == 0) last = first;
  int64_t count = 0;
  for (int64_t row = first; row < last; ++row) {
    count += std::max<int64_t>(end_of(row) - begin_of(row), 0);
    if (count > room) return call.invalid("the result has no room for the indices");
  }
  PTE_CHECK(resize_out(call, out, {2, count}));
  PTE_TRY(Tensor indices, Tensor::zeros(DType::kInt64, {2, count}));
  int64_t* to = indices.mutable_data_as<int64_t>();
  for (int64_t row = first; row < last; ++row) {
    for (int64_t column = begin_of(row); column < end_of(row); ++column, ++to) {
      to[0] = row;
      to[count] = column;
    }
  }
  return copy_converting(call, indices, out);
}

}  // namespace

std::span<const Entry> factory_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_full, full},
      {Op::aten_scalar_tensor, scalar_tensor},
      {Op::aten_arange_start_step, arange},
      {Op::aten_arange, arange_to},
      {Op::aten_ones, constant<1>},
      {Op::aten_zeros, constant<0>},
      {Op::aten_empty_memory_format, empty},
      {Op::aten_empty_permuted, empty},
      {Op::dim_order_empty_dim_order, empty},
      {Op::aten_tril_indices, triangle_indices<true>},
      {Op::aten_triu_indices, triangle_indices<false>},
      {Op::aten_hamming_window, hamming_window},
      {Op::aten_hamming_window_periodic, hamming_window},
      {Op::aten_hamming_window_periodic_alpha, hamming_window},
      {Op::aten_hamming_window_periodic_alpha_beta, hamming_window},
      {Op::aten_hann_window, hann_window},
      {Op::aten_hann_window_periodic, hann_window},
      {Op::aten_blackman_window, blackman_window},
      {Op::aten_blackman_window_periodic, blackman_window},
      {Op::aten_bartlett_window, bartlett_window},
      {Op::aten_bartlett_window_periodic, bartlett_window},
      {Op::aten_kaiser_window, kaiser_window},
      {Op::aten_kaiser_window_periodic, kaiser_window},
      {Op::aten_kaiser_window_beta, kaiser_window},
  };
  return kEntries;
}

}  // namespace pte::kernels
