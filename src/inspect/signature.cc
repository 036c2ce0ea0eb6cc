#include "inspect/signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace pte::inspect {
namespace {

using nlohmann::json;
using program::TensorValue;

constexpr size_t kMaxTreeBytes = size_t{1} << 20;
constexpr int kMaxTreeDepth = 24;

// Brackets outside strings: the parser never meets a text that was built to nest.
bool nests_too_deep(const std::string& text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string) {
      if (text[i] == '\\') ++i;
      if (i < text.size() && text[i] == '"') in_string = false;
    } else if (text[i] == '"') {
      in_string = true;
    } else if (text[i] == '[' || text[i] == '{') {
      if (++depth > 3 * kMaxTreeDepth) return true;
    } else if (text[i] == ']' || text[i] == '}') {
      --depth;
    }
  }
  return false;
}

// Leaves from left to right, each with the dotted keys above it.
void walk(const json& node, const std::string& prefix, size_t count, int depth,
          std::vector<std::string>& names) {
  if (depth > kMaxTreeDepth || names.size() >= count || !node.is_object()) return;
  const auto type = node.find("type");
  const auto children = node.find("children_spec");
  if (type == node.end() || type->is_null() || children == node.end() || !children->is_array()) {
    names.push_back(prefix);
    return;
  }
  std::vector<std::string> keys;
  if (type->is_string() && type->get<std::string>().ends_with("dict")) {
    const auto context = node.find("context");
    if (context != node.end() && context->is_string()) {
      const json list = json::parse(context->get<std::string>(), nullptr, false);
      if (list.is_array()) {
        for (const json& key : list) keys.push_back(key.is_string() ? key.get<std::string>() : "");
      }
    }
  }
  for (size_t i = 0; i < children->size(); ++i) {
    std::string name = prefix;
    if (i < keys.size() && !keys[i].empty()) name += (name.empty() ? "" : ".") + keys[i];
    walk((*children)[i], name, count, depth + 1, names);
  }
}

template <typename Fn>
void each_instruction(const program::Method& method, Fn&& fn) {
  for (const program::Chain& chain : method.chains) {
    for (const program::Instruction& instruction : chain.instructions) fn(instruction);
  }
}

std::string port_text(const program::Method& method, const Port& port, bool show_constants) {
  const program::Value& value = method.values[static_cast<size_t>(port.value)];
  std::string text = port.name.empty() ? "" : port.name + " ";
  text += value_text(value);
  if (!show_constants) return text;
  if (const auto* boolean = std::get_if<bool>(&value)) text += *boolean ? " true" : " false";
  if (const auto* real = std::get_if<double>(&value)) text += fmt::format(" {}", *real);
  if (const auto* integer = std::get_if<int64_t>(&value)) text += fmt::format(" {}", *integer);
  return text;
}

}  // namespace

Counts sorted_counts(std::vector<std::string> names) {
  std::map<std::string, int64_t> counts;
  for (std::string& name : names) ++counts[std::move(name)];
  Counts rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return rows;
}

std::vector<std::string> names_from_tree(const std::string& tree, size_t count) {
  std::vector<std::string> names;
  if (!tree.empty() && tree.size() <= kMaxTreeBytes && !nests_too_deep(tree)) {
    const json parsed = json::parse(tree, nullptr, /*allow_exceptions=*/false);
    if (parsed.is_array() && parsed.size() == 2) walk(parsed[1], "", count + 1, 0, names);
  }
  // A tree that does not fit the list of inputs names none of them.
  if (names.size() != count) return std::vector<std::string>(count);
  // Two leaves under one key would look like one thing.
  std::map<std::string, int> seen;
  for (const std::string& name : names) ++seen[name];
  std::map<std::string, int> next;
  for (std::string& name : names) {
    if (!name.empty() && seen[name] > 1) name += fmt::format(".{}", next[name]++);
  }
  return names;
}

std::string value_text(const program::Value& value) {
  if (const auto* tensor = std::get_if<TensorValue>(&value)) {
    std::string text = describe(tensor->dtype, tensor->sizes);
    if (tensor->dynamism == program::Dynamism::kDynamicBound) text += " at most";
    if (tensor->dynamism == program::Dynamism::kDynamicUnbound) text += " unbounded";
    return text;
  }
  const auto list = [&](size_t size) {
    return fmt::format("{} of {}", program::kind_name(value), size);
  };
  if (const auto* ints = std::get_if<program::IntList>(&value)) return list(ints->items.size());
  if (const auto* reals = std::get_if<std::vector<double>>(&value)) return list(reals->size());
  if (const auto* flags = std::get_if<std::vector<bool>>(&value)) return list(flags->size());
  if (const auto* tensors = std::get_if<program::TensorList>(&value))
    return list(tensors->items.size());
  if (const auto* optionals = std::get_if<program::OptionalTensorList>(&value))
    return list(optionals->items.size());
  return std::string(program::kind_name(value));
}

Signature signature_of(const program::Method& method) {
  Signature out;
  const auto inputs = names_from_tree(method.input_tree, method.inputs.size());
  const auto outputs = names_from_tree(method.output_tree, method.outputs.size());
  const auto fill = [&](const std::vector<int32_t>& indices, const std::vector<std::string>& names,
                        std::vector<Port>& ports) {
    for (size_t i = 0; i < indices.size(); ++i) {
      const auto* tensor =
          std::get_if<TensorValue>(&method.values[static_cast<size_t>(indices[i])]);
      std::string name = names[i];
      if (name.empty() && tensor != nullptr) name = tensor->name;
      ports.push_back({std::move(name), indices[i]});
    }
  };
  fill(method.inputs, inputs, out.inputs);
  fill(method.outputs, outputs, out.outputs);
  return out;
}

std::string signature_text(const program::Method& method) {
  const Signature signature = signature_of(method);
  const bool constant = method.inputs.empty() && instruction_count(method) == 0;
  const auto list = [&](const std::vector<Port>& ports, bool show) {
    std::string text;
    for (const Port& port : ports) {
      text += (text.empty() ? "" : ", ") + port_text(method, port, show);
    }
    return text;
  };
  std::string outputs = list(signature.outputs, constant);
  if (signature.outputs.size() != 1) outputs = "(" + outputs + ")";
  return fmt::format("{}({}) -> {}", method.name, list(signature.inputs, true), outputs);
}

size_t instruction_count(const program::Method& method) {
  size_t count = 0;
  for (const program::Chain& chain : method.chains) count += chain.instructions.size();
  return count;
}

Counts operator_counts(const program::Method& method) {
  std::vector<std::string> names;
  each_instruction(method, [&](const program::Instruction& instruction) {
    if (const auto* call = std::get_if<program::KernelCall>(&instruction)) {
      names.push_back(method.operators[static_cast<size_t>(call->op)].full_name());
    }
  });
  return sorted_counts(std::move(names));
}

std::vector<int64_t> delegate_calls(const program::Method& method) {
  std::vector<int64_t> calls(method.delegates.size(), 0);
  each_instruction(method, [&](const program::Instruction& instruction) {
    if (const auto* call = std::get_if<program::DelegateCall>(&instruction)) {
      ++calls[static_cast<size_t>(call->delegate)];
    }
  });
  return calls;
}

Counts control_counts(const program::Method& method) {
  std::vector<std::string> names;
  each_instruction(method, [&](const program::Instruction& instruction) {
    if (std::holds_alternative<program::MoveCall>(instruction)) names.emplace_back("move");
    if (std::holds_alternative<program::JumpFalseCall>(instruction))
      names.emplace_back("jump if false");
    if (std::holds_alternative<program::FreeCall>(instruction)) names.emplace_back("free");
  });
  return sorted_counts(std::move(names));
}

std::string short_operator(std::string_view full_name) {
  const size_t colons = full_name.find("::");
  if (colons == std::string_view::npos) return std::string(full_name);
  const size_t dot = full_name.find('.', colons);
  std::string out(full_name.substr(0, colons));
  out += '.';
  out += full_name.substr(colons + 2, dot == std::string_view::npos ? dot : dot - colons - 2);
  const std::string_view overload =
      dot == std::string_view::npos ? std::string_view() : full_name.substr(dot + 1);
  // "out" says only that the call writes into memory, which every call does.
  if (overload.empty() || overload == "out") return out;
  std::string_view kept = overload;
  if (kept.ends_with("_out")) kept.remove_suffix(4);
  return out + "." + std::string(kept);
}

}  // namespace pte::inspect
