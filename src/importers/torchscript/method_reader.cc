#include "importers/torchscript/method_reader.h"

#include <algorithm>
#include <set>

#include "importers/torchscript/first_call.h"
#include "importers/torchscript/method_call.h"

namespace pte::importers::script {
namespace {

constexpr int kMostRounds = 6;

// Nodes whose results nothing reads.
void drop_unread(ir::Graph& graph) {
  std::vector<ir::Node*> nodes = graph.nodes();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    if ((*it)->op().has(kTagEffect) || (*it)->op().has(kTagInPlace)) continue;
    const auto& results = (*it)->results();
    if (std::none_of(results.begin(), results.end(),
                     [&](const ir::Value* value) { return graph.has_uses(value); })) {
      graph.erase(*it);
    }
  }
}

using Left = std::map<std::string, const ir::Value*>;

// What a call leaves in buffers, with what is in `left`.
Left all_left(const ir::Graph& graph, Left left) {
  for (const ir::Output& output : graph.outputs()) {
    if (output.kind != ir::OutputKind::kUser) left[output.target] = output.value;
  }
  return left;
}

// The buffers that one call writes and the other leaves alone.
void add_unwritten(Left& left, const Left& other, Call& call) {
  for (const auto& [key, value] : other) {
    const auto constant = call.module.constants.find(key);
    if (left.contains(key) || constant == call.module.constants.end()) continue;
    left[key] = call.graph().constant(key, ir::TensorType::of(constant->second.data));
  }
}

// What a call returns and leaves, in one order for every call of the method.
Side side_of(Call& call, const Left& left) {
  Side side{call.module, {}};
  for (const ir::Output& output : call.graph().outputs()) {
    if (output.kind == ir::OutputKind::kUser && output.value != nullptr)
      side.results.push_back(output.value);
  }
  for (const auto& [key, value] : left) side.results.push_back(value);
  return side;
}

// The number and the literals of the outputs, so that two graphs can be compared by their results.
bool same_outputs(const ir::Graph& a, const ir::Graph& b) {
  std::vector<const ir::Output*> mine, others;
  for (const ir::Output& output : a.outputs()) {
    if (output.kind == ir::OutputKind::kUser) mine.push_back(&output);
  }
  for (const ir::Output& output : b.outputs()) {
    if (output.kind == ir::OutputKind::kUser) others.push_back(&output);
  }
  return std::equal(mine.begin(), mine.end(), others.begin(), others.end(),
                    [](const ir::Output* one, const ir::Output* other) {
                      return (one->value == nullptr) == (other->value == nullptr) &&
                             ir::same_arg(one->literal, other->literal);
                    });
}

// Puts a method that was read into the module of all.
Status add_to(ir::Module& module, Call& call, const std::string& name) {
  drop_unread(call.graph());
  call.graph().drop_unused_constants();
  call.module.drop_unused_constants();
  for (auto& [key, constant] : call.module.constants) {
    const auto [held, fresh] = module.constants.emplace(key, constant);
    if (!fresh && constant.kind == ir::Constant::Kind::kBuffer)
      held->second.kind = ir::Constant::Kind::kBuffer;
  }
  for (const auto& [symbol, range] : call.module.symbols) module.symbols[symbol] = range;
  module.methods[name] = std::move(call.module.methods[name]);
  return {};
}

}  // namespace

Status read_method(Archive& archive, const std::string& name, const ImportOptions& options,
                   InputCursor& inputs, ir::Module& module) {
  const InputCursor begin = inputs;
  Forms start;
  for (int round = 0; round < kMostRounds; ++round) {
    Call first(archive, name, options, module.symbols);
    inputs = begin;
    PTE_CHECK(first.run(start, inputs));
    if (first.changes().empty()) return add_to(module, first, name);

    Forms next = start;
    for (const auto& [index, change] : first.changes()) next[index] = change.after;
    Call later(archive, name, options, module.symbols);
    inputs = begin;
    PTE_CHECK(later.run(next, inputs));
    if (!later.changes().empty()) {
      // Numbers that go on changing are held in buffers from the first call on.
      for (const auto& [index, change] : later.changes()) {
        const auto earlier = first.changes().find(index);
        std::optional<Form> open;
        const auto given = start.find(index);
        if (earlier != first.changes().end()) {
          open = opened(given != start.end() ? given->second : earlier->second.before,
                        earlier->second.after, change.after);
        }
        if (!open) {
          return unsupported(
              "the attribute '{}' has no form that lasts: {}{} comes after {}, and a program's "
              "buffers have one size",
              later.attribute(index),
              earlier == first.changes().end() ? ""
                                               : describe(earlier->second.before) + " at first, ",
              describe(change.after), describe(change.before));
        }
        start[index] = std::move(*open);
      }
      continue;
    }

    std::set<std::string> unknown;
    Left left;
    for (const auto& [index, change] : first.changes()) {
      for (size_t i = 0; i < change.keys.size(); ++i) {
        unknown.insert(change.keys[i]);
        left[change.keys[i]] = change.values[i];
      }
    }
    left = all_left(first.graph(), std::move(left));
    Left kept = all_left(later.graph(), {});
    add_unwritten(kept, left, later);
    add_unwritten(left, kept, first);
    if (left.size() == kept.size() && same_outputs(first.graph(), later.graph())) {
      auto data = initial_state(side_of(first, left), side_of(later, kept), unknown);
      if (data) {
        for (auto& [key, tensor] : *data) later.module.constants.at(key).data = std::move(tensor);
        return add_to(module, later, name);
      }
    }
    Call both(archive, name, options, module.symbols);
    inputs = begin;
    std::set<std::string> written;
    for (const auto& [key, value] : left) written.insert(key);
    PTE_CHECK(both.run_both(start, next, written, inputs));
    return add_to(module, both, name);
  }
  return unsupported("the module's attributes change in more ways than can be followed");
}

Result<std::vector<std::string>> method_names(Archive& archive) {
  ir::Module scratch;
  ir::Graph graph;
  Evaluator evaluator(scratch, graph, archive.library);
  ObjectReader objects(evaluator, archive.zip);
  std::vector<std::string> names;
  if (archive.mobile) {
    PTE_TRY(const Value table, objects.read("bytecode.pkl", "constants", "constants"));
    PTE_TRY(const std::vector<BytecodeMethod> methods, read_bytecode(table));
    for (const BytecodeMethod& method : methods) names.push_back(method.name);
    return names;
  }
  PTE_TRY(const Value root, objects.read("data.pkl", "data", ""));
  const auto object = root.object();
  if (object == nullptr || object->def == nullptr) return invalid_data("data.pkl holds no module");
  for (const Function& method : object->def->methods) names.push_back(method.name);
  return names;
}

}  // namespace pte::importers::script
