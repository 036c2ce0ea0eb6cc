#include "backends/xnnpack/lower.h"

#include <unordered_set>

#include "backends/xnnpack/emit.h"
#include "backends/xnnpack/support.h"

namespace pte::xnnpack {

GroupInterface interface_of(const ir::Module& module, const ir::Graph& graph, const Group& group) {
  const std::unordered_set<const ir::Node*> inside(group.nodes.begin(), group.nodes.end());
  std::unordered_set<const ir::Value*> seen;
  GroupInterface interface;
  for (const ir::Node* node : group.nodes) {
    for (ir::Value* input : node->inputs()) {
      if (!input->is_tensor() ||
          (input->producer() != nullptr && inside.count(input->producer()) != 0)) {
        continue;
      }
      if (frozen_data(module, input) != nullptr || !seen.insert(input).second) continue;
      interface.inputs.push_back(input);
    }
    for (ir::Value* result : node->results()) {
      bool read = graph.is_output(result);
      for (const ir::Node* user : result->users()) read = read || inside.count(user) == 0;
      if (read) interface.outputs.push_back(result);
    }
  }
  return interface;
}

StoredQuants stored_quants(const std::vector<Group>& groups) {
  StoredQuants quants;
  const auto add = [&](const ir::Value* value) {
    if (quants.count(value) != 0) return;
    if (const auto quant = stored_quant(value)) quants.emplace(value, *quant);
  };
  for (const Group& group : groups) {
    for (const ir::Node* node : group.nodes) {
      for (const ir::Value* input : node->inputs()) add(input);
      for (const ir::Value* result : node->results()) add(result);
    }
  }
  return quants;
}

Result<XnnGraph> lower_graph(const ir::Module& module, const ir::Graph& graph, const Group& group,
                             const GroupInterface& interface, const StoredQuants& quants) {
  XnnGraph out;
  out.num_externs = static_cast<uint32_t>(interface.inputs.size() + interface.outputs.size());
  if (out.num_externs > kMaxExterns) {
    return unsupported("an XNNPACK delegate with {} arguments, the runtime takes {}",
                       out.num_externs, kMaxExterns);
  }
  Emitter emitter(module, out, quants);
  emitter.fuse_clamps(graph, group.nodes);
  emitter.fuse_pads(graph, group.nodes);
  uint32_t external_id = 0;
  for (const ir::Value* input : interface.inputs) emitter.add_input(input, external_id++);
  for (const ir::Node* node : group.nodes) {
    PTE_CHECK(emitter.emit(*node).at(
        fmt::format("'{}' ({}) for XNNPACK", node->result()->name(), node->op().target())));
  }
  for (const ir::Value* output : interface.outputs) {
    PTE_CHECK(emitter.add_output(output, external_id++));
  }
  return out;
}

Result<ir::DelegatePayload> lower(const ir::Module& module, const ir::Graph& graph,
                                  const Group& group, const GroupInterface& interface,
                                  const StoredQuants& quants, WeightKeys keys) {
  PTE_TRY(XnnGraph lowered, lower_graph(module, graph, group, interface, quants));
  if (keys == WeightKeys::kAddress) {
    for (Constant& c : lowered.constants) {
      if (c.key.empty()) {
        c.key = fmt::format("{}+{}", static_cast<const void*>(c.data.data()), c.data.nbytes());
      }
    }
  }
  PTE_TRY(Encoded encoded, encode(lowered));
  ir::DelegatePayload payload;
  payload.backend = kBackendId;
  payload.bytes = std::move(encoded.bytes);
  payload.named_data = std::move(encoded.named_data);
  for (const ir::Node* node : group.nodes) payload.operators.push_back(node->op().target());
  return payload;
}

}  // namespace pte::xnnpack
