#include <algorithm>
#include <tuple>

#include "program/quote.h"
#include "program/verify.h"
#include "schema/ops.h"

namespace pte::program {
namespace {

// The instructions between which a planned tensor holds something, both inclusive; -1 is before the
// first one.
struct Use {
  int64_t first = INT64_MAX;
  int64_t last = -1;
  bool written = false;     // by a kernel; what a delegate does with its arguments is not known
  bool read_first = false;  // a kernel reads it before any instruction could have written it
  bool is_input = false;

  bool used() const { return first != INT64_MAX; }
};

struct Tenant {
  size_t value = 0;
  uint32_t arena = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  Use use;
};

class PlanReader {
 public:
  explicit PlanReader(const Method& method) : method_(method), uses_(method.values.size()) {}

  std::vector<Tenant> tenants() {
    for (const Chain& chain : method_.chains) walk(chain);
    for (const int32_t index : method_.inputs) {
      Use& use = uses_[static_cast<size_t>(index)];
      use.is_input = true;
      touch(index, -1);
    }
    for (const int32_t index : method_.outputs) touch(index, end_);
    std::vector<Tenant> out;
    for (size_t i = 0; i < uses_.size(); ++i) {
      const auto* tensor = std::get_if<TensorValue>(&method_.values[i]);
      if (tensor == nullptr || !tensor->allocation || !uses_[i].used() || tensor->nbytes() == 0)
        continue;
      Tenant tenant{i, tensor->allocation->memory_id, tensor->allocation->offset, 0, uses_[i]};
      tenant.end = tenant.begin + tensor->nbytes();
      // A buffer with a value from the file keeps it from call to call.
      if (tensor->constant > 0) keep_forever(tenant.use);
      out.push_back(tenant);
    }
    std::sort(out.begin(), out.end(), [](const Tenant& a, const Tenant& b) {
      return std::tie(a.arena, a.begin, a.value) < std::tie(b.arena, b.begin, b.value);
    });
    // So does a buffer that is read before it is written, unless it is a view of something there.
    for (size_t i = 0; i < out.size(); ++i) {
      Use& use = out[i].use;
      if (!use.read_first || use.is_input) continue;
      const bool alone = (i == 0 || !same_begin(out[i - 1], out[i])) &&
                         (i + 1 == out.size() || !same_begin(out[i], out[i + 1]));
      if (use.written || alone) keep_forever(use);
    }
    return out;
  }

  static bool same_begin(const Tenant& a, const Tenant& b) {
    return a.arena == b.arena && a.begin == b.begin;
  }

 private:
  void keep_forever(Use& use) const {
    use.first = -1;
    use.last = end_;
  }

  Use& touch(int32_t value, int64_t at) {
    Use& use = uses_[static_cast<size_t>(value)];
    use.first = std::min(use.first, at);
    use.last = std::max(use.last, at);
    return use;
  }

  template <typename Fn>
  void each_tensor(int32_t value, Fn&& fn) {
    const Value& item = method_.values[static_cast<size_t>(value)];
    // Calls may name the same long list again and again.
    if (visited_ > kMostVisits) return;
    if (std::holds_alternative<TensorValue>(item)) {
      fn(value);
    } else if (const auto* list = std::get_if<TensorList>(&item)) {
      visited_ += list->items.size();
      for (const int32_t index : list->items) fn(index);
    } else if (const auto* optionals = std::get_if<OptionalTensorList>(&item)) {
      visited_ += optionals->items.size();
      for (const int32_t index : optionals->items) {
        if (index >= 0) fn(index);
      }
    }
  }

  bool is_in_place(const KernelCall& call) const {
    const OpInfo* info =
        find_op_by_out(method_.operators[static_cast<size_t>(call.op)].full_name());
    return info != nullptr && info->has(kTagInPlace);
  }

  void kernel_call(const KernelCall& call, int64_t at) {
    const bool is_view =
        method_.operators[static_cast<size_t>(call.op)].name == "executorch_prim::et_view";
    if (call.args.empty()) return;
    // What a call returns is named by its last argument. An operator in place returns what it
    // writes; older exporters name it by another value, planned for nothing.
    std::vector<int32_t> args = call.args;
    if (args.size() > 1 && args.front() != args.back() && is_in_place(call)) {
      args.back() = args.front();
    }
    std::vector<int32_t> results;
    if (!is_view) each_tensor(args.back(), [&](int32_t value) { results.push_back(value); });
    std::sort(results.begin(), results.end());
    for (const int32_t arg : args) {
      each_tensor(arg, [&](int32_t value) {
        Use& use = uses_[static_cast<size_t>(value)];
        const bool is_result = std::binary_search(results.begin(), results.end(), value);
        if (!use.used() && !is_result) use.read_first = true;
        use.written |= is_result;
        touch(value, at);
      });
    }
  }

  void walk(const Chain& chain) {
    std::vector<std::pair<int64_t, int64_t>> loops;
    for (const Instruction& instruction : chain.instructions) {
      const int64_t at = end_++;
      if (const auto* kernel = std::get_if<KernelCall>(&instruction)) {
        kernel_call(*kernel, at);
      } else if (const auto* delegate = std::get_if<DelegateCall>(&instruction)) {
        for (const int32_t arg : delegate->args) {
          each_tensor(arg, [&](int32_t value) { touch(value, at); });
        }
      } else if (const auto* move = std::get_if<MoveCall>(&instruction)) {
        touch(move->from, at);
        touch(move->to, at);
      } else if (const auto* jump = std::get_if<JumpFalseCall>(&instruction)) {
        touch(jump->condition, at);
        const int64_t begin = at - static_cast<int64_t>(&instruction - chain.instructions.data());
        if (begin + jump->target <= at) loops.emplace_back(begin + jump->target, at);
      }
    }
    stretch(std::move(loops));
  }

  // What a loop takes from before it must last until its last round.
  void stretch(std::vector<std::pair<int64_t, int64_t>> loops) {
    std::sort(loops.begin(), loops.end());
    std::vector<std::pair<int64_t, int64_t>> merged;
    for (const auto& loop : loops) {
      if (!merged.empty() && loop.first <= merged.back().second) {
        merged.back().second = std::max(merged.back().second, loop.second);
      } else {
        merged.push_back(loop);
      }
    }
    for (Use& use : uses_) {
      const auto after =
          std::upper_bound(merged.begin(), merged.end(), std::pair(use.last, INT64_MAX));
      if (!use.used() || after == merged.begin()) continue;
      const auto& [begin, last] = *std::prev(after);
      if (use.first < begin && use.last <= last) use.last = last;
    }
  }

  const Method& method_;
  std::vector<Use> uses_;
  int64_t end_ = 0;
  size_t visited_ = 0;
  static constexpr size_t kMostVisits = 50'000'000;
};

bool conflict(const Tenant& a, const Tenant& b) {
  if (a.use.last < b.use.first || b.use.last < a.use.first) return false;
  // A view lies where its base lies and is written by nobody.
  return !(PlanReader::same_begin(a, b) && !(a.use.written && b.use.written));
}

}  // namespace

std::vector<Finding> find_plan_conflicts(const Method& method, size_t limit) {
  // Enough for the largest real plans; a file made to have more tells nothing more by it.
  constexpr size_t kMostComparisons = 20'000'000;
  std::vector<Finding> findings;
  const std::vector<Tenant> tenants = PlanReader(method).tenants();
  size_t comparisons = 0;
  for (size_t i = 0; i < tenants.size(); ++i) {
    for (size_t k = i + 1; k < tenants.size(); ++k) {
      const Tenant& a = tenants[i];
      const Tenant& b = tenants[k];
      if (b.arena != a.arena || b.begin >= a.end) break;
      if (findings.size() >= limit || ++comparisons > kMostComparisons) return findings;
      if (!conflict(a, b)) continue;
      findings.push_back(
          {fmt::format("method {}: values {} and {}", quote(method.name), a.value, b.value),
           fmt::format("share bytes {} to {} of arena {} while both are in use (instructions {} to "
                       "{}, {} to {})",
                       b.begin, std::min(a.end, b.end), a.arena, a.use.first, a.use.last,
                       b.use.first, b.use.last)});
    }
  }
  return findings;
}

}  // namespace pte::program
