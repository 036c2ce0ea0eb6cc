// Packed weights: one block of bytes, aligned to a cache line, that is either owned or borrowed (a
// mapped cache file). Copies share the block; nothing writes to it once a kernel has been made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"

namespace pte::simd {

constexpr size_t kAlignment = 64;

class Buffer {
 public:
  Buffer() = default;

  // Zeroed bytes, with a cache line behind them that may be read.
  static Result<Buffer> allocate(size_t bytes);

  // Borrows `bytes`, which must be aligned to kAlignment and outlive every copy.
  static Buffer borrow(std::span<const std::byte> bytes);

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  size_t size() const { return size_; }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }
  // Of a block that allocate() made, while it is being filled.
  template <typename T>
  T* fill() {
    return reinterpret_cast<T*>(owned_.get());
  }

 private:
  std::shared_ptr<std::byte> owned_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace pte::simd
