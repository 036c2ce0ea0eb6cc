// `pte inspect` as text: 80 columns.
#include <algorithm>
#include <map>

#include "cli/inspect.h"
#include "cli/output.h"
#include "inspect/memory.h"
#include "inspect/payloads.h"
#include "inspect/signature.h"
#include "inspect/weights.h"
#include "program/backends.h"

namespace pte::cli {
namespace {

using inspect::Counts;
using program::Method;
using program::Program;

constexpr size_t kLabel = 12;
constexpr size_t kWidth = 80;

void row(std::string_view label, std::string_view text) {
  print("  {}{}\n", pad_right(label, kLabel), text);
}

Counts short_names(Counts counts) {
  for (auto& [name, count] : counts) name = inspect::short_operator(name);
  return counts;
}

void add_counts(std::map<std::string, int64_t>& into, const Counts& counts) {
  for (const auto& [name, count] : counts) into[name] += count;
}
Counts sorted(const std::map<std::string, int64_t>& counts) {
  Counts out(counts.begin(), counts.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

// All delegates of one backend in one method.
struct Group {
  size_t count = 0, unread = 0, nodes = 0;
  uint64_t bytes = 0, constants = 0;
  std::map<std::string, int64_t> operators, datatypes;
  std::string problem;
  std::vector<std::pair<std::string, std::string>> facts;  // of a single delegate
};

void print_delegates(const Program& program, const Method& method) {
  std::vector<std::pair<std::string, Group>> groups;
  for (const program::Delegate& delegate : method.delegates) {
    auto it = std::find_if(groups.begin(), groups.end(),
                           [&](const auto& group) { return group.first == delegate.id; });
    if (it == groups.end()) it = groups.insert(groups.end(), {delegate.id, {}});
    Group& group = it->second;
    const inspect::PayloadSummary payload = inspect::summarize_payload(program, delegate);
    ++group.count;
    group.bytes += delegate.payload.size();
    group.constants += payload.constant_bytes;
    group.nodes += payload.nodes;
    add_counts(group.operators, payload.operators);
    add_counts(group.datatypes, payload.datatypes);
    if (!payload.problem.empty() && group.problem.empty()) group.problem = payload.problem;
    if (payload.format.empty()) ++group.unread;
    if (group.count == 1) group.facts = payload.facts;
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto& [id, group] = groups[i];
    std::string line = fmt::format("{} {}×", printable(id), group.count);
    if (group.unread < group.count && group.nodes > 0) {
      line += fmt::format("   {} node{}", group.nodes, group.nodes == 1 ? "" : "s");
    }
    line += fmt::format("   {}", human_bytes(group.bytes + group.constants));
    row(i == 0 ? "delegates" : "", line);
    const size_t room = kWidth - kLabel - 2;
    if (!group.operators.empty()) row("", dim(counts_text(sorted(group.operators), room)));
    if (!group.datatypes.empty()) {
      row("", dim("values: " + counts_text(sorted(group.datatypes), room - 8)));
    }
    for (const auto& [key, value] : group.facts) {
      row("", dim(shortened(fmt::format("{}: {}", key, printable(value)), room)));
    }
    if (!group.problem.empty()) row("", shortened(printable(group.problem), room));
    if (id != xnnpack::kBackendId) {
      row("", dim(shortened(program::describe_backend(id), room)));
    }
  }
}

void print_memory(const Method& method) {
  const inspect::MemoryTimeline memory = inspect::memory_timeline(method);
  if (memory.planned == 0) return;
  std::string text = fmt::format("planned {}", human_bytes(memory.planned));
  if (method.arena_sizes.size() > 2)
    text += fmt::format(" in {} arenas", method.arena_sizes.size() - 1);
  if (memory.peak > 0) {
    text += fmt::format("   peak {} at instruction {}  ", human_bytes(memory.peak), memory.peak_at);
    const size_t used = width_of(text) + kLabel + 2;
    text += sparkline(memory.live, used < kWidth ? std::min<size_t>(kWidth - used, 40) : 8);
  }
  row("memory", text);
}

void print_method(const Program& program, const Method& method) {
  print("{}\n", bold(printable(inspect::signature_text(method))));
  const size_t instructions = inspect::instruction_count(method);
  if (instructions == 0 && method.inputs.empty()) return;
  print_delegates(program, method);
  const Counts operators = inspect::operator_counts(method);
  int64_t calls = 0;
  for (const auto& [name, count] : operators) calls += count;
  const std::string head =
      operators.empty()
          ? "nothing"
          : fmt::format("{} operator{}, {} call{}", operators.size(),
                        operators.size() == 1 ? "" : "s", calls, calls == 1 ? "" : "s");
  row(method.delegates.empty() ? "operators" : "outside", head);
  if (!operators.empty()) row("", dim(counts_text(short_names(operators), kWidth - kLabel - 2)));
  const Counts control = inspect::control_counts(method);
  if (!control.empty()) row("control", counts_text(control, kWidth - kLabel - 2));
  print_memory(method);
}

void print_part(const inspect::FilePart& part, uint64_t total, const std::string& stem,
                const std::string& branch) {
  const double share =
      total == 0 ? 0 : 100.0 * static_cast<double>(part.bytes) / static_cast<double>(total);
  std::string name = printable(part.name);
  if (part.count > 1 && !part.children.empty()) name += fmt::format("  {}×", part.count);
  const std::string left = stem + branch + name;
  print("{}{} {}\n", pad_right(shortened(left, 58), 58), pad_left(human_bytes(part.bytes), 11),
        pad_left(fmt::format("{:.1f} %", share), 9));
  const std::string inner = branch.empty() ? stem : stem + (branch == "└─ " ? "   " : "│  ");
  for (size_t i = 0; i < part.children.size(); ++i) {
    print_part(part.children[i], total, inner, i + 1 == part.children.size() ? "└─ " : "├─ ");
  }
}

}  // namespace

std::string sparkline(const std::vector<uint64_t>& values, size_t width) {
  static constexpr std::string_view kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const uint64_t top = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  if (top == 0) return {};
  const size_t columns = std::min(width, values.size());
  std::string text;
  for (size_t c = 0; c < columns; ++c) {
    uint64_t high = 0;
    for (size_t i = c * values.size() / columns; i < (c + 1) * values.size() / columns; ++i)
      high = std::max(high, values[i]);
    const auto step =
        static_cast<size_t>(static_cast<double>(high) / static_cast<double>(top) * 7.999);
    text += kBars[std::min<size_t>(step, 7)];
  }
  return text;
}

std::string counts_text(const Counts& counts, size_t width) {
  std::string text;
  for (const auto& [name, count] : counts) {
    const std::string piece = fmt::format("{} {}", printable(name), count);
    if (!text.empty() && width_of(text) + width_of(piece) + 5 > width) return text + "  …";
    text += (text.empty() ? "" : "  ") + piece;
  }
  return shortened(text, width);
}

std::string shortened(std::string_view text, size_t width) {
  if (width_of(text) <= width) return std::string(text);
  std::string out;
  size_t columns = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U && ++columns >= width) break;
    out += c;
  }
  return out + "…";
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

void print_summary(const Inspected& inspected) {
  const Program& program = inspected.program;
  print("{}   {}   {}, {}, {} method{}\n", inspected.path,
        human_bytes(inspected.file.bytes().size()),
        inspected.bundle ? "program of a bundle" : "ExecuTorch program",
        inspected.header == 0 ? "no header" : fmt::format("header {}", inspected.header),
        program.methods.size(), program.methods.size() == 1 ? "" : "s");
  for (const Method& method : program.methods) print_method(program, method);
  if (inspected.bundle) print_suites(*inspected.bundle);
  const std::vector<inspect::Weight> weights = inspect::list_weights(program);
  uint64_t bytes = 0;
  const inspect::Weight* largest = nullptr;
  for (const inspect::Weight& weight : weights) {
    bytes += weight.data.nbytes();
    if (largest == nullptr || weight.data.nbytes() > largest->data.nbytes()) largest = &weight;
  }
  if (largest != nullptr) {
    const std::string tail = fmt::format("  {}", human_bytes(largest->data.nbytes()));
    std::string text = fmt::format("{} in {}   largest: ", human_bytes(bytes), weights.size());
    const size_t used = width_of(text) + width_of(tail) + kLabel + 2;
    text += shortened(printable(largest->name), used < kWidth ? kWidth - used : 20) + tail;
    row("constants", text);
  }
  size_t external = 0;
  for (const Method& method : program.methods) {
    for (const program::Value& value : method.values) {
      const auto* tensor = std::get_if<program::TensorValue>(&value);
      external += tensor != nullptr && tensor->external ? 1 : 0;
    }
  }
  if (external > 0) row("external", fmt::format("{} tensors in a .ptd file", external));
  const bool delegates =
      std::any_of(program.methods.begin(), program.methods.end(),
                  [](const Method& method) { return !method.delegates.empty(); });
  print("{}\n", dim(fmt::format("more: --tree  --constants  --graph out.svg {} --ir  --json",
                                delegates ? " --payload 0 " : "")));
}

void print_tree(const Inspected& inspected) {
  inspect::FilePart root = inspect::map_file(inspected.file, inspected.program);
  root.name = inspected.path;
  print_part(root, root.bytes, "", "");
}

void print_constants(const Inspected& inspected) {
  std::vector<std::string> problems;
  std::vector<inspect::Weight> weights = inspect::list_weights(inspected.program, &problems);
  std::stable_sort(weights.begin(), weights.end(),
                   [](const inspect::Weight& a, const inspect::Weight& b) {
                     return a.data.nbytes() > b.data.nbytes();
                   });
  for (const inspect::Weight& weight : weights) {
    print("{}{}  {}\n", pad_right(shortened(printable(weight.name), 40), 40),
          pad_left(human_bytes(weight.data.nbytes()), 9), weight.type);
  }
  for (const std::string& problem : problems) print_note(printable(problem));
}

}  // namespace pte::cli
