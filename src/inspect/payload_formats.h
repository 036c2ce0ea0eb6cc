// The payload formats that can be read: one entry a backend.
#pragma once

#include "inspect/payloads.h"

namespace pte::inspect {

struct PayloadFormat {
  std::string_view id;  // the backend's
  PayloadSummary (*summarize)(const program::Program&, const program::Delegate&);
  Result<std::string> (*list)(const program::Program&, const program::Delegate&);
  // The keys of named data that the payload reads; nothing when that cannot be told.
  std::optional<std::vector<std::string>> (*keys)(const program::Program&,
                                                  const program::Delegate&);
};

// Null for backends whose payloads are not read.
const PayloadFormat* find_payload_format(const program::Delegate& delegate);

// The same for any delegate.
std::optional<std::vector<std::string>> payload_keys(const program::Program& program,
                                                     const program::Delegate& delegate);

// One set of three a backend.
#define PTE_PAYLOAD_FORMAT(name)                                                          \
  PayloadSummary summarize_##name(const program::Program& program,                        \
                                  const program::Delegate& delegate);                     \
  Result<std::string> list_##name(const program::Program& program,                        \
                                  const program::Delegate& delegate);                     \
  std::optional<std::vector<std::string>> keys_of_##name(const program::Program& program, \
                                                         const program::Delegate& delegate);
PTE_PAYLOAD_FORMAT(xnnpack)
PTE_PAYLOAD_FORMAT(vulkan)
PTE_PAYLOAD_FORMAT(coreml)
PTE_PAYLOAD_FORMAT(mps)
PTE_PAYLOAD_FORMAT(qnn)
PTE_PAYLOAD_FORMAT(ethosu)
#undef PTE_PAYLOAD_FORMAT

}  // namespace pte::inspect
