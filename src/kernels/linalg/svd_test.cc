#include <gtest/gtest.h>

#include <cmath>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix matrix_of(const Tensor& t) {
  const auto flat = elements<double>(t);
  Matrix m(static_cast<size_t>(t.size(0)), std::vector<double>(static_cast<size_t>(t.size(1))));
  for (size_t i = 0, at = 0; i < m.size(); ++i) {
    for (double& x : m[i]) x = flat[at++];
  }
  return m;
}

// The product of a matrix with another, or of its transpose with itself.
Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), std::vector<double>(b.empty() ? 0 : b[0].size(), 0));
  for (size_t i = 0; i < c.size(); ++i) {
    for (size_t j = 0; j < c[i].size(); ++j) {
      for (size_t k = 0; k < b.size(); ++k) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}
Matrix transposed(const Matrix& a) {
  Matrix t(a.empty() ? 0 : a[0].size(), std::vector<double>(a.size()));
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[i].size(); ++j) t[j][i] = a[i][j];
  }
  return t;
}

void expect_orthonormal(const Matrix& columns) {
  const Matrix gram = product(transposed(columns), columns);
  for (size_t i = 0; i < gram.size(); ++i) {
    for (size_t j = 0; j < gram.size(); ++j) EXPECT_NEAR(gram[i][j], i == j ? 1 : 0, 1e-12);
  }
}

void expect_decomposes(const std::vector<double>& values, int64_t rows, int64_t columns,
                       bool full) {
  const Tensor a = Tensor::of<double>({rows, columns}, values);
  const int64_t least = std::min(rows, columns);
  std::vector<EValue> args{a, full, true, EValue()};
  std::vector<EValue> results{*Tensor::zeros(DType::kFloat64, {rows, full ? rows : least}),
                              *Tensor::zeros(DType::kFloat64, {least}),
                              *Tensor::zeros(DType::kFloat64, {full ? columns : least, columns})};
  const Status status = call_kernel("aten::_linalg_svd", args, results);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  const Matrix u = matrix_of(*results[0].get<Tensor>());
  const auto s = elements<double>(*results[1].get<Tensor>());
  const Matrix vh = matrix_of(*results[2].get<Tensor>());
  expect_orthonormal(u);
  expect_orthonormal(transposed(vh));
  for (size_t i = 0; i + 1 < s.size(); ++i) EXPECT_GE(s[i], s[i + 1]);
  Matrix scaled(static_cast<size_t>(rows), std::vector<double>(vh.size(), 0));
  for (size_t i = 0; i < scaled.size(); ++i) {
    for (size_t k = 0; k < s.size(); ++k) scaled[i][k] = u[i][k] * s[k];
  }
  const Matrix back = product(scaled, vh);
  for (size_t i = 0, at = 0; i < back.size(); ++i) {
    for (const double x : back[i]) EXPECT_NEAR(x, values[at++], 1e-11);
  }
}

TEST(Svd, PutsTheMatrixTogetherAgain) {
  const std::vector<double> general{1.5, -2, 0.25, 4, 3, -1, 0.5, 2, 2.5, -3.5, 1, 0.125};
  const std::vector<double> rank_one{1, 2, 3, 2, 4, 6, 3, 6, 9, -1, -2, -3};
  const std::vector<double> zero(12, 0.0);
  for (const auto& values : {general, rank_one, zero}) {
    for (const auto& [rows, columns] :
         {std::pair{4, 3}, std::pair{3, 4}, std::pair{2, 6}, std::pair{12, 1}, std::pair{1, 12}}) {
      for (const bool full : {false, true}) expect_decomposes(values, rows, columns, full);
    }
  }
  expect_decomposes({2, 0, 0, 2}, 2, 2, true);
}

TEST(Svd, RefusesNumbersThatAreNotFinite) {
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    std::vector<EValue> args{Tensor::of<double>({2, 2}, {1, bad, 2, 3}), false, true, EValue()};
    std::vector<EValue> results{*Tensor::zeros(DType::kFloat64, {2, 2}),
                                *Tensor::zeros(DType::kFloat64, {2}),
                                *Tensor::zeros(DType::kFloat64, {2, 2})};
    EXPECT_FALSE(call_kernel("aten::_linalg_svd", args, results).has_value());
  }
}

}  // namespace
}  // namespace pte::kernels
