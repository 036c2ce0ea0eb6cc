// Pooling over windows and over whole pictures.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

// The size of a pooled dimension. With ceil_mode a last window may hang over the end, but it begins
// inside the input or its padding before.
int64_t pooled_size(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t begin,
                    int64_t end, bool ceil_mode) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  const int64_t room = size + begin + end - reach;
  if (room < 0) return 0;
  int64_t out = room / stride + 1;
  if (ceil_mode && room % stride != 0 && out * stride < size + begin) ++out;
  return out;
}

struct Pool {
  Window w;
  std::vector<int64_t> out;  // -1 where the input's size is open
  bool open = false;
};

Pool pool_of(NodeCall& c, const Ex& x) {
  Pool pool;
  const std::vector<int64_t> kernel = c.is("kernel_shape");
  if (kernel.empty() || x.rank() != kernel.size() + 2) {
    c.fail(
        invalid_data("a kernel of {} dimensions for an input of rank {}", kernel.size(), x.rank()));
    return pool;
  }
  pool.w = window_of(c, x, kernel);
  for (size_t i = 0; i < kernel.size() && !c.failed(); ++i) {
    const bool ceil_mode = c.i("ceil_mode", 0) != 0;
    if (!x.size(i + 2).is_constant() && !ceil_mode) {
      pool.out.push_back(-1);
      pool.open = true;
      continue;
    }
    pool.out.push_back(pooled_size(x.fixed(i + 2), kernel[i], pool.w.stride[i], pool.w.dilation[i],
                                   pool.w.begin[i], pool.w.end[i], ceil_mode));
    if (pool.out.back() < 1 && !c.failed())
      c.fail(invalid_data("the window is larger than dimension {}", i + 2));
  }
  return pool;
}

// Whether ATen's own pooling means the same: equal padding of at most half a window, no rounding
// up.
bool plain(const Pool& pool, const Ex& x) {
  if (!pool.w.symmetric()) return false;
  for (size_t i = 0; i < pool.out.size(); ++i) {
    if (pool.w.begin[i] < 0 || 2 * pool.w.begin[i] > pool.w.kernel[i]) return false;
    if (pool.out[i] < 0) continue;
    const auto size = x.size(i + 2).constant();
    if (!size || pooled_size(*size, pool.w.kernel[i], pool.w.stride[i], pool.w.dilation[i],
                             pool.w.begin[i], pool.w.end[i], false) != pool.out[i])
      return false;
  }
  return true;
}

// How much the last windows want behind the input. Open sizes are never rounded up, so the padding
// is what the file says.
std::vector<int64_t> reach_behind(const Pool& pool, const Ex& x) {
  if (pool.open) return pool.w.end;
  std::vector<int64_t> end;
  for (size_t i = 0; i < pool.out.size(); ++i) {
    const int64_t last =
        (pool.out[i] - 1) * pool.w.stride[i] + (pool.w.kernel[i] - 1) * pool.w.dilation[i] + 1;
    end.push_back(last - x.fixed(i + 2) - pool.w.begin[i]);
  }
  return end;
}

void max_pool(NodeCall& c) {
  Ex x = c.in(0);
  if (c.failed()) return;
  const Ex original = x;
  Pool pool = pool_of(c, x);
  if (c.failed()) return;
  const size_t spatial = pool.out.size();
  std::vector<int64_t> padding = pool.w.begin;
  std::vector<int64_t> moved(spatial, 0);  // what a place in the padded input lies off
  if (!plain(pool, x)) {
    // 8-bit integers have a least value of their own.
    double low = -std::numeric_limits<double>::infinity();
    if (x.dtype() == DType::kInt8) low = -128;
    if (x.dtype() == DType::kUInt8) low = 0;
    x = pad_last(x, pool.w.begin, reach_behind(pool, x), low);
    padding.assign(spatial, 0);
    moved = pool.w.begin;
  }
  Pool flat = pool;
  const bool line = spatial == 1;
  if (line) {
    x = x.unsqueeze(2);
    padding.insert(padding.begin(), 0);
    flat.w.kernel.insert(flat.w.kernel.begin(), 1);
    flat.w.stride.insert(flat.w.stride.begin(), 1);
    flat.w.dilation.insert(flat.w.dilation.begin(), 1);
  } else if (spatial > 3) {
    return c.fail(unsupported("pooling over {} dimensions", spatial));
  }
  const Op op = spatial == 3 ? Op::aten_max_pool3d_with_indices : Op::aten_max_pool2d_with_indices;
  const auto result = c.e.calls(op, {x.v, Arg::ints(flat.w.kernel), Arg::ints(flat.w.stride),
                                     Arg::ints(padding), Arg::ints(flat.w.dilation), false});
  Ex y = result[0];
  c.set(0, line ? y.squeeze(2) : y);
  if (!c.wants(1)) return;
  // ATen counts places in one picture of the padded input; ONNX in the whole input, by rows or by
  // columns.
  Ex place = line ? result[1].squeeze(2) : result[1];
  std::vector<int64_t> size, padded;
  for (size_t i = 0; i < spatial; ++i) {
    size.push_back(original.fixed(i + 2));
    padded.push_back(x.fixed(x.rank() - spatial + i));
  }
  if (c.failed()) return;
  std::vector<Ex> at(spatial, Ex{&c.e, nullptr});
  for (size_t i = spatial; i-- > 0;) {
    at[i] =
        c.e.call(Op::aten_remainder_Scalar, {place.v, padded[i]}) - static_cast<double>(moved[i]);
    place = c.e.call(Op::aten_div_Scalar_mode, {place.v, padded[i], "floor"});
  }
  if (c.i("storage_order", 0) != 0) {
    std::reverse(at.begin(), at.end());
    std::reverse(size.begin(), size.end());
  }
  Ex index = at[0];
  int64_t plane = size[0];
  for (size_t i = 1; i < spatial; ++i) {
    index = index * static_cast<double>(size[i]) + at[i];
    plane *= size[i];
  }
  std::vector<Arg> sizes(original.rank(), Arg(int64_t{1}));
  sizes[0] = original.size_arg(0);
  sizes[1] = original.size_arg(1);
  const int64_t pictures = original.fixed(0) * original.fixed(1);
  const Ex pictured = c.e.arange(int64_t{0}, pictures).view(sizes) * static_cast<double>(plane);
  c.set(1, index + pictured);
}

// The sum of every window, by a convolution with ones.
Ex window_sums(NodeCall& c, const Ex& given, const Pool& pool) {
  const size_t spatial = pool.out.size();
  const Ex x = pad_last(given, pool.w.begin, reach_behind(pool, given));
  const int64_t channels = x.fixed(1);
  std::vector<Arg> sizes{Arg(channels), Arg(int64_t{1})};
  for (const int64_t k : pool.w.kernel) sizes.emplace_back(k);
  const Ex ones = c.e.full(sizes, 1, x.dtype());
  const std::vector<int64_t> none(spatial, 0);
  return c.e.call(Op::aten_convolution,
                  {x.v, ones.v, Arg(), Arg::ints(pool.w.stride), Arg::ints(none),
                   Arg::ints(pool.w.dilation), false, Arg::ints(none), channels});
}

}  // namespace

Ex average_pool_of(NodeCall& c, Ex x) {
  if (c.failed()) return x;
  const Pool pool = pool_of(c, x);
  if (c.failed()) return x;
  const size_t spatial = pool.out.size();
  const bool padded = c.i("count_include_pad", 0) != 0;
  const bool dilated =
      std::any_of(pool.w.dilation.begin(), pool.w.dilation.end(), [](int64_t d) { return d != 1; });
  if (plain(pool, x) && !dilated && spatial <= 3) {
    std::vector<int64_t> kernel = pool.w.kernel, stride = pool.w.stride, padding = pool.w.begin;
    if (spatial == 1) {
      kernel.insert(kernel.begin(), 1);
      stride.insert(stride.begin(), 1);
      padding.insert(padding.begin(), 0);
      x = x.unsqueeze(2);
    }
    const Ex y =
        c.e.call(spatial == 3 ? Op::aten_avg_pool3d : Op::aten_avg_pool2d,
                 {x.v, Arg::ints(kernel), Arg::ints(stride), Arg::ints(padding), false, padded});
    return spatial == 1 ? y.squeeze(2) : y;
  }
  if (pool.open && padded && !dilated) {
    // Every element counts, those of the padding too.
    int64_t count = 1;
    for (const int64_t k : pool.w.kernel) count *= k;
    return window_sums(c, x, pool) / static_cast<double>(count);
  }
  // How many elements each window holds; what rounding up adds at the end never counts.
  std::vector<std::vector<int64_t>> counts;
  int64_t total = 1;
  Sizes sizes{1, 1};
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t size = x.fixed(i + 2);
    const int64_t low = padded ? -pool.w.begin[i] : 0, high = padded ? size + pool.w.end[i] : size;
    std::vector<int64_t> list;
    for (int64_t o = 0; o < pool.out[i]; ++o) {
      int64_t inside = 0;
      for (int64_t k = 0; k < pool.w.kernel[i]; ++k) {
        const int64_t at = o * pool.w.stride[i] - pool.w.begin[i] + k * pool.w.dilation[i];
        inside += at >= low && at < high ? 1 : 0;
      }
      list.push_back(inside);
    }
    total *= pool.out[i];
    if (total > (1 << 24)) {
      c.fail(unsupported("pooling of this size"));
      return x;
    }
    sizes.push_back(pool.out[i]);
    counts.push_back(std::move(list));
  }
  std::vector<float> divisor;
  for (int64_t flat = 0; flat < total; ++flat) {
    int64_t rest = flat, count = 1;
    for (size_t i = spatial; i-- > 0;) {
      count *= counts[i][static_cast<size_t>(rest % pool.out[i])];
      rest /= pool.out[i];
    }
    divisor.push_back(static_cast<float>(count));
  }
  const Ex by =
      c.e.constant("window_sizes", Tensor::of<float>(sizes, std::span<const float>(divisor)));
  return window_sums(c, x, pool) / by.cast(x.dtype());
}

namespace {

void average_pool(NodeCall& c) {
  const Ex y = average_pool_of(c, c.in(0));
  if (!c.failed()) c.set(y);
}

void lp_pool(NodeCall& c) {
  const Ex x = c.in(0);
  if (c.failed()) return;
  const Pool pool = pool_of(c, x);
  if (c.failed()) return;
  const auto p = static_cast<double>(c.i("p", 2));
  const Ex powers = c.e.call(Op::aten_pow_Tensor_Scalar, {x.abs().v, p});
  c.set(c.e.call(Op::aten_pow_Tensor_Scalar, {window_sums(c, powers, pool).v, 1.0 / p}));
}

std::vector<int64_t> spatial_dims(const Ex& x) {
  std::vector<int64_t> dims;
  for (int64_t d = 2; d < x.dims(); ++d) dims.push_back(d);
  return dims;
}

void global_average_pool(NodeCall& c) {
  const Ex x = c.in(0);
  c.set(x.mean(spatial_dims(x), true));
}
void global_max_pool(NodeCall& c) {
  const Ex x = c.in(0);
  c.set(x.amax(spatial_dims(x), true));
}
void global_lp_pool(NodeCall& c) {
  const Ex x = c.in(0);
  const auto p = static_cast<double>(c.i("p", 2));
  const Ex powers = c.e.call(Op::aten_pow_Tensor_Scalar, {x.abs().v, p});
  c.set(c.e.call(Op::aten_pow_Tensor_Scalar, {powers.sum(spatial_dims(x), true).v, 1.0 / p}));
}

void max_unpool(NodeCall& c) {
  const Ex x = c.in(0), places = c.in(1);
  std::vector<int64_t> kernel = c.is("kernel_shape"), stride = c.is("strides"), pads = c.is("pads");
  const size_t spatial = kernel.size();
  if (c.failed() || x.rank() != spatial + 2)
    return c.fail(invalid_data("a kernel of {} dimensions", spatial));
  stride.resize(spatial, 1);
  pads.resize(2 * spatial, 0);
  std::vector<Arg> sizes{x.size_arg(0), x.size_arg(1)};
  int64_t total = x.fixed(0) * x.fixed(1);
  std::vector<int64_t> natural;
  for (size_t i = 0; i < spatial; ++i) {
    natural.push_back((x.fixed(i + 2) - 1) * stride[i] + kernel[i] - pads[i] - pads[spatial + i]);
    sizes.emplace_back(natural.back());
    total *= natural.back();
  }
  if (c.failed() || total < 0) return;
  // The places count in the tensor of this size; a larger one is filled up behind.
  const Ex zeros = c.e.full({total}, 0, x.dtype());
  Ex y = c.e.call(Op::aten_scatter_src,
                  {zeros.v, int64_t{0}, places.view({int64_t{-1}}).v, x.view({int64_t{-1}}).v})
             .view(sizes);
  if (c.has(2)) {
    const std::vector<int64_t> wanted = c.ints(2);
    if (c.failed() || wanted.size() != x.rank()) return;
    std::vector<int64_t> begin(spatial, 0), end;
    for (size_t i = 0; i < spatial; ++i) end.push_back(wanted[i + 2] - natural[i]);
    y = pad_last(y, begin, end);
  }
  c.set(y);
}

constexpr RuleEntry kRules[] = {
    {"MaxPool", max_pool},
    {"AveragePool", average_pool},
    {"LpPool", lp_pool},
    {"GlobalAveragePool", global_average_pool},
    {"GlobalMaxPool", global_max_pool},
    {"GlobalLpPool", global_lp_pool},
    {"MaxUnpool", max_unpool},
};

}  // namespace

std::span<const RuleEntry> pooling_rules() { return kRules; }

}  // namespace pte::importers::onnx
