// Graphs saved straight after export write in place (relu_, add_): here every write makes a new
// value, and whatever is read later through the written tensor, or through views of it, reads from
// that value.
#include <algorithm>
#include <unordered_map>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

std::optional<Op> functional_form(Op op) {
  switch (op) {
    case Op::aten_add__Tensor:
      return Op::aten_add_Tensor;
    case Op::aten_sub__Tensor:
      return Op::aten_sub_Tensor;
    case Op::aten_mul__Tensor:
      return Op::aten_mul_Tensor;
    case Op::aten_div__Tensor:
      return Op::aten_div_Tensor;
    case Op::aten_relu_:
      return Op::aten_relu;
    case Op::aten_relu6_:
      return Op::aten_relu6;
    case Op::aten_hardtanh_:
      return Op::aten_hardtanh;
    case Op::aten_hardswish_:
      return Op::aten_hardswish;
    case Op::aten_hardsigmoid_:
      return Op::aten_hardsigmoid;
    case Op::aten_sigmoid_:
      return Op::aten_sigmoid;
    case Op::aten_silu_:
      return Op::aten_silu;
    case Op::aten_leaky_relu_:
      return Op::aten_leaky_relu;
    case Op::aten_clamp_:
      return Op::aten_clamp;
    case Op::aten_dropout_:
      return Op::aten_dropout;
    case Op::aten_detach_:
      return Op::aten_detach;
    case Op::aten_copy_:
      return Op::aten_copy;
    default:
      return std::nullopt;
  }
}

// Operators whose result may share memory with their first operand.
bool may_alias(const Node& node) {
  switch (node.op().op) {
    case Op::aten_view:
    case Op::aten_reshape:
    case Op::aten_flatten_using_ints:
    case Op::aten_unflatten_int:
    case Op::aten_squeeze:
    case Op::aten_squeeze_dim:
    case Op::aten_squeeze_dims:
    case Op::aten_unsqueeze:
    case Op::aten_permute:
    case Op::aten_transpose_int:
    case Op::aten_t:
    case Op::aten_expand:
    case Op::aten_select_int:
    case Op::aten_slice_Tensor:
    case Op::aten_split_with_sizes:
    case Op::aten_split_Tensor:
    case Op::aten_chunk:
    case Op::aten_detach:
    case Op::aten_alias:
    case Op::aten_dropout:  // gives back its operand at inference
    case Op::aten_feature_dropout:
    case Op::aten_alpha_dropout:
      return true;
    case Op::aten_contiguous:
    case Op::aten_to_dtype:
    case Op::aten_to_dtype_layout:
      return node.input(0)->type() == node.result()->type();
    default:
      return false;
  }
}

// Views that have every element of their operand in its order: they can be undone.
bool is_reshape(const Node& node) {
  switch (node.op().op) {
    case Op::aten_view:
    case Op::aten_reshape:
    case Op::aten_flatten_using_ints:
    case Op::aten_unflatten_int:
    case Op::aten_squeeze:
    case Op::aten_squeeze_dim:
    case Op::aten_squeeze_dims:
    case Op::aten_unsqueeze:
    case Op::aten_detach:
    case Op::aten_alias:
    case Op::aten_dropout:
    case Op::aten_feature_dropout:
    case Op::aten_alpha_dropout:
    case Op::aten_contiguous:
    case Op::aten_to_dtype:
    case Op::aten_to_dtype_layout:
      return true;
    default:
      return false;
  }
}

class Functionalizer {
 public:
  Functionalizer(Module& module, Graph& graph, bool is_method)
      : module_(module), graph_(graph), is_method_(is_method) {}

  Result<int64_t> run() {
    bool writes = false;
    for (const Node* node = graph_.front(); node != nullptr; node = node->next()) {
      writes |= functional_form(node->op().op).has_value();
    }
    if (!writes) return 0;
    const std::vector<Node*> nodes = graph_.nodes();
    for (size_t i = 0; i < nodes.size(); ++i) order_.emplace(nodes[i], i);
    int64_t changes = 0;
    for (Node* node : nodes) {
      read_newest(node);
      const auto form = functional_form(node->op().op);
      if (form.has_value()) {
        const std::string where = place(node);  // write() erases the node
        PTE_CHECK(write(node, *form).at(where));
        ++changes;
      } else if (may_alias(*node)) {
        for (const Value* result : node->results())
          aliases_[root(node->input(0))].push_back(result);
      }
    }
    for (ir::Output& output : graph_.outputs()) {
      if (output.value != nullptr) output.value = newest(output.value);
    }
    PTE_CHECK(add_mutations());
    return changes;
  }

 private:
  Value* newest(Value* value) {
    auto it = newest_.find(value);
    while (it != newest_.end()) {
      value = it->second;
      it = newest_.find(value);
    }
    return value;
  }

  Arg newest_arg(const Arg& arg) {
    if (Value* value = arg.value()) return Arg(newest(value));
    if (const ArgList* items = arg.list()) {
      ArgList copy;
      copy.reserve(items->size());
      for (const Arg& item : *items) copy.push_back(newest_arg(item));
      return copy;
    }
    return arg;
  }

  void read_newest(Node* node) {
    const std::vector<Value*> inputs = node->inputs();
    const bool stale = std::any_of(inputs.begin(), inputs.end(),
                                   [&](Value* value) { return newest_.contains(value); });
    if (!stale) return;
    for (size_t i = 0; i < node->args().size(); ++i) node->set_arg(i, newest_arg(node->arg(i)));
  }

  // The value that owns the memory.
  const Value* root(const Value* value) const {
    for (;;) {
      const auto version = origin_.find(value);
      if (version != origin_.end()) {
        value = version->second;
      } else if (value->producer() != nullptr && may_alias(*value->producer())) {
        value = value->producer()->input(0);
      } else {
        return value;
      }
    }
  }

  bool read_later(const Value* value, size_t position) const {
    for (const Node* user : value->users()) {
      const auto it = order_.find(user);
      if (it != order_.end() && it->second > position) return true;
    }
    return graph_.is_output(value);
  }

  Status write(Node* node, Op form) {
    Value* target = node->input(0);
    const TensorType type = target->tensor();
    Builder builder = builder_before(module_, node);
    PTE_TRY(Value * made, builder.call(form, node->args()));
    if (made->tensor().sizes != type.sizes) {
      return invalid_data("{}: the result is {}, it does not fit into {}", node->op().target(),
                          ir::to_string(made->type()), ir::to_string(target->type()));
    }
    if (made->tensor().dtype != type.dtype) {
      PTE_TRY(made, builder.call(Op::aten_to_dtype, {made, type.dtype}));
    }
    // Views of the same memory that are read later see the write too.
    const Value* owner = root(target);
    const size_t position = order_.at(node);
    const auto group = aliases_.find(owner);
    std::vector<const Value*> members{owner};
    if (group != aliases_.end()) {
      members.insert(members.end(), group->second.begin(), group->second.end());
    }
    origin_.emplace(made, owner);
    std::vector<std::pair<Value*, Value*>> updates;
    for (const Value* member : members) {
      Value* current = newest(const_cast<Value*>(member));
      if (current == target || current == node->result()) continue;
      const bool keeps_state = member == owner && (owner->is_input() || owner->is_constant());
      if (!read_later(current, position) && !read_later(member, position) && !keeps_state) continue;
      PTE_TRY(Value * updated, view_again(builder, target, made, current));
      updates.emplace_back(current, updated);
    }
    graph_.replace_uses(node->result(), made);
    newest_[target] = made;
    for (const auto& [from, to] : updates) {
      if (from != to) newest_[from] = to;
    }
    if (owner->is_input() || owner->is_constant()) written_owners_.push_back(owner);
    order_.erase(node);
    graph_.erase(node);
    return {};
  }

  // `other` as it is after `target`, which shares its memory, became `made`.
  Result<Value*> view_again(Builder& builder, const Value* target, Value* made, Value* other) {
    // Down: other was made from target by views, which are made again.
    std::vector<const Node*> path;
    const Value* at = other;
    while (at != target && at->producer() != nullptr && may_alias(*at->producer())) {
      path.push_back(at->producer());
      at = at->producer()->input(0);
    }
    if (at == target) {
      Value* value = made;
      const Value* old = target;
      for (auto it = path.rbegin(); it != path.rend(); ++it) {
        std::vector<Arg> args = (*it)->args();
        args[0] = Arg(value);
        PTE_TRY(Node * again, builder.node((*it)->op(), std::move(args)));
        const size_t index = next_index(path, it, other);
        value = again->result(index);
        old = (*it)->result(index);
        origin_.emplace(value, root(old));
      }
      return value;
    }
    // Up: target is a reshape of other, so other is a reshape of target.
    at = target;
    while (at != other && at->producer() != nullptr && may_alias(*at->producer()) &&
           is_reshape(*at->producer())) {
      at = at->producer()->input(0);
    }
    if (at == other && other->is_tensor()) {
      PTE_TRY(std::optional<ArgList> sizes, size_args(builder, made, other->tensor().sizes));
      if (sizes.has_value()) {
        PTE_TRY(Value * view, builder.call(Op::aten_view_copy, {made, std::move(*sizes)}));
        origin_.emplace(view, root(other));
        return view;
      }
    }
    return unsupported("it writes through a view of '{}', which is read again later",
                       other->name());
  }

  // Which result of the view `*it` the path goes on from.
  static size_t next_index(const std::vector<const Node*>& path,
                           std::vector<const Node*>::const_reverse_iterator it, const Value* end) {
    const auto next = std::next(it);
    return next == path.rend() ? end->index() : (*next)->input(0)->index();
  }

  // What was written into inputs and constants becomes part of the method's contract.
  Status add_mutations() {
    std::vector<const Value*> done;
    for (const Value* owner : written_owners_) {
      if (std::find(done.begin(), done.end(), owner) != done.end()) continue;
      done.push_back(owner);
      if (!is_method_) {
        return unsupported("graph '{}' writes '{}', which belongs to its caller", graph_.name(),
                           owner->name());
      }
      Value* last = newest(const_cast<Value*>(owner));
      const bool constant = owner->is_constant();
      graph_.outputs().push_back(
          {last,
           constant ? ir::OutputKind::kBufferMutation : ir::OutputKind::kInputMutation,
           constant ? *owner->constant() : owner->name(),
           {}});
    }
    return {};
  }

  Module& module_;
  Graph& graph_;
  bool is_method_;
  std::unordered_map<const Node*, size_t> order_;
  std::unordered_map<const Value*, Value*> newest_;        // stale value → the one after a write
  std::unordered_map<const Value*, const Value*> origin_;  // new version → owner of the memory
  std::unordered_map<const Value*, std::vector<const Value*>> aliases_;
  std::vector<const Value*> written_owners_;
};

}  // namespace

Result<int64_t> functionalize(ir::Module& module) {
  std::set<const Graph*> methods;
  for (const auto& [name, method] : module.methods) methods.insert(method.graph.get());
  return for_each_graph(module, [&](Graph& graph) {
    return Functionalizer(module, graph, methods.contains(&graph)).run();
  });
}

}  // namespace pte::passes
