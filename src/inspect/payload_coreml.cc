// Core ML payloads as text.
#include "backends/coreml/payload.h"

#include "inspect/payload_formats.h"

namespace pte::inspect {
namespace {

std::string feature_text(const std::vector<coreml::Feature>& features) {
  std::string text;
  for (const coreml::Feature& feature : features) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", feature.name, feature.type);
  }
  return text;
}

}  // namespace

PayloadSummary summarize_coreml(const program::Program&, const program::Delegate& delegate) {
  PayloadSummary out;
  const auto payload = coreml::decode(delegate.payload.bytes);
  if (!payload) {
    out.problem = payload.error().message;
    return out;
  }
  if (!payload->key.empty()) {
    out.format = "Core ML reference";
    out.facts = {{"function", payload->function}, {"model in named data", payload->key}};
    return out;
  }
  out.format = "Core ML " + (payload->format.empty() ? "files" : payload->format);
  out.inputs = payload->inputs.size();
  out.outputs = payload->outputs.size();
  out.constant_bytes = 0;  // they lie in the payload itself
  out.facts.emplace_back(
      "files", fmt::format("{}, weights {} bytes", payload->files.size(), payload->weight_bytes));
  if (!payload->spec_problem.empty()) out.problem = payload->spec_problem;
  if (payload->spec) {
    const coreml::Spec& spec = *payload->spec;
    std::vector<std::string> types;
    for (const coreml::Operation& operation : spec.operations) types.push_back(operation.type);
    out.nodes = spec.operations.size();
    out.operators = sorted_counts(std::move(types));
    out.constants = spec.constants;
    out.facts.emplace_back(
        "model", fmt::format("{} {}, specification {}", spec.kind, spec.opset, spec.version));
  }
  for (const program::CompileSpec& spec : delegate.compile_specs) {
    if (spec.value.size() > 0 && spec.value.size() < 100) {
      out.facts.emplace_back(spec.key, std::string(as_text(spec.value.bytes)));
    }
  }
  return out;
}

Result<std::string> list_coreml(const program::Program&, const program::Delegate& delegate) {
  PTE_TRY(const coreml::Payload payload, coreml::decode(delegate.payload.bytes));
  if (!payload.key.empty()) {
    return fmt::format("function {} of the model in named data '{}'\n", payload.function,
                       payload.key);
  }
  std::string text = fmt::format("identifier {}\ninputs {}\noutputs {}\nfiles {}\n",
                                 payload.identifier, fmt::join(payload.inputs, ", "),
                                 fmt::join(payload.outputs, ", "), payload.files.size());
  for (const coreml::File& file : payload.files) {
    text += fmt::format("  {:>10} bytes  {}\n", file.bytes.size(), file.path);
  }
  if (!payload.spec) {
    if (!payload.spec_problem.empty()) text += payload.spec_problem + "\n";
    return text;
  }
  const coreml::Spec& spec = *payload.spec;
  text += fmt::format("model {} {}, specification {}\n  {} -> {}\n", spec.kind, spec.opset,
                      spec.version, feature_text(spec.inputs), feature_text(spec.outputs));
  text +=
      fmt::format("nodes {} ({} constants not shown)\n", spec.operations.size(), spec.constants);
  for (size_t i = 0; i < spec.operations.size(); ++i) {
    text += fmt::format("  {:>4}  {:<22} {}\n", i, spec.operations[i].type,
                        fmt::join(spec.operations[i].outputs, ", "));
  }
  return text;
}

std::optional<std::vector<std::string>> keys_of_coreml(const program::Program&,
                                                       const program::Delegate& delegate) {
  const auto payload = coreml::decode(delegate.payload.bytes);
  if (!payload) return std::nullopt;
  return payload->key.empty() ? std::vector<std::string>() : std::vector{payload->key};
}

}  // namespace pte::inspect
