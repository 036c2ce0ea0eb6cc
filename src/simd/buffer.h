// Packed weights: one block of bytes, aligned to a cache line, that is owned, borrowed (a mapped
// cache file) or still to come. Copies share the block; nothing writes to it once a kernel runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"

namespace pte::simd {

constexpr size_t kAlignment = 64;

// Of the bytes that pack() of the kernels writes. Whoever makes a kernel write others for the same
// weights counts up: files that were packed before are then packed anew.
constexpr uint32_t kPackedLayout = 3;

class Buffer {
 public:
  Buffer() = default;

  // Zeroed bytes, with a cache line behind them that may be read.
  static Result<Buffer> allocate(size_t bytes);

  // Borrows `bytes`, which must be aligned to kAlignment; `owner`, or else the caller, keeps them
  // alive for as long as there are copies.
  static Buffer borrow(std::span<const std::byte> bytes, std::shared_ptr<const void> owner = {});

  // So many bytes that provide() gives to all copies later, before the first kernel reads them.
  static Buffer later(size_t bytes);
  void provide(const Buffer& other);

  // A part that keeps the whole alive.
  Buffer part(size_t offset, size_t bytes) const;

  std::span<const std::byte> bytes() const {
    return block_ == nullptr ? std::span<const std::byte>()
                             : std::span<const std::byte>(block_->data, block_->size);
  }
  size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  bool is_ready() const { return block_ != nullptr && block_->data != nullptr; }
  // What keeps the bytes alive; null of borrowed ones that the caller looks after.
  const std::shared_ptr<const void>& owner() const { return block_->owner; }
  template <typename T>
  const T* as() const {
    return block_ == nullptr ? nullptr : reinterpret_cast<const T*>(block_->data);
  }
  // Of a block that allocate() made, while it is being filled.
  template <typename T>
  T* fill() {
    return reinterpret_cast<T*>(const_cast<std::byte*>(block_->data));
  }

 private:
  struct Block {
    const std::byte* data = nullptr;
    size_t size = 0;
    std::shared_ptr<const void> owner;
  };
  explicit Buffer(Block block) : block_(std::make_shared<Block>(std::move(block))) {}

  std::shared_ptr<Block> block_;
};

}  // namespace pte::simd
