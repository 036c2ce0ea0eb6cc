// Any bytes as a payload of every backend whose format is read: summarised, listed, asked for keys.
#include "inspect/payload_formats.h"
#include "program/backends.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const pte::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  pte::program::Program program;
  for (const pte::program::BackendInfo& backend : pte::program::known_backends()) {
    pte::program::Delegate delegate;
    delegate.id = backend.id;
    delegate.payload.bytes = bytes;
    const auto summary = pte::inspect::summarize_payload(program, delegate);
    if (summary.format.empty() && summary.problem.empty()) __builtin_trap();
    const auto listing = pte::inspect::list_payload(program, delegate);
    if (!summary.format.empty() && !listing) __builtin_trap();
    (void)pte::inspect::payload_keys(program, delegate).has_value();
  }
  return 0;
}
