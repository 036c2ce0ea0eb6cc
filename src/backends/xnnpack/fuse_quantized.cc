#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "backends/xnnpack/quantized.h"
#include "backends/xnnpack/support.h"
#include "ir/builder.h"

namespace pte::xnnpack {

using ir::Arg;
using ir::Graph;
using ir::Module;
using ir::Node;
using ir::Value;

namespace {

constexpr int64_t kLow = -128, kHigh = 127;
// Of biases, so that sums stay far from the ends of 32 bits.
constexpr float kLargestBias = 1 << 30;

bool full_range(const Node& node) {
  return node.arg("quant_min").integer() == kLow && node.arg("quant_max").integer() == kHigh;
}

// A real number as it is stored.
int64_t stored_number(double value, const PerTensorQuant& quant) {
  const double scaled = std::nearbyint(value / quant.scale) + quant.zero_point;
  return static_cast<int64_t>(
      std::clamp(scaled, static_cast<double>(kLow), static_cast<double>(kHigh)));
}

struct Stored {
  Value* value = nullptr;
  PerTensorQuant quant;
};

// What a layer's result goes into: a clamp perhaps, then a quantize call.
struct Ending {
  Node* clamp = nullptr;
  Node* quantize = nullptr;
  PerTensorQuant quant;
};

class Fuser {
 public:
  Fuser(Module& module, Graph& graph) : module_(module), graph_(graph) {}

  Result<int64_t> run() {
    for (Node* node : graph_.nodes()) {
      PTE_CHECK(sink_dequantize(node));
    }
    for (Node* node : graph_.nodes()) {
      PTE_CHECK(hoist_quantize(node));
    }
    for (Node* node : graph_.nodes()) {
      if (gone_.count(node) != 0) continue;
      PTE_CHECK(fuse(node));
    }
    for (Node* node : graph_.nodes()) {
      PTE_CHECK(requantize(node));
    }
    for (Node* node : graph_.nodes()) {
      PTE_CHECK(make_real(node));
    }
    sweep();
    return layers_;
  }

 private:
  // ---- looking at values

  const Node* only_user(const Value* value) const {
    if (value->users().size() != 1 || graph_.is_output(value)) return nullptr;
    return value->users().front();
  }

  // Whether XNNPACK can hold the value: bounded sizes and so on.
  bool fits(const Value* value) const {
    return value->is_tensor() && value->tensor().is_contiguous() &&
           !tensor_reason(module_, value, "it");
  }

  // The integers behind a dequantize call.
  std::optional<Stored> stored(const Value* value) const {
    const Node* node = value == nullptr ? nullptr : value->producer();
    if (node == nullptr || !node->is(Op::qd_dequantize_per_tensor)) return std::nullopt;
    const auto quant = literal_quant(*node);
    Value* input = node->input(0);
    if (!quant || value->tensor().dtype != DType::kFloat32 ||
        input->tensor().dtype != DType::kInt8 || !fits(input) || !(stored_quant(input) == quant)) {
      return std::nullopt;
    }
    return Stored{input, *quant};
  }

  static std::optional<PerTensorQuant> quantizes(const Node* node) {
    if (node == nullptr || !node->is(Op::qd_quantize_per_tensor) || !full_range(*node)) {
      return std::nullopt;
    }
    return literal_quant(*node);
  }

  std::optional<Ending> ending(const Value* value) const {
    Ending end;
    const Node* user = only_user(value);
    if (user != nullptr && clamp_bounds(*user)) {
      end.clamp = const_cast<Node*>(user);
      user = only_user(user->result());
    }
    const auto quant = quantizes(user);
    if (!quant || !fits(user->result())) return std::nullopt;
    end.quantize = const_cast<Node*>(user);
    end.quant = *quant;
    return end;
  }

  // The float tensor that a layer's operand is, quantised by its own extremes.
  Value* dynamic_operand(const Value* value) const {
    const Node* back = value->producer();
    if (back == nullptr) return nullptr;
    const bool tokens = back->is(Op::qd_dequantize_per_token);
    if (!tokens && !back->is(Op::qd_dequantize_per_tensor_tensor)) return nullptr;
    const Node* there = back->input(0)->producer();
    const auto is_byte = [](const Node& node) {
      const auto* dtype = std::get_if<DType>(&node.arg("dtype").v);
      return full_range(node) && dtype != nullptr && *dtype == DType::kInt8;
    };
    if (there == nullptr || value->tensor().dtype != DType::kFloat32 || !is_byte(*back) ||
        !there->is(tokens ? Op::qd_quantize_per_token : Op::qd_quantize_per_tensor_tensor) ||
        !is_byte(*there)) {
      return nullptr;
    }
    Value* source = there->input(0);
    for (size_t i = 1; i <= 2; ++i) {
      const Value* parameter = there->input(i);
      if (back->input(i) != parameter) return nullptr;
      // A change of type between the choice and its use changes nothing here.
      while (parameter->producer() != nullptr &&
             (parameter->producer()->is(Op::aten__to_copy) ||
              parameter->producer()->is(Op::dim_order_to_dim_order_copy))) {
        parameter = parameter->producer()->input(0);
      }
      const Node* choice = parameter->producer();
      if (choice == nullptr || parameter->index() != i - 1 || choice->input(0) != source ||
          !choice->is(tokens ? Op::qd_choose_qparams_per_token_asymmetric
                             : Op::qd_choose_qparams_tensor)) {
        return nullptr;
      }
      if (!tokens && !full_range(*choice)) return nullptr;
    }
    return source->tensor().dtype == DType::kFloat32 && fits(source) ? source : nullptr;
  }

  const Tensor* constant(const Arg& arg) const {
    return arg.value() == nullptr ? nullptr : frozen_data(module_, arg.value());
  }

  // ---- making nodes

  ir::Builder before(const Node* node) {
    ir::Builder builder(module_, graph_, const_cast<Node*>(node));
    builder.set_location(node->location());
    return builder;
  }

  Value* add_constant(const Node* node, std::string_view what, Tensor data) {
    return module_.add_constant(graph_, fmt::format("{}_{}", node->result()->name(), what),
                                std::move(data));
  }

  Value* scales(const Node* node, const QuantizedWeight& weight) {
    const auto count = static_cast<int64_t>(weight.scales.size());
    Sizes sizes{count};
    if (weight.block != 0) {
      sizes = {weight.data.size(0), count / std::max<int64_t>(weight.data.size(0), 1)};
    }
    return add_constant(node, "scales",
                        Tensor::of<float>(std::move(sizes), std::span<const float>(weight.scales)));
  }

  // The clamp in stored numbers, then the place of the quantize call. `width`: the result has a
  // dim of its own for the width of a 1d convolution.
  Status finish(Value* made, const Ending& end, Node* layer, bool width = false) {
    if (end.clamp != nullptr) {
      const MinMax bounds = *clamp_bounds(*end.clamp);
      const auto bound = [&](float value) -> Arg {
        if (std::isinf(value)) return {};
        return stored_number(value, end.quant);
      };
      PTE_TRY(made,
              before(layer).call(Op::aten_clamp, {made, bound(bounds.min), bound(bounds.max)}));
    }
    if (width) {
      PTE_TRY(made, before(layer).call(Op::aten_squeeze_copy_dims, {made, Arg::ints({3})}));
    }
    Value* old = end.quantize->result();
    if (made->type() != old->type()) {
      return internal_error("'{}' is {}, its integers are {}", old->name(),
                            ir::to_string(old->type()), ir::to_string(made->type()));
    }
    const std::string name = old->name();
    graph_.replace_uses(old, made);
    erase(end.quantize);
    if (end.clamp != nullptr) erase(end.clamp);
    erase(layer);
    graph_.rename(made, name);
    ++layers_;
    return {};
  }

  void erase(Node* node) {
    gone_.insert(node);
    graph_.erase(node);
  }

  // ---- elements that only move

  // Calls whose integer result has the scale of their integer operand.
  static bool keeps_quant(const Node& node) {
    switch (node.op().op) {
      case Op::aten_relu:
      case Op::aten_relu6:
      case Op::aten_hardtanh:
      case Op::aten_clamp_min:
      case Op::aten_clamp_max:
        return true;
      default:
        return moves_elements(node);
    }
  }

  // Layers that gain from a stored operand.
  static bool is_layer(const Node& node) {
    switch (node.op().op) {
      case Op::aten_convolution:
      case Op::aten_linear:
      case Op::aten_addmm:
      case Op::aten_mm:
      case Op::aten_add_Tensor:
      case Op::aten_sub_Tensor:
      case Op::aten_mul_Tensor:
      case Op::aten_mean_dim:
      case Op::aten_adaptive_avg_pool2d:
      case Op::aten__adaptive_avg_pool2d:
        return true;
      default:
        return false;
    }
  }

  // dequantize → move becomes move → dequantize, where the next call takes integers.
  Status sink_dequantize(Node* node) {
    if (!keeps_quant(*node) || reject_reason(module_, *node)) return {};
    std::vector<Stored> operands;
    for (const Value* input : node->inputs()) {
      if (!input->is_tensor()) continue;
      const auto operand = stored(input);
      if (!operand || (!operands.empty() && !(operands[0].quant == operand->quant))) return {};
      operands.push_back(*operand);
    }
    const Node* user = only_user(node->result());
    if (operands.empty() || user == nullptr || !fits(node->result())) return {};
    // Filters are found behind their dequantize calls.
    if (std::all_of(operands.begin(), operands.end(), [&](const Stored& operand) {
          return frozen_data(module_, operand.value) != nullptr;
        })) {
      return {};
    }
    const PerTensorQuant quant = operands[0].quant;
    const bool pads = node->is(Op::aten_constant_pad_nd);
    const auto next = quantizes(user);
    const bool goes_on = is_layer(*user) || keeps_quant(*user);
    if (next ? !(*next == quant) : !goes_on) return {};
    std::vector<Arg> args = node->args();
    if (const auto bounds = clamp_bounds(*node)) {
      // Exact only where the bounds are stored numbers, or the next call rounds them alike.
      const auto bound = [&](float value) -> Arg {
        if (std::isinf(value)) return {};
        return stored_number(value, quant);
      };
      if (!next && !node->is(Op::aten_relu)) return {};
      args = {operands[0].value, bound(bounds->min), bound(bounds->max)};
    } else if (node->is(Op::aten_cat)) {
      std::vector<Value*> values;
      for (const Stored& operand : operands) values.push_back(operand.value);
      args[0] = Arg::values(values);
    } else {
      args[0] = operands[0].value;
    }
    if (pads) {
      const auto value = node->arg("value").is_none() ? 0.0 : node->arg("value").number();
      if (!value) return {};
      const int64_t number = stored_number(*value, quant);
      const auto real = static_cast<double>(number - quant.zero_point) * quant.scale;
      if (!next && real != *value) return {};
      args[2] = number;
    }
    ir::Builder builder = before(node);
    const Op op = clamp_bounds(*node) ? Op::aten_clamp : node->op().op;
    PTE_TRY(Value * made, builder.call(op, std::move(args)));
    if (made->tensor().dtype != DType::kInt8 ||
        made->tensor().sizes != node->result()->tensor().sizes) {
      graph_.erase(made->producer());
      return {};
    }
    PTE_TRY(Value * real, builder.call(Op::qd_dequantize_per_tensor,
                                       {made, static_cast<double>(quant.scale),
                                        int64_t{quant.zero_point}, kLow, kHigh, DType::kInt8}));
    graph_.replace_uses(node->result(), real);
    erase(node);
    return {};
  }

  // layer → view → quantize becomes layer → quantize → view.
  Status hoist_quantize(Node* node) {
    const auto quant = quantizes(node);
    Node* move = quant ? node->input(0)->producer() : nullptr;
    if (move == nullptr || only_user(node->input(0)) == nullptr) return {};
    switch (move->op().op) {
      case Op::aten_view_copy:
      case Op::aten_squeeze_copy_dim:
      case Op::aten_squeeze_copy_dims:
      case Op::aten_unsqueeze_copy:
      case Op::aten_permute_copy:
      case Op::aten_transpose_copy_int:
        break;
      default:
        return {};
    }
    const Value* from = move->input(0);
    if (from->producer() == nullptr || only_user(from) == nullptr ||
        reject_reason(module_, *move) ||
        !(is_layer(*from->producer()) || clamp_bounds(*from->producer()))) {
      return {};
    }
    ir::Builder builder = before(node);
    std::vector<Arg> args = node->args();
    args[0] = Arg(const_cast<Value*>(from));
    PTE_TRY(Value * stored, builder.call(Op::qd_quantize_per_tensor, std::move(args)));
    args = move->args();
    args[0] = stored;
    PTE_TRY(Value * made, builder.call(move->op().op, std::move(args)));
    graph_.replace_uses(node->result(), made);
    erase(node);
    erase(move);
    return {};
  }

  // ---- layers

  Status fuse(Node* node) {
    switch (node->op().op) {
      case Op::aten_convolution:
        return convolution(node);
      case Op::aten_linear:
        return matrix(node, node->arg(0).value(), node->arg(1).value(), node->arg(2));
      case Op::aten_addmm:
        if (node->arg("beta").number() != 1.0 || node->arg("alpha").number() != 1.0) return {};
        return matrix(node, node->arg(1).value(), node->arg(2).value(), node->arg(0));
      case Op::aten_mm:
        return matrix(node, node->arg(0).value(), node->arg(1).value(), Arg());
      case Op::aten_add_Tensor:
      case Op::aten_sub_Tensor:
        if (node->arg("alpha").number() != 1.0) return {};
        return binary(node);
      case Op::aten_mul_Tensor:
        return binary(node);
      case Op::aten_mean_dim:
      case Op::aten_adaptive_avg_pool2d:
      case Op::aten__adaptive_avg_pool2d:
        return mean(node);
      default:
        return {};
    }
  }

  // The bias at the scale of the products; nothing where it does not fit or has another form.
  std::optional<Tensor> stored_bias(const Tensor& bias, float scale, const QuantizedWeight& weight,
                                    int64_t channels) const {
    if (bias.dtype() != DType::kFloat32 || bias.numel() != channels) return std::nullopt;
    const auto dense = bias.contiguous();
    if (!dense) return std::nullopt;
    std::vector<int32_t> values(static_cast<size_t>(channels));
    for (size_t c = 0; c < values.size(); ++c) {
      const float step = weight.scales[weight.scales.size() == 1 ? 0 : c] * scale;
      const float value = std::nearbyint(dense->data_as<float>()[c] * (1.0F / step));
      if (!(std::abs(value) <= kLargestBias)) return std::nullopt;
      values[c] = static_cast<int32_t>(value);
    }
    return Tensor::of<int32_t>({channels}, std::span<const int32_t>(values));
  }

  // XNNPACK's limit on what one product's unit is worth in the result.
  static bool scales_fit(float in, const QuantizedWeight& weight, float out) {
    return std::all_of(weight.scales.begin(), weight.scales.end(), [&](float scale) {
      const float ratio = in * scale / out;
      return std::isnormal(in * scale) && ratio < 256 && ratio > 0;
    });
  }

  Status convolution(Node* node) {
    auto weight = quantized_weight(module_, node->input(1));
    if (!weight || weight->block != 0 || !fits(node->result())) return {};
    const auto spec = conv_spec(*node);
    const Value* input = node->input(0);
    if (!spec || input->tensor().rank() != node->input(1)->tensor().rank()) return {};
    const int64_t channels =
        static_cast<int64_t>(spec->params.groups) * spec->params.group_output_channels;
    if (weight->scales.size() != 1 &&
        (spec->transposed ? weight->axis != 1 || spec->params.groups != 1 : weight->axis != 0)) {
      return {};
    }
    const Tensor* bias = constant(node->arg(2));
    if (!node->arg(2).is_none() &&
        (bias == nullptr || bias->dtype() != DType::kFloat32 || bias->numel() != channels)) {
      return {};
    }
    const ConvParams& p = spec->params;
    if (spec->transposed &&
        (p.adjustment.height >= p.stride.height || p.adjustment.width >= p.stride.width) &&
        (p.adjustment.height > 0 || p.adjustment.width > 0)) {
      return {};
    }
    if (spec->one_d && (count_dynamic(input->tensor().sizes) > 1 ||
                        count_dynamic(node->result()->tensor().sizes) > 1)) {
      return {};
    }
    const auto pair = [](const Window& w) { return Arg::ints({w.height, w.width}); };
    const std::vector<Arg> window{
        pair(p.stride),
        Arg::ints({p.padding.top, p.padding.left, p.padding.bottom, p.padding.right}),
        pair(p.dilation),
        spec->transposed,
        pair(p.adjustment),
        int64_t{p.groups}};
    const auto with_window = [&](std::vector<Arg> args) {
      args.insert(args.end(), window.begin(), window.end());
      return args;
    };

    if (Value* source = dynamic_operand(input)) {
      if (spec->one_d || spec->depthwise || (spec->transposed && p.groups != 1)) return {};
      Value* filter = add_constant(node, "filter", weight->data);
      if (weight->scales.size() == 1) {
        weight->scales.assign(static_cast<size_t>(channels), weight->scales[0]);
      }
      Value* steps = scales(node, *weight);
      PTE_TRY(Value * made,
              before(node).call(Op::pte_dynamic_quantized_convolution,
                                with_window({source, filter, steps, 0, node->arg(2)})));
      return put(made, node);
    }

    const auto operand = stored(input);
    const auto end = ending(node->result());
    if (!operand || !end || !scales_fit(operand->quant.scale, *weight, end->quant.scale)) return {};
    Arg adds;
    if (bias != nullptr) {
      auto values = stored_bias(*bias, operand->quant.scale, *weight, channels);
      if (!values) return {};
      adds = add_constant(node, "bias", std::move(*values));
    }
    Tensor data = weight->data;
    if (spec->one_d) {
      data = data.with_layout({data.size(0), data.size(1), data.size(2), 1},
                              {data.strides()[0], data.strides()[1], data.strides()[2], 1});
    }
    Value* filter = add_constant(node, "filter", data);
    Value* steps = scales(node, *weight);
    ir::Builder builder = before(node);
    Value* x = operand->value;
    if (spec->one_d) {
      PTE_TRY(x, builder.call(Op::aten_unsqueeze_copy, {x, -1}));
    }
    std::vector<Arg> args =
        with_window({x, static_cast<double>(operand->quant.scale),
                     int64_t{operand->quant.zero_point}, filter, steps, 0, adds});
    args.emplace_back(static_cast<double>(end->quant.scale));
    args.emplace_back(int64_t{end->quant.zero_point});
    PTE_TRY(Value * made, builder.call(Op::pte_quantized_convolution, std::move(args)));
    return finish(made, *end, node, spec->one_d);
  }

  // A product with a constant matrix, [out, in] or, in mm and addmm, [in, out].
  Status matrix(Node* node, const Value* input, const Value* weight_value, const Arg& bias_arg) {
    auto weight = quantized_weight(module_, weight_value);
    if (!weight || weight->data.rank() != 2 || !fits(node->result())) return {};
    if (!node->is(Op::aten_linear)) {
      if (weight->block != 0) return {};
      const Sizes& sizes = weight->data.sizes();
      PTE_TRY(weight->data,
              weight->data.with_layout({sizes[1], sizes[0]}, {1, sizes[1]}).contiguous());
      weight->axis = 1 - weight->axis;
    }
    const int64_t channels = weight->data.size(0);
    if (weight->scales.size() != 1 && weight->block == 0 && weight->axis != 0) return {};
    const Tensor* bias = constant(bias_arg);
    if (!bias_arg.is_none() && (bias == nullptr || bias->dtype() != DType::kFloat32 ||
                                bias->rank() != 1 || bias->numel() != channels)) {
      return {};
    }

    if (Value* source = dynamic_operand(input)) {
      if (weight->block != 0 && (!weight->four_bits || weight->block % 32 != 0)) return {};
      const int64_t bits = weight->four_bits ? 4 : 8;
      if (weight->scales.size() == 1) {
        weight->scales.assign(static_cast<size_t>(channels), weight->scales[0]);
      }
      Tensor data = weight->data;
      if (bits == 4) {
        PTE_TRY(data, pack_half_bytes(data));
      }
      if (weight->block != 0) {  // as the payload keeps them
        for (float& scale : weight->scales) scale = static_cast<float>(BFloat16(scale));
        if (!std::all_of(weight->scales.begin(), weight->scales.end(),
                         [](float s) { return std::isnormal(s); })) {
          return {};
        }
      }
      Value* filter = add_constant(node, "filter", std::move(data));
      Value* steps = scales(node, *weight);
      PTE_TRY(Value * made,
              before(node).call(Op::pte_dynamic_quantized_linear,
                                {source, 1, filter, steps, bits == 4 ? 8 : 0, bits, bias_arg}));
      return put(made, node);
    }

    const auto operand = stored(input);
    const auto end = ending(node->result());
    if (!operand || !end || weight->block != 0 ||
        !scales_fit(operand->quant.scale, *weight, end->quant.scale)) {
      return {};
    }
    Arg adds;
    if (bias != nullptr) {
      auto values = stored_bias(*bias, operand->quant.scale, *weight, channels);
      if (!values) return {};
      adds = add_constant(node, "bias", std::move(*values));
    }
    Value* filter = add_constant(node, "filter", weight->data);
    Value* steps = scales(node, *weight);
    PTE_TRY(
        Value * made,
        before(node).call(Op::pte_quantized_linear,
                          {operand->value, static_cast<double>(operand->quant.scale),
                           int64_t{operand->quant.zero_point}, filter, steps, 0, 8, adds,
                           static_cast<double>(end->quant.scale), int64_t{end->quant.zero_point}}));
    return finish(made, *end, node);
  }

  Status binary(Node* node) {
    if (node->arg(0).value() == nullptr || node->arg(1).value() == nullptr ||
        reject_reason(module_, *node)) {
      return {};
    }
    const auto a = stored(node->input(0)), b = stored(node->input(1));
    const auto end = ending(node->result());
    if (!a || !b || !end) return {};
    const bool product = node->is(Op::aten_mul_Tensor);
    if (product) {
      const float ratio = a->quant.scale * b->quant.scale / end->quant.scale;
      if (!(ratio >= 0x1.0p-16F && ratio < 0x1.0p+8F)) return {};
    } else {
      for (const float scale : {a->quant.scale, b->quant.scale}) {
        const float ratio = scale / end->quant.scale;
        if (!(ratio >= 0x1.0p-10F && ratio < 0x1.0p+7F)) return {};
      }
    }
    const double sign = node->is(Op::aten_sub_Tensor) ? -1 : 1;
    PTE_TRY(Value * made,
            before(node).call(
                product ? Op::pte_quantized_mul : Op::pte_quantized_add,
                {a->value, static_cast<double>(a->quant.scale), int64_t{a->quant.zero_point},
                 b->value, sign * b->quant.scale, int64_t{b->quant.zero_point},
                 static_cast<double>(end->quant.scale), int64_t{end->quant.zero_point}}));
    return finish(made, *end, node);
  }

  // Over height and width, the result with or without them.
  Status mean(Node* node) {
    const ir::TensorType& in = node->input(0)->tensor();
    const ir::TensorType& out = node->result()->tensor();
    if (in.rank() != 4 || reject_reason(module_, *node)) return {};
    if (!node->is(Op::aten_mean_dim) &&
        !(out.sizes[2].is_constant(1) && out.sizes[3].is_constant(1))) {
      return {};
    }
    const auto operand = stored(node->input(0));
    const auto end = ending(node->result());
    if (!operand || !end) return {};
    const float ratio = operand->quant.scale / end->quant.scale;
    if (!(ratio >= 0x1.0p-8F && ratio < 0x1.0p+8F)) return {};
    PTE_TRY(
        Value * made,
        before(node).call(Op::pte_quantized_mean,
                          {operand->value, static_cast<double>(operand->quant.scale),
                           int64_t{operand->quant.zero_point}, Arg::ints({2, 3}), out.rank() == 4,
                           static_cast<double>(end->quant.scale), int64_t{end->quant.zero_point}}));
    return finish(made, *end, node);
  }

  // A float layer's place.
  Status put(Value* made, Node* node) {
    if (made->type() != node->result()->type()) {
      return internal_error("'{}' is {}, its layer of integers gives {}", node->result()->name(),
                            ir::to_string(node->result()->type()), ir::to_string(made->type()));
    }
    const std::string name = node->result()->name();
    graph_.replace_uses(node->result(), made);
    erase(node);
    graph_.rename(made, name);
    ++layers_;
    return {};
  }

  // ---- what is left

  // quantize(dequantize(x)): nothing, or a change of scale.
  Status requantize(Node* node) {
    const auto to = quantizes(node);
    const auto from = to ? stored(node->input(0)) : std::nullopt;
    if (!from || !fits(node->result())) return {};
    Value* made = from->value;
    if (!(from->quant == *to)) {
      const float ratio = from->quant.scale / to->scale;
      if (!(ratio >= 0x1.0p-8F && ratio <= 0x1.0p+7F)) return {};
      PTE_TRY(made, before(node).call(Op::pte_requantize,
                                      {made, static_cast<double>(from->quant.scale),
                                       int64_t{from->quant.zero_point},
                                       static_cast<double>(to->scale), int64_t{to->zero_point}}));
    }
    graph_.replace_uses(node->result(), made);
    erase(node);
    return {};
  }

  // Float layers whose filter is kept as integers: XNNPACK wants it as floats.
  Status make_real(Node* node) {
    size_t place = 1;
    switch (node->op().op) {
      case Op::aten_convolution:
      case Op::aten_linear:
      case Op::aten_mm:
        break;
      case Op::aten_addmm:
        place = 2;
        break;
      default:
        return {};
    }
    Value* old = node->input(place);
    const auto weight = quantized_weight(module_, old);
    if (!weight) return {};
    PTE_TRY(Tensor data, real_weight(*weight));
    Value* made = add_constant(node, "filter", std::move(data));
    node->set_arg(place, made);
    if (reject_reason(module_, *node)) {
      node->set_arg(place, old);
      graph_.drop_unused_constants();
    }
    return {};
  }

  // Calls that nothing reads any more.
  void sweep() {
    const std::vector<Node*> nodes = graph_.nodes();
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
      Node* node = *it;
      if (node->op().has(kTagEffect) || node->op().has(kTagInPlace) ||
          std::any_of(node->results().begin(), node->results().end(),
                      [&](const Value* v) { return graph_.has_uses(v); })) {
        continue;
      }
      graph_.erase(node);
    }
    module_.drop_unused_constants();
  }

  Module& module_;
  Graph& graph_;
  std::unordered_set<const Node*> gone_;
  int64_t layers_ = 0;
};

bool is_quantized(const Graph& graph) {
  const std::vector<Node*> nodes = graph.nodes();
  return std::any_of(nodes.begin(), nodes.end(), [](const Node* node) {
    if (node->is(Op::aten__to_copy) || node->is(Op::dim_order_to_dim_order_copy)) {
      const Value* input = node->input(0);
      return input->is_constant() && input->tensor().dtype == DType::kInt8;
    }
    return node->is(Op::qd_dequantize_per_tensor) || node->is(Op::qd_dequantize_per_channel);
  });
}

}  // namespace

Result<int64_t> fuse_quantized(Module& module, Graph& graph) {
  if (!is_quantized(graph)) return 0;
  return Fuser(module, graph).run();
}

}  // namespace pte::xnnpack
