// The operators of the domain com.microsoft that ONNX Runtime's optimiser writes, as what they
// fuse.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

// ---- activations

void gelu_rule(NodeCall& c) { c.set(gelu(c.in(0), false)); }
void fast_gelu(NodeCall& c) {
  const Ex x = c.has(1) ? c.in(0) + c.in(1) : c.in(0);
  c.set(gelu(x, true));
}
void bias_gelu(NodeCall& c) { c.set(gelu(c.in(0) + c.in(1), false)); }
void quick_gelu(NodeCall& c) {
  const Ex x = c.in(0);
  c.set(x * (x * c.f("alpha", 1.702)).sigmoid());
}
void bias_add(NodeCall& c) { c.set(c.in(0) + c.in(1) + c.in(2)); }

Ex activated(NodeCall& c, const Ex& x) {
  const std::string_view name = c.s("activation", "");
  const std::vector<float> params = c.fs("activation_params");
  const auto param = [&](size_t k, double otherwise) {
    return k < params.size() ? static_cast<double>(params[k]) : otherwise;
  };
  if (name.empty()) return x;
  if (name == "Relu") return x.relu();
  if (name == "Sigmoid") return x.sigmoid();
  if (name == "Tanh") return x.tanh();
  if (name == "LeakyRelu") return c.e.call(Op::aten_leaky_relu, {x.v, param(0, 0.01)});
  if (name == "Clip") return x.clamp(param(0, -INFINITY), param(1, INFINITY));
  if (name == "HardSigmoid") return (x * param(0, 0.2) + param(1, 0.5)).clamp(0.0, 1.0);
  c.fail(unsupported("the activation '{}'", name.substr(0, 40)));
  return x;
}

// ---- products

void fused_mat_mul(NodeCall& c) {
  Ex a = c.in(0), b = c.in(1);
  if (c.i("transBatchA", 0) != 0 || c.i("transBatchB", 0) != 0)
    return c.fail(unsupported("a product with transposed batches"));
  if (c.i("transA", 0) != 0 && a.rank() > 1) a = a.transpose(-1, -2);
  if (c.i("transB", 0) != 0 && b.rank() > 1) b = b.transpose(-1, -2);
  const double alpha = c.f("alpha", 1.0);
  const Ex y = a.matmul(b);
  c.set(alpha == 1.0 ? y : y * alpha);
}

void fused_conv(NodeCall& c) {
  Ex y = convolve(c, c.in(0), c.in(1), c.maybe(2));
  if (c.has(3)) y = y + c.in(3);
  c.set(activated(c, y));
}

void fused_gemm(NodeCall& c) {
  Ex a = c.in(0), b = c.in(1);
  if (c.i("transA", 0) != 0) a = a.transpose(0, 1);
  if (c.i("transB", 0) != 0) b = b.transpose(0, 1);
  Ex y = c.e.call(Op::aten_mm, {a.v, b.v});
  if (c.f("alpha", 1.0) != 1.0) y = y * c.f("alpha", 1.0);
  if (c.has(2)) y = y + (c.f("beta", 1.0) == 1.0 ? c.in(2) : c.in(2) * c.f("beta", 1.0));
  c.set(activated(c, y));
}

// Weights of 4 (or 8, or 2) bits, one scale for every block of a row.
void mat_mul_n_bits(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t k = c.i("K", 0), n = c.i("N", 0), bits = c.i("bits", 4),
                block = c.i("block_size", 32);
  if (c.failed()) return;
  if (k < 1 || n < 1 || block < 1 || (bits != 2 && bits != 4 && bits != 8) ||
      n > (1 << 28) / std::max<int64_t>(k, 1))
    return c.fail(unsupported("weights of {} bits in blocks of {}", bits, block));
  if (c.has(4)) return c.fail(unsupported("columns in an order of their own (g_idx)"));
  const int64_t blocks = (k + block - 1) / block, packed = 8 / bits;
  // Elements of the low bits come first.
  const auto unpack = [&](const Ex& bytes, int64_t per_row) {
    if (bits == 8) return bytes.view({n, per_row});
    std::vector<Ex> parts;
    const Ex wide = bytes.cast(DType::kInt32);
    for (int64_t p = 0; p < packed; ++p) {
      const Ex moved = c.e.call(Op::aten_bitwise_right_shift_Tensor_Scalar, {wide.v, p * bits});
      parts.push_back(c.e.call(Op::aten_bitwise_and_Scalar, {moved.v, (int64_t{1} << bits) - 1}));
    }
    return c.e.stack(parts, bytes.dims()).view({n, per_row});
  };
  const Ex codes = unpack(c.in(1), blocks * block).view({n, blocks, block}).cast(x.dtype());
  const Ex scales = c.in(2).view({n, blocks, int64_t{1}}).cast(x.dtype());
  Ex zero = c.e.full({}, static_cast<double>(int64_t{1} << (bits - 1)), x.dtype());
  if (c.has(3)) {
    const Ex given = c.in(3);
    if (is_floating(given.dtype())) {
      zero = given.view({n, blocks, int64_t{1}}).cast(x.dtype());
    } else {
      const int64_t row = (blocks + packed - 1) / packed * packed;
      zero = unpack(given.view({n, row / packed}), row)
                 .slice(1, int64_t{0}, blocks)
                 .view({n, blocks, int64_t{1}})
                 .cast(x.dtype());
    }
  }
  const Ex weight = ((codes - zero) * scales).view({n, blocks * block}).slice(1, int64_t{0}, k);
  Ex y = x.matmul(weight.transpose(0, 1));
  if (c.has(5)) y = y + c.in(5);
  c.set(y);
}

// ---- normalisations

void skip_layer_norm(NodeCall& c) {
  Ex x = c.in(0) + c.in(1);
  if (c.has(4)) x = x + c.in(4);
  const Normalized n = layer_norm(x, x.dims() - 1, c.in(2), c.maybe(3), c.f("epsilon", 1e-12));
  c.set(0, n.y);
  c.set(1, n.mean);
  c.set(2, n.scale);
  c.set(3, x);
}

Ex rms(const Ex& x, double epsilon) {
  return x * x.e->call(Op::aten_rsqrt, {((x * x).mean({x.dims() - 1}, true) + epsilon).v});
}

void skip_simplified_layer_norm(NodeCall& c) {
  Ex x = c.in(0) + c.in(1);
  if (c.has(3)) x = x + c.in(3);
  c.set(0, rms(x, c.f("epsilon", 1e-12)) * c.in(2));
  c.set(3, x);
}

void simplified_layer_norm(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), -1);
  if (axis + 1 != x.dims()) return c.fail(unsupported("a normalisation over several dimensions"));
  c.set(rms(x, c.f("epsilon", 1e-5)) * c.in(1));
}

void embed_layer_norm(NodeCall& c) {
  const Ex ids = c.in(0);
  const auto embed = [&](const Ex& table, const Ex& at) {
    return c.e.call(Op::aten_embedding, {table.v, at.cast(DType::kInt64).v});
  };
  Ex x = embed(c.in(2), ids);
  const Ex places = c.has(8) ? c.in(8) : c.e.arange(int64_t{0}, ids.size_arg(1)).unsqueeze(0);
  x = x + embed(c.in(3), places);
  if (c.has(4) && c.has(1)) x = x + embed(c.in(4), c.in(1));
  c.set(0, layer_norm(x, x.dims() - 1, c.in(5), c.in(6), c.f("epsilon", 1e-12)).y);
  if (c.wants(1)) {
    if (c.has(7)) {
      c.set(1, c.in(7).sum({1}, false).cast(DType::kInt32));
    } else {
      c.set(1, c.e.full({ids.size_arg(0)}, 0, DType::kInt32));
    }
  }
  c.set(2, x);
}

// ---- quantised values: the float operator between conversions

template <typename Fn>
void quantised_binary(NodeCall& c, Fn fn) {
  const Ex a = dequantize(c, 0, 1, 2, 1), b = dequantize(c, 3, 4, 5, 1);
  c.set(quantize_to(c, fn(a, b), 6, 7, 1));
}
void q_linear_add(NodeCall& c) {
  quantised_binary(c, [](const Ex& a, const Ex& b) { return a + b; });
}
void q_linear_mul(NodeCall& c) {
  quantised_binary(c, [](const Ex& a, const Ex& b) { return a * b; });
}
void q_linear_sigmoid(NodeCall& c) {
  c.set(quantize_to(c, dequantize(c, 0, 1, 2, 1).sigmoid(), 3, 4, 1));
}
void q_linear_leaky_relu(NodeCall& c) {
  const Ex y = c.e.call(Op::aten_leaky_relu, {dequantize(c, 0, 1, 2, 1).v, c.f("alpha", 0.01)});
  c.set(quantize_to(c, y, 3, 4, 1));
}
void q_linear_softmax(NodeCall& c) {
  const Ex x = dequantize(c, 0, 1, 2, 1);
  c.set(quantize_to(c, x.softmax(c.axis(x.rank(), -1)), 3, 4, 1));
}
void q_linear_global_average_pool(NodeCall& c) {
  const Ex x = dequantize(c, 0, 1, 2, 1);
  const bool last = c.i("channels_last", 0) != 0;
  std::vector<int64_t> dims;
  for (int64_t d = last ? 1 : 2; d < x.dims() - (last ? 1 : 0); ++d) dims.push_back(d);
  c.set(quantize_to(c, x.mean(dims, true), 3, 4, 1));
}
void q_linear_concat(NodeCall& c) {
  std::vector<Ex> parts;
  for (size_t k = 2; k + 2 < c.inputs(); k += 3) parts.push_back(dequantize(c, k, k + 1, k + 2, 1));
  if (c.failed() || parts.empty()) return;
  c.set(quantize_to(c, c.e.cat(parts, c.axis(parts[0].rank(), 0)), 0, 1, 1));
}
void q_linear_average_pool(NodeCall& c) {
  Ex x = dequantize(c, 0, 1, 2, 1);
  const bool last = c.i("channels_last", 0) != 0;
  std::vector<int64_t> first{0, x.dims() - 1}, back{0};
  for (int64_t d = 1; d < x.dims() - 1; ++d) first.push_back(d);
  for (int64_t d = 2; d < x.dims(); ++d) back.push_back(d);
  back.push_back(1);
  if (last) x = x.permute(first);
  Ex y = average_pool_of(c, x);
  if (c.failed()) return;
  if (last) y = y.permute(back);
  c.set(quantize_to(c, y, 3, 4, 1));
}
void q_linear_where(NodeCall& c) {
  // The condition, then both sides and the result with their scales and zero points.
  const Ex a = dequantize(c, 1, 2, 3, 1), b = dequantize(c, 4, 5, 6, 1);
  c.set(quantize_to(c, c.e.where(c.in(0), a, b), 7, 8, 1));
}
void quantize_linear(NodeCall& c) { c.set(quantize_to(c, c.in(0), 1, 2, c.i("axis", 1))); }
void dequantize_linear(NodeCall& c) { c.set(dequantize(c, 0, 1, 2, c.i("axis", 1))); }

void mat_mul_integer_to_float(NodeCall& c) {
  // A, B, their scales, their zero points, a bias.
  const Ex a = dequantize(c, 0, 2, 4, -1), b = dequantize(c, 1, 3, 5, -1);
  Ex y = a.matmul(b);
  if (c.has(6)) y = y + c.in(6);
  c.set(y);
}

void dynamic_quantize_mat_mul(NodeCall& c) {
  const Ex x = c.in(0);
  std::vector<int64_t> dims;
  for (int64_t d = 0; d < x.dims(); ++d) dims.push_back(d);
  const Ex low = x.amin(dims, false).clamp(Arg(), 0.0),
           high = x.amax(dims, false).clamp(0.0, Arg());
  const Ex scale = (high - low) / 255.0;
  const Ex zero = (0.0 - low / scale).round().clamp(0.0, 255.0);
  const Ex rounded = (((x / scale).round() + zero).clamp(0.0, 255.0) - zero) * scale;
  Ex y = rounded.matmul(dequantize(c, 1, 2, 3, -1));
  if (c.has(4)) y = y + c.in(4);
  c.set(y);
}

void q_gemm(NodeCall& c) {
  Ex a = dequantize(c, 0, 1, 2, 1), b = dequantize(c, 3, 4, 5, c.i("transB", 0) != 0 ? 0 : 1);
  if (c.i("transA", 0) != 0) a = a.transpose(0, 1);
  if (c.i("transB", 0) != 0) b = b.transpose(0, 1);
  Ex y = c.e.call(Op::aten_mm, {a.v, b.v});
  const double alpha = c.f("alpha", 1.0);
  if (alpha != 1.0) y = y * alpha;
  if (c.has(6)) {
    const Ex scales = c.in(1) * c.in(4);
    const Ex by = scales.rank() == 1 && scales.size(0).is_constant(1) ? scales.view({}) : scales;
    y = y + c.in(6).cast(DType::kFloat32) * by * alpha;
  }
  c.set(c.has(7) ? quantize_to(c, y, 7, 8, 1) : y);
}

constexpr RuleEntry kRules[] = {
    {"Gelu", gelu_rule},
    {"FastGelu", fast_gelu},
    {"BiasGelu", bias_gelu},
    {"QuickGelu", quick_gelu},
    {"BiasAdd", bias_add},
    {"FusedMatMul", fused_mat_mul},
    {"FusedConv", fused_conv},
    {"FusedGemm", fused_gemm},
    {"MatMulNBits", mat_mul_n_bits},
    {"SkipLayerNormalization", skip_layer_norm},
    {"SkipSimplifiedLayerNormalization", skip_simplified_layer_norm},
    {"SimplifiedLayerNormalization", simplified_layer_norm},
    {"EmbedLayerNormalization", embed_layer_norm},
    {"QLinearAdd", q_linear_add},
    {"QLinearMul", q_linear_mul},
    {"QLinearSigmoid", q_linear_sigmoid},
    {"QLinearLeakyRelu", q_linear_leaky_relu},
    {"QLinearSoftmax", q_linear_softmax},
    {"QLinearGlobalAveragePool", q_linear_global_average_pool},
    {"QLinearConcat", q_linear_concat},
    {"QLinearAveragePool", q_linear_average_pool},
    {"QLinearWhere", q_linear_where},
    {"QuantizeLinear", quantize_linear},
    {"DequantizeLinear", dequantize_linear},
    {"MatMulIntegerToFloat", mat_mul_integer_to_float},
    {"DynamicQuantizeMatMul", dynamic_quantize_mat_mul},
    {"QGemm", q_gemm},
};

// ONNX Runtime writes this one into the default domain.
constexpr RuleEntry kUnnamed[] = {{"SimplifiedLayerNormalization", simplified_layer_norm}};

}  // namespace

std::span<const RuleEntry> microsoft_rules() { return kRules; }
std::span<const RuleEntry> runtime_rules() { return kUnnamed; }

}  // namespace pte::importers::onnx
