// Matrix products.
#include <fmt/ranges.h>

#include "kernels/common/dense.h"
#include "kernels/families.h"
#include "kernels/matmul/gemm.h"

namespace pte::kernels {
namespace {

// left [rows, inner] times right [inner, columns], both contiguous.
template <typename T, typename Store>
void multiply(const Call& call, const T* left, const T* right, int64_t rows, int64_t inner,
              int64_t columns, Store store) {
  const auto pack = [=](int64_t column, int64_t count, T* tile) {
    constexpr int64_t kColumns = Gemm<T>::kColumns;
    for (int64_t k = 0; k < inner; ++k) {
      const T* from = right + k * columns + column;
      T* to = tile + k * kColumns;
      for (int64_t j = 0; j < kColumns; ++j) to[j] = j < count ? from[j] : T{0};
    }
  };
  Gemm<T>::run(call, rows, columns, inner, left, inner, pack, store);
}

Status check_types(const Call& call, const Tensor& a, const Tensor& b) {
  PTE_CHECK(check_real(call, a));
  if (a.dtype() == DType::kBool) return call.not_supported("operands of type bool");
  if (a.dtype() == b.dtype()) return {};
  return call.invalid("operands are {} and {}, expected one type", dtype_name(a.dtype()),
                      dtype_name(b.dtype()));
}

Status check_matrices(const Call& call, const Tensor& a, const Tensor& b) {
  if (a.rank() == 2 && b.rank() == 2 && a.size(1) == b.size(0)) return {};
  return call.invalid("{} and {} are not matrices that multiply", a.describe(), b.describe());
}

// Products of `count` pairs of matrices that lie one behind the other.
template <typename C>
Status products(Call& call, const Tensor& a, const Tensor& b, int64_t count, int64_t rows,
                int64_t inner, int64_t columns) {
  using T = GemmElement<C>;
  PTE_TRY(const Tensor left, dense_as<C>(call, a));
  PTE_TRY(const Tensor right, dense_as<C>(call, b));
  PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
  T* const result = reinterpret_cast<T*>(out.data());
  for (int64_t i = 0; i < count; ++i) {
    T* const target = result + i * rows * columns;
    multiply<T>(call, left.data_as<T>() + i * rows * inner,
                right.data_as<T>() + i * inner * columns, rows, inner, columns,
                [=](int64_t row, int64_t column, int64_t n, const T* values) {
                  std::copy_n(values, n, target + row * columns + column);
                });
  }
  return out.commit(call);
}

Status mm(Call& call) {
  const Tensor& a = call.tensor(0);
  const Tensor& b = call.tensor(1);
  PTE_CHECK(check_types(call, a, b));
  PTE_CHECK(check_matrices(call, a, b));
  PTE_CHECK(check_out_type(call, a.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), {a.size(0), b.size(1)}));
  return dispatch_compute(a.dtype(), [&]<typename C>(C) {
    return products<C>(call, a, b, 1, a.size(0), a.size(1), b.size(1));
  });
}

Status bmm(Call& call) {
  const Tensor& a = call.tensor(0);
  const Tensor& b = call.tensor(1);
  PTE_CHECK(check_types(call, a, b));
  if (a.rank() != 3 || b.rank() != 3 || a.size(0) != b.size(0) || a.size(2) != b.size(1)) {
    return call.invalid("{} and {} are not batches of matrices that multiply", a.describe(),
                        b.describe());
  }
  PTE_CHECK(check_out_type(call, a.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), {a.size(0), a.size(1), b.size(2)}));
  return dispatch_compute(a.dtype(), [&]<typename C>(C) {
    return products<C>(call, a, b, a.size(0), a.size(1), a.size(2), b.size(2));
  });
}

// Products of `count` pairs of matrices.
struct Extents {
  int64_t count = 1;
  int64_t rows = 1;
  int64_t inner = 1;
  int64_t columns = 1;
};

// `self` read as [count, rows, columns]. Vectors of rows come with a column of one.
Result<Strides> spread_self(const Call& call, const Tensor& self, const Extents& extents) {
  const Sizes sizes{extents.count, extents.rows, extents.columns};
  bool fits = self.rank() <= 3;
  for (size_t i = 0; fits && i < self.rank(); ++i) {
    fits = self.size(i) == 1 || self.size(i) == sizes[3 - self.rank() + i];
  }
  if (!fits) {
    return call.invalid("{} does not broadcast to [{}]", self.describe(), fmt::join(sizes, ","));
  }
  return broadcast_strides(self, sizes);
}

// beta * self + alpha * (a @ b); with beta 0, self is not read. The operands are contiguous once
// converted, the result has its sizes.
template <typename C>
Status add_products(Call& call, const Tensor& self, const Tensor& a, const Tensor& b,
                    const Extents& extents) {
  using T = GemmElement<C>;
  const T beta = static_cast<T>(scalar_as<C>(call.scalar(3)));
  const T alpha = static_cast<T>(scalar_as<C>(call.scalar(4)));
  PTE_TRY(const Tensor left, dense_as<C>(call, a));
  PTE_TRY(const Tensor right, dense_as<C>(call, b));
  PTE_TRY(const Tensor bias, dense_as<C>(call, self));
  PTE_TRY(const Strides strides, spread_self(call, bias, extents));
  PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
  const auto [count, rows, inner, columns] = extents;
  const int64_t width = columns;
  for (int64_t i = 0; i < count; ++i) {
    const T* const add = bias.data_as<T>() + i * strides[0];
    T* const target = reinterpret_cast<T*>(out.data()) + i * rows * columns;
    multiply<T>(call, left.data_as<T>() + i * rows * inner,
                right.data_as<T>() + i * inner * columns, rows, inner, columns,
                [&strides, add, target, width, alpha, beta](int64_t row, int64_t column, int64_t n,
                                                            const T* values) {
                  T* const to = target + row * width + column;
                  for (int64_t j = 0; j < n; ++j) {
                    const T product = alpha * values[j];
                    const int64_t at = row * strides[1] + (column + j) * strides[2];
                    to[j] = beta == T{0} ? product : beta * add[at] + product;
                  }
                });
  }
  return out.commit(call);
}

// What the four operators of this form share. `self` may be given as read by rows.
Status add_product(Call& call, const Tensor& self, const Tensor& a, const Tensor& b,
                   const Extents& extents, const Sizes& sizes) {
  PTE_CHECK(check_types(call, a, b));
  PTE_CHECK(check_types(call, a, self));
  for (const size_t arg : {size_t{3}, size_t{4}}) {
    if (!is_floating(a.dtype()) && call.scalar(arg).kind == Scalar::Kind::kFloat) {
      return call.invalid("{} is no integer, although the operands are {}",
                          call.op().args[arg].name, dtype_name(a.dtype()));
    }
  }
  PTE_CHECK(spread_self(call, self, extents));
  PTE_CHECK(check_out_type(call, a.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  return dispatch_compute(
      a.dtype(), [&]<typename C>(C) { return add_products<C>(call, self, a, b, extents); });
}

Status addmm(Call& call) {
  const Tensor& a = call.tensor(1);
  const Tensor& b = call.tensor(2);
  PTE_CHECK(check_matrices(call, a, b));
  return add_product(call, call.tensor(0), a, b, {1, a.size(0), a.size(1), b.size(1)},
                     {a.size(0), b.size(1)});
}

Status check_batches(const Call& call, const Tensor& a, const Tensor& b) {
  if (a.rank() == 3 && b.rank() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1)) {
    return {};
  }
  return call.invalid("{} and {} are not batches of matrices that multiply", a.describe(),
                      b.describe());
}

Status baddbmm(Call& call) {
  const Tensor& a = call.tensor(1);
  const Tensor& b = call.tensor(2);
  PTE_CHECK(check_batches(call, a, b));
  return add_product(call, call.tensor(0), a, b, {a.size(0), a.size(1), a.size(2), b.size(2)},
                     {a.size(0), a.size(1), b.size(2)});
}

// The sum over the batch is one product whose inner dimension runs over all of it.
Status addbmm(Call& call) {
  const Tensor& a = call.tensor(1);
  const Tensor& b = call.tensor(2);
  PTE_CHECK(check_batches(call, a, b));
  const int64_t inner = a.size(0) * a.size(2);
  const Sizes turned{a.size(1), a.size(0), a.size(2)};
  const Tensor rows = a.with_layout(turned, {a.strides()[1], a.strides()[0], a.strides()[2]});
  return add_product(call, call.tensor(0), rows, b, {1, a.size(1), inner, b.size(2)},
                     {a.size(1), b.size(2)});
}

Status check_vector(const Call& call, const Tensor& matrix, const Tensor& vector) {
  if (matrix.rank() == 2 && vector.rank() == 1 && matrix.size(1) == vector.size(0)) return {};
  return call.invalid("{} and {} are not a matrix and a vector that multiply", matrix.describe(),
                      vector.describe());
}

Status addmv(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& matrix = call.tensor(1);
  const Tensor& vector = call.tensor(2);
  PTE_CHECK(check_vector(call, matrix, vector));
  if (self.rank() > 1) return call.invalid("{} is no vector", self.describe());
  Sizes sizes = self.sizes();
  Strides strides = self.strides();
  sizes.push_back(1);
  strides.push_back(1);
  return add_product(call, self.with_layout(sizes, strides), matrix, vector,
                     {1, matrix.size(0), matrix.size(1), 1}, {matrix.size(0)});
}

Status mv(Call& call) {
  const Tensor& matrix = call.tensor(0);
  const Tensor& vector = call.tensor(1);
  PTE_CHECK(check_types(call, matrix, vector));
  PTE_CHECK(check_vector(call, matrix, vector));
  PTE_CHECK(check_out_type(call, matrix.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), {matrix.size(0)}));
  return dispatch_compute(matrix.dtype(), [&]<typename C>(C) {
    return products<C>(call, matrix, vector, 1, matrix.size(0), matrix.size(1), 1);
  });
}

Status dot(Call& call) {
  const Tensor& a = call.tensor(0);
  const Tensor& b = call.tensor(1);
  PTE_CHECK(check_types(call, a, b));
  if (a.rank() != 1 || b.rank() != 1 || a.size(0) != b.size(0)) {
    return call.invalid("{} and {} are not vectors of one length", a.describe(), b.describe());
  }
  PTE_CHECK(check_out_type(call, a.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), {}));
  return dispatch_compute(
      a.dtype(), [&]<typename C>(C) { return products<C>(call, a, b, 1, 1, a.size(0), 1); });
}

// input @ weight.T + bias over the last dimension; the weight may be a vector.
Status linear(Call& call) {
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(1);
  const Tensor* bias = call.optional_tensor(2);
  PTE_CHECK(check_types(call, input, weight));
  if (bias != nullptr) PTE_CHECK(check_types(call, input, *bias));
  const bool fits = input.rank() > 0 && (weight.rank() == 1 || weight.rank() == 2) &&
                    input.sizes().back() == weight.sizes().back();
  if (!fits) {
    return call.invalid("input {} and weight {} do not multiply", input.describe(),
                        weight.describe());
  }
  Sizes sizes(input.sizes().begin(), input.sizes().end() - 1);
  if (weight.rank() == 2) sizes.push_back(weight.size(0));
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (bias != nullptr) {
    PTE_TRY(const Sizes both, broadcast_sizes(call, bias->sizes(), sizes));
    if (both != sizes) {
      return call.invalid("bias {} does not broadcast to [{}]", bias->describe(),
                          fmt::join(sizes, ","));
    }
  }
  if (call.out().numel() == 0) return {};
  const int64_t inner = input.sizes().back();
  const int64_t columns = weight.rank() == 2 ? weight.size(0) : 1;
  const int64_t rows = call.out().numel() / columns;
  return dispatch_compute(input.dtype(), [&]<typename C>(C) -> Status {
    using T = GemmElement<C>;
    PTE_TRY(const Tensor left, dense_as<C>(call, input));
    PTE_TRY(const Tensor right, dense_as<C>(call, weight));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    Tensor spread;
    if (bias != nullptr) {
      const Tensor all = bias->with_layout(sizes, broadcast_strides(*bias, sizes));
      PTE_TRY(spread, dense_as<C>(call, all));
    }
    const T* const add = bias == nullptr ? nullptr : spread.data_as<T>();
    const T* const filters = right.data_as<T>();
    T* const target = reinterpret_cast<T*>(out.data());
    Gemm<T>::run(
        call, rows, columns, inner, left.data_as<T>(), inner,
        [=](int64_t column, int64_t count, T* tile) {
          constexpr int64_t kColumns = Gemm<T>::kColumns;
          for (int64_t j = 0; j < kColumns; ++j) {
            const T* from = filters + (column + std::min(j, count - 1)) * inner;
            for (int64_t k = 0; k < inner; ++k) {
              tile[k * kColumns + j] = j < count ? from[k] : T{0};
            }
          }
        },
        [=](int64_t row, int64_t column, int64_t count, const T* values) {
          const int64_t at = row * columns + column;
          for (int64_t j = 0; j < count; ++j) {
            target[at + j] = values[j] + (add == nullptr ? T{0} : add[at + j]);
          }
        });
    return out.commit(call);
  });
}

}  // namespace

std::span<const Entry> matmul_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_mm, mm},           {Op::aten_bmm, bmm},       {Op::aten_addmm, addmm},
      {Op::aten_baddbmm, baddbmm}, {Op::aten_addbmm, addbmm}, {Op::aten_addmv, addmv},
      {Op::aten_mv, mv},           {Op::aten_dot, dot},       {Op::aten_linear, linear},
  };
  return kEntries;
}

}  // namespace pte::kernels
