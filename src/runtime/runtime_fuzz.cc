// Reads bytes as a .pte, loads each method and runs it twice on zeros within small limits.
#include <cstdint>

#include "program/reader.h"
#include "runtime/method.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pte;
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  auto program = program::read_program(MappedFile::from_bytes({begin, begin + size}));
  if (!program) return 0;
  const auto shared = std::make_shared<const program::Program>(std::move(*program));
  runtime::Options options;
  options.memory_limit = 1 << 20;
  options.instruction_limit = 200;
  for (const program::Method& plan : shared->methods) {
    auto method = runtime::Method::load(shared, plan.name, options);
    if (!method) continue;
    for (int round = 0; round < 2; ++round) {
      if (round == 1 && !(*method)->reset()) break;
      bool ready = true;
      for (size_t i = 0; i < (*method)->input_count() && ready; ++i) {
        const runtime::ValueInfo info = (*method)->input_info(i);
        if (info.kind != "Tensor") continue;
        const auto bytes = byte_count(info.dtype, info.sizes);
        if (!bytes || *bytes > options.memory_limit) return 0;
        auto input = Tensor::zeros(info.dtype, info.sizes);
        ready = input && (*method)->set_input(i, *input);
      }
      if (!ready || !(*method)->execute()) break;
    }
  }
  return 0;
}
