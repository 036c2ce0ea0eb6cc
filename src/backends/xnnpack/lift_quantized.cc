// Quantised values and the nodes that compute with their integers. Every other node meets
// quantised operands as real numbers: dequantised before it, quantised after it.
#include <algorithm>
#include <cmath>

#include "backends/xnnpack/lifter.h"

namespace pte::xnnpack {

using ir::Arg;

namespace {

constexpr int32_t kHalfByteZero = 8;  // what 4-bit weights store for zero

bool is_byte(Datatype type) { return type == Datatype::kQInt8 || type == Datatype::kQUInt8; }
bool is_half_byte(Datatype type) { return type == Datatype::kQBInt4 || type == Datatype::kQCInt4; }
// Types that XNNPACK makes while it runs.
bool is_packed(Datatype type) {
  return type == Datatype::kQPInt8 || type == Datatype::kPFloat32 || type == Datatype::kInvalid;
}

struct Range {
  int32_t min, max;
};
Range range_of(Datatype type) {
  return type == Datatype::kQUInt8 ? Range{0, 255} : Range{-128, 127};
}

Status check_scales(const std::vector<float>& scales) {
  for (float scale : scales) {
    if (!std::isnormal(scale) || scale < 0) return invalid_data("a scale of {}", scale);
  }
  return {};
}

Arg real(float value) { return {static_cast<double>(value)}; }
Arg integer(int64_t value) { return {value}; }

}  // namespace

Status Lifter::check_value(uint32_t id) const {
  const XnnValue& v = source_.values[id];
  if (is_packed(v.datatype)) {
    return unsupported("its type is {}, which no file stores", datatype_name(v.datatype));
  }
  if (v.dq_datatype != Datatype::kInvalid) {
    const bool known = v.dq_datatype == Datatype::kQInt8 && (v.flags & kExternalInput) != 0 &&
                       (v.datatype == Datatype::kFloat32 || v.datatype == Datatype::kFloat16);
    if (!known) {
      return unsupported("{} quantised to {} while it runs", datatype_name(v.datatype),
                         datatype_name(v.dq_datatype));
    }
  }
  const bool constant = is_constant(id);
  if (const auto* tensor = std::get_if<PerTensorQuant>(&v.quant)) {
    const Range range = range_of(v.datatype);
    if (is_byte(v.datatype) && (tensor->zero_point < range.min || tensor->zero_point > range.max)) {
      return invalid_data("a zero point of {} for {}", tensor->zero_point,
                          datatype_name(v.datatype));
    }
    return check_scales({tensor->scale});
  }
  if (const auto* channel = std::get_if<PerChannelQuant>(&v.quant)) {
    if (!constant) return unsupported("scales for channels of a value that is no constant");
    return check_scales(channel->scales);
  }
  if (const auto* group = std::get_if<GroupQuant>(&v.quant)) {
    if (!constant) return unsupported("scales for blocks of a value that is no constant");
    return check_scales(group->scales);
  }
  const bool plain = std::holds_alternative<std::monostate>(v.quant);
  if (std::holds_alternative<PerTokenQuant>(v.quant) != (v.datatype == Datatype::kQDInt8)) {
    return invalid_data("{} with parameters of another kind", datatype_name(v.datatype));
  }
  if (v.datatype == Datatype::kQDInt8 && (constant || v.flags != 0)) {
    return unsupported("a constant or an argument of type {}", datatype_name(v.datatype));
  }
  const bool real = v.datatype == Datatype::kFloat32 || v.datatype == Datatype::kFloat16 ||
                    v.datatype == Datatype::kBFloat16 || v.datatype == Datatype::kInt32;
  if (plain && !real) return invalid_data("{} without a scale", datatype_name(v.datatype));
  return {};
}

bool Lifter::is_quantized(uint32_t id) const {
  return is_byte(source_.values[id].datatype) &&
         std::holds_alternative<PerTensorQuant>(source_.values[id].quant);
}

bool Lifter::is_dynamic(uint32_t id) const {
  const XnnValue& v = source_.values[id];
  return v.datatype == Datatype::kQDInt8 || v.dq_datatype == Datatype::kQInt8;
}

bool Lifter::same_quant(uint32_t a, uint32_t b) const {
  const XnnValue& x = source_.values[a];
  const XnnValue& y = source_.values[b];
  return x.datatype == y.datatype && x.quant == y.quant;
}

Status Lifter::expect_same_quant(const XnnNode& node) const {
  for (uint32_t id : node.inputs) {
    const bool any = is_quantized(id) || is_quantized(node.outputs[0]);
    if (any && !same_quant(id, node.outputs[0])) {
      return unsupported("the operand {} and the result {} have different scales", id,
                         node.outputs[0]);
    }
  }
  return {};
}

Arg Lifter::stored(uint32_t id, float value) const {
  if (!is_quantized(id)) return real(value);
  const Range range = range_of(source_.values[id].datatype);
  const PerTensorQuant& q = quant(id);
  const float scaled = value / q.scale + static_cast<float>(q.zero_point);
  const float bounded =
      std::fmin(std::fmax(scaled, static_cast<float>(range.min)), static_cast<float>(range.max));
  return integer(std::lrint(bounded));
}

Result<ir::Value*> Lifter::dequantized(uint32_t id, ir::Value* value) {
  const Range range = range_of(source_.values[id].datatype);
  return call(Op::qd_dequantize_per_tensor,
              {value, real(quant(id).scale), integer(quant(id).zero_point), integer(range.min),
               integer(range.max), value->tensor().dtype});
}

Result<ir::Value*> Lifter::quantized(uint32_t id, ir::Value* value) {
  const Range range = range_of(source_.values[id].datatype);
  PTE_TRY(const DType type, dtype(id));
  return call(Op::qd_quantize_per_tensor,
              {value, real(quant(id).scale), integer(quant(id).zero_point), integer(range.min),
               integer(range.max), type});
}

Result<ir::Value*> Lifter::get_real(uint32_t id, const Perm& perm) {
  if (is_dynamic(id)) {
    return unsupported("value {} is quantised while it runs, which this node cannot read", id);
  }
  if (!is_quantized(id)) {
    if (!std::holds_alternative<std::monostate>(source_.values[id].quant)) {
      return unsupported("value {} is {}, which this node cannot read", id,
                         datatype_name(source_.values[id].datatype));
    }
    return get(id, perm);
  }
  PTE_TRY(ir::Value * value, get(id, perm));
  return dequantized(id, value);
}

Result<ir::Value*> Lifter::aligned_real(uint32_t id, const Perm& perm) {
  if (!is_quantized(id)) {
    if (rank(id) == perm.size()) return get_real(id, perm);
    return aligned(id, perm);
  }
  PTE_TRY(ir::Value * value, aligned(id, perm));
  return dequantized(id, value);
}

Status Lifter::define_real(uint32_t id, const Perm& perm, ir::Value* value) {
  if (is_quantized(id)) {
    PTE_TRY(value, quantized(id, value));
  }
  return define(id, perm, value);
}

Result<ir::Value*> Lifter::clamped_stored(ir::Value* value, const XnnNode& node) {
  const uint32_t out = node.outputs[0];
  if (!is_quantized(out)) return clamped(value, node);
  if (!node.clamp || (std::isinf(node.clamp->min) && node.clamp->min < 0 &&
                      std::isinf(node.clamp->max) && node.clamp->max > 0)) {
    return value;
  }
  return call(Op::aten_clamp, {value, stored(out, node.clamp->min), stored(out, node.clamp->max)});
}

// ---- weights

Result<Lifter::Weight> Lifter::weight(uint32_t id, int64_t channels) {
  const XnnValue& v = source_.values[id];
  Weight result;
  const bool half = is_half_byte(v.datatype);
  if (half) {
    result.bits = 4;
    result.zero_point = kHalfByteZero;
  }
  std::vector<float> scales;
  Sizes sizes;
  if (const auto* tensor = std::get_if<PerTensorQuant>(&v.quant)) {
    scales = {tensor->scale};
    if (!half) result.zero_point = tensor->zero_point;
  } else if (const auto* channel = std::get_if<PerChannelQuant>(&v.quant)) {
    scales = channel->scales;
  } else if (const auto* group = std::get_if<GroupQuant>(&v.quant)) {
    const int64_t inner = v.dims.empty() ? 0 : v.dims.back();
    if (v.dims.size() != 2 || group->channel_dim != 0 || inner % group->group_size != 0) {
      return invalid_data("blocks of {} in a filter of [{}]", group->group_size,
                          fmt::join(v.dims, ","));
    }
    scales = group->scales;
    sizes = {channels, inner / group->group_size};
  }
  if (sizes.empty()) sizes = {static_cast<int64_t>(scales.size())};
  const bool count_fits = scales.size() == 1 || sizes[0] == channels;
  if (!count_fits || element_count(sizes) != static_cast<int64_t>(scales.size()) ||
      (v.datatype != Datatype::kQInt8 && v.datatype != Datatype::kQUInt8 &&
       v.datatype != Datatype::kQCInt8 && !half)) {
    return invalid_data("a filter of {} with {} scales for {} output channels",
                        datatype_name(v.datatype), scales.size(), channels);
  }
  result.scales = numbers(std::move(sizes), scales, DType::kFloat32);
  return result;
}

Result<Tensor> Lifter::real_filter(uint32_t id) const {
  const XnnValue& v = source_.values[id];
  PTE_TRY(Tensor data, constant_data(id));
  if (std::holds_alternative<std::monostate>(v.quant)) return data;
  const Sizes sizes(v.dims.begin(), v.dims.end());
  const bool half = is_half_byte(v.datatype);
  int32_t zero_point = half ? kHalfByteZero : 0;
  size_t channel_dim = 0;
  std::vector<float> scales;
  if (const auto* tensor = std::get_if<PerTensorQuant>(&v.quant)) {
    scales = {tensor->scale};
    if (!half) zero_point = tensor->zero_point;
  } else if (const auto* channel = std::get_if<PerChannelQuant>(&v.quant)) {
    scales = channel->scales;
    channel_dim = static_cast<size_t>(channel->channel_dim);
  } else {
    return unsupported("blocks of scales with floating operands");
  }
  if (sizes.empty() ||
      (scales.size() != 1 && static_cast<int64_t>(scales.size()) != sizes[channel_dim])) {
    return invalid_data("a filter of [{}] with {} scales", fmt::join(sizes, ","), scales.size());
  }
  const int64_t last = sizes.back();
  int64_t inner = 1;  // elements from one channel to the next
  for (size_t d = channel_dim + 1; d < sizes.size(); ++d) inner *= sizes[d];
  PTE_TRY(Tensor result, Tensor::zeros(DType::kFloat32, sizes));
  auto* to = result.mutable_data_as<float>();
  const int64_t row_bytes = last / 2 + last % 2;
  for (int64_t i = 0; i < result.numel(); ++i) {
    int32_t value = 0;
    if (half) {
      const int32_t pair = data.data_as<uint8_t>()[i / last * row_bytes + i % last / 2];
      value = i % last % 2 == 0 ? pair & 15 : pair >> 4;
    } else {
      value = data.dtype() == DType::kInt8 ? data.data_as<int8_t>()[i] : data.data_as<uint8_t>()[i];
    }
    const int64_t index = scales.size() == 1 ? 0 : i / inner % sizes[channel_dim];
    to[i] = static_cast<float>(value - zero_point) * scales[static_cast<size_t>(index)];
  }
  return result;
}

// ---- nodes

Status Lifter::convert(const XnnNode& node) {
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const Perm perm = existing(in);
  PTE_TRY(ir::Value * x, get(in, perm));
  if (is_dynamic(in)) return unsupported("back from dynamic quantisation");
  if (is_dynamic(out)) {
    if (!is_floating(x->tensor().dtype)) return unsupported("dynamic quantisation of integers");
    return define(out, perm, x);
  }
  PTE_TRY(const DType to, dtype(out));
  if (is_quantized(in) && is_quantized(out)) {
    if (same_quant(in, out)) return define(out, perm, x);
    const PerTensorQuant& a = quant(in);
    const PerTensorQuant& b = quant(out);
    const float ratio = a.scale / b.scale;
    if (x->tensor().dtype == to && ratio >= 1.0F / 256 && ratio <= 128) {
      PTE_TRY(x, call(Op::pte_requantize, {x, real(a.scale), integer(a.zero_point), real(b.scale),
                                           integer(b.zero_point)}));
      return define(out, perm, x);
    }
  }
  if (is_quantized(in)) {
    PTE_TRY(x, dequantized(in, x));
  }
  if (is_quantized(out)) {
    if (x->tensor().dtype != DType::kFloat32) {
      PTE_TRY(x, call(Op::aten__to_copy, {x, DType::kFloat32}));
    }
    return define_real(out, perm, x);
  }
  if (is_floating(x->tensor().dtype) && to == DType::kInt32) {
    PTE_TRY(x, call(Op::aten_round, {x}));
  }
  if (x->tensor().dtype != to) {
    PTE_TRY(x, call(Op::aten__to_copy, {x, to}));
  } else if (x->producer() == nullptr) {
    PTE_TRY(x, call(Op::aten_clone, {x}));
  }
  return define(out, perm, x);
}

Status Lifter::quantized_binary(const XnnNode& node) {
  const uint32_t a = node.inputs[0], b = node.inputs[1], out = node.outputs[0];
  const Perm perm = common(node.inputs, std::max(rank(a), rank(b)));
  PTE_TRY(ir::Value * x, aligned(a, perm));
  PTE_TRY(ir::Value * y, aligned(b, perm));
  const float sign = node.kind == NodeKind::kSubtract ? -1.0F : 1.0F;
  const Op op = node.kind == NodeKind::kMultiply ? Op::pte_quantized_mul : Op::pte_quantized_add;
  PTE_TRY(ir::Value * z, call(op, {x, real(quant(a).scale), integer(quant(a).zero_point), y,
                                   real(sign * quant(b).scale), integer(quant(b).zero_point),
                                   real(quant(out).scale), integer(quant(out).zero_point)}));
  PTE_TRY(z, clamped_stored(z, node));
  return define(out, perm, z);
}

Status Lifter::quantized_mean(const XnnNode& node) {
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const bool keep = (node.flags & kKeepDims) != 0;
  PTE_TRY(ir::Value * x, get(in, kChannelsFirst));
  PTE_TRY(ir::Value * y,
          call(Op::pte_quantized_mean,
               {x, real(quant(in).scale), integer(quant(in).zero_point), Arg::ints({2, 3}), keep,
                real(quant(out).scale), integer(quant(out).zero_point)}));
  PTE_TRY(y, clamped_stored(y, node));
  return define(out, keep ? kChannelsFirst : identity_perm(2), y);
}

Result<ir::Value*> Lifter::quantized_linear(const XnnNode& node, ir::Value* x, ir::Value* filter) {
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const auto channels = filter->tensor().sizes[0].constant();
  if (!channels) return internal_error("a filter of unknown size");
  PTE_TRY(const Weight w, weight(node.inputs[1], *channels));
  if (is_dynamic(in)) {
    int64_t shared = 1;  // the legacy form is per token
    if (const auto* token = std::get_if<PerTokenQuant>(&source_.values[in].quant)) {
      shared = token->nonbatch_dims;
    }
    if (shared < 1 || shared > static_cast<int64_t>(x->tensor().rank())) {
      return invalid_data("{} of {} dims with one scale", shared, x->tensor().rank());
    }
    Arg b;
    if (node.inputs[2] != kNone) {
      PTE_TRY(ir::Value * value, bias(node.inputs[2], DType::kFloat32));
      b = Arg(value);
    }
    PTE_TRY(ir::Value * y,
            call(Op::pte_dynamic_quantized_linear, {x, integer(shared), filter, w.scales,
                                                    integer(w.zero_point), integer(w.bits), b}));
    return clamped(y, node);
  }
  if (!is_quantized(out)) return unsupported("a floating result of quantised operands");
  Arg b;
  if (node.inputs[2] != kNone) {
    PTE_TRY(ir::Value * value, bias(node.inputs[2], DType::kInt32));
    b = Arg(value);
  }
  PTE_TRY(ir::Value * y, call(Op::pte_quantized_linear,
                              {x, real(quant(in).scale), integer(quant(in).zero_point), filter,
                               w.scales, integer(w.zero_point), integer(w.bits), b,
                               real(quant(out).scale), integer(quant(out).zero_point)}));
  return clamped_stored(y, node);
}

Result<ir::Value*> Lifter::quantized_convolution(const XnnNode& node, ir::Value* x,
                                                 ir::Value* filter, const Padding& padding) {
  const ConvParams& p = std::get<ConvParams>(node.params);
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const bool transposed = node.kind == NodeKind::kConvTranspose2d;
  const int64_t channels = static_cast<int64_t>(p.groups) * p.group_output_channels;
  PTE_TRY(const Weight w, weight(node.inputs[1], channels));
  if (w.bits != 8) return unsupported("a convolution with weights of {} bits", w.bits);
  const bool dynamic = is_dynamic(in);
  Arg b;
  if (node.inputs[2] != kNone) {
    PTE_TRY(ir::Value * value, bias(node.inputs[2], dynamic ? DType::kFloat32 : DType::kInt32));
    b = Arg(value);
  }
  const auto pair = [](const Window& window) { return Arg::ints({window.height, window.width}); };
  const Arg sides = Arg::ints({padding.top, padding.left, padding.bottom, padding.right});
  const Arg extra = transposed ? pair(p.adjustment) : Arg::ints({0, 0});
  const auto groups = integer(p.groups);
  if (dynamic) {
    const auto* token = std::get_if<PerTokenQuant>(&source_.values[in].quant);
    if (token == nullptr || token->nonbatch_dims != 3) {
      return unsupported("a convolution whose images do not have one scale each");
    }
    PTE_TRY(ir::Value * y, call(Op::pte_dynamic_quantized_convolution,
                                {x, filter, w.scales, integer(w.zero_point), b, pair(p.stride),
                                 sides, pair(p.dilation), transposed, extra, groups}));
    return clamped(y, node);
  }
  if (!is_quantized(out)) return unsupported("a floating result of quantised operands");
  PTE_TRY(ir::Value * y,
          call(Op::pte_quantized_convolution,
               {x, real(quant(in).scale), integer(quant(in).zero_point), filter, w.scales,
                integer(w.zero_point), b, pair(p.stride), sides, pair(p.dilation), transposed,
                extra, groups, real(quant(out).scale), integer(quant(out).zero_point)}));
  return clamped_stored(y, node);
}

}  // namespace pte::xnnpack
