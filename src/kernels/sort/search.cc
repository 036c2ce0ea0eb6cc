// Searching sorted boundaries, histograms, and the distance of two tensors.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "kernels/common/dense.h"
#include "kernels/families.h"
#include "kernels/index/places.h"

namespace pte::kernels {
namespace {

// The number of boundaries before which `value` would be inserted: in front of equal ones, or with
// `right` behind them. at(i) is boundary i of `count`. NaN lies behind everything.
template <typename C, typename At>
int64_t insertion(int64_t count, C value, bool right, const At& at) {
  int64_t low = 0;
  int64_t high = count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const C boundary = at(middle);
    if (right ? boundary > value : boundary >= value) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

struct Search {
  bool right = false;
  bool narrow = false;             // an int32 result
  const Tensor* sorter = nullptr;  // the order in which the boundaries are sorted
};

// Each line of `boundaries` along the last dimension is searched for the values of the same line;
// a list of boundaries serves all values.
Status search(Call& call, const Tensor& boundaries, const Tensor& values, const Search& how) {
  Tensor& out = call.out();
  if (boundaries.rank() == 0)
    return call.invalid("boundaries {} are no list", boundaries.describe());
  const int64_t length = boundaries.sizes().back();
  const bool shared = boundaries.rank() == 1;
  bool fits = shared || boundaries.rank() == values.rank();
  for (size_t d = 0; fits && !shared && d + 1 < boundaries.rank(); ++d) {
    fits = boundaries.size(d) == values.size(d);
  }
  if (!fits) {
    return call.invalid("boundaries {} do not fit values {}", boundaries.describe(),
                        values.describe());
  }
  if (how.sorter != nullptr && how.sorter->sizes() != boundaries.sizes()) {
    return call.invalid("a sorter {} for boundaries {}", how.sorter->describe(),
                        boundaries.describe());
  }
  PTE_CHECK(check_out_type(call, how.narrow ? DType::kInt32 : DType::kInt64, out));
  PTE_CHECK(resize_out(call, out, values.sizes()));
  Promotion promotion;
  PTE_TRY(const DType common, promotion.add(boundaries).add(values).result(call));
  PTE_TRY(DenseOut<int64_t> result, DenseOut<int64_t>::make(call, out));
  if (values.numel() == 0) return {};
  const int64_t width = shared ? values.numel() : values.sizes().back();
  return dispatch_compute(common, [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense_boundaries, dense_as<C>(call, boundaries));
    PTE_TRY(const Tensor dense_values, dense_as<C>(call, values));
    std::vector<int64_t> sorter;
    BadIndex bad;
    if (how.sorter != nullptr) {
      PTE_CHECK(check_index_type(call, *how.sorter));
      PTE_TRY(const Tensor order, dense_as<int64_t>(call, *how.sorter));
      sorter.assign(order.data_as<int64_t>(), order.data_as<int64_t>() + order.numel());
      for (const int64_t place : sorter) {
        if (!bad.accepts(place, length)) return bad.status(call, length);
      }
    }
    const C* x = dense_values.template data_as<C>();
    for (int64_t i = 0; i < values.numel(); ++i) {
      const int64_t line = i / width * length;
      const C* from = dense_boundaries.template data_as<C>() + line;
      const int64_t* order = sorter.empty() ? nullptr : sorter.data() + line;
      result.data()[i] = insertion(length, x[i], how.right, [&](int64_t k) {
        return from[order == nullptr ? k : order[k]];
      });
    }
    return result.commit(call);
  });
}

Status bucketize(Call& call) {
  const Tensor& boundaries = call.tensor(1);
  if (boundaries.rank() != 1) {
    return call.invalid("boundaries {} are no list", boundaries.describe());
  }
  return search(call, boundaries, call.tensor(0), {call.boolean(3), call.boolean(2), nullptr});
}

Status searchsorted(Call& call) {
  Search how{call.boolean(3), call.boolean(2), call.optional_tensor(5)};
  if (const std::string* side = call.optional_text(4)) {
    if (*side != "left" && *side != "right") {
      return call.invalid("side is '{}', expected left or right", *side);
    }
    if (*side == "left" && how.right) return call.invalid("side is left, yet right is set");
    how.right = *side == "right";
  }
  return search(call, call.tensor(0), call.tensor(1), how);
}

// Counts of elements in bins of equal width; equal ends mean those of the elements.
Status histc(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  const int64_t bins = call.integer(1);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  if (bins <= 0) return call.invalid("{} bins", bins);
  PTE_CHECK(resize_out(call, out, {bins}));
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    const C* x = dense.template data_as<C>();
    const int64_t count = self.numel();
    double low = call.scalar(2).as_double();
    double high = call.scalar(3).as_double();
    if (low == high && count > 0) {
      const auto ends = std::minmax_element(x, x + count);
      low = static_cast<double>(*ends.first);
      high = static_cast<double>(*ends.second);
    }
    if (low == high) {
      low -= 1;
      high += 1;
    }
    if (!std::isfinite(low) || !std::isfinite(high) || !(low < high)) {
      return call.invalid("{} to {} is no range", low, high);
    }
    const C first = static_cast<C>(low);
    const C last = static_cast<C>(high);
    std::vector<int64_t> counts(static_cast<size_t>(bins), 0);
    for (int64_t i = 0; i < count; ++i) {
      if (!(x[i] >= first && x[i] <= last)) continue;
      const double place =
          static_cast<double>((x[i] - first) * static_cast<C>(bins) / (last - first));
      // The last bin holds its upper end too.
      if (!(place >= 0)) continue;
      const auto bin = place < static_cast<double>(bins) ? static_cast<int64_t>(place) : bins - 1;
      ++counts[static_cast<size_t>(std::min(bin, bins - 1))];
    }
    PTE_TRY(DenseOut<C> result, DenseOut<C>::make(call, out));
    for (int64_t i = 0; i < bins; ++i)
      result.data()[i] = static_cast<C>(counts[static_cast<size_t>(i)]);
    return result.commit(call);
  });
}

// The p-norm of the difference.
Status dist(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& other = call.tensor(1);
  Tensor& out = call.out();
  const double p = call.scalar(2).as_double();
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_real(call, other));
  Promotion promotion;
  PTE_TRY(const DType type, promotion.add(self).add(other).result(call));
  if (!is_floating(type)) return call.not_supported("a distance of type {}", dtype_name(type));
  PTE_CHECK(check_out_type(call, type, out));
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, self.sizes(), other.sizes()));
  if (!element_count(sizes)) return call.invalid("the difference is too large");
  PTE_CHECK(resize_out(call, out, {}));
  const Loop loop(sizes, std::array{contiguous_strides(sizes), broadcast_strides(self, sizes),
                                    broadcast_strides(other, sizes)});
  if (loop.count() == 0 && std::isinf(p)) {
    return call.invalid("{} has no element to choose from", self.describe());
  }
  dispatch_floating(type, [&]<typename C>(C) {
    double total = p == -std::numeric_limits<double>::infinity() ? -p : 0;
    C a[kBlock];
    C b[kBlock];
    const auto load = [&](const Tensor& from, int64_t offset, int64_t step, int64_t n, C* to) {
      load_run<C>(from.dtype(), from.data() + offset * static_cast<int64_t>(size_of(from.dtype())),
                  step, n, to);
      round_run<C>(type, to, n);
    };
    loop.run(0, loop.count(), [&](const int64_t* at, int64_t n) {
      for (int64_t start = 0; start < n; start += kBlock) {
        const int64_t m = std::min(kBlock, n - start);
        load(self, at[1] + start * loop.step(1), loop.step(1), m, a);
        load(other, at[2] + start * loop.step(2), loop.step(2), m, b);
        for (int64_t i = 0; i < m; ++i) a[i] -= b[i];
        round_run<C>(type, a, m);
        for (int64_t i = 0; i < m; ++i) {
          const double x = std::abs(static_cast<double>(a[i]));
          if (p == 0) {
            total += x != 0 ? 1 : 0;
          } else if (std::isinf(p)) {
            if (x != x || (p > 0 ? x > total : x < total)) total = total != total ? total : x;
          } else {
            total += p == 1 ? x : p == 2 ? x * x : std::pow(x, p);
          }
        }
      }
    });
    if (p != 0 && p != 1 && !std::isinf(p))
      total = p == 2 ? std::sqrt(total) : std::pow(total, 1 / p);
    const C value = static_cast<C>(total);
    store_run<C>(out.dtype(), out.mutable_data(), 1, 1, &value);
    return 0;
  });
  return {};
}

}  // namespace

std::span<const Entry> search_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_bucketize_Tensor, bucketize},
      {Op::aten_searchsorted_Tensor, searchsorted},
      {Op::aten_histc, histc},
      {Op::aten_dist, dist},
  };
  return kEntries;
}

}  // namespace pte::kernels
