// Any IR text through every pass: the graph stays one that the verifier accepts, and what is left
// after the portable pipeline has an operator to call.
#include <cstdint>
#include <string_view>

#include "ir/text.h"
#include "passes/pipelines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto module = pte::ir::parse_module({reinterpret_cast<const char*>(data), size});
  if (!module) return 0;
  pte::passes::Options options;
  options.verify = true;
  const auto passes = pte::passes::portable_pipeline();
  const auto timings = pte::passes::run_passes(*module, passes, options);
  if (!timings && timings.error().code == pte::Code::kInternal) __builtin_trap();
  return 0;
}
