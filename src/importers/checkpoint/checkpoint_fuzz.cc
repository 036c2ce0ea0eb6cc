// Any bytes as a checkpoint: what loads must be safe to read to its last element.
#include "importers/checkpoint/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const auto file = pte::MappedFile::from_bytes({begin, begin + size});
  const auto checkpoint = pte::importers::load_checkpoint(file);
  if (!checkpoint) {
    if (checkpoint.error().message.empty()) __builtin_trap();
    return 0;
  }
  for (const auto& entry : checkpoint->state.entries()) {
    if (entry.tensor.nbytes() > (1 << 20)) continue;
    if (!entry.tensor.contiguous()) __builtin_trap();
  }
  (void)checkpoint->metadata.dump();
  return 0;
}
