// A strided view of typed memory that may own, share or borrow its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace pte {

using Sizes = std::vector<int64_t>;    // outermost first, each >= 0
using Strides = std::vector<int64_t>;  // in elements
// The dimensions from outermost to innermost in memory: {0,1,2,3} is contiguous, {0,2,3,1} is
// channels-last for rank 4.
using DimOrder = std::vector<uint8_t>;

constexpr size_t kMaxRank = 16;  // the official runtime's limit

DimOrder contiguous_dim_order(size_t rank);
// {0,2,3,1} and its kin: rank 4 or 5 only, else contiguous.
DimOrder channels_last_dim_order(size_t rank);
bool is_contiguous(const DimOrder& order);
bool is_permutation(std::span<const uint8_t> order);
// Dense strides for `sizes` laid out in `order`; a dimension of size 0 counts as 1.
Strides strides_of(const Sizes& sizes, const DimOrder& order);
Strides contiguous_strides(const Sizes& sizes);
// The order by a stable sort of strides, descending: what the official writer stores.
DimOrder dim_order_of(const Strides& strides);

// The product, or nothing on overflow or a negative size.
std::optional<int64_t> element_count(std::span<const int64_t> sizes);
std::optional<size_t> byte_count(DType dtype, std::span<const int64_t> sizes);

// "float32[1,3,224,224]"
std::string describe(DType dtype, std::span<const int64_t> sizes);

class Tensor {
 public:
  Tensor() = default;  // float32 [0], no memory

  // Freshly allocated (64-byte aligned), zero-filled. Fails with kResourceLimit when the size
  // overflows or memory cannot be had.
  static Result<Tensor> zeros(DType dtype, Sizes sizes, DimOrder order = {});
  // A view of memory that `owner` keeps alive (or that the caller does, when null).
  static Tensor view(DType dtype, Sizes sizes, Strides strides, const std::byte* data,
                     std::shared_ptr<const void> owner);
  // A contiguous copy of values, for tests and small constants.
  template <typename T>
  static Tensor of(Sizes sizes, std::span<const T> values);
  template <typename T>
  static Tensor of(Sizes sizes, std::initializer_list<T> values) {
    return of(std::move(sizes), std::span<const T>(values.begin(), values.size()));
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>({}, {value});
  }

  DType dtype() const { return dtype_; }
  const Sizes& sizes() const { return sizes_; }
  const Strides& strides() const { return strides_; }
  size_t rank() const { return sizes_.size(); }
  int64_t size(size_t dim) const { return sizes_[dim]; }
  int64_t numel() const;
  // Bytes of the elements, strides not counted.
  size_t nbytes() const { return static_cast<size_t>(numel()) * size_of(dtype_); }
  bool has_data() const { return data_ != nullptr || numel() == 0; }

  const std::byte* data() const { return data_; }
  std::byte* mutable_data() { return const_cast<std::byte*>(data_); }
  template <typename T>
  const T* data_as() const {
    return reinterpret_cast<const T*>(data_);
  }
  template <typename T>
  T* mutable_data_as() {
    return reinterpret_cast<T*>(const_cast<std::byte*>(data_));
  }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  // Elements lie in row-major order without gaps (dimensions of size 1 may have any stride).
  bool is_contiguous() const;
  // Elements lie without gaps in `order`.
  bool is_dense_in(const DimOrder& order) const;
  DimOrder dim_order() const { return dim_order_of(strides_); }
  // The raw bytes of a dense tensor (any dim order), as they lie.
  Bytes bytes() const { return {data_, nbytes()}; }

  // The same memory seen with other sizes and strides, `offset` elements further on.
  Tensor with_layout(Sizes sizes, Strides strides, int64_t offset = 0) const;
  // This tensor when contiguous already, else a contiguous copy.
  Result<Tensor> contiguous() const;
  // A copy laid out in `order`.
  Result<Tensor> in_dim_order(const DimOrder& order) const;

  // Gives the tensor new sizes within the memory it was made with, dense in its present dim order.
  // Fails with kMismatch when the new sizes need more than `capacity_bytes()`.
  Status resize(const Sizes& sizes);
  size_t capacity_bytes() const { return capacity_; }
  void set_capacity_bytes(size_t bytes) { capacity_ = bytes; }

  std::string describe() const { return pte::describe(dtype_, sizes_); }

 private:
  DType dtype_ = DType::kFloat32;
  Sizes sizes_{0};
  Strides strides_{1};
  const std::byte* data_ = nullptr;
  size_t capacity_ = 0;
  std::shared_ptr<const void> owner_;
};

// Copies `from` into `to`: equal sizes, any strides, equal dtypes. Fails with kMismatch otherwise.
Status copy_elements(const Tensor& from, Tensor& to);

template <typename T>
Tensor Tensor::of(Sizes sizes, std::span<const T> values) {
  auto memory = std::make_shared<std::vector<std::byte>>(values.size_bytes());
  std::copy_n(reinterpret_cast<const std::byte*>(values.data()), values.size_bytes(),
              memory->begin());
  Strides strides = contiguous_strides(sizes);
  const std::byte* data = memory->data();
  return view(dtype_of<T>(), std::move(sizes), std::move(strides), data, std::move(memory));
}

}  // namespace pte
