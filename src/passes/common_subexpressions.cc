#include <bit>
#include <unordered_map>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

size_t mix(size_t seed, size_t value) {
  return (seed ^ value) * 0x9E3779B97F4A7C15ULL + (seed >> 29);
}

// Equal for arguments that same_arg() calls equal.
size_t hash_arg(const Arg& arg) {
  size_t seed = arg.v.index() + 1;
  if (const ArgList* items = arg.list()) {
    for (const Arg& item : *items) seed = mix(seed, hash_arg(item));
    return seed;
  }
  if (const auto* value = std::get_if<Value*>(&arg.v)) {
    return mix(seed, std::hash<const Value*>()(*value));
  }
  if (const auto* number = std::get_if<int64_t>(&arg.v)) {
    return mix(seed, static_cast<size_t>(*number));
  }
  if (const auto* number = std::get_if<double>(&arg.v)) {
    return mix(seed, static_cast<size_t>(std::bit_cast<uint64_t>(*number)));
  }
  if (const auto* flag = std::get_if<bool>(&arg.v)) return mix(seed, *flag ? 1 : 0);
  if (const std::string* text = arg.text()) return mix(seed, std::hash<std::string>()(*text));
  if (const auto* dtype = std::get_if<DType>(&arg.v)) {
    return mix(seed, static_cast<size_t>(*dtype));
  }
  return seed;
}

size_t hash_node(const Node& node) {
  size_t seed = static_cast<size_t>(node.op().op) + 1;
  for (const Arg& arg : node.args()) seed = mix(seed, hash_arg(arg));
  return seed;
}

bool same_call(const Node& a, const Node& b) {
  if (a.op().op != b.op().op || a.args().size() != b.args().size() ||
      a.results().size() != b.results().size()) {
    return false;
  }
  for (size_t i = 0; i < a.args().size(); ++i) {
    if (!ir::same_arg(a.arg(i), b.arg(i))) return false;
  }
  for (size_t i = 0; i < a.results().size(); ++i) {
    if (a.result(i)->type() != b.result(i)->type()) return false;
  }
  return true;
}

bool is_pure(const Node& node) {
  constexpr uint32_t kImpure = kTagEffect | kTagInPlace | kTagRandom | kTagHigherOrder;
  return (node.op().tags & kImpure) == 0 && !node.results().empty();
}

}  // namespace

Result<int64_t> common_subexpressions(ir::Module& module) {
  return for_each_graph(module, [](Graph& graph) -> Result<int64_t> {
    // Where something writes in place, two equal reads may see different bytes.
    for (const Node* node = graph.front(); node != nullptr; node = node->next()) {
      if (node->op().has(kTagInPlace)) return 0;
    }
    const auto outputs = output_values(graph);
    std::unordered_multimap<size_t, Node*> seen;
    seen.reserve(graph.node_count());
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      if (!is_pure(*node)) continue;
      const size_t hash = hash_node(*node);
      Node* twin = nullptr;
      const auto [begin, end] = seen.equal_range(hash);
      for (auto it = begin; it != end && twin == nullptr; ++it) {
        if (same_call(*it->second, *node)) twin = it->second;
      }
      if (twin == nullptr) {
        seen.emplace(hash, node);
        continue;
      }
      // Two outputs of one program each have memory of their own.
      bool both_leave = false;
      for (size_t i = 0; i < node->results().size(); ++i) {
        both_leave |= outputs.contains(node->result(i));
      }
      if (both_leave) continue;
      replace(node, twin->results(), /*take_names=*/false);
      ++changes;
    }
    return changes;
  });
}

}  // namespace pte::passes
