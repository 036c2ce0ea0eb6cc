// XNNPACK's convolutions, pools and resampling as ATen calls over (n, c, h, w).
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/xnnpack/filters.h"
#include "backends/xnnpack/lifter.h"

namespace pte::xnnpack {

using ir::Arg;

namespace {

// Padding as TensorFlow's "same" in convolutions and pools; no half pixels in resampling.
constexpr uint32_t kTensorFlow = 0x4;
constexpr uint32_t kMaxWindow = 1U << 20;

Status known_flags(const XnnNode& node, uint32_t known) {
  if ((node.flags & ~known) != 0) return unsupported("flags {:#x}", node.flags);
  return {};
}

// Windows with no size of 0, small enough that their arithmetic cannot overflow.
Status check_window(const Window& w, std::string_view what) {
  if (w.height == 0 || w.width == 0 || w.height > kMaxWindow || w.width > kMaxWindow) {
    return invalid_data("{} {}x{}", what, w.height, w.width);
  }
  return {};
}
Status check_padding(const Padding& p) {
  for (uint32_t side : {p.top, p.right, p.bottom, p.left}) {
    if (side > kMaxWindow) return invalid_data("padding {}", side);
  }
  return {};
}

bool symmetric(const Padding& p) { return p.top == p.bottom && p.left == p.right; }

Arg pair(const Window& w) { return Arg::ints({w.height, w.width}); }
Arg zeros() { return Arg::ints({0, 0}); }

// For constant_pad_nd of a (n, c, h, w) tensor: pairs from the last dim backwards.
Arg pad_list(const Padding& p) { return Arg::ints({p.left, p.right, p.top, p.bottom}); }

// Both spatial sizes of a value, which are known for arguments of known sizes.
Result<Window> extent(const ir::Value* value) {
  const ir::SymSizes& sizes = value->tensor().sizes;
  const auto height = sizes[2].constant(), width = sizes[3].constant();
  if (!height || !width) return unsupported("an operand of unknown size");
  if (*height > UINT32_MAX || *width > UINT32_MAX) return invalid_data("a very large operand");
  return Window{static_cast<uint32_t>(*height), static_cast<uint32_t>(*width)};
}

// Windows that fit `size` with this padding on both sides together.
int64_t outputs(int64_t size, int64_t padding, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t room = size + padding - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace

ir::Value* Lifter::numbers(Sizes sizes, const std::vector<float>& values, DType type) {
  Tensor data = Tensor::of<float>(std::move(sizes), values);
  if (type == DType::kFloat16) {
    std::vector<Half> halves(values.begin(), values.end());
    data = Tensor::of<Half>(data.sizes(), halves);
  } else if (type == DType::kBFloat16) {
    std::vector<BFloat16> halves;
    for (float value : values) halves.emplace_back(value);
    data = Tensor::of<BFloat16>(data.sizes(), halves);
  }
  return builder_.constant("numbers", std::move(data));
}

Result<Padding> Lifter::padding_of(const XnnNode& node, const Padding& given, ir::Value* input,
                                   const Window& kernel, const Window& stride,
                                   const Window& dilation) const {
  if ((node.flags & kTensorFlow) == 0) return given;
  if (given.top != 0 || given.bottom != 0 || given.left != 0 || given.right != 0) {
    return invalid_data("padding where the flags ask for what keeps the size");
  }
  PTE_TRY(const Window size, extent(input));
  const auto total = [](int64_t in, int64_t k, int64_t s, int64_t d) {
    const int64_t needed = ((in + s - 1) / s - 1) * s + (k - 1) * d + 1 - in;
    return static_cast<uint32_t>(std::max<int64_t>(needed, 0));
  };
  const uint32_t y = total(size.height, kernel.height, stride.height, dilation.height);
  const uint32_t x = total(size.width, kernel.width, stride.width, dilation.width);
  return Padding{y / 2, x - x / 2, y - y / 2, x / 2};
}

Status Lifter::convolution(const XnnNode& node) {
  const bool transposed = node.kind == NodeKind::kConvTranspose2d;
  PTE_CHECK(known_flags(node, transposed ? 0 : kTensorFlow));
  const ConvParams& p = std::get<ConvParams>(node.params);
  PTE_CHECK(check_window(p.kernel, "kernel"));
  PTE_CHECK(check_window(p.stride, "stride"));
  PTE_CHECK(check_window(p.dilation, "dilation"));
  PTE_CHECK(check_padding(p.padding));
  if (p.groups == 0 || p.group_input_channels == 0 || p.group_output_channels == 0) {
    return invalid_data("{} groups of {} input and {} output channels", p.groups,
                        p.group_input_channels, p.group_output_channels);
  }
  const uint32_t in = node.inputs[0], filter = node.inputs[1];
  if (rank(in) != 4) return invalid_data("an operand of rank {}", rank(in));
  if (!is_constant(filter)) return unsupported("a filter that is computed at run time");
  PTE_TRY(ir::Value * x, get(in, kChannelsFirst));
  PTE_TRY(const Padding padding, padding_of(node, p.padding, x, p.kernel, p.stride, p.dilation));
  const bool integers = is_dynamic(in) || is_quantized(in);
  PTE_TRY(const Tensor packed, integers ? constant_data(filter) : real_filter(filter));
  PTE_TRY(Tensor unpacked, unpack_filter(packed, p, node.kind));
  if (integers) {
    ir::Value* weight = weights(fmt::format("filter{}", filter), std::move(unpacked));
    PTE_TRY(ir::Value * y, quantized_convolution(node, x, weight, padding));
    return define(node.outputs[0], kChannelsFirst, y);
  }
  const DType type = x->tensor().dtype;
  PTE_TRY(unpacked, as_type(unpacked, type));
  ir::Value* weight = weights(fmt::format("filter{}", filter), std::move(unpacked));
  Arg b;
  if (node.inputs[2] != kNone) {
    PTE_TRY(ir::Value * value, bias(node.inputs[2], type));
    b = Arg(value);
  }
  Arg sides = Arg::ints({padding.top, padding.left});
  const bool uneven = !symmetric(padding);
  if (uneven) {
    sides = zeros();
    if (!transposed) {
      PTE_TRY(x, call(Op::aten_constant_pad_nd, {x, pad_list(padding), 0.0}));
    }
  }
  PTE_TRY(ir::Value * y,
          call(Op::aten_convolution,
               {x, weight, b, pair(p.stride), sides, pair(p.dilation), transposed,
                transposed ? pair(p.adjustment) : zeros(), static_cast<int64_t>(p.groups)}));
  if (uneven && transposed) {
    // The padding of a transposed convolution is what its result loses at each side.
    PTE_TRY(const Window full, extent(y));
    const std::array<std::array<int64_t, 3>, 2> cuts = {
        {{padding.top, padding.bottom, full.height}, {padding.left, padding.right, full.width}}};
    for (size_t i = 0; i < 2; ++i) {
      const auto& [before, after, size] = cuts[i];
      if (before + after >= size) {
        return invalid_data("padding {} and {} of a result of {}", before, after, size);
      }
      if (before + after == 0) continue;
      PTE_TRY(y, call(Op::aten_slice_copy_Tensor,
                      {y, static_cast<int64_t>(2 + i), before, size - after, 1}));
    }
  }
  PTE_TRY(y, clamped(y, node));
  return define(node.outputs[0], kChannelsFirst, y);
}

// ---- pooling and resampling

Status Lifter::pool(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kKeepDims | kTensorFlow));
  PoolParams p = std::get<PoolParams>(node.params);
  const bool average = node.kind == NodeKind::kAvgPooling2d;
  if (average) p.dilation = {1, 1};
  PTE_CHECK(check_window(p.kernel, "window"));
  PTE_CHECK(check_window(p.stride, "stride"));
  PTE_CHECK(check_window(p.dilation, "dilation"));
  PTE_CHECK(check_padding(p.padding));
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  if (rank(in) != 4) return invalid_data("an operand of rank {}", rank(in));
  const bool integers = !average && is_quantized(in);
  if (integers) PTE_CHECK(expect_same_quant(node));
  PTE_TRY(ir::Value * x, integers ? get(in, kChannelsFirst) : get_real(in, kChannelsFirst));
  PTE_TRY(p.padding, padding_of(node, p.padding, x, p.kernel, p.stride, p.dilation));
  // ATen pads both sides alike and at most half a window.
  const bool fits = symmetric(p.padding) && 2 * p.padding.top <= p.kernel.height &&
                    2 * p.padding.left <= p.kernel.width;
  if (average) {
    ir::Value* y = nullptr;
    if (fits) {
      PTE_TRY(y, call(Op::aten_avg_pool2d, {x,
                                            pair(p.kernel),
                                            pair(p.stride),
                                            Arg::ints({p.padding.top, p.padding.left}),
                                            false,
                                            false,
                                            {}}));
    } else {
      PTE_TRY(y, uneven_average(x, p));
    }
    PTE_TRY(y, clamped(y, node));
    return define_real(out, kChannelsFirst, y);
  }
  Arg padding = Arg::ints({p.padding.top, p.padding.left});
  if (!fits) {
    const Arg lowest = stored(out, -std::numeric_limits<float>::infinity());
    PTE_TRY(x, call(Op::aten_constant_pad_nd, {x, pad_list(p.padding), lowest}));
    padding = zeros();
  }
  PTE_TRY(ir::Value * y, call(Op::aten_max_pool2d, {x, pair(p.kernel), pair(p.stride), padding,
                                                    pair(p.dilation), false}));
  PTE_TRY(y, integers ? clamped_stored(y, node) : clamped(y, node));
  return integers ? define(out, kChannelsFirst, y) : define_real(out, kChannelsFirst, y);
}

// Sums over padded values, divided by how many elements each window covers.
Result<ir::Value*> Lifter::uneven_average(ir::Value* x, const PoolParams& p) {
  PTE_TRY(const Window size, extent(x));
  const int64_t rows = outputs(size.height, int64_t{p.padding.top} + p.padding.bottom,
                               p.kernel.height, p.stride.height, 1);
  const int64_t columns = outputs(size.width, int64_t{p.padding.left} + p.padding.right,
                                  p.kernel.width, p.stride.width, 1);
  if (rows == 0 || columns == 0 || rows > kMaxWindow || columns > kMaxWindow) {
    return invalid_data("a window of {}x{} over {}x{}", p.kernel.height, p.kernel.width,
                        size.height, size.width);
  }
  const auto covered = [](int64_t count, int64_t in, int64_t before, int64_t kernel,
                          int64_t stride) {
    std::vector<float> result;
    for (int64_t o = 0; o < count; ++o) {
      const int64_t begin = o * stride - before;
      const int64_t inside = std::min(begin + kernel, in) - std::max<int64_t>(begin, 0);
      result.push_back(static_cast<float>(std::max<int64_t>(inside, 1)));
    }
    return result;
  };
  const DType type = x->tensor().dtype;
  ir::Value* by_row = numbers(
      {rows, 1}, covered(rows, size.height, p.padding.top, p.kernel.height, p.stride.height), type);
  ir::Value* by_column =
      numbers({1, columns},
              covered(columns, size.width, p.padding.left, p.kernel.width, p.stride.width), type);
  PTE_TRY(x, call(Op::aten_constant_pad_nd, {x, pad_list(p.padding), 0.0}));
  PTE_TRY(ir::Value * sums,
          call(Op::aten_avg_pool2d, {x, pair(p.kernel), pair(p.stride), zeros(), false, false, 1}));
  PTE_TRY(sums, call(Op::aten_div_Tensor, {sums, by_row}));
  return call(Op::aten_div_Tensor, {sums, by_column});
}

// The largest element of each window and its place in it. Windows lie side by side; what they
// reach beyond the border repeats the border.
Status Lifter::argmax_pool(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kTensorFlow));
  const PoolParams& p = std::get<PoolParams>(node.params);
  PTE_CHECK(check_window(p.kernel, "window"));
  PTE_CHECK(check_padding(p.padding));
  if (rank(node.inputs[0]) != 4) return invalid_data("an operand of rank {}", rank(node.inputs[0]));
  PTE_TRY(ir::Value * x, get_real(node.inputs[0], kChannelsFirst));
  PTE_TRY(const Padding padding, padding_of(node, p.padding, x, p.kernel, p.kernel, Window{1, 1}));
  if (padding.top + padding.bottom + padding.left + padding.right > 0) {
    PTE_TRY(x, call(Op::aten_replication_pad2d, {x, pad_list(padding)}));
  }
  PTE_TRY(const Window size, extent(x));
  const int64_t kh = p.kernel.height, kw = p.kernel.width;
  const int64_t rows = size.height / kh, columns = size.width / kw;
  if (rows == 0 || columns == 0) {
    return invalid_data("a window of {}x{} over {}x{}", kh, kw, size.height, size.width);
  }
  PTE_TRY(x, call(Op::aten_slice_copy_Tensor, {x, 2, 0, rows * kh, 1}));
  PTE_TRY(x, call(Op::aten_slice_copy_Tensor, {x, 3, 0, columns * kw, 1}));
  const auto fixed = x->tensor().static_sizes();
  if (!fixed) return unsupported("an operand of unknown size");
  const int64_t n = (*fixed)[0], c = (*fixed)[1];
  PTE_TRY(x, call(Op::aten_view_copy, {x, Arg::ints({n * c, rows, kh, columns, kw})}));
  PTE_TRY(x, call(Op::aten_permute_copy, {x, Arg::ints({0, 1, 3, 2, 4})}));
  PTE_TRY(x, call(Op::aten_view_copy, {x, Arg::ints({n, c, rows, columns, kh * kw})}));
  PTE_TRY(ir::Node * max, builder_.node(Op::aten_max_dim, {x, 4, false}));
  PTE_TRY(ir::Value * values, clamped(max->result(0), node));
  PTE_CHECK(define_real(node.outputs[0], kChannelsFirst, values));
  PTE_TRY(ir::Value * places, call(Op::aten__to_copy, {max->result(1), DType::kInt32}));
  return define(node.outputs[1], kChannelsFirst, places);
}

Status Lifter::global_pool(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kKeepDims));
  const uint32_t in = node.inputs[0], out = node.outputs[0];
  if (rank(in) != 4) return invalid_data("an operand of rank {}", rank(in));
  if (is_quantized(in) && is_quantized(out) &&
      source_.values[in].datatype == source_.values[out].datatype) {
    return quantized_mean(node);
  }
  const bool keep = (node.flags & kKeepDims) != 0;
  PTE_TRY(ir::Value * x, get_real(in, kChannelsFirst));
  PTE_TRY(ir::Value * y, call(Op::aten_mean_dim, {x, Arg::ints({2, 3}), keep}));
  PTE_TRY(y, clamped(y, node));
  return define_real(out, keep ? kChannelsFirst : identity_perm(2), y);
}

Status Lifter::resize(const XnnNode& node) {
  PTE_CHECK(known_flags(node, kAlignCorners | kTensorFlow));
  const Window size = std::get<ResizeParams>(node.params).size;
  PTE_CHECK(check_window(size, "size"));
  if (rank(node.inputs[0]) != 4) return invalid_data("an operand of rank {}", rank(node.inputs[0]));
  PTE_TRY(ir::Value * x, get_real(node.inputs[0], kChannelsFirst));
  const bool align = (node.flags & kAlignCorners) != 0;
  ir::Value* y = nullptr;
  if ((node.flags & kTensorFlow) == 0) {
    PTE_TRY(y, call(Op::aten_upsample_bilinear2d_vec, {x, pair(size), align, {}}));
  } else {
    if (align) return invalid_data("flags {:#x} contradict each other", node.flags);
    PTE_TRY(y, resized_without_half_pixels(x, size));
  }
  PTE_TRY(y, clamped(y, node));
  return define_real(node.outputs[0], kChannelsFirst, y);
}

// Output o lies at input o * in / out, which ATen has no operator for: a product with the weights
// that each output gives to the inputs, once along each side.
Result<ir::Value*> Lifter::resized_without_half_pixels(ir::Value* x, const Window& size) {
  PTE_TRY(const Window from, extent(x));
  if (from.height == 0 || from.width == 0 ||
      uint64_t{from.height} * size.height + uint64_t{from.width} * size.width > kMaxWindow * 16U) {
    return unsupported("{}x{} resized to {}x{}", from.height, from.width, size.height, size.width);
  }
  const auto weights = [](int64_t in, int64_t out) {
    std::vector<float> result(static_cast<size_t>(in * out));
    const float scale = static_cast<float>(in) / static_cast<float>(out);
    for (int64_t o = 0; o < out; ++o) {
      const float place = static_cast<float>(o) * scale;
      const int64_t low = std::min(static_cast<int64_t>(place), in - 1);
      const int64_t high = std::min(low + 1, in - 1);
      const float part = place - static_cast<float>(low);
      result[static_cast<size_t>(o * in + low)] += 1 - part;
      result[static_cast<size_t>(o * in + high)] += part;
    }
    return result;
  };
  const DType type = x->tensor().dtype;
  ir::Value* rows =
      numbers({1, 1, size.height, from.height}, weights(from.height, size.height), type);
  ir::Value* columns =
      numbers({1, 1, size.width, from.width}, weights(from.width, size.width), type);
  PTE_TRY(columns, call(Op::aten_permute_copy, {columns, Arg::ints({0, 1, 3, 2})}));
  PTE_TRY(x, call(Op::aten_matmul, {x, columns}));
  return call(Op::aten_matmul, {rows, x});
}

}  // namespace pte::xnnpack
