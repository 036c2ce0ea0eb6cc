// Losses, which ONNX counts among the operators of inference.
#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

// Minus the score of each place's target class, weighted; classes in dimension 1.
void nll(NodeCall& c, const Ex& scores, const Ex& given_target, const Ex& weight, size_t output) {
  Ex target = given_target.cast(DType::kInt64);
  Ex factor{&c.e, nullptr};
  Ex ignored{&c.e, nullptr};
  if (c.has_attribute("ignore_index")) {
    ignored = target == static_cast<double>(c.i("ignore_index", 0));
    target = c.e.where(ignored, c.e.full({}, 0, DType::kInt64), target);
  }
  Ex loss = -c.e.call(Op::aten_gather, {scores.v, int64_t{1}, target.unsqueeze(1).v}).squeeze(1);
  if (weight.v != nullptr) {
    const Ex flat =
        c.e.call(Op::aten_index_select, {weight.v, int64_t{0}, target.view({int64_t{-1}}).v});
    factor = flat.view_like(target);
  }
  if (ignored.v != nullptr) {
    const Ex kept = ignored.logical_not().cast(scores.dtype());
    factor = factor.v == nullptr ? kept : factor * kept;
  }
  if (factor.v != nullptr) loss = loss * factor;
  const std::string_view how = c.s("reduction", "mean");
  std::vector<int64_t> dims;
  for (int64_t d = 0; d < loss.dims(); ++d) dims.push_back(d);
  if (how == "none") return c.set(output, loss);
  const Ex total = loss.sum(dims, false);
  if (how == "sum") return c.set(output, total);
  if (factor.v == nullptr) return c.set(output, loss.mean(dims, false));
  c.set(output, total / factor.sum(dims, false));
}

void negative_log_likelihood(NodeCall& c) { nll(c, c.in(0), c.in(1), c.maybe(2), 0); }

void softmax_cross_entropy(NodeCall& c) {
  const Ex scores = c.e.call(Op::aten__log_softmax, {c.in(0).v, int64_t{1}, false});
  nll(c, scores, c.in(1), c.maybe(2), 0);
  c.set(1, scores);
}

constexpr RuleEntry kRules[] = {
    {"NegativeLogLikelihoodLoss", negative_log_likelihood},
    {"SoftmaxCrossEntropyLoss", softmax_cross_entropy},
};

}  // namespace

std::span<const RuleEntry> loss_rules() { return kRules; }

}  // namespace pte::importers::onnx
