// Activation functions.
#include <cmath>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {

Ex gelu(const Ex& x, bool tanh) { return x.e->call(Op::aten_gelu, {x.v, tanh ? "tanh" : "none"}); }

namespace {

using ir::Arg;

Ex softplus_of(const Ex& x) {
  // log(1 + e^x) without overflow.
  return x.relu() + x.e->call(Op::aten_log1p, {(-x.abs()).exp().v});
}

void relu(NodeCall& c) { c.set(c.in(0).relu()); }
void sigmoid(NodeCall& c) { c.set(c.in(0).sigmoid()); }
void softplus(NodeCall& c) { c.set(softplus_of(c.in(0))); }
void softsign(NodeCall& c) {
  const Ex x = c.in(0);
  c.set(x / (x.abs() + 1.0));
}
void leaky_relu(NodeCall& c) {
  c.set(c.e.call(Op::aten_leaky_relu, {c.in(0).v, c.f("alpha", 0.01)}));
}
void elu(NodeCall& c) { c.set(c.e.call(Op::aten_elu, {c.in(0).v, c.f("alpha", 1.0)})); }
void selu(NodeCall& c) {
  const double alpha = c.f("alpha", 1.67326319217681884765625);
  const double gamma = c.f("gamma", 1.05070102214813232421875);
  c.set(c.e.call(Op::aten_elu, {c.in(0).v, alpha, gamma}));
}
void celu(NodeCall& c) {
  const double alpha = c.f("alpha", 1.0);
  c.set(c.e.call(Op::aten_elu, {c.in(0).v, alpha, 1.0, 1.0 / alpha}));
}
void thresholded_relu(NodeCall& c) {
  const Ex x = c.in(0);
  c.set(c.e.where(x > c.f("alpha", 1.0), x, c.e.full({}, 0, x.dtype())));
}
void hard_sigmoid(NodeCall& c) {
  const Ex x = c.in(0);
  c.set((x * c.f("alpha", 0.2) + c.f("beta", 0.5)).clamp(0.0, 1.0));
}
void hard_swish(NodeCall& c) { c.set(c.e.call(Op::aten_hardswish, {c.in(0).v})); }
void shrink(NodeCall& c) {
  const Ex x = c.in(0);
  const double lambda = c.f("lambd", 0.5), bias = c.f("bias", 0);
  const Ex zero = c.e.full({}, 0, x.dtype());
  const Ex high = c.e.where(x > lambda, x - bias, zero);
  c.set(c.e.where(x < -lambda, x + bias, high));
}
void mish(NodeCall& c) {
  const Ex x = c.in(0);
  c.set(x * softplus_of(x).tanh());
}
void swish(NodeCall& c) {
  const Ex x = c.in(0);
  const double alpha = c.f("alpha", 1.0);
  if (alpha == 1.0) return c.set(c.e.call(Op::aten_silu, {x.v}));
  c.set(x * (x * alpha).sigmoid());
}
void gelu_rule(NodeCall& c) { c.set(gelu(c.in(0), c.s("approximate", "none") == "tanh")); }
void prelu(NodeCall& c) {
  const Ex x = c.in(0);
  Ex slope = c.in(1);
  if (c.opset < 7 && slope.rank() == 1 && x.rank() > 1) {
    // One for each channel, before version 7.
    std::vector<Arg> sizes(x.rank(), Arg(int64_t{1}));
    sizes[1] = Arg(int64_t{-1});
    slope = slope.view(sizes);
  }
  c.set(c.e.where(x < 0.0, x * slope, x));
}

// Before version 13 the dimensions from the axis on count as one.
void soft(NodeCall& c, Op op) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), c.opset < 13 ? 1 : -1);
  if (c.opset >= 13 || axis + 1 == x.dims()) return c.set(c.e.call(op, {x.v, axis, false}));
  const Ex flat = c.e.call(Op::aten_flatten_using_ints, {x.v, axis, -1});
  c.set(c.e.call(op, {flat.v, axis, false}).view_like(x));
}
void softmax(NodeCall& c) { soft(c, Op::aten__softmax); }
void log_softmax(NodeCall& c) { soft(c, Op::aten__log_softmax); }

void hardmax(NodeCall& c) {
  const Ex given = c.in(0);
  int64_t axis = c.axis(given.rank(), c.opset < 13 ? 1 : -1);
  Ex x = given;
  if (c.opset < 13 && axis + 1 != x.dims())
    x = c.e.call(Op::aten_flatten_using_ints, {x.v, axis, -1});
  const Ex best = c.e.call(Op::aten_argmax, {x.v, axis, true});
  Ex places = c.e.arange(int64_t{0}, x.size_arg(static_cast<size_t>(axis)));
  std::vector<Arg> sizes(x.rank(), Arg(int64_t{1}));
  if (!sizes.empty()) sizes[static_cast<size_t>(axis)] = Arg(int64_t{-1});
  const Ex hot = (best == places.view(sizes)).cast(x.dtype());
  c.set(x.v == given.v ? hot : hot.view_like(given));
}

constexpr RuleEntry kRules[] = {
    {"Relu", relu},
    {"Sigmoid", sigmoid},
    {"Softplus", softplus},
    {"Softsign", softsign},
    {"LeakyRelu", leaky_relu},
    {"Elu", elu},
    {"Selu", selu},
    {"Celu", celu},
    {"ThresholdedRelu", thresholded_relu},
    {"HardSigmoid", hard_sigmoid},
    {"HardSwish", hard_swish},
    {"Shrink", shrink},
    {"Mish", mish},
    {"Swish", swish},
    {"Gelu", gelu_rule},
    {"PRelu", prelu},
    {"Softmax", softmax},
    {"LogSoftmax", log_softmax},
    {"Hardmax", hardmax},
};

}  // namespace

std::span<const RuleEntry> activation_rules() { return kRules; }

}  // namespace pte::importers::onnx
