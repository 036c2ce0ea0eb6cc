// XNNPACK nodes as ATen calls.
#include <algorithm>

#include "backends/xnnpack/filters.h"
#include "backends/xnnpack/lifter.h"

namespace pte::xnnpack {

using ir::Arg;

namespace {

constexpr uint32_t kTransposeB = 0x1;  // BatchMatrixMultiply
constexpr uint32_t kTransposeA = 0x2;
constexpr uint32_t kMaxPadding = 1U << 20;

Status known_flags(const XnnNode& node, uint32_t known) {
  if ((node.flags & ~known) != 0) return unsupported("flags {:#x}", node.flags);
  return {};
}

size_t position(const Perm& perm, size_t dim) {
  return static_cast<size_t>(std::find(perm.begin(), perm.end(), dim) - perm.begin());
}

Op unary_op(NodeKind kind) {
  switch (kind) {
    case NodeKind::kSigmoid:
      return Op::aten_sigmoid;
    case NodeKind::kFloor:
      return Op::aten_floor;
    case NodeKind::kSquareRoot:
      return Op::aten_sqrt;
    case NodeKind::kCeiling:
      return Op::aten_ceil;
    case NodeKind::kHardswish:
      return Op::aten_hardswish;
    case NodeKind::kNegate:
      return Op::aten_neg;
    case NodeKind::kAbs:
      return Op::aten_abs;
    case NodeKind::kReciprocalSquareRoot:
      return Op::aten_rsqrt;
    case NodeKind::kLog:
      return Op::aten_log;
    case NodeKind::kGelu:
      return Op::aten_gelu;
    case NodeKind::kTanh:
      return Op::aten_tanh;
    case NodeKind::kExp:
      return Op::aten_exp;
    case NodeKind::kSin:
      return Op::aten_sin;
    case NodeKind::kCos:
      return Op::aten_cos;
    case NodeKind::kCopy:
      return Op::aten_clone;
    default:
      return Op::kCount;
  }
}

}  // namespace

Status Lifter::lift(const XnnNode& node) {
  switch (node.kind) {
    case NodeKind::kAdd:
    case NodeKind::kSubtract:
    case NodeKind::kMultiply:
    case NodeKind::kDiv:
    case NodeKind::kMaximum:
    case NodeKind::kMinimum:
      return binary(node);
    case NodeKind::kPReLU:
      return prelu(node);
    case NodeKind::kFullyConnected:
      return fully_connected(node);
    case NodeKind::kBatchMatrixMultiply:
      return matmul(node);
    case NodeKind::kConv2d:
    case NodeKind::kDepthwiseConv2d:
    case NodeKind::kConvTranspose2d:
      return convolution(node);
    case NodeKind::kMaxPooling2d:
    case NodeKind::kAvgPooling2d:
      return pool(node);
    case NodeKind::kGlobalAvgPooling2d:
      return global_pool(node);
    case NodeKind::kStaticResizeBilinear2D:
      return resize(node);
    case NodeKind::kStaticTranspose:
      return transpose(node);
    case NodeKind::kStaticReshape:
      return reshape(node);
    case NodeKind::kStaticSlice:
      return slice(node);
    case NodeKind::kStaticConstantPad:
      return pad(node);
    case NodeKind::kConcatenate2:
    case NodeKind::kConcatenate3:
    case NodeKind::kConcatenate4:
    case NodeKind::kConcatenate5:
      return concatenate(node);
    case NodeKind::kArgMaxPooling2d:
      return argmax_pool(node);
    case NodeKind::kScaledDotProductAttention:
      return attention(node);
    case NodeKind::kConvert:
      PTE_CHECK(known_flags(node, 0));
      return convert(node);
    default:
      return unary(node);
  }
}

// ---- elementwise

Status Lifter::unary(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const Perm perm = existing(in);
  // These leave stored integers what they are.
  if ((node.kind == NodeKind::kClamp || node.kind == NodeKind::kCopy) && is_quantized(in) &&
      same_quant(in, out)) {
    PTE_TRY(ir::Value * x, get(in, perm));
    PTE_TRY(x, clamped_stored(x, node));
    return define(out, perm, x);
  }
  PTE_TRY(ir::Value * x, get_real(in, perm));
  Op op = unary_op(node.kind);
  std::vector<Arg> args{Arg(x)};
  if (node.kind == NodeKind::kSoftmax) {
    if (perm.empty()) return invalid_data("a value of rank 0");
    op = Op::aten__softmax;
    args.emplace_back(static_cast<int64_t>(position(perm, perm.size() - 1)));
    args.emplace_back(false);
  } else if (node.kind == NodeKind::kSquare) {
    op = Op::aten_pow_Tensor_Scalar;
    args.emplace_back(2);
  } else if (node.kind == NodeKind::kLeakyReLU || node.kind == NodeKind::kELU) {
    op = node.kind == NodeKind::kELU ? Op::aten_elu : Op::aten_leaky_relu;
    args.emplace_back(static_cast<double>(std::get<FactorParams>(node.params).value));
  }
  ir::Value* y = x;
  if (op != Op::kCount) {
    PTE_TRY(y, call(op, std::move(args)));
  } else if (node.kind != NodeKind::kClamp) {
    return internal_error("no rule lifts this node");
  }
  PTE_TRY(y, clamped(y, node));
  return define_real(out, perm, y);
}

Status Lifter::binary(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const uint32_t a = node.inputs[0], b = node.inputs[1], out = node.outputs[0];
  Op op = Op::aten_add_Tensor;
  bool exact = true;  // the quantised kernels compute it in integers
  switch (node.kind) {
    case NodeKind::kSubtract:
      op = Op::aten_sub_Tensor;
      break;
    case NodeKind::kMultiply:
      op = Op::aten_mul_Tensor;
      break;
    case NodeKind::kDiv:
      op = Op::aten_div_Tensor;
      exact = false;
      break;
    case NodeKind::kMaximum:
      op = Op::aten_maximum;
      exact = false;
      break;
    case NodeKind::kMinimum:
      op = Op::aten_minimum;
      exact = false;
      break;
    default:
      break;
  }
  const auto type = source_.values[out].datatype;
  if (exact && is_quantized(out) && is_quantized(a) && is_quantized(b) &&
      source_.values[a].datatype == type && source_.values[b].datatype == type) {
    return quantized_binary(node);
  }
  const Perm perm = common(node.inputs, std::max(rank(a), rank(b)));
  PTE_TRY(ir::Value * x, aligned_real(a, perm));
  PTE_TRY(ir::Value * y, aligned_real(b, perm));
  PTE_TRY(ir::Value * z, call(op, {x, y}));
  PTE_TRY(z, clamped(z, node));
  return define_real(out, perm, z);
}

Status Lifter::prelu(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const size_t n = rank(node.inputs[0]);
  const uint32_t slope = node.inputs[1];
  const auto& dims = source_.values[slope].dims;
  bool channels_only = n >= 2;
  int64_t count = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    channels_only = channels_only && (i + 1 == dims.size() || dims[i] == 1);
    count *= dims[i];
  }
  if (!channels_only) {
    // Slopes that broadcast in other ways: what is above zero, and slope times what is below.
    const Perm perm = common(node.inputs, std::max(n, dims.size()));
    PTE_TRY(ir::Value * x, aligned_real(node.inputs[0], perm));
    PTE_TRY(ir::Value * w, aligned_real(slope, perm));
    PTE_TRY(ir::Value * above, call(Op::aten_relu, {x}));
    PTE_TRY(ir::Value * below, call(Op::aten_clamp, {x, Arg(), 0.0}));
    PTE_TRY(below, call(Op::aten_mul_Tensor, {below, w}));
    PTE_TRY(ir::Value * y, call(Op::aten_add_Tensor, {above, below}));
    PTE_TRY(y, clamped(y, node));
    return define_real(node.outputs[0], perm, y);
  }
  // The slope belongs to the last dim in memory, in ATen to dim 1.
  Perm perm{0, static_cast<uint8_t>(n - 1)};
  for (size_t i = 1; i + 1 < n; ++i) perm.push_back(static_cast<uint8_t>(i));
  PTE_TRY(ir::Value * x, get_real(node.inputs[0], perm));
  PTE_TRY(ir::Value * weight, get_real(slope, identity_perm(dims.size())));
  if (dims.size() != 1) {
    PTE_TRY(weight, call(Op::aten_view_copy, {weight, Arg::ints({count})}));
  }
  PTE_TRY(ir::Value * y, call(Op::aten_prelu, {x, weight}));
  PTE_TRY(y, clamped(y, node));
  return define_real(node.outputs[0], perm, y);
}

// ---- weights

// Biases are [out]; they follow the activations' type.
Result<ir::Value*> Lifter::bias(uint32_t id, DType type) {
  if (rank(id) != 1) return invalid_data("a bias of rank {}", rank(id));
  PTE_TRY(ir::Value * value, get(id, identity_perm(1)));
  const DType own = value->tensor().dtype;
  if (own == type) return value;
  if (!is_floating(own) || !is_floating(type)) {
    return invalid_data("a bias of type {}, expected {}", dtype_name(own), dtype_name(type));
  }
  return call(Op::aten__to_copy, {value, type});
}

Status Lifter::fully_connected(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kTransposeWeights));
  const uint32_t in = node.inputs[0], filter = node.inputs[1], out = node.outputs[0];
  const size_t n = rank(in);
  const bool transposed = (node.flags & kTransposeWeights) != 0;
  if (rank(filter) != 2) return invalid_data("a filter of rank {}", rank(filter));
  const Perm perm = transposed ? Perm{1, 0} : Perm{0, 1};
  PTE_TRY(ir::Value * x, get(in, identity_perm(n)));
  if (is_dynamic(in) || is_quantized(in)) {
    if (!is_constant(filter)) return unsupported("a filter that is computed at run time");
    if (transposed && constant_bytes(source_.values[filter].datatype, {1, 2}) == 1) {
      return unsupported("a transposed filter of 4-bit weights");
    }
    PTE_TRY(ir::Value * weight, get(filter, perm));
    PTE_TRY(ir::Value * y, quantized_linear(node, x, weight));
    return define(out, identity_perm(n), y);
  }
  // bfloat16 operands have a float32 bias, added before the result is rounded.
  DType type = x->tensor().dtype;
  if (type == DType::kBFloat16 && node.inputs[2] != kNone) {
    type = DType::kFloat32;
    PTE_TRY(x, call(Op::aten__to_copy, {x, type}));
  }
  ir::Value* weight = nullptr;
  if (is_constant(filter)) {
    PTE_TRY(Tensor data, real_filter(filter));
    PTE_TRY(data, as_type(data, type));
    if (transposed) {
      const Strides strides = data.strides();
      data = data.with_layout({data.size(1), data.size(0)}, {strides[1], strides[0]});
    }
    weight = weights(fmt::format("filter{}", filter), std::move(data));
  } else {
    PTE_TRY(weight, get_real(filter, perm));
    if (weight->tensor().dtype != type) {
      PTE_TRY(weight, call(Op::aten__to_copy, {weight, type}));
    }
  }
  Arg b;
  if (node.inputs[2] != kNone) {
    PTE_TRY(ir::Value * value, bias(node.inputs[2], type));
    b = Arg(value);
  }
  PTE_TRY(ir::Value * y, call(Op::aten_linear, {x, weight, b}));
  PTE_TRY(y, clamped(y, node));
  PTE_TRY(const DType result, dtype(out));
  if (result != type) {
    PTE_TRY(y, call(Op::aten__to_copy, {y, result}));
  }
  return define(out, identity_perm(n), y);
}

Status Lifter::matmul(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kTransposeA | kTransposeB));
  ir::Value* operands[2] = {};
  const size_t n = rank(node.inputs[0]);
  if (n < 2 || rank(node.inputs[1]) != n)
    return unsupported("operands of rank {} and {}", n, rank(node.inputs[1]));
  for (size_t i = 0; i < 2; ++i) {
    Perm perm = identity_perm(n);
    if ((node.flags & (i == 0 ? kTransposeA : kTransposeB)) != 0)
      std::swap(perm[n - 1], perm[n - 2]);
    PTE_TRY(operands[i], get_real(node.inputs[i], perm));
  }
  const bool plain = n == 3 && operands[0]->tensor().sizes[0] == operands[1]->tensor().sizes[0];
  const Op op = plain ? Op::aten_bmm : n == 2 ? Op::aten_mm : Op::aten_matmul;
  PTE_TRY(ir::Value * y, call(op, {operands[0], operands[1]}));
  PTE_TRY(y, clamped(y, node));
  return define_real(node.outputs[0], identity_perm(n), y);
}

// softmax(query * scale @ keyᵀ + mask) @ value, over [batch, heads, tokens, channels].
Status Lifter::attention(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  ir::Value* operands[5] = {};
  for (size_t i = 0; i < 5; ++i) {
    const size_t n = rank(node.inputs[i]);
    if (n != (i < 3 ? 4U : i == 3 ? 1U : 2U)) {
      return invalid_data("an operand of rank {} in place {}", n, i);
    }
    PTE_TRY(operands[i], get_real(node.inputs[i], i == 1 ? Perm{0, 1, 3, 2} : identity_perm(n)));
  }
  const auto [query, key, value, scale, mask] = operands;
  PTE_TRY(ir::Value * x, call(Op::aten_mul_Tensor, {query, scale}));
  PTE_TRY(x, call(Op::aten_matmul, {x, key}));
  PTE_TRY(x, call(Op::aten_add_Tensor, {x, mask}));
  PTE_TRY(x, call(Op::aten__softmax, {x, 3, false}));
  PTE_TRY(x, call(Op::aten_matmul, {x, value}));
  PTE_TRY(x, clamped(x, node));
  return define_real(node.outputs[0], identity_perm(4), x);
}

// ---- moving elements

Status Lifter::transpose(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const std::vector<uint32_t>& perm = std::get<TransposeParams>(node.params).perm;
  if (rank(out) != perm.size()) return invalid_data("a result of rank {}", rank(out));
  PTE_CHECK(expect_same_quant(node));
  if (is_constant(in)) {
    PTE_TRY([[maybe_unused]] ir::Value * value, get(in, identity_perm(perm.size())));
  }
  // Dim i of the result is dim perm[i] of the operand: every value that stands for the operand
  // stands for the result too, its dims named anew.
  for (const Rep& rep : reps_[in]) {
    Perm renamed;
    for (uint8_t d : rep.perm) {
      const auto at = std::find(perm.begin(), perm.end(), d);
      renamed.push_back(static_cast<uint8_t>(at - perm.begin()));
    }
    PTE_CHECK(define(out, renamed, rep.value));
  }
  return {};
}

Status Lifter::reshape(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  PTE_CHECK(expect_same_quant(node));
  const uint32_t in = node.inputs[0];
  PTE_TRY(ir::Value * x, get(in, identity_perm(rank(in))));
  std::vector<int64_t> shape;
  for (uint32_t size : std::get<ReshapeParams>(node.params).shape) {
    shape.push_back(size == 0 ? -1 : static_cast<int64_t>(size));
  }
  // The exporter writes a scalar as a value of one element in one dimension.
  if (shape.empty() && rank(node.outputs[0]) == 1) shape.push_back(1);
  PTE_TRY(ir::Value * y, call(Op::aten_view_copy, {x, Arg::ints(shape)}));
  PTE_TRY(y, clamped_stored(y, node));
  return define(node.outputs[0], identity_perm(shape.size()), y);
}

Status Lifter::slice(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  PTE_CHECK(expect_same_quant(node));
  const SliceParams& p = std::get<SliceParams>(node.params);
  const Perm perm = existing(node.inputs[0]);
  PTE_TRY(ir::Value * y, get(node.inputs[0], perm));
  for (size_t d = 0; d < perm.size(); ++d) {
    const size_t dim = position(perm, d);
    const ir::SymInt extent = y->tensor().sizes[dim];
    if (p.offsets[d] == 0 && extent.is_constant(p.sizes[d])) continue;
    const auto known = extent.constant();
    // What would end behind the last element ends there.
    int64_t end = static_cast<int64_t>(p.offsets[d]) + p.sizes[d];
    if (known) end = std::min(end, *known);
    if (end <= static_cast<int64_t>(p.offsets[d])) {
      return invalid_data("{} elements from {} of {}", p.sizes[d], p.offsets[d],
                          extent.to_string());
    }
    PTE_TRY(y, call(Op::aten_slice_copy_Tensor,
                    {y, static_cast<int64_t>(dim), static_cast<int64_t>(p.offsets[d]), end, 1}));
  }
  PTE_TRY(y, clamped_stored(y, node));
  return define(node.outputs[0], perm, y);
}

Status Lifter::pad(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  PTE_CHECK(expect_same_quant(node));
  const PadParams& p = std::get<PadParams>(node.params);
  const Perm perm = existing(node.inputs[0]);
  PTE_TRY(ir::Value * x, get(node.inputs[0], perm));
  std::vector<int64_t> list;
  for (size_t i = perm.size(); i-- > 0;) {
    if (p.before[perm[i]] > kMaxPadding || p.after[perm[i]] > kMaxPadding) {
      return invalid_data("padding {} and {}", p.before[perm[i]], p.after[perm[i]]);
    }
    list.push_back(p.before[perm[i]]);
    list.push_back(p.after[perm[i]]);
  }
  PTE_TRY(ir::Value * y,
          call(Op::aten_constant_pad_nd, {x, Arg::ints(list), stored(node.outputs[0], p.value)}));
  PTE_TRY(y, clamped_stored(y, node));
  return define(node.outputs[0], perm, y);
}

Status Lifter::concatenate(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  PTE_CHECK(expect_same_quant(node));
  const size_t n = rank(node.inputs[0]);
  const Perm perm = common(node.inputs, n);
  std::vector<ir::Value*> values;
  for (uint32_t id : node.inputs) {
    PTE_TRY(ir::Value * value, get(id, perm));
    values.push_back(value);
  }
  const auto axis = static_cast<int64_t>(position(perm, std::get<CatParams>(node.params).axis));
  PTE_TRY(ir::Value * y, call(Op::aten_cat, {Arg::values(values), axis}));
  PTE_TRY(y, clamped_stored(y, node));
  return define(node.outputs[0], perm, y);
}

}  // namespace pte::xnnpack
