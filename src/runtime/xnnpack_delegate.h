// Runs the XNNPACK parts of a program: the payload is lifted to ATen calls, lowered to portable
// kernels and interpreted. Exact and unhurried: what the fast engine is held against.
#pragma once

#include "runtime/delegate.h"

namespace pte::runtime {

// Fails with kUnsupported for payloads with quantised values, and with kInvalidData for damaged
// ones.
Result<std::unique_ptr<Delegate>> make_xnnpack_delegate(const DelegateRequest& request);

}  // namespace pte::runtime
