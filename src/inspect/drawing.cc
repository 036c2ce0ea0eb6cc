#include "inspect/drawing.h"

#include <map>
#include <set>

#include "inspect/dataflow.h"
#include "inspect/payloads.h"

namespace pte::inspect {
namespace {

using program::TensorValue;

constexpr const char* kMove = "move";

// "float32[1,8,4,4]"; nothing for numbers and lists.
std::string edge_label(const program::Method& method, int32_t value) {
  const auto* tensor = std::get_if<TensorValue>(&method.values[static_cast<size_t>(value)]);
  return tensor == nullptr ? std::string() : describe(tensor->dtype, tensor->sizes);
}

bool is_constant(const program::Value& value) {
  const auto* tensor = std::get_if<TensorValue>(&value);
  return tensor != nullptr && !tensor->allocation && (tensor->constant > 0 || tensor->external);
}

class Drawer {
 public:
  Drawer(const program::Program& program, const program::Method& method)
      : program_(program), method_(method) {}

  Drawing run() {
    out_.title = signature_text(method_);
    const Signature signature = signature_of(method_);
    for (size_t i = 0; i < signature.inputs.size(); ++i) {
      const Port& port = signature.inputs[i];
      wrote(port.value,
            add(DrawNode::Kind::kInput, port.name.empty() ? fmt::format("input {}", i) : port.name,
                value_text(method_.values[static_cast<size_t>(port.value)])));
    }
    const std::vector<Access> flow = data_flow(program_, method_);
    size_t at = 0;
    size_t first = 0;
    std::vector<std::pair<size_t, size_t>> jumps;
    std::vector<size_t> node_of;
    for (const program::Chain& chain : method_.chains) {
      for (const program::Instruction& instruction : chain.instructions) {
        const size_t node = this->instruction(instruction, flow[at]);
        node_of.push_back(node);
        if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
          jumps.emplace_back(node, first + static_cast<size_t>(jump->target));
        }
        ++at;
      }
      first = at;
    }
    for (const auto& [from, target] : jumps) {
      if (target < node_of.size()) out_.edges.push_back({from, node_of[target], "if false", true});
    }
    for (size_t i = 0; i < signature.outputs.size(); ++i) {
      const Port& port = signature.outputs[i];
      const size_t node =
          add(DrawNode::Kind::kOutput, port.name.empty() ? fmt::format("output {}", i) : port.name,
              value_text(method_.values[static_cast<size_t>(port.value)]));
      std::vector<int32_t> reads{port.value};
      const program::Value& value = method_.values[static_cast<size_t>(port.value)];
      if (const auto* list = std::get_if<program::TensorList>(&value)) reads = list->items;
      connect(reads, node);
    }
    return std::move(out_);
  }

 private:
  size_t add(DrawNode::Kind kind, std::string title, std::string detail) {
    out_.nodes.push_back({kind, std::move(title), std::move(detail)});
    return out_.nodes.size() - 1;
  }

  // Branches end with moves into one value: all of them made it.
  void moved(int32_t value, size_t node) {
    std::vector<size_t>& makers = writer_[value];
    const bool moves = !makers.empty() && out_.nodes[makers.back()].title == kMove;
    if (!moves) makers.clear();
    makers.push_back(node);
  }

  void wrote(int32_t value, size_t node) {
    writer_[value] = {node};
    const auto* tensor = std::get_if<TensorValue>(&method_.values[static_cast<size_t>(value)]);
    if (tensor != nullptr && tensor->allocation)
      places_[{tensor->allocation->memory_id, tensor->allocation->offset}] = node;
  }

  // The nodes that made what a value holds; a view is found by its place.
  std::vector<size_t> makers(int32_t value) const {
    const auto it = writer_.find(value);
    if (it != writer_.end()) return it->second;
    const auto* tensor = std::get_if<TensorValue>(&method_.values[static_cast<size_t>(value)]);
    if (tensor == nullptr || !tensor->allocation) return {};
    const auto place = places_.find({tensor->allocation->memory_id, tensor->allocation->offset});
    return place == places_.end() ? std::vector<size_t>() : std::vector<size_t>{place->second};
  }

  void connect(const std::vector<int32_t>& reads, size_t node) {
    std::set<size_t> seen;
    for (const int32_t value : reads) {
      for (const size_t from : makers(value)) {
        if (from == node || !seen.insert(from).second) continue;
        out_.edges.push_back({from, node, edge_label(method_, value), false});
      }
    }
  }

  size_t instruction(const program::Instruction& instruction, const Access& access) {
    size_t node = 0;
    if (const auto* call = std::get_if<program::KernelCall>(&instruction)) {
      std::string detail;
      for (const int32_t value : access.reads) {
        const program::Value& item = method_.values[static_cast<size_t>(value)];
        const auto* tensor = std::get_if<TensorValue>(&item);
        if (!is_constant(item) || tensor->sizes.empty() || detail.size() > 40) continue;
        detail += fmt::format("{}[{}]", detail.empty() ? "" : " ", fmt::join(tensor->sizes, ","));
      }
      node = add(DrawNode::Kind::kKernel,
                 short_operator(method_.operators[static_cast<size_t>(call->op)].full_name()),
                 std::move(detail));
    } else if (const auto* delegate = std::get_if<program::DelegateCall>(&instruction)) {
      node = add_delegate(*delegate);
    } else if (std::holds_alternative<program::MoveCall>(instruction)) {
      node = add(DrawNode::Kind::kControl, kMove, "");
    } else if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
      node = add(DrawNode::Kind::kControl, "jump if false", fmt::format("to {}", jump->target));
    } else {
      node = add(DrawNode::Kind::kControl, "free", "");
    }
    connect(access.reads, node);
    const bool move = std::holds_alternative<program::MoveCall>(instruction);
    for (const int32_t value : access.writes) move ? moved(value, node) : wrote(value, node);
    return node;
  }

  size_t add_delegate(const program::DelegateCall& call) {
    const auto index = static_cast<size_t>(call.delegate);
    auto it = summaries_.find(index);
    if (it == summaries_.end()) {
      const PayloadSummary payload = summarize_payload(program_, method_.delegates[index]);
      std::string detail;
      if (!payload.format.empty()) {
        detail = fmt::format("{} node{}", payload.nodes, payload.nodes == 1 ? "" : "s");
        for (size_t i = 0; i < payload.operators.size() && i < 2; ++i) {
          detail += fmt::format(", {} {}", payload.operators[i].first, payload.operators[i].second);
        }
      }
      it = summaries_.emplace(index, std::move(detail)).first;
    }
    return add(DrawNode::Kind::kDelegate, fmt::format("{} {}", method_.delegates[index].id, index),
               it->second);
  }

  const program::Program& program_;
  const program::Method& method_;
  Drawing out_;
  std::map<int32_t, std::vector<size_t>> writer_;
  std::map<std::pair<uint32_t, uint64_t>, size_t> places_;
  std::map<size_t, std::string> summaries_;
};

}  // namespace

Drawing draw_method(const program::Program& program, const program::Method& method) {
  return Drawer(program, method).run();
}

}  // namespace pte::inspect
