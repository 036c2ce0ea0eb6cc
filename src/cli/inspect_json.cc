// `pte inspect --json`: everything that the text shows, and more.
#include "cli/inspect.h"
#include "cli/output.h"
#include "inspect/memory.h"
#include "inspect/payloads.h"
#include "inspect/signature.h"
#include "inspect/weights.h"
#include "program/backends.h"

namespace pte::cli {
namespace {

using nlohmann::json;
using program::Method;
using program::Program;

json value_json(const program::Value& value, const std::string& name) {
  json object = {{"type", program::kind_name(value)}};
  if (const auto* tensor = std::get_if<program::TensorValue>(&value)) {
    object = {{"type", "Tensor"},
              {"dtype", dtype_name(tensor->dtype)},
              {"shape", tensor->sizes},
              {"dim_order", tensor->dim_order},
              {"dynamic", tensor->dynamism != program::Dynamism::kStatic}};
  }
  if (const auto* integer = std::get_if<int64_t>(&value)) object["value"] = *integer;
  if (const auto* real = std::get_if<double>(&value)) object["value"] = *real;
  if (const auto* boolean = std::get_if<bool>(&value)) object["value"] = *boolean;
  if (const auto* text = std::get_if<std::string>(&value)) object["value"] = *text;
  if (!name.empty()) object["name"] = name;
  return object;
}

json delegate_json(const Program& program, const program::Delegate& delegate, int64_t calls) {
  const inspect::PayloadSummary payload = inspect::summarize_payload(program, delegate);
  json row = {{"id", delegate.id},
              {"bytes", delegate.payload.size()},
              {"inline", delegate.is_inline},
              {"calls", calls},
              {"runs_on", program::describe_backend(delegate.id)}};
  if (!payload.format.empty()) {
    row["format"] = payload.format;
    row["nodes"] = counts_json(payload.operators);
    row["node_count"] = payload.nodes;
    row["constants"] = {{"count", payload.constants}, {"bytes", payload.constant_bytes}};
    row["datatypes"] = counts_json(payload.datatypes);
    row["inputs"] = payload.inputs;
    row["outputs"] = payload.outputs;
  }
  for (const auto& [key, value] : payload.facts) row["facts"][key] = value;
  if (!payload.problem.empty()) row["problem"] = payload.problem;
  row["compile_specs"] = json::array();
  for (const program::CompileSpec& spec : delegate.compile_specs) {
    row["compile_specs"].push_back({{"key", spec.key}, {"bytes", spec.value.size()}});
  }
  return row;
}

json method_json(const Program& program, const Method& method) {
  const inspect::MemoryTimeline memory = inspect::memory_timeline(method);
  json object = {{"name", method.name},
                 {"signature", inspect::signature_text(method)},
                 {"inputs", json::array()},
                 {"outputs", json::array()},
                 {"delegates", json::array()},
                 {"operators", counts_json(inspect::operator_counts(method))},
                 {"control", counts_json(inspect::control_counts(method))},
                 {"instructions", inspect::instruction_count(method)},
                 {"arena_sizes", method.arena_sizes},
                 {"values", method.values.size()},
                 {"memory",
                  {{"planned", memory.planned},
                   {"peak", memory.peak},
                   {"peak_at", memory.peak_at},
                   {"live", memory.live}}}};
  const inspect::Signature signature = inspect::signature_of(method);
  for (const inspect::Port& port : signature.inputs) {
    object["inputs"].push_back(
        value_json(method.values[static_cast<size_t>(port.value)], port.name));
  }
  for (const inspect::Port& port : signature.outputs) {
    object["outputs"].push_back(
        value_json(method.values[static_cast<size_t>(port.value)], port.name));
  }
  const std::vector<int64_t> calls = inspect::delegate_calls(method);
  for (size_t i = 0; i < method.delegates.size(); ++i) {
    object["delegates"].push_back(delegate_json(program, method.delegates[i], calls[i]));
  }
  return object;
}

json part_json(const inspect::FilePart& part) {
  json object = {{"name", part.name}, {"offset", part.offset}, {"bytes", part.bytes}};
  for (const inspect::FilePart& child : part.children) {
    object["parts"].push_back(part_json(child));
  }
  return object;
}

}  // namespace

json counts_json(const inspect::Counts& counts) {
  json object = json::object();
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

json inspect_json(const Inspected& inspected) {
  const Program& program = inspected.program;
  uint64_t constant_bytes = 0;
  for (const program::Blob& blob : program.constants) constant_bytes += blob.size();
  json object = {
      {"file", inspected.path},
      {"format", "pte"},
      {"bytes", inspected.file.bytes().size()},
      {"header", inspected.header},
      {"version", program.version},
      {"constants", {{"count", program.constants.size() - 1}, {"bytes", constant_bytes}}},
      {"methods", json::array()},
      {"named_data", json::array()},
      {"weights", json::array()}};
  for (const Method& method : program.methods)
    object["methods"].push_back(method_json(program, method));
  for (const program::NamedData& data : program.named_data) {
    object["named_data"].push_back({{"key", data.key}, {"bytes", data.data.size()}});
  }
  for (const inspect::Weight& weight : inspect::list_weights(program)) {
    object["weights"].push_back({{"name", weight.name},
                                 {"place", weight.place},
                                 {"type", weight.type},
                                 {"bytes", weight.data.nbytes()}});
  }
  if (inspected.bundle) {
    object["format"] = "bpte";
    object["suites"] = suites_json(*inspected.bundle);
  }
  object["tree"] = part_json(inspect::map_file(inspected.file, program, SIZE_MAX - 1));
  return object;
}

}  // namespace pte::cli
