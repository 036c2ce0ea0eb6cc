// Operators of vision models: sampling on grids, regions, boxes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

// Coordinates in [-1, 1] as places between 0 and size - 1 (or the edges of the pixels there).
Ex unnormalised(const Ex& at, int64_t size, bool corners) {
  const auto n = static_cast<double>(size);
  return corners ? (at + 1.0) * ((n - 1) / 2) : ((at + 1.0) * n - 1.0) / 2.0;
}

// Places outside folded back: what lies beyond an edge is seen in a mirror there.
Ex reflected(const Ex& at, int64_t size, bool corners) {
  const double low = corners ? 0 : -0.5,
               span = corners ? static_cast<double>(size - 1) : static_cast<double>(size);
  if (span == 0) return at * 0.0;
  const Ex from = (at - low).abs();
  const Ex turns = (from / span).floor();
  const Ex rest = from - turns * span;
  const Ex odd = (turns - (turns / 2.0).floor() * 2.0) == 1.0;
  return at.e->where(odd, (span - rest) + low, rest + low);
}

// The elements of flat pictures [N, C, size…] at integer places (floats), zero where `keep` is not.
struct Grid {
  std::vector<int64_t> sizes;
  Ex flat;  // [N, C, product]
  int64_t n = 1, channels = 1, points = 1;
  std::string_view padding;
  bool corners = false;
};

Ex sample(NodeCall& c, const Grid& g, const std::vector<Ex>& places) {
  Ex index{&c.e, nullptr}, keep{&c.e, nullptr};
  for (size_t d = 0; d < places.size(); ++d) {
    const int64_t size = g.sizes[d];
    Ex at = places[d];
    if (g.padding == "border") {
      at = at.clamp(0.0, static_cast<double>(size - 1));
    } else if (g.padding == "reflection") {
      at = reflected(at, size, g.corners).clamp(0.0, static_cast<double>(size - 1));
    } else {
      const Ex inside = (at >= 0.0) && (at <= static_cast<double>(size - 1));
      keep = keep.v == nullptr ? inside : keep && inside;
      at = at.clamp(0.0, static_cast<double>(size - 1));
    }
    const Ex whole = at.round().cast(DType::kInt64);
    index = index.v == nullptr ? whole : index * static_cast<double>(size) + whole;
  }
  const Ex wide = index.view({g.n, int64_t{1}, g.points}).expand({g.n, g.channels, g.points});
  Ex y = c.e.call(Op::aten_gather, {g.flat.v, int64_t{2}, wide.v});
  if (keep.v != nullptr) y = y * keep.view({g.n, int64_t{1}, g.points}).cast(y.dtype());
  return y;
}

void grid_sample(NodeCall& c) {
  const Ex x = c.in(0), grid = c.in(1);
  std::string_view mode = c.s("mode", c.opset < 20 ? "bilinear" : "linear");
  if (mode == "bilinear") mode = "linear";
  if (mode == "bicubic") mode = "cubic";
  const std::string_view padding = c.s("padding_mode", "zeros");
  const bool corners = c.i("align_corners", 0) != 0;
  if (c.failed()) return;
  if (x.rank() < 3 || grid.rank() != x.rank())
    return c.fail(invalid_data("an input of rank {} and a grid of rank {}", x.rank(), grid.rank()));
  if (x.rank() == 4 && is_floating(x.dtype()) &&
      (mode == "linear" || mode == "nearest" || mode == "cubic")) {
    const int64_t how = mode == "linear" ? 0 : (mode == "nearest" ? 1 : 2);
    const int64_t pad = padding == "zeros" ? 0 : (padding == "border" ? 1 : 2);
    return c.set(c.e.call(Op::aten_grid_sampler_2d, {x.v, grid.v, how, pad, corners}));
  }
  const size_t spatial = x.rank() - 2;
  Grid g;
  g.padding = padding;
  g.corners = corners;
  g.n = x.fixed(0);
  g.channels = x.fixed(1);
  int64_t all = 1;
  for (size_t d = 0; d < spatial; ++d) {
    g.sizes.push_back(x.fixed(d + 2));
    all *= g.sizes.back();
    g.points *= grid.fixed(d + 1);
  }
  if (c.failed()) return;
  g.flat = x.view({g.n, g.channels, all});
  std::vector<Arg> out{Arg(g.n), Arg(g.channels)};
  for (size_t d = 0; d < spatial; ++d) out.push_back(grid.size_arg(d + 1));
  // The grid's last dimension counts from the last dimension of the picture.
  std::vector<Ex> at;
  for (size_t d = 0; d < spatial; ++d) {
    Ex place =
        unnormalised(grid.select(-1, static_cast<int64_t>(spatial - 1 - d)), g.sizes[d], corners);
    if (mode != "cubic" && padding == "border")
      place = place.clamp(0.0, static_cast<double>(g.sizes[d] - 1));
    if (mode != "cubic" && padding == "reflection") place = reflected(place, g.sizes[d], corners);
    at.push_back(place);
  }
  if (mode == "nearest") {
    for (Ex& place : at) place = place.round();
    return c.set(sample(c, g, at).view(out));
  }
  if (mode != "linear")
    return c.fail(unsupported("the mode '{}' over {} dimensions", mode.substr(0, 40), spatial));
  Ex total{&c.e, nullptr};
  for (size_t corner = 0; corner < (size_t{1} << spatial) && !c.failed(); ++corner) {
    std::vector<Ex> places;
    Ex share{&c.e, nullptr};
    for (size_t d = 0; d < spatial; ++d) {
      const Ex place = (corner >> d & 1) != 0 ? at[d].floor() + 1.0 : at[d].floor();
      const Ex part = 1.0 - (at[d] - place).abs();
      share = share.v == nullptr ? part : share * part;
      places.push_back(place);
    }
    const Ex y = sample(c, g, places) * share.view({g.n, int64_t{1}, g.points});
    total = total.v == nullptr ? y : total + y;
  }
  c.set(total.view(out));
}

void affine_grid(NodeCall& c) {
  const Ex theta = c.in(0);
  const std::vector<int64_t> size = c.ints(1);
  const bool corners = c.i("align_corners", 0) != 0;
  if (c.failed()) return;
  if (size.size() < 4 || size.size() > 5)
    return c.fail(invalid_data("a size of {} dimensions", size.size()));
  const size_t spatial = size.size() - 2;
  int64_t points = 1;
  for (size_t d = 0; d < spatial; ++d) {
    if (size[d + 2] < 1 || size[d + 2] > (1 << 20))
      return c.fail(invalid_data("a size of {}", size[d + 2]));
    points *= size[d + 2];
    if (points > (1 << 22)) return c.fail(unsupported("a grid of this size"));
  }
  // [points, spatial + 1]: x first, then y, and a 1.
  std::vector<float> base;
  for (int64_t i = 0; i < points; ++i) {
    std::vector<float> row;
    int64_t rest = i;
    for (size_t d = spatial; d-- > 0;) {
      const int64_t n = size[d + 2], k = rest % n;
      rest /= n;
      const auto steps = static_cast<double>(n);
      const double at = corners ? (n == 1 ? 0.0 : -1 + 2.0 * static_cast<double>(k) / (steps - 1))
                                : -1 + (2.0 * static_cast<double>(k) + 1) / steps;
      row.push_back(static_cast<float>(at));
    }
    base.insert(base.end(), row.begin(), row.end());
    base.push_back(1.0F);
  }
  const Ex grid =
      c.e.constant("grid", Tensor::of<float>({points, static_cast<int64_t>(spatial) + 1},
                                             std::span<const float>(base)))
          .cast(theta.dtype());
  std::vector<Arg> out{theta.size_arg(0)};
  for (size_t d = 0; d < spatial; ++d) out.emplace_back(size[d + 2]);
  out.emplace_back(static_cast<int64_t>(spatial));
  c.set(grid.matmul(theta.transpose(1, 2)).view(out));
}

// Sums columns of a picture's patches back into the picture.
void col2im(NodeCall& c) {
  const Ex x = c.in(0);
  const std::vector<int64_t> picture = c.ints(1), block = c.ints(2);
  if (c.failed()) return;
  const size_t spatial = picture.size();
  std::vector<int64_t> dilation = c.is("dilations"), pads = c.is("pads"), stride = c.is("strides");
  dilation.resize(spatial, 1);
  stride.resize(spatial, 1);
  pads.resize(2 * spatial, 0);
  int64_t taps = 1, places = 1, padded = 1;
  std::vector<int64_t> counts, sizes;
  if (block.size() != spatial || x.rank() != 3)
    return c.fail(invalid_data("blocks of {} dimensions", block.size()));
  for (size_t d = 0; d < spatial; ++d) {
    if (stride[d] < 1 || block[d] < 1 || dilation[d] < 1 || picture[d] < 1)
      return c.fail(invalid_data("a size of 0"));
    sizes.push_back(picture[d] + pads[d] + pads[spatial + d]);
    counts.push_back((sizes[d] - dilation[d] * (block[d] - 1) - 1) / stride[d] + 1);
    taps *= block[d];
    places *= counts[d];
    padded *= sizes[d];
    if (taps > (1 << 20) || places < 0 || places > (1 << 22) || padded > (1 << 24))
      return c.fail(unsupported("blocks of this size"));
  }
  if (taps * places > (1 << 24)) return c.fail(unsupported("blocks of this size"));
  std::vector<int64_t> index;
  for (int64_t t = 0; t < taps; ++t) {
    for (int64_t p = 0; p < places; ++p) {
      int64_t at = 0, step = 1, tap = t, place = p;
      for (size_t d = spatial; d-- > 0;) {
        at += (place % counts[d] * stride[d] + tap % block[d] * dilation[d]) * step;
        step *= sizes[d];
        place /= counts[d];
        tap /= block[d];
      }
      index.push_back(at);
    }
  }
  const int64_t n = x.fixed(0), channels = x.fixed(1) / taps;
  if (c.failed()) return;
  const Ex to =
      c.e.constant("places", Tensor::of<int64_t>({taps * places}, std::span<const int64_t>(index)))
          .view({int64_t{1}, int64_t{1}, taps * places})
          .expand({n, channels, taps * places});
  const Ex zeros = c.e.full({n, channels, padded}, 0, x.dtype());
  const Ex all = c.e.call(Op::aten_scatter_add,
                          {zeros.v, int64_t{2}, to.v, x.view({n, channels, taps * places}).v});
  std::vector<Arg> out{Arg(n), Arg(channels)};
  std::vector<int64_t> begin, end;
  for (size_t d = 0; d < spatial; ++d) {
    out.emplace_back(sizes[d]);
    begin.push_back(-pads[d]);
    end.push_back(-pads[spatial + d]);
  }
  c.set(pad_last(all.view(out), begin, end));
}

// Bilinear samples on a fixed number of points in every cell of every region.
void roi_align(NodeCall& c) {
  const Ex x = c.in(0), rois = c.in(1), batch = c.in(2).cast(DType::kInt64);
  const std::string_view how =
      c.s("coordinate_transformation_mode", c.opset < 16 ? "output_half_pixel" : "half_pixel");
  const double shift = how == "half_pixel" ? 0.5 : 0;
  const int64_t oh = c.i("output_height", 1), ow = c.i("output_width", 1),
                ratio = c.i("sampling_ratio", 0);
  const double scale = c.f("spatial_scale", 1.0);
  const bool largest = c.s("mode", "avg") == "max";
  const int64_t channels = x.fixed(1), h = x.fixed(2), w = x.fixed(3), count = rois.fixed(0);
  if (c.failed()) return;
  if (oh < 1 || ow < 1 || ratio < 0 || oh > 4096 || ow > 4096 || ratio > 64)
    return c.fail(invalid_data("an output of {}x{}", oh, ow));
  if (ratio == 0)
    return c.fail(
        unsupported("a number of samples that depends on each region (sampling_ratio 0)"));
  const Ex corners = rois * scale - shift;
  const Ex x1 = corners.select(1, int64_t{0}), y1 = corners.select(1, int64_t{1});
  Ex width = corners.select(1, int64_t{2}) - x1, height = corners.select(1, int64_t{3}) - y1;
  if (how != "half_pixel") {
    width = width.clamp(1.0, Arg());
    height = height.clamp(1.0, Arg());
  }
  // [regions, out * ratio] of places along each dimension.
  const auto places = [&](const Ex& start, const Ex& length, int64_t out) {
    std::vector<float> steps;
    for (int64_t i = 0; i < out * ratio; ++i)
      steps.push_back(
          static_cast<float>((static_cast<double>(i) + 0.5) / static_cast<double>(ratio)));
    const Ex step = c.e.constant("steps", Tensor::of<float>({int64_t{1}, out * ratio},
                                                            std::span<const float>(steps)))
                        .cast(x.dtype());
    return start.unsqueeze(1) + step * (length / static_cast<double>(out)).unsqueeze(1);
  };
  const Ex ys = places(y1, height, oh), xs = places(x1, width, ow);
  struct Side {
    Ex low, high, share, inside;
  };
  const auto side = [&](const Ex& at, int64_t size) {
    const auto top = static_cast<double>(size - 1);
    const Ex inside = (at >= -1.0) && (at <= static_cast<double>(size));
    const Ex clamped = at.clamp(0.0, Arg());
    const Ex low = clamped.floor().clamp(Arg(), top);
    const Ex high = (low + 1.0).clamp(Arg(), top);
    const Ex share = c.e.where(low >= top, c.e.full({}, 0, x.dtype()), clamped - low);
    return Side{low.cast(DType::kInt64), high.cast(DType::kInt64), share, inside.cast(x.dtype())};
  };
  const Side sy = side(ys, h), sx = side(xs, w);
  const Ex pictures = x.transpose(0, 1).view({channels, int64_t{-1}});  // [C, N * H * W]
  const int64_t rows = oh * ratio, columns = ow * ratio;
  const Ex base = (batch * static_cast<double>(h * w)).view({count, int64_t{1}, int64_t{1}});
  const auto pick = [&](const Ex& y, const Ex& z) {
    const Ex index = base + y.unsqueeze(2) * static_cast<double>(w) + z.unsqueeze(1);
    return c.e.call(Op::aten_index_select, {pictures.v, int64_t{1}, index.view({int64_t{-1}}).v})
        .view({channels, count, rows, columns});
  };
  const Ex ly = sy.share.unsqueeze(2), lx = sx.share.unsqueeze(1);
  const Ex hy = 1.0 - ly, hx = 1.0 - lx;
  const Ex inside = sy.inside.unsqueeze(2) * sx.inside.unsqueeze(1);
  const Ex a = pick(sy.low, sx.low) * (hy * hx), b = pick(sy.low, sx.high) * (hy * lx),
           d = pick(sy.high, sx.low) * (ly * hx), f = pick(sy.high, sx.high) * (ly * lx);
  // The largest of the weighted neighbours is what ONNX means by max.
  const Ex value = largest ? c.e.maximum(c.e.maximum(a, b), c.e.maximum(d, f)) : a + b + d + f;
  const Ex cells = (value * inside).view({channels, count, oh, ratio, ow, ratio});
  c.set((largest ? cells.amax({3, 5}, false) : cells.mean({3, 5}, false)).transpose(0, 1));
}

// Boxes by score, each that overlaps a better one too much left out: step by step over the boxes,
// for all batches and classes at once.
void non_max_suppression(NodeCall& c) {
  const Ex boxes = c.in(0), scores = c.in(1);
  const int64_t most =
      c.has(2) ? (c.numbers(2).empty() ? 0 : static_cast<int64_t>(c.numbers(2)[0])) : 0;
  const double overlap = c.has(3) ? (c.numbers(3).empty() ? 0 : c.numbers(3)[0]) : 0;
  const bool limited = c.has(4);
  const double least = limited ? (c.numbers(4).empty() ? 0 : c.numbers(4)[0]) : 0;
  const int64_t batches = boxes.fixed(0), count = boxes.fixed(1), classes = scores.fixed(1);
  if (c.failed()) return;
  const int64_t picked = std::min(most, count);
  if (picked <= 0) return c.set(c.e.full({int64_t{0}, int64_t{3}}, 0, DType::kInt64));
  if (count > 4096 || picked > 512)
    return c.fail(unsupported("a choice of {} from {} boxes", picked, count));
  // Corners in order, whichever way they are given.
  const Ex p = boxes.select(2, int64_t{0}), q = boxes.select(2, int64_t{1}),
           r = boxes.select(2, int64_t{2}), s = boxes.select(2, int64_t{3});
  Ex y1{&c.e, nullptr}, x1 = y1, y2 = y1, x2 = y1;
  if (c.i("center_point_box", 0) != 0) {
    x1 = p - r / 2.0, x2 = p + r / 2.0, y1 = q - s / 2.0, y2 = q + s / 2.0;
  } else {
    y1 = c.e.minimum(p, r), y2 = c.e.maximum(p, r), x1 = c.e.minimum(q, s), x2 = c.e.maximum(q, s);
  }
  const Ex area = (y2 - y1) * (x2 - x1);
  const auto pairs = [&](const Ex& low, const Ex& high) {
    const Ex from = c.e.maximum(low.unsqueeze(2), low.unsqueeze(1)),
             to = c.e.minimum(high.unsqueeze(2), high.unsqueeze(1));
    return (to - from).clamp(0.0, Arg());
  };
  const Ex shared = pairs(y1, y2) * pairs(x1, x2);
  const Ex whole = area.unsqueeze(2) + area.unsqueeze(1) - shared;
  // [batch, box, box]: too much in common. Empty boxes overlap nothing.
  const Ex near =
      ((shared / whole) > overlap).unsqueeze(1).expand({batches, classes, count, count});
  const double never = -std::numeric_limits<double>::infinity();
  const Ex out = c.e.full({}, never, scores.dtype());
  Ex left = limited ? c.e.where(scores > least, scores, out) : scores;
  const Ex numbers = c.e.arange(int64_t{0}, count).view({int64_t{1}, int64_t{1}, count});
  std::vector<Ex> chosen, alive;
  for (int64_t k = 0; k < picked && !c.failed(); ++k) {
    const Ex best = c.e.call(Op::aten_argmax, {left.v, int64_t{2}, true});
    const Ex score = c.e.call(Op::aten_gather, {left.v, int64_t{2}, best.v});
    alive.push_back(score > never);
    chosen.push_back(best);
    const Ex wide = best.unsqueeze(3).expand({batches, classes, int64_t{1}, count});
    const Ex close = c.e.call(Op::aten_gather, {near.v, int64_t{2}, wide.v}).squeeze(2);
    left = c.e.where(close || (numbers == best), out, left);
  }
  const Ex box = c.e.cat(chosen, 2), valid = c.e.cat(alive, 2);
  const std::vector<Arg> shape{Arg(batches), Arg(classes), Arg(picked)};
  const Ex b =
      c.e.arange(int64_t{0}, batches).view({batches, int64_t{1}, int64_t{1}}).expand(shape);
  const Ex k =
      c.e.arange(int64_t{0}, classes).view({int64_t{1}, classes, int64_t{1}}).expand(shape);
  const Ex rows = c.e.stack({b, k, box}, 3).view({int64_t{-1}, int64_t{3}});
  const Ex places = c.e.call(Op::aten_nonzero, {valid.view({int64_t{-1}}).v}).select(1, int64_t{0});
  c.set(c.e.call(Op::aten_index_select, {rows.v, int64_t{0}, places.v}));
}

constexpr RuleEntry kRules[] = {
    {"GridSample", grid_sample},
    {"AffineGrid", affine_grid},
    {"Col2Im", col2im},
    {"RoiAlign", roi_align},
    {"NonMaxSuppression", non_max_suppression},
};

}  // namespace

std::span<const RuleEntry> vision_rules() { return kRules; }

}  // namespace pte::importers::onnx
