#include <cmath>

#include "engine/passes/fusions.h"
#include "passes/rewrite.h"

namespace pte::engine {

using namespace passes;  // NOLINT: the vocabulary of rewrites

namespace {

class Activations {
 public:
  Activations(Module& module, Graph& graph) : module_(module), outputs_(output_values(graph)) {}

  Result<bool> visit(Node* node) {
    if (!node->is(Op::aten_mul_Tensor) && !node->is(Op::aten_mul_Scalar)) return false;
    PTE_TRY(const bool silu, swish(node));
    if (silu) return true;
    return gelu(node);
  }

 private:
  bool is_float(const Value* value) const {
    return value->is_tensor() && value->tensor().dtype == DType::kFloat32;
  }

  std::optional<double> number(const Arg& arg) const {
    if (const auto literal = arg.number()) return literal;
    const Value* value = arg.value();
    if (value == nullptr || !value->is_constant()) return std::nullopt;
    const Tensor* data = module_.data_of(value);
    if (data == nullptr || data->numel() != 1 || data->rank() != 0 || !data->has_data()) {
      return std::nullopt;
    }
    std::optional<double> found;
    dispatch(data->dtype(),
             [&]<typename T>(T) { found = static_cast<double>(*data->template data_as<T>()); });
    return found;
  }

  static bool near(std::optional<double> number, double wanted) {
    return number && std::abs(*number - wanted) <= 1e-6 * std::abs(wanted);
  }

  // x * sigmoid(x)
  Result<bool> swish(Node* node) {
    if (!node->is(Op::aten_mul_Tensor) || !is_float(node->result())) return false;
    for (const size_t side : {size_t{0}, size_t{1}}) {
      const Node* gate = node->input(side)->producer();
      Value* x = node->input(1 - side);
      if (gate == nullptr || !gate->is(Op::aten_sigmoid) || gate->input(0) != x) continue;
      return replace_by_call(module_, node, Op::aten_silu, {x});
    }
    return false;
  }

  // The factors of a product, products of products opened, but for those that others read too.
  bool factors(Value* value, int depth, double& number_factor, std::vector<Value*>& out) const {
    constexpr int kMostDepth = 6;
    const Node* node = value->producer();
    const bool open = node != nullptr && depth < kMostDepth &&
                      (depth == 0 || (value->users().size() == 1 && !outputs_.contains(value)));
    if (open && (node->is(Op::aten_mul_Tensor) || node->is(Op::aten_mul_Scalar))) {
      for (const size_t side : {size_t{0}, size_t{1}}) {
        if (const auto found = number(node->arg(side))) {
          number_factor *= *found;
        } else if (!factors(node->input(side), depth + 1, number_factor, out)) {
          return false;
        }
      }
      return true;
    }
    if (open && (node->is(Op::aten_div_Tensor) || node->is(Op::aten_div_Scalar))) {
      if (const auto found = number(node->arg(1)); found && *found != 0) {
        number_factor /= *found;
        return factors(node->input(0), depth + 1, number_factor, out);
      }
    }
    out.push_back(value);
    return out.size() <= 8;
  }

  // The y of 1 + y.
  Value* over_one(const Value* value) const {
    const Node* node = value->producer();
    if (node == nullptr) return nullptr;
    if (!node->is(Op::aten_add_Tensor) && !node->is(Op::aten_add_Scalar)) return nullptr;
    if (node->arg(2).number() != 1.0) return nullptr;
    if (number(node->arg(1)) == 1.0) return node->input(0);
    if (node->is(Op::aten_add_Tensor) && number(node->arg(0)) == 1.0) return node->input(1);
    return nullptr;
  }

  // x * 0.5 * (1 + erf(x * 0.7071)), or the one with tanh, in any order of the factors.
  Result<bool> gelu(Node* node) {
    if (!is_float(node->result())) return false;
    double scale = 1;
    std::vector<Value*> parts;
    if (!factors(node->result(), 0, scale, parts) || parts.size() != 2 || !near(scale, 0.5)) {
      return false;
    }
    for (const size_t side : {size_t{0}, size_t{1}}) {
      Value* x = parts[side];
      const Value* sum = over_one(parts[1 - side]);
      const Node* inner = sum == nullptr ? nullptr : sum->producer();
      if (inner == nullptr) continue;
      if (inner->is(Op::aten_erf) && is_scaled(inner->input(0), x, std::sqrt(0.5))) {
        return replace_by_call(module_, node, Op::aten_gelu, {x, Arg("none")});
      }
      if (inner->is(Op::aten_tanh) && is_tanh_inner(inner->input(0), x)) {
        return replace_by_call(module_, node, Op::aten_gelu, {x, Arg("tanh")});
      }
    }
    return false;
  }

  bool is_scaled(Value* value, const Value* x, double wanted) const {
    double scale = 1;
    std::vector<Value*> parts;
    return factors(value, 0, scale, parts) && parts.size() == 1 && parts[0] == x &&
           near(scale, wanted);
  }

  // sqrt(2 / pi) * (x + 0.044715 * x^3)
  bool is_tanh_inner(Value* value, const Value* x) const {
    double scale = 1;
    std::vector<Value*> parts;
    if (!factors(value, 0, scale, parts) || parts.size() != 1 ||
        !near(scale, std::sqrt(2 / 3.14159265358979323846))) {
      return false;
    }
    const Node* sum = parts[0]->producer();
    if (sum == nullptr || !sum->is(Op::aten_add_Tensor) || sum->arg(2).number() != 1.0) {
      return false;
    }
    for (const size_t side : {size_t{0}, size_t{1}}) {
      if (sum->input(side) != x) continue;
      double cube_scale = 1;
      std::vector<Value*> cube;
      if (!factors(sum->input(1 - side), 0, cube_scale, cube) || !near(cube_scale, 0.044715)) {
        continue;
      }
      if (cube.size() == 3 && cube[0] == x && cube[1] == x && cube[2] == x) return true;
      const Node* power = cube.size() == 1 ? cube[0]->producer() : nullptr;
      if (power != nullptr && power->is(Op::aten_pow_Tensor_Scalar) && power->input(0) == x &&
          power->arg(1).number() == 3.0) {
        return true;
      }
    }
    return false;
  }

  Module& module_;
  std::unordered_set<const Value*> outputs_;
};

}  // namespace

Result<int64_t> recompose_activations(ir::Module& module) {
  return for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
    Activations activations(module, graph);
    int64_t changes = 0;
    for (Node* node : graph.nodes()) {
      PTE_TRY(const bool changed, activations.visit(node));
      changes += changed ? 1 : 0;
    }
    return changes;
  });
}

}  // namespace pte::engine
