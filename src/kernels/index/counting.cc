// Kernels whose result's size depends on what the operand holds. They count, resize the result
// within its memory, then write; each write is held against the count, because in a hostile program
// the result may lie over the operand.
#include <fmt/ranges.h>

#include <algorithm>

#include "base/checked.h"
#include "kernels/common/dense.h"
#include "kernels/families.h"
#include "kernels/index/places.h"

namespace pte::kernels {
namespace {

// Calls visit(i) for every element that is not zero, in row-major order, until it returns false.
template <typename Visit>
void for_each_nonzero(const Tensor& dense, Visit visit) {
  const int64_t count = dense.numel();
  const auto size = static_cast<int64_t>(size_of(dense.dtype()));
  bool block[kBlock];
  for (int64_t at = 0; at < count; at += kBlock) {
    const int64_t n = std::min(kBlock, count - at);
    load_run<bool>(dense.dtype(), dense.data() + at * size, 1, n, block);
    for (int64_t i = 0; i < n; ++i) {
      if (block[i] && !visit(at + i)) return;
    }
  }
}

// Writes the coordinates of up to `rows` elements; gives how many there were.
int64_t write_coordinates(const Tensor& dense, int64_t rows, int64_t* to) {
  const size_t rank = dense.rank();
  int64_t row = 0;
  if (rows == 0) return 0;
  for_each_nonzero(dense, [&](int64_t i) {
    int64_t rest = i;
    for (size_t d = rank; d-- > 0;) {
      to[row * static_cast<int64_t>(rank) + static_cast<int64_t>(d)] = rest % dense.size(d);
      rest /= dense.size(d);
    }
    return ++row < rows;
  });
  return row;
}

Status nonzero(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, DType::kInt64, out));
  PTE_TRY(const Tensor dense, self.contiguous());
  int64_t count = 0;
  for_each_nonzero(dense, [&](int64_t) {
    ++count;
    return true;
  });
  PTE_CHECK(resize_out(call, out, {count, static_cast<int64_t>(self.rank())}));
  PTE_TRY(DenseOut<int64_t> result, DenseOut<int64_t>::make(call, out));
  write_coordinates(dense, count, result.data());
  return result.commit(call);
}

Status nonzero_static(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  const int64_t size = call.integer(1);
  if (size < 0) return call.invalid("size {} is negative", size);
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, DType::kInt64, out));
  PTE_CHECK(resize_out(call, out, {size, static_cast<int64_t>(self.rank())}));
  PTE_TRY(const Tensor dense, self.contiguous());
  PTE_TRY(DenseOut<int64_t> result, DenseOut<int64_t>::make(call, out));
  const int64_t written = write_coordinates(dense, size, result.data());
  const auto rank = static_cast<int64_t>(self.rank());
  std::fill(result.data() + written * rank, result.data() + size * rank, call.integer(2));
  return result.commit(call);
}

// The number of each repeat, as often as it says.
Status repeat_interleave(Call& call) {
  const Tensor& repeats = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_index_type(call, repeats));
  PTE_CHECK(check_out_type(call, repeats.dtype(), out));
  if (repeats.rank() != 1) return call.invalid("repeats {} are no list", repeats.describe());
  std::vector<int64_t> counts(static_cast<size_t>(repeats.size(0)));
  load_run<int64_t>(repeats.dtype(), repeats.data(), repeats.strides()[0], repeats.size(0),
                    counts.data());
  int64_t total = 0;
  for (const int64_t count : counts) {
    const auto sum = checked_add(total, count);
    if (count < 0 || !sum) return call.invalid("{} is no number of repeats", count);
    total = *sum;
  }
  if (const auto size = call.optional_integer(1); size && *size != total) {
    return call.invalid("output_size is {}, the repeats add up to {}", *size, total);
  }
  PTE_CHECK(resize_out(call, out, {total}));
  PTE_TRY(DenseOut<int64_t> result, DenseOut<int64_t>::make(call, out));
  int64_t* to = result.data();
  for (size_t i = 0; i < counts.size(); ++i) to = std::fill_n(to, counts[i], i);
  return result.commit(call);
}

Status bincount(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor* weights = call.optional_tensor(1);
  const int64_t least = call.integer(2);
  Tensor& out = call.out();
  PTE_CHECK(check_index_type(call, self));
  if (self.rank() != 1 || least < 0) {
    return call.invalid("{} and a minimum length of {}: expected a list and no negative number",
                        self.describe(), least);
  }
  if (weights != nullptr) {
    PTE_CHECK(check_real(call, *weights));
    if (weights->sizes() != self.sizes()) {
      return call.invalid("weights {} for {}", weights->describe(), self.describe());
    }
  }
  std::vector<int64_t> bins(static_cast<size_t>(self.size(0)));
  load_run<int64_t>(self.dtype(), self.data(), self.strides()[0], self.size(0), bins.data());
  int64_t length = least;
  for (const int64_t bin : bins) {
    if (bin < 0 || bin == INT64_MAX) return call.invalid("{} is no number of a bin", bin);
    length = std::max(length, bin + 1);
  }
  // Without elements PyTorch forgets the weights' type.
  const DType result = weights == nullptr || bins.empty()    ? DType::kInt64
                       : weights->dtype() == DType::kFloat32 ? DType::kFloat32
                                                             : DType::kFloat64;
  PTE_CHECK(check_out_type(call, result, out));
  PTE_CHECK(resize_out(call, out, {length}));
  if (result == DType::kInt64) {
    PTE_TRY(DenseOut<int64_t> sums, DenseOut<int64_t>::make(call, out));
    std::fill_n(sums.data(), length, 0);
    for (const int64_t bin : bins) ++sums.data()[bin];
    return sums.commit(call);
  }
  return dispatch_floating(result, [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor shares, dense_as<C>(call, *weights));
    PTE_TRY(DenseOut<C> sums, DenseOut<C>::make(call, out));
    std::fill_n(sums.data(), length, C{0});
    for (size_t i = 0; i < bins.size(); ++i)
      sums.data()[bins[i]] += shares.template data_as<C>()[i];
    return sums.commit(call);
  });
}

// ---- unique values

struct Groups {
  std::vector<int64_t> first;    // an element of each group
  std::vector<int64_t> inverse;  // the group of each element
  std::vector<int64_t> counts;
};

// Walks elements in `order`; same(a, b) says whether neighbours belong together.
template <typename Same>
Groups group(const std::vector<int64_t>& order, const Same& same) {
  Groups groups;
  groups.inverse.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || !same(order[i - 1], order[i])) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    groups.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(groups.first.size()) - 1;
    ++groups.counts.back();
  }
  return groups;
}

std::vector<int64_t> iota(int64_t count) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) order[static_cast<size_t>(i)] = i;
  return order;
}

Status write_list(const Call& call, Tensor& out, const Sizes& sizes,
                  const std::vector<int64_t>& values) {
  PTE_CHECK(check_out_type(call, DType::kInt64, out));
  PTE_CHECK(resize_out(call, out, sizes));
  PTE_TRY(DenseOut<int64_t> result, DenseOut<int64_t>::make(call, out));
  std::copy(values.begin(), values.end(), result.data());
  return result.commit(call);
}

// The inverse and the counts where they are asked for, else empty lists.
Status write_groups(Call& call, const Groups& groups, bool inverse, const Sizes& inverse_sizes,
                    bool counts) {
  if (inverse) {
    PTE_CHECK(write_list(call, call.out(1), inverse_sizes, groups.inverse));
  } else {
    PTE_CHECK(write_list(call, call.out(1), {0}, {}));
  }
  if (!counts) return write_list(call, call.out(2), {0}, {});
  return write_list(call, call.out(2), {static_cast<int64_t>(groups.counts.size())}, groups.counts);
}

// The unique elements of the whole tensor: sorted ones, or of neighbours one each.
Status unique_elements(Call& call, bool sorted, bool inverse, bool counts) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out(0);
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  return dispatch_compute(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    const C* x = dense.template data_as<C>();
    const std::vector<C> values(x, x + self.numel());
    std::vector<int64_t> order = iota(self.numel());
    const auto at = [&](int64_t i) { return values[static_cast<size_t>(i)]; };
    if (sorted) {
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return at(a) < at(b) || (at(a) == at(a) && at(b) != at(b));
      });
    }
    const Groups groups = group(order, [&](int64_t a, int64_t b) { return at(a) == at(b); });
    const auto count = static_cast<int64_t>(groups.first.size());
    PTE_CHECK(resize_out(call, out, {count}));
    PTE_TRY(DenseOut<C> result, DenseOut<C>::make(call, out));
    for (int64_t i = 0; i < count; ++i) result.data()[i] = at(groups.first[static_cast<size_t>(i)]);
    PTE_CHECK(result.commit(call));
    // Of an empty tensor the consecutive form gives an empty list.
    const Sizes sizes = !sorted && self.numel() == 0 ? Sizes{0} : self.sizes();
    return write_groups(call, groups, inverse, sizes, counts);
  });
}

Status unique2(Call& call) { return unique_elements(call, true, call.boolean(2), call.boolean(3)); }

// Of neighbours along a dimension that are equal throughout, one each.
Status unique_consecutive(Call& call) {
  const Tensor& self = call.tensor(0);
  const auto dim = call.optional_integer(3);
  if (!dim) return unique_elements(call, false, call.boolean(1), call.boolean(2));
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), call.out(0)));
  PTE_TRY(const int64_t wrapped, wrap_dim(call, *dim, self.rank()));
  if (self.rank() == 0) return call.not_supported("a dimension of a rank-0 tensor");
  const size_t d = static_cast<size_t>(wrapped);
  return dispatch_compute(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    const C* x = dense.template data_as<C>();
    const std::vector<C> values(x, x + self.numel());
    int64_t inner = 1;
    for (size_t i = d + 1; i < self.rank(); ++i) inner *= self.size(i);
    const int64_t length = self.size(d);
    const int64_t outer = self.numel() == 0 ? 0 : self.numel() / (length * inner);
    const auto row = [&](int64_t o, int64_t i) { return values.data() + (o * length + i) * inner; };
    const Groups groups = group(iota(length), [&](int64_t a, int64_t b) {
      for (int64_t o = 0; o < outer; ++o) {
        if (!std::equal(row(o, a), row(o, a) + inner, row(o, b))) return false;
      }
      return true;
    });
    const auto count = static_cast<int64_t>(groups.first.size());
    Sizes sizes = self.sizes();
    sizes[d] = count;
    PTE_CHECK(resize_out(call, call.out(0), sizes));
    PTE_TRY(DenseOut<C> result, DenseOut<C>::make(call, call.out(0)));
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < count; ++i) {
        std::copy_n(row(o, groups.first[static_cast<size_t>(i)]), inner,
                    result.data() + (o * count + i) * inner);
      }
    }
    PTE_CHECK(result.commit(call));
    // PyTorch gives both lists here, asked for or not.
    return write_groups(call, groups, true, {length}, true);
  });
}

}  // namespace

std::span<const Entry> counting_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_nonzero, nonzero},
      {Op::aten_nonzero_static, nonzero_static},
      {Op::aten_repeat_interleave_Tensor, repeat_interleave},
      {Op::aten_bincount, bincount},
      {Op::aten__unique2, unique2},
      {Op::aten_unique_consecutive, unique_consecutive},
  };
  return kEntries;
}

}  // namespace pte::kernels
