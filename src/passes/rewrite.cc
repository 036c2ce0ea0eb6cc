#include "passes/rewrite.h"

#include <algorithm>

namespace pte::passes {
namespace {

template <typename M, typename G>
std::vector<G*> collect_graphs(M& module) {
  std::vector<G*> graphs;
  for (auto& [name, method] : module.methods) graphs.push_back(method.graph.get());
  // Breadth first by index; reversed, every subgraph stands before its owner.
  for (size_t i = 0; i < graphs.size(); ++i) {
    for (const Node* node = graphs[i]->front(); node != nullptr; node = node->next()) {
      if (!node->op().has(kTagHigherOrder)) continue;
      for (const Arg& arg : node->args()) {
        if (const auto* graph = arg.graph(); graph != nullptr && *graph != nullptr) {
          graphs.push_back(graph->get());
        }
      }
    }
  }
  std::reverse(graphs.begin(), graphs.end());
  return graphs;
}

}  // namespace

std::vector<Graph*> all_graphs(Module& module) { return collect_graphs<Module, Graph>(module); }
std::vector<const Graph*> all_graphs(const Module& module) {
  return collect_graphs<const Module, const Graph>(module);
}

Result<int64_t> for_each_graph(Module& module,
                               const std::function<Result<int64_t>(Graph&)>& visit) {
  int64_t changes = 0;
  for (Graph* graph : all_graphs(module)) {
    PTE_TRY(const int64_t count, visit(*graph));
    changes += count;
  }
  return changes;
}

ReplacedConstants::ReplacedConstants(const Module& module) {
  for (const Graph* graph : all_graphs(module)) {
    for (const Value* value : graph->constants()) {
      if (graph->has_uses(value)) ++readers_[*value->constant()];
    }
  }
}

bool ReplacedConstants::read_here_only(const Value* constant) const {
  const auto it = readers_.find(*constant->constant());
  return it != readers_.end() && it->second == 1;
}

void ReplacedConstants::let_go(Module& module, const Graph& graph, const Value* constant) const {
  if (!constant->is_constant() || !read_here_only(constant) || graph.has_uses(constant)) return;
  const auto it = module.constants.find(*constant->constant());
  if (it != module.constants.end()) it->second.data = Tensor();
}

std::set<std::string, std::less<>> written_constants(const Module& module) {
  std::set<std::string, std::less<>> written;
  for (const Graph* graph : all_graphs(module)) {
    for (const ir::Output& output : graph->outputs()) {
      if (output.kind == ir::OutputKind::kBufferMutation) written.insert(output.target);
    }
    for (const Node* node = graph->front(); node != nullptr; node = node->next()) {
      if (!node->op().has(kTagInPlace)) continue;
      for (size_t i = 0; i < node->args().size(); ++i) {
        const Value* value = node->input(i);
        if (node->op().args[i].written && value != nullptr && value->is_constant()) {
          written.insert(*value->constant());
        }
      }
    }
  }
  return written;
}

std::unordered_set<const Value*> output_values(const Graph& graph) {
  std::unordered_set<const Value*> values;
  for (const ir::Output& output : graph.outputs()) {
    if (output.value != nullptr) values.insert(output.value);
  }
  return values;
}

Builder builder_before(Module& module, Node* node) {
  Builder builder(module, node->graph(), node);
  builder.set_location(node->location());
  return builder;
}

void replace(Node* node, const std::vector<Value*>& with, bool take_names) {
  Graph& graph = node->graph();
  std::vector<std::pair<Value*, std::string>> names;
  for (size_t i = 0; i < with.size() && i < node->results().size(); ++i) {
    if (with[i] == nullptr) continue;
    graph.replace_uses(node->result(i), with[i]);
    if (take_names && with[i]->producer() != nullptr) {
      names.emplace_back(with[i], node->result(i)->name());
    }
  }
  graph.erase(node);
  for (auto& [value, name] : names) graph.rename(value, std::move(name));
}

Result<bool> replace_by_call(Module& module, Node* node, Op op, std::vector<Arg> args) {
  Builder builder = builder_before(module, node);
  PTE_TRY(Value * made, builder.call(op, std::move(args)));
  if (made->type() != node->result()->type()) {
    node->graph().erase(made->producer());
    return false;
  }
  std::vector<Value*> with(node->results().size(), nullptr);
  with[0] = made;
  replace(node, with);
  return true;
}

std::string place(const Node* node) {
  std::string text = "node '";
  text += node->results().empty() ? node->op().target() : node->result()->name();
  text += "'";
  if (!node->location().empty()) text += " (" + node->location() + ")";
  return text;
}

std::optional<size_t> wrap_dim(int64_t dim, size_t rank) {
  const int64_t count = std::max<int64_t>(static_cast<int64_t>(rank), 1);
  if (dim < -count || dim >= count) return std::nullopt;
  return static_cast<size_t>(dim < 0 ? dim + count : dim);
}

std::optional<std::vector<int64_t>> expand_ints(const Arg& arg, size_t count) {
  if (const auto number = arg.integer()) return std::vector<int64_t>(count, *number);
  auto numbers = arg.integers();
  if (!numbers.has_value()) return std::nullopt;
  if (numbers->size() == 1) return std::vector<int64_t>(count, numbers->front());
  if (numbers->size() != count) return std::nullopt;
  return numbers;
}

namespace {

// A size as a value of the graph, from the text of its canonical form: sums of products of symbols,
// numbers and calls. Symbols are read from tensors that are there from the start, or from `source`.
class SizeValue {
 public:
  SizeValue(Builder& builder, Value* source) : builder_(builder), source_(source) {}

  // Nothing when a symbol cannot be read.
  Result<std::optional<Arg>> make(const SymInt& size) {
    text_ = size.to_string();
    at_ = 0;
    PTE_TRY(std::optional<Arg> made, sum());
    if (!made || at_ != text_.size()) return std::optional<Arg>();
    return made;
  }

 private:
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<std::optional<Arg>> join(Op op, const std::optional<Arg>& a, const std::optional<Arg>& b) {
    if (!a || !b) return std::optional<Arg>();
    PTE_TRY(Value * value, builder_.call(op, {*a, *b}));
    return std::optional<Arg>(value);
  }

  Result<std::optional<Arg>> sum() {
    std::optional<Arg> total;
    if (text_.compare(at_, 1, "-") == 0) total = Arg(0);
    if (!total) {
      PTE_TRY(total, product());
    }
    while (total) {
      const bool plus = take('+');
      if (!plus && !take('-')) break;
      PTE_TRY(const std::optional<Arg> next, product());
      PTE_TRY(total, join(plus ? Op::operator_add : Op::operator_sub, total, next));
    }
    return total;
  }

  Result<std::optional<Arg>> product() {
    PTE_TRY(std::optional<Arg> total, atom());
    while (total && take('*')) {
      PTE_TRY(const std::optional<Arg> next, atom());
      PTE_TRY(total, join(Op::operator_mul, total, next));
    }
    return total;
  }

  Result<std::optional<Arg>> atom() {
    const size_t begin = at_;
    const auto is_word = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string word = text_.substr(begin, at_ - begin);
    if (word.empty()) {
      if (!take('(') || ++depth_ > kDepth) return std::optional<Arg>();
      PTE_TRY(std::optional<Arg> inner, sum());
      --depth_;
      if (!take(')')) return std::optional<Arg>();
      return inner;
    }
    if (word[0] >= '0' && word[0] <= '9') {
      const auto number = SymInt::parse(word);
      if (!number || !number->constant()) return std::optional<Arg>();
      return std::optional<Arg>(*number->constant());
    }
    if (!take('(')) return symbol(word);
    const std::map<std::string, Op, std::less<>> calls = {{"floordiv", Op::operator_floordiv},
                                                          {"mod", Op::operator_mod},
                                                          {"max", Op::torch_sym_max},
                                                          {"min", Op::torch_sym_min}};
    const auto call = calls.find(word);
    if (call == calls.end() || ++depth_ > kDepth) return std::optional<Arg>();
    PTE_TRY(const std::optional<Arg> a, sum());
    if (!take(',')) return std::optional<Arg>();
    PTE_TRY(const std::optional<Arg> b, sum());
    --depth_;
    if (!take(')')) return std::optional<Arg>();
    return join(call->second, a, b);
  }

  // How many times the symbol a size is; 0 when it is something else.
  static int64_t multiple(const SymInt& size, const std::string& name) {
    const auto times = size.evaluate({{name, 1}});
    return times && *times > 0 && size == SymInt::symbol(name) * SymInt(*times) ? *times : 0;
  }

  Result<std::optional<Arg>> symbol(const std::string& name) {
    const SymInt wanted = SymInt::symbol(name);
    std::vector<Value*> places{source_};
    const std::vector<Value*>& inputs = builder_.graph().inputs();
    places.insert(places.end(), inputs.begin(), inputs.end());
    for (Value* place : places) {
      if (!place->is_tensor()) {
        if (place->type() == ir::Type(ir::SymIntType{wanted})) return std::optional<Arg>(place);
        continue;
      }
      const SymSizes& sizes = place->tensor().sizes;
      int64_t times = 0;
      const auto found = std::find_if(sizes.begin(), sizes.end(), [&](const SymInt& size) {
        times = multiple(size, name);
        return times != 0;
      });
      if (found == sizes.end()) continue;
      PTE_TRY(Value * length,
              builder_.call(Op::aten_sym_size_int, {place, Arg(found - sizes.begin())}));
      if (times == 1) return std::optional<Arg>(length);
      return join(Op::operator_floordiv, std::optional<Arg>(length), std::optional<Arg>(times));
    }
    return std::optional<Arg>();
  }

  static constexpr int kDepth = 50;
  Builder& builder_;
  Value* source_;
  std::string text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<std::optional<Arg>> size_value(Builder& builder, Value* source, const SymInt& size) {
  if (const auto number = size.constant()) return std::optional<Arg>(*number);
  const SymSizes& known = source->tensor().sizes;
  const auto at = std::find(known.begin(), known.end(), size);
  if (at == known.end()) return SizeValue(builder, source).make(size);
  PTE_TRY(Value * length, builder.call(Op::aten_sym_size_int, {source, Arg(at - known.begin())}));
  return std::optional<Arg>(length);
}

Result<std::optional<ArgList>> size_args(Builder& builder, Value* source, const SymSizes& sizes) {
  ArgList args;
  bool inferred = false;
  // -1 cannot be worked out when another size is zero.
  const bool may_infer = std::none_of(sizes.begin(), sizes.end(),
                                      [](const SymInt& size) { return size.is_constant(0); });
  for (const SymInt& size : sizes) {
    if (const auto number = size.constant()) {
      args.emplace_back(*number);
      continue;
    }
    if (!inferred && may_infer) {
      args.emplace_back(-1);
      inferred = true;
      continue;
    }
    PTE_TRY(const std::optional<Arg> length, size_value(builder, source, size));
    if (!length) return std::optional<ArgList>();
    args.push_back(*length);
  }
  return std::optional<ArgList>(std::move(args));
}

}  // namespace pte::passes
