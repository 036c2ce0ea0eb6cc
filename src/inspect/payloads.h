// What is inside a delegate's payload, for every backend whose format is known.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/xnnpack/payload.h"
#include "inspect/signature.h"

namespace pte::inspect {

struct PayloadSummary {
  std::string format;   // "XNNPACK graph", "Vulkan graph"; empty when nothing could be read
  std::string problem;  // why it could not, or not in full
  size_t nodes = 0;
  Counts operators;  // kinds of nodes
  size_t constants = 0;
  uint64_t constant_bytes = 0;
  Counts datatypes;  // of the values
  size_t inputs = 0, outputs = 0;
  std::vector<std::pair<std::string, std::string>> facts;  // what else the format tells
};

// Never fails: what cannot be read is told in `problem`.
PayloadSummary summarize_payload(const program::Program& program,
                                 const program::Delegate& delegate);

// Everything in it as lines of text: nodes, values, constants.
Result<std::string> list_payload(const program::Program& program,
                                 const program::Delegate& delegate);

// The graph of an XNNPACK payload. Constants in a .ptd file that is not given have no bytes here:
// decoding then fails with kNotFound.
Result<xnnpack::XnnGraph> decode_xnnpack(const program::Program& program,
                                         const program::Delegate& delegate);

}  // namespace pte::inspect
