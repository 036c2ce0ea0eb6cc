// Losses. `reduction` is 0 for none, 1 for the mean, 2 for the sum.
#include <cmath>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

Expr reduced(const Expr& loss, int64_t reduction) {
  if (reduction == 0) return loss;
  return reduction == 1 ? mean_all(loss) : sum_all(loss);
}

Results reduced(Scope& s, const Expr& loss, size_t index) {
  return {reduced(loss, s.integer(index))};
}

// Elements of a vector at `index`, in the shape of the index.
Expr look_up(const Expr& table, const Expr& index) {
  SymSizes flat{index.numel()};
  return view(index_select(table, 0, view(index, flat)), index.sizes());
}

struct Nll {
  Expr loss;   // one for each target, 0 where ignored
  Expr total;  // what the mean divides by
};

// `logs` has the classes at dimension `dim`; `smoothed` is what each target's loss is besides.
Nll nll(Scope& s, const Expr& logs, const Expr& target, const Expr& weight, int64_t ignored,
        int64_t dim, double smoothing) {
  const Expr kept = ne(target, ignored);
  const Expr safe = where(kept, target, 0);
  Expr loss = -squeeze(
      s.call(Op::aten_gather, {logs, dim, unsqueeze(cast(safe, DType::kInt64), dim)}), dim);
  Expr share;
  if (weight) {
    share = where(kept, look_up(weight, safe), 0);
    loss = loss * share;
  } else {
    loss = where(kept, loss, 0);
  }
  Nll result;
  result.total = sum_all(weight ? share : cast(kept, logs.dtype()));
  if (smoothing > 0) {
    Expr weighted = logs;
    if (weight) {
      SymSizes sizes(logs.rank(), SymInt(1));
      if (dim < static_cast<int64_t>(sizes.size()))
        sizes[static_cast<size_t>(dim)] = logs.size(dim);
      weighted = logs * view(weight, sizes);
    }
    const int64_t classes = s.fixed(logs.size(dim), "a number of classes");
    const Expr smooth = where(kept, -sum(weighted, {dim}), 0);
    loss = loss * Arg(1 - smoothing) + smooth * Arg(smoothing / static_cast<double>(classes));
  }
  result.loss = loss;
  return result;
}

Expr reduced(const Nll& made, int64_t reduction) {
  if (reduction == 1) return sum_all(made.loss) / made.total;
  return reduced(made.loss, reduction);
}

int64_t class_dim(const Expr& x) { return x.rank() > 1 ? 1 : 0; }

// (self, target, weight, reduction, ignore_index)
Results nll_loss(Scope& s) {
  const Expr x = s.x(0);
  return {reduced(nll(s, x, s.x(1), s.x(2), s.integer(4), class_dim(x), 0), s.integer(3))};
}

Results nll_loss_forward(Scope& s) {
  const Expr x = s.x(0);
  const Nll made = nll(s, x, s.x(1), s.x(2), s.integer(4), class_dim(x), 0);
  const bool none = s.integer(3) == 0;
  return {reduced(made, s.integer(3)), none ? s.scalar(0.0, x.dtype()) : made.total};
}

// (self, target, weight, reduction, ignore_index, label_smoothing)
Results cross_entropy(Scope& s) {
  const Expr x = s.x(0), weight = s.x(2);
  const int64_t dim = class_dim(x), reduction = s.integer(3);
  const double smoothing = s.number(5);
  const Expr logs = s.call("aten::log_softmax.int", {x, dim});
  Expr target = s.x(1);
  if (!is_floating(target.dtype()))
    return {reduced(nll(s, logs, target, weight, s.integer(4), dim, smoothing), reduction)};
  if (smoothing > 0) {
    const int64_t classes = s.fixed(x.size(dim), "a number of classes");
    target = target * Arg(1 - smoothing) + Arg(smoothing / static_cast<double>(classes));
  }
  Expr product = logs * target;
  if (weight) {
    SymSizes sizes(x.rank(), SymInt(1));
    if (dim < static_cast<int64_t>(sizes.size())) sizes[static_cast<size_t>(dim)] = x.size(dim);
    product = product * view(weight, sizes);
  }
  return {reduced(-sum(product, {dim}), reduction)};
}

Results binary_cross_entropy(Scope& s) {
  const Expr x = s.x(0), t = s.x(1);
  Expr loss = (t - 1) * clamp(log1p(-x), -100, Arg()) - t * clamp(log(x), -100, Arg());
  if (s.given(2)) loss = loss * s.x(2);
  return reduced(s, loss, 3);
}

// (self, target, weight, pos_weight, reduction)
Results binary_cross_entropy_with_logits(Scope& s) {
  const Expr x = s.x(0), t = s.x(1);
  Expr soft = clamp(-x, 0, Arg()) + log1p(exp(-abs(x)));  // -log(sigmoid(x))
  if (s.given(3)) soft = soft * ((s.x(3) - 1) * t + Arg(1));
  Expr loss = (Arg(1) - t) * x + soft;
  if (s.given(2)) loss = loss * s.x(2);
  return reduced(s, loss, 4);
}

Results kl_div(Scope& s) {
  const Expr x = s.x(0), t = s.x(1);
  if (s.flag(3)) return reduced(s, exp(t) * (t - x), 2);
  return reduced(s, s.call("aten::xlogy.Tensor", {t, t}) - t * x, 2);
}

Results cosine_embedding(Scope& s) {
  constexpr double kEpsilon = 1e-12;
  const Expr a = s.x(0), b = s.x(1), t = s.x(2);
  const int64_t dim = t.rank() == 0 ? 0 : 1;
  const Expr norms = (sum(a * a, {dim}) + Arg(kEpsilon)) * (sum(b * b, {dim}) + Arg(kEpsilon));
  const Expr cosine = sum(a * b, {dim}) / sqrt(norms);
  const Expr apart = clamp(cosine - Arg(s.number(3)), 0, Arg());
  const Expr zero = s.scalar(0.0, cosine.dtype());
  return reduced(s, where(eq(t, 1), Arg(1) - cosine, zero) + where(eq(t, -1), apart, zero), 4);
}

Results hinge_embedding(Scope& s) {
  const Expr x = s.x(0), t = s.x(1);
  const Expr zero = s.scalar(0.0, x.dtype());
  const Expr margin = clamp(Arg(s.number(2)) - x, 0, Arg());
  return reduced(s, where(ne(t, 1), margin, zero) + where(ne(t, -1), x, zero), 3);
}

// (self, target, p, margin, weight, reduction)
Results multi_margin(Scope& s) {
  Expr x = s.x(0), t = s.x(1);
  if (!s.require(x.rank() == 1 || x.rank() == 2, "an operand of this rank")) return {};
  const bool single = x.rank() == 1;
  if (single) x = unsqueeze(x, 0);
  if (t.rank() == 0) t = unsqueeze(t, 0);
  const Expr index = unsqueeze(t, 1);
  Expr z = clamp(x - s.call(Op::aten_gather, {x, 1, index}) + Arg(s.number(3)), 0, Arg());
  const double p = s.number(2);
  if (!s.require(p == 1 || p == 2, "a power other than 1 and 2")) return {};
  if (p == 2) z = z * z;
  if (s.given(4)) z = z * unsqueeze(look_up(s.x(4), t), 1);
  const Expr classes = s.arange(x.size(1), DType::kInt64, x);
  Expr loss = mean(where(ne(classes, index), z, 0), {1});
  if (single) loss = squeeze(loss, 0);
  return reduced(s, loss, 5);
}

Results multilabel_margin(Scope& s) {
  Expr x = s.x(0), t = s.x(1);
  if (!s.require(x.rank() == 1 || x.rank() == 2, "an operand of this rank")) return {};
  const bool single = x.rank() == 1;
  if (single) {
    x = unsqueeze(x, 0);
    t = unsqueeze(t, 0);
  }
  const Expr places = s.arange(x.size(1), DType::kInt64, x);
  // Labels count up to the first -1.
  const Expr ends = where(eq(t, -1), places, s.scalar(s.size_arg(x.size(1), x), DType::kInt64));
  const Expr used = lt(places, s.call(Op::aten_amin, {ends, Arg::ints({-1}), Arg(true)}));
  const Expr label = where(used, t, 0);
  const Expr own = s.call(Op::aten_gather, {x, 1, label});
  const Expr is_label =
      s.call(Op::aten_any_dim, {eq(unsqueeze(where(used, t, -1), -1), places), 1, Arg(false)});
  Expr z = clamp(unsqueeze(x, 1) - unsqueeze(own, 2) + Arg(1), 0, Arg());
  z = where(both(unsqueeze(used, 2), negated(unsqueeze(is_label, 1))), z, 0);
  Expr loss = sum(mean(z, {2}), {1});
  if (single) loss = squeeze(loss, 0);
  return reduced(s, loss, 2);
}

// (input, target, log_input, full, eps, reduction)
Results poisson_nll(Scope& s) {
  const Expr x = s.x(0), t = s.x(1);
  Expr loss = s.flag(2) ? exp(x) - t * x : x - t * log(x + Arg(s.number(4)));
  if (s.flag(3)) {
    const Expr stirling = t * log(t) - t + log(t * Arg(2 * 3.14159265358979323846)) * Arg(0.5);
    loss = loss + where(gt(t, 1), stirling, 0);
  }
  return reduced(s, loss, 5);
}

// (anchor, positive, negative, margin, p, eps, swap, reduction)
Results triplet_margin(Scope& s) {
  const auto distance = [&](size_t a, size_t b) {
    return s.call("aten::pairwise_distance", {s.arg(a), s.arg(b), s.arg(4), s.arg(5)});
  };
  Expr apart = distance(0, 2);
  if (s.flag(6)) apart = minimum(apart, distance(1, 2));
  return reduced(s, clamp(distance(0, 1) - apart + Arg(s.number(3)), 0, Arg()), 7);
}

constexpr Composite kComposites[] = {
    {"aten::l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
     [](Scope& s) { return reduced(s, abs(s.x(0) - s.x(1)), 2); }},
    {"aten::mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
     [](Scope& s) {
       const Expr difference = s.x(0) - s.x(1);
       return reduced(s, difference * difference, 2);
     }},
    {"aten::smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor",
     [](Scope& s) {
       const Expr d = abs(s.x(0) - s.x(1));
       const double beta = s.number(3);
       if (beta == 0) return reduced(s, d, 2);
       return reduced(s, where(lt(d, beta), d * d * Arg(0.5 / beta), d - Arg(0.5 * beta)), 2);
     }},
    {"aten::huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor",
     [](Scope& s) {
       const Expr d = abs(s.x(0) - s.x(1));
       const double delta = s.number(3);
       return reduced(s, where(le(d, delta), d * d * Arg(0.5), (d - Arg(0.5 * delta)) * Arg(delta)),
                      2);
     }},
    {"aten::soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
     [](Scope& s) { return reduced(s, log1p(exp(-(s.x(1) * s.x(0)))), 2); }},
    {"aten::binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int "
     "reduction=1) -> Tensor",
     binary_cross_entropy},
    {"aten::binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, "
     "Tensor? pos_weight=None, int reduction=1) -> Tensor",
     binary_cross_entropy_with_logits},
    {"aten::kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> "
     "Tensor",
     kl_div},
    {"aten::cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, "
     "SymInt ignore_index=-100, float label_smoothing=0.) -> Tensor",
     cross_entropy},
    {"aten::nll_loss_nd(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt "
     "ignore_index=-100) -> Tensor",
     nll_loss},
    {"aten::nll_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt "
     "ignore_index=-100) -> Tensor",
     nll_loss},
    {"aten::nll_loss2d(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt "
     "ignore_index=-100) -> Tensor",
     nll_loss},
    {"aten::nll_loss_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt "
     "ignore_index) -> (Tensor output, Tensor total_weight)",
     nll_loss_forward},
    {"aten::nll_loss2d_forward(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt "
     "ignore_index) -> (Tensor output, Tensor total_weight)",
     nll_loss_forward},
    {"aten::cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., "
     "int reduction=1) -> Tensor",
     cosine_embedding},
    {"aten::hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> "
     "Tensor",
     hinge_embedding},
    {"aten::margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int "
     "reduction=1) -> Tensor",
     [](Scope& s) {
       const Expr apart = -(s.x(2) * (s.x(0) - s.x(1)));
       return reduced(s, clamp(apart + Arg(s.number(3)), 0, Arg()), 4);
     }},
    {"aten::multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? "
     "weight=None, int reduction=1) -> Tensor",
     multi_margin},
    {"aten::multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor",
     multilabel_margin},
    {"aten::poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, "
     "int reduction) -> Tensor",
     poisson_nll},
    {"aten::triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float "
     "margin=1., float p=2., float eps=9.9999999999999995e-07, bool swap=False, int reduction=1) "
     "-> Tensor",
     triplet_margin},
};

}  // namespace

std::span<const Composite> loss_composites() { return kComposites; }

}  // namespace pte::importers
