// Any bytes as a zip: every entry that the directory lists is read and checked.
#include <cstring>

#include "base/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  auto archive = pte::ZipArchive::open(pte::MappedFile::from_bytes({begin, begin + size}));
  if (!archive) return 0;
  uint64_t sum = 0;
  for (const pte::ZipEntry& entry : archive->entries()) {
    if (archive->find(entry.name) != &entry) __builtin_trap();
    if (auto read = archive->read(entry, 1 << 20)) {
      if (read->bytes.size() != entry.size) __builtin_trap();
      for (std::byte b : read->bytes) sum += static_cast<uint64_t>(b);
    }
    if (entry.size <= (1 << 20)) (void)archive->check_crc(entry).has_value();
  }
  [[maybe_unused]] static volatile uint64_t sink;
  sink = sum;
  return 0;
}
