// Sorting and what needs it along one dimension. NaN counts as larger than every number. Among
// equal elements, topk and the medians choose as PyTorch on a CPU does: by the same calls of the
// standard library.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/common/lines.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

template <typename C>
bool is_nan(C x) {
  return x != x;
}
template <typename C>
bool less(C a, C b) {
  return a < b || (!is_nan(a) && is_nan(b));
}
template <typename C>
bool greater(C a, C b) {
  return a > b || (is_nan(a) && !is_nan(b));
}

struct Pair {
  Tensor values;
  Tensor places;
  size_t dim = 0;
};

// Sizes both results: `count` elements along the dimension, or none of it (a reduction that does
// not keep its dimension) when `count` is nothing.
Result<Pair> prepare(Call& call, int64_t dim, std::optional<int64_t> count, bool keepdim) {
  const Tensor& self = call.tensor(0);
  PTE_CHECK(check_real(call, self));
  PTE_TRY(const int64_t wrapped, wrap_dim(call, dim, self.rank()));
  const size_t d = static_cast<size_t>(wrapped);
  PTE_CHECK(check_out_type(call, self.dtype(), call.out(0)));
  PTE_CHECK(check_out_type(call, DType::kInt64, call.out(1)));
  Sizes sizes = self.sizes();
  if (!sizes.empty()) {
    if (count) {
      sizes[d] = *count;
    } else if (keepdim) {
      sizes[d] = 1;
    } else {
      sizes.erase(sizes.begin() + wrapped);
    }
  }
  PTE_CHECK(resize_out(call, call.out(0), sizes));
  PTE_CHECK(resize_out(call, call.out(1), sizes));
  const size_t rank = std::max<size_t>(self.rank(), 1);
  return Pair{with_kept_dim(call.out(0), d, rank), with_kept_dim(call.out(1), d, rank), d};
}

// body(line, values, places) for every line; see for_each_line.
template <typename Body>
Status sort_lines(Call& call, Pair pair, const Body& body) {
  const Tensor self = at_least_1d(call.tensor(0));
  dispatch_compute(self.dtype(), [&]<typename C>(C) {
    for_each_line<C>(call, self, pair.dim, self.dtype(), pair.values, self.dtype(), &pair.places,
                     [&](const std::vector<C>& line, std::vector<C>& values,
                         std::vector<int64_t>& places) { body(line, values, places); });
  });
  return {};
}

Status sort_along(Call& call, int64_t dim, bool descending) {
  const Tensor self = at_least_1d(call.tensor(0));
  PTE_TRY(const int64_t wrapped, wrap_dim(call, dim, self.rank()));
  PTE_TRY(const Pair pair, prepare(call, dim, self.size(static_cast<size_t>(wrapped)), true));
  return sort_lines(call, pair,
                    [descending]<typename C>(const std::vector<C>& line, std::vector<C>& values,
                                             std::vector<int64_t>& places) {
                      std::iota(places.begin(), places.end(), int64_t{0});
                      const C* x = line.data();
                      std::stable_sort(places.begin(), places.end(), [&](int64_t a, int64_t b) {
                        return descending ? greater(x[a], x[b]) : less(x[a], x[b]);
                      });
                      for (size_t i = 0; i < values.size(); ++i) values[i] = x[places[i]];
                    });
}
Status sort(Call& call) { return sort_along(call, call.integer(1), call.boolean(2)); }
Status sort_stable(Call& call) { return sort_along(call, call.integer(2), call.boolean(3)); }

Status topk(Call& call) {
  const Tensor self = at_least_1d(call.tensor(0));
  const int64_t k = call.integer(1);
  const bool largest = call.boolean(3);
  const bool sorted = call.boolean(4);
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(2), self.rank()));
  if (k < 0 || k > self.size(static_cast<size_t>(dim))) {
    return call.invalid("k is {}, dimension {} of {} has {} elements", k, dim, self.describe(),
                        self.size(static_cast<size_t>(dim)));
  }
  PTE_TRY(const Pair pair, prepare(call, dim, k, true));
  if (k == 0) return {};
  return sort_lines(call, pair,
                    [&]<typename C>(const std::vector<C>& line, std::vector<C>& values,
                                    std::vector<int64_t>& places) {
                      using Item = std::pair<C, int64_t>;
                      std::vector<Item> items(line.size());
                      for (size_t i = 0; i < line.size(); ++i)
                        items[i] = {line[i], static_cast<int64_t>(i)};
                      const auto before = [largest](const Item& a, const Item& b) {
                        return largest ? greater(a.first, b.first) : less(a.first, b.first);
                      };
                      const auto last = items.begin() + k - 1;
                      if (k * 64 <= static_cast<int64_t>(items.size())) {
                        std::partial_sort(items.begin(), last + 1, items.end(), before);
                      } else {
                        std::nth_element(items.begin(), last, items.end(), before);
                        if (sorted) std::sort(items.begin(), last, before);
                      }
                      for (size_t i = 0; i < values.size(); ++i) {
                        values[i] = items[i].first;
                        places[i] = items[i].second;
                      }
                    });
}

// ---- one element of each line

Status check_not_empty(const Call& call, int64_t dim) {
  const Tensor self = at_least_1d(call.tensor(0));
  PTE_TRY(const int64_t wrapped, wrap_dim(call, dim, self.rank()));
  if (self.size(static_cast<size_t>(wrapped)) == 0) {
    return call.invalid("{} has no element to choose from", self.describe());
  }
  return {};
}

// Where the lower median of a line lies. With `ignore` NaNs do not count, else the first one wins.
template <typename C>
int64_t median_place(const std::vector<C>& line, bool ignore) {
  int64_t nans = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (!is_nan(line[i])) continue;
    if (!ignore) return static_cast<int64_t>(i);
    ++nans;
  }
  std::vector<int64_t> order(line.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const int64_t middle = std::max<int64_t>(static_cast<int64_t>(line.size()) - 1 - nans, 0) / 2;
  std::nth_element(order.begin(), order.begin() + middle, order.end(), [&](int64_t a, int64_t b) {
    return less(line[static_cast<size_t>(a)], line[static_cast<size_t>(b)]);
  });
  return order[static_cast<size_t>(middle)];
}

template <bool kIgnoreNan>
Status median_dim(Call& call) {
  const int64_t dim = call.integer(1);
  PTE_CHECK(check_not_empty(call, dim));
  PTE_TRY(const Pair pair, prepare(call, dim, std::nullopt, call.boolean(2)));
  return sort_lines(call, pair,
                    []<typename C>(const std::vector<C>& line, std::vector<C>& values,
                                   std::vector<int64_t>& places) {
                      places[0] = median_place(line, kIgnoreNan);
                      values[0] = line[static_cast<size_t>(places[0])];
                    });
}

template <bool kIgnoreNan>
Status median(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_CHECK(resize_out(call, out, {}));
  if (self.numel() == 0) {
    // NaN, turned into the result's type whatever that is.
    const double nan = std::numeric_limits<double>::quiet_NaN();
    store_run<double>(out.dtype(), out.mutable_data(), 1, 1, &nan);
    return {};
  }
  PTE_TRY(const Tensor dense, self.contiguous());
  dispatch_compute(self.dtype(), [&]<typename C>(C) {
    for_each_line<C>(call, dense.with_layout({self.numel()}, {1}), 0, self.dtype(),
                     at_least_1d(out), self.dtype(), nullptr,
                     [](const std::vector<C>& line, std::vector<C>& values, auto&) {
                       values[0] = line[static_cast<size_t>(median_place(line, kIgnoreNan))];
                     });
  });
  return {};
}

Status kthvalue(Call& call) {
  const Tensor self = at_least_1d(call.tensor(0));
  const int64_t k = call.integer(1);
  const int64_t dim = call.integer(2);
  PTE_TRY(const int64_t wrapped, wrap_dim(call, dim, self.rank()));
  const int64_t length = self.size(static_cast<size_t>(wrapped));
  if (k < 1 || k > length) {
    return call.invalid("k is {}, dimension {} of {} has {} elements", k, dim, self.describe(),
                        length);
  }
  PTE_TRY(const Pair pair, prepare(call, dim, std::nullopt, call.boolean(3)));
  return sort_lines(call, pair,
                    [k]<typename C>(const std::vector<C>& line, std::vector<C>& values,
                                    std::vector<int64_t>& places) {
                      std::vector<int64_t> order(line.size());
                      std::iota(order.begin(), order.end(), int64_t{0});
                      const C* x = line.data();
                      // Of equal elements the first; PyTorch promises none in particular.
                      std::nth_element(order.begin(), order.begin() + k - 1, order.end(),
                                       [&](int64_t a, int64_t b) {
                                         if (less(x[a], x[b])) return true;
                                         return !less(x[b], x[a]) && a < b;
                                       });
                      places[0] = order[static_cast<size_t>(k - 1)];
                      values[0] = x[places[0]];
                    });
}

// The most frequent value, the smallest of several, at its last place.
Status mode(Call& call) {
  const int64_t dim = call.integer(1);
  PTE_CHECK(check_not_empty(call, dim));
  PTE_TRY(const Pair pair, prepare(call, dim, std::nullopt, call.boolean(2)));
  return sort_lines(call, pair,
                    []<typename C>(const std::vector<C>& line, std::vector<C>& values,
                                   std::vector<int64_t>& places) {
                      std::vector<int64_t> order(line.size());
                      std::iota(order.begin(), order.end(), int64_t{0});
                      const C* x = line.data();
                      std::stable_sort(order.begin(), order.end(),
                                       [&](int64_t a, int64_t b) { return less(x[a], x[b]); });
                      size_t best = 0;
                      size_t run = 0;
                      for (size_t i = 0; i < order.size(); ++i) {
                        run = i > 0 && x[order[i]] == x[order[i - 1]] ? run + 1 : 1;
                        if (run <= best) continue;
                        best = run;
                        places[0] = order[i];
                      }
                      values[0] = x[places[0]];
                    });
}

}  // namespace

std::span<const Entry> sort_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_sort, sort},
      {Op::aten_sort_stable, sort_stable},
      {Op::aten_topk, topk},
      {Op::aten_median, median<false>},
      {Op::aten_nanmedian, median<true>},
      {Op::aten_median_dim, median_dim<false>},
      {Op::aten_nanmedian_dim, median_dim<true>},
      {Op::aten_kthvalue, kthvalue},
      {Op::aten_mode, mode},
  };
  return kEntries;
}

}  // namespace pte::kernels
