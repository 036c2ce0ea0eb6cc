// Places tensors with known lifetimes into one arena.
#pragma once

#include <cstdint>
#include <vector>

namespace pte::lowering {

struct PlanItem {
  uint64_t bytes = 0;  // unaligned size; 0 takes no room
  int64_t first = 0;   // first and last instruction that touches it, both included
  int64_t last = 0;
  uint64_t offset = 0;  // the answer
};

inline constexpr uint64_t kPlanAlignment = 16;  // the official planner's default

// Fills every offset (multiples of 16) so that items alive at the same time do not overlap, and
// returns the arena's size. Tries several greedy orders, the official planner's bucket method among
// them, and keeps the smallest result: never worse than official planning of the same items.
uint64_t plan_memory(std::vector<PlanItem>& items);

// The most bytes alive at one instruction: no arena can be smaller.
uint64_t peak_bytes(const std::vector<PlanItem>& items);

}  // namespace pte::lowering
