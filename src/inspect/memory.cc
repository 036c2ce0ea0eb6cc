#include "inspect/memory.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace pte::inspect {
namespace {

// Calls may name the same long list again and again; a file is not worth more time than this.
constexpr size_t kMostVisits = size_t{1} << 24;
constexpr size_t kMostLoops = 256;

struct Life {
  uint32_t arena = 0;
  uint64_t begin = 0, end = 0;
  size_t first = SIZE_MAX, last = 0;
};

class Timeline {
 public:
  explicit Timeline(const program::Method& method)
      : method_(method), lives_(method.values.size()) {}

  MemoryTimeline run() {
    size_t at = 0;
    for (const program::Chain& chain : method_.chains) {
      for (const program::Instruction& instruction : chain.instructions) visit(instruction, at++);
    }
    MemoryTimeline out;
    out.live.assign(at, 0);
    for (const int64_t size : method_.arena_sizes) out.planned += static_cast<uint64_t>(size);
    for (const int32_t value : method_.inputs) touch(value, 0);
    const size_t end = at == 0 ? 0 : at - 1;
    for (const int32_t value : method_.outputs) touch(value, end);
    if (at == 0) return out;
    fill(out, end);
    return out;
  }

 private:
  void visit(const program::Instruction& instruction, size_t at) {
    if (const auto* kernel = std::get_if<program::KernelCall>(&instruction)) {
      for (const int32_t value : kernel->args) touch(value, at);
    } else if (const auto* delegate = std::get_if<program::DelegateCall>(&instruction)) {
      for (const int32_t value : delegate->args) touch(value, at);
    } else if (const auto* move = std::get_if<program::MoveCall>(&instruction)) {
      touch(move->from, at);
      touch(move->to, at);
    } else if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
      touch(jump->condition, at);
      // A jump back keeps alive what the loop reads: from its target on to here.
      if (static_cast<size_t>(jump->target) < at && loops_.size() < kMostLoops)
        loops_.emplace_back(jump->target, at);
    }
  }

  void touch(int32_t index, size_t at) {
    const program::Value& value = method_.values[static_cast<size_t>(index)];
    if (const auto* list = std::get_if<program::TensorList>(&value)) {
      for (const int32_t item : list->items) touch_tensor(item, at);
    } else if (const auto* optionals = std::get_if<program::OptionalTensorList>(&value)) {
      for (const int32_t item : optionals->items) {
        if (item >= 0) touch_tensor(item, at);
      }
    } else {
      touch_tensor(index, at);
    }
  }

  void touch_tensor(int32_t index, size_t at) {
    if (++visits_ > kMostVisits) return;
    const auto* tensor =
        std::get_if<program::TensorValue>(&method_.values[static_cast<size_t>(index)]);
    if (tensor == nullptr || !tensor->allocation || tensor->nbytes() == 0) return;
    Life& life = lives_[static_cast<size_t>(index)];
    life.arena = tensor->allocation->memory_id;
    life.begin = tensor->allocation->offset;
    life.end = life.begin + tensor->nbytes();
    life.first = std::min(life.first, at);
    life.last = std::max(life.last, at);
    if (tensor->constant > 0 || tensor->external) {
      life.first = 0;
      life.last = SIZE_MAX;
    }
  }

  void fill(MemoryTimeline& out, size_t end) {
    std::vector<Life> lives;
    for (Life life : lives_) {
      if (life.first == SIZE_MAX) continue;
      life.last = std::min(life.last, end);
      for (const auto& [target, jump] : loops_) {
        if (life.first < static_cast<size_t>(target) && life.last >= static_cast<size_t>(target))
          life.last = std::max(life.last, jump);
      }
      lives.push_back(life);
    }
    std::sort(lives.begin(), lives.end(), [](const Life& a, const Life& b) {
      return std::tie(a.arena, a.begin, a.end) < std::tie(b.arena, b.begin, b.end);
    });
    // A view lies inside what it views: while both are alive the bytes count once. Tensors that
    // begin at one place and whose lives touch are taken together.
    std::vector<int64_t> change(out.live.size() + 1, 0);
    for (size_t i = 0; i < lives.size();) {
      size_t j = i;
      while (j < lives.size() && lives[j].arena == lives[i].arena &&
             lives[j].begin == lives[i].begin)
        ++j;
      std::sort(lives.begin() + static_cast<ptrdiff_t>(i),
                lives.begin() + static_cast<ptrdiff_t>(j),
                [](const Life& a, const Life& b) { return a.first < b.first; });
      for (size_t k = i; k < j;) {
        Life joined = lives[k];
        size_t next = k + 1;
        while (next < j && lives[next].first <= joined.last) {
          joined.last = std::max(joined.last, lives[next].last);
          joined.end = std::max(joined.end, lives[next].end);
          ++next;
        }
        change[joined.first] += static_cast<int64_t>(joined.end - joined.begin);
        change[joined.last + 1] -= static_cast<int64_t>(joined.end - joined.begin);
        k = next;
      }
      i = j;
    }
    int64_t now = 0;
    for (size_t at = 0; at < out.live.size(); ++at) {
      now += change[at];
      out.live[at] = static_cast<uint64_t>(now);
      if (out.live[at] > out.peak) {
        out.peak = out.live[at];
        out.peak_at = at;
      }
    }
  }

  const program::Method& method_;
  std::vector<Life> lives_;
  std::vector<std::pair<int32_t, size_t>> loops_;
  size_t visits_ = 0;
};

}  // namespace

MemoryTimeline memory_timeline(const program::Method& method) { return Timeline(method).run(); }

}  // namespace pte::inspect
