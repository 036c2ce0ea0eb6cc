// Memory that a call both reads and writes. Plans of honest exporters share none, but for operators
// in place; in a hostile one a kernel might check indices, write over them and then use them.
#include <algorithm>

#include "runtime/state.h"

namespace pte::runtime {
namespace {

struct Range {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  int32_t value = 0;
};

}  // namespace

Status Method::State::separate(const Step& step, Displaced& displaced) {
  if (step.written.empty() || (step.written.size() == 1 && step.reads.empty())) return {};
  std::vector<Range> written;
  written.reserve(step.written.size());
  for (const int32_t value : step.written) {
    const auto* tensor = values[static_cast<size_t>(value)].get<Tensor>();
    if (tensor == nullptr || tensor->data() == nullptr) continue;
    // A result may grow to what its memory holds.
    const size_t bytes = std::max(tensor->capacity_bytes(), tensor->nbytes());
    if (bytes != 0) written.push_back({tensor->data(), tensor->data() + bytes, value});
  }
  std::sort(written.begin(), written.end(), [](const Range& a, const Range& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.value < b.value;
  });
  for (size_t i = 1; i < written.size(); ++i) {
    if (written[i].begin < written[i - 1].end && written[i].value != written[i - 1].value) {
      return invalid_data("its results, values {} and {}, share memory", written[i - 1].value,
                          written[i].value);
    }
  }
  const bool elementwise = step.op != nullptr && step.op->has(kTagElementwise);
  for (const int32_t value : step.reads) {
    const auto slot = static_cast<size_t>(value);
    const auto* tensor = values[slot].get<Tensor>();
    if (tensor == nullptr || tensor->data() == nullptr || tensor->nbytes() == 0) continue;
    const std::byte* begin = tensor->data();
    const std::byte* end = begin + tensor->nbytes();
    // Ranges that are written do not overlap, so the last one that begins before `end` decides.
    const auto after = std::partition_point(written.begin(), written.end(),
                                            [&](const Range& range) { return range.begin < end; });
    if (after == written.begin()) continue;
    const Range& last = *std::prev(after);
    if (last.end <= begin || last.value == value) continue;
    // Element by element, in place, nothing is read after it was written.
    const auto* target = values[static_cast<size_t>(last.value)].get<Tensor>();
    if (elementwise && last.begin == begin && target->dtype() == tensor->dtype() &&
        target->sizes() == tensor->sizes() && target->strides() == tensor->strides()) {
      continue;
    }
    PTE_TRY(Tensor apart, tensor->in_dim_order(tensor->dim_order()));
    displaced.emplace_back(slot, values[slot]);
    values[slot] = std::move(apart);
  }
  return {};
}

}  // namespace pte::runtime
