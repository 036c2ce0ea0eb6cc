// Sorting and what it leads to, running extremes and products, searches, distinct values.
//
// The official library selects the k largest (topk) but does not sort; equal elements come out in
// any order there. Where the number of elements is known and small, places are counted instead,
// which keeps the order of equal elements as PyTorch's sort does.
#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

// Elements of the table of comparisons that counting makes.
constexpr int64_t kCountingLimit = 1 << 20;

Result<size_t> dim_of(const Rewrite& r, size_t arg) {
  const auto dim = r.arg(arg).integer();
  const auto at = dim ? wrap_dim(*dim, r.type(0).rank()) : std::nullopt;
  if (!at) return r.not_supported("a dimension that is out of range");
  return *at;
}

// Operands without dimensions as a vector.
Value* at_least_1d(Maker& m, Value* x) { return x->tensor().rank() == 0 ? m.unsqueeze(x, 0) : x; }

int64_t signed_dim(size_t dim) { return static_cast<int64_t>(dim); }

// Whether place j comes before place i, for all pairs: [.., i, j].
Value* precedes(Maker& m, Value* x, bool descending, int64_t count) {
  Value* xi = m.unsqueeze(x, -1);
  Value* xj = m.unsqueeze(x, -2);
  Value* before = descending ? m.gt(xj, xi) : m.lt(xj, xi);
  Value* equal = m.eq(xj, xi);
  if (is_floating(x->tensor().dtype)) {  // NaN is the largest, and equal to itself
    Value* ni = m.isnan(xi);
    Value* nj = m.isnan(xj);
    Value* above = descending ? m.both(nj, m.negate(ni)) : m.both(ni, m.negate(nj));
    before = m.either(before, above);
    equal = m.either(equal, m.both(ni, nj));
  }
  Value* numbers = m.arange(count);
  Value* earlier = m.lt(m.unsqueeze(numbers, 0), m.unsqueeze(numbers, 1));
  return m.either(before, m.both(equal, earlier));
}

}  // namespace

Sorted sort_along(Maker& m, Value* x, size_t dim, bool descending) {
  const SymSizes& sizes = x->tensor().sizes;
  const size_t last = sizes.size() - 1;
  const auto known = ir::to_static(sizes);
  const int64_t count = sizes[dim].constant().value_or(-1);
  const bool small = known && count > 0 && *element_count(*known) <= kCountingLimit / count;
  const DType dtype = x->tensor().dtype;
  const DType comparable = dtype == DType::kBool ? DType::kUInt8 : dtype;
  if (!small) {
    Arg k = Arg(count);
    if (count < 0) k = m.call(Op::aten_sym_size_int, {x, Arg(signed_dim(dim))});
    auto results = m.calls(Op::aten_topk, {m.cast(x, comparable), std::move(k),
                                           Arg(signed_dim(dim)), Arg(descending), Arg(true)});
    if (results.size() < 2) return {x, x};
    return {m.cast(results[0], dtype), results[1]};
  }
  Value* lines = m.swap(x, dim, last);
  Value* place = m.count(precedes(m, m.cast(lines, comparable), descending, count), -1);
  Sizes turned = *known;
  std::swap(turned[dim], turned[last]);
  Value* numbers = m.expand(m.arange(count), turned);
  Value* zeros = m.full(turned, Arg(0), DType::kInt64);
  Value* order = m.call(Op::aten_scatter_src, {zeros, Arg(-1), place, numbers});
  Value* values = m.gather(lines, -1, order);
  return {m.swap(values, dim, last), m.swap(order, dim, last)};
}

namespace {

// (self, dim, descending), and with `stable` before them.
template <size_t kDim>
Result<Replacement> sort(Rewrite& r) {
  const auto descending = r.arg(kDim + 1).boolean();
  if (!descending) return r.not_supported("an order that is computed");
  Maker m(r);
  if (r.type(0).rank() == 0) {
    return m.done(
        {m.call(Op::dim_order_clone_dim_order, {r.arg(0)}), m.full({}, Arg(0), DType::kInt64)});
  }
  PTE_TRY(const size_t dim, dim_of(r, kDim));
  const Sorted sorted = sort_along(m, r.input(0), dim, *descending);
  return m.done({sorted.values, sorted.indices});
}

// One place of the sorted line, with or without its dimension.
Result<Replacement> place_of_sorted(Maker& m, Value* x, size_t dim, Arg place, bool keep) {
  const bool scalar = x->tensor().rank() == 0;
  const Sorted sorted = sort_along(m, at_least_1d(m, x), dim, false);
  const auto pick = [&](Value* v) {
    Value* one = m.select(v, signed_dim(dim), place);
    return keep && !scalar ? m.unsqueeze(one, signed_dim(dim)) : one;
  };
  return m.done({pick(sorted.values), pick(sorted.indices)});
}

Result<Replacement> kthvalue(Rewrite& r) {
  PTE_TRY(const size_t dim, dim_of(r, 2));
  const auto k = r.arg(1).integer();
  if (!k) return r.not_supported("a k that is computed");
  Maker m(r);
  return place_of_sorted(m, r.input(0), dim, Arg(*k - 1), r.arg(3).boolean().value_or(false));
}

// The lower of the middle two; NaN wherever one is, unless `skip`.
Sorted middle(Maker& m, Value* x, size_t dim, int64_t count, bool skip) {
  const Sorted sorted = sort_along(m, x, dim, false);
  const int64_t d = signed_dim(dim);
  const bool floating = is_floating(x->tensor().dtype);
  if (!floating) {
    const int64_t at = (count - 1) / 2;
    return {m.slice(sorted.values, d, at, at + 1), m.slice(sorted.indices, d, at, at + 1)};
  }
  // NaN come last: count what is none.
  Value* nans = m.call(Op::aten_sum_dim_IntList,
                       {m.cast(m.isnan(x), DType::kInt64), Arg::ints({d}), Arg(true)});
  Value* place = nullptr;
  if (skip) {
    Value* numbers = m.call(Op::aten_clamp, {m.rsub(nans, Arg(count)), Arg(1), Arg()});
    place = m.floor_div(m.sub(numbers, Arg(1)), Arg(2));
  } else {
    Value* first = m.rsub(nans, Arg(count));
    place = m.where(m.gt(nans, Arg(0)), first, m.number_like(Arg((count - 1) / 2), nans));
  }
  return {m.gather(sorted.values, d, place), m.gather(sorted.indices, d, place)};
}

template <bool kSkip>
Result<Replacement> median(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  const int64_t count = *element_count(sizes);
  if (count == 0) return r.not_supported("an empty operand");
  Maker m(r);
  const Sorted found = middle(m, m.view(r.input(0), Sizes{count}), 0, count, kSkip);
  return m.done(m.view(found.values, Sizes{}));
}

template <bool kSkip>
Result<Replacement> median_dim(Rewrite& r) {
  PTE_TRY(const size_t dim, dim_of(r, 1));
  Maker m(r);
  Value* x = at_least_1d(m, r.input(0));
  const auto count =
      r.type(0).rank() == 0 ? std::optional<int64_t>(1) : r.type(0).sizes[dim].constant();
  if (!count || *count == 0) return r.not_supported("a dimension of unknown size");
  const bool squeeze = r.type(0).rank() == 0 || !r.arg(2).boolean().value_or(false);
  const Sorted found = middle(m, x, dim, *count, kSkip);
  const auto finish = [&](Value* v) { return squeeze ? m.squeeze(v, signed_dim(dim)) : v; };
  return m.done({finish(found.values), finish(found.indices)});
}

// The most frequent value, of several the smallest; its last place.
Result<Replacement> mode(Rewrite& r) {
  PTE_TRY(const size_t dim, dim_of(r, 1));
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  if (sizes.empty()) return r.not_supported("an operand without dimensions");
  const int64_t count = sizes[dim];
  PTE_CHECK(check_work(r, {*element_count(sizes), count}));
  if (count == 0) return r.not_supported("an empty operand");
  Maker m(r);
  Value* lines = m.swap(r.input(0), dim, sizes.size() - 1);
  Value* counts = m.count(m.eq(m.unsqueeze(lines, -1), m.unsqueeze(lines, -2)), -1);
  Value* often = m.eq(counts, m.amax(counts, -1, true));
  Value* others = m.amax(lines, -1, true);  // no candidate is above it
  Value* value = m.amin(m.where(often, lines, others), -1, true);
  Value* numbers = m.expand(m.arange(count), {1, count});
  if (sizes.size() == 1) numbers = m.view(numbers, Sizes{count});
  Value* place = m.amax(m.where(m.eq(lines, value), numbers, Arg(-1)), -1, true);
  const bool keep = r.arg(2).boolean().value_or(false);
  const auto finish = [&](Value* v) {
    return keep ? m.swap(v, dim, sizes.size() - 1)
                : m.squeeze(m.swap(v, dim, sizes.size() - 1), signed_dim(dim));
  };
  return m.done({finish(value), finish(place)});
}

// ---- running results, in steps that double

struct Pair {
  Value* value = nullptr;
  Value* index = nullptr;
};

// Combines every element with all before it: combine(earlier, later).
template <typename Combine>
Pair running(Maker& m, Pair all, size_t dim, int64_t count, Combine combine) {
  const int64_t d = signed_dim(dim);
  for (int64_t step = 1; step < count; step *= 2) {
    const auto part = [&](Value* v, int64_t begin, int64_t end) {
      return v == nullptr ? nullptr : m.slice(v, d, begin, end);
    };
    const Pair earlier{part(all.value, 0, count - step), part(all.index, 0, count - step)};
    const Pair later{part(all.value, step, count), part(all.index, step, count)};
    const Pair both = combine(earlier, later);
    all.value = m.cat({part(all.value, 0, step), both.value}, d);
    if (all.index != nullptr) all.index = m.cat({part(all.index, 0, step), both.index}, d);
  }
  return all;
}

template <bool kMax>
Result<Replacement> running_extreme(Rewrite& r) {
  PTE_TRY(const size_t dim, dim_of(r, 1));
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  if (sizes.empty()) return r.not_supported("an operand without dimensions");
  Maker m(r);
  Sizes along(sizes.size(), 1);
  along[dim] = sizes[dim];
  Value* numbers = m.expand(m.view(m.arange(sizes[dim]), along), sizes);
  const Pair result =
      running(m, {r.input(0), numbers}, dim, sizes[dim], [&](const Pair& a, const Pair& b) {
        // The later of equal ones, and NaN once it came.
        Value* takes = kMax ? m.ge(b.value, a.value) : m.le(b.value, a.value);
        if (is_floating(r.type(0).dtype)) takes = m.either(takes, m.isnan(b.value));
        return Pair{m.where(takes, b.value, a.value), m.where(takes, b.index, a.index)};
      });
  return m.done({result.value, result.index});
}

Result<Replacement> cumprod(Rewrite& r) {
  PTE_TRY(const size_t dim, dim_of(r, 1));
  const size_t rank = r.type(0).rank();
  const auto count = rank == 0 ? std::optional<int64_t>(1) : r.type(0).sizes[dim].constant();
  if (!count) return r.not_supported("a dimension of unknown size");
  Maker m(r);
  Value* x = m.cast(r.input(0), r.result_type().dtype);
  if (rank == 0) return m.done(m.call(Op::dim_order_clone_dim_order, {x}));
  return m.done(running(m, {x, nullptr}, dim, *count, [&](const Pair& a, const Pair& b) {
                  return Pair{m.mul(a.value, b.value), nullptr};
                }).value);
}

Result<Replacement> logcumsumexp(Rewrite& r) {
  PTE_TRY(const size_t dim, dim_of(r, 1));
  const size_t rank = r.type(0).rank();
  const auto count = rank == 0 ? std::optional<int64_t>(1) : r.type(0).sizes[dim].constant();
  if (!count) return r.not_supported("a dimension of unknown size");
  Maker m(r);
  if (rank == 0) return m.done(m.call(Op::dim_order_clone_dim_order, {r.input(0)}));
  return m.done(running(m, {r.input(0), nullptr}, dim, *count, [&](const Pair& a, const Pair& b) {
                  Value* most = m.call(Op::aten_maximum, {a.value, b.value});
                  Value* gap = m.neg(m.abs(m.sub(a.value, b.value)));
                  Value* sum = m.add(most, m.unary(Op::aten_log1p, m.exp(gap)));
                  return Pair{m.where(m.unary(Op::aten_isinf, most), most, sum), nullptr};
                }).value);
}

// ---- searches

// How many boundaries lie before each value.
Value* boundaries_before(Maker& m, Value* boundaries, Value* x, bool right) {
  const Op op = right ? Op::aten_gt_Tensor : Op::aten_ge_Tensor;
  Value* beyond = m.call(op, {m.unsqueeze(boundaries, -2), m.unsqueeze(x, -1)});
  return m.count(m.negate(beyond), -1);
}

Result<Replacement> search(Rewrite& r, size_t sequence, size_t values, size_t int32) {
  Maker m(r);
  bool right = r.arg(int32 + 1).boolean().value_or(false);
  Value* boundaries = r.input(sequence);
  Value* x = r.input(values);
  if (r.node->is(Op::aten_searchsorted_Tensor)) {
    if (const std::string* side = r.arg(4).text()) right = *side == "right";
    if (Value* sorter = r.arg(5).value()) boundaries = m.gather(boundaries, -1, sorter);
  }
  const auto given = x->tensor().static_sizes();
  const auto counts = boundaries->tensor().static_sizes();
  if (given && counts && !counts->empty()) {
    PTE_CHECK(check_work(r, {*element_count(*given), counts->back()}));
  }
  const bool scalar = x->tensor().rank() == 0;
  if (scalar) x = m.unsqueeze(x, 0);
  Value* line = boundaries;
  if (boundaries->tensor().rank() == 1) {
    // One line for all: it broadcasts from the last dimension.
    const Op op = right ? Op::aten_gt_Tensor : Op::aten_ge_Tensor;
    Value* beyond = m.call(op, {line, m.unsqueeze(x, -1)});
    line = m.count(m.negate(beyond), -1);
  } else {
    line = boundaries_before(m, boundaries, x, right);
  }
  if (scalar) line = m.squeeze(line, 0);
  return m.done(line);
}

Result<Replacement> bucketize(Rewrite& r) { return search(r, 1, 0, 2); }
Result<Replacement> searchsorted(Rewrite& r) { return search(r, 0, 1, 2); }

// Values in equal bins of [min, max]; the extremes of the values when those are equal.
Result<Replacement> histc(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  const auto bins = r.arg(1).integer();
  const auto low = r.arg(2).number();
  const auto high = r.arg(3).number();
  if (!bins || !low || !high || *bins < 1) return r.not_supported("bounds that are computed");
  const int64_t count = *element_count(sizes);
  if (count == 0) return r.not_supported("an empty operand");
  PTE_CHECK(check_work(r, {count, *bins}));
  Maker m(r);
  Value* x = m.view(r.input(0), Sizes{count, 1});
  const DType dtype = r.type(0).dtype;
  Value* least = m.full({1, 1}, Arg(*low), dtype);
  Value* most = m.full({1, 1}, Arg(*high), dtype);
  if (*low == *high) {
    least = m.view(m.amin(x, 0), Sizes{1, 1});
    most = m.view(m.amax(x, 0), Sizes{1, 1});
    Value* same = m.cast(m.eq(least, most), dtype);
    least = m.sub(least, same);
    most = m.add(most, same);
  }
  Value* inside = m.both(m.ge(x, least), m.le(x, most));
  Value* scaled = m.div(m.mul(m.sub(x, least), Arg(*bins)), m.sub(most, least));
  Value* bin = m.call(Op::aten_clamp, {m.floor(scaled), Arg(), Arg(*bins - 1)});
  Value* numbers = m.cast(m.view(m.arange(*bins), Sizes{1, *bins}), dtype);
  Value* hits = m.both(m.eq(bin, numbers), inside);
  return m.done(m.sum(m.cast(hits, dtype), 0));
}

// ---- distinct values; their number is known at run time only

Result<Replacement> distinct(Maker& m, Value* line, int64_t count, Value* order) {
  Rewrite& r = m.rewrite();
  Value* first = m.full({1}, Arg(true), DType::kBool);
  if (count > 1) {
    Value* differs =
        m.call(Op::aten_ne_Tensor, {m.slice(line, 0, 1, count), m.slice(line, 0, 0, count - 1)});
    first = m.cat({first, differs}, 0);
  }
  Value* values = m.call(Op::aten_masked_select, {line, first});
  const Graph& graph = r.node->graph();
  std::vector<Value*> results{values, nullptr, nullptr};
  Value* number = m.sub(m.call(Op::aten_cumsum, {m.cast(first, DType::kInt64), Arg(0)}), Arg(1));
  if (graph.has_uses(r.node->result(1))) {
    Value* inverse = number;
    if (order != nullptr) {
      inverse = m.call(Op::aten_scatter_src,
                       {m.full({count}, Arg(0), DType::kInt64), Arg(0), order, number});
    }
    results[1] = m.view(inverse, *r.type(0).static_sizes());
  }
  if (graph.has_uses(r.node->result(2))) {
    Value* zeros = m.full({count}, Arg(0), DType::kInt64);
    Value* ones = m.full({count}, Arg(1), DType::kInt64);
    Value* totals = m.call(Op::aten_scatter_add, {zeros, Arg(0), number, ones});
    results[2] = m.call(Op::aten_masked_select, {m.gather(totals, 0, number), first});
  }
  return m.done(results);
}

template <bool kSorted>
Result<Replacement> unique(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  if (!kSorted && !r.arg(3).is_none()) return r.not_supported("a dimension");
  const int64_t count = *element_count(sizes);
  if (count == 0) return r.not_supported("an empty operand");
  Maker m(r);
  Value* line = m.view(r.input(0), Sizes{count});
  if (!kSorted) return distinct(m, line, count, nullptr);
  const Sorted sorted = sort_along(m, line, 0, false);
  return distinct(m, sorted.values, count, sorted.indices);
}

// Places of what is not zero, in order, and `fill_value` after them.
Result<Replacement> nonzero_static(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  const auto size = r.arg(1).integer();
  const auto fill = r.arg(2).integer();
  if (!size || !fill) return r.not_supported("a size that is computed");
  const int64_t count = *element_count(sizes);
  if (count == 0 || sizes.empty() || *size == 0) return r.not_supported("an empty operand");
  Maker m(r);
  Value* hit = m.call(Op::aten_ne_Scalar, {m.view(r.input(0), Sizes{count}), Arg(0)});
  Value* keys = m.where(hit, m.arange(count), Arg(count));
  const int64_t found = std::min(*size, count);
  auto results = m.calls(Op::aten_topk, {keys, Arg(found), Arg(0), Arg(false), Arg(true)});
  if (results.empty()) return m.done(keys);
  Value* place = results[0];
  Value* valid = m.lt(place, Arg(count));
  std::vector<Value*> columns;
  int64_t stride = count;
  for (const int64_t extent : sizes) {
    stride /= extent;
    Value* whole = m.floor_div(place, Arg(stride));
    Value* within = m.sub(whole, m.mul(m.floor_div(whole, Arg(extent)), Arg(extent)));
    columns.push_back(m.unsqueeze(m.where(valid, within, Arg(*fill)), 1));
  }
  Value* table = columns.size() == 1 ? columns[0] : m.cat(columns, 1);
  if (found < *size) {
    table = m.cat({table, m.full({*size - found, static_cast<int64_t>(sizes.size())}, Arg(*fill),
                                 DType::kInt64)},
                  0);
  }
  return m.done(table);
}

}  // namespace

std::span<const RuleEntry> legal_order_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_sort, sort<1>},
      {Op::aten_sort_stable, sort<2>},
      {Op::aten_kthvalue, kthvalue},
      {Op::aten_median, median<false>},
      {Op::aten_nanmedian, median<true>},
      {Op::aten_median_dim, median_dim<false>},
      {Op::aten_nanmedian_dim, median_dim<true>},
      {Op::aten_mode, mode},
      {Op::aten_cummax, running_extreme<true>},
      {Op::aten_cummin, running_extreme<false>},
      {Op::aten_cumprod, cumprod},
      {Op::aten_logcumsumexp, logcumsumexp},
      {Op::aten_bucketize_Tensor, bucketize},
      {Op::aten_searchsorted_Tensor, searchsorted},
      {Op::aten_histc, histc},
      {Op::aten__unique2, unique<true>},
      {Op::aten_unique_consecutive, unique<false>},
      {Op::aten_nonzero_static, nonzero_static},
  };
  return kRules;
}

}  // namespace pte::passes
