#include "backends/qnn/payload.h"

#include <cstring>

namespace pte::qnn {

Result<Payload> decode(Bytes payload) {
  constexpr uint32_t kMagic = 0x5678abcd;
  constexpr size_t kHeaderBytes = 20;
  uint32_t magic = 0;
  if (payload.size() >= sizeof(magic)) std::memcpy(&magic, payload.data(), sizeof(magic));
  if (magic != kMagic || payload.size() < kHeaderBytes) {
    return invalid_data("{} bytes without the header of a QNN context (0x5678abcd)",
                        payload.size());
  }
  Payload out;
  std::memcpy(&out.signature, payload.data() + 4, sizeof(out.signature));
  std::memcpy(&out.binary_bytes, payload.data() + 12, sizeof(out.binary_bytes));
  const uint64_t rest = payload.size() - kHeaderBytes;
  if (rest != 0 && out.binary_bytes > rest) {
    return invalid_data("its header names a context of {} bytes, {} follow", out.binary_bytes,
                        rest);
  }
  out.stored = rest != 0 && out.binary_bytes != 0;
  return out;
}

}  // namespace pte::qnn
