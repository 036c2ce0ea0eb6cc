// Reads bytes as a .pte; what is accepted must be writable, readable again and equal in size.
#include <cstdint>
#include <cstdlib>

#include "program/reader.h"
#include "program/verify.h"
#include "program/writer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pte;
  using namespace pte::program;
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const MappedFile file = MappedFile::from_bytes({begin, begin + size});
  const auto program = read_program(file);
  const auto findings = check_program(file);
  if (!program) {
    if (findings.empty()) std::abort();
    return 0;
  }
  auto bytes = serialize(*program);
  if (!bytes) std::abort();
  const auto again = read_program(MappedFile::from_bytes(std::move(*bytes)));
  if (!again || again->methods.size() != program->methods.size()) std::abort();
  return 0;
}
