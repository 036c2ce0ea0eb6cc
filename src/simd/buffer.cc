#include "simd/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "base/checked.h"

namespace pte::simd {

namespace {

// From here on blocks are pages of their own: zero without a pass over them, and given back to the
// system with the kernel.
constexpr size_t kOwnPages = size_t{128} << 10;

std::shared_ptr<const void> zeroed_pages(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  return {memory, [bytes](const void* block) { ::munmap(const_cast<void*>(block), bytes); }};
}

std::shared_ptr<const void> zeroed(size_t bytes) {
  void* memory = std::aligned_alloc(kAlignment, bytes);
  if (memory == nullptr) return nullptr;
  std::memset(memory, 0, bytes);
  return {memory, [](const void* block) { std::free(const_cast<void*>(block)); }};
}

}  // namespace

Result<Buffer> Buffer::allocate(size_t bytes) {
  const auto padded = checked_add<size_t>(bytes, 2 * kAlignment);
  if (!padded) return invalid_argument("packed weights of {} bytes do not fit in memory", bytes);
  const size_t rounded = *padded / kAlignment * kAlignment;
  Block block;
  block.owner = bytes >= kOwnPages ? zeroed_pages(rounded) : zeroed(rounded);
  if (block.owner == nullptr) {
    return invalid_argument("no memory for {} bytes of packed weights", bytes);
  }
  block.data = static_cast<const std::byte*>(block.owner.get());
  block.size = bytes;
  return Buffer(std::move(block));
}

Buffer Buffer::borrow(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  return Buffer({bytes.data(), bytes.size(), std::move(owner)});
}

Buffer Buffer::later(size_t bytes) { return Buffer({nullptr, bytes, nullptr}); }

void Buffer::provide(const Buffer& other) {
  block_->data = other.block_->data;
  block_->owner = other.block_->owner;
}

Buffer Buffer::part(size_t offset, size_t bytes) const {
  return Buffer({block_->data + offset, bytes, block_->owner});
}

}  // namespace pte::simd
