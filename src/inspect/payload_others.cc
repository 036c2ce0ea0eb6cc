// Payloads of MPS, QNN and Ethos-U as text, as far as their formats are known.
#include "backends/ethosu/payload.h"
#include "backends/mps/payload.h"
#include "backends/qnn/payload.h"
#include "inspect/payload_formats.h"

namespace pte::inspect {

PayloadSummary summarize_mps(const program::Program&, const program::Delegate& delegate) {
  PayloadSummary out;
  const auto graph = mps::decode(delegate.payload.bytes);
  if (!graph) {
    out.problem = graph.error().message;
    return out;
  }
  out.format = "MPS graph";
  out.nodes = graph->nodes.size();
  std::vector<std::string> kinds, types;
  for (const mps::Node& node : graph->nodes) kinds.push_back(node.kind);
  for (const mps::TensorInfo& value : graph->values) {
    types.push_back(mps::datatype_name(value.datatype));
    out.constants += value.constant_bytes > 0 ? 1 : 0;
  }
  out.operators = sorted_counts(std::move(kinds));
  out.datatypes = sorted_counts(std::move(types));
  out.inputs = graph->inputs.size();
  out.outputs = graph->outputs.size();
  out.facts.emplace_back("weights in the payload", fmt::format("{} bytes", graph->segment_bytes));
  if (graph->metal_kernels) out.facts.emplace_back("kernels", "some nodes are Metal kernels");
  return out;
}

Result<std::string> list_mps(const program::Program&, const program::Delegate& delegate) {
  PTE_TRY(const mps::Graph graph, mps::decode(delegate.payload.bytes));
  std::string text =
      fmt::format("inputs [{}]  outputs [{}]\nnodes {}\n", fmt::join(graph.inputs, ","),
                  fmt::join(graph.outputs, ","), graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const mps::Node& node = graph.nodes[i];
    text += fmt::format("  {:>4}  {:<22} {} ← {}\n", i, node.kind, fmt::join(node.outputs, ", "),
                        fmt::join(node.inputs, ", "));
  }
  text += fmt::format("values {}\n", graph.values.size());
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const mps::TensorInfo& value = graph.values[i];
    text += fmt::format("  {:>4}  {}[{}]", i, mps::datatype_name(value.datatype),
                        fmt::join(value.dims, ","));
    if (value.constant_bytes > 0) text += fmt::format("  constant, {} bytes", value.constant_bytes);
    text += "\n";
  }
  return text;
}

std::optional<std::vector<std::string>> keys_of_mps(const program::Program&,
                                                    const program::Delegate& delegate) {
  // The format has no place for a key.
  if (!mps::decode(delegate.payload.bytes)) return std::nullopt;
  return std::vector<std::string>();
}

PayloadSummary summarize_qnn(const program::Program&, const program::Delegate& delegate) {
  PayloadSummary out;
  const auto payload = qnn::decode(delegate.payload.bytes);
  if (!payload) {
    out.problem = payload.error().message;
    return out;
  }
  out.facts.emplace_back("context binary", payload->stored
                                               ? fmt::format("{} bytes", payload->binary_bytes)
                                               : "stored elsewhere");
  out.problem = "what a QNN context holds is not public";
  return out;
}

Result<std::string> list_qnn(const program::Program&, const program::Delegate& delegate) {
  PTE_TRY(const qnn::Payload payload, qnn::decode(delegate.payload.bytes));
  return fmt::format("signature {}\ncontext binary {} bytes{}\n", payload.signature,
                     payload.binary_bytes, payload.stored ? "" : ", stored elsewhere");
}

std::optional<std::vector<std::string>> keys_of_qnn(const program::Program&,
                                                    const program::Delegate&) {
  return std::nullopt;
}

PayloadSummary summarize_ethosu(const program::Program&, const program::Delegate& delegate) {
  PayloadSummary out;
  const auto payload = ethosu::decode(delegate.payload.bytes);
  if (!payload) {
    out.problem = payload.error().message;
    return out;
  }
  out.format = "Vela stream";
  out.inputs = payload->inputs.size();
  out.outputs = payload->outputs.size();
  for (const ethosu::Block& block : payload->blocks) {
    if (block.name == "cmd_data" || block.name == "weight_data") {
      out.facts.emplace_back(block.name, block.external
                                             ? "in named data"
                                             : fmt::format("{} bytes", block.bytes.size()));
    }
  }
  out.facts.emplace_back("scratch memory", fmt::format("{} bytes", payload->scratch_bytes));
  return out;
}

Result<std::string> list_ethosu(const program::Program&, const program::Delegate& delegate) {
  PTE_TRY(const ethosu::Payload payload, ethosu::decode(delegate.payload.bytes));
  std::string text = fmt::format("blocks {}\n", payload.blocks.size());
  for (const ethosu::Block& block : payload.blocks) {
    text += fmt::format("  {:<16} {:>10} bytes{}\n", block.name, block.bytes.size(),
                        block.external ? "  (a key of named data)" : "");
  }
  const auto ports = [&](const char* title, const std::vector<ethosu::Port>& list) {
    text += fmt::format("{} {}\n", title, list.size());
    for (const ethosu::Port& port : list) {
      text += fmt::format("  [{}]  {} bytes an element, region {} at {}\n",
                          fmt::join(port.shape, ","), port.element_bytes, port.region, port.offset);
    }
  };
  ports("inputs", payload.inputs);
  ports("outputs", payload.outputs);
  return text + fmt::format("scratch memory {} bytes\n", payload.scratch_bytes);
}

std::optional<std::vector<std::string>> keys_of_ethosu(const program::Program&,
                                                       const program::Delegate& delegate) {
  const auto payload = ethosu::decode(delegate.payload.bytes);
  if (!payload) return std::nullopt;
  std::vector<std::string> keys;
  for (const ethosu::Block& block : payload->blocks) {
    if (block.external) keys.emplace_back(as_text(block.bytes));
  }
  return keys;
}

}  // namespace pte::inspect
