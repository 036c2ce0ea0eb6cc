// Scattering with reductions, bags of embeddings, triangles, windows of numbers.
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Reduce { kSum, kMean, kMax, kMin, kProd };

std::optional<Reduce> reduce_of(const std::string& name) {
  if (name == "sum" || name == "add") return Reduce::kSum;
  if (name == "mean") return Reduce::kMean;
  if (name == "amax" || name == "max") return Reduce::kMax;
  if (name == "amin" || name == "min") return Reduce::kMin;
  if (name == "prod" || name == "multiply") return Reduce::kProd;
  return std::nullopt;
}

// What changes nothing.
Arg neutral(Reduce reduce, DType dtype) {
  if (reduce == Reduce::kProd) return Arg(1);
  if (reduce == Reduce::kSum || reduce == Reduce::kMean) return Arg(0);
  const bool max = reduce == Reduce::kMax;
  if (is_floating(dtype)) return Arg(max ? -kInfinity : kInfinity);
  if (dtype == DType::kUInt8) return Arg(max ? 0 : 255);
  if (dtype == DType::kBool) return Arg(!max);
  const int bits = static_cast<int>(8 * size_of(dtype)) - 1;
  const auto most = static_cast<int64_t>((uint64_t{1} << bits) - 1);
  return Arg(max ? -most - 1 : most);
}

Value* combine(Maker& m, Reduce reduce, Value* a, Value* b) {
  if (reduce == Reduce::kMax) return m.call(Op::aten_maximum, {a, b});
  if (reduce == Reduce::kMin) return m.call(Op::aten_minimum, {a, b});
  return m.mul(a, b);
}

// Reduces the last dimension of a table.
Value* fold(Maker& m, Reduce reduce, Value* table) {
  if (reduce == Reduce::kMax) return m.amax(table, -1);
  if (reduce == Reduce::kMin) return m.amin(table, -1);
  return m.call(Op::aten_prod_dim_int, {table, Arg(-1), Arg(false), table->tensor().dtype});
}

Value* quotient(Maker& m, Value* sum, Value* count) {
  if (is_floating(sum->tensor().dtype)) return m.div(sum, m.cast(count, sum->tensor().dtype));
  return m.floor_div(sum, m.cast(count, sum->tensor().dtype));
}

// self[.., index[i], ..] = reduce(self[..], src[i])
Result<Replacement> scatter(Rewrite& r, int64_t given_dim, Value* index, Value* src, Reduce reduce,
                            bool include_self) {
  const auto dim = wrap_dim(given_dim, r.type(0).rank());
  if (!dim || r.type(0).rank() == 0) return r.not_supported("an operand without dimensions");
  Maker m(r);
  Value* self = r.input(0);
  const auto d = static_cast<int64_t>(*dim);
  const DType dtype = r.type(0).dtype;
  if (reduce == Reduce::kSum || reduce == Reduce::kMean) {
    Value* base = self;
    if (!include_self) base = m.call(Op::aten_scatter_value, {self, Arg(d), index, Arg(0)});
    Value* sum = m.call(Op::aten_scatter_add, {base, Arg(d), index, src});
    if (reduce == Reduce::kSum) return m.done(sum);
    const auto like = [&](Value* v, int number) {
      Value* zero = m.mul(m.cast(v, DType::kInt64), Arg(0));
      return number == 0 ? zero : m.add(zero, Arg(number));
    };
    const auto known_self = self->tensor().static_sizes();
    const auto known_index = index->tensor().static_sizes();
    Value* start = known_self ? m.full(*known_self, Arg(include_self ? 1 : 0), DType::kInt64)
                              : like(m.isnan(self), include_self ? 1 : 0);
    Value* ones = known_index ? m.full(*known_index, Arg(1), DType::kInt64) : like(index, 1);
    Value* count = m.call(Op::aten_scatter_add, {start, Arg(d), index, ones});
    count = m.call(Op::aten_clamp, {count, Arg(1), Arg()});
    return m.done(quotient(m, sum, count));
  }
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  const auto index_sizes = index->tensor().static_sizes();
  if (!index_sizes) return r.not_supported("an index of unknown size");
  const size_t last = sizes.size() - 1;
  Sizes region = sizes;
  region[*dim] = (*index_sizes)[*dim];
  PTE_CHECK(check_work(r, {*element_count(sizes), region[*dim]}));
  // As large as self beside the dimension; what was not there points nowhere.
  std::vector<int64_t> pads;
  bool smaller = false;
  for (size_t i = sizes.size(); i-- > 0;) {
    pads.push_back(0);
    pads.push_back(region[i] - (*index_sizes)[i]);
    smaller = smaller || pads.back() != 0;
  }
  Value* from = src;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (from->tensor().sizes[i] != index->tensor().sizes[i]) {
      from = m.slice(from, static_cast<int64_t>(i), 0, (*index_sizes)[i]);
    }
  }
  Value* to = index;
  if (smaller) {
    to = m.call(Op::aten_constant_pad_nd, {to, Arg::ints(pads), Arg(-1)});
    from = m.call(Op::aten_constant_pad_nd, {from, Arg::ints(pads), Arg(0)});
  }
  to = m.unsqueeze(m.swap(to, *dim, last), -2);
  from = m.unsqueeze(m.swap(from, *dim, last), -2);
  Value* numbers = m.view(m.arange(sizes[*dim]), Sizes{sizes[*dim], 1});
  Value* hits = m.eq(to, numbers);
  Value* reduced = fold(m, reduce, m.where(hits, from, neutral(reduce, dtype)));
  Value* old = m.swap(self, *dim, last);
  Value* result = nullptr;
  if (include_self) {
    result = combine(m, reduce, old, reduced);
  } else {
    result = m.where(m.gt(m.count(hits, -1), Arg(0)), reduced, old);
  }
  return m.done(m.swap(result, *dim, last));
}

Result<Replacement> scatter_named(Rewrite& r, Value* src, size_t name, bool include_self) {
  const std::string* text = r.arg(name).text();
  const auto reduce = text == nullptr ? std::nullopt : reduce_of(*text);
  const auto dim = r.arg(1).integer();
  if (!reduce || !dim) return r.not_supported("a reduction that is not known");
  return scatter(r, *dim, r.input(2), src, *reduce, include_self);
}

Result<Replacement> scatter_reduce(Rewrite& r) {
  return scatter_named(r, r.input(3), 4, r.arg(5).boolean().value_or(false));
}

Result<Replacement> scatter_src_reduce(Rewrite& r) { return scatter_named(r, r.input(3), 4, true); }

Result<Replacement> scatter_value_reduce(Rewrite& r) {
  const auto sizes = r.type(2).static_sizes();
  if (!sizes) return r.not_supported("an index of unknown size");
  Maker m(r);
  Value* src = m.full(*sizes, r.arg(3), r.type(0).dtype);
  return scatter_named(r, src, 4, true);
}

// The index names whole slices: it is the same for every element of one.
Result<Replacement> index_reduce(Rewrite& r) {
  const auto sizes = r.type(3).static_sizes();
  const auto dim = r.arg(1).integer();
  const std::string* text = r.arg(4).text();
  const auto reduce = text == nullptr ? std::nullopt : reduce_of(*text);
  if (!sizes || !dim || !reduce || sizes->empty())
    return r.not_supported("a source of unknown size");
  const auto at = wrap_dim(*dim, sizes->size());
  if (!at) return r.not_supported("a dimension out of range");
  Maker m(r);
  Sizes along(sizes->size(), 1);
  along[*at] = (*sizes)[*at];
  Value* index = m.expand(m.view(m.cast(r.input(2), DType::kInt64), along), *sizes);
  return scatter(r, *dim, index, r.input(3), *reduce, r.arg(5).boolean().value_or(false));
}

// Places counted through the whole tensor, negative ones from its end.
Result<Replacement> put(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  PTE_TRY(const Sizes places, known_sizes(r, 1));
  Maker m(r);
  const int64_t count = *element_count(sizes);
  const Sizes flat{*element_count(places)};
  Value* index = m.view(r.input(1), flat);
  index = m.where(m.lt(index, Arg(0)), m.add(index, Arg(count)), index);
  Value* source = m.view(r.input(2), flat);
  const Op op = r.arg(3).boolean().value_or(false) ? Op::aten_scatter_add : Op::aten_scatter_src;
  return m.done(
      m.view(m.call(op, {m.view(r.input(0), Sizes{count}), Arg(0), index, source}), sizes));
}

Result<Replacement> diagonal_scatter(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  const auto offset = r.arg(2).integer();
  const auto a = wrap_dim(r.arg(3).integer().value_or(99), sizes.size());
  const auto b = wrap_dim(r.arg(4).integer().value_or(99), sizes.size());
  if (!offset || !a || !b || *a == *b) return r.not_supported("dimensions that are out of range");
  Maker m(r);
  // A table of the diagonal's places, the diagonal last.
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size() - 1; i-- > 0;) strides[i] = strides[i + 1] * sizes[i + 1];
  std::vector<int64_t> places{0};
  const auto spread = [&](int64_t count, int64_t first, int64_t step) {
    std::vector<int64_t> wider;
    for (const int64_t place : places) {
      for (int64_t i = 0; i < count; ++i) wider.push_back(place + first + i * step);
    }
    places = std::move(wider);
  };
  PTE_CHECK(check_work(r, {*element_count(sizes)}));
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i != *a && i != *b) spread(sizes[i], 0, strides[i]);
  }
  const int64_t row = *offset < 0 ? -*offset : 0;
  const int64_t column = *offset > 0 ? *offset : 0;
  const int64_t length = std::max<int64_t>(std::min(sizes[*a] - row, sizes[*b] - column), 0);
  spread(length, row * strides[*a] + column * strides[*b], strides[*a] + strides[*b]);
  const auto count = static_cast<int64_t>(places.size());
  if (count == 0) return Replacement{r.input(0)};
  Value* flat = m.view(r.input(0), Sizes{*element_count(sizes)});
  Value* source = m.view(r.input(1), Sizes{count});
  Value* result = m.call(Op::aten_scatter_src, {flat, Arg(0), m.indices({count}, places), source});
  return m.done(m.view(result, sizes));
}

Result<Replacement> triu(Rewrite& r) {
  const auto diagonal = r.arg(1).integer();
  if (!diagonal) return r.not_supported("a diagonal that is computed");
  Maker m(r);
  Value* x = r.input(0);
  const SymSizes& sizes = r.type(0).sizes;
  if (sizes.size() < 2) return r.not_supported("an operand that is no matrix");
  const auto rows = sizes[sizes.size() - 2].constant();
  const auto columns = sizes.back().constant();
  if (!rows || !columns) return r.not_supported("a matrix of unknown size");
  Value* i = m.view(m.arange(*rows), Sizes{*rows, 1});
  Value* j = m.view(m.arange(*columns), Sizes{1, *columns});
  Value* kept = m.ge(m.sub(j, i), Arg(*diagonal));
  return m.done(m.where(kept, x, Arg(0)));
}

template <bool kLower>
Result<Replacement> triangle_indices(Rewrite& r) {
  const auto rows = r.arg(0).integer();
  const auto columns = r.arg(1).integer();
  const auto offset = r.arg(2).integer();
  if (!rows || !columns || !offset) return r.not_supported("sizes that are computed");
  PTE_CHECK(check_work(r, {*rows, *columns}));
  std::vector<int64_t> both;
  std::vector<int64_t> second;
  for (int64_t i = 0; i < *rows; ++i) {
    for (int64_t j = 0; j < *columns; ++j) {
      if (kLower ? j - i <= *offset : j - i >= *offset) {
        both.push_back(i);
        second.push_back(j);
      }
    }
  }
  const auto count = static_cast<int64_t>(second.size());
  both.insert(both.end(), second.begin(), second.end());
  Maker m(r);
  return m.done(m.indices({2, count}, both));
}

// ---- embeddings

// Which bag each index belongs to, as a table [bags, indices] of truths.
Value* bag_table(Maker& m, Value* offsets, int64_t bags, int64_t count) {
  Value* starts = m.view(m.cast(offsets, DType::kInt64), Sizes{bags, 1});
  Value* numbers = m.view(m.arange(count), Sizes{1, count});
  Value* begun = m.le(starts, numbers);
  if (bags == 1) return begun;
  // In the bag that began last.
  Value* later =
      m.cat({m.slice(begun, 0, 1, bags), m.full({1, count}, Arg(false), DType::kBool)}, 0);
  return m.both(begun, m.negate(later));
}

Result<Replacement> embedding_bag(Rewrite& r) {
  PTE_TRY(const Sizes indices, known_sizes(r, 1));
  PTE_TRY(const Sizes offsets, known_sizes(r, 2));
  PTE_TRY(const Sizes table, known_sizes(r, 0));
  const auto mode = r.arg(4).integer();
  const auto padding = r.arg(8).integer();
  if (!mode || !padding || indices.size() != 1 || offsets.size() != 1 || offsets[0] == 0) {
    return r.not_supported("arguments that are computed");
  }
  Maker m(r);
  const bool include_last = r.arg(7).boolean().value_or(false);
  const int64_t bags = offsets[0] - (include_last ? 1 : 0);
  const int64_t count = indices[0];
  if (bags == 0 || count == 0) return r.not_supported("an empty operand");
  PTE_CHECK(check_work(r, {bags, count, *mode == 2 ? table[1] : 1}));
  const DType dtype = r.type(0).dtype;
  Value* starts = include_last ? m.slice(r.input(2), 0, 0, bags) : r.input(2);
  Value* member = bag_table(m, starts, bags, count);
  if (*padding >= 0) {
    Value* counted = m.call(Op::aten_ne_Scalar, {r.input(1), Arg(*padding)});
    member = m.both(member, m.view(counted, Sizes{1, count}));
  }
  Value* rows = m.call(Op::aten_embedding, {r.input(0), r.input(1)});
  if (Value* weights = r.arg(6).value()) rows = m.mul(rows, m.view(weights, Sizes{count, 1}));
  Value* numbers = m.count(member, 1);
  Value* result = nullptr;
  if (*mode == 2) {
    Value* cube = m.where(m.unsqueeze(member, 2), m.unsqueeze(rows, 0), Arg(-kInfinity));
    Value* empty = m.view(m.eq(numbers, Arg(0)), Sizes{bags, 1});
    result = m.where(empty, Arg(0), m.amax(cube, 1));
  } else {
    result = m.call(Op::aten_mm, {m.cast(member, dtype), rows});
    if (*mode == 1) {
      Value* divisor = m.call(Op::aten_clamp, {m.cast(numbers, dtype), Arg(1), Arg()});
      result = m.div(result, m.view(divisor, Sizes{bags, 1}));
    }
  }
  return m.done({m.cast(result, dtype), nullptr, nullptr, nullptr});
}

Result<Replacement> embedding_renorm(Rewrite& r) {
  PTE_TRY(const Sizes table, known_sizes(r, 0));
  PTE_TRY(const Sizes indices, known_sizes(r, 1));
  const auto most = r.arg(2).number();
  const auto order = r.arg(3).number();
  if (!most || !order || !std::isfinite(*order) || *order <= 0) {
    return r.not_supported("a norm of this order");
  }
  const int64_t count = *element_count(indices);
  if (count == 0) return r.not_supported("no index");
  PTE_CHECK(check_work(r, {table[0], count}));
  Maker m(r);
  Value* x = r.input(0);
  Value* powers = m.call(Op::aten_pow_Tensor_Scalar, {m.abs(x), Arg(*order)});
  Value* norm = m.call(Op::aten_pow_Tensor_Scalar, {m.sum(powers, 1, true), Arg(1 / *order)});
  Value* scale = m.mul(m.unary(Op::aten_reciprocal, m.add(norm, Arg(1e-7))), Arg(*most));
  Value* named = m.eq(m.view(m.cast(r.input(1), DType::kInt64), Sizes{1, count}),
                      m.view(m.arange(table[0]), Sizes{table[0], 1}));
  Value* touched = m.view(m.gt(m.count(named, 1), Arg(0)), Sizes{table[0], 1});
  return m.done(m.where(m.both(touched, m.gt(norm, Arg(*most))), m.mul(x, scale), x));
}

// Sums and extremes of segments of the first dimension, by the same table as bags.
Result<Replacement> segment_reduce(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  const std::string* text = r.arg(1).text();
  const auto reduce = text == nullptr ? std::nullopt : reduce_of(*text);
  const size_t given = r.arg(2).is_none() ? 4 : 2;
  if (!reduce || r.arg(5).integer() != 0 || r.arg(given).is_none() || !r.arg(7).is_none()) {
    return r.not_supported("segments of an inner dimension, or an initial value");
  }
  PTE_TRY(const Sizes segments, known_sizes(r, given));
  const int64_t bags = given == 2 ? segments[0] : segments[0] - 1;
  const int64_t count = sizes[0];
  if (bags <= 0 || *element_count(sizes) == 0) return r.not_supported("an empty operand");
  const int64_t width = *element_count(sizes) / count;
  PTE_CHECK(check_work(r, {bags, count, width}));
  Maker m(r);
  const DType dtype = r.type(0).dtype;
  Value* starts = nullptr;
  Value* ends = nullptr;
  if (given == 2) {
    ends = m.call(Op::aten_cumsum, {m.cast(r.input(2), DType::kInt64), Arg(0)});
    starts = m.sub(ends, m.cast(r.input(2), DType::kInt64));
  } else {
    starts = m.slice(m.cast(r.input(4), DType::kInt64), 0, 0, bags);
    ends = m.slice(m.cast(r.input(4), DType::kInt64), 0, 1, bags + 1);
  }
  Value* numbers = m.view(m.arange(count), Sizes{1, count});
  Value* member = m.both(m.le(m.view(starts, Sizes{bags, 1}), numbers),
                         m.gt(m.view(ends, Sizes{bags, 1}), numbers));
  Value* rows = m.view(r.input(0), Sizes{count, width});
  Value* result = nullptr;
  if (*reduce == Reduce::kSum || *reduce == Reduce::kMean) {
    result = m.call(Op::aten_mm, {m.cast(member, dtype), rows});
    if (*reduce == Reduce::kMean) {
      result = m.div(result, m.view(m.cast(m.count(member, 1), dtype), Sizes{bags, 1}));
    }
  } else {
    Value* lines = m.unsqueeze(m.permute(rows, {1, 0}), 0);  // [1, width, count]
    result = fold(m, *reduce, m.where(m.unsqueeze(member, 1), lines, neutral(*reduce, dtype)));
  }
  return m.done(m.view(result, *r.result_type().static_sizes()));
}

// ---- tapers

double bessel_i0(double x) {
  double sum = 1;
  double term = 1;
  for (int k = 1; k < 500 && term > sum * 1e-17; ++k) {
    term *= x * x / (4.0 * k * k);
    sum += term;
  }
  return sum;
}

Result<Replacement> window(Rewrite& r) {
  const std::string& name = r.node->op().name;
  const auto length = r.arg(0).integer();
  if (!length) return r.not_supported("a length that is computed");
  PTE_CHECK(check_work(r, {*length}));
  const auto number = [&](std::string_view arg, double otherwise) {
    const int at = r.node->op().arg_index(arg);
    return at < 0 ? otherwise : r.arg(static_cast<size_t>(at)).number().value_or(otherwise);
  };
  const bool periodic = number("periodic", 1) != 0;
  const double last = static_cast<double>(periodic ? *length : *length - 1);
  const double alpha = number("alpha", 0.54);
  const double beta = number("beta", name == "aten::kaiser_window" ? 12 : 0.46);
  std::vector<double> values;
  for (int64_t i = 0; i < *length; ++i) {
    const double x = static_cast<double>(i) / last;
    const double turn = 2 * std::numbers::pi * x;
    if (*length == 1) {
      values.push_back(1);
    } else if (name == "aten::hamming_window") {
      values.push_back(alpha - beta * std::cos(turn));
    } else if (name == "aten::hann_window") {
      values.push_back(0.5 - 0.5 * std::cos(turn));
    } else if (name == "aten::blackman_window") {
      values.push_back(0.42 - 0.5 * std::cos(turn) + 0.08 * std::cos(2 * turn));
    } else if (name == "aten::bartlett_window") {
      values.push_back(x <= 0.5 ? 2 * x : 2 - 2 * x);
    } else {
      const double t = 2 * x - 1;
      values.push_back(bessel_i0(beta * std::sqrt(std::max(0.0, 1 - t * t))) / bessel_i0(beta));
    }
  }
  Maker m(r);
  if (r.result_type().dtype == DType::kFloat64) {
    return m.done(
        m.constant("window", Tensor::of<double>({*length}, std::span<const double>(values))));
  }
  const std::vector<float> floats(values.begin(), values.end());
  return m.done(m.constant("window", Tensor::of<float>({*length}, std::span<const float>(floats))));
}

Result<Replacement> empty_permuted(Rewrite& r) {
  const auto sizes = r.result_type().static_sizes();
  if (!sizes) return r.not_supported("sizes that are computed");
  Maker m(r);
  Value* zeros = m.full(*sizes, Arg(0), r.result_type().dtype);
  if (r.result_type().is_contiguous()) return m.done(zeros);
  const DimOrder& order = r.result_type().dim_order;
  return m.done(m.call(Op::dim_order_clone_dim_order,
                       {zeros, Arg(false), Arg::ints({order.begin(), order.end()})}));
}

}  // namespace

std::span<const RuleEntry> legal_index_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_scatter_reduce_two, scatter_reduce},
      {Op::aten_scatter_reduce, scatter_src_reduce},
      {Op::aten_scatter_value_reduce, scatter_value_reduce},
      {Op::aten_index_reduce, index_reduce},
      {Op::aten_put, put},
      {Op::aten_diagonal_scatter, diagonal_scatter},
      {Op::aten_triu, triu},
      {Op::aten_tril_indices, triangle_indices<true>},
      {Op::aten_triu_indices, triangle_indices<false>},
      {Op::aten__embedding_bag, embedding_bag},
      {Op::aten__embedding_bag_forward_only, embedding_bag},
      {Op::aten_embedding_renorm, embedding_renorm},
      {Op::aten_segment_reduce, segment_reduce},
      {Op::aten_empty_permuted, empty_permuted},
      {Op::aten_hamming_window, window},
      {Op::aten_hamming_window_periodic, window},
      {Op::aten_hamming_window_periodic_alpha, window},
      {Op::aten_hamming_window_periodic_alpha_beta, window},
      {Op::aten_hann_window, window},
      {Op::aten_hann_window_periodic, window},
      {Op::aten_blackman_window, window},
      {Op::aten_blackman_window_periodic, window},
      {Op::aten_bartlett_window, window},
      {Op::aten_bartlett_window_periodic, window},
      {Op::aten_kaiser_window, window},
      {Op::aten_kaiser_window_periodic, window},
      {Op::aten_kaiser_window_beta, window},
  };
  return kRules;
}

}  // namespace pte::passes
