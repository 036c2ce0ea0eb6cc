#include "backends/xnnpack/partition.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "backends/xnnpack/filters.h"
#include "backends/xnnpack/lower.h"
#include "backends/xnnpack/support.h"

namespace pte::xnnpack {

using ir::Graph;
using ir::Module;
using ir::Node;
using ir::Value;

namespace {

// Symbolic nodes that only serve sizes of calls inside groups: lowering reads those sizes from the
// types, so the nodes go away.
bool only_sizes_groups(const Graph& graph, const Node* node,
                       const std::unordered_map<const Node*, size_t>& group_of,
                       std::unordered_map<const Node*, bool>& known) {
  if (auto it = known.find(node); it != known.end()) return it->second;
  bool dead = node->op().has(kTagSymbolic) && !node->op().has(kTagEffect);
  for (const Value* result : node->results()) {
    dead = dead && !graph.is_output(result) && !result->is_tensor();
    for (const Node* user : result->users()) {
      dead = dead && (group_of.count(user) != 0 || only_sizes_groups(graph, user, group_of, known));
    }
  }
  known[node] = dead;
  return dead;
}

}  // namespace

PartitionResult partition(const Module& module, const Graph& graph) {
  PartitionResult result;
  const std::vector<Node*> nodes = graph.nodes();
  std::unordered_map<const Node*, size_t> index;
  for (size_t i = 0; i < nodes.size(); ++i) index[nodes[i]] = i;

  std::vector<std::optional<std::string>> reasons;
  for (const Node* node : nodes) reasons.push_back(reject_reason(module, *node));

  // Stages: group s runs after every other node of stage s - 1 and before those of stage s. A node
  // of ours goes into the first stage in which all that it reads is there; the number of groups is
  // then the longest alternation along any path, which no partition can beat.
  std::vector<int> stage(nodes.size(), 0);
  int barrier = -1;  // stage of the last node that writes into a tensor: no one moves across it
  int highest = -1;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const bool ours = !reasons[i];
    int s = ours ? barrier + 1 : barrier;
    for (const Value* input : nodes[i]->inputs()) {
      const Node* producer = input->producer();
      if (producer == nullptr || (ours && !input->is_tensor())) continue;
      const size_t p = index[producer];
      const bool foreign = reasons[p].has_value();
      s = std::max(s, stage[p] + (ours && foreign ? 1 : 0));
    }
    if (nodes[i]->op().has(kTagInPlace)) {
      s = std::max(s, highest);
      barrier = s;
    }
    stage[i] = s;
    highest = std::max(highest, s);
  }

  std::vector<size_t> sequence(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) sequence[i] = i;
  std::stable_sort(sequence.begin(), sequence.end(), [&](size_t a, size_t b) {
    if (stage[a] != stage[b]) return stage[a] < stage[b];
    return !reasons[a] && reasons[b];
  });

  std::unordered_map<const Node*, size_t> group_of;
  int current = -1;
  for (size_t i : sequence) {
    result.order.push_back(nodes[i]);
    if (reasons[i]) continue;
    if (result.groups.empty() || stage[i] != current) result.groups.emplace_back();
    current = stage[i];
    result.groups.back().nodes.push_back(nodes[i]);
    group_of[nodes[i]] = result.groups.size() - 1;
  }

  std::unordered_map<const Node*, bool> dead;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!reasons[i] || only_sizes_groups(graph, nodes[i], group_of, dead)) continue;
    const Node& node = *nodes[i];
    result.rejected.push_back({node.op().target(),
                               node.results().empty() ? std::string() : node.result()->name(),
                               node.location(), *reasons[i]});
  }
  return result;
}

namespace {

// Sizes in our calls' arguments that other nodes compute are read from the result types, so they
// become literals: -1 where the size is dynamic.
void forget_sizes(Node& node) {
  for (size_t i = 0; i < node.args().size(); ++i) {
    const ir::ArgList* list = node.arg(i).list();
    if (list == nullptr) continue;
    bool symbolic = false;
    for (const ir::Arg& item : *list) {
      symbolic = symbolic || (item.value() != nullptr && !item.value()->is_tensor());
    }
    if (!symbolic) continue;
    std::vector<int64_t> sizes;
    for (const ir::SymInt& size : node.result()->tensor().sizes) {
      sizes.push_back(size.constant().value_or(-1));
    }
    node.set_arg(i, ir::Arg::ints(sizes));
  }
}

// Returns what it has erased, so that callers can tell live nodes from dead ones.
std::unordered_set<const Node*> erase_dead_sizes(Graph& graph) {
  std::unordered_set<const Node*> erased;
  std::vector<Node*> nodes = graph.nodes();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    Node* node = *it;
    if (!node->op().has(kTagSymbolic) || node->op().has(kTagEffect)) continue;
    const bool used = std::any_of(node->results().begin(), node->results().end(),
                                  [&](const Value* v) { return graph.has_uses(v); });
    if (used) continue;
    erased.insert(node);
    graph.erase(node);
  }
  return erased;
}

}  // namespace

Status apply(Module& module, Graph& graph, const PartitionResult& parts, WeightKeys keys) {
  for (const Group& group : parts.groups) {
    for (Node* node : group.nodes) forget_sizes(*node);
  }
  const auto erased = erase_dead_sizes(graph);
  for (Node* node : parts.order) {
    if (erased.count(node) == 0) graph.move_before(node, nullptr);
  }
  StoredQuants quants = stored_quants(parts.groups);
  for (const Group& group : parts.groups) {
    const GroupInterface interface = interface_of(module, graph, group);
    PTE_CHECK(order_filters(module, graph, group.nodes));
    PTE_TRY(ir::DelegatePayload payload, lower(module, graph, group, interface, quants, keys));
    const auto delegate = static_cast<int64_t>(module.delegates.size());
    module.delegates.push_back(std::move(payload));

    std::vector<ir::Type> types;
    std::vector<std::string> names;
    for (const Value* output : interface.outputs) {
      types.push_back(output->type());
      names.push_back(output->name());
    }
    Node* call = graph.add_node(info(Op::pte_call_delegate),
                                {ir::Arg(delegate), ir::Arg::values(interface.inputs)},
                                std::move(types), names, group.nodes.front());
    for (size_t i = 0; i < interface.outputs.size(); ++i) {
      graph.replace_uses(interface.outputs[i], call->result(i));
      const auto quant = quants.find(interface.outputs[i]);
      if (quant != quants.end()) quants[call->result(i)] = PerTensorQuant(quant->second);
    }
    for (auto it = group.nodes.rbegin(); it != group.nodes.rend(); ++it) graph.erase(*it);
    for (size_t i = 0; i < names.size(); ++i) graph.rename(call->result(i), names[i]);
  }
  return {};
}

}  // namespace pte::xnnpack
