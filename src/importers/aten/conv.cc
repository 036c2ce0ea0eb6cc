// Convolutions in three dimensions and under their internal names; one and two dimensions have
// rows.
#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

struct Convolution {
  std::vector<int64_t> stride, padding, dilation, output_padding;
  bool transposed = false;
  Arg groups;
};

Results convolve(Scope& s, Expr x, const Convolution& c) {
  const size_t spatial = c.stride.size();
  if (s.x(1).rank() != spatial + 2 || (x.rank() != spatial + 2 && x.rank() != spatial + 1)) {
    s.invalid(fmt::format("a weight of rank {} and an input of rank {}", s.x(1).rank(), x.rank()));
    return {};
  }
  const bool batched = x.rank() == spatial + 2;
  if (!batched) x = unsqueeze(x, 0);
  const Expr made =
      s.call(Op::aten_convolution,
             {x, s.arg(1), s.arg(2), Arg::ints(c.stride), Arg::ints(c.padding),
              Arg::ints(c.dilation), Arg(c.transposed), Arg::ints(c.output_padding), c.groups});
  return {batched ? made : squeeze(made, 0)};
}

Results conv3d(Scope& s) {
  return convolve(
      s, s.x(0),
      {s.integers(3, 3), s.integers(4, 3), s.integers(5, 3), {0, 0, 0}, false, s.arg(6)});
}

// padding='same' keeps the size; the part that does not halve is padded at the end first.
Results conv3d_padding(Scope& s) {
  Convolution c{s.integers(3, 3), {0, 0, 0}, s.integers(5, 3), {0, 0, 0}, false, s.arg(6)};
  const std::string mode = s.text(4);
  if (!s.require(mode == "same" || mode == "valid", "padding '" + mode + "'")) return {};
  Expr x = s.x(0);
  if (mode == "same") {
    std::vector<int64_t> extra(6, 0);
    bool uneven = false;
    for (size_t i = 0; i < 3; ++i) {
      if (!s.require(c.stride[i] == 1, "padding 'same' with a stride")) return {};
      const int64_t span =
          c.dilation[i] * (s.fixed(s.x(1).size(static_cast<int64_t>(i) + 2), "a kernel") - 1);
      c.padding[i] = span / 2;
      extra[2 * (2 - i) + 1] = span % 2;
      uneven |= span % 2 != 0;
    }
    if (uneven) x = s.call(Op::aten_constant_pad_nd, {x, Arg::ints(extra), Arg(0)});
  }
  return convolve(s, x, c);
}

Results conv_transpose3d(Scope& s) {
  return convolve(
      s, s.x(0),
      {s.integers(3, 3), s.integers(4, 3), s.integers(7, 3), s.integers(5, 3), true, s.arg(6)});
}

// (input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, …)
Results convolution(Scope& s) {
  const size_t spatial = s.x(1).rank() < 3 ? 1 : s.x(1).rank() - 2;
  return convolve(s, s.x(0),
                  {s.integers(3, spatial), s.integers(4, spatial), s.integers(5, spatial),
                   s.integers(7, spatial), s.flag(6), s.arg(8)});
}

constexpr Composite kComposites[] = {
    {"aten::conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, SymInt[3] "
     "padding=0, SymInt[3] dilation=1, SymInt groups=1) -> Tensor",
     conv3d},
    {"aten::conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=1, str "
     "padding='valid', SymInt[3] dilation=1, SymInt groups=1) -> Tensor",
     conv3d_padding},
    {"aten::conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] "
     "stride=1, SymInt[3] padding=0, SymInt[3] output_padding=0, SymInt groups=1, SymInt[3] "
     "dilation=1) -> Tensor",
     conv_transpose3d},
    {"aten::_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] "
     "padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool "
     "benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32) -> Tensor",
     convolution},
    {"aten::_convolution.deprecated(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, "
     "SymInt[] padding, SymInt[] dilation, bool transposed, int[] output_padding, SymInt groups, "
     "bool benchmark, bool deterministic, bool cudnn_enabled) -> Tensor",
     convolution},
};

}  // namespace

std::span<const Composite> conv_composites() { return kComposites; }

}  // namespace pte::importers
