// The payload formats that can be read: one entry a backend.
#pragma once

#include "inspect/payloads.h"

namespace pte::inspect {

struct PayloadFormat {
  std::string_view id;  // the backend's
  PayloadSummary (*summarize)(const program::Program&, const program::Delegate&);
  Result<std::string> (*list)(const program::Program&, const program::Delegate&);
};

// Null for backends whose payloads are not read.
const PayloadFormat* find_payload_format(const program::Delegate& delegate);

PayloadSummary summarize_xnnpack(const program::Program& program,
                                 const program::Delegate& delegate);
Result<std::string> list_xnnpack(const program::Program& program,
                                 const program::Delegate& delegate);

}  // namespace pte::inspect
