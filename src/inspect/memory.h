// What planned memory holds while a method runs.
#pragma once

#include <cstdint>
#include <vector>

#include "program/program.h"

namespace pte::inspect {

// Bytes of the planned tensors that are alive at each instruction, from the first to the last that
// mentions them. Tensors that share their place (views) count once. Inputs live from the start,
// outputs to the end, buffers that keep their value throughout.
struct MemoryTimeline {
  std::vector<uint64_t> live;  // one entry an instruction
  uint64_t peak = 0;
  size_t peak_at = 0;    // the first instruction with that many
  uint64_t planned = 0;  // sum of the arenas
};
MemoryTimeline memory_timeline(const program::Method& method);

}  // namespace pte::inspect
