// Normalisations.
#include <cmath>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {

using ir::Arg;

Normalized normalize(const Ex& x, const std::vector<int64_t>& dims, double epsilon) {
  Normalized out;
  out.mean = x.mean(dims, true);
  const Ex centred = x - out.mean;
  out.scale = x.e->call(Op::aten_rsqrt, {((centred * centred).mean(dims, true) + epsilon).v});
  out.y = centred * out.scale;
  return out;
}

Normalized layer_norm(const Ex& x, int64_t axis, const Ex& scale, const Ex& bias, double epsilon) {
  Emitter& e = *x.e;
  std::vector<Arg> sizes;
  ir::SymSizes shape;
  std::vector<int64_t> dims;
  for (int64_t d = axis; d < x.dims(); ++d) {
    sizes.push_back(x.size_arg(static_cast<size_t>(d)));
    shape.push_back(x.size(static_cast<size_t>(d)));
    dims.push_back(d);
  }
  const auto fits = [&](const Ex& each) {
    return each.v == nullptr || each.v->tensor().sizes == shape;
  };
  if (fits(scale) && fits(bias)) {
    const auto all =
        e.calls(Op::aten_native_layer_norm,
                {x.v, Arg(ir::ArgList(sizes)), scale.v == nullptr ? Arg() : Arg(scale.v),
                 bias.v == nullptr ? Arg() : Arg(bias.v), epsilon});
    return {all[0], all[1], all[2]};
  }
  Normalized out = normalize(x, dims, epsilon);
  if (scale.v != nullptr) out.y = out.y * scale;
  if (bias.v != nullptr) out.y = out.y + bias;
  return out;
}

namespace {

// [C] as [1, C, 1, …].
Ex by_channel(const Ex& list, const Ex& x) {
  std::vector<Arg> sizes(x.rank(), Arg(int64_t{1}));
  if (sizes.size() > 1) sizes[1] = Arg(int64_t{-1});
  return list.view(sizes);
}

std::vector<int64_t> dims_from(const Ex& x, int64_t first) {
  std::vector<int64_t> dims;
  for (int64_t d = first; d < x.dims(); ++d) dims.push_back(d);
  return dims;
}

void batch_normalization(NodeCall& c) {
  const Ex x = c.in(0), scale = c.in(1), bias = c.in(2), mean = c.in(3), var = c.in(4);
  const double epsilon = c.f("epsilon", 1e-5);
  if (c.opset >= 14 && c.i("training_mode", 0) != 0) {
    const double momentum = c.f("momentum", 0.9);
    std::vector<int64_t> dims{0};
    for (int64_t d = 2; d < x.dims(); ++d) dims.push_back(d);
    const Ex here = x.mean(dims, true);
    const Ex centred = x - here;
    const Ex spread = (centred * centred).mean(dims, true);
    const Ex y = centred / (spread + epsilon).sqrt() * by_channel(scale, x) + by_channel(bias, x);
    c.set(0, y);
    c.set(1, mean * momentum + here.view({int64_t{-1}}) * (1 - momentum));
    c.set(2, var * momentum + spread.view({int64_t{-1}}) * (1 - momentum));
    return;
  }
  if (x.dtype() != scale.dtype() || x.dtype() != mean.dtype()) {
    const Ex y = (x - by_channel(mean, x)) *
                     by_channel(c.e.call(Op::aten_rsqrt, {(var + epsilon).v}), x) *
                     by_channel(scale, x) +
                 by_channel(bias, x);
    return c.set(y.cast(x.dtype()));
  }
  c.set(c.e.calls(Op::aten__native_batch_norm_legit_no_training,
                  {x.v, scale.v, bias.v, mean.v, var.v, 1.0 - c.f("momentum", 0.9), epsilon})[0]);
}

void instance_normalization(NodeCall& c) {
  const Ex x = c.in(0), scale = c.in(1), bias = c.in(2);
  const Normalized n = normalize(x, dims_from(x, 2), c.f("epsilon", 1e-5));
  c.set(n.y * by_channel(scale, x) + by_channel(bias, x));
}

void layer_normalization(NodeCall& c) {
  const Ex given = c.in(0);
  const int64_t axis = c.axis(given.rank(), -1);
  const bool single = c.i("stash_type", 1) == 1 && size_of(given.dtype()) == 2;
  Ex scale = c.maybe(1), bias = c.maybe(2);
  Ex x = given;
  if (single) {
    x = x.cast(DType::kFloat32);
    if (scale.v != nullptr) scale = scale.cast(DType::kFloat32);
    if (bias.v != nullptr) bias = bias.cast(DType::kFloat32);
  }
  const Normalized n = layer_norm(x, axis, scale, bias, c.f("epsilon", 1e-5));
  c.set(0, n.y.cast(given.dtype()));
  c.set(1, n.mean);
  c.set(2, n.scale);
}

void rms_normalization(NodeCall& c) {
  const Ex given = c.in(0), scale = c.in(1);
  const int64_t axis = c.axis(given.rank(), -1);
  const bool single = c.i("stash_type", 1) == 1 && size_of(given.dtype()) == 2;
  const Ex x = single ? given.cast(DType::kFloat32) : given;
  const Ex by =
      c.e.call(Op::aten_rsqrt, {((x * x).mean(dims_from(x, axis), true) + c.f("epsilon", 1e-5)).v});
  c.set((x * by).cast(given.dtype()) * scale);
}

void group_normalization(NodeCall& c) {
  const Ex given = c.in(0);
  Ex scale = c.in(1), bias = c.in(2);
  const int64_t groups = c.i("num_groups", 1), channels = given.fixed(1);
  if (c.failed()) return;
  if (groups < 1 || channels % groups != 0)
    return c.fail(invalid_data("{} channels in {} groups", channels, groups));
  const bool single = c.i("stash_type", 1) == 1 && size_of(given.dtype()) == 2;
  const Ex x = single ? given.cast(DType::kFloat32) : given;
  const Ex grouped = x.view({given.size_arg(0), groups, int64_t{-1}});
  const Ex y = normalize(grouped, {2}, c.f("epsilon", 1e-5)).y.view_like(x).cast(given.dtype());
  // One number for each group, before version 21.
  const auto spread = [&](const Ex& list) {
    if (!list.size(0).is_constant(groups) || groups == channels) return list;
    return list.unsqueeze(1).expand({groups, channels / groups}).view({channels});
  };
  if (c.opset < 21) {
    scale = spread(scale);
    bias = spread(bias);
  }
  c.set(y * by_channel(scale, given) + by_channel(bias, given));
}

void lrn(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t size = c.i("size", 1), channels = x.fixed(1);
  if (c.failed() || size < 1) return;
  // The window reaches further behind when it is even.
  const int64_t before = (size - 1) / 2, after = size - 1 - before;
  const Ex squares = x * x;
  Ex total = squares;
  for (int64_t shift = -before; shift <= after && !c.failed(); ++shift) {
    if (shift == 0 || std::abs(shift) >= channels) continue;
    std::vector<int64_t> begin(x.rank() - 1, 0), end(x.rank() - 1, 0);
    begin[0] = -shift;
    end[0] = shift;
    total = total + pad_last(squares, begin, end);
  }
  const Ex base = total * (c.f("alpha", 1e-4) / static_cast<double>(size)) + c.f("bias", 1.0);
  c.set(x / c.e.call(Op::aten_pow_Tensor_Scalar, {base.v, c.f("beta", 0.75)}));
}

void lp_normalization(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), -1);
  const Ex norm = c.i("p", 2) == 1 ? x.abs().sum({axis}, true) : (x * x).sum({axis}, true).sqrt();
  // Nothing divided by nothing is nothing here.
  c.set(c.e.where(norm == 0.0, c.e.full({}, 0, x.dtype()), x / norm));
}

void mean_variance_normalization(NodeCall& c) {
  const Ex x = c.in(0);
  std::vector<int64_t> axes = c.is("axes");
  if (!c.has_attribute("axes")) axes = {0, 2, 3};
  for (int64_t& axis : axes) axis = c.wrap(axis, x.rank());
  const Ex centred = x - x.mean(axes, true);
  c.set(centred / ((centred * centred).mean(axes, true).sqrt() + 1e-9));
}

constexpr RuleEntry kRules[] = {
    {"BatchNormalization", batch_normalization},
    {"InstanceNormalization", instance_normalization},
    {"LayerNormalization", layer_normalization},
    {"RMSNormalization", rms_normalization},
    {"GroupNormalization", group_normalization},
    {"LRN", lrn},
    {"LpNormalization", lp_normalization},
    {"MeanVarianceNormalization", mean_variance_normalization},
};

}  // namespace

std::span<const RuleEntry> normalization_rules() { return kRules; }

}  // namespace pte::importers::onnx
