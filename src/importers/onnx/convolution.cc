// Convolutions, plain, transposed and deformable.
#include <algorithm>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {

using ir::Arg;
using ir::ArgList;

Window window_of(NodeCall& c, const Ex& x, std::vector<int64_t> kernel) {
  Window w;
  const size_t count = kernel.size();
  w.kernel = std::move(kernel);
  w.stride = c.is("strides");
  w.dilation = c.is("dilations");
  w.stride.resize(count, 1);
  w.dilation.resize(count, 1);
  std::vector<int64_t> pads = c.is("pads");
  pads.resize(2 * count, 0);
  w.begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(count));
  w.end.assign(pads.begin() + static_cast<std::ptrdiff_t>(count), pads.end());
  for (size_t i = 0; i < count; ++i) {
    const int64_t sizes[] = {w.kernel[i], w.stride[i], w.dilation[i]};
    for (const int64_t each : sizes) {
      if (each < 1 || each > (1 << 28))
        c.fail(invalid_data("a kernel, stride or dilation of {}", each));
    }
    if (std::abs(w.begin[i]) > (1 << 28) || std::abs(w.end[i]) > (1 << 28))
      c.fail(invalid_data("pads of {}", w.begin[i]));
  }
  const std::string_view mode = c.s("auto_pad", "NOTSET");
  if (mode == "VALID") {
    w.begin.assign(count, 0);
    w.end.assign(count, 0);
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    for (size_t i = 0; i < count && !c.failed(); ++i) {
      const int64_t size = x.fixed(x.rank() - count + i);
      const int64_t out = (size + w.stride[i] - 1) / w.stride[i];
      const int64_t reach = (w.kernel[i] - 1) * w.dilation[i] + 1;
      const int64_t total = std::max<int64_t>((out - 1) * w.stride[i] + reach - size, 0);
      w.begin[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.end[i] = total - w.begin[i];
    }
  }
  return w;
}

Ex convolve(NodeCall& c, const Ex& given, const Ex& weight, const Ex& bias) {
  Ex x = given;
  const size_t spatial = x.rank() < 2 ? 0 : x.rank() - 2;
  if (!c.failed() && (weight.rank() != x.rank() || spatial == 0)) {
    c.fail(invalid_data("a weight of rank {} for an input of rank {}", weight.rank(), x.rank()));
  }
  std::vector<int64_t> kernel;
  for (size_t i = 0; i < spatial && !c.failed(); ++i) kernel.push_back(weight.fixed(i + 2));
  if (c.failed()) return x;
  const Window w = window_of(c, x, kernel);
  std::vector<int64_t> padding = w.begin;
  const bool negative =
      std::any_of(w.begin.begin(), w.begin.end(), [](int64_t p) { return p < 0; });
  if (!w.symmetric() || negative) {
    x = pad_last(x, w.begin, w.end);
    padding.assign(spatial, 0);
  }
  return c.e.call(Op::aten_convolution,
                  {x.v, weight.v, bias.v == nullptr ? Arg() : Arg(bias.v), Arg::ints(w.stride),
                   Arg::ints(padding), Arg::ints(w.dilation), false,
                   Arg::ints(std::vector<int64_t>(spatial, 0)), c.i("group", 1)});
}

namespace {

void conv(NodeCall& c) { c.set(convolve(c, c.in(0), c.in(1), c.maybe(2))); }

void conv_transpose(NodeCall& c) {
  const Ex x = c.in(0), weight = c.in(1), bias = c.maybe(2);
  const size_t spatial = x.rank() < 2 ? 0 : x.rank() - 2;
  if (!c.failed() && (weight.rank() != x.rank() || spatial == 0))
    return c.fail(
        invalid_data("a weight of rank {} for an input of rank {}", weight.rank(), x.rank()));
  std::vector<int64_t> kernel;
  for (size_t i = 0; i < spatial && !c.failed(); ++i) kernel.push_back(weight.fixed(i + 2));
  if (c.failed()) return;
  std::vector<int64_t> stride = c.is("strides"), dilation = c.is("dilations"), pads = c.is("pads"),
                       extra = c.is("output_padding"), wanted = c.is("output_shape");
  stride.resize(spatial, 1);
  dilation.resize(spatial, 1);
  extra.resize(spatial, 0);
  pads.resize(2 * spatial, 0);
  const std::string_view mode = c.s("auto_pad", "NOTSET");
  if (wanted.size() > spatial)
    wanted.erase(wanted.begin(), wanted.end() - static_cast<std::ptrdiff_t>(spatial));
  std::vector<int64_t> begin(spatial), end(spatial);
  for (size_t i = 0; i < spatial; ++i) {
    if (stride[i] < 1 || dilation[i] < 1 || stride[i] > (1 << 28) || dilation[i] > (1 << 28))
      return c.fail(invalid_data("a stride or dilation of {}", stride[i]));
    begin[i] = pads[i];
    end[i] = pads[spatial + i];
    if (mode == "VALID") begin[i] = end[i] = 0;
    const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
    if (!wanted.empty() || same) {
      const int64_t size = x.fixed(i + 2);
      const int64_t target = wanted.empty() ? size * stride[i] : wanted[i];
      const int64_t total =
          stride[i] * (size - 1) + extra[i] + (kernel[i] - 1) * dilation[i] + 1 - target;
      begin[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
      if (total < 0) begin[i] = 0;  // room that is missing is made at the end
      end[i] = total - begin[i];
    }
  }
  if (c.failed()) return;
  // ATen takes equal padding on both sides, and room at the end below the stride.
  bool plain = true;
  for (size_t i = 0; i < spatial; ++i)
    plain =
        plain && begin[i] == end[i] && begin[i] >= 0 && extra[i] < std::max(stride[i], dilation[i]);
  const std::vector<int64_t> none(spatial, 0);
  const auto call = [&](const std::vector<int64_t>& padding, const std::vector<int64_t>& out,
                        bool with_bias) {
    return c.e.call(
        Op::aten_convolution,
        {x.v, weight.v, with_bias && bias.v != nullptr ? Arg(bias.v) : Arg(), Arg::ints(stride),
         Arg::ints(padding), Arg::ints(dilation), true, Arg::ints(out), c.i("group", 1)});
  };
  if (plain) return c.set(call(begin, extra, true));
  // Else the whole result is cut, or gets zeros, and then its bias.
  std::vector<int64_t> before(spatial), after(spatial);
  for (size_t i = 0; i < spatial; ++i) {
    before[i] = -begin[i];
    after[i] = extra[i] - end[i];
  }
  Ex y = pad_last(call(none, none, false), before, after);
  if (bias.v != nullptr) {
    std::vector<Arg> sizes(x.rank() - 1, Arg(int64_t{1}));
    sizes[0] = Arg(int64_t{-1});
    y = y + bias.view(sizes);
  }
  c.set(y);
}

// Samples the input at moved places (bilinear, zero outside), then a plain product with the weight.
void deform_conv(NodeCall& c) {
  const Ex x = c.in(0), weight = c.in(1), offset = c.in(2), bias = c.maybe(3), mask = c.maybe(4);
  if (x.rank() != 4) return c.fail(unsupported("a deformable convolution of rank {}", x.rank()));
  const Window w = window_of(c, x, {weight.fixed(2), weight.fixed(3)});
  const int64_t n = x.fixed(0), channels = x.fixed(1), h = x.fixed(2), width = x.fixed(3);
  const int64_t out_channels = weight.fixed(0), groups = c.i("group", 1),
                shared = c.i("offset_group", 1);
  const int64_t oh = offset.fixed(2), ow = offset.fixed(3);
  const int64_t kh = w.kernel[0], kw = w.kernel[1];
  if (c.failed()) return;
  if (shared < 1 || groups < 1 || channels % shared != 0 || out_channels % groups != 0)
    return c.fail(invalid_data("{} channels in {} groups", channels, shared));
  const Ex moved = offset.view({n, shared, kh * kw, int64_t{2}, oh, ow});
  const auto base = [&](int64_t count, int64_t kernel, int64_t stride, int64_t dilation,
                        int64_t pad, bool rows) {
    // [kh * kw, oh, ow] of places without their offsets.
    std::vector<float> places;
    for (int64_t k = 0; k < kh * kw; ++k) {
      for (int64_t y = 0; y < oh; ++y) {
        for (int64_t z = 0; z < ow; ++z) {
          const int64_t at = rows ? y : z, tap = rows ? k / kw : k % kw;
          places.push_back(static_cast<float>(at * stride - pad + tap * dilation));
        }
      }
    }
    static_cast<void>(count);
    static_cast<void>(kernel);
    return c.e
        .constant("places", Tensor::of<float>({kh * kw, oh, ow}, std::span<const float>(places)))
        .cast(x.dtype());
  };
  if (kh * kw * oh * ow > (1 << 22))
    return c.fail(unsupported("a deformable convolution of this size"));
  const Ex rows =
      moved.select(3, int64_t{0}) + base(h, kh, w.stride[0], w.dilation[0], w.begin[0], true);
  const Ex columns =
      moved.select(3, int64_t{1}) + base(width, kw, w.stride[1], w.dilation[1], w.begin[1], false);
  // Four neighbours of each place, picked from the flat picture.
  const int64_t per = channels / shared, spots = kh * kw * oh * ow;
  const Ex flat = x.view({n * shared, per, h * width});
  const Ex top = rows.floor(), left = columns.floor();
  Ex total{&c.e, nullptr};
  for (int64_t dy = 0; dy < 2; ++dy) {
    for (int64_t dx = 0; dx < 2; ++dx) {
      const Ex y = top + static_cast<double>(dy), z = left + static_cast<double>(dx);
      const Ex share = (1.0 - (rows - y).abs()) * (1.0 - (columns - z).abs());
      const Ex inside = (y >= 0.0) && (y < static_cast<double>(h)) && (z >= 0.0) &&
                        (z < static_cast<double>(width));
      const Ex place = y.clamp(0.0, static_cast<double>(h - 1)) * static_cast<double>(width) +
                       z.clamp(0.0, static_cast<double>(width - 1));
      const Ex index = place.cast(DType::kInt64)
                           .view({n * shared, int64_t{1}, spots})
                           .expand({n * shared, per, spots});
      const Ex factor = (share * inside.cast(x.dtype())).view({n * shared, int64_t{1}, spots});
      const Ex part = c.e.call(Op::aten_gather, {flat.v, int64_t{2}, index.v}) * factor;
      total = total.v == nullptr ? part : total + part;
      if (c.failed()) return;
    }
  }
  if (mask.v != nullptr) total = total * mask.view({n * shared, int64_t{1}, spots});
  // [n, groups, channels of a group * taps, places] times [groups, out channels, …].
  const Ex taps = total.view({n, groups, channels / groups * kh * kw, oh * ow});
  const Ex kernel = weight.view({groups, out_channels / groups, channels / groups * kh * kw});
  Ex y = kernel.matmul(taps).view({n, out_channels, oh, ow});
  if (bias.v != nullptr) y = y + bias.view({int64_t{1}, out_channels, int64_t{1}, int64_t{1}});
  c.set(y);
}

constexpr RuleEntry kRules[] = {
    {"Conv", conv},
    {"ConvTranspose", conv_transpose},
    {"DeformConv", deform_conv},
};

}  // namespace

std::span<const RuleEntry> convolution_rules() { return kRules; }

}  // namespace pte::importers::onnx
