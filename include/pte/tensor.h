/**
 * @file tensor.h
 * @brief Tensors that view somebody's memory.
 */
#ifndef PTE_TENSOR_H_
#define PTE_TENSOR_H_

#include <pte/pte.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <type_traits>
#include <vector>

namespace pte {
inline namespace v1 {

/** Element types, numbered as PyTorch and the `.pte` format number them. */
enum class DType : pte_dtype {
  kUInt8 = PTE_DTYPE_UINT8,
  kInt8 = PTE_DTYPE_INT8,
  kInt16 = PTE_DTYPE_INT16,
  kInt32 = PTE_DTYPE_INT32,
  kInt64 = PTE_DTYPE_INT64,
  kFloat16 = PTE_DTYPE_FLOAT16,
  kFloat32 = PTE_DTYPE_FLOAT32,
  kFloat64 = PTE_DTYPE_FLOAT64,
  kComplex64 = PTE_DTYPE_COMPLEX64,
  kComplex128 = PTE_DTYPE_COMPLEX128,
  kBool = PTE_DTYPE_BOOL,
  kBFloat16 = PTE_DTYPE_BFLOAT16,
  kBits16 = PTE_DTYPE_BITS16,
  kFloat8E5M2 = PTE_DTYPE_FLOAT8_E5M2,
  kFloat8E4M3FN = PTE_DTYPE_FLOAT8_E4M3FN,
  kUInt16 = PTE_DTYPE_UINT16,
  kUInt32 = PTE_DTYPE_UINT32,
  kUInt64 = PTE_DTYPE_UINT64,
};

/** Bytes of one element; 0 for unknown types. */
inline size_t size_of(DType dtype) { return pte_dtype_size(static_cast<pte_dtype>(dtype)); }
/** PyTorch's name: "float32". */
inline const char* name_of(DType dtype) { return pte_dtype_name(static_cast<pte_dtype>(dtype)); }

/** The type of a C++ type's elements: float, double, bool and the integers. */
template <typename T>
constexpr DType dtype_of() {
  using U = std::remove_cv_t<T>;
  static_assert(std::is_arithmetic_v<U>, "name the element type: TensorView(DType, data, sizes)");
  if constexpr (std::is_same_v<U, bool>) return DType::kBool;
  if constexpr (std::is_floating_point_v<U>) {
    static_assert(!std::is_floating_point_v<U> || sizeof(U) == 4 || sizeof(U) == 8);
    return sizeof(U) == 4 ? DType::kFloat32 : DType::kFloat64;
  } else if constexpr (std::is_signed_v<U>) {
    return sizeof(U) == 1   ? DType::kInt8
           : sizeof(U) == 2 ? DType::kInt16
           : sizeof(U) == 4 ? DType::kInt32
                            : DType::kInt64;
  } else {
    return sizeof(U) == 1   ? DType::kUInt8
           : sizeof(U) == 2 ? DType::kUInt16
           : sizeof(U) == 4 ? DType::kUInt32
                            : DType::kUInt64;
  }
}

/** A view of `size()` items that lie one after another. */
template <typename T>
class Span {
 public:
  Span() = default;
  Span(const T* data, size_t size) : data_(data), size_(size) {}
  Span(const std::vector<T>& items) : data_(items.data()), size_(items.size()) {}  // NOLINT
  /** For arguments: the items live until the end of the full expression. */
  Span(std::initializer_list<T> items) : data_(std::data(items)), size_(items.size()) {}

  const T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T& operator[](size_t i) const { return data_[i]; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  std::vector<T> to_vector() const { return {begin(), end()}; }

 private:
  const T* data_ = nullptr;
  size_t size_ = 0;
};

/**
 * A strided, typed view of memory that somebody else owns. Cheap to copy. Sizes are outermost
 * first; strides count elements.
 */
class TensorView {
 public:
  /** No elements: float32 [0]. */
  TensorView() : rank_(1), dtype_(DType::kFloat32) {}

  /** Row-major elements without gaps. Sizes beyond PTE_MAX_RANK make a view that no input takes. */
  TensorView(DType dtype, const void* data, Span<int64_t> sizes)
      : TensorView(dtype, data, sizes, {}) {}
  /** Any strides; none mean row-major without gaps. */
  TensorView(DType dtype, const void* data, Span<int64_t> sizes, Span<int64_t> strides)
      : data_(data), rank_(sizes.size()), dtype_(dtype) {
    fill(sizes, strides);
  }
  /** Row-major elements of a C++ type; `count` elements are there, which is checked when it is
   * used. */
  template <typename T>
  TensorView(const T* data, size_t count, Span<int64_t> sizes)
      : data_(data), size_bytes_(count * sizeof(T)), rank_(sizes.size()), dtype_(dtype_of<T>()) {
    fill(sizes, {});
  }
  /** The same for a vector's elements. */
  template <typename T>
  TensorView(const std::vector<T>& elements, Span<int64_t> sizes)
      : TensorView(elements.data(), elements.size(), sizes) {}

  explicit TensorView(const pte_tensor& tensor)
      : TensorView(static_cast<DType>(tensor.dtype), tensor.data, {tensor.sizes, tensor.rank},
                   {tensor.strides, tensor.strides == nullptr ? 0 : tensor.rank}) {
    size_bytes_ = tensor.size_bytes;
  }

  DType dtype() const { return dtype_; }
  size_t rank() const { return rank_; }
  Span<int64_t> sizes() const { return {sizes_.data(), kept()}; }
  Span<int64_t> strides() const { return {strides_.data(), kept()}; }
  int64_t size(size_t dim) const { return sizes_[dim]; }
  int64_t numel() const {
    int64_t count = 1;
    for (const int64_t size : sizes()) count *= size;
    return count;
  }

  const void* data() const { return data_; }
  /** The elements, or null when they are of another type. */
  template <typename T>
  const T* data_as() const {
    return dtype_of<T>() == dtype_ ? static_cast<const T*>(data_) : nullptr;
  }

  /** Row-major, without gaps. */
  bool is_contiguous() const {
    int64_t step = 1;
    for (size_t i = kept(); i-- > 0;) {
      if (sizes_[i] != 1 && strides_[i] != step) return numel() == 0;
      step *= sizes_[i];
    }
    return true;
  }
  /** The elements in row-major order; empty when they are of another type. */
  template <typename T>
  std::vector<T> to_vector() const {
    std::vector<T> out;
    const T* from = data_as<T>();
    if (from == nullptr || numel() <= 0) return out;
    out.reserve(static_cast<size_t>(numel()));
    std::array<int64_t, PTE_MAX_RANK> index{};
    int64_t offset = 0;
    while (true) {
      out.push_back(from[offset]);
      size_t dim = kept();
      while (dim > 0) {
        --dim;
        offset += strides_[dim];
        if (++index[dim] < sizes_[dim]) break;
        offset -= strides_[dim] * sizes_[dim];
        index[dim] = 0;
        if (dim == 0) return out;
      }
      if (kept() == 0) return out;
    }
  }

  /** As the C API has it; points into this view. */
  pte_tensor c_tensor() const {
    pte_tensor tensor{};
    tensor.data = const_cast<void*>(data_);
    tensor.size_bytes = size_bytes_;
    tensor.sizes = sizes_.data();
    tensor.strides = strides_.data();
    tensor.rank = static_cast<uint32_t>(rank_);
    tensor.dtype = static_cast<pte_dtype>(dtype_);
    return tensor;
  }

 private:
  // A rank too large is kept for the error that it gives, its sizes are not.
  size_t kept() const { return rank_ > PTE_MAX_RANK ? 0 : rank_; }

  void fill(Span<int64_t> sizes, Span<int64_t> strides) {
    uint64_t step = 1;  // wraps around where sizes are absurd, which is found when the view is used
    for (size_t i = kept(); i-- > 0;) {
      sizes_[i] = sizes[i];
      strides_[i] = static_cast<int64_t>(step);
      step *= sizes[i] > 0 ? static_cast<uint64_t>(sizes[i]) : 1;
    }
    if (strides.size() != rank_) return;
    for (size_t i = 0; i < kept(); ++i) strides_[i] = strides[i];
  }

  const void* data_ = nullptr;
  uint64_t size_bytes_ = 0;
  size_t rank_ = 0;
  DType dtype_;
  std::array<int64_t, PTE_MAX_RANK> sizes_{};
  std::array<int64_t, PTE_MAX_RANK> strides_{};
};

/** A view whose elements may be written. */
class MutableTensorView : public TensorView {
 public:
  using TensorView::data;
  using TensorView::TensorView;
  void* data() { return const_cast<void*>(TensorView::data()); }
  using TensorView::data_as;
  template <typename T>
  T* data_as() {
    return const_cast<T*>(TensorView::data_as<T>());
  }
};

}  // namespace v1
}  // namespace pte

#endif  // PTE_TENSOR_H_
