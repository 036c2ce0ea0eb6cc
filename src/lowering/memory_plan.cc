#include "lowering/memory_plan.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "base/checked.h"

namespace pte::lowering {
namespace {

using Order = std::vector<size_t>;

bool overlap(const PlanItem& a, const PlanItem& b) {
  return a.first <= b.last && b.first <= a.last;
}

uint64_t aligned(const PlanItem& item) { return align_up(item.bytes, kPlanAlignment); }

// Puts each item, in the given order, into the tightest gap between the items already placed that
// are alive at the same time.
uint64_t best_fit(std::vector<PlanItem>& items, const Order& order) {
  std::vector<size_t> placed;  // by offset
  uint64_t arena = 0;
  for (const size_t index : order) {
    PlanItem& item = items[index];
    const uint64_t need = aligned(item);
    uint64_t cursor = 0;
    uint64_t best_offset = 0;
    uint64_t best_gap = std::numeric_limits<uint64_t>::max();
    for (const size_t other_index : placed) {
      const PlanItem& other = items[other_index];
      if (!overlap(item, other)) continue;
      if (other.offset >= cursor + need && other.offset - cursor < best_gap) {
        best_gap = other.offset - cursor;
        best_offset = cursor;
      }
      cursor = std::max(cursor, other.offset + aligned(other));
    }
    item.offset = best_gap == std::numeric_limits<uint64_t>::max() ? cursor : best_offset;
    arena = std::max(arena, item.offset + need);
    const auto place =
        std::upper_bound(placed.begin(), placed.end(), item.offset,
                         [&](uint64_t offset, size_t i) { return offset < items[i].offset; });
    placed.insert(place, index);
  }
  return arena;
}

// The official planner's method: items by size share buckets whose tenants' lifetimes are disjoint;
// an item that fits above a bucket's live tenants may join it.
uint64_t buckets(std::vector<PlanItem>& items, const Order& order) {
  struct Bucket {
    uint64_t size = 0;
    std::vector<size_t> tenants;
  };
  std::vector<Bucket> all;
  std::vector<uint64_t> inside(items.size(), 0);  // offset within the bucket
  std::vector<size_t> home(items.size(), 0);
  for (const size_t index : order) {
    const PlanItem& item = items[index];
    const uint64_t need = aligned(item);
    size_t chosen = all.size();
    uint64_t offset = 0;
    for (const bool above : {false, true}) {
      for (size_t b = 0; b < all.size() && chosen == all.size(); ++b) {
        uint64_t top = 0;
        for (const size_t tenant : all[b].tenants) {
          if (overlap(item, items[tenant]))
            top = std::max(top, inside[tenant] + aligned(items[tenant]));
        }
        if ((!above && top == 0) || (above && top + need <= all[b].size)) {
          chosen = b;
          offset = top;
        }
      }
      if (chosen < all.size()) break;
    }
    if (chosen == all.size()) all.emplace_back();
    all[chosen].tenants.push_back(index);
    all[chosen].size = std::max(all[chosen].size, offset + need);
    inside[index] = offset;
    home[index] = chosen;
  }
  std::vector<uint64_t> base(all.size() + 1, 0);
  for (size_t b = 0; b < all.size(); ++b) base[b + 1] = base[b] + all[b].size;
  for (const size_t index : order) items[index].offset = base[home[index]] + inside[index];
  return base.back();
}

}  // namespace

uint64_t peak_bytes(const std::vector<PlanItem>& items) {
  std::map<int64_t, int64_t> change;
  for (const PlanItem& item : items) {
    if (item.bytes == 0) continue;
    change[item.first] += static_cast<int64_t>(aligned(item));
    change[item.last + 1] -= static_cast<int64_t>(aligned(item));
  }
  int64_t live = 0;
  int64_t peak = 0;
  for (const auto& [when, delta] : change) peak = std::max(peak, live += delta);
  return static_cast<uint64_t>(peak);
}

uint64_t plan_memory(std::vector<PlanItem>& items) {
  Order base;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].bytes > 0) base.push_back(i);
  }
  const auto sorted = [&](auto&& before) {
    Order order = base;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return before(items[a], items[b]); });
    return order;
  };
  const auto by_size =
      sorted([](const PlanItem& a, const PlanItem& b) { return a.bytes > b.bytes; });
  const auto by_start = sorted([](const PlanItem& a, const PlanItem& b) {
    return a.first != b.first ? a.first < b.first : a.bytes > b.bytes;
  });
  const auto by_length = sorted([](const PlanItem& a, const PlanItem& b) {
    const auto x = a.last - a.first;
    const auto y = b.last - b.first;
    return x != y ? x > y : a.bytes > b.bytes;
  });
  const auto by_area = sorted([](const PlanItem& a, const PlanItem& b) {
    return static_cast<double>(a.bytes) * static_cast<double>(a.last - a.first + 1) >
           static_cast<double>(b.bytes) * static_cast<double>(b.last - b.first + 1);
  });
  const uint64_t bound = peak_bytes(items);
  std::vector<PlanItem> best;
  uint64_t smallest = std::numeric_limits<uint64_t>::max();
  const auto attempt = [&](auto&& method, const Order& order) {
    if (smallest == bound) return;
    std::vector<PlanItem> trial = items;
    const uint64_t size = method(trial, order);
    if (size < smallest) {
      smallest = size;
      best = std::move(trial);
    }
  };
  attempt(best_fit, by_size);
  attempt(best_fit, by_area);
  attempt(best_fit, by_length);
  attempt(best_fit, by_start);
  attempt(buckets, by_size);
  items = std::move(best);
  return smallest;
}

}  // namespace pte::lowering
