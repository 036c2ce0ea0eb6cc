// A batch norm at inference is a scale and a shift for each channel: both go into the weight and
// bias of the layer before it. Computed in double, rounded once.
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/pages.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

// New constants may take as many bytes as all constants did, and a little: layers that share a
// weight but not a batch norm cannot multiply the program without end.
constexpr uint64_t kSlackBytes = uint64_t{1} << 20;

// Memory for new weights: small ones share blocks, which live as long as a tensor in them.
class Arena {
 public:
  Result<Tensor> make(DType dtype, const Sizes& sizes) {
    const auto bytes = byte_count(dtype, sizes);
    if (!bytes.has_value() || *bytes > kBlock / 4) return Tensor::zeros(dtype, sizes);
    const uint64_t wanted = align_up(*bytes, 64);
    if (block_.nbytes() - used_ < wanted) {
      PTE_TRY(block_, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(kBlock)}));
      used_ = 0;
    }
    Tensor made = Tensor::view(dtype, sizes, contiguous_strides(sizes), block_.data() + used_,
                               block_.owner());
    used_ += wanted;
    return made;
  }

 private:
  static constexpr uint64_t kBlock = uint64_t{512} << 10;
  Tensor block_;
  uint64_t used_ = 0;
};

// Where a layer keeps its parameters and how its weight's elements belong to output channels.
struct Layer {
  size_t weight_arg = 1;
  size_t bias_arg = 2;
  int64_t channels = 0;
  // The weight is seen as [groups, before, here, after]; output channel = group * here + its index
  // in `here`.
  int64_t groups = 1, before = 1, here = 1, after = 1;
};

std::optional<Layer> layer_of(const Node& node) {
  Layer layer;
  if (node.is(Op::aten_addmm)) {
    layer.weight_arg = 2;
    layer.bias_arg = 0;
    if (node.arg(3).number() != 1.0 || node.arg(4).number() != 1.0) return std::nullopt;
  } else if (!node.is(Op::aten_convolution) && !node.is(Op::aten_linear)) {
    return std::nullopt;
  }
  const auto sizes = node.input(layer.weight_arg)->tensor().static_sizes();
  if (!sizes.has_value() || sizes->size() < 2) return std::nullopt;
  const int64_t rest = element_count(*sizes).value_or(0);
  if (rest == 0) return std::nullopt;
  if (node.is(Op::aten_addmm)) {
    layer.channels = layer.here = (*sizes)[1];
    layer.before = (*sizes)[0];
  } else if (node.is(Op::aten_linear) || node.arg(6).boolean() == false) {
    layer.channels = layer.here = (*sizes)[0];
    layer.after = rest / layer.here;
  } else if (node.arg(6).boolean() == true) {
    // Transposed: [in, out / groups, …].
    const auto groups = node.arg(8).integer();
    if (!groups.has_value() || *groups < 1 || (*sizes)[0] % *groups != 0) return std::nullopt;
    layer.groups = *groups;
    layer.before = (*sizes)[0] / *groups;
    layer.here = (*sizes)[1];
    layer.after = rest / ((*sizes)[0] * (*sizes)[1]);
    layer.channels = layer.here * *groups;
  } else {
    return std::nullopt;
  }
  // Batch norm works on dimension 1; that is the channel of the layer's result for convolutions
  // always, for matrix products when the result is a matrix.
  const size_t rank = node.result()->tensor().rank();
  const bool matrix_product = !node.is(Op::aten_convolution);
  if (matrix_product ? rank != 2 : rank < 3) return std::nullopt;
  return layer;
}

// The elements of a constant as doubles; nothing when it has no data or is no floating type.
std::optional<std::vector<double>> doubles(const Tensor* tensor, int64_t count) {
  if (tensor == nullptr || tensor->numel() != count || !is_floating(tensor->dtype())) {
    return std::nullopt;
  }
  auto dense = tensor->contiguous();
  if (!dense.has_value()) return std::nullopt;
  std::vector<double> values(static_cast<size_t>(count));
  const bool known = dispatch(dense->dtype(), [&]<typename T>(T) {
    const T* data = dense->template data_as<T>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(data[i]);
  });
  if (!known) return std::nullopt;
  return values;
}

template <typename T>
T narrow(double value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return T(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

struct Affine {
  std::vector<double> scale, shift;
};

// y = x * scale + shift for each channel, or nothing when that cannot be known or is not finite.
std::optional<Affine> affine_of(const Module& module, const Node& norm, int64_t channels) {
  const auto read = [&](size_t arg, double absent) -> std::optional<std::vector<double>> {
    if (norm.arg(arg).is_none()) return std::vector<double>(static_cast<size_t>(channels), absent);
    return doubles(module.data_of(norm.input(arg)), channels);
  };
  const auto gamma = read(1, 1);
  const auto beta = read(2, 0);
  const auto mean = read(3, 0);
  const auto variance = read(4, 1);
  const auto eps = norm.arg(6).number();
  if (!gamma || !beta || !mean || !variance || !eps) return std::nullopt;
  Affine affine;
  for (size_t c = 0; c < gamma->size(); ++c) {
    const double scale = (*gamma)[c] / std::sqrt((*variance)[c] + *eps);
    const double shift = (*beta)[c] - (*mean)[c] * scale;
    if (!std::isfinite(scale) || !std::isfinite(shift)) return std::nullopt;
    affine.scale.push_back(scale);
    affine.shift.push_back(shift);
  }
  return affine;
}

Result<std::optional<Tensor>> scale_weight(Arena& arena, const Tensor& weight, const Layer& layer,
                                           const Affine& affine) {
  if (!is_floating(weight.dtype())) return std::optional<Tensor>();
  PTE_TRY(const Tensor from, weight.contiguous());
  PTE_TRY(Tensor to, arena.make(weight.dtype(), weight.sizes()));
  const bool known = dispatch(weight.dtype(), [&]<typename T>(T) {
    const T* in = from.template data_as<T>();
    T* out = to.template mutable_data_as<T>();
    const int64_t after = layer.after;
    for (int64_t group = 0; group < layer.groups; ++group) {
      for (int64_t before = 0; before < layer.before; ++before) {
        for (int64_t here = 0; here < layer.here; ++here, in += after, out += after) {
          const double scale = affine.scale[static_cast<size_t>(group * layer.here + here)];
          for (int64_t i = 0; i < after; ++i)
            out[i] = narrow<T>(static_cast<double>(in[i]) * scale);
        }
      }
    }
  });
  if (!known) return std::optional<Tensor>();
  release_pages(weight.bytes(), weight.owner());
  return std::optional<Tensor>(std::move(to));
}

Result<std::optional<Tensor>> make_bias(const Module& module, const Node& node, const Layer& layer,
                                        const Affine& affine, DType dtype) {
  std::vector<double> bias(static_cast<size_t>(layer.channels), 0);
  if (!node.arg(layer.bias_arg).is_none()) {
    auto old = doubles(module.data_of(node.input(layer.bias_arg)), layer.channels);
    if (!old.has_value()) return std::optional<Tensor>();
    bias = std::move(*old);
  }
  PTE_TRY(Tensor made, Tensor::zeros(dtype, {layer.channels}));
  dispatch(dtype, [&]<typename T>(T) {
    T* out = made.template mutable_data_as<T>();
    for (size_t c = 0; c < bias.size(); ++c) {
      out[c] = narrow<T>(bias[c] * affine.scale[c] + affine.shift[c]);
    }
  });
  return std::optional<Tensor>(std::move(made));
}

class Folder {
 public:
  Folder(Module& module, Graph& graph, const std::set<std::string, std::less<>>& written,
         const ReplacedConstants& replaced, Arena& arena, uint64_t& budget)
      : module_(module),
        graph_(graph),
        written_(written),
        replaced_(replaced),
        arena_(arena),
        budget_(budget),
        outputs_(output_values(graph)) {}

  Result<bool> visit(Node* norm) {
    if (!norm->is(Op::aten__native_batch_norm_legit_no_training)) return false;
    for (size_t i = 1; i < norm->results().size(); ++i) {
      const Value* result = norm->result(i);
      if (!result->users().empty() || outputs_.contains(result)) return false;
    }
    Value* input = norm->input(0);
    Node* node = input->producer();
    if (node == nullptr || input->users().size() != 1 || outputs_.contains(input)) return false;
    const auto layer = layer_of(*node);
    if (!layer.has_value() || input->type() != norm->result()->type()) return false;
    if (!is_fixed(node->arg(layer->weight_arg)) || !is_fixed(node->arg(layer->bias_arg))) {
      return false;
    }
    for (size_t i = 1; i <= 4; ++i) {
      if (!is_fixed(norm->arg(i))) return false;
    }
    Value* weight = node->input(layer->weight_arg);
    const Tensor* weight_data = module_.data_of(weight);
    if (weight_data == nullptr || weight_data->nbytes() > budget_) return false;
    const auto affine = affine_of(module_, *norm, layer->channels);
    if (!affine.has_value()) return false;
    PTE_TRY(std::optional<Tensor> bias,
            make_bias(module_, *node, *layer, *affine, weight_data->dtype()));
    if (!bias.has_value()) return false;
    PTE_TRY(std::optional<Tensor> scaled, scale_weight(arena_, *weight_data, *layer, *affine));
    if (!scaled.has_value()) return false;
    budget_ -= std::min<uint64_t>(budget_, scaled->nbytes() + bias->nbytes());

    const std::string weight_key = *weight->constant();
    const Value* old_bias = node->input(layer->bias_arg);
    const std::vector<Value*> read = norm->inputs();
    const std::string bias_key =
        old_bias != nullptr ? *old_bias->constant() : bias_name(weight_key);
    constexpr auto kParameter = ir::Constant::Kind::kParameter;
    node->set_arg(layer->weight_arg, module_.add_constant(graph_, weight_key + "_folded",
                                                          std::move(*scaled), kParameter));
    node->set_arg(layer->bias_arg,
                  module_.add_constant(graph_, bias_key + "_folded", std::move(*bias), kParameter));
    std::vector<Value*> with(norm->results().size(), nullptr);
    with[0] = input;
    replace(norm, with, /*take_names=*/false);
    replaced_.let_go(module_, graph_, weight);
    if (old_bias != nullptr) replaced_.let_go(module_, graph_, old_bias);
    for (const Value* value : read) replaced_.let_go(module_, graph_, value);
    return true;
  }

 private:
  // None, or a constant that nothing writes.
  bool is_fixed(const Arg& arg) const {
    if (arg.is_none()) return true;
    const Value* value = arg.value();
    return value != nullptr && value->is_constant() && !written_.contains(*value->constant());
  }

  // "features.0.weight" → "features.0.bias"
  static std::string bias_name(const std::string& weight) {
    constexpr std::string_view kWeight = "weight";
    if (weight.size() >= kWeight.size() && weight.ends_with(kWeight)) {
      return weight.substr(0, weight.size() - kWeight.size()) + "bias";
    }
    return weight + "_bias";
  }

  Module& module_;
  Graph& graph_;
  const std::set<std::string, std::less<>>& written_;
  const ReplacedConstants& replaced_;
  Arena& arena_;
  uint64_t& budget_;
  std::unordered_set<const Value*> outputs_;
};

}  // namespace

Result<int64_t> fold_batch_norm(ir::Module& module) {
  const auto written = written_constants(module);
  const ReplacedConstants replaced(module);
  Arena arena;
  uint64_t budget = kSlackBytes;
  for (const auto& [key, constant] : module.constants) budget += constant.data.nbytes();
  PTE_TRY(const int64_t changes, for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
            Folder folder(module, graph, written, replaced, arena, budget);
            int64_t count = 0;
            for (Node* node : graph.nodes()) {
              PTE_TRY(const bool folded, folder.visit(node));
              count += folded ? 1 : 0;
            }
            return count;
          }));
  if (changes > 0) module.drop_unused_constants();
  return changes;
}

}  // namespace pte::passes
