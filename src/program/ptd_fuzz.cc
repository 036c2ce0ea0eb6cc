// Reads bytes as a .ptd; what is accepted lies in the file and can be written and read again.
#include <cstdint>
#include <cstdlib>

#include "program/ptd.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pte;
  using namespace pte::program;
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  auto file = read_data(MappedFile::from_bytes({begin, begin + size}));
  if (!file) return 0;
  // Many keys may name one segment, so no more than a part of each is looked at.
  unsigned sum = 0;
  for (const DataEntry& entry : file->entries) {
    if (entry.data.size() == 0) continue;
    sum += static_cast<unsigned>(entry.data.bytes.front());
    sum += static_cast<unsigned>(entry.data.bytes.back());
    if (entry.layout && entry.layout->nbytes() > entry.data.size()) std::abort();
  }
  volatile unsigned sink = sum;
  (void)sink;
  auto bytes = serialize_data(file->entries);
  if (!bytes) std::abort();
  const auto again = read_data(MappedFile::from_bytes(std::move(*bytes)));
  if (!again || again->entries.size() != file->entries.size()) std::abort();
  DataMap map;
  if (!map.add(std::move(*file))) std::abort();
  return 0;
}
