// Any bytes as IR text: what can be read prints to text that reads back and prints the same.
#include <cstdint>
#include <string_view>

#include "ir/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto module = pte::ir::parse_module({reinterpret_cast<const char*>(data), size});
  if (!module) return 0;
  const std::string once = pte::ir::print(*module);
  const auto again = pte::ir::parse_module(once);
  if (!again) __builtin_trap();
  if (pte::ir::print(*again) != once) __builtin_trap();
  if (pte::ir::print(module->clone()) != once) __builtin_trap();
  return 0;
}
