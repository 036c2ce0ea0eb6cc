#include "importers/torchscript/first_call.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

namespace pte::importers::script {
namespace {

using ir::Arg;

// Larger constants are not searched for being one repeated value.
constexpr int64_t kMostSearched = int64_t{1} << 20;

std::optional<double> fill_of(const Tensor& tensor) {
  if (!tensor.has_data() || tensor.numel() == 0 || tensor.numel() > kMostSearched)
    return std::nullopt;
  const auto plain = tensor.contiguous();
  if (!plain) return std::nullopt;
  std::optional<double> out;
  dispatch(plain->dtype(), [&]<typename T>(T) {
    const T* data = plain->data_as<T>();
    for (int64_t i = 1; i < plain->numel(); ++i) {
      if (!(data[i] == data[0])) return;
    }
    out = static_cast<double>(data[0]);
  });
  return out;
}

Result<Tensor> filled(const ir::TensorType& type, double fill) {
  PTE_TRY(Tensor made, Tensor::zeros(type.dtype, *type.static_sizes()));
  if (fill == 0) return made;
  dispatch(type.dtype, [&]<typename T>(T) {
    T* data = made.mutable_data_as<T>();
    std::fill(data, data + made.numel(), static_cast<T>(fill));
  });
  return made;
}

// Moves elements about or converts them: what holds one repeated value holds it afterwards too.
bool keeps_fill(const ir::Node& node) {
  return node.op().has(kTagView) || node.is(Op::aten__to_copy) || node.is(Op::aten_clone) ||
         node.is(Op::aten_cat) || node.is(Op::aten_stack);
}

// Whether a number is the same in every element type.
bool converts(double fill) { return fill == 0 || fill == 1; }

// The repeated value of a tensor that does not depend on the input.
class Fills {
 public:
  explicit Fills(const ir::Module& module) : module_(module) {}

  std::optional<double> of(const ir::Value* value) {
    const auto known = known_.find(value);
    if (known != known_.end()) return known->second;
    // Producers first: chains may be long.
    std::vector<const ir::Value*> open{value};
    while (!open.empty()) {
      const ir::Value* top = open.back();
      const ir::Node* node = top->producer();
      bool ready = true;
      if (node != nullptr && keeps_fill(*node)) {
        for (const ir::Value* input : node->inputs()) {
          if (known_.contains(input)) continue;
          open.push_back(input);
          ready = false;
        }
      }
      if (!ready) continue;
      open.pop_back();
      known_[top] = compute(top);
      // Not told apart from 0 by ==.
      if (auto& fill = known_[top]; fill == 0 && std::signbit(*fill)) fill.reset();
    }
    return known_[value];
  }

 private:
  std::optional<double> compute(const ir::Value* value) {
    if (!value->is_tensor()) return std::nullopt;
    if (const Tensor* data = module_.data_of(value)) return fill_of(*data);
    const ir::Node* node = value->producer();
    if (node == nullptr) return std::nullopt;
    const std::string& name = node->op().name;
    if (name == "aten::full" || name == "aten::full_like") return node->arg(1).number();
    if (name == "aten::zeros" || name == "aten::zeros_like" || name == "aten::new_zeros") return 0;
    if (name == "aten::ones" || name == "aten::ones_like" || name == "aten::new_ones") return 1;
    if (name == "aten::scalar_tensor") return node->arg(0).number();
    if (!keeps_fill(*node)) return std::nullopt;
    std::optional<double> fill;
    for (const ir::Value* input : node->inputs()) {
      if (!input->is_tensor()) continue;
      const auto own = known_[input];
      if (!own || (fill && *fill != *own)) return std::nullopt;
      fill = own;
    }
    if (node->is(Op::aten__to_copy) && fill && !converts(*fill)) return std::nullopt;
    return fill;
  }

  const ir::Module& module_;
  std::unordered_map<const ir::Value*, std::optional<double>> known_;
};

struct PairHash {
  size_t operator()(const std::pair<const ir::Value*, const ir::Value*>& pair) const {
    return std::hash<const void*>()(pair.first) * 31 + std::hash<const void*>()(pair.second);
  }
};

class Matcher {
 public:
  Matcher(const Side& first, const Side& later, const std::set<std::string>& unknown)
      : first_(first),
        later_(later),
        unknown_(unknown),
        fills_(first.module),
        later_fills_(later.module) {}

  bool match() {
    if (first_.results.size() != later_.results.size()) return false;
    for (size_t i = 0; i < first_.results.size(); ++i) want(first_.results[i], later_.results[i]);
    while (!open_.empty()) {
      const auto [a, b] = open_.back();
      open_.pop_back();
      if (!values(a, b)) return false;
    }
    return true;
  }

  struct Binding {
    const ir::Value* leaf = nullptr;
    std::optional<double> fill;
    std::string constant;  // of the first module, when it is no fill
  };
  const std::map<std::string, Binding>& bindings() const { return bindings_; }

 private:
  void want(const ir::Value* a, const ir::Value* b) {
    if (seen_.emplace(a, b).second) open_.emplace_back(a, b);
  }

  bool is_leaf(const ir::Value* value) const {
    return value->is_constant() && unknown_.contains(*value->constant());
  }

  bool bind(const ir::Value* leaf, Binding binding) {
    binding.leaf = leaf;
    const auto [held, fresh] = bindings_.emplace(*leaf->constant(), binding);
    return fresh ||
           (held->second.fill == binding.fill && held->second.constant == binding.constant);
  }

  // The leaf that holds `fill` alone when the value does.
  const ir::Value* source(const ir::Value* value, double fill) const {
    for (int steps = 0; steps < 64; ++steps) {
      if (is_leaf(value)) return value;
      const ir::Node* node = value->producer();
      if (node == nullptr || !keeps_fill(*node) || node->inputs().size() != 1) return nullptr;
      if (node->is(Op::aten__to_copy) && !converts(fill)) return nullptr;
      value = node->inputs()[0];
    }
    return nullptr;
  }

  bool values(const ir::Value* a, const ir::Value* b) {
    if (a->is_tensor() != b->is_tensor()) return false;
    if (a->is_tensor() &&
        (a->tensor().dtype != b->tensor().dtype || !(a->tensor().sizes == b->tensor().sizes))) {
      return false;
    }
    const auto fill = fills_.of(a);
    if (is_leaf(b)) {
      if (fill) return bind(b, {nullptr, fill, {}});
      // A learned initial state.
      if (a->is_constant() && first_.module.data_of(a) != nullptr)
        return bind(b, {nullptr, std::nullopt, *a->constant()});
      return false;
    }
    if (fill) {
      if (const ir::Value* leaf = source(b, *fill)) return bind(leaf, {nullptr, fill, {}});
      if (later_fills_.of(b) == fill) return true;
    }
    if (a->is_constant() || b->is_constant()) return a->constant() == b->constant();
    const ir::Node *one = a->producer(), *other = b->producer();
    if (one == nullptr || other == nullptr) {
      return one == other && place(a) == place(b) && place(a) >= 0;
    }
    return a->index() == b->index() && nodes(*one, *other);
  }

  static ptrdiff_t place(const ir::Value* input) {
    const auto& inputs = input->graph().inputs();
    const auto found = std::find(inputs.begin(), inputs.end(), input);
    return found == inputs.end() ? -1 : found - inputs.begin();
  }

  bool nodes(const ir::Node& a, const ir::Node& b) {
    if (&a.op() != &b.op() || a.op().has(kTagRandom) || a.args().size() != b.args().size())
      return false;
    for (size_t i = 0; i < a.args().size(); ++i) {
      if (!args(a.arg(i), b.arg(i))) return false;
    }
    return true;
  }

  bool args(const Arg& a, const Arg& b) {
    if (a.value() != nullptr && b.value() != nullptr) {
      want(a.value(), b.value());
      return true;
    }
    if (a.list() != nullptr && b.list() != nullptr) {
      if (a.list()->size() != b.list()->size()) return false;
      for (size_t i = 0; i < a.list()->size(); ++i) {
        if (!args((*a.list())[i], (*b.list())[i])) return false;
      }
      return true;
    }
    if (a.graph() != nullptr && b.graph() != nullptr) {
      const auto &mine = (*a.graph())->outputs(), &others = (*b.graph())->outputs();
      if (mine.size() != others.size()) return false;
      for (size_t i = 0; i < mine.size(); ++i) {
        if (mine[i].value == nullptr || others[i].value == nullptr) return false;
        want(mine[i].value, others[i].value);
      }
      return true;
    }
    return ir::same_arg(a, b);
  }

  const Side& first_;
  const Side& later_;
  const std::set<std::string>& unknown_;
  Fills fills_, later_fills_;
  std::set<std::pair<const ir::Value*, const ir::Value*>> seen_;
  std::vector<std::pair<const ir::Value*, const ir::Value*>> open_;
  std::map<std::string, Binding> bindings_;
};

}  // namespace

std::optional<std::map<std::string, Tensor>> initial_state(const Side& first, const Side& later,
                                                           const std::set<std::string>& unknown) {
  Matcher matcher(first, later, unknown);
  if (!matcher.match()) return std::nullopt;
  std::map<std::string, Tensor> out;
  for (const auto& [key, binding] : matcher.bindings()) {
    Result<Tensor> data = binding.fill
                              ? filled(binding.leaf->tensor(), *binding.fill)
                              : first.module.constants.at(binding.constant).data.contiguous();
    if (!data) return std::nullopt;
    out.emplace(key, std::move(*data));
  }
  return out;
}

}  // namespace pte::importers::script
