#include "simd/buffer.h"

#include <cstdlib>
#include <cstring>

#include "base/checked.h"

namespace pte::simd {

Result<Buffer> Buffer::allocate(size_t bytes) {
  const auto padded = checked_add<size_t>(bytes, 2 * kAlignment);
  if (!padded) return invalid_argument("packed weights of {} bytes do not fit in memory", bytes);
  const size_t rounded = *padded / kAlignment * kAlignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (memory == nullptr) return invalid_argument("no memory for {} bytes of packed weights", bytes);
  std::memset(memory, 0, rounded);
  Buffer buffer;
  buffer.owned_ = std::shared_ptr<std::byte>(memory, [](std::byte* block) { std::free(block); });
  buffer.data_ = memory;
  buffer.size_ = bytes;
  return buffer;
}

Buffer Buffer::borrow(std::span<const std::byte> bytes) {
  Buffer buffer;
  buffer.data_ = bytes.data();
  buffer.size_ = bytes.size();
  return buffer;
}

}  // namespace pte::simd
