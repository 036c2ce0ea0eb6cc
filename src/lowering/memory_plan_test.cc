#include "lowering/memory_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace pte::lowering {
namespace {

void expect_valid(const std::vector<PlanItem>& items, uint64_t arena) {
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(items[i].offset % kPlanAlignment, 0U);
    EXPECT_LE(items[i].offset + items[i].bytes, arena);
    for (size_t j = 0; j < i; ++j) {
      const auto& a = items[i];
      const auto& b = items[j];
      if (a.bytes == 0 || b.bytes == 0 || a.first > b.last || b.first > a.last) continue;
      EXPECT_TRUE(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset)
          << i << " " << j;
    }
  }
}

TEST(MemoryPlan, AChainNeedsItsTwoLargestNeighbours) {
  std::vector<PlanItem> items = {{100, 0, 1}, {200, 1, 2}, {50, 2, 3}, {200, 3, 4}};
  const uint64_t arena = plan_memory(items);
  expect_valid(items, arena);
  EXPECT_EQ(arena, 112U + 208U);
}

TEST(MemoryPlan, EmptyTensorsTakeNoRoom) {
  std::vector<PlanItem> items = {{0, 0, 9}, {24, 0, 9}};
  EXPECT_EQ(plan_memory(items), 32U);
  std::vector<PlanItem> none;
  EXPECT_EQ(plan_memory(none), 0U);
}

TEST(MemoryPlan, RandomLifetimesNeverOverlapAndStayNearTheBound) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<PlanItem> items;
    for (int i = 0; i < 60; ++i) {
      const auto first = static_cast<int64_t>(random() % 50);
      items.push_back({1 + random() % 5000, first, first + static_cast<int64_t>(random() % 6)});
    }
    const uint64_t bound = peak_bytes(items);
    const uint64_t arena = plan_memory(items);
    expect_valid(items, arena);
    EXPECT_GE(arena, bound);
    EXPECT_LE(arena, bound + bound / 2);
  }
}

}  // namespace
}  // namespace pte::lowering
