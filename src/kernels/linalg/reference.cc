// Determinants, inverses, Cholesky factors and solutions of linear systems, matrix by matrix.
//
// All compute in double. Factors, pivots and infos are LAPACK's.
#include <cmath>

#include "kernels/common/dense.h"
#include "kernels/families.h"
#include "kernels/linalg/svd.h"

namespace pte::kernels {
namespace {

// An n by n matrix becomes L (below the diagonal, which is 1) and U; row i was swapped with row
// pivots[i] - 1. Gives the place, from 1, of the first pivot that is zero, or 0.
int32_t factor(double* a, int64_t n, int32_t* pivots) {
  int32_t info = 0;
  for (int64_t k = 0; k < n; ++k) {
    int64_t best = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::abs(a[i * n + k]) > std::abs(a[best * n + k])) best = i;
    }
    pivots[k] = static_cast<int32_t>(best + 1);
    if (best != k) std::swap_ranges(a + k * n, a + (k + 1) * n, a + best * n);
    const double pivot = a[k * n + k];
    if (pivot == 0) {
      if (info == 0) info = static_cast<int32_t>(k + 1);
      continue;
    }
    for (int64_t i = k + 1; i < n; ++i) {
      const double scale = a[i * n + k] /= pivot;
      if (scale == 0) continue;
      for (int64_t j = k + 1; j < n; ++j) a[i * n + j] -= scale * a[k * n + j];
    }
  }
  return info;
}

// Solves A x = b, or A^T x = b, for `count` right-hand sides that are columns of x.
void solve(const double* lu, const int32_t* pivots, int64_t n, bool transposed, double* x,
           int64_t count) {
  const auto swap_rows = [&](int64_t i) {
    const int64_t other = pivots[i] - 1;
    if (other != i) std::swap_ranges(x + i * count, x + (i + 1) * count, x + other * count);
  };
  const auto subtract = [&](int64_t to, int64_t from, double scale) {
    for (int64_t c = 0; c < count; ++c) x[to * count + c] -= scale * x[from * count + c];
  };
  const auto divide = [&](int64_t row, double by) {
    for (int64_t c = 0; c < count; ++c) x[row * count + c] /= by;
  };
  if (!transposed) {
    for (int64_t i = 0; i < n; ++i) swap_rows(i);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t k = 0; k < i; ++k) subtract(i, k, lu[i * n + k]);
    }
    for (int64_t i = n - 1; i >= 0; --i) {
      for (int64_t k = i + 1; k < n; ++k) subtract(i, k, lu[i * n + k]);
      divide(i, lu[i * n + i]);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < i; ++k) subtract(i, k, lu[k * n + i]);
    divide(i, lu[i * n + i]);
  }
  for (int64_t i = n - 1; i >= 0; --i) {
    for (int64_t k = i + 1; k < n; ++k) subtract(i, k, lu[k * n + i]);
  }
  for (int64_t i = n - 1; i >= 0; --i) swap_rows(i);
}

Result<int64_t> order_of(const Call& call, const Tensor& a) {
  if (a.dtype() != DType::kFloat32 && a.dtype() != DType::kFloat64) {
    return call.not_supported("operands of type {}", dtype_name(a.dtype()));
  }
  const int64_t n = a.rank() < 2 ? 0 : a.sizes().back();
  if (a.rank() < 2 || a.size(a.rank() - 2) != n || n > INT32_MAX) {
    return call.invalid("{} is no square matrix or batch of them", a.describe());
  }
  return n;
}

Sizes without_last(const Sizes& sizes, std::ptrdiff_t count) {
  return Sizes(sizes.begin(), sizes.end() - count);
}

Tensor transposed(const Tensor& a) {
  Sizes sizes = a.sizes();
  Strides strides = a.strides();
  std::swap(sizes[a.rank() - 2], sizes[a.rank() - 1]);
  std::swap(strides[a.rank() - 2], strides[a.rank() - 1]);
  return a.with_layout(std::move(sizes), std::move(strides));
}

// The factors of each matrix of a batch.
struct Factors {
  int64_t n = 0;
  int64_t count = 0;
  std::vector<double> lu;
  std::vector<int32_t> pivots;
  std::vector<int32_t> infos;

  const double* matrix(int64_t i) const { return lu.data() + i * n * n; }
};

// Of the matrices, or of their transposes when `turned`.
Result<Factors> factors_of(const Call& call, const Tensor& a, bool turned) {
  Factors factors;
  PTE_TRY(factors.n, order_of(call, a));
  const auto count = element_count(without_last(a.sizes(), 2));
  if (!count) return call.invalid("{} is too large", a.describe());
  factors.count = *count;
  const int64_t n = factors.n;
  PTE_TRY(const Tensor dense, dense_as<double>(call, turned ? transposed(a) : a));
  factors.lu.assign(dense.data_as<double>(), dense.data_as<double>() + dense.numel());
  // Without elements there may be more matrices than memory holds.
  PTE_TRY(const Tensor probe, Tensor::zeros(DType::kInt32, {factors.count, n + 1}));
  factors.pivots.assign(static_cast<size_t>(factors.count * n), 0);
  factors.infos.assign(static_cast<size_t>(factors.count), 0);
  call.parallel_for(factors.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      factors.infos[static_cast<size_t>(i)] =
          factor(factors.lu.data() + i * n * n, n, factors.pivots.data() + i * n);
    }
  });
  return factors;
}

template <typename T>
Status store(const Call& call, size_t result, DType type, const Sizes& sizes,
             const std::vector<T>& values) {
  Tensor& out = call.out(result);
  PTE_CHECK(check_out_type(call, type, out));
  PTE_CHECK(resize_out(call, out, sizes));
  if (values.empty()) return {};
  using C = std::conditional_t<std::is_same_v<T, double>, double, int64_t>;
  PTE_TRY(DenseOut<C> dense, DenseOut<C>::make(call, out));
  std::copy(values.begin(), values.end(), dense.data());
  return dense.commit(call);
}

Status check_errors(const Call& call, bool check, const std::vector<int32_t>& infos,
                    std::string_view what) {
  for (size_t i = 0; check && i < infos.size(); ++i) {
    if (infos[i] != 0) return call.invalid("matrix {} {} (order {})", i, what, infos[i]);
  }
  return {};
}

Status determinant(Call& call) {
  const Tensor& a = call.tensor(0);
  // PyTorch factors the transpose of a contiguous matrix, whose columns then lie in order.
  PTE_TRY(const Factors factors, factors_of(call, a, a.is_contiguous()));
  std::vector<double> results(static_cast<size_t>(factors.count), 1);
  for (int64_t i = 0; i < factors.count; ++i) {
    double& result = results[static_cast<size_t>(i)];
    for (int64_t k = 0; k < factors.n; ++k) {
      result *= factors.matrix(i)[k * factors.n + k];
      if (factors.pivots[static_cast<size_t>(i * factors.n + k)] != k + 1) result = -result;
    }
  }
  PTE_CHECK(store(call, 0, a.dtype(), without_last(a.sizes(), 2), results));
  PTE_CHECK(store(call, 1, a.dtype(), a.sizes(), factors.lu));
  return store(call, 2, DType::kInt32, without_last(a.sizes(), 1), factors.pivots);
}

Status inverse(Call& call) {
  const Tensor& a = call.tensor(0);
  PTE_TRY(const Factors factors, factors_of(call, a, false));
  PTE_CHECK(check_errors(call, call.boolean(1), factors.infos, "is singular"));
  const int64_t n = factors.n;
  std::vector<double> results(factors.lu.size(), 0);
  call.parallel_for(factors.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double* const x = results.data() + i * n * n;
      for (int64_t k = 0; k < n; ++k) x[k * n + k] = 1;
      solve(factors.matrix(i), factors.pivots.data() + i * n, n, false, x, n);
    }
  });
  PTE_CHECK(store(call, 0, a.dtype(), a.sizes(), results));
  return store(call, 1, DType::kInt32, without_last(a.sizes(), 2), factors.infos);
}

// A X = B, or X A = B when not `left`. B is a vector, a batch of vectors or of matrices.
Status solve_systems(Call& call) {
  const Tensor& a = call.tensor(0);
  const Tensor& b = call.tensor(1);
  const bool left = call.boolean(2);
  PTE_TRY(const int64_t n, order_of(call, a));
  if (b.dtype() != a.dtype()) {
    return call.invalid("operands are {} and {}, expected one type", dtype_name(a.dtype()),
                        dtype_name(b.dtype()));
  }
  const bool vector =
      b.rank() == 1 || (b.rank() + 1 == a.rank() && b.sizes() == without_last(a.sizes(), 1));
  if (b.rank() == 0 || (vector && !left)) {
    return call.invalid("{} is no right-hand side of {}", b.describe(), a.describe());
  }
  // Seen as matrices whose columns are the right-hand sides.
  Tensor sides = b;
  if (vector) {
    Sizes sizes = b.sizes();
    Strides strides = b.strides();
    sizes.push_back(1);
    strides.push_back(1);
    sides = b.with_layout(std::move(sizes), std::move(strides));
  } else if (!left) {
    sides = transposed(b);
  }
  if (sides.size(sides.rank() - 2) != n) {
    return call.invalid("{} is no right-hand side of {}", b.describe(), a.describe());
  }
  PTE_TRY(const Factors factors, factors_of(call, a, false));
  PTE_CHECK(check_errors(call, call.boolean(3), factors.infos, "is singular"));
  const int64_t width = sides.sizes().back();
  const Sizes matrices = without_last(a.sizes(), 2);
  PTE_TRY(const Sizes batch, broadcast_sizes(call, without_last(sides.sizes(), 2), matrices));
  Sizes all = batch;
  all.push_back(n);
  all.push_back(width);
  Sizes sizes = batch;
  if (vector || left) sizes.push_back(n);
  if (!vector) sizes.push_back(width);
  if (!left) sizes.push_back(n);
  PTE_CHECK(check_out_type(call, a.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() > 0) {
    const Tensor spread = sides.with_layout(all, broadcast_strides(sides, all));
    PTE_TRY(Tensor x, dense_as<double>(call, spread));
    if (x.data() == b.data()) {
      PTE_TRY(Tensor copy, Tensor::zeros(DType::kFloat64, all));
      PTE_CHECK(copy_elements(x, copy));
      x = std::move(copy);
    }
    // Which of A's matrices each of the result's belongs to.
    const Tensor which =
        Tensor::view(DType::kFloat64, matrices, contiguous_strides(matrices), nullptr, {});
    const Loop loop(batch, std::array{contiguous_strides(batch), broadcast_strides(which, batch)});
    double* const data = x.mutable_data_as<double>();
    loop.run(0, loop.count(), [&](const int64_t* at, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        const int64_t matrix = at[1] + i * loop.step(1);
        solve(factors.matrix(matrix), factors.pivots.data() + matrix * n, n, !left,
              data + (at[0] + i * loop.step(0)) * n * width, width);
      }
    });
    const Tensor result = vector ? x.with_layout(sizes, contiguous_strides(sizes))
                          : left ? x
                                 : transposed(x);
    PTE_CHECK(copy_converting(call, result, call.out()));
  }
  PTE_CHECK(store(call, 1, a.dtype(), a.sizes(), factors.lu));
  PTE_CHECK(store(call, 2, DType::kInt32, without_last(a.sizes(), 1), factors.pivots));
  return store(call, 3, DType::kInt32, matrices, factors.infos);
}

// A = L L^T, of which the lower triangle (the upper one, when `upper`) of A is read.
Status cholesky(Call& call) {
  const Tensor& a = call.tensor(0);
  const bool upper = call.boolean(1);
  PTE_TRY(const int64_t n, order_of(call, a));
  const auto count = element_count(without_last(a.sizes(), 2));
  if (!count) return call.invalid("{} is too large", a.describe());
  PTE_CHECK(check_out_type(call, DType::kInt32, call.out(1)));
  PTE_CHECK(resize_out(call, call.out(1), without_last(a.sizes(), 2)));
  PTE_TRY(const Tensor dense, dense_as<double>(call, upper ? transposed(a) : a));
  std::vector<double> results(static_cast<size_t>(dense.numel()), 0);
  std::vector<int32_t> infos(static_cast<size_t>(*count), 0);
  for (int64_t m = 0; m < *count; ++m) {
    const double* from = dense.data_as<double>() + m * n * n;
    double* l = results.data() + m * n * n;
    // Where it fails, what was not reached stays as it was.
    for (int64_t i = 0; i < n; ++i) std::copy_n(from + i * n, i + 1, l + i * n);
    for (int64_t k = 0; k < n; ++k) {
      double square = l[k * n + k];
      for (int64_t j = 0; j < k; ++j) square -= l[k * n + j] * l[k * n + j];
      if (!(square > 0)) {
        infos[static_cast<size_t>(m)] = static_cast<int32_t>(k + 1);
        break;
      }
      const double root = std::sqrt(square);
      l[k * n + k] = root;
      for (int64_t i = k + 1; i < n; ++i) {
        double sum = l[i * n + k];
        for (int64_t j = 0; j < k; ++j) sum -= l[i * n + j] * l[k * n + j];
        l[i * n + k] = sum / root;
      }
    }
  }
  PTE_CHECK(check_errors(call, call.boolean(2), infos, "is not positive definite"));
  if (upper) {
    for (int64_t m = 0; m < *count; ++m) {
      double* l = results.data() + m * n * n;
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < i; ++j) std::swap(l[i * n + j], l[j * n + i]);
      }
    }
  }
  PTE_CHECK(store(call, 0, a.dtype(), a.sizes(), results));
  return store(call, 1, DType::kInt32, without_last(a.sizes(), 2), infos);
}

}  // namespace

std::span<const Entry> linalg_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten__linalg_det, determinant},
      {Op::aten_linalg_inv_ex, inverse},
      {Op::aten__linalg_solve_ex, solve_systems},
      {Op::aten_linalg_cholesky_ex, cholesky},
      {Op::aten__linalg_svd, svd},
      {Op::aten_linalg_pinv_atol_rtol_tensor, pseudoinverse},
  };
  return kEntries;
}

}  // namespace pte::kernels
