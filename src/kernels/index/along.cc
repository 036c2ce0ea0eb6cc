// Indices along one dimension: gather, scatter with all its reductions, index_select, index_reduce.
#include <fmt/ranges.h>

#include "kernels/common/dense.h"
#include "kernels/common/take.h"
#include "kernels/families.h"
#include "kernels/index/places.h"

namespace pte::kernels {
namespace {

// One scatter or gather: tensors of rank 0 seen as rank 1, and the dimension.
struct Along {
  Tensor self;
  Tensor index;
  size_t dim = 0;
  int64_t size = 0;  // of self along dim
};

// Sizes of `index` may be smaller than those of `self` (and `src`, when given) but for `dim`.
Result<Along> open(const Call& call, const Tensor* src) {
  Along a{at_least_1d(call.tensor(0)), at_least_1d(call.tensor(2))};
  PTE_CHECK(check_index_type(call, a.index));
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), a.self.rank()));
  a.dim = static_cast<size_t>(dim);
  a.size = a.self.size(a.dim);
  if (a.index.numel() == 0) return a;
  bool fits = a.index.rank() == a.self.rank() && (src == nullptr || src->rank() == a.self.rank());
  for (size_t d = 0; fits && d < a.self.rank(); ++d) {
    fits = (d == a.dim || a.index.size(d) <= a.self.size(d)) &&
           (src == nullptr || a.index.size(d) <= src->size(d));
  }
  if (!fits) {
    return call.invalid("an index of sizes [{}] does not fit {}{}", fmt::join(a.index.sizes(), ","),
                        a.self.describe(), src == nullptr ? "" : " and " + src->describe());
  }
  return a;
}

Strides without(Strides strides, size_t dim) {
  strides[dim] = 0;
  return strides;
}

Status gather(Call& call) {
  PTE_TRY(const Along a, open(call, nullptr));
  Tensor& out = call.out();
  PTE_CHECK(resize_out(call, out, call.tensor(2).sizes()));
  PTE_TRY(RawOut result, RawOut::make(call, out, a.self.dtype()));
  if (out.numel() == 0) return {};
  const Loop loop(a.index.sizes(), std::array{contiguous_strides(a.index.sizes()),
                                              a.index.strides(), without(a.self.strides(), a.dim)});
  const int64_t stride = a.self.strides()[a.dim];
  BadIndex bad;
  const bool known = with_word(size_of(a.self.dtype()), [&]<typename W>(W) {
    const W* from = a.self.data_as<W>();
    W* to = result.data_as<W>();
    call.parallel_for(loop.count(), 1 << 14, [&](int64_t begin, int64_t end) {
      loop.run(begin, end, [&](const int64_t* offsets, int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          const int64_t place = load_integer(a.index, offsets[1] + i * loop.step(1));
          if (!bad.accepts(place, a.size)) return;
          to[offsets[0] + i * loop.step(0)] = from[offsets[2] + i * loop.step(2) + place * stride];
        }
      });
    });
  });
  if (!known) return call.not_supported("operands of type {}", dtype_name(a.self.dtype()));
  PTE_CHECK(bad.status(call, a.size));
  return result.commit(call);
}

// Calls write(target, source) for every index in row-major order, where `target` is the place in a
// contiguous tensor of self's sizes and `source` that in `src`.
template <typename Write>
Status for_each_target(const Call& call, const Along& a, const Strides& src_strides, Write write) {
  if (a.index.numel() == 0) return {};
  const Strides to = contiguous_strides(a.self.sizes());
  const Loop loop(a.index.sizes(), std::array{contiguous_strides(a.index.sizes()),
                                              a.index.strides(), without(to, a.dim), src_strides});
  BadIndex bad;
  bool failed = false;
  loop.run(0, loop.count(), [&](const int64_t* offsets, int64_t n) {
    for (int64_t i = 0; i < n && !failed; ++i) {
      const int64_t place = load_integer(a.index, offsets[1] + i * loop.step(1));
      failed = !bad.accepts(place, a.size);
      if (failed) return;
      write(offsets[2] + i * loop.step(2) + place * to[a.dim], offsets[3] + i * loop.step(3));
    }
  });
  return bad.status(call, a.size);
}

// Starts a result as a copy of the operand, elements as they are.
Result<RawOut> copied(Call& call, const Tensor& self) {
  Tensor& out = call.out();
  PTE_CHECK(resize_out(call, out, self.sizes()));
  PTE_TRY(RawOut result, RawOut::make(call, out, self.dtype()));
  Tensor target =
      Tensor::view(self.dtype(), self.sizes(), contiguous_strides(self.sizes()), result.data(), {});
  PTE_CHECK(copy_elements(self, target));
  return result;
}

// Replaces elements; of several for one place the last one stays. The value's own type is self's.
Status assign(Call& call, const Along& a, const std::byte* values, const Strides& strides) {
  PTE_TRY(RawOut result, copied(call, call.tensor(0)));
  Status status;
  const bool known = with_word(size_of(a.self.dtype()), [&]<typename W>(W) {
    const W* from = reinterpret_cast<const W*>(values);
    W* to = result.data_as<W>();
    status = for_each_target(call, a, strides,
                             [&](int64_t target, int64_t source) { to[target] = from[source]; });
  });
  if (!known) return call.not_supported("operands of type {}", dtype_name(a.self.dtype()));
  PTE_CHECK(std::move(status));
  return result.commit(call);
}

Status check_same_type(const Call& call, const Tensor& self, const Tensor& src) {
  if (self.dtype() == src.dtype()) return {};
  return call.invalid("values of type {} for a tensor of type {}", dtype_name(src.dtype()),
                      dtype_name(self.dtype()));
}

Status scatter_src(Call& call) {
  const Tensor src = at_least_1d(call.tensor(3));
  PTE_TRY(const Along a, open(call, &src));
  PTE_CHECK(check_same_type(call, a.self, src));
  return assign(call, a, src.data(), src.strides());
}

Status scatter_value(Call& call) {
  PTE_TRY(const Along a, open(call, nullptr));
  PTE_CHECK(check_real(call, a.self));
  PTE_TRY(Tensor value, Tensor::zeros(a.self.dtype(), {}));
  PTE_CHECK(fill_with(call, value, call.scalar(3)));
  return assign(call, a, value.data(), Strides(a.self.rank(), 0));
}

// ---- reductions into places

enum class Fold { kSum, kProduct, kMean, kMaximum, kMinimum };

std::optional<Fold> fold_of(std::string_view name) {
  if (name == "sum" || name == "add") return Fold::kSum;
  if (name == "prod" || name == "multiply") return Fold::kProduct;
  if (name == "mean") return Fold::kMean;
  if (name == "amax") return Fold::kMaximum;
  if (name == "amin") return Fold::kMinimum;
  return std::nullopt;
}

template <typename C>
C folded(Fold fold, C a, C b) {
  // Integers wrap around.
  using Wrap = std::conditional_t<std::is_integral_v<C>, uint64_t, C>;
  switch (fold) {
    case Fold::kProduct:
      return static_cast<C>(static_cast<Wrap>(a) * static_cast<Wrap>(b));
    case Fold::kMaximum:
      return a != a || a > b ? a : b;
    case Fold::kMinimum:
      return a != a || a < b ? a : b;
    default:
      return static_cast<C>(static_cast<Wrap>(a) + static_cast<Wrap>(b));
  }
}

template <typename C>
C divided(C sum, int64_t count) {
  if constexpr (std::is_integral_v<C>) {
    // Rounded down, as PyTorch's mean of integers is.
    const C quotient = sum / count;
    return sum % count != 0 && sum < 0 ? quotient - 1 : quotient;
  } else {
    return sum / static_cast<C>(count);
  }
}

// Folds elements into a copy of the operand in the compute type. `each` calls its argument with the
// place to fold into and the element's number in `values`.
template <typename Each>
Status fold_into(Call& call, Fold fold, bool include_self, const Tensor& values, const Each& each) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_CHECK(resize_out(call, out, self.sizes()));
  return dispatch_compute(self.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor start, dense_as<C>(call, self));
    PTE_TRY(const Tensor dense, dense_as<C>(call, values));
    PTE_TRY(DenseOut<C> result, DenseOut<C>::make(call, out));
    const int64_t count = self.numel();
    const C* from = dense.template data_as<C>();
    C* to = result.data();
    if (count > 0 && to != start.template data_as<C>()) {
      std::copy_n(start.template data_as<C>(), count, to);
    }
    // How many elements a place has taken, its own among them where that counts.
    std::vector<int64_t> taken(static_cast<size_t>(count), include_self ? 1 : 0);
    PTE_CHECK(each([&](int64_t target, int64_t source) {
      int64_t& n = taken[static_cast<size_t>(target)];
      to[target] = n == 0 ? from[source] : folded(fold, to[target], from[source]);
      ++n;
    }));
    if (fold == Fold::kMean) {
      // Sums of integers wrap around as their type does before they are divided.
      if (std::is_integral_v<C>) round_run<C>(self.dtype(), to, count);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t n = taken[static_cast<size_t>(i)];
        if (n > 1) to[i] = divided(to[i], n);
      }
    }
    return result.commit(call);
  });
}

Status scatter_fold(Call& call, Fold fold, bool include_self) {
  const Tensor src = at_least_1d(call.tensor(3));
  PTE_TRY(const Along a, open(call, &src));
  PTE_CHECK(check_same_type(call, a.self, src));
  return fold_into(call, fold, include_self, src, [&](const auto& write) {
    return for_each_target(call, a, contiguous_strides(src.sizes()), write);
  });
}

Status scatter_add(Call& call) { return scatter_fold(call, Fold::kSum, true); }

Result<Fold> fold_argument(const Call& call, size_t arg, std::span<const std::string_view> names) {
  const std::string* name = call.optional_text(arg);
  for (const std::string_view known : names) {
    if (name != nullptr && *name == known) return *fold_of(known);
  }
  return call.invalid("reduce is '{}', expected one of {}", name == nullptr ? "" : *name,
                      fmt::join(names, ", "));
}

Status scatter_reduce_two(Call& call) {
  static constexpr std::string_view kNames[] = {"sum", "prod", "mean", "amax", "amin"};
  PTE_TRY(const Fold fold, fold_argument(call, 4, kNames));
  return scatter_fold(call, fold, call.boolean(5));
}

constexpr std::string_view kOldNames[] = {"add", "multiply"};

Status scatter_reduce(Call& call) {
  PTE_TRY(const Fold fold, fold_argument(call, 4, kOldNames));
  return scatter_fold(call, fold, true);
}

Status scatter_value_reduce(Call& call) {
  PTE_TRY(const Fold fold, fold_argument(call, 4, kOldNames));
  PTE_TRY(const Along a, open(call, nullptr));
  PTE_CHECK(check_real(call, a.self));
  PTE_TRY(Tensor value, Tensor::zeros(a.self.dtype(), {}));
  PTE_CHECK(fill_with(call, value, call.scalar(3)));
  return fold_into(call, fold, true, value, [&](const auto& write) {
    return for_each_target(call, a, Strides(a.self.rank(), 0), write);
  });
}

// ---- one list of indices for a whole dimension

// The indices, checked against the size of the dimension.
Result<std::vector<int64_t>> read_list(const Call& call, const Tensor& index, int64_t size) {
  PTE_CHECK(check_index_type(call, index));
  if (index.rank() > 1) return call.invalid("indices {} are no list", index.describe());
  std::vector<int64_t> places(static_cast<size_t>(index.numel()));
  load_run<int64_t>(index.dtype(), index.data(), index.rank() == 0 ? 1 : index.strides()[0],
                    index.numel(), places.data());
  BadIndex bad;
  for (const int64_t place : places) {
    if (!bad.accepts(place, size)) break;
  }
  PTE_CHECK(bad.status(call, size));
  return places;
}

Status index_select(Call& call) {
  const Tensor self = at_least_1d(call.tensor(0));
  PTE_TRY(const int64_t wrapped, wrap_dim(call, call.integer(1), self.rank()));
  const size_t dim = static_cast<size_t>(wrapped);
  PTE_TRY(const std::vector<int64_t> places, read_list(call, call.tensor(2), self.size(dim)));
  Sizes sizes = call.tensor(0).sizes();
  if (!sizes.empty()) {
    sizes[dim] = static_cast<int64_t>(places.size());
  } else if (places.size() != 1) {
    return call.invalid("{} indices for a tensor of rank 0", places.size());
  }
  PTE_CHECK(resize_out(call, call.out(), sizes));
  return take(call, call.tensor(0), call.out(),
              [&](size_t d, int64_t i) { return d == dim ? places[static_cast<size_t>(i)] : i; });
}

Status index_reduce(Call& call) {
  static constexpr std::string_view kNames[] = {"prod", "mean", "amax", "amin"};
  const Tensor self = at_least_1d(call.tensor(0));
  const Tensor source = at_least_1d(call.tensor(3));
  PTE_TRY(const Fold fold, fold_argument(call, 4, kNames));
  PTE_TRY(const int64_t wrapped, wrap_dim(call, call.integer(1), self.rank()));
  const size_t dim = static_cast<size_t>(wrapped);
  PTE_TRY(const std::vector<int64_t> places, read_list(call, call.tensor(2), self.size(dim)));
  PTE_CHECK(check_same_type(call, self, source));
  Sizes expected = self.sizes();
  expected[dim] = static_cast<int64_t>(places.size());
  if (source.sizes() != expected) {
    return call.invalid("{} indices into {} do not fit {}", places.size(), self.describe(),
                        source.describe());
  }
  return fold_into(call, fold, call.boolean(5), source, [&](const auto& write) -> Status {
    if (source.numel() == 0) return {};
    const Strides to = contiguous_strides(self.sizes());
    int64_t inner = 1;
    for (size_t d = dim + 1; d < self.rank(); ++d) inner *= self.size(d);
    const int64_t count = expected[dim];
    const int64_t outer = source.numel() / (inner * count);
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < count; ++i) {
        const int64_t place = places[static_cast<size_t>(i)];
        for (int64_t k = 0; k < inner; ++k) {
          write((o * self.size(dim) + place) * inner + k, (o * count + i) * inner + k);
        }
      }
    }
    return {};
  });
}

}  // namespace

std::span<const Entry> along_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_gather, gather},
      {Op::aten_scatter_src, scatter_src},
      {Op::aten_scatter_value, scatter_value},
      {Op::aten_scatter_add, scatter_add},
      {Op::aten_scatter_reduce_two, scatter_reduce_two},
      {Op::aten_scatter_reduce, scatter_reduce},
      {Op::aten_scatter_value_reduce, scatter_value_reduce},
      {Op::aten_index_select, index_select},
      {Op::aten_index_reduce, index_reduce},
  };
  return kEntries;
}

}  // namespace pte::kernels
