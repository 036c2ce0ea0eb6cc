// Which nodes one step does: products with what follows them, runs of elementwise calls.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/planner.h"

namespace pte::engine {

using ir::Arg;
using ir::Node;
using ir::Value;
using simd::Activation;

namespace {

bool is_float(const Value* value) {
  return value != nullptr && value->is_tensor() && value->tensor().dtype == DType::kFloat32;
}

bool is_product(const Node& node) {
  switch (node.op().op) {
    case Op::aten_convolution:
    case Op::aten_linear:
    case Op::aten_addmm:
    case Op::aten_mm:
    case Op::aten_bmm:
    case Op::aten_matmul:
      return is_float(node.result());
    default:
      return false;
  }
}

std::optional<float> bound(const Arg& arg, float otherwise) {
  if (arg.is_none()) return otherwise;
  const auto number = arg.number();
  if (!number || std::isnan(*number)) return std::nullopt;
  return static_cast<float>(*number);
}

class GroupFinder {
 public:
  GroupFinder(const ir::Module& module, const ir::Graph& graph, bool fuse,
              const std::unordered_set<const Node*>& without)
      : module_(module), graph_(graph), fuse_(fuse), taken_(without) {
    for (const ir::Output& output : graph.outputs()) outputs_.insert(output.value);
  }

  Groups run() {
    for (Node* node : graph_.nodes()) {
      if (!fuse_ || !node->is(Op::aten_bmm)) continue;
      auto found = match_attention(module_, node, outputs_, taken_);
      if (!found) continue;
      taken_.insert(node);
      for (const Node* inner : found->inner) {
        taken_.insert(inner);
        groups_.inside.insert(inner);
      }
      groups_.attention.emplace(node, std::move(*found));
    }
    for (Node* node : graph_.nodes()) {
      if (fuse_ && is_softmax_mean(node)) {
        Group group;
        group.head = node;
        group.nodes = {node, next(node)};
        add(std::move(group));
      }
    }
    for (Node* node : graph_.nodes()) {
      if (taken_.contains(node)) continue;
      if (is_product(*node)) {
        add(product(node));
        continue;
      }
      ElementChain chain;
      if (append_element(module_, *node, nullptr, chain)) add(elements(node));
    }
    return std::move(groups_);
  }

 private:
  // The only reader of the node's result, when it may be drawn into the node's step.
  Node* next(const Node* node) const {
    const Value* value = node->result();
    if (!fuse_ || value->users().size() != 1 || outputs_.contains(value)) return nullptr;
    Node* user = value->users().front();
    if (taken_.contains(user) || user->results().size() != 1 || !is_float(user->result())) {
      return nullptr;
    }
    return user;
  }

  // A softmax over channels whose only reader is a 1x1 convolution to one channel.
  bool is_softmax_mean(const Node* node) const {
    if ((!node->is(Op::aten__softmax) && !node->is(Op::aten_softmax_int)) ||
        taken_.contains(node) || !is_float(node->result()) || !is_float(node->input(0))) {
      return false;
    }
    const int64_t rank = static_cast<int64_t>(node->result()->tensor().rank());
    const auto dim = node->arg(1).integer();
    const Node* conv = next(node);
    if (conv == nullptr || rank < 3 || (dim != 1 && dim != 1 - rank) ||
        !conv->is(Op::aten_convolution) || conv->input(0) != node->result() ||
        !conv->arg(2).is_none() || conv->arg("transposed").boolean() != false ||
        conv->arg("groups").integer() != 1) {
      return false;
    }
    const Value* weights = conv->input(1);
    const auto sizes = weights->tensor().static_sizes();
    const auto is_all = [&](const char* name, int64_t wanted) {
      const auto numbers = conv->arg(name).integers();
      return numbers && std::all_of(numbers->begin(), numbers->end(),
                                    [&](int64_t number) { return number == wanted; });
    };
    // One output channel, and a kernel of one tap: as many weights as channels.
    return weights->is_constant() && is_float(weights) && module_.data_of(weights) != nullptr &&
           sizes && (*sizes)[0] == 1 && element_count(*sizes) == (*sizes)[1] &&
           is_all("stride", 1) && is_all("padding", 0);
  }

  static bool same_sizes(const Value* a, const Value* b) {
    return a->tensor().sizes == b->tensor().sizes;
  }

  Group product(Node* head) const {
    Group group;
    group.head = head;
    group.nodes.push_back(head);
    const bool batched = head->is(Op::aten_bmm) || head->is(Op::aten_matmul);
    for (Node *last = head, *user = next(head); user != nullptr; last = user, user = next(last)) {
      if (!same_sizes(user->result(), head->result())) break;
      if (batched) {
        if (!scale(user, last->result(), group)) break;
      } else if (const auto activated = activation_of(*user)) {
        if (group.epilogue.activation != Activation::kNone) break;
        group.epilogue.activation = activated->activation;
        group.epilogue.lo = activated->lo;
        group.epilogue.hi = activated->hi;
      } else if (Value* other = sum_with(user, last->result())) {
        if (group.residual != nullptr) break;
        group.residual = other;
        group.epilogue.residual_after_activation = group.epilogue.activation != Activation::kNone;
      } else {
        break;
      }
      group.nodes.push_back(user);
    }
    if (fuse_ && head->is(Op::aten_convolution)) group.padding = padding_before(*head);
    return group;
  }

  // x * number or x / number
  bool scale(const Node* node, const Value* value, Group& group) const {
    const bool multiplies = node->is(Op::aten_mul_Tensor) || node->is(Op::aten_mul_Scalar);
    const bool divides = node->is(Op::aten_div_Tensor) || node->is(Op::aten_div_Scalar);
    if (!multiplies && !divides) return false;
    const bool first = node->input(0) == value;
    if (!first && divides) return false;
    const auto number = number_of(module_, node->arg(first ? 1 : 0));
    if (!number || *number == 0) return false;
    group.scale *= multiplies ? *number : 1 / *number;
    return true;
  }

  // The other operand of a sum with `value`, of the same sizes.
  static Value* sum_with(const Node* node, const Value* value) {
    if (!node->is(Op::aten_add_Tensor) || node->arg(2).number() != 1.0) return nullptr;
    Value* other = node->input(node->input(0) == value ? 1 : 0);
    if (!is_float(other) || other == value || !same_sizes(other, value)) return nullptr;
    return other;
  }

  // Zeros around the picture that the convolution reads: its own padding may take them.
  const Node* padding_before(const Node& head) const {
    const Node* pad = head.input(0)->producer();
    if (pad == nullptr || !pad->is(Op::aten_constant_pad_nd) || taken_.contains(pad) ||
        pad->result()->users().size() != 1 || outputs_.contains(pad->result()) ||
        pad->arg(2).number() != 0.0 || head.arg("transposed").boolean() != false) {
      return nullptr;
    }
    const auto pads = pad->arg(1).integers();
    const size_t spatial = pad->result()->tensor().rank() - 2;
    if (!pads || pads->size() % 2 != 0 || pads->size() > 2 * spatial) return nullptr;
    for (const int64_t amount : *pads) {
      if (amount < 0) return nullptr;
    }
    return pad;
  }

  Group elements(Node* head) const {
    Group group;
    group.head = head;
    group.nodes.push_back(head);
    ElementChain chain;
    append_element(module_, *head, nullptr, chain);
    constexpr size_t kMostSources = 12;
    for (Node *last = head, *user = next(head); user != nullptr; last = user, user = next(last)) {
      if (!same_sizes(user->result(), head->result()) || is_product(*user)) break;
      if (chain.sources.size() >= kMostSources) break;
      if (!append_element(module_, *user, last->result(), chain)) break;
      group.nodes.push_back(user);
    }
    return group;
  }

  void add(Group group) {
    const Node* last = group.nodes.back();
    for (const Node* node : group.nodes) {
      taken_.insert(node);
      if (node != last) groups_.inside.insert(node);
    }
    if (group.padding != nullptr) {
      taken_.insert(group.padding);
      groups_.inside.insert(group.padding);
    }
    groups_.by_last.emplace(last, std::move(group));
  }

  const ir::Module& module_;
  const ir::Graph& graph_;
  bool fuse_;
  Groups groups_;
  std::unordered_set<const Node*> taken_;
  std::unordered_set<const Value*> outputs_;
};

}  // namespace

std::optional<double> number_of(const ir::Module& module, const Arg& arg) {
  if (const auto literal = arg.number()) return literal;
  const Value* value = arg.value();
  if (value == nullptr || !value->is_constant()) return std::nullopt;
  const Tensor* data = module.data_of(value);
  if (data == nullptr || !data->has_data() || data->numel() != 1) return std::nullopt;
  std::optional<double> number;
  dispatch(data->dtype(),
           [&]<typename T>(T) { number = static_cast<double>(*data->template data_as<T>()); });
  return number;
}

std::optional<Activated> activation_of(const Node& node) {
  if (node.results().size() != 1 || !is_float(node.result()) || node.args().empty() ||
      !is_float(node.input(0))) {
    return std::nullopt;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto clamp = [&](const Arg& low, const Arg& high) -> std::optional<Activated> {
    const auto lo = bound(low, -kInfinity);
    const auto hi = bound(high, kInfinity);
    if (!lo || !hi) return std::nullopt;
    return Activated{Activation::kClamp, *lo, *hi};
  };
  switch (node.op().op) {
    case Op::aten_relu:
      return Activated{Activation::kClamp, 0, kInfinity};
    case Op::aten_relu6:
      return Activated{Activation::kClamp, 0, 6};
    case Op::aten_hardtanh:
    case Op::aten_clamp:
      return clamp(node.arg(1), node.arg(2));
    case Op::aten_sigmoid:
      return Activated{Activation::kSigmoid, 0, 0};
    case Op::aten_silu:
      return Activated{Activation::kSilu, 0, 0};
    case Op::aten_hardsigmoid:
      return Activated{Activation::kHardsigmoid, 0, 0};
    case Op::aten_hardswish:
      return Activated{Activation::kHardswish, 0, 0};
    case Op::aten_tanh:
      return Activated{Activation::kTanh, 0, 0};
    case Op::aten_gelu: {
      const std::string* kind = node.arg(1).text();
      return Activated{
          kind != nullptr && *kind == "tanh" ? Activation::kGeluTanh : Activation::kGelu, 0, 0};
    }
    default:
      return std::nullopt;
  }
}

Groups find_groups(const ir::Module& module, const ir::Graph& graph, bool fuse,
                   const std::unordered_set<const Node*>& without) {
  return GroupFinder(module, graph, fuse, without).run();
}

}  // namespace pte::engine
