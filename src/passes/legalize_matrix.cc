// Products, and linear algebra of small matrices with every step of the elimination written out.
#include <algorithm>
#include <cmath>
#include <limits>

#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

// Every column costs about a dozen calls.
constexpr int64_t kLargestMatrix = 32;

double factor_of(const Arg& arg) { return arg.number().value_or(1); }
bool is_one(const Arg& arg) { return arg.number() == 1.0; }

// beta * self + alpha * product, in the type of the result.
Result<Replacement> blend(Maker& m, Value* self, Value* product, const Arg& beta,
                          const Arg& alpha) {
  if (!is_one(alpha)) product = m.mul(product, alpha);
  if (factor_of(beta) == 0) {
    // NaN of self do not count; its sizes do.
    const auto sizes = m.rewrite().result_type().static_sizes();
    if (product->tensor().sizes == m.rewrite().result_type().sizes) return m.done(product);
    if (sizes) return m.done(m.expand(product, *sizes));
  }
  if (!is_one(beta)) self = m.mul(self, beta);
  return m.done(m.add(self, product));
}

Result<Replacement> addbmm(Rewrite& r) {
  Maker m(r);
  Value* product = m.call(Op::aten_bmm, {r.arg(1), r.arg(2)});
  return blend(m, r.input(0), m.sum(product, 0), r.arg(3), r.arg(4));
}

Result<Replacement> baddbmm(Rewrite& r) {
  Maker m(r);
  return blend(m, r.input(0), m.call(Op::aten_bmm, {r.arg(1), r.arg(2)}), r.arg(3), r.arg(4));
}

Value* times_vector(Maker& m, Value* matrix, Value* vector) {
  return m.squeeze(m.call(Op::aten_mm, {matrix, m.unsqueeze(vector, 1)}), 1);
}

Result<Replacement> mv(Rewrite& r) {
  Maker m(r);
  return m.done(times_vector(m, r.input(0), r.input(1)));
}

Result<Replacement> addmv(Rewrite& r) {
  Maker m(r);
  return blend(m, r.input(0), times_vector(m, r.input(1), r.input(2)), r.arg(3), r.arg(4));
}

Result<Replacement> dot(Rewrite& r) {
  Maker m(r);
  return m.done(m.sum(m.mul(r.input(0), r.input(1)), 0));
}

Result<Replacement> dist(Rewrite& r) {
  const auto p = r.arg(2).number();
  if (!p) return r.not_supported("an order that is computed");
  Maker m(r);
  const DType dtype = r.result_type().dtype;
  Value* gap = m.abs(m.cast(m.sub(r.input(0), r.input(1)), dtype));
  const auto all = [&](Value* v) {
    return m.call(Op::aten_sum_dim_IntList, {v, Arg(), Arg(false)});
  };
  if (std::isinf(*p)) {
    return m.done(m.call(*p > 0 ? Op::aten_amax : Op::aten_amin, {gap}));
  }
  if (*p == 0) return m.done(all(m.cast(m.call(Op::aten_ne_Scalar, {gap, Arg(0)}), dtype)));
  if (*p == 1) return m.done(all(gap));
  if (*p == 2) return m.done(m.sqrt(all(m.mul(gap, gap))));
  Value* sum = all(m.call(Op::aten_pow_Tensor_Scalar, {gap, Arg(*p)}));
  return m.done(m.call(Op::aten_pow_Tensor_Scalar, {sum, Arg(1 / *p)}));
}

// Products of three operands, with the dimensions that each lacks put in, summed over some.
Result<Replacement> trilinear(Rewrite& r) {
  Maker m(r);
  Value* product = nullptr;
  for (size_t i = 0; i < 3; ++i) {
    auto expand = r.arg(3 + i).integers();
    if (!expand) return r.not_supported("dimensions that are computed");
    std::sort(expand->begin(), expand->end());
    Value* x = r.input(i);
    for (const int64_t dim : *expand) x = m.unsqueeze(x, dim);
    product = product == nullptr ? x : m.mul(product, x);
  }
  const auto sums = r.arg(6).integers();
  if (!sums) return r.not_supported("dimensions that are computed");
  if (sums->empty()) return m.done(product);
  return m.done(m.call(Op::aten_sum_dim_IntList, {product, Arg::ints(*sums), Arg(false)}));
}

// ---- elimination

// Rows from `k` on are brought in an order in which the largest of column k comes first; then
// `below` it, or beside it everywhere, the column becomes zero. Gives the pivot [.., 1, 1] and
// whether two rows changed places.
struct Step {
  Value* matrix = nullptr;
  Value* pivot = nullptr;
  Value* swapped = nullptr;  // bool [.., 1, 1]
};

Step eliminate(Maker& m, Value* a, int64_t k, const Sizes& sizes, bool everywhere) {
  const size_t rank = sizes.size();
  const auto row_dim = static_cast<int64_t>(rank) - 2;
  const auto column_dim = static_cast<int64_t>(rank) - 1;
  const int64_t rows = sizes[rank - 2];
  Sizes along(rank, 1);
  along[rank - 2] = rows;
  Value* numbers = m.view(m.arange(rows), along);
  Value* column = m.slice(a, column_dim, k, k + 1);
  Value* candidates = m.where(m.lt(numbers, Arg(k)), Arg(-1.0), m.abs(column));
  Value* best = m.call(Op::aten_argmax, {candidates, Arg(row_dim), Arg(true)});
  // The best row and row k change places.
  Value* is_best = m.eq(numbers, best);
  Value* order = m.where(is_best, Arg(k), numbers);
  order = m.where(m.eq(numbers, Arg(k)), best, order);
  a = m.gather(a, row_dim, m.expand(order, sizes));
  Step step;
  step.swapped = m.call(Op::aten_ne_Scalar, {best, Arg(k)});
  Value* row = m.slice(a, row_dim, k, k + 1);
  step.pivot = m.slice(row, column_dim, k, k + 1);
  Value* scaled = m.div(row, step.pivot);
  Value* others =
      everywhere ? m.call(Op::aten_ne_Scalar, {numbers, Arg(k)}) : m.gt(numbers, Arg(k));
  Value* factors = m.where(others, m.slice(a, column_dim, k, k + 1), Arg(0.0));
  a = m.sub(a, m.mul(factors, scaled));
  if (everywhere) a = m.where(m.eq(numbers, Arg(k)), m.expand(scaled, sizes), a);
  step.matrix = a;
  return step;
}

Result<Sizes> square_sizes(const Rewrite& r) {
  PTE_TRY(Sizes sizes, known_sizes(r, 0));
  const size_t rank = sizes.size();
  if (rank < 2 || sizes[rank - 1] != sizes[rank - 2]) return r.not_supported("no square matrix");
  if (sizes[rank - 1] > kLargestMatrix || *element_count(sizes) == 0) {
    return r.not_supported(fmt::format("a matrix of {} rows; up to {} are written out",
                                       sizes[rank - 1], kLargestMatrix));
  }
  return sizes;
}

Result<Replacement> determinant(Rewrite& r) {
  PTE_TRY(const Sizes sizes, square_sizes(r));
  Maker m(r);
  Value* a = r.input(0);
  Value* product = nullptr;
  for (int64_t k = 0; k < sizes.back(); ++k) {
    const Step step = eliminate(m, a, k, sizes, false);
    // A column of zeros: 0 / 0 must not spread.
    a = m.where(m.eq(step.pivot, Arg(0)), Arg(0.0), step.matrix);
    Value* sign = m.rsub(m.mul(m.cast(step.swapped, r.type(0).dtype), Arg(2.0)), Arg(1.0));
    Value* part = m.mul(step.pivot, sign);
    product = product == nullptr ? part : m.mul(product, part);
  }
  Sizes batch(sizes.begin(), sizes.end() - 2);
  return m.done({m.view(product, batch), nullptr, nullptr});
}

// The last columns of [A | B] once A has become the identity.
Value* solve(Maker& m, Value* a, Value* b, const Sizes& sizes, int64_t width) {
  const int64_t n = sizes.back();
  Sizes both = sizes;
  both.back() = n + width;
  Value* joined = m.cat({a, b}, -1);
  for (int64_t k = 0; k < n; ++k) joined = eliminate(m, joined, k, both, true).matrix;
  return m.slice(joined, static_cast<int64_t>(sizes.size()) - 1, n, n + width);
}

Result<Replacement> inverse(Rewrite& r) {
  PTE_TRY(const Sizes sizes, square_sizes(r));
  Maker m(r);
  const int64_t n = sizes.back();
  Value* rows = m.view(m.arange(n), Sizes{n, 1});
  Value* columns = m.view(m.arange(n), Sizes{1, n});
  Value* identity = m.expand(m.cast(m.eq(rows, columns), r.type(0).dtype), sizes);
  Value* info = nullptr;
  if (r.node->graph().has_uses(r.node->result(1))) {
    info = m.full(Sizes(sizes.begin(), sizes.end() - 2), Arg(0), DType::kInt32);
  }
  return m.done({solve(m, r.input(0), identity, sizes, n), info});
}

Result<Replacement> solve_systems(Rewrite& r) {
  PTE_TRY(const Sizes sizes, square_sizes(r));
  PTE_TRY(const Sizes right, known_sizes(r, 1));
  if (!r.arg(2).boolean().value_or(false)) return r.not_supported("a system X A = B");
  Maker m(r);
  const Sizes matrix_less(sizes.begin(), sizes.end() - 1);
  const bool vector =
      right.size() == 1 || (right.size() + 1 == sizes.size() && right == matrix_less);
  Value* b = vector ? m.unsqueeze(r.input(1), -1) : r.input(1);
  Value* a = r.input(0);
  Sizes result = *r.result_type().static_sizes();
  if (vector) result.push_back(1);
  Sizes spread(result.begin(), result.end() - 2);
  spread.push_back(sizes.back());
  spread.push_back(sizes.back());
  if (spread != sizes) a = m.expand(a, spread);
  if (b->tensor().static_sizes() != result) b = m.expand(b, result);
  Value* x = solve(m, a, b, spread, result.back());
  std::vector<Value*> results(4, nullptr);
  results[0] = vector ? m.squeeze(x, static_cast<int64_t>(result.size()) - 1) : x;
  if (r.node->graph().has_uses(r.node->result(3))) {
    results[3] = m.full(Sizes(sizes.begin(), sizes.end() - 2), Arg(0), DType::kInt32);
  }
  return m.done(results);
}

// Column k of L is what the columns before leave of A's, divided by the root of its first element.
Result<Replacement> cholesky(Rewrite& r) {
  PTE_TRY(const Sizes sizes, square_sizes(r));
  Maker m(r);
  const size_t rank = sizes.size();
  const int64_t n = sizes.back();
  const auto row_dim = static_cast<int64_t>(rank) - 2;
  const auto column_dim = static_cast<int64_t>(rank) - 1;
  const bool upper = r.arg(1).boolean().value_or(false);
  Value* a = upper ? m.swap(r.input(0), rank - 1, rank - 2) : r.input(0);
  Sizes along(rank, 1);
  along[rank - 2] = n;
  Value* numbers = m.view(m.arange(n), along);
  std::vector<Value*> columns;
  for (int64_t k = 0; k < n; ++k) {
    Value* column = m.slice(a, column_dim, k, k + 1);
    for (Value* before : columns) {
      column = m.sub(column, m.mul(before, m.slice(before, row_dim, k, k + 1)));
    }
    Value* root = m.sqrt(m.slice(column, row_dim, k, k + 1));
    column = m.where(m.lt(numbers, Arg(k)), Arg(0.0), m.div(column, root));
    columns.push_back(column);
  }
  Value* l = m.cat(columns, column_dim);
  if (upper) l = m.swap(l, rank - 1, rank - 2);
  Value* info = nullptr;
  if (r.node->graph().has_uses(r.node->result(1))) {
    info = m.full(Sizes(sizes.begin(), sizes.end() - 2), Arg(0), DType::kInt32);
  }
  return m.done({l, info});
}

// One-sided Jacobi rotations with every pair of every sweep written out: columns are turned until
// they are orthogonal, and their lengths are the singular values.
Result<Replacement> svd(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  constexpr int64_t kMostColumns = 6;
  constexpr int kSweeps = 7;
  const size_t rank = sizes.size();
  const bool wide = sizes[rank - 2] < sizes[rank - 1];
  const int64_t count = std::min(sizes[rank - 2], sizes[rank - 1]);
  const int64_t length = std::max(sizes[rank - 2], sizes[rank - 1]);
  const bool vectors = r.arg(2).boolean().value_or(false);
  if (vectors && r.arg(1).boolean().value_or(false) && count != length) {
    return r.not_supported("full matrices");
  }
  if (count > kMostColumns || *element_count(sizes) == 0) {
    return r.not_supported(
        fmt::format("{} singular values; up to {} are written out", count, kMostColumns));
  }
  Maker m(r);
  const DType dtype = r.type(0).dtype;
  const auto row_dim = static_cast<int64_t>(rank) - 2;
  const auto column_dim = static_cast<int64_t>(rank) - 1;
  Value* a = wide ? m.swap(r.input(0), rank - 1, rank - 2) : r.input(0);
  std::vector<Value*> columns;  // [.., length, 1]
  std::vector<Value*> turned;   // [count, 1]: the rotations' own columns
  for (int64_t i = 0; i < count; ++i) {
    columns.push_back(m.slice(a, column_dim, i, i + 1));
    turned.push_back(m.cast(m.view(m.eq(m.arange(count), Arg(i)), Sizes{count, 1}), dtype));
  }
  const auto dot = [&](Value* x, Value* y) { return m.sum(m.mul(x, y), row_dim, true); };
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (size_t p = 0; p + 1 < columns.size(); ++p) {
      for (size_t q = p + 1; q < columns.size(); ++q) {
        Value* along = dot(columns[p], columns[q]);
        Value* still = m.eq(along, Arg(0));
        Value* gap = m.sub(dot(columns[q], columns[q]), dot(columns[p], columns[p]));
        Value* zeta = m.div(gap, m.mul(m.where(still, Arg(1.0), along), Arg(2.0)));
        Value* size = m.abs(zeta);
        Value* t =
            m.unary(Op::aten_reciprocal, m.add(size, m.sqrt(m.add(m.mul(zeta, zeta), Arg(1.0)))));
        t = m.where(still, Arg(0.0), m.where(m.lt(zeta, Arg(0)), m.neg(t), t));
        Value* cosine = m.unary(Op::aten_rsqrt, m.add(m.mul(t, t), Arg(1.0)));
        Value* sine = m.mul(cosine, t);
        for (auto* set : {&columns, &turned}) {
          if (set == &turned && !vectors) continue;
          Value* x = (*set)[p];
          Value* y = (*set)[q];
          (*set)[p] = m.sub(m.mul(cosine, x), m.mul(sine, y));
          (*set)[q] = m.add(m.mul(sine, x), m.mul(cosine, y));
        }
      }
    }
  }
  Value* all = columns.size() == 1 ? columns[0] : m.cat(columns, column_dim);
  Value* values = m.sqrt(m.sum(m.mul(all, all), row_dim));  // [.., count]
  const Sorted sorted = sort_along(m, values, rank - 2, true);
  if (!vectors) {
    Value* none = m.full({0}, Arg(0.0), dtype);
    return m.done({none, sorted.values, none});
  }
  // The columns in the order of their lengths.
  const auto ordered = [&](Value* matrix, int64_t rows) {
    Sizes spread = sizes;
    spread[rank - 2] = rows;
    spread[rank - 1] = count;
    Value* index = m.expand(m.unsqueeze(sorted.indices, row_dim), spread);
    return m.gather(m.expand(matrix, spread), column_dim, index);
  };
  Value* lengths = m.unsqueeze(sorted.values, row_dim);
  Value* safe = m.where(m.eq(lengths, Arg(0)), Arg(1.0), lengths);
  Value* u = m.div(ordered(all, length), safe);
  Value* v = ordered(turned.size() == 1 ? turned[0] : m.cat(turned, -1), count);
  Value* left = wide ? v : u;
  Value* right = wide ? u : v;
  return m.done({left, sorted.values, m.swap(right, rank - 1, rank - 2)});
}

// Newton's iteration X (2 I - A X), from A^T scaled down, reaches the pseudoinverse. Every step
// doubles what small singular values have of their inverse: 40 steps see 1e-5 of the largest.
Result<Replacement> pseudoinverse(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  constexpr int kSteps = 40;
  if (sizes.size() != 2 || !r.arg(1).is_none() || !r.arg(2).is_none() ||
      r.arg(3).boolean().value_or(false)) {
    return r.not_supported("a batch of matrices, or tolerances");
  }
  if (std::max(sizes[0], sizes[1]) > kLargestMatrix || *element_count(sizes) == 0) {
    return r.not_supported("a matrix of this size");
  }
  Maker m(r);
  Value* a = r.input(0);
  // The smaller product is the one of full rank.
  const bool wide = sizes[0] <= sizes[1];
  const int64_t n = std::min(sizes[0], sizes[1]);
  Value* rows = m.view(m.arange(n), Sizes{n, 1});
  Value* columns = m.view(m.arange(n), Sizes{1, n});
  Value* twice = m.mul(m.cast(m.eq(rows, columns), r.type(0).dtype), Arg(2.0));
  Value* size = m.abs(a);
  Value* bound = m.mul(m.amax(m.sum(size, 0), 0), m.amax(m.sum(size, 1), 0));
  Value* x = m.div(m.permute(a, {1, 0}), bound);
  const auto mm = [&](Value* p, Value* q) { return m.call(Op::aten_mm, {p, q}); };
  for (int i = 0; i < kSteps; ++i) {
    x = wide ? mm(x, m.sub(twice, mm(a, x))) : mm(m.sub(twice, mm(x, a)), x);
  }
  return m.done(x);
}

}  // namespace

std::span<const RuleEntry> legal_matrix_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_addbmm, addbmm},
      {Op::aten_baddbmm, baddbmm},
      {Op::aten_mv, mv},
      {Op::aten_addmv, addmv},
      {Op::aten_dot, dot},
      {Op::aten_dist, dist},
      {Op::aten__trilinear, trilinear},
      {Op::aten__linalg_det, determinant},
      {Op::aten_linalg_inv_ex, inverse},
      {Op::aten__linalg_solve_ex, solve_systems},
      {Op::aten_linalg_cholesky_ex, cholesky},
      {Op::aten__linalg_svd, svd},
      {Op::aten_linalg_pinv_atol_rtol_tensor, pseudoinverse},
  };
  return kRules;
}

}  // namespace pte::passes
