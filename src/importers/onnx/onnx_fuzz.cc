// Any bytes as an ONNX model. Open sizes are closed by example where the model has one input, so
// that small seeds get far.
#include "importers/onnx/model.h"
#include "importers/onnx/onnx.h"
#include "ir/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const pte::Bytes bytes(begin, size);
  const auto file = pte::MappedFile::from_bytes({bytes.begin(), bytes.end()});
  static_cast<void>(pte::importers::read_onnx_tensor(file));
  const auto read = pte::importers::import_onnx(file);
  if (!read) return 0;
  // What was accepted prints and reads back.
  if (!pte::ir::parse_module(pte::ir::print(read->imported.module))) __builtin_trap();
  return 0;
}
