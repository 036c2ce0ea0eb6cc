// Profiles in the form that ExecuTorch's own Inspector reads (.etdp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pte::program {

struct DumpEvent {
  std::string name;             // "native_call_add.out", "DELEGATE_CALL"; empty inside a delegate
  int32_t chain = 0;            // -1: not an instruction
  int32_t instruction = 0;      // its place in the chain
  std::string delegate_id;      // of what a delegate did: "aten.convolution #3"
  uint64_t begin = 0, end = 0;  // nanoseconds
};

// "Default" is loading, "Execute" one execution.
struct DumpRun {
  std::string name;
  std::vector<DumpEvent> events;  // by their end, as the official runtime writes them
};

// The finished file. Fails with kResourceLimit when it would pass the format's 2 GB.
Result<std::vector<std::byte>> encode_etdump(const std::vector<DumpRun>& runs);

}  // namespace pte::program
