#include "inspect/strip.h"

#include <set>

#include "inspect/payload_formats.h"

namespace pte::inspect {
namespace {

using program::Method;
using program::Program;
using program::TensorValue;

// New numbers for what stays, -1 for what goes.
std::vector<int32_t> renumber(const std::vector<bool>& used) {
  std::vector<int32_t> numbers(used.size(), -1);
  int32_t next = 0;
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) numbers[i] = next++;
  }
  return numbers;
}

template <typename T>
size_t keep_used(std::vector<T>& items, const std::vector<bool>& used) {
  size_t kept = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!used[i]) continue;
    if (kept != i) items[kept] = std::move(items[i]);
    ++kept;
  }
  const size_t gone = items.size() - kept;
  items.resize(kept);
  return gone;
}

class MethodStripper {
 public:
  MethodStripper(Method& method, Stripped& out)
      : method_(method),
        out_(out),
        values_(method.values.size(), false),
        operators_(method.operators.size(), false),
        delegates_(method.delegates.size(), false) {}

  void run() {
    drop_texts();
    for (const int32_t value : method_.inputs) use(value);
    for (const int32_t value : method_.outputs) use(value);
    each([&](program::Instruction& instruction) { visit(instruction); });
    const auto values = renumber(values_);
    const auto operators = renumber(operators_);
    const auto delegates = renumber(delegates_);
    const auto move = [&](int32_t& index) {
      if (index >= 0) index = values[static_cast<size_t>(index)];
    };
    for (int32_t& value : method_.inputs) move(value);
    for (int32_t& value : method_.outputs) move(value);
    for (program::Value& value : method_.values) {
      if (std::vector<int32_t>* items = list_items(value)) {
        for (int32_t& item : *items) move(item);
      }
    }
    each([&](program::Instruction& instruction) {
      if (auto* call = std::get_if<program::KernelCall>(&instruction)) {
        call->op = operators[static_cast<size_t>(call->op)];
        for (int32_t& arg : call->args) move(arg);
      } else if (auto* delegate = std::get_if<program::DelegateCall>(&instruction)) {
        delegate->delegate = delegates[static_cast<size_t>(delegate->delegate)];
        for (int32_t& arg : delegate->args) move(arg);
      } else if (auto* moved = std::get_if<program::MoveCall>(&instruction)) {
        move(moved->from);
        move(moved->to);
      } else if (auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
        move(jump->condition);
      } else if (auto* release = std::get_if<program::FreeCall>(&instruction)) {
        move(release->value);
      }
    });
    out_.values += keep_used(method_.values, values_);
    out_.operators += keep_used(method_.operators, operators_);
    out_.delegates += keep_used(method_.delegates, delegates_);
  }

 private:
  template <typename Fn>
  void each(Fn&& fn) {
    for (program::Chain& chain : method_.chains) {
      for (program::Instruction& instruction : chain.instructions) fn(instruction);
    }
  }

  void drop_texts() {
    for (program::Chain& chain : method_.chains) {
      for (const auto& frames : chain.stack_traces) out_.stack_traces += frames.empty() ? 0 : 1;
      chain.stack_traces.clear();
    }
    for (program::Value& value : method_.values) {
      auto* tensor = std::get_if<TensorValue>(&value);
      // A buffer's name is how several methods and their callers find its state.
      if (tensor == nullptr || tensor->name.empty() || tensor->external || tensor->allocation)
        continue;
      tensor->name.clear();
      ++out_.names;
    }
  }

  static std::vector<int32_t>* list_items(program::Value& value) {
    if (auto* list = std::get_if<program::IntList>(&value)) return &list->items;
    if (auto* list = std::get_if<program::TensorList>(&value)) return &list->items;
    if (auto* list = std::get_if<program::OptionalTensorList>(&value)) return &list->items;
    return nullptr;
  }

  // Items of lists are no lists, so this goes no deeper.
  void use(int32_t index) {
    if (index < 0 || values_[static_cast<size_t>(index)]) return;
    values_[static_cast<size_t>(index)] = true;
    if (const auto* items = list_items(method_.values[static_cast<size_t>(index)])) {
      for (const int32_t item : *items) {
        if (item >= 0) values_[static_cast<size_t>(item)] = true;
      }
    }
  }

  void visit(const program::Instruction& instruction) {
    if (const auto* call = std::get_if<program::KernelCall>(&instruction)) {
      operators_[static_cast<size_t>(call->op)] = true;
      for (const int32_t arg : call->args) use(arg);
    } else if (const auto* delegate = std::get_if<program::DelegateCall>(&instruction)) {
      delegates_[static_cast<size_t>(delegate->delegate)] = true;
      for (const int32_t arg : delegate->args) use(arg);
    } else if (const auto* move = std::get_if<program::MoveCall>(&instruction)) {
      use(move->from);
      use(move->to);
    } else if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
      use(jump->condition);
    } else if (const auto* release = std::get_if<program::FreeCall>(&instruction)) {
      use(release->value);
    }
  }

  Method& method_;
  Stripped& out_;
  std::vector<bool> values_, operators_, delegates_;
};

// Constants or initial values that tensors name; entry 0 stands for none and stays.
void strip_table(std::vector<program::Blob>& table, bool allocated, Program& program,
                 Stripped& out) {
  std::vector<bool> used(table.size(), false);
  if (!used.empty()) used[0] = true;
  const auto each = [&](auto&& fn) {
    for (Method& method : program.methods) {
      for (program::Value& value : method.values) {
        auto* tensor = std::get_if<TensorValue>(&value);
        // The number means nothing in tensors of a .ptd file.
        if (tensor != nullptr && !tensor->external && tensor->allocation.has_value() == allocated &&
            tensor->constant < table.size())
          fn(*tensor);
      }
    }
  };
  each([&](TensorValue& tensor) { used[tensor.constant] = true; });
  for (size_t i = 0; i < table.size(); ++i) {
    if (!used[i]) out.constant_bytes += table[i].size();
  }
  const auto numbers = renumber(used);
  each([&](TensorValue& tensor) {
    tensor.constant = static_cast<uint32_t>(numbers[tensor.constant]);
  });
  out.constants += keep_used(table, used);
}

void strip_named_data(Program& program, const StripOptions& options, Stripped& out) {
  std::set<std::string, std::less<>> keys;
  for (const Method& method : program.methods) {
    for (const program::Delegate& delegate : method.delegates) {
      const auto named = payload_keys(program, delegate);
      if (!named) return;
      keys.insert(named->begin(), named->end());
    }
  }
  std::vector<bool> used;
  for (const program::NamedData& entry : program.named_data) {
    used.push_back(keys.contains(entry.key) || (options.keep && options.keep(entry.key)));
    if (!used.back()) out.named_bytes += entry.data.size();
  }
  out.named_data += keep_used(program.named_data, used);
}

}  // namespace

Stripped strip(const Program& program, const StripOptions& options) {
  Stripped out;
  out.program = program;
  for (Method& method : out.program.methods) MethodStripper(method, out).run();
  strip_table(out.program.constants, false, out.program, out);
  strip_table(out.program.mutable_data, true, out.program, out);
  strip_named_data(out.program, options, out);
  return out;
}

}  // namespace pte::inspect
