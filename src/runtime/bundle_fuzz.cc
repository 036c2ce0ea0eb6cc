// Reads bytes as a .bpte and runs the test cases of the program inside within small limits.
#include <cstdint>

#include "program/reader.h"
#include "runtime/compare.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pte;
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const auto bundle = program::read_bundle(MappedFile::from_bytes({begin, begin + size}));
  if (!bundle) return 0;
  auto program = program::read_program(bundle->program);
  if (!program) return 0;
  const auto shared = std::make_shared<const program::Program>(std::move(*program));
  runtime::Options options;
  options.memory_limit = 1 << 20;
  options.instruction_limit = 100;
  size_t cases = 0;
  for (const program::TestSuite& suite : bundle->suites) {
    auto method = runtime::Method::load(shared, suite.method, options);
    if (!method) continue;
    for (const program::TestCase& test : suite.cases) {
      if (++cases > 8) return 0;
      (void)runtime::run_case(**method, test, {});
    }
  }
  return 0;
}
