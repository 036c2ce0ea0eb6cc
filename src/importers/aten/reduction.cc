// Reductions, norms, order statistics and differences along a dimension.
#include <cmath>
#include <limits>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kToEnd = std::numeric_limits<int64_t>::max();

Expr amin(const Expr& x, const std::vector<int64_t>& dims, bool keepdim) {
  return x.scope()->call(Op::aten_amin, {x, Arg::ints(dims), Arg(keepdim)});
}

// all(): PyTorch keeps uint8, everything else gives bool.
Results all(Scope& s, Op any, std::vector<Arg> rest) {
  const Expr x = s.x(0);
  std::vector<Arg> args{negated(x)};
  args.insert(args.end(), rest.begin(), rest.end());
  const Expr made = negated(s.call(any, std::move(args)));
  return {x.dtype() == DType::kUInt8 ? cast(made, DType::kUInt8) : made};
}

Arg correction(bool unbiased) { return Arg(unbiased ? 1 : 0); }

Results deviation(Scope& s, const Arg& dims, const Arg& correction, const Arg& keepdim,
                  bool with_mean) {
  const Arg count = correction.is_none() ? Arg(1) : correction;
  if (!with_mean) return {sqrt(s.call(Op::aten_var_correction, {s.arg(0), dims, count, keepdim}))};
  const Exprs both = s.call_all(Op::aten_var_mean_correction, {s.arg(0), dims, count, keepdim});
  if (both.size() != 2) return {};
  return {sqrt(both[0]), both[1]};
}

Results variance(Scope& s, const Arg& dims, const Arg& correction, const Arg& keepdim) {
  return {s.call(Op::aten_var_correction, {s.arg(0), dims, correction, keepdim})};
}

Results variance_mean(Scope& s, const Arg& dims, const Arg& correction, const Arg& keepdim) {
  const Exprs both =
      s.call_all(Op::aten_var_mean_correction, {s.arg(0), dims, correction, keepdim});
  return Results(both.begin(), both.end());
}

Expr without(const Expr& x, std::vector<int64_t> dims, bool keepdim) {
  if (keepdim || x.rank() == 0) return x;
  return x.scope()->call(Op::aten_squeeze_dims, {x, Arg::ints(dims)});
}

Results logsumexp(Scope& s) {
  const Expr x = cast(s.x(0), floating(s.x(0).dtype()));
  const std::vector<int64_t> dims = s.dims(1, x.rank());
  const bool keep = s.flag(2);
  Expr most = amax(x, dims, true);
  most = where(eq(abs(most), kInfinity), 0, most);
  return {log(sum(exp(x - most), dims, keep)) + without(most, dims, keep)};
}

// The norm of vectors along `dims`, in the dtype of x.
Expr norm(const Expr& x, double order, const std::vector<int64_t>& dims, bool keep) {
  if (order == 0) return cast(sum(cast(ne(x, 0), x.dtype()), dims, keep), x.dtype());
  const Expr size = abs(x);
  if (order == kInfinity) return amax(size, dims, keep);
  if (order == -kInfinity) return amin(size, dims, keep);
  if (order == 1) return sum(size, dims, keep);
  if (order == 2) return sqrt(sum(x * x, dims, keep));
  return pow(sum(pow(size, Arg(order)), dims, keep), Arg(1 / order));
}

Results vector_norm(Scope& s, const Expr& operand, double order, const std::vector<int64_t>& dims,
                    bool keep, std::optional<DType> dtype) {
  if (!s.require(!is_complex(operand.dtype()), "a complex number")) return {};
  const DType result = dtype.value_or(floating(operand.dtype()));
  const Expr wide = widened(cast(operand, result));
  return {cast(norm(wide, order, dims, keep), result)};
}

// Of matrices: 1, -1, inf and -inf are the largest or least sum of a column or row.
Results matrix_norm(Scope& s, double order, std::vector<int64_t> dims, bool keep,
                    std::optional<DType> dtype) {
  Expr x = s.x(0);
  if (dtype) x = cast(x, *dtype);
  if (dims.size() != 2) {
    s.refuse("a matrix norm over other than two dimensions");
    return {};
  }
  if (!s.require(std::abs(order) == 1 || std::abs(order) == kInfinity,
                 "a matrix norm that needs singular values")) {
    return {};
  }
  int64_t inner = s.wrap(dims[0], x.rank()), outer = s.wrap(dims[1], x.rank());
  if (std::abs(order) == kInfinity) std::swap(inner, outer);
  if (!keep && outer > inner) --outer;
  const Expr sums = sum(abs(x), {inner}, keep);
  return {order > 0 ? amax(sums, {outer}, keep) : amin(sums, {outer}, keep)};
}

Results matrix_norm(Scope& s, const std::string& order, const std::vector<int64_t>& dims, bool keep,
                    std::optional<DType> dtype) {
  if (!s.require(order == "fro", "a matrix norm that needs singular values")) return {};
  return vector_norm(s, s.x(0), 2, dims, keep, dtype);
}

// (self, ord, dim, keepdim, dtype)
Results linalg_norm(Scope& s) {
  const Expr x = s.x(0);
  const auto dims = s.dims(2, x.rank(), false);
  if (s.given(1) && dims.size() == 2)
    return matrix_norm(s, s.number(1), dims, s.flag(3), s.dtype(4));
  return vector_norm(s, x, s.number(1, 2), dims, s.flag(3), s.dtype(4));
}

Results diff(Scope& s) {
  Expr x = s.x(0);
  const int64_t n = s.integer(1), dim = s.dim(2, x.rank());
  if (!s.bounded(n, "differences")) return {};
  Exprs parts;
  if (s.given(3)) parts.push_back(s.x(3));
  parts.push_back(x);
  if (s.given(4)) parts.push_back(s.x(4));
  x = cat(parts, dim);
  for (int64_t i = 0; i < n; ++i) {
    const Expr after = slice(x, dim, 1, kToEnd), before = slice(x, dim, 0, -1);
    x = x.dtype() == DType::kBool ? ne(after, before) : after - before;
  }
  return {x};
}

// numpy.gradient along one dimension, for neighbours `step` apart.
Expr gradient(Scope& s, const Expr& x, int64_t dim, double step, int64_t edge_order) {
  const auto at = [&](int64_t start, int64_t end) { return slice(x, dim, start, end); };
  const Expr middle = (at(2, kToEnd) - at(0, -2)) / Arg(2 * step);
  Expr first, last;
  if (edge_order == 1) {
    first = (at(1, 2) - at(0, 1)) / Arg(step);
    last = (at(-1, kToEnd) - at(-2, -1)) / Arg(step);
  } else {
    s.require(edge_order == 2, "an edge order other than 1 and 2");
    first = (at(1, 2) * 2 - at(0, 1) * Arg(1.5) - at(2, 3) * Arg(0.5)) / Arg(step);
    last = (at(-1, kToEnd) * Arg(1.5) - at(-2, -1) * 2 + at(-3, -2) * Arg(0.5)) / Arg(step);
  }
  return cat({first, middle, last}, dim);
}

Results gradients(Scope& s, const std::vector<int64_t>& dims, const std::vector<double>& steps,
                  int64_t edge_order) {
  Exprs all;
  if (steps.size() != dims.size()) s.invalid("one spacing a dimension is needed");
  for (size_t i = 0; i < std::min(dims.size(), steps.size()); ++i)
    all.push_back(gradient(s, s.x(0), dims[i], steps[i], edge_order));
  return {to_list(all)};
}

// The quantile at `rank` = q * (n - 1) of sorted values.
Expr between(const Expr& low, const Expr& high, double rank, const std::string& how) {
  const double weight = rank - std::floor(rank);
  if (weight == 0 || how == "lower") return low;
  if (how == "higher") return high;
  if (how == "nearest") return std::nearbyint(rank) == std::floor(rank) ? low : high;
  const double share = how == "midpoint" ? 0.5 : weight;
  return share < 0.5 ? low + (high - low) * Arg(share) : high - (high - low) * Arg(1 - share);
}

// (self, q, dim, keepdim, interpolation)
Results quantile(Scope& s) {
  Expr x = s.x(0);
  const bool flat = !s.given(2), keep = s.flag(3);
  const SymSizes whole(x.rank(), SymInt(1));
  const int64_t dim = flat ? 0 : s.dim(2, x.rank());
  if (flat) x = view(x, {x.numel()});
  const std::string how = s.text(4);
  if (!s.require(how == "linear" || how == "lower" || how == "higher" || how == "midpoint" ||
                     how == "nearest",
                 "this interpolation")) {
    return {};
  }
  const int64_t count = s.fixed(x.size(dim), "a number of values");
  const Exprs sorted = s.call_all(Op::aten_sort, {x, dim, Arg(false)});
  if (sorted.empty() || count < 1) {
    s.invalid("a quantile of nothing");
    return {};
  }
  const Expr values = sorted[0];
  // A NaN among the values is the result.
  const Expr is_bad = s.call(Op::aten_any_dim, {isnan(x), dim, Arg(keep)});
  Expr made;
  if (const auto q = s.arg(1).number()) {
    const double rank = static_cast<double>(static_cast<float>(*q) * static_cast<float>(count - 1));
    const auto pick = [&](double place) {
      const auto at = static_cast<int64_t>(place);
      const Expr part = slice(values, dim, at, at + 1);
      return keep ? part : squeeze(part, dim);
    };
    if (!s.require(rank >= 0 && rank <= static_cast<double>(count - 1), "a quantile outside 0…1"))
      return {};
    made = where(is_bad, Arg(std::nan("")),
                 between(pick(std::floor(rank)), pick(std::ceil(rank)), rank, how));
    if (flat && keep) made = view(made, whole);
    return {made};
  }
  // Ranks that are known at run time: the quantiles come first in the result.
  const Expr q = s.x(1);
  const SymInt many = q.numel();
  const Expr ranks = view(q, {many}) * Arg(static_cast<double>(count - 1));
  const Expr rows = transpose(unsqueeze(values, 0), 0, dim + 1);
  const auto pick = [&](const Expr& place) {
    const Expr part = index_select(rows, 0, cast(place, DType::kInt64));
    return keep ? part : squeeze(part, dim + 1);
  };
  const Expr low = pick(floor(ranks)), high = pick(unary(Op::aten_ceil, ranks));
  SymSizes column(low.rank(), SymInt(1));
  if (!column.empty()) column[0] = many;
  if (how == "lower") {
    made = low;
  } else if (how == "higher") {
    made = high;
  } else if (how == "nearest") {
    made = pick(round(ranks));
  } else {
    const Expr weight = how == "midpoint" ? cast(gt(ranks - floor(ranks), 0), x.dtype()) * Arg(0.5)
                                          : ranks - floor(ranks);
    made = low + (high - low) * view(weight, column);
  }
  made = where(unsqueeze(is_bad, 0), Arg(std::nan("")), made);
  SymSizes sizes(made.sizes());
  if (flat && keep) sizes.insert(sizes.end(), whole.begin(), whole.end() - (whole.empty() ? 0 : 1));
  if (q.rank() == 0 && !sizes.empty()) sizes.erase(sizes.begin());
  return {view(made, sizes)};
}

// Areas between neighbours.
Expr trapezoids(Scope& s, const Expr& y, int64_t dim, const Expr& x, double dx) {
  const Expr sums = slice(y, dim, 1, kToEnd) + slice(y, dim, 0, -1);
  if (!x) return sums * Arg(dx / 2);
  Expr places = x;
  if (x.rank() == 1) {
    SymSizes sizes(y.rank(), SymInt(1));
    if (dim < static_cast<int64_t>(sizes.size())) sizes[static_cast<size_t>(dim)] = x.size(0);
    places = view(x, sizes);
  } else {
    s.require(x.rank() == y.rank(), "places of another rank");
  }
  return sums * (slice(places, dim, 1, kToEnd) - slice(places, dim, 0, -1)) * Arg(0.5);
}

Results trapezoid(Scope& s, bool cumulative, bool with_x) {
  const Expr y = s.x(0);
  const int64_t dim = s.dim(2, y.rank());
  const Expr areas =
      with_x ? trapezoids(s, y, dim, s.x(1), 1) : trapezoids(s, y, dim, Expr(), s.number(1));
  if (cumulative) return {s.call(Op::aten_cumsum, {areas, dim})};
  return {sum(areas, {dim})};
}

Results renorm(Scope& s) {
  const Expr x = s.x(0);
  const int64_t dim = s.dim(2, x.rank());
  std::vector<int64_t> others;
  for (int64_t i = 0; i < static_cast<int64_t>(x.rank()); ++i) {
    if (i != dim) others.push_back(i);
  }
  const double most = s.number(3);
  const Expr size = norm(widened(x), s.number(1), others, true);
  const Expr factor = where(gt(size, most), reciprocal(size + Arg(1e-7)) * Arg(most), 1);
  return {cast(widened(x) * factor, x.dtype())};
}

// (self, correction, fweights, aweights)
Results cov(Scope& s, bool normalised) {
  Expr x = s.x(0);
  if (!normalised && !s.require(!s.given(2) && !s.given(3), "a weighted covariance")) return {};
  if (!s.require(x.rank() <= 2, "an operand of this rank")) return {};
  const bool single = x.rank() < 2;
  if (single) x = view(x, {1, x.numel()});
  const int64_t count = s.fixed(x.size(1), "a number of observations");
  const int64_t correction = normalised ? 1 : s.integer(1);
  const Expr centred = x - mean(x, {1}, true);
  const auto divisor = static_cast<double>(std::max<int64_t>(count - correction, 0));
  Expr made = matmul(centred, transpose(centred, 0, 1)) / Arg(divisor);
  if (normalised) {
    const Expr deviation = sqrt(s.call(Op::aten_diagonal_copy, {made}));
    made = clamp(made / unsqueeze(deviation, 1) / unsqueeze(deviation, 0), -1, 1);
  }
  return {single ? view(made, {}) : made};
}

Results cast_sum(Scope& s) {
  return {s.call(Op::aten_sum_dim_IntList, {s.arg(0), Arg(), Arg(false), s.arg(1)})};
}

Expr zero_nans(const Expr& x) { return is_floating(x.dtype()) ? where(isnan(x), 0, x) : x; }

constexpr Composite kComposites[] = {
    {"aten::sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", cast_sum},
    {"aten::all(Tensor self) -> Tensor", [](Scope& s) { return all(s, Op::aten_any, {}); }},
    {"aten::all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
     [](Scope& s) {
       return all(s, Op::aten_any_dim, {s.arg(1), s.arg(2)});
     }},
    {"aten::all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
     [](Scope& s) {
       return all(s, Op::aten_any_dims, {s.arg(1), s.arg(2)});
     }},
    {"aten::aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)",
     [](Scope& s) -> Results {
       const auto dims = s.given(1) ? std::vector<int64_t>{s.dim(1, s.x(0).rank())}
                                    : range(static_cast<int64_t>(s.x(0).rank()));
       return {amin(s.x(0), dims, s.flag(2)), amax(s.x(0), dims, s.flag(2))};
     }},
    {"aten::argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor",
     [](Scope& s) -> Results {
       const Exprs made = s.call_all(Op::aten_sort, s.args());
       return {made.size() == 2 ? made[1] : Expr()};
     }},
    {"aten::argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> "
     "Tensor",
     [](Scope& s) -> Results {
       const Exprs made = s.call_all(Op::aten_sort_stable, s.args());
       return {made.size() == 2 ? made[1] : Expr()};
     }},
    {"aten::msort(Tensor self) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_sort, {s.arg(0), 0, Arg(false)})};
     }},
    {"aten::std(Tensor self, bool unbiased=True) -> Tensor",
     [](Scope& s) { return deviation(s, Arg(), correction(s.flag(1)), Arg(false), false); }},
    {"aten::std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
     [](Scope& s) { return deviation(s, s.arg(1), correction(s.flag(2)), s.arg(3), false); }},
    {"aten::std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool "
     "keepdim=False) -> Tensor",
     [](Scope& s) { return deviation(s, s.arg(1), s.arg(2), s.arg(3), false); }},
    {"aten::std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
     [](Scope& s) { return deviation(s, Arg(), correction(s.flag(1)), Arg(false), true); }},
    {"aten::std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> "
     "(Tensor, Tensor)",
     [](Scope& s) { return deviation(s, s.arg(1), correction(s.flag(2)), s.arg(3), true); }},
    {"aten::std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool "
     "keepdim=False) -> (Tensor, Tensor)",
     [](Scope& s) { return deviation(s, s.arg(1), s.arg(2), s.arg(3), true); }},
    {"aten::var(Tensor self, bool unbiased=True) -> Tensor",
     [](Scope& s) { return variance(s, Arg(), correction(s.flag(1)), Arg(false)); }},
    {"aten::var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
     [](Scope& s) { return variance_mean(s, Arg(), correction(s.flag(1)), Arg(false)); }},
    {"aten::var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> "
     "(Tensor, Tensor)",
     [](Scope& s) { return variance_mean(s, s.arg(1), correction(s.flag(2)), s.arg(3)); }},
    {"aten::logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", logsumexp},
    {"aten::special_logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
     "aten::logsumexp"},
    {"aten::count_nonzero(Tensor self, int? dim=None) -> Tensor",
     [](Scope& s) -> Results {
       const Expr x = ne(s.x(0), 0);
       return {s.given(1) ? sum(x, {s.dim(1, x.rank())}) : sum_all(x)};
     }},
    {"aten::count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor",
     [](Scope& s) -> Results { return {sum(ne(s.x(0), 0), s.dims(1, s.x(0).rank()))}; }},
    {"aten::nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) "
     "-> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_sum_dim_IntList, {zero_nans(s.x(0)), s.arg(1), s.arg(2), s.arg(3)})};
     }},
    {"aten::nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) "
     "-> Tensor",
     [](Scope& s) -> Results {
       const Expr total =
           s.call(Op::aten_sum_dim_IntList, {zero_nans(s.x(0)), s.arg(1), s.arg(2), s.arg(3)});
       return {total /
               s.call(Op::aten_sum_dim_IntList, {negated(isnan(s.x(0))), s.arg(1), s.arg(2)})};
     }},
    {"aten::linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, "
     "ScalarType? dtype=None) -> Tensor",
     [](Scope& s) {
       return vector_norm(s, s.x(0), s.number(1), s.dims(2, s.x(0).rank()), s.flag(3), s.dtype(4));
     }},
    {"aten::linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, "
     "ScalarType? dtype=None) -> Tensor",
     linalg_norm},
    {"aten::linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, "
     "ScalarType? dtype=None) -> Tensor",
     [](Scope& s) {
       return matrix_norm(s, s.text(1), s.dims(2, s.x(0).rank()), s.flag(3), s.dtype(4));
     }},
    {"aten::linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, "
     "ScalarType? dtype=None) -> Tensor",
     [](Scope& s) { return matrix_norm(s, s.number(1), s.integers(2), s.flag(3), s.dtype(4)); }},
    {"aten::linalg_matrix_norm.str_ord(Tensor self, str ord='fro', int[] dim=[-2, -1], bool "
     "keepdim=False, *, ScalarType? dtype=None) -> Tensor",
     [](Scope& s) {
       return matrix_norm(s, s.text(1), s.dims(2, s.x(0).rank()), s.flag(3), s.dtype(4));
     }},
    {"aten::norm.Scalar(Tensor self, Scalar p=2) -> Tensor",
     [](Scope& s) {
       return vector_norm(s, s.x(0), s.number(1), range(static_cast<int64_t>(s.x(0).rank())), false,
                          {});
     }},
    {"aten::norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor",
     [](Scope& s) {
       return vector_norm(s, s.x(0), s.number(1, 2), s.dims(2, s.x(0).rank()), s.flag(3), {});
     }},
    {"aten::norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, "
     "ScalarType dtype) -> Tensor",
     [](Scope& s) {
       return vector_norm(s, s.x(0), s.number(1, 2), s.dims(2, s.x(0).rank()), s.flag(3),
                          s.dtype(4));
     }},
    {"aten::norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
     [](Scope& s) {
       return vector_norm(s, s.x(0), s.number(1, 2), range(static_cast<int64_t>(s.x(0).rank())),
                          false, s.dtype(2));
     }},
    {"aten::frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
     [](Scope& s) { return vector_norm(s, s.x(0), 2, s.dims(1, s.x(0).rank()), s.flag(2), {}); }},
    {"aten::diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> "
     "Tensor",
     diff},
    {"aten::gradient.scalarint(Tensor self, *, Scalar? spacing=None, int? dim=None, int "
     "edge_order=1) -> Tensor[]",
     [](Scope& s) {
       const size_t rank = s.x(0).rank();
       const auto dims =
           s.given(2) ? std::vector<int64_t>{s.dim(2, rank)} : range(static_cast<int64_t>(rank));
       return gradients(s, dims, std::vector<double>(dims.size(), s.number(1, 1)), s.integer(3));
     }},
    {"aten::gradient.scalararray(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> "
     "Tensor[]",
     [](Scope& s) {
       const auto dims = s.dims(2, s.x(0).rank());
       return gradients(s, dims, std::vector<double>(dims.size(), s.number(1)), s.integer(3));
     }},
    {"aten::gradient.array(Tensor self, *, int[] dim, int edge_order=1) -> Tensor[]",
     [](Scope& s) {
       const auto dims = s.dims(1, s.x(0).rank());
       return gradients(s, dims, std::vector<double>(dims.size(), 1.0), s.integer(2));
     }},
    {"aten::gradient.scalarrayint(Tensor self, *, float[] spacing, int? dim=None, int "
     "edge_order=1) -> Tensor[]",
     [](Scope& s) {
       const size_t rank = s.x(0).rank();
       const auto dims =
           s.given(2) ? std::vector<int64_t>{s.dim(2, rank)} : range(static_cast<int64_t>(rank));
       return gradients(s, dims, s.numbers(1), s.integer(3));
     }},
    {"aten::gradient.scalarrayarray(Tensor self, *, float[] spacing, int[] dim, int edge_order=1) "
     "-> Tensor[]",
     [](Scope& s) { return gradients(s, s.dims(2, s.x(0).rank()), s.numbers(1), s.integer(3)); }},
    {"aten::quantile(Tensor self, Tensor q, int? dim=None, bool keepdim=False, *, str "
     "interpolation='linear') -> Tensor",
     quantile},
    {"aten::quantile.scalar(Tensor self, float q, int? dim=None, bool keepdim=False, *, str "
     "interpolation='linear') -> Tensor",
     quantile},
    {"aten::trapz.dx(Tensor y, *, float dx=1., int dim=-1) -> Tensor",
     [](Scope& s) { return trapezoid(s, false, false); }},
    {"aten::trapz.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
     [](Scope& s) { return trapezoid(s, false, true); }},
    {"aten::trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
     [](Scope& s) { return trapezoid(s, false, false); }},
    {"aten::trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
     [](Scope& s) { return trapezoid(s, false, true); }},
    {"aten::cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
     [](Scope& s) { return trapezoid(s, true, false); }},
    {"aten::cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
     [](Scope& s) { return trapezoid(s, true, true); }},
    {"aten::renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor", renorm},
    {"aten::cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> "
     "Tensor",
     [](Scope& s) { return cov(s, false); }},
    {"aten::corrcoef(Tensor self) -> Tensor", [](Scope& s) { return cov(s, true); }},
};

}  // namespace

std::span<const Composite> reduction_composites() { return kComposites; }

}  // namespace pte::importers
