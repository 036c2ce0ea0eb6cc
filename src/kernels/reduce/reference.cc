// Reductions. Floating sums run in double.
#include "kernels/reduce/reduce.h"

#include <limits>

#include "kernels/families.h"

namespace pte::kernels {
namespace {

template <typename C>
struct SumState {
  using Sum = std::conditional_t<std::is_integral_v<C>, uint64_t, double>;
  Sum sum = 0;
  double divisor = 1;  // the element count for a mean
  void add(const C* values, int64_t n) {
    Sum part = 0;
    for (int64_t i = 0; i < n; ++i) part += static_cast<Sum>(values[i]);
    sum += part;
  }
  C finish() const {
    if constexpr (std::is_integral_v<C>)
      return static_cast<C>(sum);
    else
      return static_cast<C>(sum / divisor);
  }
};

template <typename C, bool kMaximum>
struct ExtremeState {
  C best{};
  bool any = false;
  void add(const C* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const C x = values[i];
      // NaN, once met, stays: it compares false with everything.
      if (!any || (kMaximum ? x > best : x < best) || x != x) best = x;
      any = true;
      if (best != best) return;
    }
  }
  C finish() const { return best; }
};

// The place of the first largest (smallest) element; NaN counts as the most extreme.
template <typename C, bool kMaximum>
struct ArgState {
  C best{};
  int64_t place = -1;
  int64_t position = 0;
  void add(const C* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i, ++position) {
      const C x = values[i];
      const bool better =
          place < 0 || (best == best && (x != x || (kMaximum ? x > best : x < best)));
      if (better) {
        best = x;
        place = position;
      }
    }
  }
  int64_t finish() const { return place; }
};

template <typename C>
struct ProductState {
  using Product = std::conditional_t<std::is_integral_v<C>, uint64_t, double>;
  Product product = 1;
  void add(const C* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) product *= static_cast<Product>(values[i]);
  }
  C finish() const { return static_cast<C>(product); }
};

// Welford's running mean and sum of squared differences from it.
template <typename C, bool kMean>
struct SpreadState {
  double correction = 1;
  double mean = 0;
  double squares = 0;
  double count = 0;
  void add(const C* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const auto x = static_cast<double>(values[i]);
      const double difference = x - mean;
      count += 1;
      mean += difference / count;
      squares += difference * (x - mean);
    }
  }
  C finish() const {
    if (count == 0) return std::numeric_limits<C>::quiet_NaN();
    if (kMean) return static_cast<C>(mean);
    // Without degrees of freedom, a division by 0: infinite, or NaN for elements that are equal.
    return static_cast<C>(squares / std::max(count - correction, 0.0));
  }
};

struct AnyState {
  bool found = false;
  void add(const bool* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) found = found || values[i];
  }
  bool finish() const { return found; }
};

Result<std::optional<DType>> dtype_argument(const Call& call, size_t arg) {
  const auto code = call.optional_integer(arg);
  if (!code) return std::optional<DType>{};
  const auto dtype = dtype_from_code(*code);
  if (!dtype) return call.invalid("{} is no element type", *code);
  return dtype;
}

template <bool kMean>
Status sum_over(Call& call, const std::vector<int64_t>* dims, bool keepdim,
                std::optional<DType> dtype) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, self));
  DType result = dtype.value_or(self.dtype());
  if (!dtype && !kMean && !is_floating(result)) result = DType::kInt64;
  if (kMean && !is_floating(result)) {
    return call.not_supported("a mean of type {}", dtype_name(result));
  }
  PTE_CHECK(check_out_type(call, result, out));
  PTE_TRY(const std::vector<bool> mask, dim_mask(call, dims, self.rank()));
  PTE_CHECK(resize_out(call, out, reduced_sizes(self, mask, keepdim)));
  dispatch_compute(result, [&]<typename C>(C) {
    SumState<C> state;
    if (kMean) state.divisor = static_cast<double>(reduced_count(self, mask));
    reduce_elements<C>(call, self, mask, keepdim, result, out, result, state);
  });
  return {};
}

Status mean(Call& call) {
  PTE_TRY(const auto dtype, dtype_argument(call, 1));
  return sum_over<true>(call, nullptr, false, dtype);
}
Status mean_dim(Call& call) {
  PTE_TRY(const auto dtype, dtype_argument(call, 3));
  return sum_over<true>(call, call.optional_ints(1), call.boolean(2), dtype);
}
Status sum_dim(Call& call) {
  PTE_TRY(const auto dtype, dtype_argument(call, 3));
  return sum_over<false>(call, call.optional_ints(1), call.boolean(2), dtype);
}

template <bool kMaximum>
Status extreme_over(Call& call, const std::vector<int64_t>* dims, bool keepdim, Tensor& out) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_TRY(const std::vector<bool> mask, dim_mask(call, dims, self.rank()));
  if (reduced_count(self, mask) == 0) {
    return call.invalid("{} has no element to choose from", self.describe());
  }
  PTE_CHECK(resize_out(call, out, reduced_sizes(self, mask, keepdim)));
  dispatch_compute(self.dtype(), [&]<typename C>(C) {
    reduce_elements<C>(call, self, mask, keepdim, self.dtype(), out, self.dtype(),
                       ExtremeState<C, kMaximum>{});
  });
  return {};
}

template <bool kMaximum>
Status extreme(Call& call) {
  return extreme_over<kMaximum>(call, &call.ints(1), call.boolean(2), call.out());
}
template <bool kMaximum>
Status extreme_all(Call& call) {
  return extreme_over<kMaximum>(call, nullptr, false, call.out());
}

template <bool kMaximum>
Status arg_extreme_over(Call& call, std::optional<int64_t> dim, bool keepdim, Tensor& out) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, DType::kInt64, out));
  std::vector<int64_t> dims;
  if (dim) dims.push_back(*dim);
  PTE_TRY(const std::vector<bool> mask, dim_mask(call, &dims, self.rank()));
  if (reduced_count(self, mask) == 0) {
    return call.invalid("{} has no element to choose from", self.describe());
  }
  PTE_CHECK(resize_out(call, out, reduced_sizes(self, mask, keepdim)));
  // Places count in row-major order.
  PTE_TRY(const Tensor dense, self.contiguous());
  dispatch_compute(self.dtype(), [&]<typename C>(C) {
    reduce_elements<C>(call, dense, mask, keepdim, self.dtype(), out, DType::kInt64,
                       ArgState<C, kMaximum>{});
  });
  return {};
}

template <bool kMaximum>
Status arg_extreme(Call& call) {
  return arg_extreme_over<kMaximum>(call, call.optional_integer(1), call.boolean(2), call.out());
}

// The values, and where along the dimension they are.
template <bool kMaximum>
Status extreme_dim(Call& call) {
  const std::vector<int64_t> dims{call.integer(1)};
  const bool keepdim = call.boolean(2);
  PTE_CHECK(extreme_over<kMaximum>(call, &dims, keepdim, call.out(0)));
  return arg_extreme_over<kMaximum>(call, dims[0], keepdim, call.out(1));
}

Status prod_over(Call& call, const std::vector<int64_t>* dims, bool keepdim,
                 std::optional<DType> dtype) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, self));
  const DType result = dtype.value_or(is_floating(self.dtype()) ? self.dtype() : DType::kInt64);
  PTE_CHECK(check_out_type(call, result, out));
  PTE_TRY(const std::vector<bool> mask, dim_mask(call, dims, self.rank()));
  PTE_CHECK(resize_out(call, out, reduced_sizes(self, mask, keepdim)));
  dispatch_compute(result, [&]<typename C>(C) {
    reduce_elements<C>(call, self, mask, keepdim, result, out, result, ProductState<C>{});
  });
  return {};
}
Status prod(Call& call) {
  PTE_TRY(const auto dtype, dtype_argument(call, 1));
  return prod_over(call, nullptr, false, dtype);
}
Status prod_dim(Call& call) {
  PTE_TRY(const auto dtype, dtype_argument(call, 3));
  const std::vector<int64_t> dims{call.integer(1)};
  return prod_over(call, &dims, call.boolean(2), dtype);
}

template <bool kMean>
Status spread_over(Call& call, double correction, bool keepdim, Tensor& out) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  if (!is_floating(self.dtype())) {
    return call.not_supported("a variance of type {}", dtype_name(self.dtype()));
  }
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_TRY(const std::vector<bool> mask, dim_mask(call, call.optional_ints(1), self.rank()));
  PTE_CHECK(resize_out(call, out, reduced_sizes(self, mask, keepdim)));
  dispatch_floating(self.dtype(), [&]<typename C>(C) {
    SpreadState<C, kMean> state;
    state.correction = correction;
    reduce_elements<C>(call, self, mask, keepdim, self.dtype(), out, self.dtype(), state);
  });
  return {};
}
double correction_argument(const Call& call) {
  const auto correction = call.optional_scalar(2);
  return correction ? correction->as_double() : 1;
}
Status var_correction(Call& call) {
  return spread_over<false>(call, correction_argument(call), call.boolean(3), call.out());
}
Status var_mean_correction(Call& call) {
  const bool keepdim = call.boolean(3);
  PTE_CHECK(spread_over<false>(call, correction_argument(call), keepdim, call.out(0)));
  return spread_over<true>(call, 0, keepdim, call.out(1));
}
Status var_dim(Call& call) {
  return spread_over<false>(call, call.boolean(2) ? 1 : 0, call.boolean(3), call.out());
}

Status any_over(Call& call, const std::vector<bool>& mask, bool keepdim) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, DType::kBool, out));
  PTE_CHECK(resize_out(call, out, reduced_sizes(self, mask, keepdim)));
  reduce_elements<bool>(call, self, mask, keepdim, DType::kBool, out, DType::kBool, AnyState{});
  return {};
}
Status any(Call& call) {
  return any_over(call, std::vector<bool>(call.tensor(0).rank(), true), false);
}
Status any_dim(Call& call) {
  const std::vector<int64_t> dims{call.integer(1)};
  PTE_TRY(const std::vector<bool> mask, dim_mask(call, &dims, call.tensor(0).rank()));
  return any_over(call, mask, call.boolean(2));
}
// An empty list names no dimension here: each element by itself.
Status any_dims(Call& call) {
  const std::vector<int64_t>* dims = call.optional_ints(1);
  std::vector<bool> mask(call.tensor(0).rank(), false);
  if (dims == nullptr || !dims->empty()) {
    PTE_TRY(mask, dim_mask(call, dims, call.tensor(0).rank()));
  }
  return any_over(call, mask, call.boolean(2));
}

}  // namespace

std::span<const Entry> reduce_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_mean, mean},
      {Op::aten_mean_dim, mean_dim},
      {Op::aten_sum_dim_IntList, sum_dim},
      {Op::aten_amax, extreme<true>},
      {Op::aten_amin, extreme<false>},
      {Op::aten_argmax, arg_extreme<true>},
      {Op::aten_argmin, arg_extreme<false>},
      {Op::aten_max, extreme_all<true>},
      {Op::aten_min, extreme_all<false>},
      {Op::aten_max_dim, extreme_dim<true>},
      {Op::aten_min_dim, extreme_dim<false>},
      {Op::aten_prod, prod},
      {Op::aten_prod_dim_int, prod_dim},
      {Op::aten_var_correction, var_correction},
      {Op::aten_var_mean_correction, var_mean_correction},
      {Op::aten_var_dim, var_dim},
      {Op::aten_any, any},
      {Op::aten_any_dim, any_dim},
      {Op::aten_any_dims, any_dims},
      {Op::aten_segment_reduce, segment_reduce},
  };
  return kEntries;
}

}  // namespace pte::kernels
