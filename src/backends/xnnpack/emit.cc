#include "backends/xnnpack/emit.h"

#include <algorithm>
#include <unordered_set>

namespace pte::xnnpack {

namespace {

// Calls whose node clamps its own result.
bool clamps_itself(const ir::Node& node) {
  switch (node.op().op) {
    case Op::aten_add_Tensor:
    case Op::aten_add_Scalar:
    case Op::aten_sub_Tensor:
    case Op::aten_sub_Scalar:
    case Op::aten_rsub_Scalar:
    case Op::aten_mul_Tensor:
    case Op::aten_mul_Scalar:
    case Op::aten_div_Tensor:
    case Op::aten_div_Scalar:
    case Op::aten_convolution:
    case Op::aten_linear:
    case Op::aten_addmm:
    case Op::aten_mm:
    case Op::aten__native_batch_norm_legit_no_training:
    case Op::aten_max_pool2d:
    case Op::aten_avg_pool2d:
    case Op::pte_quantized_convolution:
    case Op::pte_quantized_linear:
    case Op::pte_dynamic_quantized_convolution:
    case Op::pte_dynamic_quantized_linear:
    case Op::pte_quantized_add:
    case Op::pte_quantized_mul:
      return true;
    default:
      return false;
  }
}

bool sorted(const Layout& layout) {
  int last = -1;
  for (uint8_t d : layout) {
    if (d == kUnit) continue;
    if (d < last) return false;
    last = d;
  }
  return true;
}

}  // namespace

// ---- borders and fusion

void Emitter::fuse_clamps(const ir::Graph& source, const std::vector<ir::Node*>& nodes) {
  const std::unordered_set<const ir::Node*> inside(nodes.begin(), nodes.end());
  for (const ir::Node* node : nodes) {
    const auto bounds = bounds_of(*node);
    if (!bounds) continue;
    const ir::Value* input = node->input(0);
    const ir::Node* producer = input->producer();
    if (producer == nullptr || inside.count(producer) == 0 || !clamps_itself(*producer) ||
        input->index() != 0 || input->users().size() != 1 || source.is_output(input)) {
      continue;
    }
    fused_[producer] = {node->result(), *bounds};
    absorbed_.insert(node);
  }
}

void Emitter::fuse_pads(const ir::Graph& source, const std::vector<ir::Node*>& nodes) {
  for (const ir::Node* node : nodes) {
    if (!node->is(Op::aten_constant_pad_nd)) continue;
    const ir::Value* padded = node->result();
    if (padded->users().size() != 1 || source.is_output(padded)) continue;
    const ir::Node* user = padded->users().front();
    const auto spec = pad_spec(*node);
    if (!user->is(Op::aten_convolution) || user->input(0) != padded || !spec || spec->value != 0 ||
        std::find(nodes.begin(), nodes.end(), user) == nodes.end()) {
      continue;
    }
    const auto conv = conv_spec(*user);
    const bool spatial = spec->before.size() > 2 && spec->before[0] == 0 && spec->after[0] == 0 &&
                         spec->before[1] == 0 && spec->after[1] == 0;
    if (conv && !conv->transposed && spatial) absorbed_.insert(node);
  }
}

void Emitter::add_input(const ir::Value* value, uint32_t external_id) {
  const ir::TensorType& type = value->tensor();
  const Layout layout = type.rank() == 0 ? contiguous_layout(0)
                                         : Layout(type.dim_order.begin(), type.dim_order.end());
  const uint32_t id = layouts_.add_result(value, layout);
  graph_.values[id].external_id = external_id;
  graph_.values[id].flags = kExternalInput;
}

Status Emitter::add_output(const ir::Value* value, uint32_t external_id) {
  const ir::TensorType& type = value->tensor();
  const Layout layout = type.rank() == 0 ? contiguous_layout(0)
                                         : Layout(type.dim_order.begin(), type.dim_order.end());
  PTE_TRY(uint32_t id, layouts_.get(value, layout));
  if (graph_.values[id].flags != 0 || graph_.values[id].constant != kNone) {
    // An input, or what another output holds already.
    id = unary(NodeKind::kCopy, id);
  }
  graph_.values[id].external_id = external_id;
  graph_.values[id].flags = kExternalOutput;
  return {};
}

const ir::Value* Emitter::result_of(const ir::Node& node) const {
  const auto it = fused_.find(&node);
  return it == fused_.end() ? node.result() : it->second.result;
}

void Emitter::set_clamp(const ir::Node& node, XnnNode& emitted) const {
  const auto it = fused_.find(&node);
  if (it != fused_.end()) emitted.clamp = it->second.bounds;
}

Datatype Emitter::datatype(const ir::Node& node) const {
  return datatype_of(node.result()->tensor().dtype).value_or(Datatype::kInvalid);
}

std::optional<MinMax> Emitter::bounds_of(const ir::Node& node) const {
  const auto bounds = clamp_bounds(node);
  if (!bounds) return bounds;
  const Quant quant = layouts_.quant_of(node.result());
  const auto* stored = std::get_if<PerTensorQuant>(&quant);
  return stored == nullptr ? bounds : real_bounds(*bounds, *stored);
}

uint32_t Emitter::unary(NodeKind kind, uint32_t input, Params params) {
  const uint32_t id = layouts_.add_like(input, graph_.values[input].dims);
  layouts_.add_node(kind, {input}, id, std::move(params));
  return id;
}

uint32_t Emitter::binary(NodeKind kind, uint32_t a, uint32_t b, uint32_t like) {
  const uint32_t id = layouts_.add_value(graph_.values[like].datatype, graph_.values[like].dims);
  layouts_.add_node(kind, {a, b}, id);
  return id;
}

// ---- layouts of operands

namespace {

// `layout` of a result of rank `rank` for an operand of lower or equal rank: dims it lacks are
// units.
Layout restrict(const Layout& layout, size_t rank, size_t operand_rank) {
  const size_t missing = rank - operand_rank;
  Layout result;
  for (uint8_t d : layout) {
    result.push_back(d == kUnit || d < missing ? kUnit : static_cast<uint8_t>(d - missing));
  }
  return result;
}

}  // namespace

Layout Emitter::common_layout(const ir::Value* result,
                              const std::vector<const ir::Value*>& operands) const {
  const ir::TensorType& type = result->tensor();
  const size_t rank = type.rank();
  std::vector<uint8_t> dims;
  for (size_t i = 0; i < rank; ++i) {
    if (!type.sizes[i].is_constant(1)) dims.push_back(static_cast<uint8_t>(i));
  }
  std::vector<Layout> candidates;
  for (const ir::Value* value : operands) {
    const size_t missing = rank - value->tensor().rank();
    for (Layout layout : layouts_.all_existing(value)) {
      std::vector<uint8_t> covered;
      for (uint8_t& d : layout) {
        if (d == kUnit) continue;
        d = static_cast<uint8_t>(d + missing);
        covered.push_back(d);
      }
      std::sort(covered.begin(), covered.end());
      if (covered == dims) candidates.push_back(std::move(layout));
    }
  }
  if (rank == 4) candidates.push_back(channels_last_layout(rank));
  candidates.push_back(contiguous_layout(rank));

  const auto cost = [&](const Layout& layout) {
    double sum = 0;
    for (const ir::Value* value : operands) {
      if (layouts_.exists(value, restrict(layout, rank, value->tensor().rank()))) continue;
      double elements = 1;
      for (const ir::SymInt& size : value->tensor().sizes) {
        elements *= static_cast<double>(upper_bound(module_, size).value_or(1));
      }
      sum += elements;
    }
    return sum;
  };
  const Layout* best = nullptr;
  double best_cost = 0;
  for (const Layout& layout : candidates) {
    const double c = cost(layout);
    // Channels last where both are to be had: that is where convolutions are.
    const bool better = best == nullptr || c < best_cost ||
                        (c == best_cost && sorted(*best) && !sorted(layout) && c == 0);
    if (better) {
      best = &layout;
      best_cost = c;
    }
  }
  return *best;
}

Result<uint32_t> Emitter::operand(const ir::Value* value, const ir::Value* result,
                                  const Layout& layout) {
  Layout wanted = restrict(layout, result->tensor().rank(), value->tensor().rank());
  if (!layouts_.exists(value, wanted)) {
    // Leading units broadcast by themselves.
    Layout shorter = wanted;
    while (shorter.size() > 1 && shorter.front() == kUnit) {
      shorter.erase(shorter.begin());
      if (layouts_.exists(value, shorter)) return layouts_.get(value, shorter);
    }
  }
  return layouts_.get(value, wanted);
}

Layout Emitter::rows_layout(const ir::Value* value) const {
  const size_t rank = value->tensor().rank();
  for (const Layout& layout : layouts_.all_existing(value)) {
    if (sorted(layout) && !layout.empty() && layout.back() == rank - 1) return layout;
  }
  return contiguous_layout(rank);
}

// ---- elementwise

namespace {

std::optional<NodeKind> simple_unary(Op op) {
  switch (op) {
    case Op::aten_abs:
      return NodeKind::kAbs;
    case Op::aten_ceil:
      return NodeKind::kCeiling;
    case Op::aten_cos:
      return NodeKind::kCos;
    case Op::aten_exp:
      return NodeKind::kExp;
    case Op::aten_floor:
      return NodeKind::kFloor;
    case Op::aten_hardswish:
      return NodeKind::kHardswish;
    case Op::aten_log:
      return NodeKind::kLog;
    case Op::aten_neg:
      return NodeKind::kNegate;
    case Op::aten_pow_Tensor_Scalar:
      return NodeKind::kSquare;
    case Op::aten_rsqrt:
      return NodeKind::kReciprocalSquareRoot;
    case Op::aten_sigmoid:
      return NodeKind::kSigmoid;
    case Op::aten_sin:
      return NodeKind::kSin;
    case Op::aten_sqrt:
      return NodeKind::kSquareRoot;
    case Op::aten_tanh:
      return NodeKind::kTanh;
    default:
      return std::nullopt;
  }
}

}  // namespace

Status Emitter::elementwise(const ir::Node& node) {
  const ir::Value* result = node.result();
  const Layout layout = layouts_.existing(node.input(0));
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  const Datatype type = datatype(node);
  const auto constant = [&](double number) { return layouts_.scalar(number, type); };
  uint32_t y = kNone;
  if (const auto kind = simple_unary(node.op().op)) {
    y = unary(*kind, x);
  } else if (const auto bounds = bounds_of(node)) {
    y = unary(NodeKind::kClamp, x);
    graph_.nodes.back().clamp = *bounds;
  } else {
    switch (node.op().op) {
      case Op::aten_leaky_relu:
        y = unary(NodeKind::kLeakyReLU, x, FactorParams{static_cast<float>(*node.arg(1).number())});
        break;
      case Op::aten_elu:
        y = unary(NodeKind::kELU, x, FactorParams{static_cast<float>(*node.arg(1).number())});
        break;
      case Op::aten_silu:
        y = binary(NodeKind::kMultiply, x, unary(NodeKind::kSigmoid, x), x);
        break;
      case Op::aten_hardsigmoid: {
        const uint32_t sum = binary(NodeKind::kAdd, x, constant(3), x);
        graph_.nodes.back().clamp = MinMax{0, 6};
        y = binary(NodeKind::kMultiply, sum, constant(1.0 / 6.0), x);
        break;
      }
      case Op::aten_reciprocal:
        y = binary(NodeKind::kDiv, constant(1), x, x);
        break;
      case Op::aten_gelu: {
        if (*node.arg("approximate").text() == "none") {
          y = unary(NodeKind::kGelu, x);
          break;
        }
        // x / 2 * (1 + tanh(sqrt(2 / pi) * x * (1 + 0.044715 * x^2)))
        uint32_t t =
            binary(NodeKind::kMultiply, unary(NodeKind::kSquare, x), constant(0.044715), x);
        t = binary(NodeKind::kMultiply, binary(NodeKind::kAdd, t, constant(1), x), x, x);
        t = unary(NodeKind::kTanh, binary(NodeKind::kMultiply, t, constant(0.7978845608028654), x));
        t = binary(NodeKind::kAdd, t, constant(1), x);
        y = binary(NodeKind::kMultiply, binary(NodeKind::kMultiply, x, constant(0.5), x), t, x);
        break;
      }
      default:
        return internal_error("no rule writes this operator");
    }
  }
  layouts_.define(result, layout, y);
  return {};
}

Status Emitter::arithmetic(const ir::Node& node) {
  NodeKind kind = NodeKind::kAdd;
  bool swap = false;
  switch (node.op().op) {
    case Op::aten_add_Tensor:
    case Op::aten_add_Scalar:
      kind = NodeKind::kAdd;
      break;
    case Op::aten_sub_Tensor:
    case Op::aten_sub_Scalar:
      kind = NodeKind::kSubtract;
      break;
    case Op::aten_rsub_Scalar:
      kind = NodeKind::kSubtract;
      swap = true;
      break;
    case Op::aten_mul_Tensor:
    case Op::aten_mul_Scalar:
      kind = NodeKind::kMultiply;
      break;
    case Op::aten_div_Tensor:
    case Op::aten_div_Scalar:
      kind = NodeKind::kDiv;
      break;
    case Op::aten_maximum:
      kind = NodeKind::kMaximum;
      break;
    case Op::aten_minimum:
      kind = NodeKind::kMinimum;
      break;
    default:
      return internal_error("no rule writes this operator");
  }
  const ir::Value* result = result_of(node);
  std::vector<const ir::Value*> tensors;
  std::optional<double> numbers[2];
  for (size_t i = 0; i < 2; ++i) {
    const ir::Value* value = node.input(i);
    numbers[i] = value == nullptr ? node.arg(i).number() : frozen_scalar(module_, value);
    if (!numbers[i]) tensors.push_back(value);
  }
  const Layout layout = common_layout(result, tensors);
  uint32_t ids[2];
  for (size_t i = 0; i < 2; ++i) {
    if (numbers[i]) {
      ids[i] = layouts_.scalar(*numbers[i], datatype(node));
    } else {
      PTE_TRY(ids[i], operand(node.input(i), result, layout));
    }
  }
  if (swap) std::swap(ids[0], ids[1]);
  const uint32_t y = layouts_.add_result(result, layout);
  set_clamp(node, layouts_.add_node(kind, {ids[0], ids[1]}, y));
  return {};
}

Status Emitter::prelu(const ir::Node& node) {
  const size_t rank = node.input(0)->tensor().rank();
  Layout layout;
  for (size_t i = 0; i < rank; ++i) {
    if (i != 1) layout.push_back(static_cast<uint8_t>(i));
  }
  layout.push_back(1);
  PTE_TRY(const uint32_t x, layouts_.get(node.input(0), layout));
  PTE_TRY(Tensor slope, frozen_data(module_, node.input(1))->contiguous());
  slope = slope.with_layout({slope.numel()}, {1});
  const auto count = static_cast<uint32_t>(slope.numel());
  const uint32_t s = layouts_.add_constant(datatype(node), {count}, std::move(slope));
  const uint32_t y = layouts_.add_result(node.result(), layout);
  layouts_.add_node(NodeKind::kPReLU, {x, s}, y);
  return {};
}

// ---- one call

Status Emitter::emit(const ir::Node& node) {
  if (absorbed_.count(&node) != 0) return {};
  switch (node.op().op) {
    case Op::aten_add_Tensor:
    case Op::aten_add_Scalar:
    case Op::aten_sub_Tensor:
    case Op::aten_sub_Scalar:
    case Op::aten_rsub_Scalar:
    case Op::aten_mul_Tensor:
    case Op::aten_mul_Scalar:
    case Op::aten_div_Tensor:
    case Op::aten_div_Scalar:
    case Op::aten_maximum:
    case Op::aten_minimum:
      return arithmetic(node);
    case Op::aten_prelu:
      return prelu(node);
    case Op::aten_convolution:
      return convolution(node);
    case Op::aten_linear:
    case Op::aten_addmm:
    case Op::aten_mm:
      return matrix(node);
    case Op::aten_bmm:
      return batch_matmul(node);
    case Op::aten__native_batch_norm_legit_no_training:
      return batch_norm(node);
    case Op::aten_max_pool2d:
    case Op::aten_max_pool2d_with_indices:
    case Op::aten_avg_pool2d:
      return pool(node);
    case Op::aten_adaptive_avg_pool2d:
    case Op::aten__adaptive_avg_pool2d:
      return adaptive_pool(node);
    case Op::aten_mean_dim:
      return mean(node);
    case Op::aten_amax:
      return amax(node);
    case Op::aten_upsample_bilinear2d_vec:
      return resize(node);
    case Op::aten__softmax:
      return softmax(node);
    case Op::aten_permute_copy:
    case Op::aten_transpose_copy_int:
    case Op::aten_t_copy:
    case Op::aten_clone:
    case Op::aten__to_copy:
    case Op::dim_order_to_dim_order_copy:
    case Op::dim_order_clone_dim_order:
      return permute(node);
    case Op::aten_view_copy:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
    case Op::aten_unsqueeze_copy:
      return view(node);
    case Op::aten_slice_copy_Tensor:
    case Op::aten_select_copy_int:
    case Op::aten_split_with_sizes_copy:
      return slice(node);
    case Op::aten_cat:
      return cat(node);
    case Op::aten_constant_pad_nd:
      return pad(node);
    case Op::qd_quantize_per_tensor:
    case Op::qd_dequantize_per_tensor:
    case Op::pte_requantize:
      return convert(node);
    case Op::pte_quantized_convolution:
    case Op::pte_dynamic_quantized_convolution:
      return quantized_convolution(node);
    case Op::pte_quantized_linear:
    case Op::pte_dynamic_quantized_linear:
      return quantized_linear(node);
    case Op::pte_quantized_add:
    case Op::pte_quantized_mul:
      return quantized_binary(node);
    case Op::pte_quantized_mean:
      return quantized_mean(node);
    default:
      return elementwise(node);
  }
}

}  // namespace pte::xnnpack
