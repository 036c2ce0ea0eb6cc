#include "inspect/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "inspect/payloads.h"
#include "schema/ops.h"

namespace pte::inspect {
namespace {

using program::TensorValue;

class Collector {
 public:
  Collector(const program::Program& program, std::vector<std::string>* problems)
      : program_(program), problems_(problems) {}

  std::vector<Weight> run() {
    for (const program::Method& method : program_.methods) find_uses(method);
    for (const program::Method& method : program_.methods) constants(method);
    for (const program::Method& method : program_.methods) delegates(method);
    named_data();
    return std::move(out_);
  }

 private:
  void add(std::string name, bool named, std::string place, Tensor data, std::string type,
           bool initial = false) {
    if (!names_.insert(name).second) {
      int suffix = 2;
      std::string fresh;
      do {
        fresh = fmt::format("{}_{}", name, suffix++);
      } while (!names_.insert(fresh).second);
      name = std::move(fresh);
    }
    out_.push_back(
        {std::move(name), named, std::move(place), std::move(data), std::move(type), initial});
  }

  // "convolution_3.weight" for the value that the third convolution takes as its weight.
  void find_uses(const program::Method& method) {
    std::map<std::string, int> counts;
    std::map<int32_t, std::string>& uses = uses_[&method];
    for (const program::Chain& chain : method.chains) {
      for (const program::Instruction& instruction : chain.instructions) {
        const auto* call = std::get_if<program::KernelCall>(&instruction);
        if (call == nullptr) continue;
        const std::string full = method.operators[static_cast<size_t>(call->op)].full_name();
        const size_t colons = full.find("::");
        std::string word = colons == std::string::npos ? full : full.substr(colons + 2);
        word = word.substr(0, word.find('.'));
        const int number = counts[word]++;
        const OpInfo* op = find_op_by_out(full);
        for (size_t i = 0; i < call->args.size(); ++i) {
          std::string argument = fmt::format("{}", i);
          if (op != nullptr && i < op->out_args.size())
            argument = op->args[static_cast<size_t>(op->out_args[i])].name;
          uses.try_emplace(call->args[i], fmt::format("{}_{}.{}", word, number, argument));
        }
      }
    }
  }

  void constants(const program::Method& method) {
    for (size_t i = 0; i < method.values.size(); ++i) {
      const auto* tensor = std::get_if<TensorValue>(&method.values[i]);
      if (tensor == nullptr || tensor->external || tensor->constant == 0) continue;
      const bool initial = tensor->allocation.has_value();
      const auto& table = initial ? program_.mutable_data : program_.constants;
      if (!seen_[initial].insert(tensor->constant).second) continue;
      const program::Blob& blob = table[tensor->constant];
      const auto it = uses_[&method].find(static_cast<int32_t>(i));
      std::string name = tensor->name;
      if (name.empty() && it != uses_[&method].end()) name = it->second;
      const std::string place =
          fmt::format("{} {}", initial ? "mutable data" : "constant", tensor->constant);
      if (name.empty()) name = fmt::format("constant_{}", tensor->constant);
      Tensor data =
          Tensor::view(tensor->dtype, tensor->sizes, strides_of(tensor->sizes, tensor->dim_order),
                       blob.bytes.data(), blob.owner);
      add(std::move(name), !tensor->name.empty(), place, data, data.describe(), initial);
    }
  }

  void delegates(const program::Method& method) {
    for (size_t i = 0; i < method.delegates.size(); ++i) {
      const program::Delegate& delegate = method.delegates[i];
      if (delegate.id != xnnpack::kBackendId) continue;
      // Methods may share a payload.
      if (!payloads_.insert(delegate.payload.bytes.data()).second) continue;
      const auto graph = decode_xnnpack(program_, delegate);
      if (!graph) {
        if (problems_ != nullptr) {
          problems_->push_back(
              fmt::format("{} delegate {}: {}", method.name, i, graph.error().message));
        }
        continue;
      }
      xnnpack(*graph, fmt::format("{} {}", delegate.id, i), i);
    }
  }

  void xnnpack(const xnnpack::XnnGraph& graph, const std::string& place, size_t index) {
    static constexpr std::string_view kRoles[] = {"input", "weight", "bias"};
    std::map<uint32_t, std::string> uses;  // by value
    std::map<std::string, int> counts;
    for (const xnnpack::XnnNode& node : graph.nodes) {
      const std::string kind(xnnpack::node_name(node.kind));
      const int number = counts[kind]++;
      const bool weighted = node.kind == xnnpack::NodeKind::kFullyConnected ||
                            node.kind == xnnpack::NodeKind::kConv2d ||
                            node.kind == xnnpack::NodeKind::kDepthwiseConv2d ||
                            node.kind == xnnpack::NodeKind::kConvTranspose2d;
      for (size_t k = 0; k < node.inputs.size(); ++k) {
        const std::string role = weighted && k < 3 ? std::string(kRoles[k]) : fmt::format("{}", k);
        uses.try_emplace(node.inputs[k],
                         fmt::format("xnnpack{}.{}_{}.{}", index, kind, number, role));
      }
    }
    for (uint32_t id = 0; id < graph.values.size(); ++id) {
      const xnnpack::XnnValue& value = graph.values[id];
      if (value.constant == xnnpack::kNone) continue;
      const Tensor& bytes = graph.constants[value.constant].data;
      const std::string& key = graph.constants[value.constant].key;
      taken_.insert(key);
      const auto it = uses.find(id);
      std::string name =
          it == uses.end() ? fmt::format("xnnpack{}.constant_{}", index, id) : it->second;
      add(std::move(name), false, fmt::format("{} constant {}", place, value.constant),
          typed(value, bytes),
          fmt::format("{}[{}]", xnnpack::datatype_name(value.datatype),
                      fmt::join(value.dims, ",")));
    }
  }

  static Tensor typed(const xnnpack::XnnValue& value, const Tensor& bytes) {
    using xnnpack::Datatype;
    std::optional<DType> dtype;
    switch (value.datatype) {
      case Datatype::kFloat32:
        dtype = DType::kFloat32;
        break;
      case Datatype::kFloat16:
        dtype = DType::kFloat16;
        break;
      case Datatype::kBFloat16:
        dtype = DType::kBFloat16;
        break;
      case Datatype::kQInt8:
      case Datatype::kQCInt8:
        dtype = DType::kInt8;
        break;
      case Datatype::kQUInt8:
        dtype = DType::kUInt8;
        break;
      case Datatype::kQInt32:
      case Datatype::kQCInt32:
      case Datatype::kInt32:
        dtype = DType::kInt32;
        break;
      default:
        break;
    }
    const Sizes sizes(value.dims.begin(), value.dims.end());
    const auto wanted = dtype ? byte_count(*dtype, sizes) : std::nullopt;
    if (!wanted || *wanted > bytes.nbytes()) return bytes;
    return Tensor::view(*dtype, sizes, contiguous_strides(sizes), bytes.data(), bytes.owner());
  }

  // What no payload that could be read has taken.
  void named_data() {
    for (const program::NamedData& entry : program_.named_data) {
      if (taken_.contains(entry.key)) continue;
      const auto size = static_cast<int64_t>(entry.data.size());
      Tensor data =
          Tensor::view(DType::kUInt8, {size}, {1}, entry.data.bytes.data(), entry.data.owner);
      add(entry.key, true, "named data", data, fmt::format("{} bytes", size));
    }
  }

  const program::Program& program_;
  std::vector<std::string>* problems_;
  std::vector<Weight> out_;
  std::set<std::string, std::less<>> names_;
  std::map<const program::Method*, std::map<int32_t, std::string>> uses_;
  std::map<bool, std::set<uint32_t>> seen_;
  std::set<const std::byte*> payloads_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace

std::vector<Weight> list_weights(const program::Program& program,
                                 std::vector<std::string>* problems) {
  return Collector(program, problems).run();
}

}  // namespace pte::inspect
