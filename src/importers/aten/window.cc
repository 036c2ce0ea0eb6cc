// Windows of pictures as columns and back, padding, and turning round.
#include <algorithm>
#include <limits>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

constexpr int64_t kToEnd = std::numeric_limits<int64_t>::max();

// Windows of the last two dimensions as columns: [N, C·kh·kw, L].
Results im2col(Scope& s) {
  Expr x = s.x(0);
  const bool batched = x.rank() == 4;
  if (!s.require(batched || x.rank() == 3, "an operand of this rank")) return {};
  if (!batched) x = unsqueeze(x, 0);
  const auto kernel = s.integers(1, 2), dilation = s.integers(2, 2), padding = s.integers(3, 2),
             stride = s.integers(4, 2);
  x = s.call(Op::aten_constant_pad_nd,
             {x, Arg::ints({padding[1], padding[1], padding[0], padding[0]}), Arg(0)});
  for (size_t i = 0; i < 2; ++i) {
    const auto dim = static_cast<int64_t>(i) + 2;
    const int64_t span = dilation[i] * (kernel[i] - 1) + 1;
    x = s.call(Op::aten_unfold_copy, {x, dim, span, stride[i]});
    if (dilation[i] != 1) x = slice(x, -1, 0, kToEnd, dilation[i]);
  }
  const SymInt channels = x.size(1), count = x.size(2) * x.size(3);
  Expr made = view(permute(x, {0, 1, 4, 5, 2, 3}),
                   {x.size(0), channels * SymInt(kernel[0] * kernel[1]), count});
  return {batched ? made : squeeze(made, 0)};
}

// The way back: windows are added where they overlap.
Results col2im(Scope& s) {
  Expr x = s.x(0);
  const bool batched = x.rank() == 3;
  if (!s.require(batched || x.rank() == 2, "an operand of this rank")) return {};
  if (!batched) x = unsqueeze(x, 0);
  const auto output = s.integers(1, 2), kernel = s.integers(2, 2), dilation = s.integers(3, 2),
             padding = s.integers(4, 2), stride = s.integers(5, 2);
  std::vector<int64_t> blocks(2);
  Exprs places;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t span = dilation[i] * (kernel[i] - 1) + 1;
    const int64_t room = output[i] + 2 * padding[i] - span;
    if (room < 0 || stride[i] < 1 || kernel[i] < 1) {
      s.invalid("a window larger than the picture");
      return {};
    }
    blocks[i] = room / stride[i] + 1;
    if (!s.bounded(blocks[i], "windows in a row") || !s.bounded(kernel[i], "rows of a window"))
      return {};
    std::vector<int64_t> index;
    for (int64_t k = 0; k < kernel[i]; ++k) {
      for (int64_t b = 0; b < blocks[i]; ++b) index.push_back(k * dilation[i] + b * stride[i]);
    }
    places.push_back(s.constant(index));
  }
  const int64_t window = kernel[0] * kernel[1];
  const SymInt channels = SymInt::floordiv(x.size(1), window);
  // [N, C, kh, kw, bh, bw] → [N, C, kh·bh, kw·bw]
  const Expr grid = view(x, {x.size(0), channels, kernel[0], kernel[1], blocks[0], blocks[1]});
  const Expr values = view(permute(grid, {0, 1, 2, 4, 3, 5}),
                           {x.size(0), channels, kernel[0] * blocks[0], kernel[1] * blocks[1]});
  const int64_t height = output[0] + 2 * padding[0], width = output[1] + 2 * padding[1];
  const Expr empty = s.full({x.size(0), channels, height, width}, 0.0, x.dtype(), values);
  Expr made =
      s.call(Op::aten_index_put,
             {empty, ArgList{Arg(), Arg(), unsqueeze(places[0], 1), places[1]}, values, Arg(true)});
  made = slice(slice(made, 2, padding[0], padding[0] + output[0]), 3, padding[1],
               padding[1] + output[1]);
  return {batched ? made : squeeze(made, 0)};
}

// ---- padding

Expr circular(Scope& s, Expr x, const ArgList& pad) {
  const auto count = static_cast<int64_t>(pad.size() / 2);
  for (int64_t i = 0; i < count; ++i) {
    const auto before = pad[static_cast<size_t>(2 * i)].integer();
    const auto after = pad[static_cast<size_t>(2 * i + 1)].integer();
    if (!before || !after) {
      s.refuse("circular padding that depends on the input");
      return {};
    }
    const int64_t dim = -1 - i;
    Expr middle = x;
    if (*before < 0 || *after < 0)
      middle = slice(x, dim, std::max<int64_t>(-*before, 0), *after < 0 ? *after : kToEnd);
    Exprs parts;
    if (*before > 0) parts.push_back(slice(x, dim, -*before, kToEnd));
    parts.push_back(middle);
    if (*after > 0) parts.push_back(slice(x, dim, 0, *after));
    x = cat(parts, dim);
  }
  return x;
}

// Zeros or another number around; negative paddings crop, which the official kernel does not do.
Expr constant_pad(Scope& s, Expr x, const Arg& padding, const Arg& value) {
  ArgList pad = padding.list() == nullptr ? ArgList() : *padding.list();
  if (pad.size() % 2 != 0 || pad.size() / 2 > x.rank()) {
    s.invalid("an odd or too long list of paddings");
    return {};
  }
  bool pads = false;
  for (size_t i = 0; i < pad.size(); i += 2) {
    const auto before = pad[i].integer(), after = pad[i + 1].integer();
    const bool crops_before = before && *before < 0, crops_after = after && *after < 0;
    if (crops_before || crops_after) {
      x = slice(x, -1 - static_cast<int64_t>(i / 2), crops_before ? -*before : 0,
                crops_after ? *after : kToEnd);
    }
    if (crops_before) pad[i] = Arg(0);
    if (crops_after) pad[i + 1] = Arg(0);
    pads |= pad[i].integer() != 0 || pad[i + 1].integer() != 0;
  }
  if (!pads) return x.value() == s.arg(0).value() ? s.call(Op::aten_clone, {x}) : x;
  return s.call(Op::aten_constant_pad_nd, {x, std::move(pad), value});
}

// (self, shifts, dims): without dims as one row.
Results roll(Scope& s) {
  const Expr x = s.x(0);
  const ArgList* dims = s.arg(2).list();
  if (dims != nullptr && !dims->empty()) return {s.call(Op::aten_roll, s.args())};
  const Expr row = view(x, {x.numel()});
  return {view(s.call(Op::aten_roll, {row, s.arg(1), Arg::ints({0})}), x.sizes())};
}

Results pad(Scope& s) {
  const Expr x = s.x(0);
  const std::string mode = s.text(2);
  const ArgList* pad = s.arg(1).list();
  if (pad == nullptr || pad->size() % 2 != 0 || pad->size() / 2 > x.rank()) {
    s.invalid("an odd or too long list of paddings");
    return {};
  }
  if (mode == "constant") {
    return {constant_pad(s, x, s.arg(1), s.given(3) ? s.arg(3) : Arg(0))};
  }
  if (mode == "circular") return {circular(s, x, *pad)};
  const size_t dims = pad->size() / 2;
  if (!s.require((mode == "reflect" || mode == "replicate") && dims >= 1 && dims <= 3,
                 "padding '" + mode + "' of this many dimensions")) {
    return {};
  }
  constexpr Op kReflect[] = {Op::aten_reflection_pad1d, Op::aten_reflection_pad2d,
                             Op::aten_reflection_pad3d};
  constexpr Op kReplicate[] = {Op::aten_replication_pad1d, Op::aten_replication_pad2d,
                               Op::aten_replication_pad3d};
  return {s.call((mode == "reflect" ? kReflect : kReplicate)[dims - 1], {x, s.arg(1)})};
}

constexpr Composite kComposites[] = {
    {"aten::im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] "
     "stride) -> Tensor",
     im2col},
    {"aten::col2im(Tensor self, SymInt[2] output_size, int[2] kernel_size, int[2] dilation, int[2] "
     "padding, int[2] stride) -> Tensor",
     col2im},
    {"aten::pad(Tensor self, SymInt[] pad, str mode='constant', float? value=None) -> Tensor", pad},
    {"aten::constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor",
     [](Scope& s) -> Results { return {constant_pad(s, s.x(0), s.arg(1), s.arg(2))}; }},
    {"aten::roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", roll},
    {"aten::_pad_circular(Tensor self, SymInt[] pad) -> Tensor",
     [](Scope& s) -> Results {
       const ArgList* pad = s.arg(1).list();
       return {pad == nullptr ? Expr() : circular(s, s.x(0), *pad)};
     }},
};

}  // namespace

std::span<const Composite> window_composites() { return kComposites; }

}  // namespace pte::importers
