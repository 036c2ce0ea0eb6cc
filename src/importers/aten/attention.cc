// Attention as products, a softmax and masks.
#include <cmath>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

// Whether a mask that the module holds leaves something in every row; nothing when only the run
// will tell.
bool surely_keeps(const Scope& s, const Expr& mask, NodeMaker& maker) {
  (void)s;
  const Tensor* data = mask.value() == nullptr ? nullptr : maker.module().data_of(mask.value());
  if (data == nullptr || !data->has_data() || !data->is_contiguous() || data->rank() == 0)
    return false;
  const int64_t columns = data->size(data->rank() - 1);
  if (columns == 0) return false;
  for (int64_t row = 0; row < data->numel() / columns; ++row) {
    bool keeps = false;
    for (int64_t i = 0; i < columns && !keeps; ++i) {
      const auto at = static_cast<size_t>(row * columns + i);
      if (data->dtype() == DType::kBool) {
        keeps = data->data_as<uint8_t>()[at] != 0;
      } else if (data->dtype() == DType::kFloat32) {
        keeps = data->data_as<float>()[at] > -INFINITY;
      } else {
        return false;
      }
    }
    if (!keeps) return false;
  }
  return true;
}

// softmax, with rows of -inf alone giving zeros.
Expr safe_softmax(Scope& s, const Expr& scores, int64_t dim) {
  const Expr most = amax(scores, {dim}, true);
  const Expr made = s.call("aten::softmax.int", {scores, dim});
  return where(eq(most, -INFINITY), 0, made);
}

struct Attention {
  Expr query, key, value, mask;
  double dropout = 0;
  bool causal = false;
  std::optional<double> scale;
  bool grouped = false;
};

Expr attend(Scope& s, Attention a) {
  if (!s.require(a.dropout == 0, "dropout (training mode)")) return {};
  if (a.query.rank() < 2 || a.key.rank() < 2 || a.value.rank() < 2) {
    s.invalid("an operand of rank below 2");
    return {};
  }
  if (a.grouped && a.query.rank() >= 3) {
    const int64_t heads = s.fixed(a.query.size(-3), "a number of heads");
    for (Expr* operand : {&a.key, &a.value}) {
      const int64_t own = s.fixed(operand->size(-3), "a number of heads");
      if (own < 1 || heads % own != 0) {
        s.invalid(fmt::format("{} heads for groups of {}", heads, own));
        return {};
      }
      if (own != heads) {
        *operand = s.call("aten::repeat_interleave.self_int", {*operand, heads / own, -3});
      }
    }
  }
  const int64_t width = s.fixed(a.query.size(-1), "a head size");
  const double scale =
      std::sqrt(a.scale.value_or(1 / std::sqrt(static_cast<double>(std::max<int64_t>(width, 1)))));
  const bool backwards = a.scale && *a.scale < 0;
  if (!s.require(!backwards, "a negative scale")) return {};
  const DType dtype = a.query.dtype();
  Expr scores =
      matmul(widened(a.query) * Arg(scale), transpose(widened(a.key), -2, -1) * Arg(scale));
  bool safe = false;
  if (a.causal) {
    if (!s.require(!a.mask, "a mask besides is_causal")) return {};
    const Expr rows = s.arange(a.query.size(-2), DType::kInt64, a.query);
    const Expr columns = s.arange(a.key.size(-2), DType::kInt64, a.key);
    scores = where(ge(unsqueeze(rows, 1), columns), scores, -INFINITY);
  } else if (a.mask) {
    safe = !surely_keeps(s, a.mask, s.maker());
    scores = a.mask.dtype() == DType::kBool ? where(a.mask, scores, -INFINITY)
                                            : scores + widened(a.mask);
  }
  const Expr share = safe ? safe_softmax(s, scores, -1) : s.call("aten::softmax.int", {scores, -1});
  return cast(matmul(share, widened(a.value)), dtype);
}

Attention operands(Scope& s) {
  Attention a;
  a.query = s.x(0);
  a.key = s.x(1);
  a.value = s.x(2);
  return a;
}

std::optional<double> scale_of(Scope& s, size_t index) {
  return s.given(index) ? std::optional(s.number(index)) : std::nullopt;
}

// (query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
Expr attention(Scope& s) {
  Attention a = operands(s);
  a.mask = s.x(3);
  a.dropout = s.number(4);
  a.causal = s.flag(5);
  a.scale = scale_of(s, 6);
  a.grouped = s.flag(7);
  return attend(s, std::move(a));
}

constexpr Composite kComposites[] = {
    {"aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? "
     "attn_mask=None, float dropout_p=0., bool is_causal=False, *, float? scale=None, bool "
     "enable_gqa=False) -> Tensor",
     [](Scope& s) -> Results { return {attention(s)}; }},
    {"aten::_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, "
     "float dropout_p=0., bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None) -> "
     "(Tensor output, Tensor logsumexp)",
     [](Scope& s) -> Results {
       Attention a = operands(s);
       a.dropout = s.number(3);
       a.causal = s.flag(4);
       a.mask = s.x(5);
       a.scale = scale_of(s, 6);
       return {attend(s, std::move(a)), Arg()};
     }},
    {"aten::_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
     [](Scope& s) -> Results {
       const Expr x = s.x(0);
       return {safe_softmax(s, cast(x, s.dtype(2).value_or(x.dtype())), s.dim(1, x.rank()))};
     }},
};

}  // namespace

std::span<const Composite> attention_composites() { return kComposites; }

}  // namespace pte::importers
