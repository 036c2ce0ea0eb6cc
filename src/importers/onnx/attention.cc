// Attention and rotary position embedding, as they are defined.
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

// [B, S, H * D] as [B, H, S, D].
Ex split_heads(const Ex& x, int64_t heads) {
  return x.view({x.size_arg(0), x.size_arg(1), heads, int64_t{-1}}).transpose(1, 2);
}

void attention(NodeCall& c) {
  Ex q = c.in(0), k = c.in(1), v = c.in(2);
  if (c.failed()) return;
  const DType dtype = q.dtype();
  const bool flat = q.rank() == 3;
  if (flat) {
    const int64_t heads = c.i("q_num_heads", 0), shared = c.i("kv_num_heads", 0);
    if (heads < 1 || shared < 1)
      return c.fail(invalid_data("inputs of rank 3 need the numbers of heads"));
    q = split_heads(q, heads);
    k = split_heads(k, shared);
    v = split_heads(v, shared);
  }
  if (c.has(4)) k = c.e.cat({c.in(4), k}, 2);
  if (c.has(5)) v = c.e.cat({c.in(5), v}, 2);
  c.set(1, k);
  c.set(2, v);
  const int64_t heads = q.fixed(1), shared = k.fixed(1), width = q.fixed(3), rows = q.fixed(2),
                columns = k.fixed(2);
  if (c.failed()) return;
  if (shared < 1 || heads % shared != 0)
    return c.fail(invalid_data("{} heads over {}", heads, shared));
  if (heads != shared) {
    const auto spread = [&](const Ex& x) {
      return x.unsqueeze(2)
          .expand({x.size_arg(0), shared, heads / shared, x.size_arg(2), x.size_arg(3)})
          .view({x.size_arg(0), heads, x.size_arg(2), x.size_arg(3)});
    };
    k = spread(k);
    v = spread(v);
  }
  const double scale = c.f("scale", 1 / std::sqrt(static_cast<double>(width)));
  const double half = std::sqrt(scale);
  Ex scores = (q * half).matmul((k * half).transpose(2, 3));
  const auto mode = c.i("qk_matmul_output_mode", 0);
  if (mode == 0) c.set(3, scores);
  const double low = -std::numeric_limits<double>::infinity();
  Ex bias{&c.e, nullptr};
  if (c.has(3)) {
    bias = c.in(3);
    if (bias.dtype() == DType::kBool)
      bias = c.e.where(bias, c.e.full({}, 0, dtype), c.e.full({}, low, dtype));
    // A mask may be shorter than the keys: what it does not reach is hidden.
    const int64_t last = bias.fixed(bias.rank() - 1);
    if (!c.failed() && last < columns && last != 1)
      bias = pad_last(bias, {0}, {columns - last}, low);
  }
  if (c.has(6)) {
    // Keys beyond a batch's length are hidden.
    const Ex lengths =
        c.in(6).cast(DType::kInt64).view({int64_t{-1}, int64_t{1}, int64_t{1}, int64_t{1}});
    const Ex hidden = c.e.arange(int64_t{0}, columns) >= lengths;
    const Ex mask = c.e.where(hidden, c.e.full({}, low, dtype), c.e.full({}, 0, dtype));
    bias = bias.v == nullptr ? mask : bias + mask;
  }
  if (c.i("is_causal", 0) != 0) {
    const int64_t past = c.has(4) ? columns - c.in(1).fixed(flat ? 1 : 2) : 0;
    Ex at =
        c.e.arange(int64_t{0}, rows).view({int64_t{-1}, int64_t{1}}) + static_cast<double>(past);
    if (c.has(6)) {
      // Rows are the last of what is there so far.
      const Ex lengths =
          c.in(6).cast(DType::kInt64).view({int64_t{-1}, int64_t{1}, int64_t{1}, int64_t{1}});
      at = c.e.arange(int64_t{0}, rows).view({int64_t{-1}, int64_t{1}}) +
           (lengths - static_cast<double>(rows));
    }
    const Ex hidden = c.e.arange(int64_t{0}, columns) > at;
    const Ex mask = c.e.where(hidden, c.e.full({}, low, dtype), c.e.full({}, 0, dtype));
    bias = bias.v == nullptr ? mask : bias + mask;
  }
  const double softcap = c.f("softcap", 0);
  const auto cap = [&](const Ex& x) { return softcap > 0 ? (x / softcap).tanh() * softcap : x; };
  const auto masked = [&](const Ex& x) { return bias.v == nullptr ? x : x + bias; };
  if (c.opset >= 24) {
    scores = cap(scores);
    if (mode == 1) c.set(3, scores);
    scores = masked(scores);
    if (mode == 2) c.set(3, scores);
  } else {
    scores = masked(scores);
    if (mode == 1) c.set(3, scores);
    scores = cap(scores);
    if (mode == 2) c.set(3, scores);
  }
  DType work = dtype;
  if (c.has_attribute("softmax_precision")) {
    const auto wanted = carrier_type(static_cast<int32_t>(c.i("softmax_precision", 1)));
    if (wanted) work = *wanted;
  }
  Ex weights = scores.cast(work).softmax(-1).cast(dtype);
  // A row that sees nothing gives nothing.
  if (bias.v != nullptr)
    weights = c.e.where(c.e.call(Op::aten_isnan, {weights.v}), c.e.full({}, 0, dtype), weights);
  if (mode == 3) c.set(3, weights);
  Ex y = weights.matmul(v);
  if (flat) y = y.transpose(1, 2).view({y.size_arg(0), rows, heads * v.fixed(3)});
  c.set(0, y);
}

}  // namespace

Ex pick_rows(NodeCall& c, const Ex& table, const Ex& places) {
  std::vector<Arg> sizes = places.sizes();
  sizes.push_back(table.size_arg(1));
  return c.e.call(Op::aten_index_select, {table.v, int64_t{0}, places.view({int64_t{-1}}).v})
      .view(sizes);
}

Ex turn_pairs(NodeCall& c, const Ex& x, Ex cos, Ex sin, int64_t turned) {
  const int64_t width = x.fixed(3);
  if (c.failed() || turned > width || turned < 2) {
    c.fail(invalid_data("{} of {} elements are turned", turned, width));
    return x;
  }
  const Ex head = turned == width ? x : x.slice(3, int64_t{0}, turned);
  cos = cos.slice(2, int64_t{0}, turned / 2).unsqueeze(2);
  sin = sin.slice(2, int64_t{0}, turned / 2).unsqueeze(2);
  Ex out{&c.e, nullptr};
  if (c.i("interleaved", 0) != 0) {
    const Ex a = head.slice(3, int64_t{0}, turned, 2), b = head.slice(3, int64_t{1}, turned, 2);
    const Ex pairs = c.e.stack({a * cos - b * sin, a * sin + b * cos}, 4);
    out = pairs.view_like(head);
  } else {
    const Ex a = head.slice(3, int64_t{0}, turned / 2), b = head.slice(3, turned / 2, turned);
    out = c.e.cat({a * cos - b * sin, a * sin + b * cos}, 3);
  }
  return turned == width ? out : c.e.cat({out, x.slice(3, turned, width)}, 3);
}

namespace {

void rotary_embedding(NodeCall& c) {
  const Ex given = c.in(0);
  Ex cos = c.in(1), sin = c.in(2);
  if (c.failed()) return;
  const bool flat = given.rank() == 3;
  Ex x = given;
  if (flat) {
    const int64_t heads = c.i("num_heads", 0);
    if (heads < 1) return c.fail(invalid_data("an input of rank 3 needs num_heads"));
    x = x.view({x.size_arg(0), x.size_arg(1), heads, int64_t{-1}});
  } else {
    x = x.transpose(1, 2);  // [B, S, H, D]
  }
  int64_t turned = c.i("rotary_embedding_dim", 0);
  if (turned == 0) turned = x.fixed(3);
  if (c.has(3)) {
    const Ex places = c.in(3).cast(DType::kInt64);
    cos = pick_rows(c, cos, places);
    sin = pick_rows(c, sin, places);
  }
  const Ex out = turn_pairs(c, x, cos, sin, turned);
  if (c.failed()) return;
  c.set(flat ? out.view_like(given) : out.transpose(1, 2));
}

constexpr RuleEntry kRules[] = {
    {"Attention", attention},
    {"RotaryEmbedding", rotary_embedding},
};

}  // namespace

std::span<const RuleEntry> attention_rules() { return kRules; }

}  // namespace pte::importers::onnx
