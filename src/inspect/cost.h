// What a call costs by its definition: arithmetic and traffic, for the rates of a profile.
#pragma once

#include <cstdint>
#include <span>

#include "schema/ops.h"
#include "tensor/evalue.h"

namespace pte::inspect {

struct Cost {
  // Additions, multiplications, comparisons and the like, each counted once; a multiplication and
  // its addition are two. Transcendental functions count as one. 0 for what only moves data.
  double flops = 0;
  // Every tensor that is read or written, once, as if nothing were in a cache. 0 for views.
  uint64_t bytes = 0;
};

// `args` in the order of a program's call: the operator's arguments, then its results. Never fails:
// what it does not know costs one operation for each element of the result.
Cost cost_of(const OpInfo& op, std::span<EValue* const> args);

// Tensors of a call whose operator is not known, such as a delegate's.
uint64_t traffic_of(std::span<EValue* const> args);

}  // namespace pte::inspect
