// Reductions, and what runs along a dimension: sums so far, the largest k, places of extremes.
#include <algorithm>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

struct Axes {
  std::vector<int64_t> dims;
  bool keep = true;
  bool nothing = false;  // empty axes that reduce nothing
};

Axes axes_of(NodeCall& c, size_t rank) {
  Axes out;
  out.keep = c.i("keepdims", 1) != 0;
  std::vector<int64_t> given = c.has(1) ? c.ints(1) : c.is("axes");
  if (given.empty() && c.i("noop_with_empty_axes", 0) != 0) {
    out.nothing = true;
    return out;
  }
  for (const int64_t axis : given) out.dims.push_back(c.wrap(axis, rank));
  if (given.empty()) {
    for (size_t d = 0; d < rank; ++d) out.dims.push_back(static_cast<int64_t>(d));
  }
  return out;
}

// The value that a reduction of nothing has.
void extreme(NodeCall& c, bool largest) {
  const Ex given = c.in(0);
  const Axes axes = axes_of(c, given.rank());
  if (c.failed()) return;
  if (axes.nothing || axes.dims.empty()) return c.set(given);
  Ex x = given;
  if (x.dtype() == DType::kBool) x = x.cast(DType::kUInt8);
  bool empty = false;
  for (const int64_t d : axes.dims) empty = empty || x.size(static_cast<size_t>(d)).is_constant(0);
  if (empty) {
    std::vector<Arg> sizes;
    for (int64_t d = 0; d < x.dims(); ++d) {
      const bool gone = std::find(axes.dims.begin(), axes.dims.end(), d) != axes.dims.end();
      if (!gone) sizes.push_back(x.size_arg(static_cast<size_t>(d)));
      if (gone && axes.keep) sizes.emplace_back(int64_t{1});
    }
    double value = 0;
    if (is_floating(given.dtype())) {
      value = std::numeric_limits<double>::infinity() * (largest ? -1 : 1);
    } else if (given.dtype() == DType::kBool) {
      value = largest ? 0 : 1;
    } else {
      return c.fail(unsupported("the extreme of no integers"));
    }
    return c.set(c.e.full(sizes, value, given.dtype()));
  }
  const Ex y = largest ? x.amax(axes.dims, axes.keep) : x.amin(axes.dims, axes.keep);
  c.set(given.dtype() == DType::kBool ? y.cast(DType::kBool) : y);
}
void reduce_max(NodeCall& c) { extreme(c, true); }
void reduce_min(NodeCall& c) { extreme(c, false); }

template <typename Before, typename After>
void sum_with(NodeCall& c, Before before, After after) {
  const Ex x = c.in(0);
  const Axes axes = axes_of(c, x.rank());
  if (c.failed()) return;
  const Ex y = before(x);
  if (axes.nothing || axes.dims.empty()) return c.set(after(y));
  c.set(after(y.sum(axes.dims, axes.keep)));
}
Ex same(const Ex& x) { return x; }
Ex root(const Ex& x) {
  return is_floating(x.dtype()) ? x.sqrt() : x.cast(DType::kFloat64).sqrt().cast(x.dtype());
}
Ex natural_log(const Ex& x) {
  return is_floating(x.dtype()) ? x.log() : x.cast(DType::kFloat64).log().cast(x.dtype());
}
void reduce_sum(NodeCall& c) {
  const Ex x = c.in(0);
  const Axes axes = axes_of(c, x.rank());
  if (c.failed()) return;
  if (axes.nothing || axes.dims.empty()) return c.set(x);
  c.set(x.sum(axes.dims, axes.keep));
}
void reduce_l1(NodeCall& c) {
  sum_with(
      c, [](const Ex& x) { return x.abs(); }, same);
}
void reduce_l2(NodeCall& c) {
  sum_with(
      c, [](const Ex& x) { return x * x; }, root);
}
void reduce_sum_square(NodeCall& c) {
  sum_with(
      c, [](const Ex& x) { return x * x; }, same);
}
void reduce_log_sum(NodeCall& c) { sum_with(c, same, natural_log); }

void reduce_log_sum_exp(NodeCall& c) {
  const Ex x = c.in(0);
  const Axes axes = axes_of(c, x.rank());
  if (c.failed()) return;
  if (axes.nothing || axes.dims.empty()) return c.set(x);
  for (const int64_t d : axes.dims) {
    if (x.size(static_cast<size_t>(d)).is_constant(0))
      return c.set(x.exp().sum(axes.dims, axes.keep).log());
  }
  // The largest is taken out, so that nothing overflows; an infinite one would leave inf - inf.
  const Ex real = is_floating(x.dtype()) ? x : x.cast(DType::kFloat64);
  const Ex top = real.amax(axes.dims, true);
  const Ex finite =
      c.e.where(c.e.call(Op::aten_isinf, {top.v}), c.e.full({}, 0, real.dtype()), top);
  Ex y = (real - finite).exp().sum(axes.dims, true).log() + finite;
  if (!axes.keep) y = c.e.call(Op::aten_squeeze_dims, {y.v, Arg::ints(axes.dims)});
  c.set(y.cast(x.dtype()));
}

void reduce_mean(NodeCall& c) {
  const Ex x = c.in(0);
  const Axes axes = axes_of(c, x.rank());
  if (c.failed()) return;
  if (axes.nothing || axes.dims.empty()) return c.set(x);
  if (is_floating(x.dtype())) return c.set(x.mean(axes.dims, axes.keep));
  c.set(x.cast(DType::kFloat64).mean(axes.dims, axes.keep).cast(x.dtype()));
}

void reduce_prod(NodeCall& c) {
  const Ex x = c.in(0);
  Axes axes = axes_of(c, x.rank());
  if (c.failed()) return;
  if (axes.nothing || axes.dims.empty()) return c.set(x);
  std::sort(axes.dims.begin(), axes.dims.end());
  Ex y = x;
  for (size_t k = axes.dims.size(); k-- > 0;)
    y = c.e.call(Op::aten_prod_dim_int, {y.v, axes.dims[k], axes.keep, x.dtype()});
  c.set(y);
}

void arg_extreme(NodeCall& c, Op op) {
  Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), 0);
  const bool keep = c.i("keepdims", 1) != 0;
  if (c.failed()) return;
  if (c.i("select_last_index", 0) == 0) return c.set(c.e.call(op, {x.v, axis, keep}));
  // The last of equals is the first from the other end.
  const Ex place = c.e.call(op, {x.flip({axis}).v, axis, keep});
  const int64_t last = x.fixed(static_cast<size_t>(axis)) - 1;
  c.set(static_cast<double>(last) - place);
}
void arg_max(NodeCall& c) { arg_extreme(c, Op::aten_argmax); }
void arg_min(NodeCall& c) { arg_extreme(c, Op::aten_argmin); }

void cumulate(NodeCall& c, Op op, double start) {
  Ex x = c.in(0);
  const std::vector<int64_t> axes = c.ints(1);
  if (c.failed() || axes.empty()) return;
  const int64_t axis = c.wrap(axes[0], x.rank());
  const bool reverse = c.i("reverse", 0) != 0;
  if (reverse) x = x.flip({axis});
  Ex y = c.e.call(op, {x.v, axis, x.dtype()});
  if (c.i("exclusive", 0) != 0) {
    // One place further on, behind what nothing adds up to.
    std::vector<Arg> sizes = y.sizes();
    sizes[static_cast<size_t>(axis)] = Arg(int64_t{1});
    const Ex first = c.e.full(sizes, start, y.dtype());
    y = c.e.cat({first, y.slice(axis, int64_t{0}, int64_t{-1})}, axis);
  }
  c.set(reverse ? y.flip({axis}) : y);
}
void cum_sum(NodeCall& c) { cumulate(c, Op::aten_cumsum, 0); }
void cum_prod(NodeCall& c) { cumulate(c, Op::aten_cumprod, 1); }

void top_k(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), -1);
  Arg k;
  if (c.opset < 10) {
    k = Arg(c.i("k", 1));
  } else {
    const auto given = c.dims(1);
    if (c.failed() || given.empty()) return;
    k = given[0];
  }
  // Among equals the lower place comes first, which a stable sort gives.
  const bool largest = c.i("largest", 1) != 0;
  const auto sorted = c.e.calls(Op::aten_sort_stable, {x.v, true, axis, largest});
  c.set(0, sorted[0].slice(axis, int64_t{0}, k));
  c.set(1, sorted[1].slice(axis, int64_t{0}, k));
}

constexpr RuleEntry kRules[] = {
    {"ReduceMax", reduce_max},
    {"ReduceMin", reduce_min},
    {"ReduceSum", reduce_sum},
    {"ReduceL1", reduce_l1},
    {"ReduceL2", reduce_l2},
    {"ReduceSumSquare", reduce_sum_square},
    {"ReduceLogSum", reduce_log_sum},
    {"ReduceLogSumExp", reduce_log_sum_exp},
    {"ReduceMean", reduce_mean},
    {"ReduceProd", reduce_prod},
    {"ArgMax", arg_max},
    {"ArgMin", arg_min},
    {"CumSum", cum_sum},
    {"CumProd", cum_prod},
    {"TopK", top_k},
};

}  // namespace

std::span<const RuleEntry> reduce_rules() { return kRules; }

}  // namespace pte::importers::onnx
