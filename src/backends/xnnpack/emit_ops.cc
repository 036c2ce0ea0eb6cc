// Convolutions, matrices, pooling and what moves elements.
#include <algorithm>
#include <cmath>

#include "backends/xnnpack/emit.h"
#include "backends/xnnpack/filters.h"

namespace pte::xnnpack {

namespace {

std::vector<uint32_t> as_dims(const Tensor& tensor) {
  std::vector<uint32_t> dims;
  for (int64_t size : tensor.sizes()) dims.push_back(static_cast<uint32_t>(size));
  return dims;
}

Result<Tensor> flat(const Tensor& tensor) {
  PTE_TRY(Tensor result, tensor.contiguous());
  return result.with_layout({result.numel()}, {1});
}

// The layout of a tensor whose dim `axis` has gone.
Layout drop_dim(const Layout& layout, size_t axis) {
  Layout result;
  for (uint8_t d : layout) {
    result.push_back(d == kUnit || d == axis ? kUnit : static_cast<uint8_t>(d > axis ? d - 1 : d));
  }
  return result;
}

}  // namespace

// ---- weights

Status Emitter::convolution(const ir::Node& node) {
  auto spec = conv_spec(node);
  if (!spec) return internal_error("its parameters are no numbers");
  const Layout layout = channels_last_layout(spec->one_d ? 3 : 4);
  const ir::Value* input = node.input(0);
  if (const ir::Node* pad = input->producer();
      pad != nullptr && absorbed_.count(pad) != 0 && pad->is(Op::aten_constant_pad_nd)) {
    const auto extra = pad_spec(*pad);
    spec->params.padding.top += extra->before[2];
    spec->params.padding.bottom += extra->after[2];
    if (!spec->one_d) {
      spec->params.padding.left += extra->before[3];
      spec->params.padding.right += extra->after[3];
    }
    input = pad->input(0);
  }
  PTE_TRY(const uint32_t x, layouts_.get(input, layout));
  // Filter and bias are float32 whatever the activations are.
  PTE_TRY(Tensor packed, pack_filter(*frozen_data(module_, node.input(1)), *spec));
  const std::vector<uint32_t> filter_dims = as_dims(packed);
  const uint32_t filter = layouts_.add_constant(Datatype::kFloat32, filter_dims, std::move(packed));
  uint32_t bias = kNone;
  if (!node.arg(2).is_none()) {
    PTE_TRY(Tensor values, flat(*frozen_data(module_, node.input(2))));
    PTE_TRY(values, to_float32(values));
    const std::vector<uint32_t> dims = as_dims(values);
    bias = layouts_.add_constant(Datatype::kFloat32, dims, std::move(values));
  }
  const uint32_t y = layouts_.add_result(result_of(node), layout);
  const NodeKind kind = spec->transposed  ? NodeKind::kConvTranspose2d
                        : spec->depthwise ? NodeKind::kDepthwiseConv2d
                                          : NodeKind::kConv2d;
  set_clamp(node, layouts_.add_node(kind, {x, filter, bias}, y, spec->params));
  return {};
}

Status Emitter::matrix(const ir::Node& node) {
  const bool linear = node.is(Op::aten_linear), addmm = node.is(Op::aten_addmm);
  const ir::Value* input = node.input(addmm ? 1 : 0);
  const ir::Value* weight = node.input(addmm ? 2 : 1);
  const ir::Value* bias_value = linear ? node.arg(2).value() : addmm ? node.input(0) : nullptr;
  const Layout layout = rows_layout(input);
  PTE_TRY(const uint32_t x, layouts_.get(input, layout));
  PTE_TRY(Tensor filter_data, frozen_data(module_, weight)->contiguous());
  const std::vector<uint32_t> filter_dims = as_dims(filter_data);
  const uint32_t filter =
      layouts_.add_constant(datatype(node), filter_dims, std::move(filter_data));
  uint32_t bias = kNone;
  if (bias_value != nullptr) {
    PTE_TRY(Tensor values, flat(*frozen_data(module_, bias_value)));
    const std::vector<uint32_t> dims = as_dims(values);
    bias = layouts_.add_constant(datatype(node), dims, std::move(values));
  }
  // Only the last dim changes; where it is in memory stays.
  const ir::Value* result = result_of(node);
  const uint32_t y = layouts_.add_result(result, layout);
  XnnNode& emitted = layouts_.add_node(NodeKind::kFullyConnected, {x, filter, bias}, y);
  if (!linear) emitted.flags = kTransposeWeights;
  set_clamp(node, emitted);
  return {};
}

Status Emitter::batch_matmul(const ir::Node& node) {
  const Layout layout = contiguous_layout(3);
  PTE_TRY(const uint32_t a, layouts_.get(node.input(0), layout));
  PTE_TRY(const uint32_t b, layouts_.get(node.input(1), layout));
  const uint32_t y = layouts_.add_result(node.result(), layout);
  layouts_.add_node(NodeKind::kBatchMatrixMultiply, {a, b}, y);
  return {};
}

// A batch norm that nothing before it could take: one multiplication and addition a channel.
Status Emitter::batch_norm(const ir::Node& node) {
  const Layout layout = channels_last_layout(node.input(0)->tensor().rank());
  const auto values = [&](size_t i) -> Result<Tensor> {
    if (node.arg(i).is_none()) return Tensor();
    return to_float32(*frozen_data(module_, node.input(i)));
  };
  PTE_TRY(const Tensor weight, values(1));
  PTE_TRY(const Tensor bias, values(2));
  PTE_TRY(const Tensor mean, values(3));
  PTE_TRY(const Tensor variance, values(4));
  const double eps = *node.arg("eps").number();
  const int64_t channels = *node.input(0)->tensor().sizes[1].constant();
  for (const Tensor* t : {&weight, &bias, &mean, &variance}) {
    if (t->numel() != channels && (t == &mean || t == &variance || t->numel() != 0)) {
      return invalid_data("{} values for {} channels", t->numel(), channels);
    }
  }
  std::vector<float> scale(static_cast<size_t>(channels)), shift(scale.size());
  for (size_t c = 0; c < scale.size(); ++c) {
    const double s = (weight.numel() == 0 ? 1.0 : weight.data_as<float>()[c]) /
                     std::sqrt(static_cast<double>(variance.data_as<float>()[c]) + eps);
    const double b = bias.numel() == 0 ? 0.0 : bias.data_as<float>()[c];
    scale[c] = static_cast<float>(s);
    shift[c] = static_cast<float>(b - mean.data_as<float>()[c] * s);
  }
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  const auto count = static_cast<uint32_t>(channels);
  const uint32_t filter = layouts_.add_constant(Datatype::kFloat32, {1, 1, 1, count},
                                                Tensor::of<float>({1, 1, 1, channels}, scale));
  const uint32_t offset =
      layouts_.add_constant(Datatype::kFloat32, {count}, Tensor::of<float>({channels}, shift));
  ConvParams p;
  p.kernel = p.stride = p.dilation = {1, 1};
  p.group_input_channels = p.group_output_channels = 1;
  p.groups = count;
  const uint32_t y = layouts_.add_result(result_of(node), layout);
  set_clamp(node, layouts_.add_node(NodeKind::kDepthwiseConv2d, {x, filter, offset}, y, p));
  return {};
}

// ---- pooling and resampling

Status Emitter::pool(const ir::Node& node) {
  std::string error;
  auto params = pool_spec(node, error);
  if (!params) return internal_error("{}", error);
  const Layout layout = channels_last_layout(4);
  PTE_TRY(uint32_t x, layouts_.get(node.input(0), layout));
  const bool average = node.is(Op::aten_avg_pool2d);
  const Padding& pad = params->padding;
  if (average && !(pad == Padding{}) && node.arg("count_include_pad").boolean() == true) {
    // XNNPACK leaves padding out of the average; zeros that are really there are counted.
    PadParams zeros{{0, pad.top, pad.left, 0}, {0, pad.bottom, pad.right, 0}, 0};
    std::vector<uint32_t> dims = graph_.values[x].dims;
    for (size_t i = 0; i < 4; ++i) dims[i] += zeros.before[i] + zeros.after[i];
    const uint32_t padded = layouts_.add_value(graph_.values[x].datatype, std::move(dims));
    layouts_.add_node(NodeKind::kStaticConstantPad, {x}, padded, std::move(zeros));
    x = padded;
    params->padding = {};
  }
  const uint32_t y = layouts_.add_result(result_of(node), layout);
  XnnNode& emitted = layouts_.add_node(average ? NodeKind::kAvgPooling2d : NodeKind::kMaxPooling2d,
                                       {x}, y, *params);
  emitted.flags = kKeepDims;
  set_clamp(node, emitted);
  return {};
}

Status Emitter::adaptive_pool(const ir::Node& node) {
  const ir::SymSizes& in = node.input(0)->tensor().sizes;
  const ir::SymSizes& out = node.result()->tensor().sizes;
  if (in == out) return layouts_.alias(node.result(), node.input(0), {0, 1, 2, 3});
  const Layout layout = channels_last_layout(4);
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  const uint32_t y = layouts_.add_result(node.result(), layout);
  if (out[2].is_constant(1) && out[3].is_constant(1)) {
    layouts_.add_node(NodeKind::kGlobalAvgPooling2d, {x}, y).flags = kKeepDims;
    return {};
  }
  PoolParams p;
  const auto ratio = [&](size_t i) {
    return static_cast<uint32_t>(in[i].constant().value_or(0) / out[i].constant().value_or(1));
  };
  p.kernel = p.stride = {ratio(2), ratio(3)};
  layouts_.add_node(NodeKind::kAvgPooling2d, {x}, y, p).flags = kKeepDims;
  return {};
}

Status Emitter::mean(const ir::Node& node) {
  const size_t rank = node.input(0)->tensor().rank();
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), channels_last_layout(rank)));
  const bool kept = node.result()->tensor().rank() == rank;
  const uint32_t y = layouts_.add_result(
      node.result(), kept ? channels_last_layout(rank) : Layout{0, kUnit, kUnit, 1});
  layouts_.add_node(NodeKind::kGlobalAvgPooling2d, {x}, y).flags = kKeepDims;
  return {};
}

Status Emitter::amax(const ir::Node& node) {
  const auto dims = reduced_dims(node);
  const ir::SymSizes& sizes = node.input(0)->tensor().sizes;
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), channels_last_layout(4)));
  PoolParams p;
  p.kernel = p.dilation = {1, 1};
  Layout layout = channels_last_layout(4);
  const bool kept = node.result()->tensor().rank() == 4;
  for (auto it = dims->rbegin(); it != dims->rend(); ++it) {
    const auto size = static_cast<uint32_t>(sizes[*it].constant().value_or(1));
    (*it == 2 ? p.kernel.height : p.kernel.width) = size;
    if (!kept) layout = drop_dim(layout, *it);
  }
  p.stride = p.kernel;
  const uint32_t y = layouts_.add_result(node.result(), layout);
  layouts_.add_node(NodeKind::kMaxPooling2d, {x}, y, p).flags = kKeepDims;
  return {};
}

Status Emitter::resize(const ir::Node& node) {
  const Layout layout = channels_last_layout(4);
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  const ir::SymSizes& sizes = node.result()->tensor().sizes;
  const ResizeParams p{
      {static_cast<uint32_t>(*sizes[2].constant()), static_cast<uint32_t>(*sizes[3].constant())}};
  const uint32_t y = layouts_.add_result(node.result(), layout);
  XnnNode& emitted = layouts_.add_node(NodeKind::kStaticResizeBilinear2D, {x}, y, p);
  if (node.arg("align_corners").boolean() == true) emitted.flags = kAlignCorners;
  return {};
}

Status Emitter::softmax(const ir::Node& node) {
  const size_t rank = node.input(0)->tensor().rank();
  const size_t axis = *normalise_axis(*node.arg("dim").integer(), rank);
  Layout layout;
  for (const Layout& candidate : layouts_.all_existing(node.input(0))) {
    if (candidate.back() == axis) layout = candidate;
  }
  if (layout.empty()) {
    for (size_t i = 0; i < rank; ++i) {
      if (i != axis) layout.push_back(static_cast<uint8_t>(i));
    }
    layout.push_back(static_cast<uint8_t>(axis));
  }
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  const uint32_t y = layouts_.add_result(node.result(), layout);
  layouts_.add_node(NodeKind::kSoftmax, {x}, y);
  return {};
}

// ---- moving elements

Status Emitter::permute(const ir::Node& node) {
  const size_t rank = node.input(0)->tensor().rank();
  std::vector<uint8_t> map(rank);
  for (size_t i = 0; i < rank; ++i) map[i] = static_cast<uint8_t>(i);
  const bool permutes = node.is(Op::aten_permute_copy) || node.is(Op::aten_transpose_copy_int) ||
                        node.is(Op::aten_t_copy);
  if (permutes) {
    const auto perm = permutation(node);
    for (size_t i = 0; i < rank; ++i) map[i] = static_cast<uint8_t>((*perm)[i]);
  }
  return layouts_.alias(node.result(), node.input(0), map);
}

Status Emitter::view(const ir::Node& node) {
  const ir::Value* input = node.input(0);
  const ir::SymSizes& in = input->tensor().sizes;
  const ir::SymSizes& out = node.result()->tensor().sizes;
  // Dims of size 1 come and go for nothing.
  std::vector<uint8_t> map, real;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].is_constant(1)) real.push_back(static_cast<uint8_t>(i));
  }
  size_t next = 0;
  bool same = true;
  for (const ir::SymInt& size : out) {
    if (size.is_constant(1)) {
      map.push_back(kUnit);
    } else if (next < real.size() && in[real[next]] == size) {
      map.push_back(real[next++]);
    } else {
      same = false;
      break;
    }
  }
  if (same && next == real.size()) return layouts_.alias(node.result(), input, map);

  Layout from = contiguous_layout(in.size());
  for (const Layout& layout : layouts_.all_existing(input)) {
    Layout dims;
    std::copy_if(layout.begin(), layout.end(), std::back_inserter(dims),
                 [](uint8_t d) { return d != kUnit; });
    if (std::is_sorted(dims.begin(), dims.end())) from = layout;
  }
  PTE_TRY(const uint32_t x, layouts_.get(input, from));
  const Layout to = contiguous_layout(out.size());
  const uint32_t y = layouts_.add_result(node.result(), to);
  layouts_.add_node(NodeKind::kStaticReshape, {x}, y, ReshapeParams{layouts_.shape_of(out, to)});
  return {};
}

Status Emitter::slice(const ir::Node& node) {
  const auto specs = slice_specs(node);
  if (!specs) return internal_error("its place is no number");
  const ir::Value* input = node.input(0);
  const bool drops = node.is(Op::aten_select_copy_int);
  for (size_t i = 0; i < specs->size(); ++i) {
    const SliceSpec& spec = (*specs)[i];
    const ir::Value* result = node.result(i);
    const ir::SymSizes& sizes = input->tensor().sizes;
    if (sizes[spec.axis].is_constant(spec.size)) {  // all of it
      std::vector<uint8_t> map;
      for (size_t d = 0; d < sizes.size(); ++d) {
        if (!drops || d != spec.axis) map.push_back(static_cast<uint8_t>(d));
      }
      PTE_CHECK(layouts_.alias(result, input, map));
      continue;
    }
    const Layout layout = layouts_.existing(input);
    PTE_TRY(const uint32_t x, layouts_.get(input, layout));
    SliceParams p;
    p.sizes = graph_.values[x].dims;
    p.offsets.assign(layout.size(), 0);
    for (size_t d = 0; d < layout.size(); ++d) {
      if (layout[d] != spec.axis) continue;
      p.offsets[d] = spec.offset;
      p.sizes[d] = spec.size;
    }
    const uint32_t y = layouts_.add_result(result, drops ? drop_dim(layout, spec.axis) : layout);
    layouts_.add_node(NodeKind::kStaticSlice, {x}, y, std::move(p));
  }
  return {};
}

Status Emitter::cat(const ir::Node& node) {
  std::vector<const ir::Value*> operands;
  for (const ir::Value* input : node.inputs()) operands.push_back(input);
  const ir::Value* result = node.result();
  const size_t rank = result->tensor().rank();
  const size_t axis = *normalise_axis(*node.arg("dim").integer(), rank);
  if (operands.size() == 1) {
    std::vector<uint8_t> map(rank);
    for (size_t i = 0; i < rank; ++i) map[i] = static_cast<uint8_t>(i);
    return layouts_.alias(result, operands[0], map);
  }
  const Layout layout = common_layout(result, operands);
  const auto place = std::find(layout.begin(), layout.end(), static_cast<uint8_t>(axis));
  if (place == layout.end()) return internal_error("no layout has dim {}", axis);
  const CatParams p{static_cast<uint32_t>(place - layout.begin())};

  std::vector<uint32_t> ids;
  for (const ir::Value* value : operands) {
    PTE_TRY(const uint32_t id, layouts_.get(value, layout));
    ids.push_back(id);
  }
  // A node takes five at most: the sum so far and up to four more.
  std::vector<uint32_t> pending;
  for (size_t i = 0; i < ids.size(); ++i) {
    pending.push_back(ids[i]);
    const bool last = i + 1 == ids.size();
    if (pending.size() < 5 && !last) continue;
    uint32_t y = kNone;
    if (last) {
      y = layouts_.add_result(result, layout);
    } else {
      std::vector<uint32_t> dims = graph_.values[pending[0]].dims;
      for (size_t k = 1; k < pending.size(); ++k) {
        dims[p.axis] += graph_.values[pending[k]].dims[p.axis];
      }
      y = layouts_.add_like(pending[0], std::move(dims));
    }
    static constexpr NodeKind kKinds[] = {NodeKind::kConcatenate2, NodeKind::kConcatenate3,
                                          NodeKind::kConcatenate4, NodeKind::kConcatenate5};
    layouts_.add_node(kKinds[pending.size() - 2], pending, y, p);
    pending = {y};
  }
  return {};
}

Status Emitter::pad(const ir::Node& node) {
  const auto spec = pad_spec(node);
  if (!spec) return internal_error("its padding is no number");
  const Layout layout = common_layout(node.result(), {node.input(0)});
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  PadParams p;
  p.value = spec->value;
  const Quant quant = layouts_.quant_of(node.result());
  if (const auto* stored = std::get_if<PerTensorQuant>(&quant)) {
    p.value = (p.value - static_cast<float>(stored->zero_point)) * stored->scale;
  }
  for (uint8_t d : layout) {
    p.before.push_back(d == kUnit ? 0 : spec->before[d]);
    p.after.push_back(d == kUnit ? 0 : spec->after[d]);
  }
  const uint32_t y = layouts_.add_result(node.result(), layout);
  layouts_.add_node(NodeKind::kStaticConstantPad, {x}, y, std::move(p));
  return {};
}

}  // namespace pte::xnnpack
