#include "ir/graph.h"

#include <algorithm>
#include <cassert>
#include <set>
#include <unordered_map>

namespace pte::ir {

// ---- types

TensorType TensorType::of(DType dtype, SymSizes sizes, DimOrder order) {
  if (order.empty()) order = contiguous_dim_order(sizes.size());
  return {dtype, std::move(sizes), std::move(order)};
}

TensorType TensorType::of(const Tensor& tensor) {
  return {tensor.dtype(), to_sym(tensor.sizes()), contiguous_dim_order(tensor.rank())};
}

std::string to_string(const Type& type) {
  if (const auto* tensor = std::get_if<TensorType>(&type)) {
    std::string text = fmt::format("{}[{}]", dtype_name(tensor->dtype), to_string(tensor->sizes));
    if (!tensor->is_contiguous()) {
      text += '{';
      for (size_t i = 0; i < tensor->dim_order.size(); ++i) {
        if (i > 0) text += ',';
        text += std::to_string(tensor->dim_order[i]);
      }
      text += '}';
    }
    return text;
  }
  if (const auto* size = std::get_if<SymIntType>(&type))
    return fmt::format("int({})", size->value.to_string());
  return std::holds_alternative<SymFloatType>(type) ? "float" : "bool";
}

// ---- arguments

Arg Arg::ints(const std::vector<int64_t>& values) {
  return Arg(ArgList(values.begin(), values.end()));
}
Arg Arg::values(const std::vector<Value*>& values) {
  return Arg(ArgList(values.begin(), values.end()));
}
Arg Arg::doubles(const std::vector<double>& values) {
  return Arg(ArgList(values.begin(), values.end()));
}

Value* Arg::value() const {
  const auto* value = std::get_if<Value*>(&v);
  return value == nullptr ? nullptr : *value;
}

std::optional<int64_t> Arg::integer() const {
  const auto* value = std::get_if<int64_t>(&v);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<double> Arg::number() const {
  if (const auto* integer = std::get_if<int64_t>(&v)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&v)) return *real;
  if (const auto* flag = std::get_if<bool>(&v)) return *flag ? 1.0 : 0.0;
  return std::nullopt;
}

std::optional<bool> Arg::boolean() const {
  const auto* value = std::get_if<bool>(&v);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<std::vector<int64_t>> Arg::integers() const {
  const ArgList* items = list();
  if (items == nullptr) return std::nullopt;
  std::vector<int64_t> out;
  out.reserve(items->size());
  for (const Arg& item : *items) {
    const auto integer = item.integer();
    if (!integer) return std::nullopt;
    out.push_back(*integer);
  }
  return out;
}

std::optional<SymInt> Arg::sym_int() const {
  if (const auto literal = integer()) return SymInt(*literal);
  const Value* operand = value();
  if (operand == nullptr) return std::nullopt;
  const auto* type = std::get_if<SymIntType>(&operand->type());
  return type == nullptr ? std::nullopt : std::optional(type->value);
}

std::optional<SymSizes> Arg::sym_ints() const {
  const ArgList* items = list();
  if (items == nullptr) return std::nullopt;
  SymSizes out;
  out.reserve(items->size());
  for (const Arg& item : *items) {
    auto size = item.sym_int();
    if (!size) return std::nullopt;
    out.push_back(std::move(*size));
  }
  return out;
}

bool same_arg(const Arg& a, const Arg& b) {
  if (a.v.index() != b.v.index()) return false;
  if (const ArgList* x = a.list()) {
    const ArgList& y = *b.list();
    return std::equal(x->begin(), x->end(), y.begin(), y.end(), same_arg);
  }
  if (const auto* x = std::get_if<double>(&a.v)) {
    // By bits, so that nan equals itself and 0.0 differs from -0.0.
    return std::bit_cast<uint64_t>(*x) == std::bit_cast<uint64_t>(std::get<double>(b.v));
  }
  return std::visit(
      [&]<typename T>(const T& x) {
        if constexpr (std::is_same_v<T, ArgList>) {
          return false;
        } else {
          return x == std::get<T>(b.v);
        }
      },
      a.v);
}

// ---- nodes

const Arg& Node::arg(std::string_view name) const {
  const int index = op_->arg_index(name);
  assert(index >= 0);
  return args_[static_cast<size_t>(index)];
}

namespace {

template <typename Fn>
void for_each_value(const Arg& arg, const Fn& fn) {
  if (Value* value = arg.value()) fn(value);
  if (const ArgList* items = arg.list()) {
    for (const Arg& item : *items) for_each_value(item, fn);
  }
}

void replace_in(Arg& arg, Value* from, Value* to) {
  if (arg.value() == from) arg = Arg(to);
  if (auto* items = std::get_if<ArgList>(&arg.v)) {
    for (Arg& item : *items) replace_in(item, from, to);
  }
}

}  // namespace

void Node::set_arg(size_t index, Arg arg) {
  graph_->remove_users(args_[index], this);
  args_[index] = std::move(arg);
  graph_->add_users(args_[index], this);
}

std::vector<Value*> Node::inputs() const {
  std::vector<Value*> values;
  for (const Arg& arg : args_) {
    for_each_value(arg, [&](Value* value) { values.push_back(value); });
  }
  return values;
}

Node* Node::next() const {
  const auto it = std::next(place_);
  return it == graph_->nodes_.end() ? nullptr : it->get();
}

Node* Node::prev() const {
  return place_ == graph_->nodes_.begin() ? nullptr : std::prev(place_)->get();
}

// ---- graphs

Value* Graph::new_value(std::string name, Type type) {
  if (name.empty()) name = "v";
  if (values_.contains(name)) {
    int& suffix = next_suffix_[name];
    std::string candidate;
    do {
      candidate = fmt::format("{}_{}", name, ++suffix);
    } while (values_.contains(candidate));
    name = std::move(candidate);
  }
  auto owned = std::make_unique<Value>();
  Value* value = owned.get();
  value->name_ = name;
  value->type_ = std::move(type);
  value->graph_ = this;
  values_.emplace(std::move(name), std::move(owned));
  return value;
}

Value* Graph::add_input(std::string name, Type type) {
  inputs_.push_back(new_value(std::move(name), std::move(type)));
  return inputs_.back();
}

void Graph::erase_input(size_t index) {
  Value* value = inputs_[index];
  assert(!has_uses(value));
  inputs_.erase(inputs_.begin() + static_cast<std::ptrdiff_t>(index));
  values_.erase(values_.find(value->name()));
}

Value* Graph::constant(const std::string& key, TensorType type) {
  // Keys that are numbered differ at their ends.
  const char end = key.empty() ? '\0' : key.back();
  for (Value* value : constants_) {
    const std::string& other = *value->constant_;
    if (other.size() == key.size() && (key.empty() || other.back() == end) && other == key) {
      return value;
    }
  }
  std::string name = key;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  Value* value = new_value(std::move(name), std::move(type));
  value->constant_ = key;
  constants_.push_back(value);
  return value;
}

std::vector<Value*> Graph::constants() const { return constants_; }

void Graph::drop_unused_constants() {
  std::erase_if(constants_, [&](Value* value) {
    if (has_uses(value)) return false;
    values_.erase(values_.find(value->name()));
    return true;
  });
}

void Graph::add_users(const Arg& arg, Node* node) {
  for_each_value(arg, [&](Value* value) { value->users_.push_back(node); });
}

void Graph::remove_users(const Arg& arg, Node* node) {
  for_each_value(arg, [&](Value* value) {
    const auto it = std::find(value->users_.begin(), value->users_.end(), node);
    if (it != value->users_.end()) value->users_.erase(it);
  });
}

Node* Graph::add_node(const OpInfo& op, std::vector<Arg> args, std::vector<Type> result_types,
                      std::vector<std::string> result_names, Node* before) {
  auto owned = std::make_unique<Node>();
  Node* node = owned.get();
  node->op_ = &op;
  node->args_ = std::move(args);
  node->graph_ = this;
  for (size_t i = 0; i < result_types.size(); ++i) {
    std::string name = i < result_names.size() ? std::move(result_names[i]) : std::string();
    Value* value = new_value(std::move(name), std::move(result_types[i]));
    value->producer_ = node;
    value->index_ = i;
    node->results_.push_back(value);
  }
  node->place_ = nodes_.insert(before == nullptr ? nodes_.end() : before->place_, std::move(owned));
  for (const Arg& arg : node->args_) add_users(arg, node);
  return node;
}

void Graph::erase(Node* node) {
  for (const Arg& arg : node->args_) remove_users(arg, node);
  for (Value* value : node->results_) {
    assert(!has_uses(value));
    values_.erase(values_.find(value->name()));
  }
  nodes_.erase(node->place_);
}

void Graph::move_before(Node* node, Node* before) {
  nodes_.splice(before == nullptr ? nodes_.end() : before->place_, nodes_, node->place_);
}

void Graph::replace_uses(Value* from, Value* to) {
  if (from == to) return;
  std::vector<Node*> users = std::move(from->users_);
  from->users_.clear();
  std::sort(users.begin(), users.end());
  const auto last = std::unique(users.begin(), users.end());
  for (auto it = users.begin(); it != last; ++it) {
    for (Arg& arg : (*it)->args_) {
      for_each_value(arg, [&](Value* value) {
        if (value == from) to->users_.push_back(*it);
      });
      replace_in(arg, from, to);
    }
  }
  for (Output& output : outputs_) {
    if (output.value == from) output.value = to;
  }
}

void Graph::rename(Value* value, std::string name) {
  if (value->name_ == name) return;
  auto owned = values_.extract(values_.find(value->name_));
  Value* fresh = new_value(std::move(name), value->type_);
  // Keep the object (others point to it); only its entry in the table changes.
  value->name_ = fresh->name_;
  auto placeholder = values_.extract(values_.find(fresh->name_));
  placeholder.mapped() = std::move(owned.mapped());
  values_.insert(std::move(placeholder));
}

bool Graph::is_output(const Value* value) const {
  return std::any_of(outputs_.begin(), outputs_.end(),
                     [&](const Output& output) { return output.value == value; });
}

Value* Graph::find(std::string_view name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? nullptr : it->second.get();
}

std::vector<Node*> Graph::nodes() const {
  std::vector<Node*> out;
  out.reserve(nodes_.size());
  for (const auto& node : nodes_) out.push_back(node.get());
  return out;
}

namespace {

Arg map_arg(const Arg& arg, const std::unordered_map<const Value*, Value*>& map) {
  if (Value* value = arg.value()) return map.at(value);
  if (const ArgList* items = arg.list()) {
    ArgList copy;
    copy.reserve(items->size());
    for (const Arg& item : *items) copy.push_back(map_arg(item, map));
    return copy;
  }
  if (const auto* graph = arg.graph()) return (*graph)->clone();
  return arg;
}

}  // namespace

std::shared_ptr<Graph> Graph::clone() const {
  auto copy = std::make_shared<Graph>(name_);
  std::unordered_map<const Value*, Value*> map;
  // Names are unique already, so each copy keeps its own.
  for (const Value* value : inputs_) map[value] = copy->add_input(value->name(), value->type());
  for (const Value* value : constants_) {
    Value* fresh = copy->new_value(value->name(), value->type());
    fresh->constant_ = value->constant_;
    copy->constants_.push_back(fresh);
    map[value] = fresh;
  }
  for (const auto& node : nodes_) {
    std::vector<Arg> args;
    args.reserve(node->args_.size());
    for (const Arg& arg : node->args_) args.push_back(map_arg(arg, map));
    std::vector<Type> types;
    std::vector<std::string> names;
    for (const Value* result : node->results_) {
      types.push_back(result->type());
      names.push_back(result->name());
    }
    Node* fresh = copy->add_node(*node->op_, std::move(args), std::move(types), std::move(names));
    fresh->location_ = node->location_;
    for (size_t i = 0; i < node->results_.size(); ++i) map[node->results_[i]] = fresh->results_[i];
  }
  for (const Output& output : outputs_) {
    copy->outputs_.push_back({output.value == nullptr ? nullptr : map.at(output.value), output.kind,
                              output.target, output.literal});
  }
  return copy;
}

// ---- modules

Value* Module::add_constant(Graph& graph, std::string hint, Tensor data, Constant::Kind kind) {
  std::string key = hint;
  for (int suffix = 1; constants.contains(key); ++suffix) key = fmt::format("{}_{}", hint, suffix);
  const TensorType type = TensorType::of(data);
  constants.emplace(key, Constant{std::move(data), kind});
  return graph.constant(key, type);
}

const Tensor* Module::data_of(const Value* value) const {
  if (value == nullptr || !value->is_constant()) return nullptr;
  const auto it = constants.find(*value->constant());
  return it == constants.end() || !it->second.data.has_data() ? nullptr : &it->second.data;
}

namespace {

void collect_used(const Graph& graph, std::set<std::string, std::less<>>& used) {
  for (const Value* value : graph.constants()) {
    if (graph.has_uses(value)) used.insert(*value->constant());
  }
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kBufferMutation) used.insert(output.target);
  }
  for (const Node* node : graph.nodes()) {
    for (const Arg& arg : node->args()) {
      if (const auto* inner = arg.graph()) collect_used(**inner, used);
    }
  }
}

void drop_unused_values(Graph& graph) {
  graph.drop_unused_constants();
  for (const Node* node : graph.nodes()) {
    for (const Arg& arg : node->args()) {
      if (const auto* inner = arg.graph()) drop_unused_values(**inner);
    }
  }
}

}  // namespace

void Module::drop_unused_constants() {
  std::set<std::string, std::less<>> used;
  for (const auto& [key, method] : methods) {
    collect_used(*method.graph, used);
    drop_unused_values(*method.graph);
  }
  std::erase_if(constants, [&](const auto& entry) { return !used.contains(entry.first); });
}

Module Module::clone() const {
  Module copy;
  copy.name = name;
  copy.constants = constants;
  copy.delegates = delegates;
  copy.symbols = symbols;
  for (const auto& [key, method] : methods) {
    copy.methods[key] = {method.graph->clone(), method.input_tree, method.output_tree};
  }
  return copy;
}

}  // namespace pte::ir
