// Operators that PyTorch's modules call in place of several when nothing needs a gradient: whole
// attention blocks and transformer layers. Traces and scripts hold them.
#include <cmath>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

struct Block {
  Expr query, key, value;
  int64_t width = 0;
  int64_t heads = 0;
  Expr weight, bias, out_weight, out_bias;
  Expr mask;                         // true where nothing may be looked at
  std::optional<int64_t> mask_kind;  // 0: [T, S] for all, 1: [B, S] of padding, 2: whole
};

struct Attended {
  Expr out;      // [B, T, D]
  Expr weights;  // [B, H, T, S]
};

Expr linear(Scope& s, const Expr& x, const Expr& weight, const Expr& bias) {
  return s.call("aten::linear", {x, weight, bias});
}

Attended attend(Scope& s, const Block& b) {
  if (b.query.rank() != 3 || b.key.rank() != 3 || b.value.rank() != 3 || b.weight.rank() != 2) {
    s.invalid("expected operands [batch, time, width] and a weight of rank 2");
    return {};
  }
  if (b.heads < 1 || b.width < 1 || b.width % b.heads != 0) {
    s.invalid(fmt::format("{} heads in a width of {}", b.heads, b.width));
    return {};
  }
  // One product for the three where they come from one tensor.
  Exprs parts;
  if (b.query.value() == b.key.value() && b.key.value() == b.value.value()) {
    parts = split_sizes(linear(s, b.query, b.weight, b.bias), {b.width, b.width, b.width}, -1);
  } else {
    const Exprs weights = split_sizes(b.weight, {b.width, b.width, b.width}, 0);
    const Exprs biases = b.bias ? split_sizes(b.bias, {b.width, b.width, b.width}, 0) : Exprs(3);
    const Expr* inputs[] = {&b.query, &b.key, &b.value};
    for (size_t i = 0; i < 3 && weights.size() == 3 && biases.size() == 3; ++i)
      parts.push_back(linear(s, *inputs[i], weights[i], biases[i]));
  }
  if (parts.size() != 3) return {};
  const int64_t each = b.width / b.heads;
  for (Expr& part : parts) {
    part = view(part, {part.size(0), part.size(1), b.heads, each});
    part = permute(part, {0, 2, 1, 3});
  }
  const Expr query = parts[0] * Arg(1 / std::sqrt(static_cast<double>(each)));
  Expr scores = matmul(query, transpose(parts[1], -2, -1));
  if (b.mask) {
    // PyTorch takes the truth of other masks: whatever is not zero hides.
    Expr mask = b.mask.dtype() == DType::kBool ? b.mask : ne(b.mask, int64_t{0});
    const bool padding = b.mask_kind == 1 ||
                         (!b.mask_kind && mask.rank() == 2 && !(mask.size(0) == b.query.size(1)));
    if (mask.rank() == 2) mask = padding ? unsqueeze(unsqueeze(mask, 1), 2) : mask;
    scores = where(mask, -INFINITY, scores);
  }
  Attended out;
  out.weights = s.call("aten::softmax.int", {scores, int64_t{-1}});
  Expr joined = permute(matmul(out.weights, parts[2]), {0, 2, 1, 3});
  joined = s.call("aten::reshape",
                  {joined, Arg(s.view_args({b.query.size(0), b.query.size(1), b.width}, b.query))});
  out.out = linear(s, joined, b.out_weight, b.out_bias);
  return out;
}

std::optional<int64_t> mask_kind(Scope& s, size_t index) {
  if (!s.given(index)) return std::nullopt;
  return s.integer(index);
}

Results multi_head_attention(Scope& s) {
  const Block block{s.x(0), s.x(1), s.x(2), s.integer(3), s.integer(4),    s.x(5),
                    s.x(6), s.x(7), s.x(8), s.x(9),       mask_kind(s, 12)};
  const Attended made = attend(s, block);
  if (!s.flag(10)) return {made.out, Arg()};
  return {made.out, s.flag(11) ? mean(made.weights, {1}) : made.weights};
}

Results encoder_layer(Scope& s) {
  const Expr source = s.x(0);
  const bool first = s.flag(8);
  const double eps = s.number(9);
  const auto norm = [&](const Expr& x, size_t at) {
    return s.call("aten::layer_norm", {x, Arg::ints({s.integer(1)}), s.x(at), s.x(at + 1), eps});
  };
  const Expr in = first ? norm(source, 10) : source;
  const Block block{in,     in,     in,     s.integer(1), s.integer(2),    s.x(3),
                    s.x(4), s.x(5), s.x(6), s.x(18),      mask_kind(s, 19)};
  Expr x = attend(s, block).out + source;
  if (!first) x = norm(x, 10);
  const Expr before = x;
  if (first) x = norm(x, 12);
  x = linear(s, x, s.x(14), s.x(15));
  x = s.flag(7) ? s.call("aten::gelu", {x}) : relu(x);
  x = linear(s, x, s.x(16), s.x(17)) + before;
  return {first ? x : norm(x, 12)};
}

// A convolution whose padding is a word.
Results convolution_mode(Scope& s) {
  const size_t rank = s.x(1).rank();
  const char* name = rank == 3   ? "aten::conv1d.padding"
                     : rank == 4 ? "aten::conv2d.padding"
                                 : "aten::conv3d.padding";
  return {s.call(name, s.args())};
}

constexpr Composite kComposites[] = {
    {"aten::_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, "
     "int "
     "num_head, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? "
     "mask=None, bool need_weights=True, bool average_attn_weights=True, int? mask_type=None) -> "
     "(Tensor, Tensor)",
     multi_head_attention},
    {"aten::_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor "
     "qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool "
     "norm_first, float eps, Tensor norm_weight_1, Tensor norm_bias_1, Tensor norm_weight_2, "
     "Tensor "
     "norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor ffn_weight_2, Tensor ffn_bias_2, "
     "Tensor? mask=None, int? mask_type=None) -> Tensor",
     encoder_layer},
    {"aten::_convolution_mode(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, str "
     "padding, SymInt[] dilation, SymInt groups) -> Tensor",
     convolution_mode},
};

}  // namespace

std::span<const Composite> fused_composites() { return kComposites; }

}  // namespace pte::importers
