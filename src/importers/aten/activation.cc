// Activation functions, as PyTorch's CPU kernels compute them: half precision in float32, rounded
// once at the end.
#include <cmath>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

// `formula` of the first operand in at least float32.
template <typename Formula>
Results wide(Scope& s, const Formula& formula) {
  const Expr x = s.x(0);
  if (!s.require(is_floating(x.dtype()), "an operand that is not floating-point")) return {};
  return {narrowed(formula(widened(x)), x.dtype())};
}

// log(1 + exp(beta x)) / beta, x itself beyond the threshold.
Expr softplus(const Expr& x, double beta, double threshold) {
  const Expr scaled = beta == 1 ? x : x * beta;
  const Expr soft = log1p(exp(clamp(scaled, Arg(), threshold)));
  return where(gt(scaled, threshold), x, beta == 1 ? soft : soft / beta);
}

// scale * x where x > 0, negative * (exp(x * inner) - 1) elsewhere
Results elu(Scope& s, double alpha, double scale, double inner) {
  return wide(s, [&](const Expr& x) {
    return x.scope()->call(Op::aten_elu, {x, alpha, scale, inner});
  });
}

// In evaluation mode a random slope is the middle of its range.
Results rrelu(Scope& s, size_t lower) {
  if (s.flag(lower + 2)) {
    s.refuse("training mode");
    return {};
  }
  return {s.call(Op::aten_leaky_relu, {s.x(0), (s.number(lower) + s.number(lower + 1)) / 2})};
}

// log_softmax of float64, for which the official kernel is missing.
Results log_softmax(Scope& s, Expr x, const std::vector<Arg>& row_args, Op row) {
  if (x.dtype() != DType::kFloat64 || x.rank() == 0) return {s.call(row, row_args)};
  const int64_t dim = s.dim(1, x.rank());
  const Expr shifted = x - amax(x, {dim}, true);
  return {shifted - log(sum(exp(shifted), {dim}, true))};
}

// clamp of unsigned bytes to a range that reaches below 0: PyTorch takes the bound as a byte too,
// and the official kernel refuses it.
Results clamp_bytes(Scope& s, Op row, const Arg& low, const Arg& high) {
  const Expr x = s.x(0);
  const auto least = low.integer();
  if (x.dtype() != DType::kUInt8 || !least || *least >= 0 || std::holds_alternative<double>(high.v))
    return {s.call(row, s.args())};
  return {s.call(Op::aten_clamp, {x, Arg(*least & 0xff), high})};
}

constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
constexpr double kSeluScale = 1.0507009873554804934193349852946;

constexpr Composite kComposites[] = {
    {"aten::log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
     [](Scope& s) {
       const Expr x = cast(s.x(0), s.dtype(2).value_or(s.x(0).dtype()));
       return log_softmax(s, x, s.args(), Op::aten_log_softmax_int);
     }},
    {"aten::_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
     [](Scope& s) { return log_softmax(s, s.x(0), s.args(), Op::aten__log_softmax); }},
    {"aten::clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
     [](Scope& s) { return clamp_bytes(s, Op::aten_clamp, s.arg(1), s.arg(2)); }},
    {"aten::celu(Tensor self, Scalar alpha=1.) -> Tensor",
     [](Scope& s) { return elu(s, s.number(1), 1.0, 1.0 / s.number(1)); }},
    {"aten::selu(Tensor self) -> Tensor",
     [](Scope& s) { return elu(s, kSeluAlpha, kSeluScale, 1.0); }},
    {"aten::softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
     [](Scope& s) {
       return wide(s, [&](const Expr& x) { return softplus(x, s.number(1), s.number(2)); });
     }},
    {"aten::mish(Tensor self) -> Tensor",
     [](Scope& s) { return wide(s, [](const Expr& x) { return x * tanh(softplus(x, 1, 20)); }); }},
    {"aten::log_sigmoid(Tensor self) -> Tensor",
     [](Scope& s) {
       return wide(s, [](const Expr& x) { return clamp(x, Arg(), 0) - log1p(exp(-abs(x))); });
     }},
    {"aten::log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)",
     [](Scope& s) -> Results {
       const Expr y = s.call("aten::log_sigmoid", {s.x(0)});
       return {y, exp(-abs(s.x(0)))};
     }},
    {"aten::softshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
     [](Scope& s) {
       return wide(s, [&](const Expr& x) {
         const double lambda = s.number(1);
         return where(gt(x, lambda), x - lambda, where(lt(x, -lambda), x + lambda, x * 0));
       });
     }},
    {"aten::hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor",
     [](Scope& s) -> Results { return {where(le(abs(s.x(0)), s.arg(1)), 0, s.x(0))}; }},
    {"aten::threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor",
     [](Scope& s) -> Results { return {where(le(s.x(0), s.arg(1)), s.arg(2), s.x(0))}; }},
    {"aten::rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.33333333333333331, bool "
     "training=False) -> Tensor",
     [](Scope& s) { return rrelu(s, 1); }},
    {"aten::rrelu_with_noise(Tensor self, Tensor noise, Scalar lower=0.125, Scalar "
     "upper=0.33333333333333331, bool training=False) -> Tensor",
     [](Scope& s) { return rrelu(s, 2); }},
    {"aten::rrelu_with_noise_functional(Tensor self, Tensor noise, Scalar lower=0.125, Scalar "
     "upper=0.33333333333333331, bool training=False) -> (Tensor, Tensor noise_out)",
     [](Scope& s) -> Results {
       Results made = rrelu(s, 2);
       if (!made.empty()) made.emplace_back(s.arg(1));
       return made;
     }},
};

}  // namespace

std::span<const Composite> activation_composites() { return kComposites; }

}  // namespace pte::importers
