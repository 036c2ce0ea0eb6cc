// Layers of integers.
#include <algorithm>

#include "backends/xnnpack/emit.h"
#include "backends/xnnpack/filters.h"

namespace pte::xnnpack {

namespace {

std::vector<float> floats_of(const Tensor& tensor) {
  const auto dense = tensor.contiguous();
  if (!dense) return {};
  const float* data = dense->data_as<float>();
  return {data, data + dense->numel()};
}

std::vector<uint32_t> dims_of(const Tensor& tensor) {
  std::vector<uint32_t> dims;
  for (int64_t size : tensor.sizes()) dims.push_back(static_cast<uint32_t>(size));
  return dims;
}

Result<float> number(const ir::Node& node, std::string_view name) {
  const auto value = node.arg(name).number();
  if (!value) return internal_error("{} is no number", name);
  return static_cast<float>(*value);
}

}  // namespace

uint32_t Emitter::filter(Tensor data, std::vector<uint32_t> dims, const Tensor& scales,
                         int32_t channel_dim) {
  const std::vector<float> values = floats_of(scales);
  const bool half = data.dtype() == DType::kUInt8;  // two numbers to a byte
  if (scales.rank() == 2) {
    const auto blocks = static_cast<uint32_t>(scales.size(1));
    return layouts_.add_constant(
        Datatype::kQBInt4, dims, std::move(data),
        GroupQuant{values, channel_dim, static_cast<int32_t>(dims.back() / blocks)});
  }
  if (half) {
    return layouts_.add_constant(Datatype::kQCInt4, std::move(dims), std::move(data),
                                 PerChannelQuant{values, channel_dim});
  }
  if (values.size() == 1) {
    return layouts_.add_constant(Datatype::kQInt8, std::move(dims), std::move(data),
                                 PerTensorQuant{values[0], 0});
  }
  return layouts_.add_constant(Datatype::kQCInt8, std::move(dims), std::move(data),
                               PerChannelQuant{values, channel_dim});
}

Result<uint32_t> Emitter::layer_bias(const ir::Node& node, const Tensor& scales,
                                     bool dynamic_input) {
  const ir::Value* value = node.arg("bias").value();
  if (value == nullptr) return kNone;
  if (!dynamic_input) {
    PTE_TRY(const float scale, number(node, "input_scale"));
    return stored_bias(value, scales, scale);
  }
  PTE_TRY(Tensor values, to_float32(*frozen_data(module_, value)));
  const std::vector<uint32_t> dims = dims_of(values);
  return layouts_.add_constant(Datatype::kFloat32, dims, std::move(values));
}

Result<uint32_t> Emitter::stored_bias(const ir::Value* value, const Tensor& scales,
                                      float input_scale) {
  std::vector<float> steps = floats_of(scales);
  for (float& step : steps) step *= input_scale;
  PTE_TRY(Tensor data, frozen_data(module_, value)->contiguous());
  const std::vector<uint32_t> dims = dims_of(data);
  if (steps.size() == 1) {
    return layouts_.add_constant(Datatype::kQInt32, dims, std::move(data),
                                 PerTensorQuant{steps[0], 0});
  }
  return layouts_.add_constant(Datatype::kQCInt32, dims, std::move(data),
                               PerChannelQuant{std::move(steps), 0});
}

Status Emitter::convert(const ir::Node& node) {
  const Layout layout = layouts_.existing(node.input(0));
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  const uint32_t y = layouts_.add_result(node.result(), layout);
  layouts_.add_node(NodeKind::kConvert, {x}, y);
  return {};
}

uint32_t Emitter::dynamic(uint32_t id, int32_t shared_dims) {
  const uint32_t made =
      layouts_.add_value(Datatype::kQDInt8, graph_.values[id].dims, PerTokenQuant{shared_dims});
  layouts_.add_node(NodeKind::kConvert, {id}, made);
  return made;
}

Status Emitter::quantized_convolution(const ir::Node& node) {
  const bool dynamic_input = node.is(Op::pte_dynamic_quantized_convolution);
  const Tensor* weight = frozen_data(module_, node.arg("weight").value());
  const Tensor* scales = frozen_data(module_, node.arg("weight_scales").value());
  const auto pair = [&](std::string_view name) {
    const auto list = node.arg(name).integers().value_or(std::vector<int64_t>{0, 0});
    return Window{static_cast<uint32_t>(list[0]), static_cast<uint32_t>(list[1])};
  };
  const auto sides = node.arg("padding").integers();
  const auto groups = node.arg("groups").integer();
  const auto transposed = node.arg("transposed").boolean();
  if (weight == nullptr || scales == nullptr || !sides || sides->size() != 4 || !groups ||
      !transposed) {
    return internal_error("its arguments are no numbers");
  }
  ConvSpec spec;
  spec.transposed = *transposed;
  ConvParams& p = spec.params;
  p.stride = pair("stride");
  p.dilation = pair("dilation");
  p.adjustment = pair("output_padding");
  const auto side = [&](size_t i) { return static_cast<uint32_t>((*sides)[i]); };
  p.padding = {side(0), side(3), side(2), side(1)};
  p.kernel = {static_cast<uint32_t>(weight->size(2)), static_cast<uint32_t>(weight->size(3))};
  p.groups = static_cast<uint32_t>(*groups);
  const auto first = static_cast<uint32_t>(weight->size(0));
  const auto second = static_cast<uint32_t>(weight->size(1));
  p.group_input_channels = spec.transposed ? first / p.groups : second;
  p.group_output_channels = spec.transposed ? second : first / p.groups;
  spec.depthwise = !spec.transposed && p.group_input_channels == 1;

  const Layout layout = channels_last_layout(4);
  PTE_TRY(uint32_t x, layouts_.get(node.input(0), layout));
  if (dynamic_input) x = dynamic(x, 3);
  PTE_TRY(Tensor packed, arrange_filter(*weight, spec));
  const std::vector<uint32_t> dims = dims_of(packed);
  const uint32_t w = filter(std::move(packed), dims, *scales, spec.depthwise ? 3 : 0);
  PTE_TRY(const uint32_t bias, layer_bias(node, *scales, dynamic_input));
  const uint32_t y = layouts_.add_result(result_of(node), layout);
  const NodeKind kind = spec.transposed  ? NodeKind::kConvTranspose2d
                        : spec.depthwise ? NodeKind::kDepthwiseConv2d
                                         : NodeKind::kConv2d;
  set_clamp(node, layouts_.add_node(kind, {x, w, bias}, y, p));
  return {};
}

Status Emitter::quantized_linear(const ir::Node& node) {
  const bool dynamic_input = node.is(Op::pte_dynamic_quantized_linear);
  const Tensor* weight = frozen_data(module_, node.arg("weight").value());
  const Tensor* scales = frozen_data(module_, node.arg("weight_scales").value());
  if (weight == nullptr || scales == nullptr) return internal_error("its weight is no constant");
  const ir::Value* input = node.input(0);
  const Layout layout = rows_layout(input);
  PTE_TRY(uint32_t x, layouts_.get(input, layout));
  const uint32_t row = graph_.values[x].dims.back();
  if (dynamic_input) x = dynamic(x, 1);
  PTE_TRY(Tensor data, weight->contiguous());
  const std::vector<uint32_t> dims{static_cast<uint32_t>(data.size(0)), row};
  const uint32_t w = filter(std::move(data), dims, *scales, 0);
  PTE_TRY(const uint32_t bias, layer_bias(node, *scales, dynamic_input));
  const uint32_t y = layouts_.add_result(result_of(node), layout);
  set_clamp(node, layouts_.add_node(NodeKind::kFullyConnected, {x, w, bias}, y));
  return {};
}

Status Emitter::quantized_binary(const ir::Node& node) {
  const ir::Value* a = node.arg("a").value();
  const ir::Value* b = node.arg("b").value();
  const ir::Value* result = result_of(node);
  const Layout layout = common_layout(result, {a, b});
  PTE_TRY(const uint32_t x, operand(a, result, layout));
  PTE_TRY(const uint32_t y, operand(b, result, layout));
  NodeKind kind = NodeKind::kMultiply;
  if (node.is(Op::pte_quantized_add)) {
    PTE_TRY(const float scale, number(node, "b_scale"));
    kind = scale < 0 ? NodeKind::kSubtract : NodeKind::kAdd;
  }
  const uint32_t z = layouts_.add_result(result, layout);
  set_clamp(node, layouts_.add_node(kind, {x, y}, z));
  return {};
}

Status Emitter::quantized_mean(const ir::Node& node) {
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), channels_last_layout(4)));
  const bool kept = node.arg("keepdim").boolean().value_or(true);
  const uint32_t y = layouts_.add_result(
      node.result(), kept ? channels_last_layout(4) : Layout{0, kUnit, kUnit, 1});
  layouts_.add_node(NodeKind::kGlobalAvgPooling2d, {x}, y).flags = kKeepDims;
  return {};
}

}  // namespace pte::xnnpack
