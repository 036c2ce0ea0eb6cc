// Elements moved as they are, whatever they mean: kernels that only choose where elements go handle
// every type of 1, 2, 4, 8 or 16 bytes alike.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/common/map.h"

namespace pte::kernels {

// Calls fn with a word as large as the elements: with_word(size, [&]<typename W>(W) {...}). False
// for sizes that no element type has.
template <typename Fn>
bool with_word(size_t size, Fn&& fn) {
  switch (size) {
    case 1:
      fn(uint8_t{});
      return true;
    case 2:
      fn(uint16_t{});
      return true;
    case 4:
      fn(uint32_t{});
      return true;
    case 8:
      fn(uint64_t{});
      return true;
    case 16:
      fn(std::array<uint64_t, 2>{});
      return true;
    default:
      return false;
  }
}

// Where to put elements of type `dtype`, row-major: the result's own memory when it fits, else a
// buffer that commit() copies (and converts, when the result's type is another one). The result has
// its sizes already.
class RawOut {
 public:
  static Result<RawOut> make(const Call& call, Tensor& out, DType dtype) {
    if (out.dtype() != dtype) {
      if (!is_real(dtype) || !is_real(out.dtype()) || !can_cast(dtype, out.dtype())) {
        return call.invalid("its result is {} and cannot be stored as {}", dtype_name(dtype),
                            dtype_name(out.dtype()));
      }
    }
    RawOut raw(out, dtype);
    if (!raw.in_place_) {
      PTE_TRY(raw.buffer_, Tensor::zeros(dtype, out.sizes()));
    }
    return raw;
  }

  std::byte* data() { return in_place_ ? out_->mutable_data() : buffer_.mutable_data(); }
  template <typename W>
  W* data_as() {
    return reinterpret_cast<W*>(data());
  }
  size_t nbytes() const { return static_cast<size_t>(out_->numel()) * size_of(dtype_); }
  Status commit(const Call& call) {
    return in_place_ ? Status{} : copy_converting(call, buffer_, *out_);
  }

 private:
  RawOut(Tensor& out, DType dtype)
      : out_(&out), dtype_(dtype), in_place_(out.dtype() == dtype && out.is_contiguous()) {}

  Tensor* out_;
  DType dtype_;
  bool in_place_;
  Tensor buffer_;
};

// One element of any integer type, read once.
inline int64_t load_integer(const Tensor& tensor, int64_t offset) {
  int64_t value = 0;
  load_run<int64_t>(tensor.dtype(),
                    tensor.data() + offset * static_cast<int64_t>(size_of(tensor.dtype())), 1, 1,
                    &value);
  return value;
}

}  // namespace pte::kernels
