// Matrix products.
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

// beta * self + alpha * (mat1 @ mat2); with beta 0, self is not read.
template <typename C>
Status addmm_as(Call& call, const Tensor& a, const Tensor& b) {
  using T = GemmElement<C>;
  const Tensor& self = call.tensor(0);
  Tensor& result = call.out();
  const T beta = static_cast<T>(scalar_as<C>(call.scalar(3)));
  const T alpha = static_cast<T>(scalar_as<C>(call.scalar(4)));
  PTE_TRY(const Tensor left, dense_as<C>(call, a));
  PTE_TRY(const Tensor right, dense_as<C>(call, b));
  PTE_TRY(const Tensor bias, dense_as<C>(call, self));
  PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, result));
  const Strides bias_strides = broadcast_strides(bias, result.sizes());
  const T* const add = bias.data_as<T>();
  T* const target = reinterpret_cast<T*>(out.data());
  const int64_t columns = b.size(1);
  multiply<T>(call, left.data_as<T>(), right.data_as<T>(), a.size(0), a.size(1), columns,
              [&](int64_t row, int64_t column, int64_t n, const T* values) {
                T* const to = target + row * columns + column;
                for (int64_t j = 0; j < n; ++j) {
                  const T product = alpha * values[j];
                  const int64_t at = row * bias_strides[0] + (column + j) * bias_strides[1];
                  to[j] = beta == T{0} ? product : beta * add[at] + product;
                }
              });
  return out.commit(call);
}

Status addmm(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& a = call.tensor(1);
  const Tensor& b = call.tensor(2);
  PTE_CHECK(check_types(call, a, b));
  PTE_CHECK(check_types(call, a, self));
  PTE_CHECK(check_matrices(call, a, b));
  const Sizes sizes{a.size(0), b.size(1)};
  bool fits = self.rank() <= 2;
  for (size_t i = 0; fits && i < self.rank(); ++i) {
    fits = self.size(i) == 1 || self.size(i) == sizes[2 - self.rank() + i];
  }
  if (!fits) {
    return call.invalid("{} does not broadcast to {}", self.describe(), describe(a.dtype(), sizes));
  }
  PTE_CHECK(check_out_type(call, a.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  return dispatch_compute(a.dtype(), [&]<typename C>(C) { return addmm_as<C>(call, a, b); });
}

}  // namespace

std::span<const Entry> matmul_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_mm, mm},
      {Op::aten_bmm, bmm},
      {Op::aten_addmm, addmm},
  };
  return kEntries;
}

}  // namespace pte::kernels
