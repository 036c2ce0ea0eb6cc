// XNNPACK nodes as ATen calls.
#include <algorithm>
#include <limits>

#include "backends/xnnpack/filters.h"
#include "backends/xnnpack/lifter.h"

namespace pte::xnnpack {

using ir::Arg;

namespace {

constexpr uint32_t kTransposeB = 0x1;  // BatchMatrixMultiply
constexpr uint32_t kTransposeA = 0x2;
constexpr uint32_t kMaxWindow = 1U << 20;

Status known_flags(const XnnNode& node, uint32_t known) {
  if ((node.flags & ~known) != 0) return unsupported("flags {:#x}", node.flags);
  return {};
}

// Windows with no size of 0, small enough that their arithmetic cannot overflow.
Status check_window(const Window& w, std::string_view what) {
  if (w.height == 0 || w.width == 0 || w.height > kMaxWindow || w.width > kMaxWindow) {
    return invalid_data("{} {}x{}", what, w.height, w.width);
  }
  return {};
}
Status check_padding(const Padding& p) {
  for (uint32_t side : {p.top, p.right, p.bottom, p.left}) {
    if (side > kMaxWindow) return invalid_data("padding {}", side);
  }
  return {};
}

bool symmetric(const Padding& p) { return p.top == p.bottom && p.left == p.right; }

Arg pair(const Window& w) { return Arg::ints({w.height, w.width}); }
Arg zeros() { return Arg::ints({0, 0}); }

// For constant_pad_nd of a (n, c, h, w) tensor: pairs from the last dim backwards.
Arg pad_list(const Padding& p) { return Arg::ints({p.left, p.right, p.top, p.bottom}); }

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
    case NodeKind::kScaledDotProductAttention:
      return unsupported("no exporter writes this node; it is not run");
    default:
      return unary(node);
  }
}

// ---- elementwise

Status Lifter::unary(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const Perm perm = existing(in);
  PTE_TRY(ir::Value * x, get(in, perm));
  Op op = unary_op(node.kind);
  std::vector<Arg> args{Arg(x)};
  if (node.kind == NodeKind::kSoftmax) {
    if (perm.empty()) return invalid_data("a value of rank 0");
    op = Op::aten__softmax;
    args.emplace_back(static_cast<int64_t>(position(perm, perm.size() - 1)));
    args.emplace_back(false);
  } else if (node.kind == NodeKind::kConvert) {
    PTE_TRY(const DType to, dtype(out));
    op = Op::aten__to_copy;
    args.emplace_back(to);
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
  return define(out, perm, y);
}

Status Lifter::binary(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  Op op = Op::aten_add_Tensor;
  switch (node.kind) {
    case NodeKind::kSubtract:
      op = Op::aten_sub_Tensor;
      break;
    case NodeKind::kMultiply:
      op = Op::aten_mul_Tensor;
      break;
    case NodeKind::kDiv:
      op = Op::aten_div_Tensor;
      break;
    case NodeKind::kMaximum:
      op = Op::aten_maximum;
      break;
    case NodeKind::kMinimum:
      op = Op::aten_minimum;
      break;
    default:
      break;
  }
  const size_t out_rank = std::max(rank(node.inputs[0]), rank(node.inputs[1]));
  const Perm perm = common(node.inputs, out_rank);
  PTE_TRY(ir::Value * a, aligned(node.inputs[0], perm));
  PTE_TRY(ir::Value * b, aligned(node.inputs[1], perm));
  PTE_TRY(ir::Value * y, call(op, {a, b}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], perm, y);
}

Status Lifter::prelu(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const size_t n = rank(node.inputs[0]);
  if (n < 2) return unsupported("a value of rank {}", n);
  // The slope belongs to the last dim in memory, in ATen to dim 1.
  Perm perm{0, static_cast<uint8_t>(n - 1)};
  for (size_t i = 1; i + 1 < n; ++i) perm.push_back(static_cast<uint8_t>(i));
  PTE_TRY(ir::Value * x, get(node.inputs[0], perm));
  const uint32_t slope = node.inputs[1];
  const auto& dims = source_.values[slope].dims;
  int64_t count = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i + 1 < dims.size() && dims[i] != 1)
      return unsupported("slopes of [{}]", fmt::join(dims, ","));
    count *= dims[i];
  }
  PTE_TRY(ir::Value * weight, get(slope, identity_perm(dims.size())));
  if (dims.size() != 1) {
    PTE_TRY(weight, call(Op::aten_view_copy, {weight, Arg::ints({count})}));
  }
  PTE_TRY(ir::Value * y, call(Op::aten_prelu, {x, weight}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], perm, y);
}

// ---- weights

// Biases are [out]; they follow the activations' type.
Result<ir::Value*> Lifter::bias(uint32_t id, DType type) {
  if (rank(id) != 1) return invalid_data("a bias of rank {}", rank(id));
  PTE_TRY(ir::Value * value, get(id, identity_perm(1)));
  if (value->tensor().dtype == type) return value;
  return call(Op::aten__to_copy, {value, type});
}

Status Lifter::fully_connected(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kTransposeWeights));
  const size_t n = rank(node.inputs[0]);
  const bool transposed = (node.flags & kTransposeWeights) != 0;
  PTE_TRY(ir::Value * x, get(node.inputs[0], identity_perm(n)));
  if (rank(node.inputs[1]) != 2) return invalid_data("a filter of rank {}", rank(node.inputs[1]));
  PTE_TRY(ir::Value * weight, get(node.inputs[1], transposed ? Perm{1, 0} : Perm{0, 1}));
  const DType type = x->tensor().dtype;
  if (weight->tensor().dtype != type) {
    PTE_TRY(weight, call(Op::aten__to_copy, {weight, type}));
  }
  Arg b;
  if (node.inputs[2] != kNone) {
    PTE_TRY(ir::Value * value, bias(node.inputs[2], type));
    b = Arg(value);
  }
  PTE_TRY(ir::Value * y, call(Op::aten_linear, {x, weight, b}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], identity_perm(n), y);
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
    PTE_TRY(operands[i], get(node.inputs[i], perm));
  }
  const Op op = n == 3 ? Op::aten_bmm : n == 2 ? Op::aten_mm : Op::aten_matmul;
  PTE_TRY(ir::Value * y, call(op, {operands[0], operands[1]}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], identity_perm(n), y);
}

Status Lifter::convolution(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const ConvParams& p = std::get<ConvParams>(node.params);
  const bool transposed = node.kind == NodeKind::kConvTranspose2d;
  PTE_CHECK(check_window(p.kernel, "kernel"));
  PTE_CHECK(check_window(p.stride, "stride"));
  PTE_CHECK(check_window(p.dilation, "dilation"));
  PTE_CHECK(check_padding(p.padding));
  if (p.groups == 0 || p.group_input_channels == 0 || p.group_output_channels == 0) {
    return invalid_data("{} groups of {} input and {} output channels", p.groups,
                        p.group_input_channels, p.group_output_channels);
  }
  if (rank(node.inputs[0]) != 4) return invalid_data("an operand of rank {}", rank(node.inputs[0]));
  if (!is_constant(node.inputs[1])) return unsupported("a filter that is computed at run time");
  PTE_TRY(ir::Value * x, get(node.inputs[0], kChannelsFirst));
  const DType type = x->tensor().dtype;
  PTE_TRY(const Tensor packed, constant_data(node.inputs[1]));
  PTE_TRY(Tensor filter, unpack_filter(packed, p, node.kind));
  ir::Value* weight = builder_.constant(fmt::format("filter{}", node.inputs[1]), std::move(filter),
                                        ir::Constant::Kind::kParameter);
  if (weight->tensor().dtype != type) {
    PTE_TRY(weight, call(Op::aten__to_copy, {weight, type}));
  }
  Arg b;
  if (node.inputs[2] != kNone) {
    PTE_TRY(ir::Value * value, bias(node.inputs[2], type));
    b = Arg(value);
  }
  Arg padding = Arg::ints({p.padding.top, p.padding.left});
  if (!symmetric(p.padding)) {
    if (transposed) return unsupported("a transposed convolution with uneven padding");
    PTE_TRY(x, call(Op::aten_constant_pad_nd, {x, pad_list(p.padding), 0.0}));
    padding = zeros();
  }
  PTE_TRY(ir::Value * y,
          call(Op::aten_convolution,
               {x, weight, b, pair(p.stride), padding, pair(p.dilation), transposed,
                transposed ? pair(p.adjustment) : zeros(), static_cast<int64_t>(p.groups)}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], kChannelsFirst, y);
}

// ---- pooling and resampling

Status Lifter::pool(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kKeepDims));
  PoolParams p = std::get<PoolParams>(node.params);
  const bool average = node.kind == NodeKind::kAvgPooling2d;
  if (average) p.dilation = {1, 1};
  PTE_CHECK(check_window(p.kernel, "window"));
  PTE_CHECK(check_window(p.stride, "stride"));
  PTE_CHECK(check_window(p.dilation, "dilation"));
  PTE_CHECK(check_padding(p.padding));
  if (rank(node.inputs[0]) != 4) return invalid_data("an operand of rank {}", rank(node.inputs[0]));
  PTE_TRY(ir::Value * x, get(node.inputs[0], kChannelsFirst));
  // ATen pads both sides alike and at most half a window.
  const bool fits = symmetric(p.padding) && 2 * p.padding.top <= p.kernel.height &&
                    2 * p.padding.left <= p.kernel.width;
  Arg padding = Arg::ints({p.padding.top, p.padding.left});
  if (!fits) {
    if (average) return unsupported("an average pool with uneven padding");
    PTE_TRY(x, call(Op::aten_constant_pad_nd,
                    {x, pad_list(p.padding), -std::numeric_limits<double>::infinity()}));
    padding = zeros();
  }
  ir::Value* y = nullptr;
  if (average) {
    PTE_TRY(y, call(Op::aten_avg_pool2d,
                    {x, pair(p.kernel), pair(p.stride), padding, false, false, {}}));
  } else {
    PTE_TRY(y, call(Op::aten_max_pool2d,
                    {x, pair(p.kernel), pair(p.stride), padding, pair(p.dilation), false}));
  }
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], kChannelsFirst, y);
}

Status Lifter::global_pool(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kKeepDims));
  if (rank(node.inputs[0]) != 4) return invalid_data("an operand of rank {}", rank(node.inputs[0]));
  const bool keep = (node.flags & kKeepDims) != 0;
  PTE_TRY(ir::Value * x, get(node.inputs[0], kChannelsFirst));
  PTE_TRY(ir::Value * y, call(Op::aten_mean_dim, {x, Arg::ints({2, 3}), keep}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], keep ? kChannelsFirst : identity_perm(2), y);
}

Status Lifter::resize(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kAlignCorners));
  const Window size = std::get<ResizeParams>(node.params).size;
  PTE_CHECK(check_window(size, "size"));
  if (rank(node.inputs[0]) != 4) return invalid_data("an operand of rank {}", rank(node.inputs[0]));
  PTE_TRY(ir::Value * x, get(node.inputs[0], kChannelsFirst));
  PTE_TRY(ir::Value * y, call(Op::aten_upsample_bilinear2d_vec,
                              {x, pair(size), (node.flags & kAlignCorners) != 0, {}}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], kChannelsFirst, y);
}

// ---- moving elements

Status Lifter::transpose(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  const std::vector<uint32_t>& perm = std::get<TransposeParams>(node.params).perm;
  if (rank(out) != perm.size()) return invalid_data("a result of rank {}", rank(out));
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
  const uint32_t in = node.inputs[0];
  PTE_TRY(ir::Value * x, get(in, identity_perm(rank(in))));
  std::vector<int64_t> shape;
  for (uint32_t size : std::get<ReshapeParams>(node.params).shape) {
    shape.push_back(size == 0 ? -1 : static_cast<int64_t>(size));
  }
  PTE_TRY(ir::Value * y, call(Op::aten_view_copy, {x, Arg::ints(shape)}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], identity_perm(shape.size()), y);
}

Status Lifter::slice(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const SliceParams& p = std::get<SliceParams>(node.params);
  const Perm perm = existing(node.inputs[0]);
  PTE_TRY(ir::Value * y, get(node.inputs[0], perm));
  for (size_t d = 0; d < perm.size(); ++d) {
    const size_t dim = position(perm, d);
    const ir::SymInt extent = y->tensor().sizes[dim];
    if (p.offsets[d] == 0 && extent.is_constant(p.sizes[d])) continue;
    const auto known = extent.constant();
    const int64_t end = static_cast<int64_t>(p.offsets[d]) + p.sizes[d];
    if (p.sizes[d] == 0 || (known && end > *known)) {
      return invalid_data("{} elements from {} of {}", p.sizes[d], p.offsets[d],
                          extent.to_string());
    }
    PTE_TRY(y, call(Op::aten_slice_copy_Tensor,
                    {y, static_cast<int64_t>(dim), static_cast<int64_t>(p.offsets[d]), end, 1}));
  }
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], perm, y);
}

Status Lifter::pad(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const PadParams& p = std::get<PadParams>(node.params);
  const Perm perm = existing(node.inputs[0]);
  PTE_TRY(ir::Value * x, get(node.inputs[0], perm));
  std::vector<int64_t> list;
  for (size_t i = perm.size(); i-- > 0;) {
    if (p.before[perm[i]] > kMaxWindow || p.after[perm[i]] > kMaxWindow) {
      return invalid_data("padding {} and {}", p.before[perm[i]], p.after[perm[i]]);
    }
    list.push_back(p.before[perm[i]]);
    list.push_back(p.after[perm[i]]);
  }
  PTE_TRY(ir::Value * y,
          call(Op::aten_constant_pad_nd, {x, Arg::ints(list), static_cast<double>(p.value)}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], perm, y);
}

Status Lifter::concatenate(const XnnNode& node) {
  PTE_CHECK(known_flags(node, 0));
  const size_t n = rank(node.inputs[0]);
  const Perm perm = common(node.inputs, n);
  std::vector<ir::Value*> values;
  for (uint32_t id : node.inputs) {
    PTE_TRY(ir::Value * value, get(id, perm));
    values.push_back(value);
  }
  const auto axis = static_cast<int64_t>(position(perm, std::get<CatParams>(node.params).axis));
  PTE_TRY(ir::Value * y, call(Op::aten_cat, {Arg::values(values), axis}));
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], perm, y);
}

}  // namespace pte::xnnpack
