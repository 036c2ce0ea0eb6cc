// Normalisation layers, and the parametrisation of weights by norm and direction.
#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

// Groups of channels normalised by their own statistics.
Expr group_norm(Scope& s, const Expr& x, const Arg& weight, const Arg& bias, const Arg& groups,
                double eps) {
  if (!s.require(x.rank() >= 2, "an operand of rank below 2")) return {};
  const SymSizes inner(x.sizes().begin() + 2, x.sizes().end());
  return s.call(Op::aten_native_group_norm,
                {x, weight, bias, s.size_arg(x.size(0), x), s.size_arg(x.size(1), x),
                 s.size_arg(ir::product(inner), x), groups, eps});
}

// (input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled)
Results instance_norm(Scope& s) {
  const Expr x = s.x(0);
  if (!s.flag(5)) {
    return {s.call("aten::batch_norm", {s.arg(0), s.arg(1), s.arg(2), s.arg(3), s.arg(4),
                                        Arg(false), s.arg(6), s.arg(7), s.arg(8)})};
  }
  if (!s.require(!s.given(3) && !s.given(4), "an update of running statistics")) return {};
  const int64_t channels = s.fixed(x.size(1), "a number of channels");
  return {group_norm(s, x, s.arg(1), s.arg(2), Arg(channels), s.number(7))};
}

// (input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled)
Results batch_norm(Scope& s) {
  if (s.given(3) || s.given(4)) return {s.call(Op::aten_batch_norm, s.args())};
  // Without running statistics those of the batch are used in evaluation mode too.
  return {s.call(Op::aten__native_batch_norm_legit_no_stats,
                 {s.arg(0), s.arg(1), s.arg(2), Arg(true), s.arg(6), s.arg(7)})};
}

double epsilon(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return 0.0009765625;
    case DType::kBFloat16:
      return 0.0078125;
    case DType::kFloat64:
      return 2.220446049250313e-16;
    default:
      return 1.1920928955078125e-07;
  }
}

// (input, normalized_shape, weight, eps): (result, 1 / root of the mean square)
std::pair<Expr, Expr> rms_norm(Scope& s) {
  const Expr x = s.x(0), wide = widened(x);
  std::vector<int64_t> dims;
  const auto count = static_cast<int64_t>(s.sizes(1).size());
  for (int64_t i = -count; i < 0 && s.ok(); ++i) dims.push_back(s.wrap(i, x.rank()));
  const double eps = s.number(3, epsilon(x.dtype()));
  const Expr scale = rsqrt(mean(wide * wide, dims, true) + Arg(eps));
  Expr made = wide * scale;
  if (s.given(2)) made = made * s.x(2);
  return {cast(made, x.dtype()), scale};
}

// ‖v‖ of every slice along `dim`, of all of v when it is -1.
Expr norm_except(Scope& s, const Expr& v, int64_t dim) {
  std::vector<int64_t> others;
  for (int64_t i = 0; i < static_cast<int64_t>(v.rank()); ++i) {
    if (i != dim) others.push_back(i);
  }
  return s.call("aten::linalg_vector_norm", {v, 2, Arg::ints(others), Arg(true)});
}

std::pair<Expr, Expr> weight_norm(Scope& s) {
  const Expr v = s.x(0), g = s.x(1);
  const int64_t dim = s.integer(2);
  const Expr size = norm_except(s, v, dim == -1 ? -1 : s.wrap(dim, v.rank()));
  return {v * (g / size), size};
}

// x1·x2 / (max(‖x1‖, eps) max(‖x2‖, eps))
Results cosine_similarity(Scope& s) {
  const Exprs both = s.call_all("aten::broadcast_tensors", {to_list({s.x(0), s.x(1)})});
  if (both.size() != 2) return {};
  const Expr a = both[0], b = both[1];
  const int64_t dim = s.dim(2, a.rank());
  const Expr eps = s.scalar(s.number(3), floating(a.dtype()));
  const auto size = [&](const Expr& x) {
    return maximum(s.call("aten::linalg_vector_norm", {x, 2, Arg::ints({dim}), Arg(true)}), eps);
  };
  return {sum((a / size(a)) * (b / size(b)), {dim})};
}

Results pairwise_distance(Scope& s) {
  const Expr apart = s.x(0) - s.x(1) + Arg(s.number(3));
  return {s.call("aten::linalg_vector_norm", {apart, s.arg(2), Arg::ints({-1}), s.arg(4)})};
}

constexpr Composite kComposites[] = {
    {"aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float "
     "eps=1.0000000000000001e-05, bool cudnn_enabled=True) -> Tensor",
     [](Scope& s) -> Results {
       return {group_norm(s, s.x(0), s.arg(2), s.arg(3), s.arg(1), s.number(4))};
     }},
    {"aten::instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, "
     "Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> "
     "Tensor",
     instance_norm},
    {"aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? "
     "running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor",
     batch_norm},
    {"aten::rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? "
     "eps=None) -> Tensor",
     [](Scope& s) -> Results { return {rms_norm(s).first}; }},
    {"aten::_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> "
     "(Tensor, Tensor)",
     [](Scope& s) -> Results {
       const auto made = rms_norm(s);
       return {made.first, made.second};
     }},
    {"aten::_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor",
     [](Scope& s) -> Results { return {weight_norm(s).first}; }},
    {"aten::_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)",
     [](Scope& s) -> Results {
       const auto made = weight_norm(s);
       return {made.first, made.second};
     }},
    {"aten::cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor",
     cosine_similarity},
    {"aten::pairwise_distance(Tensor x1, Tensor x2, float p=2., float "
     "eps=9.9999999999999995e-07, bool keepdim=False) -> Tensor",
     pairwise_distance},
};

}  // namespace

std::span<const Composite> norm_composites() { return kComposites; }

}  // namespace pte::importers
