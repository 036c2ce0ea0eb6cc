#include "inspect/diff.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/sha256.h"
#include "inspect/compare_weights.h"
#include "inspect/file_map.h"
#include "inspect/memory.h"
#include "inspect/payloads.h"
#include "program/quote.h"

namespace pte::inspect {
namespace {

using program::Method;
using program::Program;

std::vector<CountChange> compare_counts(const Counts& a, const Counts& b) {
  std::map<std::string, CountChange> rows;
  for (const auto& [name, count] : a) rows[name].a = count;
  for (const auto& [name, count] : b) rows[name].b = count;
  std::vector<CountChange> out;
  for (auto& [name, row] : rows) {
    row.name = name;
    if (row.a != row.b) out.push_back(row);
  }
  std::stable_sort(out.begin(), out.end(), [](const CountChange& x, const CountChange& y) {
    return std::abs(x.b - x.a) > std::abs(y.b - y.a);
  });
  return out;
}

Counts backend_counts(const Method& method) {
  std::vector<std::string> ids;
  for (const program::Delegate& delegate : method.delegates) ids.push_back(delegate.id);
  return sorted_counts(std::move(ids));
}

Counts node_counts(const Program& program, const Method& method) {
  std::map<std::string, int64_t> sum;
  for (const program::Delegate& delegate : method.delegates) {
    for (const auto& [kind, count] : summarize_payload(program, delegate).operators) {
      sum[delegate.id + " " + kind] += count;
    }
  }
  return {sum.begin(), sum.end()};
}

std::string port_text(const Method& method, const Port& port) {
  std::string text = port.name.empty() ? "" : port.name + " ";
  const program::Value& value = method.values[static_cast<size_t>(port.value)];
  text += value_text(value);
  if (const auto* integer = std::get_if<int64_t>(&value)) text += fmt::format(" {}", *integer);
  if (const auto* real = std::get_if<double>(&value)) text += fmt::format(" {}", *real);
  if (const auto* flag = std::get_if<bool>(&value)) text += *flag ? " true" : " false";
  if (const auto* tensor = std::get_if<program::TensorValue>(&value)) {
    if (!is_contiguous(tensor->dim_order))
      text += fmt::format(" order {}", fmt::join(tensor->dim_order, ","));
  }
  return text;
}

void compare_ports(const char* what, const Method& a, const std::vector<Port>& in_a,
                   const Method& b, const std::vector<Port>& in_b, std::vector<Change>& out) {
  for (size_t i = 0; i < std::max(in_a.size(), in_b.size()); ++i) {
    const std::string left = i < in_a.size() ? port_text(a, in_a[i]) : "";
    const std::string right = i < in_b.size() ? port_text(b, in_b[i]) : "";
    if (left != right) out.push_back({fmt::format("{} {}", what, i), left, right});
  }
}

void compare_numbers(const char* what, uint64_t a, uint64_t b, std::vector<Change>& out) {
  if (a != b) out.push_back({what, std::to_string(a), std::to_string(b)});
}

// A method's instructions with what they name, places in memory and in the file left out: equal
// texts are equal computations.
class Fingerprint {
 public:
  explicit Fingerprint(const Method& method)
      : method_(method), numbers_(method.values.size(), -1) {}

  std::string run() {
    for (const int32_t input : method_.inputs) value(input);
    for (const program::Chain& chain : method_.chains) {
      text_ += "chain\n";
      for (const program::Instruction& instruction : chain.instructions) step(instruction);
    }
    for (const int32_t output : method_.outputs) value(output);
    return sha256_hex(as_bytes(text_));
  }

 private:
  void args(const std::vector<int32_t>& values) {
    for (const int32_t index : values) value(index);
    text_ += '\n';
  }

  void step(const program::Instruction& instruction) {
    if (const auto* call = std::get_if<program::KernelCall>(&instruction)) {
      text_ += method_.operators[static_cast<size_t>(call->op)].full_name() + " ";
      args(call->args);
    } else if (const auto* delegate = std::get_if<program::DelegateCall>(&instruction)) {
      text_ += fmt::format("delegate {} {} ", delegate->delegate,
                           method_.delegates[static_cast<size_t>(delegate->delegate)].id);
      args(delegate->args);
    } else if (const auto* move = std::get_if<program::MoveCall>(&instruction)) {
      text_ += "move ";
      args({move->from, move->to});
    } else if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
      text_ += fmt::format("jump {} ", jump->target);
      args({jump->condition});
    } else if (const auto* release = std::get_if<program::FreeCall>(&instruction)) {
      text_ += "free ";
      args({release->value});
    }
  }

  // Values are numbered by their first mention, and described there.
  void value(int32_t index) {
    if (index < 0) {
      text_ += "- ";
      return;
    }
    int64_t& number = numbers_[static_cast<size_t>(index)];
    if (number >= 0) {
      text_ += fmt::format("%{} ", number);
      return;
    }
    number = next_++;
    const program::Value& item = method_.values[static_cast<size_t>(index)];
    text_ += fmt::format("%{}:{} ", number, value_text(item));
    if (const auto* tensor = std::get_if<program::TensorValue>(&item)) {
      text_ += fmt::format("{}{}{} ", fmt::join(tensor->dim_order, ","),
                           tensor->allocation ? "p" : "", tensor->constant > 0 ? "c" : "");
    } else if (const auto* integer = std::get_if<int64_t>(&item)) {
      text_ += fmt::format("{} ", *integer);
    } else if (const auto* real = std::get_if<double>(&item)) {
      text_ += fmt::format("{} ", *real);
    } else if (const auto* flag = std::get_if<bool>(&item)) {
      text_ += *flag ? "1 " : "0 ";
    } else if (const auto* string = std::get_if<std::string>(&item)) {
      text_ += program::quote(*string) + " ";
    } else if (const auto* reals = std::get_if<std::vector<double>>(&item)) {
      text_ += fmt::format("{} ", fmt::join(*reals, ","));
    } else if (const auto* flags = std::get_if<std::vector<bool>>(&item)) {
      for (const bool one : *flags) text_ += one ? '1' : '0';
    } else {
      const std::vector<int32_t>* items = nullptr;
      if (const auto* list = std::get_if<program::IntList>(&item)) items = &list->items;
      if (const auto* list = std::get_if<program::TensorList>(&item)) items = &list->items;
      if (const auto* list = std::get_if<program::OptionalTensorList>(&item)) items = &list->items;
      if (items == nullptr) return;
      text_ += "[";
      // Items are numbers or tensors, so this goes no deeper.
      for (const int32_t entry : *items) value(entry);
      text_ += "] ";
    }
  }

  const Method& method_;
  std::vector<int64_t> numbers_;
  std::string text_;
  int64_t next_ = 0;
};

MethodDiff compare_methods(const Program& program_a, const Method& a, const Program& program_b,
                           const Method& b) {
  MethodDiff out;
  out.name = a.name;
  const Signature in_a = signature_of(a), in_b = signature_of(b);
  compare_ports("input", a, in_a.inputs, b, in_b.inputs, out.changes);
  compare_ports("output", a, in_a.outputs, b, in_b.outputs, out.changes);
  compare_numbers("instructions", instruction_count(a), instruction_count(b), out.changes);
  const MemoryTimeline memory_a = memory_timeline(a), memory_b = memory_timeline(b);
  compare_numbers("planned memory", memory_a.planned, memory_b.planned, out.changes);
  compare_numbers("peak memory", memory_a.peak, memory_b.peak, out.changes);
  out.operators = compare_counts(operator_counts(a), operator_counts(b));
  out.delegates = compare_counts(backend_counts(a), backend_counts(b));
  out.nodes = compare_counts(node_counts(program_a, a), node_counts(program_b, b));
  out.code_differs = Fingerprint(a).run() != Fingerprint(b).run();
  return out;
}

// Payloads by their bytes, where the listing of what is in them does not tell a difference.
void compare_payloads(const DiffSide& a, const DiffSide& b, const Method& in_a, const Method& in_b,
                      std::vector<Change>& out) {
  const size_t count = std::min(in_a.delegates.size(), in_b.delegates.size());
  for (size_t i = 0; i < count; ++i) {
    const program::Delegate& left = in_a.delegates[i];
    const program::Delegate& right = in_b.delegates[i];
    const Bytes x = left.payload.bytes, y = right.payload.bytes;
    if (std::equal(x.begin(), x.end(), y.begin(), y.end())) continue;
    const auto list_a = list_payload(a.program, left);
    const auto list_b = list_payload(b.program, right);
    // Names of constants stand for their contents, which are compared as weights.
    if (list_a && list_b && without_keys(*list_a) == without_keys(*list_b)) continue;
    out.push_back({fmt::format("{}: payload {}", in_a.name, i),
                   fmt::format("{} {} bytes", left.id, x.size()),
                   fmt::format("{} {} bytes", right.id, y.size())});
  }
}

void compare_sizes(const DiffSide& a, const DiffSide& b, std::vector<Change>& out) {
  const FilePart in_a = map_file(a.file, a.program), in_b = map_file(b.file, b.program);
  compare_numbers("file", in_a.bytes, in_b.bytes, out);
  std::map<std::string, std::pair<uint64_t, uint64_t>> parts;
  for (const FilePart& part : in_a.children) parts[part.name].first = part.bytes;
  for (const FilePart& part : in_b.children) parts[part.name].second = part.bytes;
  for (const auto& [name, bytes] : parts) {
    compare_numbers(name.c_str(), bytes.first, bytes.second, out);
  }
}

}  // namespace

Diff diff_programs(const DiffSide& a, const DiffSide& b) {
  Diff out;
  const Bytes x = a.file.bytes(), y = b.file.bytes();
  out.same_bytes = std::equal(x.begin(), x.end(), y.begin(), y.end());
  for (const Method& method : a.program.methods) {
    const Method* other = b.program.find_method(method.name);
    if (other == nullptr) {
      out.only_a.push_back(method.name);
      continue;
    }
    MethodDiff diff = compare_methods(a.program, method, b.program, *other);
    compare_payloads(a, b, method, *other, out.payloads);
    if (!diff.empty()) out.methods.push_back(std::move(diff));
  }
  for (const Method& method : b.program.methods) {
    if (a.program.find_method(method.name) == nullptr) out.only_b.push_back(method.name);
  }
  compare_weights(a.program, b.program, out);
  compare_sizes(a, b, out.sizes);
  return out;
}

}  // namespace pte::inspect
