// Running sums, products and extremes along one dimension. Floating sums run in double.
#include <cmath>
#include <limits>

#include "kernels/common/lines.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

// Prepares a result of the operand's sizes; gives the dimension, that of a rank-1 tensor for rank
// 0.
Result<size_t> prepare(Call& call, DType result) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), self.rank()));
  PTE_CHECK(check_out_type(call, result, call.out()));
  PTE_CHECK(resize_out(call, call.out(), self.sizes()));
  return static_cast<size_t>(dim);
}

// The type that sums and products have: the one asked for, else int64 for integers and bool.
Result<DType> folded_type(const Call& call) {
  const DType own = call.tensor(0).dtype();
  const auto code = call.optional_integer(2);
  if (!code) return is_floating(own) ? own : DType::kInt64;
  const auto dtype = dtype_from_code(*code);
  if (!dtype) return call.invalid("{} is no element type", *code);
  return *dtype;
}

template <bool kProduct>
Status running(Call& call) {
  PTE_TRY(const DType result, folded_type(call));
  PTE_TRY(const size_t dim, prepare(call, result));
  dispatch_compute(result, [&]<typename C>(C) {
    using Total = std::conditional_t<std::is_integral_v<C>, uint64_t, double>;
    for_each_line<C>(call, at_least_1d(call.tensor(0)), dim, result, at_least_1d(call.out()),
                     result, nullptr,
                     [](const std::vector<C>& line, std::vector<C>& values, auto&) {
                       Total total = kProduct ? 1 : 0;
                       for (size_t i = 0; i < line.size(); ++i) {
                         const Total x = static_cast<Total>(line[i]);
                         total = kProduct ? total * x : total + x;
                         values[i] = static_cast<C>(total);
                       }
                     });
  });
  return {};
}

// NaN, once met, stays; among equals the last one counts.
template <bool kMaximum>
Status running_extreme(Call& call) {
  const DType type = call.tensor(0).dtype();
  PTE_TRY(const size_t dim, prepare(call, type));
  PTE_CHECK(check_out_type(call, DType::kInt64, call.out(1)));
  PTE_CHECK(resize_out(call, call.out(1), call.tensor(0).sizes()));
  Tensor places = at_least_1d(call.out(1));
  dispatch_compute(type, [&]<typename C>(C) {
    for_each_line<C>(
        call, at_least_1d(call.tensor(0)), dim, type, at_least_1d(call.out()), type, &places,
        [](const std::vector<C>& line, std::vector<C>& values, std::vector<int64_t>& at) {
          C best{};
          int64_t place = -1;
          for (size_t i = 0; i < line.size(); ++i) {
            const C x = line[i];
            if (place < 0 || x != x || (best == best && (kMaximum ? x >= best : x <= best))) {
              best = x;
              place = static_cast<int64_t>(i);
            }
            values[i] = best;
            at[i] = place;
          }
        });
  });
  return {};
}

Status running_log_sum(Call& call) {
  const DType type = call.tensor(0).dtype();
  if (!is_floating(type)) return call.not_supported("operands of type {}", dtype_name(type));
  PTE_TRY(const size_t dim, prepare(call, type));
  dispatch_floating(type, [&]<typename C>(C) {
    for_each_line<C>(call, at_least_1d(call.tensor(0)), dim, type, at_least_1d(call.out()), type,
                     nullptr, [](const std::vector<C>& line, std::vector<C>& values, auto&) {
                       double total = -std::numeric_limits<double>::infinity();
                       for (size_t i = 0; i < line.size(); ++i) {
                         const auto x = static_cast<double>(line[i]);
                         const double high = x > total || x != x ? x : total;
                         const double low = x > total || x != x ? total : x;
                         // Equal infinities have no difference.
                         total = low == high && !std::isfinite(low)
                                     ? low
                                     : std::log1p(std::exp(low - high)) + high;
                         values[i] = static_cast<C>(total);
                       }
                     });
    return 0;
  });
  return {};
}

}  // namespace

std::span<const Entry> scan_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_cumsum, running<false>},        {Op::aten_cumprod, running<true>},
      {Op::aten_cummax, running_extreme<true>}, {Op::aten_cummin, running_extreme<false>},
      {Op::aten_logcumsumexp, running_log_sum},
  };
  return kEntries;
}

}  // namespace pte::kernels
