// Convolution and pooling in three dimensions as two, adaptive maxima, and padding that crops.
#include <numeric>

#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

using Ints = std::vector<int64_t>;

Ints tail(const Ints& list) { return {list.begin() + 1, list.end()}; }

// [N, C, D, H, W] as [N * D, C, H, W], and back with the sizes of `sizes`. N may be symbolic.
Value* fold_depth(Maker& m, Value* x, const SymSizes& sizes) {
  Value* turned = m.permute(x, {0, 2, 1, 3, 4});
  return m.view(turned, SymSizes{sizes[0] * sizes[2], sizes[1], sizes[3], sizes[4]});
}
Value* unfold_depth(Maker& m, Value* x, const SymSizes& sizes) {
  Value* apart = m.view(x, SymSizes{sizes[0], sizes[2], sizes[1], sizes[3], sizes[4]});
  return m.permute(apart, {0, 2, 1, 3, 4});
}

// The last three sizes, which must be known, and the product of those before them.
struct Volume {
  SymInt planes;
  Sizes sizes;
};
Result<Volume> volume_of(const Rewrite& r, const SymSizes& all) {
  if (all.size() < 3) return r.not_supported("an operand of this rank");
  const auto sizes = ir::to_static(SymSizes(all.end() - 3, all.end()));
  if (!sizes || !element_count(*sizes)) return r.not_supported("an extent that is not known");
  return Volume{ir::product(SymSizes(all.begin(), all.end() - 3)), *sizes};
}

struct Conv {
  Ints stride, padding, dilation, output_padding;
  SymSizes input, output;
  Sizes weight;
  int64_t depth_in = 0, depth_out = 0;
};

Result<Conv> read_conv(const Rewrite& r) {
  Conv c;
  c.input = r.type(0).sizes;
  c.output = r.result_type().sizes;
  PTE_TRY(c.weight, known_sizes(r, 1));
  PTE_TRY(const Volume from, volume_of(r, c.input));
  PTE_TRY(const Volume to, volume_of(r, c.output));
  c.depth_in = from.sizes[0];
  c.depth_out = to.sizes[0];
  PTE_TRY(c.stride, r.ints(3, 3));
  PTE_TRY(c.padding, r.ints(4, 3));
  PTE_TRY(c.dilation, r.ints(5, 3));
  PTE_TRY(c.output_padding, r.ints(7, 3));
  return c;
}

// The two-dimensional convolution with the filter's slice at depth k.
Value* convolve_slice(Maker& m, const Conv& c, Value* folded, int64_t k, Arg bias,
                      bool transposed) {
  Rewrite& r = m.rewrite();
  Value* filter = m.select(r.input(1), 2, Arg(k));
  return m.call(
      Op::aten_convolution,
      {folded, filter, std::move(bias), Arg::ints(tail(c.stride)), Arg::ints(tail(c.padding)),
       Arg::ints(tail(c.dilation)), Arg(transposed), Arg::ints(tail(c.output_padding)), r.arg(8)});
}

// Output slice d is the sum over k of the input's slice d * stride + k * dilation - padding.
Result<Replacement> convolution3d(Rewrite& r, const Conv& c) {
  Maker m(r);
  Value* x = r.input(0);
  if (c.padding[0] != 0) {
    x = m.call(Op::aten_constant_pad_nd,
               {x, Arg::ints({0, 0, 0, 0, c.padding[0], c.padding[0]}), Arg(0)});
  }
  Value* total = nullptr;
  const int64_t depth = c.depth_out;
  for (int64_t k = 0; k < c.weight[2]; ++k) {
    const int64_t begin = k * c.dilation[0];
    Value* part = m.slice(x, 2, begin, begin + (depth - 1) * c.stride[0] + 1, c.stride[0]);
    SymSizes sizes = c.input;
    sizes[2] = depth;
    Value* product =
        convolve_slice(m, c, fold_depth(m, part, sizes), k, k == 0 ? r.arg(2) : Arg(), false);
    total = total == nullptr ? product : m.add(total, product);
  }
  if (total == nullptr) return r.not_supported("an empty filter");
  return m.done(unfold_depth(m, total, c.output));
}

// Input slice d adds to the output's slice d * stride + k * dilation - padding.
Result<Replacement> transposed3d(Rewrite& r, const Conv& c) {
  Maker m(r);
  const int64_t depth = c.depth_in;
  const int64_t stride = c.stride[0];
  const int64_t length = (depth - 1) * stride + 1;
  const int64_t full =
      std::max(c.padding[0] + c.depth_out, length + (c.weight[2] - 1) * c.dilation[0]);
  Value* folded = fold_depth(m, r.input(0), c.input);
  Value* total = nullptr;
  for (int64_t k = 0; k < c.weight[2]; ++k) {
    Value* product = convolve_slice(m, c, folded, k, Arg(), true);
    SymSizes sizes = c.output;
    sizes[2] = depth;
    Value* part = unfold_depth(m, product, sizes);
    if (stride > 1 && depth > 1) {  // zeros between the slices
      part = m.call(Op::aten_constant_pad_nd,
                    {m.unsqueeze(part, 3), Arg::ints({0, 0, 0, 0, 0, stride - 1}), Arg(0)});
      sizes[2] = depth * stride;
      part = m.slice(m.view(part, sizes), 2, 0, length);
    }
    const int64_t before = k * c.dilation[0];
    part = m.call(Op::aten_constant_pad_nd,
                  {part, Arg::ints({0, 0, 0, 0, before, full - length - before}), Arg(0)});
    total = total == nullptr ? part : m.add(total, part);
  }
  if (total == nullptr) return r.not_supported("an empty filter");
  total = m.slice(total, 2, c.padding[0], c.padding[0] + c.depth_out);
  if (Value* bias = r.arg(2).value())
    total = m.add(total, m.view(bias, SymSizes{1, c.output[1], 1, 1, 1}));
  return m.done(total);
}

Result<Replacement> convolution(Rewrite& r) {
  if (r.type(0).rank() != 5) return Replacement{};
  PTE_TRY(const Conv c, read_conv(r));
  constexpr int64_t kDeepest = 256;
  if (c.weight[2] > kDeepest) {
    return r.not_supported(
        fmt::format("a filter {} deep; up to {} are written out", c.weight[2], kDeepest));
  }
  return r.arg(6).boolean().value_or(false) ? transposed3d(r, c) : convolution3d(r, c);
}

// ---- pooling

struct Pool {
  Ints kernel, stride, padding, dilation{1, 1, 1};
  Volume input, output;
};

Result<Pool> read_pool(const Rewrite& r) {
  Pool p;
  PTE_TRY(p.kernel, r.ints(1, 3));
  p.stride = p.kernel;
  if (r.arg(2).list() == nullptr || !r.arg(2).list()->empty()) {
    PTE_TRY(p.stride, r.ints(2, 3));
  }
  PTE_TRY(p.padding, r.ints(3, 3));
  PTE_TRY(p.input, volume_of(r, r.type(0).sizes));
  PTE_TRY(p.output, volume_of(r, r.result_type().sizes));
  return p;
}

// First every slice, then along the depth over the flattened slices.
Result<Replacement> max_pool3d(Rewrite& r) {
  PTE_TRY(Pool p, read_pool(r));
  PTE_TRY(p.dilation, r.ints(4, 3));
  Maker m(r);
  const auto pool = [&](Value* x, Ints kernel, Ints stride, Ints padding, Ints dilation) {
    auto results = m.calls(Op::aten_max_pool2d_with_indices,
                           {x, Arg::ints(kernel), Arg::ints(stride), Arg::ints(padding),
                            Arg::ints(dilation), r.arg(5)});
    if (results.size() < 2) results.assign(2, x);
    return results;
  };
  const Sizes& in = p.input.sizes;
  const Sizes& out = p.output.sizes;
  const SymInt& planes = p.input.planes;
  Value* const self = r.input(0);
  const int64_t plane = out[1] * out[2];
  Value* slices = m.view(self, SymSizes{1, planes * in[0], in[1], in[2]});
  const auto first =
      pool(slices, tail(p.kernel), tail(p.stride), tail(p.padding), tail(p.dilation));
  Value* rows = m.view(first[0], SymSizes{1, planes, in[0], plane}, self);
  const auto second =
      pool(rows, {p.kernel[0], 1}, {p.stride[0], 1}, {p.padding[0], 0}, {p.dilation[0], 1});
  const SymSizes& result = r.result_type().sizes;
  Value* values = m.view(second[0], result, self);
  if (!r.node->graph().has_uses(r.node->result(1))) return m.done({values, nullptr});
  // Where the depth's winner had its own maximum.
  Value* where = m.view(second[1], SymSizes{planes, out[0] * plane}, self);
  Value* inner = m.gather(m.view(first[1], SymSizes{planes, in[0] * plane}, self), 1, where);
  Value* depth = m.floor_div(where, Arg(plane));
  Value* places = m.add(inner, m.mul(depth, Arg(in[1] * in[2])));
  return m.done({values, m.view(places, result, self)});
}

// Sums of slices, sums of those along the depth, divided by how many places each window has.
Result<Replacement> avg_pool3d(Rewrite& r) {
  PTE_TRY(const Pool p, read_pool(r));
  const bool ceil = r.arg(4).boolean().value_or(false);
  const bool with_padding = r.arg(5).boolean().value_or(false);
  Maker m(r);
  const Sizes& in = p.input.sizes;
  const Sizes& out = p.output.sizes;
  const SymInt& planes = p.input.planes;
  const auto pool = [&](Value* x, Ints kernel, Ints stride, Ints padding) {
    return m.call(Op::aten_avg_pool2d, {x, Arg::ints(kernel), Arg::ints(stride), Arg::ints(padding),
                                        Arg(ceil), Arg(true), Arg(1)});
  };
  Value* const self = r.input(0);
  Value* slices = m.view(self, SymSizes{1, planes * in[0], in[1], in[2]});
  Value* sums = pool(slices, tail(p.kernel), tail(p.stride), tail(p.padding));
  Value* rows = m.view(sums, SymSizes{1, planes, in[0], out[1] * out[2]}, self);
  Value* total = pool(rows, {p.kernel[0], 1}, {p.stride[0], 1}, {p.padding[0], 0});
  total = m.view(total, r.result_type().sizes, self);
  if (const auto divisor = r.arg(6).integer()) {
    return m.done(m.div(total, Arg(static_cast<double>(*divisor))));
  }
  PTE_CHECK(check_work(r, {out[0], out[1], out[2]}));
  std::vector<double> counts;
  std::vector<Ints> per_axis(3);
  for (size_t d = 0; d < 3; ++d) {
    for (int64_t i = 0; i < out[d]; ++i) {
      int64_t begin = i * p.stride[d] - p.padding[d];
      int64_t end = std::min(begin + p.kernel[d], in[d] + p.padding[d]);
      if (!with_padding) {
        begin = std::max<int64_t>(begin, 0);
        end = std::min(end, in[d]);
      }
      per_axis[d].push_back(end - begin);
    }
  }
  bool equal = true;
  for (const int64_t a : per_axis[0]) {
    for (const int64_t b : per_axis[1]) {
      for (const int64_t c : per_axis[2]) {
        counts.push_back(static_cast<double>(a * b * c));
        equal = equal && counts.back() == counts.front();
      }
    }
  }
  if (counts.empty()) return m.done(total);
  if (equal) return m.done(m.div(total, Arg(counts[0])));
  std::vector<float> shares(counts.begin(), counts.end());
  Value* by = m.constant("window_sizes", Tensor::of<float>(out, std::span<const float>(shares)));
  return m.done(m.div(total, m.cast(by, r.type(0).dtype)));
}

// Means over products of ranges are means of means.
Result<Replacement> adaptive_avg_pool3d(Rewrite& r) {
  PTE_TRY(const Ints size, r.ints(1, 3));
  PTE_TRY(const Volume volume, volume_of(r, r.type(0).sizes));
  Maker m(r);
  const Sizes& in = volume.sizes;
  Value* const self = r.input(0);
  Value* slices = m.view(self, SymSizes{1, volume.planes * in[0], in[1], in[2]});
  Value* small = m.call(Op::aten__adaptive_avg_pool2d, {slices, Arg::ints({size[1], size[2]})});
  const int64_t plane = size[1] * size[2];
  Value* rows = m.view(small, SymSizes{1, volume.planes, in[0], plane}, self);
  Value* result = m.call(Op::aten__adaptive_avg_pool2d, {rows, Arg::ints({size[0], plane})});
  return m.done(m.view(result, r.result_type().sizes, self));
}

// Windows of uneven size are laid out side by side, their last row repeated to make them even: a
// repeated row is no new maximum, and the first of equal ones stays the first.
template <size_t kSpatial>
Result<Replacement> adaptive_max_pool(Rewrite& r) {
  PTE_TRY(const Ints size, r.ints(1, kSpatial));
  const SymSizes& all = r.type(0).sizes;
  const size_t first = all.size() - kSpatial;
  const auto extents = ir::to_static(SymSizes(all.end() - kSpatial, all.end()));
  if (!extents) return r.not_supported("an extent that is not known");
  Maker m(r);
  Value* x = r.input(0);
  std::vector<Ints> rows(kSpatial);
  Ints window(kSpatial);
  for (size_t d = 0; d < kSpatial; ++d) {
    const int64_t in = (*extents)[d];
    const int64_t out = size[d];
    if (in <= 0 || out <= 0) return r.not_supported("an empty operand or result");
    const auto begin = [&](int64_t i) { return i * in / out; };
    const auto end = [&](int64_t i) { return ((i + 1) * in + out - 1) / out; };
    PTE_CHECK(check_work(r, {out + in}));
    for (int64_t i = 0; i < out; ++i) window[d] = std::max(window[d], end(i) - begin(i));
    PTE_CHECK(check_work(r, {out, window[d]}));
    for (int64_t i = 0; i < out; ++i) {
      for (int64_t k = 0; k < window[d]; ++k) rows[d].push_back(std::min(begin(i) + k, end(i) - 1));
    }
    Ints same(static_cast<size_t>(in));
    std::iota(same.begin(), same.end(), 0);
    if (rows[d] != same) {
      x = m.call(Op::aten_index_select,
                 {x, Arg(static_cast<int64_t>(first + d)),
                  m.indices({static_cast<int64_t>(rows[d].size())}, rows[d])});
    }
  }
  const Op op = kSpatial == 2 ? Op::aten_max_pool2d_with_indices : Op::aten_max_pool3d_with_indices;
  auto results = m.calls(op, {x, Arg::ints(window), Arg::ints(window)});
  if (results.size() < 2) return m.done(std::vector<Value*>{x, x});
  if (!r.node->graph().has_uses(r.node->result(1))) return m.done({results[0], nullptr});
  // Places in the laid-out plane are looked up.
  Ints table{0};
  for (size_t d = 0; d < kSpatial; ++d) {
    Ints wider;
    for (const int64_t base : table) {
      for (const int64_t row : rows[d]) wider.push_back(base * (*extents)[d] + row);
    }
    table = std::move(wider);
    PTE_CHECK(check_work(r, {static_cast<int64_t>(table.size())}));
  }
  Value* flat = m.call(Op::aten_view_copy, {results[1], Arg::ints({-1})});
  Value* places = m.call(Op::aten_index_select,
                         {m.indices({static_cast<int64_t>(table.size())}, table), Arg(0), flat});
  return m.done({results[0], m.view(places, r.result_type().sizes, r.input(0))});
}

// Where windows of a drawn step begin; then as adaptive pooling, with rows gathered at run time.
Result<Replacement> fractional_max_pool2d(Rewrite& r) {
  PTE_TRY(const Ints kernel, r.ints(1, 2));
  PTE_TRY(const Ints size, r.ints(2, 2));
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  if (sizes.size() != 4) return r.not_supported("an operand without batches");
  Maker m(r);
  const DType dtype = r.type(0).dtype;
  // [N, C, out * kernel] of an axis.
  const auto places = [&](size_t d) {
    const int64_t last = sizes[2 + d] - kernel[d];
    Value* sample =
        m.slice(r.input(3), 2, static_cast<int64_t>(1 - d), static_cast<int64_t>(2 - d));
    sample = m.cast(m.expand(sample, {sizes[0], sizes[1], 1}), dtype);
    Value* starts = m.full({sizes[0], sizes[1], 1}, Arg(last), DType::kInt64);
    if (size[d] > 1) {
      const double alpha = dtype == DType::kFloat64
                               ? static_cast<double>(last) / static_cast<double>(size[d] - 1)
                               : static_cast<float>(last) / static_cast<float>(size[d] - 1);
      const auto whole = [&](Value* v) {
        return m.cast(m.unary(Op::aten_trunc, m.mul(v, Arg(alpha))), DType::kInt64);
      };
      Value* steps = m.view(m.cast(m.arange(size[d] - 1), dtype), Sizes{1, 1, size[d] - 1});
      Value* drawn = m.sub(whole(m.add(steps, sample)), whole(sample));
      starts = m.cat({drawn, starts}, 2);
    }
    Value* taps = m.view(m.arange(kernel[d]), Sizes{1, 1, 1, kernel[d]});
    return m.view(m.add(m.unsqueeze(starts, 3), taps),
                  Sizes{sizes[0], sizes[1], size[d] * kernel[d]});
  };
  Value* rows = places(0);
  Value* columns = places(1);
  const int64_t height = size[0] * kernel[0];
  const int64_t width = size[1] * kernel[1];
  Value* x = m.gather(r.input(0), 2,
                      m.expand(m.unsqueeze(rows, 3), {sizes[0], sizes[1], height, sizes[3]}));
  x = m.gather(x, 3, m.expand(m.unsqueeze(columns, 2), {sizes[0], sizes[1], height, width}));
  auto results =
      m.calls(Op::aten_max_pool2d_with_indices, {x, Arg::ints(kernel), Arg::ints(kernel)});
  if (results.size() < 2) return m.done(std::vector<Value*>{x, x});
  if (!r.node->graph().has_uses(r.node->result(1))) return m.done({results[0], nullptr});
  Value* at = m.view(results[1], Sizes{sizes[0], sizes[1], size[0] * size[1]});
  Value* row = m.floor_div(at, Arg(width));
  Value* column = m.sub(at, m.mul(row, Arg(width)));
  Value* place = m.add(m.mul(m.gather(rows, 2, row), Arg(sizes[3])), m.gather(columns, 2, column));
  return m.done({results[0], m.view(place, *r.result_type().static_sizes())});
}

// ---- padding

// The official padding refuses negative amounts, which crop.
Result<Replacement> constant_pad(Rewrite& r) {
  const auto pads = r.arg(1).integers();
  if (!pads) return Replacement{};
  if (std::none_of(pads->begin(), pads->end(), [](int64_t p) { return p < 0; }))
    return Replacement{};
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  Maker m(r);
  Value* x = r.input(0);
  Ints rest = *pads;
  for (size_t i = 0; i + 1 < rest.size(); i += 2) {
    const size_t dim = sizes.size() - 1 - i / 2;
    const int64_t begin = std::max<int64_t>(-rest[i], 0);
    const int64_t end = sizes[dim] - std::max<int64_t>(-rest[i + 1], 0);
    if (begin > 0 || end < sizes[dim]) x = m.slice(x, static_cast<int64_t>(dim), begin, end);
    rest[i] = std::max<int64_t>(rest[i], 0);
    rest[i + 1] = std::max<int64_t>(rest[i + 1], 0);
  }
  const bool grows = std::any_of(rest.begin(), rest.end(), [](int64_t p) { return p > 0; });
  if (grows) x = m.call(Op::aten_constant_pad_nd, {x, Arg::ints(rest), r.arg(2)});
  return m.done(x);
}

}  // namespace

std::span<const RuleEntry> legal_window_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_convolution, convolution},
      {Op::aten_max_pool3d_with_indices, max_pool3d},
      {Op::aten_avg_pool3d, avg_pool3d},
      {Op::aten__adaptive_avg_pool3d, adaptive_avg_pool3d},
      {Op::aten_adaptive_max_pool2d, adaptive_max_pool<2>},
      {Op::aten_adaptive_max_pool3d, adaptive_max_pool<3>},
      {Op::aten_fractional_max_pool2d, fractional_max_pool2d},
      {Op::aten_constant_pad_nd, constant_pad},
  };
  return kRules;
}

}  // namespace pte::passes
