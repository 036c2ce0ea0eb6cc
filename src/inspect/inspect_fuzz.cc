// Any bytes as a program: everything that looks into one must stay inside it and come back.
#include "inspect/drawing.h"
#include "inspect/file_map.h"
#include "inspect/lift.h"
#include "inspect/memory.h"
#include "inspect/signature.h"
#include "inspect/weights.h"
#include "program/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  const pte::MappedFile file = pte::MappedFile::from_bytes({bytes, bytes + size}, "fuzz");
  const auto program = pte::program::read_program(file);
  if (!program) return 0;
  uint64_t sum = 0;
  for (const auto& part : pte::inspect::map_file(file, *program).children) sum += part.bytes;
  if (sum != size) __builtin_trap();
  pte::inspect::list_weights(*program);
  pte::inspect::ir_text(*program, "fuzz");
  for (const auto& method : program->methods) {
    pte::inspect::memory_timeline(method);
    pte::inspect::signature_text(method);
    const auto drawing = pte::inspect::draw_method(*program, method);
    if (drawing.nodes.size() < 2000) (void)pte::inspect::svg(drawing).has_value();
  }
  return 0;
}
