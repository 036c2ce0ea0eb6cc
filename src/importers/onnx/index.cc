// Operators that pick elements by places, and that put them there.
#include <algorithm>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;
using ir::ArgList;
using ir::SymInt;

// Places counted from the end made places from the start, as int64.
Ex positive(const Ex& given, const Arg& size) {
  Emitter& e = *given.e;
  const Ex index = given.cast(DType::kInt64);
  // Constants are looked at; others are corrected by the program.
  if (index.v != nullptr && given.v->is_constant()) {
    const Tensor* data = e.module().data_of(given.v);
    const auto small = data == nullptr ? std::nullopt : Small::of(*data);
    const auto values = small ? small->integers() : std::nullopt;
    if (values && std::all_of(values->begin(), values->end(), [](int64_t v) { return v >= 0; }))
      return index;
  }
  Ex end = e.call(Op::aten_add_Scalar, {index.v, size});
  return e.where(index < 0.0, end, index);
}

void gather(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), 0);
  const auto dim = static_cast<size_t>(axis);
  const Small* known = c.small(1);
  if (c.failed()) return;
  if (known != nullptr && known->sizes.empty() && !std::holds_alternative<double>(known->v[0]))
    return c.set(x.select(axis, known->args()[0]));
  const Ex given = c.in(1);
  if (x.rank() == 0) return c.fail(invalid_data("Gather from a scalar"));
  const Ex index = positive(given, x.size_arg(dim));
  if (index.rank() == 1) return c.set(c.e.call(Op::aten_index_select, {x.v, axis, index.v}));
  const Ex flat = index.view({int64_t{-1}});
  const Ex picked = c.e.call(Op::aten_index_select, {x.v, axis, flat.v});
  std::vector<Arg> sizes;
  for (size_t d = 0; d < dim; ++d) sizes.push_back(x.size_arg(d));
  for (const Arg& size : index.sizes()) sizes.push_back(size);
  for (size_t d = dim + 1; d < x.rank(); ++d) sizes.push_back(x.size_arg(d));
  c.set(picked.view(sizes));
}

void gather_elements(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), 0);
  const Ex index = positive(c.in(1), x.size_arg(static_cast<size_t>(axis)));
  c.set(c.e.call(Op::aten_gather, {x.v, axis, index.v}));
}

// The last dimension of `indices` taken apart: one index tensor for each dimension from `batch` on,
// behind counters for the batch dimensions.
std::vector<Ex> split_indices(NodeCall& c, const Ex& x, const Ex& indices, int64_t batch) {
  const int64_t depth = indices.fixed(indices.rank() == 0 ? 0 : indices.rank() - 1);
  std::vector<Ex> all;
  if (c.failed()) return all;
  if (depth + batch > x.dims()) {
    c.fail(invalid_data("{} indices for a tensor of rank {}", depth + batch, x.rank()));
    return all;
  }
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<Arg> sizes(indices.rank() - 1, Arg(int64_t{1}));
    sizes[static_cast<size_t>(b)] = Arg(int64_t{-1});
    all.push_back(c.e.arange(int64_t{0}, x.size_arg(static_cast<size_t>(b))).view(sizes));
  }
  for (int64_t k = 0; k < depth; ++k) {
    all.push_back(positive(indices.select(-1, k), x.size_arg(static_cast<size_t>(batch + k))));
  }
  return all;
}

void gather_nd(NodeCall& c) {
  const Ex x = c.in(0), indices = c.in(1);
  const int64_t batch = c.i("batch_dims", 0);
  if (batch < 0 || batch >= std::max<int64_t>(indices.dims(), 1))
    return c.fail(invalid_data("batch_dims {}", batch));
  const auto all = split_indices(c, x, indices, batch);
  if (c.failed()) return;
  c.set(c.e.index(x, all));
}

void scatter_elements(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), 0);
  const Ex index = positive(c.in(1), x.size_arg(static_cast<size_t>(axis)));
  const Ex updates = c.in(2);
  const std::string_view how = c.s("reduction", "none");
  if (how == "none") return c.set(c.e.call(Op::aten_scatter_src, {x.v, axis, index.v, updates.v}));
  std::string reduce = "sum";
  if (how == "mul") reduce = "prod";
  if (how == "max") reduce = "amax";
  if (how == "min") reduce = "amin";
  c.set(c.e.call(Op::aten_scatter_reduce_two, {x.v, axis, index.v, updates.v, reduce}));
}

void scatter_nd(NodeCall& c) {
  const Ex x = c.in(0), indices = c.in(1), updates = c.in(2);
  const auto all = split_indices(c, x, indices, 0);
  if (c.failed()) return;
  const std::string_view how = c.s("reduction", "none");
  if (how == "none") return c.set(c.e.index_put(x, all, updates, false));
  if (how == "add") return c.set(c.e.index_put(x, all, updates, true));
  // Places in the tensor as one line, for what no index_put does.
  const size_t depth = all.size();
  int64_t inner = 1;
  std::vector<int64_t> strides(depth, 1);
  for (size_t d = x.rank(); d-- > depth;) inner *= x.fixed(d);
  int64_t stride = 1;
  for (size_t d = depth; d-- > 0;) {
    strides[d] = stride;
    stride *= x.fixed(d);
  }
  if (c.failed() || depth == 0) return c.fail(unsupported("a reduction into the whole tensor"));
  Ex place = all[0] * static_cast<double>(strides[0]);
  for (size_t d = 1; d < depth; ++d) place = place + all[d] * static_cast<double>(strides[d]);
  const Ex rows = x.view({stride, inner});
  const Ex index = place.view({int64_t{-1}, int64_t{1}}).expand({int64_t{-1}, inner});
  const std::string reduce = how == "mul" ? "prod" : (how == "max" ? "amax" : "amin");
  const Ex y =
      c.e.call(Op::aten_scatter_reduce_two,
               {rows.v, int64_t{0}, index.v, updates.view({int64_t{-1}, inner}).v, reduce});
  c.set(y.view_like(x));
}

void non_zero(NodeCall& c) {
  const Ex x = c.in(0);
  const Ex places = c.e.call(Op::aten_nonzero, {x.rank() == 0 ? x.view({int64_t{1}}).v : x.v});
  if (x.rank() == 0) return c.set(places.transpose(0, 1).slice(0, int64_t{0}, int64_t{0}));
  c.set(places.transpose(0, 1));
}

void compress(NodeCall& c) {
  Ex x = c.in(0);
  const Ex condition = c.in(1);
  int64_t axis = 0;
  if (c.has_attribute("axis")) {
    axis = c.axis(x.rank(), 0);
  } else {
    x = x.view({int64_t{-1}});
  }
  const Ex places = c.e.call(Op::aten_nonzero, {condition.v}).select(1, int64_t{0});
  c.set(c.e.call(Op::aten_index_select, {x.v, axis, places.v}));
}

void one_hot(NodeCall& c) {
  const Ex given = c.in(0);
  const std::vector<double> depths = c.numbers(1);
  const Ex values = c.in(2);
  if (c.failed() || depths.empty()) return;
  const auto depth = static_cast<int64_t>(depths[0]);
  if (depth < 0) return c.fail(invalid_data("a depth of {}", depth));
  const int64_t axis = c.wrap(c.i("axis", -1), given.rank() + 1);
  Ex index = given.cast(DType::kInt64);
  index = c.e.where(index < 0.0, index + static_cast<double>(depth), index);
  std::vector<Arg> sizes(given.rank() + 1, Arg(int64_t{1}));
  sizes[static_cast<size_t>(axis)] = Arg(depth);
  const Ex hot = index.unsqueeze(axis) == c.e.arange(int64_t{0}, depth).view(sizes);
  c.set(c.e.where(hot, values.select(0, int64_t{1}), values.select(0, int64_t{0})));
}

void reverse_sequence(NodeCall& c) {
  const Ex x = c.in(0), lengths = c.in(1).cast(DType::kInt64);
  const int64_t time = c.axis(x.rank(), 0, "time_axis"), batch = c.axis(x.rank(), 1, "batch_axis");
  if (c.failed()) return;
  const auto shaped = [&](const Ex& list, int64_t axis) {
    std::vector<Arg> sizes(x.rank(), Arg(int64_t{1}));
    sizes[static_cast<size_t>(axis)] = Arg(int64_t{-1});
    return list.view(sizes);
  };
  const Ex at = shaped(c.e.arange(int64_t{0}, x.size_arg(static_cast<size_t>(time))), time);
  const Ex length = shaped(lengths, batch);
  const Ex from = c.e.where(at < length, (length - at) - 1.0, at);
  c.set(c.e.call(Op::aten_gather, {x.v, time, from.expand(x.sizes()).v}));
}

// Distinct rows of [n, k] by comparing each with every other: their places in the order asked for,
// of every row the number of the distinct one that it is, and how often each place's row stands.
struct Distinct {
  Ex places, inverse, counts;
};

Distinct compare_rows(NodeCall& c, Ex rows, int64_t n, bool sorted) {
  if (rows.dtype() == DType::kBool) rows = rows.cast(DType::kInt32);
  const Ex own = c.e.arange(int64_t{0}, n);
  const Ex a = rows.unsqueeze(1), b = rows.unsqueeze(0);
  const Ex each = (a == b).cast(DType::kInt64);
  const Ex same = each.amin({2}, false);
  const Ex first =
      c.e.where(same > 0.0, own.unsqueeze(0), c.e.full({}, static_cast<double>(n), DType::kInt64))
          .amin({1}, false);
  const Ex is_first = first == own;
  Ex after{&c.e, nullptr};  // [i, j]: row i comes after row j
  if (sorted) {
    // By the first element in which they differ.
    const Ex at = c.e.call(Op::aten_argmax, {(1.0 - each).v, int64_t{2}, true});
    after = c.e.call(Op::aten_gather, {(a > b).cast(DType::kInt64).v, int64_t{2}, at.v}).squeeze(2);
  } else {
    after = (first.unsqueeze(1) > first.unsqueeze(0)).cast(DType::kInt64);
  }
  const Ex inverse = (after * is_first.cast(DType::kInt64).unsqueeze(0)).sum({1}, false);
  // First places in the order asked for, then the others.
  const Ex key = c.e.where(is_first, inverse, own + static_cast<double>(n));
  const Ex slot = (key.unsqueeze(1) > key.unsqueeze(0)).cast(DType::kInt64).sum({1}, false);
  const Ex none = c.e.full({n}, 0, DType::kInt64);
  const Ex order = c.e.call(Op::aten_scatter_src, {none.v, int64_t{0}, slot.v, own.v});
  const auto pick = [&](const Ex& list, const Ex& index) {
    return c.e.call(Op::aten_index_select, {list.v, int64_t{0}, index.v});
  };
  const Ex kept = c.e.call(Op::aten_nonzero, {pick(is_first, order).v}).select(1, int64_t{0});
  const Ex places = pick(order, kept);
  return {places, inverse, pick(same.sum({1}, false), places)};
}

// Distinct elements, or slices along an axis, ordered or in the order of their first places.
void unique(NodeCall& c) {
  constexpr int64_t kMostCompared = 1 << 24;  // elements of the comparisons
  const Ex x = c.in(0);
  const bool sorted = c.i("sorted", 1) != 0;
  const bool by_axis = c.has_attribute("axis") && x.rank() > 0;
  const int64_t axis = by_axis ? c.axis(x.rank(), 0) : 0;
  if (c.failed()) return;
  const auto sizes = x.v->tensor().static_sizes();
  const auto count = sizes ? element_count(*sizes) : std::nullopt;
  const int64_t n = !count ? 0 : (by_axis ? (*sizes)[static_cast<size_t>(axis)] : *count);
  if (n > 0 && *count > 0 && n <= kMostCompared / *count) {
    std::vector<int64_t> order{axis};
    for (int64_t d = 0; d < x.dims(); ++d) {
      if (d != axis) order.push_back(d);
    }
    const Ex rows = (by_axis && axis != 0 ? x.permute(order) : x).view({n, int64_t{-1}});
    const Distinct found = compare_rows(c, rows, n, sorted);
    const Ex from = by_axis ? x : x.view({int64_t{-1}});
    c.set(0, c.e.call(Op::aten_index_select, {from.v, axis, found.places.v}));
    c.set(1, found.places);
    c.set(2, found.inverse);
    c.set(3, found.counts);
    return;
  }
  if (by_axis && x.rank() > 1)
    return c.fail(
        unsupported("distinct slices along an axis (sizes must be known, and not more "
                    "than {} elements compared)",
                    kMostCompared));
  const Ex rows = x.view({int64_t{-1}});
  const auto all = c.e.calls(Op::aten__unique2, {rows.v, true, true, true});
  Ex values = all[0], inverse = all[1], counts = all[2];
  if (c.failed()) return;
  // Where each value stands first: the least of its places.
  const Ex places = c.e.arange(int64_t{0}, rows.size_arg(0));
  const Ex start = c.e.full(values.sizes(), 0, DType::kInt64);
  Ex first = c.e.call(Op::aten_scatter_reduce_two,
                      {start.v, int64_t{0}, inverse.v, places.v, "amin", false});
  if (!sorted) {
    const auto order = c.e.calls(Op::aten_sort, {first.v, int64_t{0}, false});
    first = order[0];
    values = c.e.call(Op::aten_index_select, {values.v, int64_t{0}, order[1].v});
    counts = c.e.call(Op::aten_index_select, {counts.v, int64_t{0}, order[1].v});
    const auto back = c.e.calls(Op::aten_sort, {order[1].v, int64_t{0}, false});
    inverse = c.e.call(Op::aten_index_select, {back[1].v, int64_t{0}, inverse.v});
  }
  c.set(0, values);
  c.set(1, first);
  c.set(2, inverse);
  c.set(3, counts);
}

void tensor_scatter(NodeCall& c) {
  const Ex past = c.in(0), update = c.in(1);
  const int64_t axis = c.axis(past.rank(), -2);
  const bool circular = c.s("mode", "linear") == "circular";
  if (c.failed()) return;
  std::vector<Arg> sizes(past.rank(), Arg(int64_t{1}));
  sizes[static_cast<size_t>(axis)] = Arg(int64_t{-1});
  Ex places = c.e.arange(int64_t{0}, update.size_arg(static_cast<size_t>(axis))).view(sizes);
  if (c.has(2)) {
    std::vector<Arg> batch(past.rank(), Arg(int64_t{1}));
    batch[0] = Arg(int64_t{-1});
    places = places + c.in(2).cast(DType::kInt64).view(batch);
  }
  if (circular) {
    const int64_t total = past.fixed(static_cast<size_t>(axis));
    places = c.e.call(Op::aten_remainder_Scalar, {places.v, total});
  }
  c.set(c.e.call(Op::aten_scatter_src, {past.v, axis, places.expand(update.sizes()).v, update.v}));
}

constexpr RuleEntry kRules[] = {
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"GatherND", gather_nd},
    {"ScatterElements", scatter_elements},
    {"Scatter", scatter_elements},
    {"ScatterND", scatter_nd},
    {"NonZero", non_zero},
    {"Compress", compress},
    {"OneHot", one_hot},
    {"ReverseSequence", reverse_sequence},
    {"Unique", unique},
    {"TensorScatter", tensor_scatter},
};

}  // namespace

std::span<const RuleEntry> index_rules() { return kRules; }

}  // namespace pte::importers::onnx
