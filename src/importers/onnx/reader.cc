#include "importers/onnx/reader.h"

#include <algorithm>

namespace pte::importers::onnx {

using ir::Arg;

namespace {

constexpr size_t kMaxSteps = 100'000;      // nodes, those of unrolled loops counted every time
constexpr size_t kMaxFolded = 50'000'000;  // elements of shape arithmetic
constexpr int kMaxScopes = 48;

}  // namespace

Item* Scope::find(std::string_view name) {
  Scope* border = nullptr;
  for (Scope* scope = this; scope != nullptr; scope = scope->outer) {
    const auto it = scope->items.find(name);
    if (it != scope->items.end()) {
      if (it->second.absent) return nullptr;
      if (border == nullptr) return &it->second;
      return &border->items.insert_or_assign(name, it->second).first->second;
    }
    if (scope->is_body && border == nullptr) border = scope;
  }
  return nullptr;
}

GraphReader::GraphReader(const ModelDef& model, const MappedFile& file, ir::Module& module,
                         ir::Graph& graph)
    : model_(model), tensors_(file), emitter_(module, graph) {}

GraphReader::GraphReader(const GraphReader& outer, ir::Graph& body)
    : model_(outer.model_),
      tensors_(outer.tensors_),
      emitter_(const_cast<Emitter&>(outer.emitter_).module(), body),
      is_body_(true),
      steps_(outer.steps_),
      folded_(outer.folded_) {}

const FunctionDef* GraphReader::find_function(const NodeDef& node) const {
  for (const FunctionDef& function : model_.functions) {
    if (function.name == node.op && function.domain == node.domain &&
        function.overload == node.overload)
      return &function;
  }
  return nullptr;
}

// ---- values

Result<ir::Value*> GraphReader::inside(ir::Value* value) {
  if (&value->graph() == &emitter_.graph()) return value;
  const auto known = inputs_.find(value);
  if (known != inputs_.end()) return known->second;
  if (!is_body_ || !value->is_tensor())
    return unsupported("a size known at run time only, in the body of a loop of unknown length");
  ir::Value* input = emitter_.graph().add_input(value->name(), value->type());
  captured_.push_back(value);
  inputs_.emplace(value, input);
  return input;
}

Result<const Small*> GraphReader::small_of(Item& item) {
  if (item.small == nullptr && item.initializer != nullptr) {
    auto known = read_.find(item.initializer);
    if (known == read_.end()) {
      const auto count = element_count(item.initializer->dims);
      std::shared_ptr<const Small> small;
      if (count && *count <= kMaxSmall) {
        PTE_TRY(const Tensor data, tensors_.read(*item.initializer)
                                       .at(fmt::format("tensor '{}'", item.initializer->name)));
        if (auto made = Small::of(data)) small = std::make_shared<const Small>(std::move(*made));
      }
      known = read_.emplace(item.initializer, std::move(small)).first;
    }
    item.small = known->second;
  }
  if (is_body_ && item.small != nullptr) {
    for (const Elem& element : item.small->v) {
      if (const auto* size = std::get_if<ir::Value*>(&element)) PTE_CHECK(inside(*size));
    }
  }
  return item.small.get();
}

Result<Ex> GraphReader::value_of(Item& item, std::string_view name) {
  if (item.value != nullptr) {
    PTE_TRY(item.value, inside(item.value));
    return emitter_.wrap(item.value);
  }
  if (item.initializer != nullptr) {
    const auto known = made_.find(item.initializer);
    if (known == made_.end()) {
      PTE_TRY(
          Tensor data,
          tensors_.read(*item.initializer).at(fmt::format("tensor '{}'", item.initializer->name)));
      const bool weight = is_floating(data.dtype()) && data.rank() > 0;
      const std::string_view label = item.initializer->name.empty() ? name : item.initializer->name;
      const Ex made = emitter_.constant(
          std::string(label.substr(0, 200)), std::move(data),
          weight ? ir::Constant::Kind::kParameter : ir::Constant::Kind::kConstant);
      item.value = made.v;
      made_.emplace(item.initializer, made.v);
    } else {
      item.value = known->second;
    }
    return emitter_.wrap(item.value);
  }
  if (item.small == nullptr) return internal_error("'{}' has no value", name);
  PTE_CHECK(small_of(item));
  const Ex made = materialise(emitter_, *item.small, name.substr(0, 200));
  PTE_CHECK(emitter_.take_status());
  item.value = made.v;
  return made;
}

Status GraphReader::read_initializers(const GraphDef& graph, Scope& scope) {
  if (graph.sparse_initializers != 0)
    return unsupported("graph '{}' has {} sparse initializers, which cannot be read",
                       graph.name.substr(0, 80), graph.sparse_initializers);
  for (const TensorDef& def : graph.initializers) {
    Item item;
    item.initializer = &def;
    if (is_carried(def.type)) item.type = def.type;
    scope.items.insert_or_assign(def.name, std::move(item));
  }
  return {};
}

// ---- nodes

Status GraphReader::read_nodes(const std::vector<NodeDef>& nodes, Scope& scope) {
  for (const NodeDef& node : nodes) PTE_CHECK(read_node(node, scope).at(node.place()));
  return {};
}

Status GraphReader::read_node(const NodeDef& node, Scope& scope) {
  if (++steps_ > kMaxSteps)
    return make_error(Code::kResourceLimit,
                      "the graph has more than {} nodes once its loops are unrolled", kMaxSteps);
  const auto opset = scope.opsets->find(node.domain);
  const int64_t version = opset == scope.opsets->end() ? 1 : opset->second;
  // The name of the first result says where a value comes from.
  std::string name(node.outputs.empty() ? std::string_view() : node.outputs[0].substr(0, 200));
  emitter_.set_name(name);
  emitter_.maker().set_location(std::string(node.name.substr(0, 200)));
  NodeCall call(*this, node, scope, version);
  PTE_CHECK(emitter_.take_status());
  if (const FunctionDef* function = find_function(node))
    return call_function(*function, call, scope);
  if (fold(call)) return {};
  PTE_CHECK(emitter_.take_status());
  const Rule rule = find_rule(node.domain, node.op);
  if (rule == nullptr) return unsupported("the operator {}", node.op.substr(0, 80));
  rule(call);
  return emitter_.take_status();
}

bool GraphReader::fold(NodeCall& call) {
  const NodeDef& node = call.node;
  if (!node.domain.empty() || folded_ > kMaxFolded) return false;
  if (call.opset < 7 && call.has_attribute("axis") && call.has_attribute("broadcast")) return false;
  if (!can_evaluate(node.op)) return false;
  FoldCall fold{emitter_, node.op, call.opset, {}, node.outputs.size()};
  Small value;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!call.has(i)) {
      fold.inputs.push_back(nullptr);
      continue;
    }
    if (node.op == "CastLike" && i == 1) continue;  // its type alone counts
    const Small* small = call.small(i);
    if (small == nullptr || call.failed()) return false;
    fold.inputs.push_back(small);
  }
  for (const char* name : {"axes", "perm", "split"}) {
    if (!call.has_attribute(name)) continue;
    fold.axes = call.is(name);
    fold.has_axes = true;
  }
  fold.axis = call.i("axis", 0);
  fold.has_axis = call.has_attribute("axis");
  if (node.op.substr(0, 6) == "Reduce") {
    fold.flag = call.i("keepdims", 1);
    if (call.i("noop_with_empty_axes", 0) != 0) return false;
  }
  if (node.op == "Reshape") fold.flag = call.i("allowzero", 0);
  if (node.op == "Mod") fold.flag = call.i("fmod", 0);
  if (node.op == "Cast") {
    const auto to = carrier_type(static_cast<int32_t>(call.i("to", 0)));
    if (!to || is_carried(static_cast<int32_t>(call.i("to", 0))) || call.type(0) != kUndefined)
      return false;
    fold.to = *to;
  }
  if (node.op == "CastLike") {
    fold.to = call.dtype(1);
    if (!fold.to || call.type(0) != kUndefined || call.type(1) != kUndefined) return false;
  }
  // Attributes of old versions stand in the places of inputs.
  std::vector<Small> extra;
  extra.reserve(4);
  const auto push = [&](const std::vector<int64_t>& values) {
    extra.push_back(Small::ints(values));
    fold.inputs.push_back(&extra.back());
  };
  if (node.op == "Slice" && call.opset < 10) {
    push(call.is("starts"));
    push(call.is("ends"));
    if (call.has_attribute("axes")) push(call.is("axes"));
    fold.has_axes = false;
  } else if (node.op == "Reshape" && call.has_attribute("shape")) {
    push(call.is("shape"));
  } else if (node.op == "ConstantOfShape") {
    const AttributeDef* given = call.attribute("value");
    value = Small{DType::kFloat32, {1}, {0.0}};
    if (given != nullptr && given->tensor != nullptr) {
      auto tensor = tensors_.read(*given->tensor);
      auto small = tensor ? Small::of(*tensor) : std::nullopt;
      if (!small || small->count() != 1) return false;
      value = std::move(*small);
    }
    fold.inputs.push_back(&value);
  }
  auto results = evaluate(fold);
  if (!results || call.failed()) return false;
  for (size_t i = 0; i < results->size(); ++i) {
    folded_ += (*results)[i].v.size();
    call.set(i, std::move((*results)[i]));
  }
  return true;
}

Status GraphReader::call_function(const FunctionDef& function, NodeCall& call, Scope& scope) {
  if (scope.depth >= kMaxScopes) return invalid_data("functions call each other without end");
  std::map<std::string_view, AttributeDef> attributes;
  for (const AttributeDef& item : function.defaults) attributes.insert_or_assign(item.name, item);
  for (const AttributeDef& item : call.node.attributes) {
    const AttributeDef* bound = call.attribute(item.name);
    if (bound != nullptr) attributes.insert_or_assign(item.name, *bound);
  }
  Scope inner;
  inner.opsets = function.opsets.empty() ? scope.opsets : &function.opsets;
  inner.attributes = &attributes;
  inner.depth = scope.depth + 1;
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    Item* item = call.item(i);
    Item absent;
    absent.absent = true;
    inner.items.insert_or_assign(function.inputs[i], item == nullptr ? absent : *item);
  }
  PTE_CHECK(read_nodes(function.nodes, inner));
  for (size_t i = 0; i < function.outputs.size(); ++i) {
    if (!call.wants(i)) continue;
    Item* item = inner.find(function.outputs[i]);
    if (item == nullptr)
      return invalid_data("function {} does not define its output '{}'",
                          function.name.substr(0, 80), function.outputs[i].substr(0, 80));
    scope.items.insert_or_assign(call.node.outputs[i], *item);
  }
  return {};
}

Result<std::vector<Item>> GraphReader::inline_graph(const GraphDef& graph, Scope& outer,
                                                    const std::vector<Item>& inputs) {
  if (outer.depth >= kMaxScopes) return invalid_data("graphs are nested too deeply");
  Scope inner;
  inner.outer = &outer;
  inner.opsets = outer.opsets;
  inner.attributes = outer.attributes;
  inner.depth = outer.depth + 1;
  PTE_CHECK(read_initializers(graph, inner));
  if (inputs.size() > graph.inputs.size())
    return invalid_data("graph '{}' takes {} inputs, {} are given", graph.name.substr(0, 80),
                        graph.inputs.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    inner.items.insert_or_assign(graph.inputs[i].name, inputs[i]);
  PTE_CHECK(read_nodes(graph.nodes, inner));
  std::vector<Item> outputs;
  for (const ValueDef& output : graph.outputs) {
    Item* item = inner.find(output.name);
    if (item == nullptr)
      return invalid_data("graph '{}' does not define its output '{}'", graph.name.substr(0, 80),
                          output.name.substr(0, 80));
    outputs.push_back(*item);
  }
  return outputs;
}

// ---- one node

NodeCall::NodeCall(GraphReader& owner, const NodeDef& def, Scope& names, int64_t version)
    : reader(owner), node(def), scope(names), e(owner.emitter()), opset(version) {
  for (const AttributeDef& item : node.attributes) {
    if (item.reference.empty()) continue;
    if (scope.attributes == nullptr) {
      fail(invalid_data("attribute '{}' refers to a function's, but this is no function",
                        item.name.substr(0, 80)));
      return;
    }
    const auto given = scope.attributes->find(item.reference);
    if (given == scope.attributes->end()) continue;  // left out
    bound_.push_back(given->second);
    bound_.back().name = item.name;
  }
}

const AttributeDef* NodeCall::attribute(std::string_view name) const {
  const AttributeDef* item = node.find(name);
  if (item == nullptr || item->reference.empty()) return item;
  for (const AttributeDef& bound : bound_) {
    if (bound.name == name) return &bound;
  }
  return nullptr;
}

int64_t NodeCall::i(std::string_view name, int64_t otherwise) const {
  const AttributeDef* item = attribute(name);
  return item == nullptr ? otherwise : item->i;
}
double NodeCall::f(std::string_view name, double otherwise) const {
  const AttributeDef* item = attribute(name);
  return item == nullptr ? otherwise : static_cast<double>(item->f);
}
std::string_view NodeCall::s(std::string_view name, std::string_view otherwise) const {
  const AttributeDef* item = attribute(name);
  return item == nullptr ? otherwise : item->s;
}
std::vector<int64_t> NodeCall::is(std::string_view name) const {
  const AttributeDef* item = attribute(name);
  return item == nullptr ? std::vector<int64_t>() : item->ints;
}
std::vector<float> NodeCall::fs(std::string_view name) const {
  const AttributeDef* item = attribute(name);
  return item == nullptr ? std::vector<float>() : item->floats;
}

int64_t NodeCall::wrap(int64_t value, size_t rank) {
  const auto count = static_cast<int64_t>(rank);
  const int64_t dim = value < 0 ? value + count : value;
  if (dim < 0 || dim >= std::max<int64_t>(count, 1)) {
    fail(invalid_data("axis {} of a tensor of rank {}", value, rank));
    return 0;
  }
  return dim;
}

int64_t NodeCall::axis(size_t rank, int64_t otherwise, std::string_view name) {
  return wrap(i(name, otherwise), rank);
}

bool NodeCall::has(size_t input) const { return item(input) != nullptr; }

Item* NodeCall::item(size_t input) const {
  if (input >= node.inputs.size() || node.inputs[input].empty()) return nullptr;
  return scope.find(node.inputs[input]);
}

Ex NodeCall::in(size_t input) {
  const Ex nothing{&e, nullptr};
  if (failed()) return nothing;
  if (input >= node.inputs.size()) {
    fail(invalid_data("it has {} inputs, input {} is missing", node.inputs.size(), input));
    return nothing;
  }
  Item* found = item(input);
  if (found == nullptr) {
    fail(invalid_data("input {} ('{}') is not defined before it", input,
                      node.inputs[input].substr(0, 120)));
    return nothing;
  }
  auto value = reader.value_of(*found, node.inputs[input]);
  if (!value) {
    fail(std::move(value.error()));
    return nothing;
  }
  if (!value->v->is_tensor()) {
    fail(internal_error("input {} is no tensor", input));
    return nothing;
  }
  return *value;
}

std::optional<DType> NodeCall::dtype(size_t input) const {
  const Item* found = item(input);
  if (found == nullptr) return std::nullopt;
  if (found->value != nullptr && found->value->is_tensor()) return found->value->tensor().dtype;
  if (found->small != nullptr) return found->small->dtype;
  if (found->initializer == nullptr) return std::nullopt;
  const auto type = carrier_type(found->initializer->type);
  return type ? std::optional(*type) : std::nullopt;
}

int32_t NodeCall::type(size_t input) const {
  const Item* found = item(input);
  return found == nullptr ? kUndefined : found->type;
}

const Small* NodeCall::small(size_t input) {
  Item* found = item(input);
  if (found == nullptr || failed()) return nullptr;
  auto small = reader.small_of(*found);
  if (!small) {
    fail(std::move(small.error()));
    return nullptr;
  }
  return *small;
}

void NodeCall::need(size_t input) {
  Item* found = item(input);
  if (found != nullptr) reader.wanted_inputs |= found->sources;
  fail(unsupported("input {} ('{}') must be known when the program is made, it depends on what the "
                   "model is given",
                   input, input < node.inputs.size() ? node.inputs[input].substr(0, 120) : "")
           .with_hint("give an example of the inputs with --example: values that must be known are "
                      "taken from it"));
}

std::vector<int64_t> NodeCall::ints(size_t input) {
  const Small* known = small(input);
  if (failed()) return {};
  const auto values = known == nullptr ? std::nullopt : known->integers();
  if (!values) {
    need(input);
    return {};
  }
  return *values;
}

std::vector<double> NodeCall::numbers(size_t input) {
  const Small* known = small(input);
  if (failed()) return {};
  const auto values = known == nullptr ? std::nullopt : known->numbers();
  if (!values) {
    need(input);
    return {};
  }
  return *values;
}

std::vector<Arg> NodeCall::dims(size_t input) {
  const Small* known = small(input);
  if (failed()) return {};
  if (known != nullptr) {
    if (is_floating(known->dtype)) {
      fail(invalid_data("input {} should hold integers", input));
      return {};
    }
    return known->args();
  }
  need(input);
  return {};
}

void NodeCall::set(size_t output, Item made) {
  if (!wants(output) || failed()) return;
  scope.items.insert_or_assign(node.outputs[output], std::move(made));
}

void NodeCall::set(size_t output, const Ex& value) {
  if (!wants(output)) return;
  if (failed()) return;
  if (value.v == nullptr) {
    fail(internal_error("no value for output {}", output));
    return;
  }
  Item made;
  made.value = value.v;
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (const Item* from = item(k)) made.sources |= from->sources;
  }
  set(output, std::move(made));
}

void NodeCall::set(size_t output, Small small) {
  if (!wants(output)) return;
  Item made;
  made.small = std::make_shared<const Small>(std::move(small));
  set(output, std::move(made));
}

void NodeCall::set_type(size_t output, int32_t type) {
  if (!wants(output) || failed()) return;
  if (Item* made = scope.find(node.outputs[output]))
    made->type = is_carried(type) ? type : kUndefined;
}

}  // namespace pte::importers::onnx
