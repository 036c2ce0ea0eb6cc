#include "backends/ethosu/payload.h"

#include <cstring>

#include "base/checked.h"

namespace pte::ethosu {
namespace {

constexpr size_t kHeaderBytes = 32;  // 16 of name, a length, a flag and reserved ones
constexpr size_t kPortInts = 9;
constexpr size_t kMostBlocks = 1024;

int32_t int_at(Bytes bytes, size_t offset) {
  int32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

Result<std::vector<Port>> read_ports(const Block& block) {
  std::vector<Port> out;
  if (block.external) return out;
  const Bytes bytes = block.bytes;
  if (bytes.size() < 4) return invalid_data("block '{}' is empty", block.name);
  const int32_t count = int_at(bytes, 0);
  if (count < 0 || static_cast<uint64_t>(count) * kPortInts * 4 > bytes.size() - 4) {
    return invalid_data("block '{}' names {} tensors in {} bytes", block.name, count, bytes.size());
  }
  for (int32_t i = 0; i < count; ++i) {
    const size_t at = 4 + static_cast<size_t>(i) * kPortInts * 4;
    Port port;
    for (size_t k = 0; k < 6; ++k) port.shape.push_back(int_at(bytes, at + 4 * k));
    port.element_bytes = int_at(bytes, at + 24);
    port.offset = int_at(bytes, at + 28);
    port.region = int_at(bytes, at + 32);
    out.push_back(std::move(port));
  }
  return out;
}

}  // namespace

Result<Payload> decode(Bytes payload) {
  if (!as_text(payload).starts_with("vela_bin_stream")) {
    return invalid_data("{} bytes that do not begin with 'vela_bin_stream'", payload.size());
  }
  Payload out;
  size_t at = 0;
  while (at < payload.size() && out.blocks.size() < kMostBlocks) {
    if (payload.size() - at < kHeaderBytes) return invalid_data("cut off at byte {}", at);
    Block block;
    const std::string_view name = as_text(payload.subspan(at, 16));
    block.name = name.substr(0, name.find('\0'));
    const int32_t length = int_at(payload, at + 16);
    block.external = payload[at + 20] != std::byte{0};
    at += kHeaderBytes;
    if (length < 0 || !in_range(at, static_cast<uint64_t>(length), payload.size())) {
      return invalid_data("block '{}' has {} bytes, {} are left", block.name, length,
                          payload.size() - at);
    }
    block.bytes = payload.subspan(at, static_cast<size_t>(length));
    // The last block's padding may be missing.
    at = std::min<size_t>(at + align_up(static_cast<uint64_t>(length), 16), payload.size());
    if (block.name == "inputs") {
      PTE_TRY(out.inputs, read_ports(block));
    } else if (block.name == "outputs") {
      PTE_TRY(out.outputs, read_ports(block));
    } else if (block.name == "scratch_size" && block.bytes.size() >= 4 && !block.external) {
      out.scratch_bytes = static_cast<uint32_t>(int_at(block.bytes, 0));
    }
    const bool end = block.name == "vela_end_stream";
    out.blocks.push_back(std::move(block));
    if (end) return out;
  }
  return invalid_data("no 'vela_end_stream' block");
}

}  // namespace pte::ethosu
