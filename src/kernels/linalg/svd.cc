// One-sided Jacobi rotations, in double: columns are turned in pairs until all are orthogonal;
// their lengths are the singular values. Which of two opposite vectors comes out is nobody's
// promise.
#include "kernels/linalg/svd.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/common/dense.h"

namespace pte::kernels {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Columns u (of length `rows`), values and columns v (of length `columns`) with
// A = sum of value * u v^T, the values falling. Without `vectors`, only the values.
struct Decomposition {
  std::vector<Vector> u;
  Vector values;
  std::vector<Vector> v;
};

// Puts orthonormal columns in the places from `from` on.
void complete(std::vector<Vector>& columns, size_t from, size_t length) {
  size_t axis = 0;
  for (size_t c = from; c < columns.size(); ++c) {
    Vector& column = columns[c];
    for (; axis < length; ++axis) {
      column.assign(length, 0);
      column[axis] = 1;
      for (int round = 0; round < 2; ++round) {
        for (size_t k = 0; k < c; ++k) {
          const double along = dot(columns[k], column);
          for (size_t i = 0; i < length; ++i) column[i] -= along * columns[k][i];
        }
      }
      const double norm = std::sqrt(dot(column, column));
      // Of the axes not yet tried, some always has this much outside the columns before.
      if (norm * norm * static_cast<double>(2 * length) > 1) {
        for (double& x : column) x /= norm;
        break;
      }
    }
    ++axis;
  }
}

// `columns` holds a tall or square matrix's columns.
Decomposition decompose_tall(std::vector<Vector> columns, size_t rows, size_t wanted_u) {
  const size_t n = columns.size();
  std::vector<Vector> turned(n, Vector(n, 0));
  for (size_t i = 0; i < n; ++i) turned[i][i] = 1;
  constexpr int kSweeps = 60;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    bool changed = false;
    for (size_t p = 0; p + 1 < n; ++p) {
      for (size_t q = p + 1; q < n; ++q) {
        const double a = dot(columns[p], columns[p]);
        const double b = dot(columns[q], columns[q]);
        const double c = dot(columns[p], columns[q]);
        if (c == 0 || std::abs(c) <= 1e-15 * std::sqrt(a * b)) continue;
        changed = true;
        const double zeta = (b - a) / (2 * c);
        const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double cosine = 1 / std::sqrt(1 + t * t);
        const double sine = cosine * t;
        const auto turn = [&](Vector& x, Vector& y) {
          for (size_t i = 0; i < x.size(); ++i) {
            const double old = x[i];
            x[i] = cosine * old - sine * y[i];
            y[i] = sine * old + cosine * y[i];
          }
        };
        turn(columns[p], columns[q]);
        turn(turned[p], turned[q]);
      }
    }
    if (!changed) break;
  }
  Vector lengths(n);
  for (size_t i = 0; i < n; ++i) lengths[i] = std::sqrt(dot(columns[i], columns[i]));
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
  Decomposition result;
  result.u.resize(wanted_u);
  // Columns below this are rounding, and point nowhere.
  const double least =
      n == 0 ? 0 : lengths[order[0]] * 1e-15 * static_cast<double>(std::max(rows, n));
  size_t sound = 0;
  for (size_t i = 0; i < n; ++i) {
    const double length = lengths[order[i]];
    result.values.push_back(length);
    result.v.push_back(std::move(turned[order[i]]));
    if (i < wanted_u && length > least) {
      result.u[i] = std::move(columns[order[i]]);
      for (double& x : result.u[i]) x /= length;
      sound = i + 1;
    }
  }
  complete(result.u, sound, rows);
  return result;
}

// Of a row-major matrix. `full`: u and v have as many columns as elements.
Decomposition decompose_matrix(const double* a, size_t rows, size_t columns, bool full) {
  const bool wide = rows < columns;
  const size_t length = wide ? columns : rows;
  const size_t count = wide ? rows : columns;
  std::vector<Vector> lines(count, Vector(length));
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) {
      (wide ? lines[i][j] : lines[j][i]) = a[i * columns + j];
    }
  }
  Decomposition result = decompose_tall(std::move(lines), length, full ? length : count);
  if (wide) std::swap(result.u, result.v);
  return result;
}

struct Matrices {
  size_t rows = 0;
  size_t columns = 0;
  int64_t count = 0;
  Sizes batch;
  Tensor dense;
  const double* matrix(int64_t i) const {
    return dense.data_as<double>() + i * static_cast<int64_t>(rows * columns);
  }
};

Result<Matrices> matrices_of(const Call& call) {
  const Tensor& a = call.tensor(0);
  if (a.dtype() != DType::kFloat32 && a.dtype() != DType::kFloat64) {
    return call.not_supported("operands of type {}", dtype_name(a.dtype()));
  }
  if (a.rank() < 2) return call.invalid("{} is no matrix or batch of them", a.describe());
  Matrices m;
  m.rows = static_cast<size_t>(a.size(a.rank() - 2));
  m.columns = static_cast<size_t>(a.sizes().back());
  m.batch = Sizes(a.sizes().begin(), a.sizes().end() - 2);
  const auto count = element_count(m.batch);
  if (!count) return call.invalid("{} is too large", a.describe());
  m.count = *count;
  PTE_TRY(m.dense, dense_as<double>(call, a));
  const double* const end = m.dense.data_as<double>() + m.dense.numel();
  if (std::find_if(m.dense.data_as<double>(), end, [](double x) { return !std::isfinite(x); }) !=
      end) {
    return call.invalid("an element is not finite");
  }
  return m;
}

Sizes with(Sizes sizes, std::initializer_list<size_t> last) {
  for (const size_t size : last) sizes.push_back(static_cast<int64_t>(size));
  return sizes;
}

}  // namespace

Status svd(Call& call) {
  PTE_TRY(const Matrices m, matrices_of(call));
  const DType dtype = call.tensor(0).dtype();
  const bool full = call.boolean(1);
  const bool vectors = call.boolean(2);
  const size_t least = std::min(m.rows, m.columns);
  const size_t left = full ? m.rows : least;
  const size_t right = full ? m.columns : least;
  for (size_t i = 0; i < 3; ++i) PTE_CHECK(check_out_type(call, dtype, call.out(i)));
  PTE_CHECK(resize_out(call, call.out(0), vectors ? with(m.batch, {m.rows, left}) : Sizes{0}));
  PTE_CHECK(resize_out(call, call.out(1), with(m.batch, {least})));
  PTE_CHECK(resize_out(call, call.out(2), vectors ? with(m.batch, {right, m.columns}) : Sizes{0}));
  PTE_TRY(auto u, DenseOut<double>::make(call, call.out(0)));
  PTE_TRY(auto s, DenseOut<double>::make(call, call.out(1)));
  PTE_TRY(auto vh, DenseOut<double>::make(call, call.out(2)));
  // A batch without elements may count more matrices than there is time for.
  const bool nothing = call.out(0).numel() + call.out(1).numel() + call.out(2).numel() == 0;
  for (int64_t i = 0; i < (nothing ? 0 : m.count); ++i) {
    const Decomposition d = decompose_matrix(m.matrix(i), m.rows, m.columns, full && vectors);
    std::copy(d.values.begin(), d.values.end(), s.data() + static_cast<size_t>(i) * least);
    if (!vectors) continue;
    double* const to_u = u.data() + static_cast<size_t>(i) * m.rows * left;
    double* const to_v = vh.data() + static_cast<size_t>(i) * right * m.columns;
    for (size_t c = 0; c < left; ++c) {
      for (size_t r = 0; r < m.rows; ++r) to_u[r * left + c] = d.u[c][r];
    }
    for (size_t r = 0; r < right; ++r) {
      std::copy(d.v[r].begin(), d.v[r].end(), to_v + r * m.columns);
    }
  }
  PTE_CHECK(u.commit(call));
  PTE_CHECK(s.commit(call));
  return vh.commit(call);
}

// Singular values up to the larger of atol and rtol times the largest one count as zero.
Status pseudoinverse(Call& call) {
  PTE_TRY(Matrices m, matrices_of(call));
  const Tensor* given_atol = call.optional_tensor(1);
  const Tensor* given_rtol = call.optional_tensor(2);
  const bool hermitian = call.boolean(3);
  const DType dtype = call.tensor(0).dtype();
  if (hermitian && m.rows != m.columns) return call.invalid("a Hermitian matrix must be square");
  PTE_CHECK(check_out_type(call, dtype, call.out()));
  PTE_CHECK(resize_out(call, call.out(), with(m.batch, {m.columns, m.rows})));
  if (call.out().numel() == 0) return {};
  // A number for each matrix.
  const auto numbers = [&](const Tensor* tensor) -> Result<Vector> {
    if (tensor == nullptr) return Vector();
    PTE_TRY(const Sizes both, broadcast_sizes(call, m.batch, tensor->sizes()));
    if (both != m.batch) {
      return call.invalid("tolerance {} does not fit {}", tensor->describe(),
                          call.tensor(0).describe());
    }
    PTE_TRY(
        const Tensor dense,
        dense_as<double>(call, tensor->with_layout(m.batch, broadcast_strides(*tensor, m.batch))));
    return Vector(dense.data_as<double>(), dense.data_as<double>() + dense.numel());
  };
  PTE_TRY(const Vector atol, numbers(given_atol));
  PTE_TRY(const Vector rtol, numbers(given_rtol));
  const double unit = dtype == DType::kFloat32 ? std::numeric_limits<float>::epsilon()
                                               : std::numeric_limits<double>::epsilon();
  const double usual = unit * static_cast<double>(std::max(m.rows, m.columns));
  PTE_TRY(auto out, DenseOut<double>::make(call, call.out()));
  Vector matrix(m.rows * m.columns);
  for (int64_t i = 0; i < m.count; ++i) {
    std::copy_n(m.matrix(i), matrix.size(), matrix.begin());
    if (hermitian) {  // what lies above the diagonal is not looked at
      for (size_t r = 0; r < m.rows; ++r) {
        for (size_t c = r + 1; c < m.columns; ++c)
          matrix[r * m.columns + c] = matrix[c * m.columns + r];
      }
    }
    const Decomposition d = decompose_matrix(matrix.data(), m.rows, m.columns, false);
    const auto at = static_cast<size_t>(i);
    const double absolute = atol.empty() ? 0 : atol[at];
    const double relative = !rtol.empty() ? rtol[at] : absolute > 0 ? 0 : usual;
    const double bound = std::max(absolute, relative * (d.values.empty() ? 0 : d.values[0]));
    double* const to = out.data() + at * matrix.size();
    std::fill_n(to, matrix.size(), 0.0);
    for (size_t k = 0; k < d.values.size(); ++k) {
      if (!(d.values[k] > bound)) continue;
      for (size_t c = 0; c < m.columns; ++c) {
        for (size_t r = 0; r < m.rows; ++r) {
          to[c * m.rows + r] += d.v[k][c] * d.u[k][r] / d.values[k];
        }
      }
    }
  }
  return out.commit(call);
}

}  // namespace pte::kernels
