// Softmax and layer norm that came in pieces, as some exporters and hand-written models have them.
#include "engine/passes/fusions.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::engine {

using namespace passes;  // NOLINT: the vocabulary of rewrites

namespace {

class Rows {
 public:
  Rows(Module& module, Graph& graph) : module_(module), outputs_(output_values(graph)) {}

  Result<bool> visit(Node* node) {
    if (!is_float_result(node)) return false;
    switch (node->op().op) {
      case Op::aten_div_Tensor: {
        PTE_TRY(const bool softmax, this->softmax(node));
        if (softmax) return true;
        return norm(node, true);
      }
      case Op::aten_mul_Tensor: {
        PTE_TRY(const bool made, norm(node, false));
        if (made) return true;
        return affine(node, 2);
      }
      case Op::aten_add_Tensor:
        return node->arg(2).number() == 1.0 ? affine(node, 3) : Result<bool>(false);
      default:
        return false;
    }
  }

 private:
  static bool is_float_result(const Node* node) {
    return node->results().size() == 1 && node->result()->is_tensor() &&
           node->result()->tensor().dtype == DType::kFloat32;
  }

  // The node that makes a value, when it is of that kind.
  static const Node* made_by(const Value* value, std::initializer_list<Op> ops) {
    const Node* node = value == nullptr ? nullptr : value->producer();
    if (node == nullptr) return nullptr;
    for (const Op op : ops) {
      if (node->is(op)) return node;
    }
    return nullptr;
  }

  std::optional<double> number(const Arg& arg) const {
    if (const auto literal = arg.number()) return literal;
    const Value* value = arg.value();
    if (value == nullptr || !value->is_constant()) return std::nullopt;
    const Tensor* data = module_.data_of(value);
    if (data == nullptr || data->numel() != 1 || !data->has_data()) return std::nullopt;
    std::optional<double> found;
    dispatch(data->dtype(),
             [&]<typename T>(T) { found = static_cast<double>(*data->template data_as<T>()); });
    return found;
  }

  // The dimensions of a reduction that keeps them and their type, counted from the front, rising.
  static std::optional<std::vector<size_t>> kept_dims(const Node* node) {
    const Value* input = node->input(0);
    if (node->arg("keepdim").boolean() != true || !input->is_tensor() ||
        node->result()->tensor().dtype != input->tensor().dtype) {
      return std::nullopt;
    }
    const auto given = node->arg("dim").integers();
    if (!given || given->empty()) return std::nullopt;
    std::vector<size_t> dims;
    for (const int64_t each : *given) {
      const auto dim = wrap_dim(each, input->tensor().rank());
      if (!dim) return std::nullopt;
      dims.push_back(*dim);
    }
    std::sort(dims.begin(), dims.end());
    return dims;
  }

  // exp(x - amax(x)) / sum(exp(x - amax(x)))
  Result<bool> softmax(Node* node) {
    const Value* exponential = node->input(0);
    const Node* exp = made_by(exponential, {Op::aten_exp});
    const Node* sum = made_by(node->input(1), {Op::aten_sum_dim_IntList});
    if (exp == nullptr || sum == nullptr || sum->input(0) != exponential) return false;
    const Node* less = made_by(exp->input(0), {Op::aten_sub_Tensor});
    if (less == nullptr || less->arg(2).number() != 1.0) return false;
    Value* x = less->input(0);
    const Node* most = made_by(less->input(1), {Op::aten_amax});
    if (most == nullptr || most->input(0) != x) return false;
    const auto dims = kept_dims(sum);
    if (!dims || dims->size() != 1 || kept_dims(most) != dims) return false;
    return replace_by_call(module_, node, Op::aten__softmax,
                           {Arg(x), Arg(static_cast<int64_t>(dims->front())), Arg(false)});
  }

  // The value that is squared, or null.
  Value* squared(const Value* value) const {
    const Node* node = made_by(
        value, {Op::aten_mul_Tensor, Op::aten_pow_Tensor_Scalar, Op::aten_pow_Tensor_Tensor});
    if (node == nullptr) return nullptr;
    if (node->is(Op::aten_mul_Tensor)) {
      return node->input(0) == node->input(1) ? node->input(0) : nullptr;
    }
    return number(node->arg(1)) == 2.0 ? node->input(0) : nullptr;
  }

  // x - mean(x): x, and over which dimensions.
  struct Centred {
    Value* x = nullptr;
    std::vector<size_t> dims;
  };
  std::optional<Centred> centred(const Value* value) const {
    const Node* less = made_by(value, {Op::aten_sub_Tensor});
    if (less == nullptr || less->arg(2).number() != 1.0) return std::nullopt;
    const Node* mean = made_by(less->input(1), {Op::aten_mean_dim});
    if (mean == nullptr || mean->input(0) != less->input(0)) return std::nullopt;
    auto dims = kept_dims(mean);
    if (!dims) return std::nullopt;
    return Centred{less->input(0), std::move(*dims)};
  }

  // The variance of `x` over `dims`, divided by their number.
  bool is_variance(const Value* value, const Value* difference, const Centred& of) const {
    if (const Node* mean = made_by(value, {Op::aten_mean_dim})) {
      const Value* inner = squared(mean->input(0));
      if (inner == nullptr || kept_dims(mean) != of.dims) return false;
      if (inner == difference) return true;
      const auto again = centred(inner);
      return again && again->x == of.x && again->dims == of.dims;
    }
    const Node* variance = made_by(value, {Op::aten_var_correction});
    return variance != nullptr && variance->input(0) == of.x && kept_dims(variance) == of.dims &&
           number(variance->arg("correction")) == 0.0;
  }

  // (x - mean) / sqrt(variance + epsilon), or times the reciprocal root.
  Result<bool> norm(Node* node, bool divided) {
    for (const size_t side : {size_t{0}, size_t{1}}) {
      if (divided && side == 1) break;
      const Value* difference = node->input(side);
      const Node* root = divided ? made_by(node->input(1), {Op::aten_sqrt})
                                 : made_by(node->input(1 - side), {Op::aten_rsqrt});
      if (root == nullptr) continue;
      const Node* sum = made_by(root->input(0), {Op::aten_add_Tensor, Op::aten_add_Scalar});
      if (sum == nullptr || sum->arg(2).number() != 1.0) continue;
      const auto epsilon = number(sum->arg(1));
      const auto of = centred(difference);
      if (!epsilon || !of || !is_variance(sum->input(0), difference, *of)) continue;
      const auto sizes = of->x->tensor().static_sizes();
      if (!sizes) continue;
      // The last dimensions, all of them.
      std::vector<int64_t> shape;
      bool last = true;
      for (size_t i = 0; i < of->dims.size(); ++i) {
        last = last && of->dims[i] == sizes->size() - of->dims.size() + i;
        if (last) shape.push_back((*sizes)[of->dims[i]]);
      }
      if (!last) continue;
      return replace_by_call(
          module_, node, Op::aten_layer_norm,
          {Arg(of->x), Arg::ints(shape), Arg(), Arg(), Arg(*epsilon), Arg(true)});
    }
    return false;
  }

  // A weight or a bias (argument `place`) of a layer norm that has none.
  Result<bool> affine(Node* node, size_t place) {
    for (const size_t side : {size_t{0}, size_t{1}}) {
      const Node* norm = made_by(node->input(side), {Op::aten_layer_norm});
      Value* other = node->input(1 - side);
      if (norm == nullptr || other == nullptr || !other->is_constant() ||
          !norm->arg(place).is_none() || norm->result()->users().size() != 1 ||
          outputs_.contains(norm->result())) {
        continue;
      }
      // A bias is added to what was weighted already, a weight multiplies what has no bias yet.
      if (place == 2 && !norm->arg(3).is_none()) continue;
      const auto shape = norm->arg(1).integers();
      const auto sizes = other->tensor().static_sizes();
      if (!shape || !sizes || *sizes != *shape || other->tensor().dtype != DType::kFloat32) {
        continue;
      }
      std::vector<Arg> args = norm->args();
      args[place] = Arg(other);
      return replace_by_call(module_, node, Op::aten_layer_norm, std::move(args));
    }
    return false;
  }

  Module& module_;
  std::unordered_set<const Value*> outputs_;
};

}  // namespace

Result<int64_t> recompose_rows(Module& module) {
  PTE_TRY(const int64_t changes, for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
            Rows rows(module, graph);
            int64_t count = 0;
            for (Node* node : graph.nodes()) {
              PTE_TRY(const bool changed, rows.visit(node));
              count += changed ? 1 : 0;
            }
            return count;
          }));
  if (changes > 0) PTE_CHECK(dead_code(module));
  return changes;
}

}  // namespace pte::engine
