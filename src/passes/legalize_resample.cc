// Resampling: products with constant matrices where it is linear in each dimension, else elements
// gathered from computed places.
#include <algorithm>
#include <cmath>

#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

// Row i of the result is a blend of rows of the operand, by the cubic of a = -0.5, stretched when
// the result is smaller.
std::vector<float> cubic_matrix(int64_t in, int64_t out, double scale) {
  constexpr double kA = -0.5;
  const auto cubic = [](double x) {
    x = std::abs(x);
    if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
    return 0.0;
  };
  const double stretch = std::max(scale, 1.0);
  const double support = 2 * stretch;
  std::vector<float> matrix(static_cast<size_t>(in * out), 0.0F);
  for (int64_t i = 0; i < out; ++i) {
    const double center = scale * (static_cast<double>(i) + 0.5);
    const auto begin = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const auto end = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in);
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      sum += cubic((static_cast<double>(j) - center + 0.5) / stretch);
    }
    for (int64_t j = begin; j < end && sum != 0; ++j) {
      matrix[static_cast<size_t>(i * in + j)] =
          static_cast<float>(cubic((static_cast<double>(j) - center + 0.5) / stretch) / sum);
    }
  }
  return matrix;
}

Result<Replacement> bicubic_antialias(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  PTE_TRY(const std::vector<int64_t> out, r.ints(1, 2));
  if (*element_count(sizes) == 0 || sizes.size() != 4) return r.not_supported("an empty operand");
  const bool corners = r.arg(2).boolean().value_or(false);
  for (const size_t d : {size_t{0}, size_t{1}}) PTE_CHECK(check_work(r, {sizes[2 + d], out[d]}));
  const auto scale = [&](size_t d) {
    const double in = static_cast<double>(sizes[2 + d]);
    if (corners) return out[d] > 1 ? (in - 1) / static_cast<double>(out[d] - 1) : 0.0;
    const auto given = r.arg(3 + d).number();
    return given && *given > 0 ? 1 / *given : in / static_cast<double>(out[d]);
  };
  if (corners) return r.not_supported("aligned corners");
  Maker m(r);
  const DType dtype = r.type(0).dtype;
  const int64_t planes = sizes[0] * sizes[1];
  const auto matrix = [&](size_t d) {
    const std::vector<float> values = cubic_matrix(sizes[2 + d], out[d], scale(d));
    return m.cast(m.constant("resample", Tensor::of<float>({out[d], sizes[2 + d]},
                                                           std::span<const float>(values))),
                  dtype);
  };
  Value* rows = m.view(r.input(0), Sizes{planes * sizes[2], sizes[3]});
  Value* narrow = m.call(Op::aten_mm, {rows, m.permute(matrix(1), {1, 0})});
  Value* turned = m.permute(m.view(narrow, Sizes{planes, sizes[2], out[1]}), {0, 2, 1});
  Value* low = m.call(Op::aten_mm, {m.view(turned, Sizes{planes * out[1], sizes[2]}),
                                    m.permute(matrix(0), {1, 0})});
  Value* back = m.permute(m.view(low, Sizes{planes, out[1], out[0]}), {0, 2, 1});
  return m.done(m.view(back, Sizes{sizes[0], sizes[1], out[0], out[1]}));
}

// ---- sampling a volume at the places of a grid

enum Interpolation { kLinear = 0, kNearest = 1 };
enum Padding { kZeros = 0, kBorder = 1, kReflection = 2 };

// [-1, 1] as places along a dimension of `size` elements, those outside brought back in.
Value* place_along(Maker& m, Value* g, int64_t size, int64_t padding, bool corners) {
  const auto extent = static_cast<double>(size);
  Value* x = corners ? m.mul(m.add(g, Arg(1.0)), Arg((extent - 1) / 2))
                     : m.sub(m.mul(m.add(g, Arg(1.0)), Arg(extent / 2)), Arg(0.5));
  if (padding == kReflection) {
    const double least = corners ? 0 : -0.5;
    const double span = corners ? extent - 1 : extent;
    if (span <= 0) {
      x = m.mul(x, Arg(0.0));
    } else {
      Value* from = m.abs(m.sub(x, Arg(least)));
      Value* turns = m.floor(m.div(from, Arg(span)));
      Value* rest = m.sub(from, m.mul(turns, Arg(span)));
      Value* odd = m.sub(turns, m.mul(m.floor(m.mul(turns, Arg(0.5))), Arg(2.0)));
      x = m.add(m.where(m.gt(odd, Arg(0.5)), m.rsub(rest, Arg(span)), rest), Arg(least));
    }
  }
  // NaN lies outside, or at the end where everything is brought back in.
  const bool zeros = padding == kZeros;
  Value* held =
      m.call(Op::aten_clamp, {x, Arg(zeros ? -2.0 : 0.0), Arg(zeros ? extent + 1 : extent - 1)});
  return m.where(m.isnan(x), Arg(zeros ? -2.0 : extent - 1), held);
}

Result<Replacement> grid_sampler_3d(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  PTE_TRY(const Sizes grid, known_sizes(r, 1));
  const auto interpolation = r.arg(2).integer();
  const auto padding = r.arg(3).integer();
  if (!interpolation || !padding || *interpolation > kNearest || *element_count(sizes) == 0 ||
      *element_count(grid) == 0) {
    return r.not_supported("an empty operand, or an interpolation that is not known");
  }
  Maker m(r);
  const DType dtype = r.type(0).dtype;
  const int64_t points = grid[1] * grid[2] * grid[3];
  const int64_t volume = sizes[2] * sizes[3] * sizes[4];
  Value* flat = m.view(r.input(0), Sizes{sizes[0], sizes[1], volume});
  // Along depth, height and width: the two places around each point and their shares.
  struct Side {
    Value* at;
    Value* share;
  };
  std::vector<std::vector<Side>> sides(3);
  for (size_t d = 0; d < 3; ++d) {
    Value* g = m.view(m.select(r.input(1), 4, Arg(static_cast<int64_t>(2 - d))),
                      Sizes{grid[0], 1, points});
    Value* x = place_along(m, g, sizes[2 + d], *padding, r.arg(4).boolean().value_or(false));
    if (*interpolation == kNearest) {
      Value* whole = m.unary(Op::aten_round, x);
      sides[d].push_back({whole, nullptr});
    } else {
      Value* whole = m.floor(x);
      Value* share = m.sub(x, whole);
      sides[d].push_back({whole, m.rsub(share, Arg(1.0))});
      sides[d].push_back({m.add(whole, Arg(1.0)), share});
    }
  }
  Value* total = nullptr;
  for (const Side& z : sides[0]) {
    for (const Side& y : sides[1]) {
      for (const Side& x : sides[2]) {
        Value* place = nullptr;
        Value* share = nullptr;
        const Side* const corner[] = {&z, &y, &x};
        for (size_t d = 0; d < 3; ++d) {
          const Side& side = *corner[d];
          const Arg last(static_cast<double>(sizes[2 + d] - 1));
          // Held twice: NaN becomes some integer.
          Value* at = m.cast(m.call(Op::aten_clamp, {side.at, Arg(0.0), last}), DType::kInt64);
          at = m.call(Op::aten_clamp, {at, Arg(0), Arg(sizes[2 + d] - 1)});
          place = place == nullptr ? at : m.add(m.mul(place, Arg(sizes[2 + d])), at);
          // What lies outside counts nothing.
          Value* inside = m.cast(m.both(m.ge(side.at, Arg(0.0)), m.le(side.at, last)), dtype);
          Value* part = side.share == nullptr ? inside : m.mul(inside, side.share);
          share = share == nullptr ? part : m.mul(share, part);
        }
        Value* value = m.gather(flat, 2, m.expand(place, {sizes[0], sizes[1], points}));
        value = m.mul(value, share);
        total = total == nullptr ? value : m.add(total, value);
      }
    }
  }
  return m.done(m.view(total, Sizes{sizes[0], sizes[1], grid[1], grid[2], grid[3]}));
}

}  // namespace

std::span<const RuleEntry> legal_resample_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten__upsample_bicubic2d_aa, bicubic_antialias},
      {Op::aten_grid_sampler_3d, grid_sampler_3d},
  };
  return kRules;
}

}  // namespace pte::passes
