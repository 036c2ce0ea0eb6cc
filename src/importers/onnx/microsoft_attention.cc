// Attention in the domain com.microsoft, as what its operators fuse.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

// [B, S, heads * D] as [B, heads, S, D].
Ex heads_of(const Ex& x, int64_t heads) {
  return x.view({x.size_arg(0), x.size_arg(1), heads, int64_t{-1}}).transpose(1, 2);
}

// Rows of a mask over the keys, as what is added to the scores; null when there is no mask.
Ex mask_of(NodeCall& c, size_t input, const Ex& scores) {
  if (!c.has(input)) return {&c.e, nullptr};
  const Ex mask = c.in(input);
  const double low = c.f("mask_filter_value", -10000.0);
  if (mask.rank() == 1) {
    // How long each sequence is.
    if (c.failed() || !(mask.size(0) == scores.size(0))) {
      c.fail(unsupported("a mask of {} numbers for {} sequences", mask.size(0).to_string(),
                         scores.size(0).to_string()));
      return mask;
    }
    const Ex at = c.e.arange(int64_t{0}, scores.size_arg(3)).view({int64_t{1}, int64_t{-1}});
    const Ex inside = at < mask.cast(DType::kInt64).unsqueeze(1);
    return c.e.where(inside.unsqueeze(1).unsqueeze(1), c.e.full({}, 0, scores.dtype()),
                     c.e.full({}, low, scores.dtype()));
  }
  Ex keep =
      mask.dtype() == DType::kBool ? mask : c.e.call(Op::aten_ne_Scalar, {mask.v, mask.number(0)});
  if (mask.rank() == 2) keep = keep.unsqueeze(1).unsqueeze(1);
  if (mask.rank() == 3) keep = keep.unsqueeze(1);
  return c.e.where(keep, c.e.full({}, 0, scores.dtype()), c.e.full({}, low, scores.dtype()));
}

Ex attend(NodeCall& c, const Ex& q, const Ex& k, const Ex& v, size_t mask_input,
          size_t bias_input) {
  const int64_t width = q.fixed(3);
  double scale = c.f("scale", 0);
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(width, 1)));
  Ex scores = q.matmul(k.transpose(2, 3)) * scale;
  const Ex mask = mask_of(c, mask_input, scores);
  if (mask.v != nullptr) scores = scores + mask;
  if (c.has(bias_input)) scores = scores + c.in(bias_input);
  if (c.i("unidirectional", 0) != 0) {
    const int64_t rows = q.fixed(2), columns = k.fixed(2);
    const Ex at = c.e.arange(int64_t{0}, rows).view({int64_t{-1}, int64_t{1}}) +
                  static_cast<double>(columns - rows);
    const Ex hidden = c.e.arange(int64_t{0}, columns) > at;
    scores =
        c.e.where(hidden, c.e.full({}, c.f("mask_filter_value", -10000.0), scores.dtype()), scores);
  }
  const Ex y = scores.softmax(-1).matmul(v).transpose(1, 2);
  return y.view({y.size_arg(0), y.size_arg(1), y.fixed(2) * y.fixed(3)});
}

// Attention over rows that hold queries, keys and values one after the other.
void attend_packed(NodeCall& c, const Ex& all, std::vector<int64_t> widths, size_t mask_input,
                   size_t bias_input, size_t past_input) {
  const int64_t heads = c.i("num_heads", 0);
  if (c.failed()) return;
  if (heads < 1) return c.fail(invalid_data("num_heads is {}", heads));
  if (widths.empty()) widths.assign(3, all.fixed(2) / 3);
  if (c.failed() || widths.size() != 3)
    return c.fail(invalid_data("{} hidden sizes", widths.size()));
  const Ex q = heads_of(all.slice(2, int64_t{0}, widths[0]), heads);
  Ex k = heads_of(all.slice(2, widths[0], widths[0] + widths[1]), heads);
  Ex v = heads_of(all.slice(2, widths[0] + widths[1], widths[0] + widths[1] + widths[2]), heads);
  if (c.has(past_input)) {
    const Ex past = c.in(past_input);
    k = c.e.cat({past.select(0, int64_t{0}), k}, 2);
    v = c.e.cat({past.select(0, int64_t{1}), v}, 2);
  }
  c.set(0, attend(c, q, k, v, mask_input, bias_input));
  if (c.wants(1)) c.set(1, c.e.stack({k, v}, 0));
}

void attention(NodeCall& c) {
  if (c.i("do_rotary", 0) != 0 || c.i("past_present_share_buffer", 0) != 0 || c.has(6))
    return c.fail(unsupported("attention with rotary embedding or a shared cache"));
  Ex all = c.in(0).matmul(c.in(1));
  if (c.has(2)) all = all + c.in(2);
  attend_packed(c, all, c.is("qkv_hidden_sizes"), 3, 5, 4);
}

// Input, weight, bias, their scales, mask, their zero points, what came before.
void q_attention(NodeCall& c) {
  constexpr size_t kNone = 99;
  if (c.i("do_rotary", 0) != 0 || c.i("past_present_share_buffer", 0) != 0)
    return c.fail(unsupported("attention with rotary embedding or a shared cache"));
  const Ex x = dequantize(c, 0, 3, 6, -1), weight = dequantize(c, 1, 4, 7, -1);
  attend_packed(c, x.matmul(weight) + c.in(2), {}, 5, kNone, 8);
}

void multi_head_attention(NodeCall& c) {
  Ex q = c.in(0), k = c.maybe(1), v = c.maybe(2);
  const int64_t heads = c.i("num_heads", 0);
  if (c.failed()) return;
  if (heads < 1) return c.fail(invalid_data("num_heads is {}", heads));
  if (q.rank() != 3 || k.v == nullptr || v.v == nullptr)
    return c.fail(unsupported("packed queries, keys and values"));
  if (c.has(3)) {
    const Ex bias = c.in(3);
    const int64_t width = q.fixed(2);
    q = q + bias.slice(0, int64_t{0}, width);
    if (k.rank() == 3) k = k + bias.slice(0, width, 2 * width);
    if (v.rank() == 3) v = v + bias.slice(0, 2 * width, std::numeric_limits<int64_t>::max());
  }
  q = heads_of(q, heads);
  k = k.rank() == 4 ? k : heads_of(k, heads);
  v = v.rank() == 4 ? v : heads_of(v, heads);
  if (c.has(6)) k = c.e.cat({c.in(6), k}, 2);
  if (c.has(7)) v = c.e.cat({c.in(7), v}, 2);
  c.set(0, attend(c, q, k, v, 4, 5));
  c.set(1, k);
  c.set(2, v);
}

// Input, the places of its rows (or the first one's), cosines, sines.
void rotary_embedding(NodeCall& c) {
  const Ex given = c.in(0), cos = c.in(2), sin = c.in(3);
  Ex places = c.in(1).cast(DType::kInt64);
  if (c.failed()) return;
  if (c.i("is_packed_batching", 0) != 0) return c.fail(unsupported("packed batches"));
  if (c.f("scale", 1.0) != 1.0) return c.fail(unsupported("a scale of the embedding"));
  if (given.rank() != 3 && given.rank() != 4)
    return c.fail(invalid_data("it takes ranks 3 and 4, not {}", given.rank()));
  const bool flat = given.rank() == 3;
  int64_t turned = c.i("rotary_embedding_dim", 0);
  Ex x = given;
  if (flat) {
    const int64_t heads = c.i("num_heads", 0);
    const int64_t width = turned > 0 && heads > 0 ? given.fixed(2) / heads : 2 * cos.fixed(1);
    if (c.failed() || width < 1) return;
    x = x.view({x.size_arg(0), x.size_arg(1), int64_t{-1}, width});
  } else {
    x = x.transpose(1, 2);  // [B, S, H, D]
  }
  if (turned == 0) turned = x.fixed(3);
  if (places.rank() < 2) places = c.e.arange(int64_t{0}, x.size_arg(1)).unsqueeze(0) + places;
  const Ex out = turn_pairs(c, x, pick_rows(c, cos, places), pick_rows(c, sin, places), turned);
  if (c.failed()) return;
  c.set(flat ? out.view_like(given) : out.transpose(1, 2));
}

constexpr RuleEntry kRules[] = {
    {"Attention", attention},
    {"QAttention", q_attention},
    {"MultiHeadAttention", multi_head_attention},
    {"RotaryEmbedding", rotary_embedding},
};

}  // namespace

std::span<const RuleEntry> microsoft_attention_rules() { return kRules; }

}  // namespace pte::importers::onnx
