// Numbers of other distributions, made from the same stream. They compute in double.
#include "kernels/random/distributions.h"

#include <algorithm>
#include <atomic>
#include <numeric>

namespace pte::kernels {
namespace {

Status check_floating(const Call& call, const Tensor& tensor) {
  if (!is_floating(tensor.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(tensor.dtype()));
  }
  return check_real(call, tensor);
}

// Makes the result ready for numbers of type `dtype` and size `sizes`.
Status open_result(Call& call, DType dtype, const Sizes& sizes) {
  PTE_CHECK(check_real(call, call.out()));
  PTE_CHECK(check_out_type(call, dtype, call.out()));
  return resize_out(call, call.out(), sizes);
}

Result<Tensor> spread(const Call& call, const Tensor& tensor, const Sizes& sizes) {
  return dense_as<double>(call, tensor.with_layout(sizes, broadcast_strides(tensor, sizes)));
}

// mean[i] + deviation[i] * a normal number; both have the result's sizes.
template <typename Mean, typename Deviation>
Status draw_normal(Call& call, Mean mean, Deviation deviation) {
  const Stream stream(call.next_stream());
  return draw_each<double>(call, call.out(),
                           [&](int64_t i) { return mean(i) + deviation(i) * stream.normal(i); });
}

// No deviation may be negative; NaN is none.
Status check_deviations(const Call& call, const Tensor& dense) {
  const double* const values = dense.data_as<double>();
  const double* const end = values + dense.numel();
  if (std::find_if(values, end, [](double x) { return x < 0; }) == end) return {};
  return call.invalid("std has a negative element");
}

}  // namespace

// 1 with the probability that self's element is.
Status bernoulli(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_floating(call, self));
  PTE_CHECK(open_result(call, self.dtype(), self.sizes()));
  PTE_TRY(const Tensor dense, dense_as<double>(call, self));
  const double* const p = dense.data_as<double>();
  for (int64_t i = 0; i < dense.numel(); ++i) {
    if (!(p[i] >= 0 && p[i] <= 1)) return call.invalid("{} is no probability", p[i]);
  }
  const Stream stream(call.next_stream());
  return draw_each<double>(call, call.out(),
                           [&](int64_t i) { return stream.uniform(i, 53) < p[i] ? 1.0 : 0.0; });
}

Status exponential(Call& call) {
  const Tensor& self = call.tensor(0);
  const double rate = call.real(1);
  PTE_CHECK(check_floating(call, self));
  if (!(rate > 0)) return call.invalid("lambd is {}, expected a number above 0", rate);
  PTE_CHECK(open_result(call, self.dtype(), self.sizes()));
  const Stream stream(call.next_stream());
  return draw_each<double>(call, call.out(),
                           [&](int64_t i) { return -std::log1p(-stream.uniform(i, 53)) / rate; });
}

// In [from, to).
Status uniform(Call& call) {
  const Tensor& self = call.tensor(0);
  const double from = call.real(1);
  const double to = call.real(2);
  PTE_CHECK(check_floating(call, self));
  if (!(from <= to) || !std::isfinite(to - from)) {
    return call.invalid("the range from {} to {} is none", from, to);
  }
  PTE_CHECK(open_result(call, self.dtype(), self.sizes()));
  const Stream stream(call.next_stream());
  const DType dtype = self.dtype();
  const int digits = digits_of(dtype);
  return draw_each<double>(call, call.out(), [&](int64_t i) {
    double x = from + (to - from) * stream.uniform(i, digits);
    round_run<double>(dtype, &x, 1);
    return x < to ? x : from;  // rounding may reach the end, which does not belong
  });
}

Status normal_tensor_float(Call& call) {
  const Tensor& mean = call.tensor(0);
  const double deviation = call.real(1);
  PTE_CHECK(check_floating(call, mean));
  if (deviation < 0) return call.invalid("std is {}, expected 0 or more", deviation);
  PTE_CHECK(open_result(call, mean.dtype(), mean.sizes()));
  PTE_TRY(const Tensor dense, dense_as<double>(call, mean));
  const double* const at = dense.data_as<double>();
  return draw_normal(
      call, [at](int64_t i) { return at[i]; }, [deviation](int64_t) { return deviation; });
}

Status normal_float_tensor(Call& call) {
  const double mean = call.real(0);
  const Tensor& deviation = call.tensor(1);
  PTE_CHECK(check_floating(call, deviation));
  PTE_CHECK(open_result(call, deviation.dtype(), deviation.sizes()));
  PTE_TRY(const Tensor dense, dense_as<double>(call, deviation));
  PTE_CHECK(check_deviations(call, dense));
  const double* const width = dense.data_as<double>();
  return draw_normal(
      call, [mean](int64_t) { return mean; }, [width](int64_t i) { return width[i]; });
}

Status normal_tensor_tensor(Call& call) {
  const Tensor& mean = call.tensor(0);
  const Tensor& deviation = call.tensor(1);
  PTE_CHECK(check_floating(call, mean));
  PTE_CHECK(check_floating(call, deviation));
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, mean.sizes(), deviation.sizes()));
  PTE_CHECK(open_result(call, mean.dtype(), sizes));
  if (call.out().numel() == 0) return {};
  PTE_TRY(const Tensor means, spread(call, mean, sizes));
  PTE_TRY(const Tensor widths, spread(call, deviation, sizes));
  PTE_CHECK(check_deviations(call, widths));
  const double* const at = means.data_as<double>();
  const double* const width = widths.data_as<double>();
  return draw_normal(
      call, [at](int64_t i) { return at[i]; }, [width](int64_t i) { return width[i]; });
}

// Categories by their weights, of each row. Without replacement the categories race: each takes an
// exponential time of its weight's rate, and the first ones are chosen.
Status multinomial(Call& call) {
  const Tensor& self = call.tensor(0);
  const int64_t count = call.integer(1);
  const bool replacement = call.boolean(2);
  PTE_CHECK(check_floating(call, self));
  if (self.rank() != 1 && self.rank() != 2) {
    return call.invalid("{} has rank {}, expected 1 or 2", self.describe(), self.rank());
  }
  const int64_t categories = self.sizes().back();
  if (count <= 0) return call.invalid("num_samples is {}, expected 1 or more", count);
  if (!replacement && count > categories) {
    return call.invalid("{} samples of {} categories without replacement", count, categories);
  }
  Sizes sizes = self.sizes();
  sizes.back() = count;
  PTE_CHECK(open_result(call, DType::kInt64, sizes));
  PTE_TRY(const Tensor dense, dense_as<double>(call, self));
  PTE_TRY(auto out, DenseOut<int64_t>::make(call, call.out()));
  const Stream stream(call.next_stream());
  const int64_t rows = self.rank() == 1 ? 1 : self.size(0);
  std::atomic<bool> bad = false;
  call.parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> work(static_cast<size_t>(categories));
    std::vector<int64_t> order(static_cast<size_t>(categories));
    for (int64_t row = begin; row < end; ++row) {
      const double* const weights = dense.data_as<double>() + row * categories;
      int64_t* const to = out.data() + row * count;
      double sum = 0;
      bool valid = true;
      for (int64_t c = 0; c < categories; ++c) {
        valid = valid && weights[c] >= 0 && std::isfinite(weights[c]);
        work[static_cast<size_t>(c)] = sum += weights[c];
      }
      if (!valid || !(sum > 0) || !std::isfinite(sum)) {
        bad.store(true, std::memory_order_relaxed);
        return;
      }
      if (replacement) {
        for (int64_t i = 0; i < count; ++i) {
          const double x = stream.uniform(row * count + i, 53) * sum;
          // The first category whose running sum lies beyond x: never one of weight 0.
          auto found = std::upper_bound(work.begin(), work.end(), x);
          if (found == work.end()) found = std::lower_bound(work.begin(), work.end(), sum);
          to[i] = found - work.begin();
        }
        continue;
      }
      for (int64_t c = 0; c < categories; ++c) {
        const double time = -std::log1p(-stream.uniform(row * categories + c, 53));
        work[static_cast<size_t>(c)] =
            weights[c] > 0 ? time / weights[c] : std::numeric_limits<double>::infinity();
      }
      std::iota(order.begin(), order.end(), int64_t{0});
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return work[static_cast<size_t>(a)] < work[static_cast<size_t>(b)];
      });
      std::copy_n(order.begin(), count, to);
    }
  });
  if (bad.load()) {
    return call.invalid("a row's weights are negative, not finite, or all zero");
  }
  return out.commit(call);
}

}  // namespace pte::kernels
