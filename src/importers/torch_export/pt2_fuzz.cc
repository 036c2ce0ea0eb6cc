// Any bytes as a .pt2 archive; bytes that are no zip as the JSON of a program in one.
#include "importers/torch_export/testing_zip.h"
#include "importers/torch_export/torch_export.h"
#include "ir/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const pte::Bytes bytes(begin, size);
  const auto file = size > 2 && data[0] == 'P' && data[1] == 'K'
                        ? pte::MappedFile::from_bytes({bytes.begin(), bytes.end()})
                        : pte::importers::program_zip(pte::as_text(bytes));
  const auto module = pte::importers::import_pt2(file);
  if (!module) return 0;
  // What was accepted prints and reads back.
  if (!pte::ir::parse_module(pte::ir::print(*module))) __builtin_trap();
  return 0;
}
