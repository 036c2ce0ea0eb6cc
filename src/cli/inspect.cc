// `pte inspect`: what is in a program.
#include <algorithm>
#include <map>

#include "backends/xnnpack/payload.h"
#include "cli/command.h"
#include "cli/output.h"
#include "program/reader.h"

namespace pte::cli {
namespace {

using program::Method;
using program::Program;
using program::TensorValue;

std::string tensor_text(const TensorValue& tensor) {
  std::string text = describe(tensor.dtype, tensor.sizes);
  if (tensor.dynamism == program::Dynamism::kDynamicBound) text += " at most";
  return text;
}

std::string value_text(const program::Value& value) {
  if (const auto* tensor = std::get_if<TensorValue>(&value)) return tensor_text(*tensor);
  static constexpr std::string_view kKinds[] = {
      "none", "int",    "bool",  "float",   "tensor",          "string",
      "ints", "floats", "bools", "tensors", "optional tensors"};
  return std::string(kKinds[value.index()]);
}

std::string signature(const Method& method) {
  const auto list = [&](const std::vector<int32_t>& indices) {
    std::string text;
    for (size_t i = 0; i < indices.size(); ++i) {
      if (i > 0) text += ", ";
      text += value_text(method.values[static_cast<size_t>(indices[i])]);
    }
    return text;
  };
  return fmt::format("{}({}) -> ({})", method.name, list(method.inputs), list(method.outputs));
}

// Counts by name, most frequent first.
using Counts = std::vector<std::pair<std::string, int>>;

Counts sorted_counts(const std::map<std::string, int>& counts) {
  Counts rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return rows;
}

Counts kernel_counts(const Method& method) {
  std::map<std::string, int> counts;
  for (const program::Chain& chain : method.chains) {
    for (const program::Instruction& instruction : chain.instructions) {
      if (const auto* call = std::get_if<program::KernelCall>(&instruction)) {
        ++counts[method.operators[static_cast<size_t>(call->op)].full_name()];
      }
    }
  }
  return sorted_counts(counts);
}

// Node kinds inside an XNNPACK payload; nothing for other backends or payloads that do not parse.
std::optional<Counts> payload_counts(const Program& program, const program::Delegate& delegate) {
  if (delegate.id != xnnpack::kBackendId) return std::nullopt;
  const auto graph = xnnpack::decode(
      delegate.payload.bytes, delegate.payload.owner, [&](std::string_view key) -> Result<Tensor> {
        const program::Blob* blob = program.find_named_data(key);
        if (blob == nullptr)
          return make_error(Code::kNotFound, "named data '{}' is not in the file", key);
        const auto size = static_cast<int64_t>(blob->bytes.size());
        return Tensor::view(DType::kUInt8, {size}, {1}, blob->bytes.data(), blob->owner);
      });
  if (!graph) return std::nullopt;
  std::map<std::string, int> counts;
  for (const xnnpack::XnnNode& node : graph->nodes)
    ++counts[std::string(xnnpack::node_name(node.kind))];
  return sorted_counts(counts);
}

// Bytes of the planned tensors alive at each instruction, from its first to its last mention.
std::vector<uint64_t> memory_over_time(const Method& method) {
  std::vector<std::vector<int32_t>> touched;
  for (const program::Chain& chain : method.chains) {
    for (const program::Instruction& instruction : chain.instructions) {
      auto& indices = touched.emplace_back();
      if (const auto* kernel = std::get_if<program::KernelCall>(&instruction))
        indices = kernel->args;
      if (const auto* delegate = std::get_if<program::DelegateCall>(&instruction))
        indices = delegate->args;
    }
  }
  struct Life {
    size_t first = SIZE_MAX, last = 0;
    uint64_t bytes = 0;
  };
  std::map<int32_t, Life> lives;
  const auto touch = [&](int32_t index, size_t when) {
    const auto* tensor = std::get_if<TensorValue>(&method.values[static_cast<size_t>(index)]);
    if (tensor == nullptr || !tensor->allocation) return;
    Life& life = lives[index];
    life.bytes = tensor->nbytes();
    life.first = std::min(life.first, when);
    life.last = std::max(life.last, when);
  };
  for (const int32_t input : method.inputs) touch(input, 0);
  for (size_t i = 0; i < touched.size(); ++i) {
    for (const int32_t index : touched[i]) touch(index, i);
  }
  for (const int32_t output : method.outputs)
    touch(output, touched.empty() ? 0 : touched.size() - 1);
  std::vector<uint64_t> live(touched.size(), 0);
  for (const auto& [index, life] : lives) {
    for (size_t i = life.first; i <= life.last && i < live.size(); ++i) live[i] += life.bytes;
  }
  return live;
}

nlohmann::json counts_json(const Counts& counts) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

std::string counts_text(const Counts& counts, size_t width) {
  std::string text;
  for (const auto& [name, count] : counts) {
    const std::string piece = fmt::format("{} {}", name, count);
    if (!text.empty() && text.size() + piece.size() + 2 > width) return text + "  …";
    text += (text.empty() ? "" : "  ") + piece;
  }
  return text;
}

size_t total_bytes(const std::vector<program::Blob>& blobs) {
  size_t bytes = 0;
  for (const program::Blob& blob : blobs) bytes += blob.bytes.size();
  return bytes;
}

size_t named_bytes(const Program& program) {
  size_t bytes = 0;
  for (const program::NamedData& data : program.named_data) bytes += data.data.bytes.size();
  return bytes;
}

nlohmann::json value_json(const program::Value& value) {
  nlohmann::json object = {{"type", value_text(value)}};
  if (const auto* tensor = std::get_if<TensorValue>(&value)) {
    object = {{"dtype", dtype_name(tensor->dtype)},
              {"shape", tensor->sizes},
              {"dim_order", tensor->dim_order},
              {"dynamic", tensor->dynamism != program::Dynamism::kStatic}};
  }
  return object;
}

nlohmann::json method_json(const Program& program, const Method& method) {
  nlohmann::json object = {{"name", method.name},
                           {"inputs", nlohmann::json::array()},
                           {"outputs", nlohmann::json::array()},
                           {"delegates", nlohmann::json::array()},
                           {"operators", counts_json(kernel_counts(method))},
                           {"arena_sizes", method.arena_sizes},
                           {"values", method.values.size()}};
  for (const int32_t i : method.inputs)
    object["inputs"].push_back(value_json(method.values[static_cast<size_t>(i)]));
  for (const int32_t i : method.outputs)
    object["outputs"].push_back(value_json(method.values[static_cast<size_t>(i)]));
  size_t instructions = 0;
  for (const program::Chain& chain : method.chains) instructions += chain.instructions.size();
  object["instructions"] = instructions;
  for (const program::Delegate& delegate : method.delegates) {
    nlohmann::json row = {{"id", delegate.id}, {"bytes", delegate.payload.bytes.size()}};
    if (const auto counts = payload_counts(program, delegate)) row["nodes"] = counts_json(*counts);
    object["delegates"].push_back(std::move(row));
  }
  return object;
}

// One character a step, eight heights.
std::string chart(const std::vector<uint64_t>& values, size_t width) {
  static constexpr std::string_view kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const uint64_t top = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  if (top == 0) return {};
  const size_t columns = std::min(width, values.size());
  std::string text;
  for (size_t c = 0; c < columns; ++c) {
    uint64_t high = 0;
    for (size_t i = c * values.size() / columns; i < (c + 1) * values.size() / columns; ++i)
      high = std::max(high, values[i]);
    text += kBars[high == 0 ? 0 : (high * 8 - 1) / top];
  }
  return text;
}

void print_method(const Program& program, const Method& method) {
  print("{}\n", bold(signature(method)));
  for (size_t i = 0; i < method.delegates.size(); ++i) {
    const program::Delegate& delegate = method.delegates[i];
    const auto counts = payload_counts(program, delegate);
    int nodes = 0;
    for (const auto& [kind, count] : counts.value_or(Counts{})) nodes += count;
    print("  {}{}  {}  {}\n", pad_right(i == 0 ? "delegates" : "", 12), delegate.id,
          human_bytes(delegate.payload.bytes.size()), counts ? fmt::format("{} nodes", nodes) : "");
    if (counts) print("  {}{}\n", pad_right("", 12), dim(counts_text(*counts, 64)));
  }
  const Counts kernels = kernel_counts(method);
  print("  {}{}\n", pad_right(method.delegates.empty() ? "operators" : "outside", 12),
        kernels.empty() ? "nothing" : counts_text(kernels, 64));
  int64_t arena = 0;
  for (const int64_t size : method.arena_sizes) arena += size;
  print("  {}{} planned  {}\n", pad_right("memory", 12), human_bytes(static_cast<uint64_t>(arena)),
        chart(memory_over_time(method), 40));
}

Result<int> inspect(const Context& context, const std::string& path) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  PTE_TRY(const Program program, program::read_program(file));
  if (context.json) {
    nlohmann::json object = {
        {"file", path},
        {"bytes", file.bytes().size()},
        {"constants",
         {{"count", program.constants.size() - 1}, {"bytes", total_bytes(program.constants)}}},
        {"methods", nlohmann::json::array()},
        {"named_data", nlohmann::json::array()}};
    for (const Method& method : program.methods)
      object["methods"].push_back(method_json(program, method));
    for (const program::NamedData& data : program.named_data) {
      object["named_data"].push_back({{"key", data.key}, {"bytes", data.data.bytes.size()}});
    }
    print_json(object);
    return kFine;
  }
  print("{}   {}   ExecuTorch program, {} method{}\n", path, human_bytes(file.bytes().size()),
        program.methods.size(), program.methods.size() == 1 ? "" : "s");
  for (const Method& method : program.methods) print_method(program, method);
  print("{}{} in {} constants, {} in {} named blobs\n", pad_right("data", 14),
        human_bytes(total_bytes(program.constants)), program.constants.size() - 1,
        human_bytes(named_bytes(program)), program.named_data.size());
  return kFine;
}

}  // namespace

void add_inspect(Commands& commands) {
  CLI::App* command = commands.add("inspect", "Show what is in a .pte file",
                                   "pte inspect model_xnnpack.pte --json");
  auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "A program")->required();
  commands.set_body(command, [&commands, file] { return inspect(commands.context(), *file); });
}

}  // namespace pte::cli
