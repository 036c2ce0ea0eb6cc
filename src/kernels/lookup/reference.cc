// Distances between rows and the product of three tensors; the family's table.
#include <fmt/ranges.h>

#include <cmath>

#include "kernels/lookup/lookup.h"

namespace pte::kernels {
namespace {

// The p-norm of a - b over `length` elements. NaN shows in every norm but the counting one.
template <typename C>
double distance(const C* a, const C* b, int64_t length, double p) {
  double sum = 0;
  for (int64_t i = 0; i < length; ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (p == 0) {
      sum += d != 0 ? 1 : 0;
    } else if (p == 1) {
      sum += d;
    } else if (p == 2) {
      sum += d * d;
    } else if (std::isinf(p)) {
      if (d > sum || d != d) sum = d;
    } else {
      sum += std::pow(d, p);
    }
  }
  if (p == 0 || p == 1 || std::isinf(p)) return sum;
  return p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / p);
}

Status check_operand(const Call& call, const Tensor& tensor, double p) {
  PTE_CHECK(check_real(call, tensor));
  if (!is_floating(tensor.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(tensor.dtype()));
  }
  if (!(p >= 0)) return call.invalid("p is {}, expected 0 or more", p);
  return {};
}

Status cdist(Call& call) {
  const Tensor& a = call.tensor(0);
  const Tensor& b = call.tensor(1);
  const double p = call.real(2);
  PTE_CHECK(check_operand(call, a, p));
  if (a.dtype() != b.dtype()) {
    return call.invalid("operands are {} and {}, expected one type", dtype_name(a.dtype()),
                        dtype_name(b.dtype()));
  }
  if (a.rank() < 2 || b.rank() < 2 || a.sizes().back() != b.sizes().back()) {
    return call.invalid("{} and {} are not rows of one length", a.describe(), b.describe());
  }
  const auto batch_of = [](const Tensor& t) {
    return Sizes(t.sizes().begin(), t.sizes().end() - 2);
  };
  PTE_TRY(Sizes sizes, broadcast_sizes(call, batch_of(a), batch_of(b)));
  const Sizes batch = sizes;
  const int64_t rows = a.size(a.rank() - 2);
  const int64_t columns = b.size(b.rank() - 2);
  const int64_t length = a.sizes().back();
  sizes.push_back(rows);
  sizes.push_back(columns);
  PTE_CHECK(check_out_type(call, a.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() == 0) return {};
  return dispatch_floating(a.dtype(), [&]<typename C>(C) -> Status {
    const auto spread = [&](const Tensor& t, int64_t count) -> Result<Tensor> {
      Sizes all = batch;
      all.push_back(count);
      all.push_back(length);
      return dense_as<C>(call, t.with_layout(all, broadcast_strides(t, all)));
    };
    PTE_TRY(const Tensor left, spread(a, rows));
    PTE_TRY(const Tensor right, spread(b, columns));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const C* const x = left.data_as<C>();
    const C* const y = right.data_as<C>();
    C* const target = out.data();
    call.parallel_for(call.out().numel(), 1 + (1 << 14) / (length + 1),
                      [&](int64_t begin, int64_t end) {
                        for (int64_t i = begin; i < end; ++i) {
                          const int64_t matrix = i / (rows * columns);
                          const C* from = x + i / columns * length;
                          const C* to = y + (matrix * columns + i % columns) * length;
                          target[i] = static_cast<C>(distance(from, to, length, p));
                        }
                      });
    return out.commit(call);
  });
}

// The distance of each pair of rows, in the order (0,1), (0,2) … (1,2) …
Status pdist(Call& call) {
  const Tensor& self = call.tensor(0);
  const double p = call.real(1);
  PTE_CHECK(check_operand(call, self, p));
  if (self.rank() != 2) return call.invalid("{} is no matrix", self.describe());
  const int64_t rows = self.size(0);
  const int64_t length = self.size(1);
  if (rows > INT32_MAX) return call.invalid("{} has too many rows", self.describe());
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), {rows < 2 ? 0 : rows * (rows - 1) / 2}));
  if (call.out().numel() == 0) return {};
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, self));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    const C* const x = dense.data_as<C>();
    C* const target = out.data();
    call.parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        C* to = target + i * rows - i * (i + 1) / 2;
        for (int64_t j = i + 1; j < rows; ++j) {
          *to++ = static_cast<C>(distance(x + i * length, x + j * length, length, p));
        }
      }
    });
    return out.commit(call);
  });
}

// The tensor with dimensions of one put in at `places`, each counted in the result.
Result<Tensor> expanded(const Call& call, size_t arg, size_t rank) {
  const Tensor& tensor = call.tensor(arg);
  const std::vector<int64_t>& places = call.ints(arg + 3);
  std::vector<bool> added(rank, false);
  for (const int64_t place : places) {
    PTE_TRY(const int64_t at, wrap_dim(call, place, rank));
    if (rank == 0 || added[static_cast<size_t>(at)]) {
      return call.invalid("dimension {} is put in twice", place);
    }
    added[static_cast<size_t>(at)] = true;
  }
  if (tensor.rank() + places.size() != rank) {
    return call.invalid("{} with {} more dimensions does not have {}", tensor.describe(),
                        places.size(), rank);
  }
  Sizes sizes;
  Strides strides;
  size_t next = 0;
  for (size_t d = 0; d < rank; ++d) {
    sizes.push_back(added[d] ? 1 : tensor.size(next));
    strides.push_back(added[d] ? 0 : tensor.strides()[next]);
    if (!added[d]) ++next;
  }
  return tensor.with_layout(std::move(sizes), std::move(strides));
}

// i1 * i2 * i3, each with dimensions of one put in, summed over `sumdim`.
Status trilinear(Call& call) {
  const DType type = call.tensor(0).dtype();
  const size_t rank = call.tensor(0).rank() + call.ints(3).size();
  if (rank > kMaxRank) return call.invalid("{} dimensions are too many", rank);
  for (size_t i = 0; i < 3; ++i) {
    PTE_CHECK(check_real(call, call.tensor(i)));
    if (call.tensor(i).dtype() != type || type == DType::kBool) {
      return call.not_supported("operands of types {} and {}", dtype_name(type),
                                dtype_name(call.tensor(i).dtype()));
    }
  }
  PTE_TRY(const Tensor a, expanded(call, 0, rank));
  PTE_TRY(const Tensor b, expanded(call, 1, rank));
  PTE_TRY(const Tensor d, expanded(call, 2, rank));
  PTE_TRY(Sizes all, broadcast_sizes(call, a.sizes(), b.sizes()));
  PTE_TRY(all, broadcast_sizes(call, all, d.sizes()));
  // An empty list sums nothing here.
  std::vector<bool> summed(rank, false);
  if (!call.ints(6).empty()) {
    PTE_TRY(summed, dim_mask(call, &call.ints(6), rank));
  }
  Sizes sizes;
  Sizes inner;
  for (size_t dim = 0; dim < rank; ++dim) (summed[dim] ? inner : sizes).push_back(all[dim]);
  const std::array operands{&a, &b, &d};
  if (!element_count(all)) return call.invalid("[{}] is too large", fmt::join(all, ","));
  PTE_CHECK(check_out_type(call, type, call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() == 0) return {};
  return dispatch_compute(type, [&]<typename C>(C) -> Status {
    using Sum = std::conditional_t<std::is_same_v<C, int64_t>, uint64_t, double>;
    std::array<Tensor, 3> dense;
    std::array<Strides, 3> outer;
    std::array<Strides, 3> line;
    for (size_t i = 0; i < 3; ++i) {
      PTE_TRY(dense[i], dense_as<C>(call, *operands[i]));
      const Strides strides = broadcast_strides(dense[i], all);
      for (size_t dim = 0; dim < rank; ++dim) {
        (summed[dim] ? line : outer)[i].push_back(strides[dim]);
      }
    }
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    C* const target = out.data();
    const Loop outer_loop(sizes,
                          std::array{contiguous_strides(sizes), outer[0], outer[1], outer[2]});
    const Loop inner_loop(inner, line);
    const auto one = [&](int64_t to, int64_t x, int64_t y, int64_t z) {
      Sum sum = 0;
      inner_loop.run(0, inner_loop.count(), [&](const int64_t* at, int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          sum += static_cast<Sum>(dense[0].data_as<C>()[x + at[0] + i * inner_loop.step(0)]) *
                 static_cast<Sum>(dense[1].data_as<C>()[y + at[1] + i * inner_loop.step(1)]) *
                 static_cast<Sum>(dense[2].data_as<C>()[z + at[2] + i * inner_loop.step(2)]);
        }
      });
      target[to] = static_cast<C>(sum);
    };
    call.parallel_for(outer_loop.count(), 1 + (1 << 12) / std::max<int64_t>(inner_loop.count(), 1),
                      [&](int64_t begin, int64_t end) {
                        outer_loop.run(begin, end, [&](const int64_t* at, int64_t n) {
                          for (int64_t i = 0; i < n; ++i) {
                            one(at[0] + i * outer_loop.step(0), at[1] + i * outer_loop.step(1),
                                at[2] + i * outer_loop.step(2), at[3] + i * outer_loop.step(3));
                          }
                        });
                      });
    return out.commit(call);
  });
}

}  // namespace

std::span<const Entry> lookup_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_embedding, embedding},
      {Op::aten_embedding_renorm, embedding_renorm},
      {Op::aten__embedding_bag, embedding_bag},
      {Op::aten__embedding_bag_forward_only, embedding_bag},
      {Op::aten__cdist_forward, cdist},
      {Op::aten__pdist_forward, pdist},
      {Op::aten__trilinear, trilinear},
  };
  return kEntries;
}

}  // namespace pte::kernels
