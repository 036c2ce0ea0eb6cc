// Instruction sets: what this machine has, and the choice among them. A kernel is made for one
// instruction set and keeps it, so that two sessions of one process may differ (`--isa`), and a
// test can run a kernel once for each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace pte::simd {

// In rising order on each architecture. kAvx512 is F, BW, CD, DQ and VL; kAvx512Vnni adds the int8
// dot product. kScalar is plain C++, there on x86 and in builds with PTE_FORCE_SCALAR.
enum class Isa : uint8_t { kScalar, kNeon, kSse4, kAvx2, kAvx512, kAvx512Vnni };

// "scalar", "neon", "sse4", "avx2", "avx512", "avx512vnni".
std::string_view isa_name(Isa isa);

// Those that this machine and this build can run, from the plainest to the best.
std::span<const Isa> available_isas();
Isa best_isa();
bool has_isa(Isa isa);

// The set of that name, or an error that lists those that would do.
Result<Isa> parse_isa(std::string_view name);

}  // namespace pte::simd
