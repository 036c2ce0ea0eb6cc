// Vulkan payloads as text.
#include "backends/vulkan/payload.h"

#include "inspect/payload_formats.h"

namespace pte::inspect {
namespace {

using vulkan::TensorInfo;

std::string tensor_text(const TensorInfo& tensor) {
  std::string text =
      fmt::format("{}[{}]", vulkan::datatype_name(tensor.datatype), fmt::join(tensor.dims, ","));
  if (tensor.constant >= 0) text += fmt::format("  constant {}", tensor.constant);
  if (tensor.storage != 255)
    text += fmt::format("  {} {}", vulkan::storage_name(tensor.storage),
                        vulkan::layout_name(tensor.layout));
  if (tensor.memory >= 0) text += fmt::format("  memory {}", tensor.memory);
  if (tensor.staging != 127 && tensor.staging != tensor.datatype)
    text += fmt::format("  outside {}", vulkan::datatype_name(tensor.staging));
  return text;
}

std::string value_line(const vulkan::Value& value) {
  if (const auto* tensor = std::get_if<TensorInfo>(&value)) return tensor_text(*tensor);
  if (const auto* integer = std::get_if<int64_t>(&value)) return fmt::format("Int {}", *integer);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("Double {}", *real);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "Bool true" : "Bool false";
  if (const auto* ints = std::get_if<std::vector<int64_t>>(&value))
    return fmt::format("IntList [{}]", fmt::join(*ints, ","));
  if (const auto* reals = std::get_if<std::vector<double>>(&value))
    return fmt::format("DoubleList [{}]", fmt::join(*reals, ","));
  if (const auto* flags = std::get_if<std::vector<bool>>(&value))
    return fmt::format("BoolList of {}", flags->size());
  if (const auto* list = std::get_if<vulkan::ValueListRef>(&value))
    return fmt::format("ValueList [{}]", fmt::join(list->items, ","));
  if (const auto* text = std::get_if<std::string>(&value)) return "String '" + *text + "'";
  if (const auto* symbol = std::get_if<vulkan::SymIntRef>(&value))
    return fmt::format("SymInt, now {}", symbol->value);
  return "Null";
}

}  // namespace

PayloadSummary summarize_vulkan(const program::Program&, const program::Delegate& delegate) {
  PayloadSummary out;
  const auto graph = vulkan::decode(delegate.payload.bytes);
  if (!graph) {
    out.problem = graph.error().message;
    return out;
  }
  out.format = "Vulkan graph";
  out.nodes = graph->chain.size();
  std::vector<std::string> names, types, storages;
  for (const vulkan::Call& call : graph->chain) names.push_back(call.name);
  int32_t objects = -1;
  for (const vulkan::Value& value : graph->values) {
    const auto* tensor = std::get_if<TensorInfo>(&value);
    if (tensor == nullptr) continue;
    types.push_back(vulkan::datatype_name(tensor->datatype));
    if (tensor->storage != 255) storages.push_back(vulkan::storage_name(tensor->storage));
    objects = std::max(objects, tensor->memory);
  }
  out.operators = sorted_counts(std::move(names));
  out.datatypes = sorted_counts(std::move(types));
  out.constants = graph->constants.size();
  for (const vulkan::Constant& constant : graph->constants) {
    // A file may name any length; more than there is adds nothing.
    out.constant_bytes += std::min<uint64_t>(constant.length, uint64_t{1} << 48);
  }
  out.inputs = graph->inputs.size();
  out.outputs = graph->outputs.size();
  std::string kinds;
  for (const auto& [name, count] : sorted_counts(std::move(storages))) {
    kinds += fmt::format("{}{} {}", kinds.empty() ? "" : "  ", name, count);
  }
  if (!kinds.empty()) out.facts.emplace_back("storage", kinds);
  if (objects >= 0) out.facts.emplace_back("shared memory", fmt::format("{} objects", objects + 1));
  if (!graph->shaders.empty())
    out.facts.emplace_back("shaders", std::to_string(graph->shaders.size()));
  return out;
}

Result<std::string> list_vulkan(const program::Program&, const program::Delegate& delegate) {
  PTE_TRY(const vulkan::Graph graph, vulkan::decode(delegate.payload.bytes));
  std::string text =
      fmt::format("inputs [{}]  outputs [{}]\nnodes {}\n", fmt::join(graph.inputs, ","),
                  fmt::join(graph.outputs, ","), graph.chain.size());
  for (size_t i = 0; i < graph.chain.size(); ++i) {
    const vulkan::Call& call = graph.chain[i];
    text += fmt::format("  {:>4}  {}({})\n", i, call.name, fmt::join(call.args, ", "));
  }
  text += fmt::format("values {}\n", graph.values.size());
  for (size_t i = 0; i < graph.values.size(); ++i) {
    text += fmt::format("  {:>4}  {}\n", i, value_line(graph.values[i]));
  }
  text += fmt::format("constants {}\n", graph.constants.size());
  for (size_t i = 0; i < graph.constants.size(); ++i) {
    text += fmt::format("  {:>4}  {:>10} bytes  {}\n", i, graph.constants[i].length,
                        graph.constants[i].key);
  }
  return text;
}

std::optional<std::vector<std::string>> keys_of_vulkan(const program::Program&,
                                                       const program::Delegate& delegate) {
  const auto graph = vulkan::decode(delegate.payload.bytes);
  if (!graph) return std::nullopt;
  std::vector<std::string> keys;
  for (const auto* list : {&graph->constants, &graph->shaders}) {
    for (const vulkan::Constant& constant : *list) keys.push_back(constant.key);
  }
  return keys;
}

}  // namespace pte::inspect
