#include "inspect/dataflow.h"

#include <algorithm>
#include <map>

#include "inspect/payloads.h"
#include "schema/ops.h"

namespace pte::inspect {
namespace {

using program::TensorValue;

// Calls may name the same long list again and again.
constexpr size_t kMostEntries = size_t{1} << 22;

class Flow {
 public:
  Flow(const program::Program& program, const program::Method& method)
      : program_(program), method_(method), known_(method.values.size(), false) {}

  std::vector<Access> run() {
    for (size_t i = 0; i < method_.values.size(); ++i) {
      const auto* tensor = std::get_if<TensorValue>(&method_.values[i]);
      known_[i] = tensor == nullptr || tensor->constant > 0 || tensor->external;
    }
    for (const int32_t input : method_.inputs) known_[static_cast<size_t>(input)] = true;
    std::vector<Access> out;
    for (const program::Chain& chain : method_.chains) {
      for (const program::Instruction& instruction : chain.instructions) {
        out.push_back(access(instruction));
        for (const int32_t value : out.back().writes) known_[static_cast<size_t>(value)] = true;
      }
    }
    return out;
  }

 private:
  void expand(int32_t value, std::vector<int32_t>& to) {
    const program::Value& item = method_.values[static_cast<size_t>(value)];
    const std::vector<int32_t>* items = nullptr;
    if (const auto* list = std::get_if<program::TensorList>(&item)) items = &list->items;
    if (const auto* list = std::get_if<program::OptionalTensorList>(&item)) items = &list->items;
    if (const auto* list = std::get_if<program::IntList>(&item)) items = &list->items;
    if (items == nullptr) {
      if (entries_++ < kMostEntries) to.push_back(value);
      return;
    }
    for (const int32_t index : *items) {
      if (index >= 0 && entries_++ < kMostEntries) to.push_back(index);
    }
  }

  Access access(const program::Instruction& instruction) {
    Access out;
    if (const auto* call = std::get_if<program::KernelCall>(&instruction)) {
      kernel(*call, out);
    } else if (const auto* delegate = std::get_if<program::DelegateCall>(&instruction)) {
      const size_t inputs = input_count(*delegate);
      for (size_t i = 0; i < delegate->args.size(); ++i) {
        expand(delegate->args[i], i < inputs ? out.reads : out.writes);
      }
    } else if (const auto* move = std::get_if<program::MoveCall>(&instruction)) {
      out.reads.push_back(move->from);
      out.writes.push_back(move->to);
    } else if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
      out.reads.push_back(jump->condition);
    }
    return out;
  }

  void kernel(const program::KernelCall& call, Access& out) {
    if (call.args.empty()) return;
    const OpInfo* op = find_op_by_out(method_.operators[static_cast<size_t>(call.op)].full_name());
    size_t taken = op == nullptr ? 0 : op->out_args.size();
    if (op == nullptr) {
      // Every out argument is named again as a result; what comes before them is read.
      std::vector<int32_t> results;
      expand(call.args.back(), results);
      for (size_t i = 0; i + 1 < call.args.size(); ++i) {
        std::vector<int32_t> items;
        expand(call.args[i], items);
        const bool result = std::any_of(items.begin(), items.end(), [&](int32_t item) {
          return std::find(results.begin(), results.end(), item) != results.end();
        });
        if (!result) out.reads.insert(out.reads.end(), items.begin(), items.end());
      }
      out.writes = std::move(results);
      return;
    }
    taken = std::min(taken, call.args.size());
    for (size_t i = 0; i < taken; ++i) {
      expand(call.args[i], out.reads);
      if (op->args[static_cast<size_t>(op->out_args[i])].written) expand(call.args[i], out.writes);
    }
    const size_t end = std::min(call.args.size(), taken + op->returns.size());
    for (size_t i = taken; i < end; ++i) expand(call.args[i], out.writes);
  }

  size_t input_count(const program::DelegateCall& call) {
    const auto number = static_cast<size_t>(call.delegate);
    auto it = inputs_.find(number);
    if (it == inputs_.end()) {
      const PayloadSummary payload = summarize_payload(program_, method_.delegates[number]);
      it = inputs_.emplace(number, std::pair(payload.inputs, payload.outputs)).first;
    }
    const auto [inputs, outputs] = it->second;
    if (inputs + outputs == call.args.size() && outputs > 0) return inputs;
    size_t known = 0;
    while (known < call.args.size() && known_[static_cast<size_t>(call.args[known])]) ++known;
    return known;
  }

  const program::Program& program_;
  const program::Method& method_;
  std::vector<bool> known_;
  std::map<size_t, std::pair<size_t, size_t>> inputs_;
  size_t entries_ = 0;
};

}  // namespace

std::vector<Access> data_flow(const program::Program& program, const program::Method& method) {
  return Flow(program, method).run();
}

}  // namespace pte::inspect
