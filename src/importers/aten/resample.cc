// Changing the size of pictures: nearest, linear, cubic, with and without antialiasing, and grids
// for sampling.
//
// Interpolation along one dimension is a product with a matrix of the shares that inputs have in
// outputs. Two dimensions have rows for the common kinds; those take their part here too.
#include <algorithm>
#include <cmath>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

// What a scale may make of a dimension.
constexpr double kLargestSize = 1 << 26;

enum class Kind { kNearest, kNearestExact, kLinear, kCubic };

struct Axis {
  SymInt in, out;
  std::optional<double> factor;  // out / in as the caller gave it
};

// Sizes and factors from (…, output_size, …, scale_factors), either of them none.
std::vector<Axis> axes_of(Scope& s, const Expr& x, size_t spatial, size_t size, size_t factors) {
  std::vector<Axis> axes;
  if (x.rank() != spatial + 2) {
    s.invalid(fmt::format("an operand of rank {}", x.rank()));
    return std::vector<Axis>(spatial);
  }
  const auto scales = s.given(factors) ? s.numbers(factors) : std::vector<double>();
  const SymSizes sizes = s.given(size) ? s.sizes(size) : SymSizes();
  if (sizes.empty() == scales.empty() || (!sizes.empty() && sizes.size() != spatial) ||
      (!scales.empty() && scales.size() != spatial)) {
    s.invalid("either sizes or scale factors are needed, one a dimension");
    return std::vector<Axis>(spatial);
  }
  for (size_t i = 0; i < spatial; ++i) {
    Axis axis;
    axis.in = x.size(static_cast<int64_t>(i) + 2);
    if (!sizes.empty()) {
      axis.out = sizes[i];
    } else {
      axis.factor = scales[i];
      const auto in = axis.in.constant();
      const double rounded = std::nearbyint(scales[i]);
      const double wanted = in ? std::floor(static_cast<double>(*in) * scales[i]) : 0;
      if (!(std::fabs(wanted) <= kLargestSize)) {
        s.refuse("a scale that gives no size");
      } else if (in) {
        axis.out = static_cast<int64_t>(wanted);
      } else if (rounded == scales[i] && rounded >= 1 && rounded < 1e6) {
        axis.out = axis.in * SymInt(static_cast<int64_t>(rounded));
      } else {
        s.refuse("a fractional scale of a size that depends on the input");
      }
    }
    axes.push_back(axis);
  }
  return axes;
}

// From (self, output_size, …, scale a dimension …).
std::vector<Axis> axes_of_sizes(Scope& s, const Expr& x, size_t spatial, size_t size,
                                size_t first_scale) {
  const SymSizes sizes = s.sizes(size);
  if (x.rank() != spatial + 2 || sizes.size() != spatial) {
    s.invalid(fmt::format("an operand of rank {}", x.rank()));
    return std::vector<Axis>(spatial);
  }
  std::vector<Axis> axes;
  for (size_t i = 0; i < spatial; ++i) {
    Axis axis{x.size(static_cast<int64_t>(i) + 2), sizes[i], std::nullopt};
    if (s.given(first_scale + i)) axis.factor = s.number(first_scale + i);
    axes.push_back(axis);
  }
  return axes;
}

// Input elements a output element, in float as PyTorch has it.
float step_of(int64_t in, int64_t out, const Axis& axis, bool align_corners) {
  if (align_corners)
    return out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0.0F;
  if (axis.factor && *axis.factor > 0) return static_cast<float>(1.0 / *axis.factor);
  return static_cast<float>(in) / static_cast<float>(out);
}

float place_of(int64_t at, float step, bool align_corners, Kind kind) {
  const auto x = static_cast<float>(at);
  switch (kind) {
    case Kind::kNearest:
      return x * step;
    case Kind::kNearestExact:
      return (x + 0.5F) * step;
    case Kind::kLinear:
      return align_corners ? x * step : std::max(step * (x + 0.5F) - 0.5F, 0.0F);
    case Kind::kCubic:
      return align_corners ? x * step : step * (x + 0.5F) - 0.5F;
  }
  return x;
}

double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

constexpr int64_t kLargestMatrix = 1 << 24;

bool sizes_fit(Scope& s, int64_t in, int64_t out) {
  constexpr int64_t kLongest = 1 << 20;
  return s.require(
      in >= 1 && out >= 1 && in <= kLongest && out <= kLongest && in * out <= kLargestMatrix,
      "a picture of this size");
}

// [out, in]: what each input has of each output.
std::vector<double> shares(int64_t in, int64_t out, float step, bool align_corners, Kind kind) {
  std::vector<double> matrix(static_cast<size_t>(in * out), 0.0);
  const auto put = [&](int64_t row, int64_t column, double share) {
    column = std::clamp<int64_t>(column, 0, in - 1);
    matrix[static_cast<size_t>(row * in + column)] += share;
  };
  for (int64_t row = 0; row < out; ++row) {
    const float place = place_of(row, step, align_corners, kind);
    const float start = std::floor(place);
    const double rest = static_cast<double>(place - start);
    const auto first = static_cast<int64_t>(start);
    if (kind == Kind::kLinear) {
      put(row, first, 1 - rest);
      put(row, first + 1, rest);
    } else {
      for (int64_t tap = -1; tap <= 2; ++tap)
        put(row, first + tap, cubic(rest - static_cast<double>(tap), -0.75));
    }
  }
  return matrix;
}

// The same with a filter as wide as the output's elements are in the input.
std::vector<double> smooth_shares(int64_t in, int64_t out, float step, Kind kind) {
  std::vector<double> matrix(static_cast<size_t>(in * out), 0.0);
  const double width = std::max(static_cast<double>(step), 1.0);
  const double support = (kind == Kind::kCubic ? 2.0 : 1.0) * width;
  for (int64_t row = 0; row < out; ++row) {
    const double center = static_cast<double>(step) * (static_cast<double>(row) + 0.5);
    const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in);
    double total = 0;
    for (int64_t i = first; i < last; ++i) {
      const double x = (static_cast<double>(i) - center + 0.5) / width;
      const double share = kind == Kind::kCubic ? cubic(x, -0.5) : std::max(0.0, 1 - std::abs(x));
      matrix[static_cast<size_t>(row * in + i)] = share;
      total += share;
    }
    for (int64_t i = first; i < last && total != 0; ++i)
      matrix[static_cast<size_t>(row * in + i)] /= total;
  }
  return matrix;
}

Expr times_matrix(Scope& s, const Expr& x, int64_t dim, const std::vector<double>& matrix,
                  int64_t in, int64_t out) {
  // Transposed, so that the product reads rows of both.
  std::vector<double> turned(matrix.size());
  for (int64_t i = 0; i < out; ++i) {
    for (int64_t j = 0; j < in; ++j)
      turned[static_cast<size_t>(j * out + i)] = matrix[static_cast<size_t>(i * in + j)];
  }
  const Expr weights = s.constant(turned, {in, out}, x.dtype());
  const bool last = dim + 1 == static_cast<int64_t>(x.rank());
  const Expr product = matmul(last ? x : transpose(x, dim, -1), weights);
  return last ? product : transpose(product, dim, -1);
}

// Where sizes are known at run time only: places computed there, and elements taken from them.
Expr resized_at_run_time(Scope& s, const Expr& x, int64_t dim, const Axis& axis, bool align_corners,
                         Kind kind) {
  Expr places = s.arange(axis.out, DType::kFloat32, x);
  const Arg in = s.size_arg(axis.in, x), out = s.size_arg(axis.out, x);
  Arg step;
  if (!align_corners && axis.factor) {
    step = Arg(static_cast<double>(static_cast<float>(1 / *axis.factor)));
  } else {
    const SymInt one = align_corners ? 1 : 0;
    const auto ratio = s.maker().call(
        Op::operator_truediv,
        {s.size_arg(axis.in - one, x), s.size_arg(SymInt::max(axis.out - one, 1), x)}, "step");
    if (!ratio) {
      s.fail(ratio.error());
      return {};
    }
    step = Arg(*ratio);
  }
  const bool centred = kind == Kind::kNearestExact || (kind != Kind::kNearest && !align_corners);
  if (centred) places = places + Arg(0.5);
  places = mul(places, step);
  if (kind == Kind::kLinear && !align_corners) places = clamp(places - Arg(0.5), 0, Arg());
  if (kind == Kind::kCubic && !align_corners) places = places - Arg(0.5);
  const Expr start = floor(places);
  const Arg last = s.size_arg(axis.in - SymInt(1), x);
  const auto taken = [&](int64_t tap) {
    const Expr index = clamp(cast(start, DType::kInt64) + Arg(tap), 0, last);
    return index_select(x, dim, index);
  };
  if (kind == Kind::kNearest || kind == Kind::kNearestExact) return taken(0);
  SymSizes sizes(x.rank(), SymInt(1));
  if (dim < static_cast<int64_t>(sizes.size())) sizes[static_cast<size_t>(dim)] = axis.out;
  const Expr rest = cast(view(places - start, sizes), x.dtype());
  if (kind == Kind::kLinear) {
    const Expr a = taken(0);
    return a + (taken(1) - a) * rest;
  }
  constexpr double kA = -0.75;
  const auto near = [&](const Expr& t) {
    return ((t * Arg(kA + 2) - Arg(kA + 3)) * t) * t + Arg(1);
  };
  const auto far = [&](const Expr& t) {
    return ((t * Arg(kA) - Arg(5 * kA)) * t + Arg(8 * kA)) * t - Arg(4 * kA);
  };
  const Expr other = Arg(1) - rest;
  return taken(-1) * far(rest + Arg(1)) + taken(0) * near(rest) + taken(1) * near(other) +
         taken(2) * far(other + Arg(1));
}

Expr resized(Scope& s, const Expr& x, int64_t dim, const Axis& axis, bool align_corners, Kind kind,
             bool smooth = false) {
  const auto in = axis.in.constant(), out = axis.out.constant();
  if (!in || !out) {
    if (!s.require(!smooth, "antialiasing of a size that depends on the input")) return {};
    return resized_at_run_time(s, x, dim, axis, align_corners, kind);
  }
  if (!sizes_fit(s, *in, *out)) return {};
  const float step = step_of(*in, *out, axis, align_corners);
  if (*in == *out && step == 1.0F) return x;
  if (kind == Kind::kNearest || kind == Kind::kNearestExact) {
    std::vector<int64_t> index;
    for (int64_t i = 0; i < *out; ++i) {
      const float place = std::floor(place_of(i, step, false, kind));
      index.push_back(std::clamp<int64_t>(static_cast<int64_t>(place), 0, *in - 1));
    }
    return index_select(x, dim, s.constant(index));
  }
  return times_matrix(
      s, x, dim,
      smooth ? smooth_shares(*in, *out, step, kind) : shares(*in, *out, step, align_corners, kind),
      *in, *out);
}

Results resized(Scope& s, const std::vector<Axis>& axes, bool align_corners, Kind kind,
                bool smooth = false) {
  const Expr x = s.x(0);
  const bool nearest = kind == Kind::kNearest || kind == Kind::kNearestExact;
  Expr made = nearest ? x : widened(x);
  for (size_t i = axes.size(); i-- > 0 && s.ok();)
    made = resized(s, made, static_cast<int64_t>(i) + 2, axes[i], align_corners, kind, smooth);
  if (made.value() == x.value()) made = s.call(Op::aten_clone, {x});
  return {cast(made, x.dtype())};
}

// One dimension by the row for two, the other of size 1.
Results by_plane(Scope& s, Op row, bool linear) {
  const Expr x = s.x(0);
  const size_t factors = linear ? 3 : 2;
  if (!s.require(x.rank() == 3, "an operand of this rank")) return {};
  std::vector<Arg> args{unsqueeze(x, 2), Arg(), Arg()};
  if (linear) args.insert(args.begin() + 2, s.arg(2));
  if (const ArgList* sizes = s.arg(1).list(); sizes != nullptr && sizes->size() == 1)
    args[1] = ArgList{Arg(1), (*sizes)[0]};
  if (const ArgList* scales = s.arg(factors).list(); scales != nullptr && scales->size() == 1)
    args[factors] = ArgList{Arg(1.0), (*scales)[0]};
  return {squeeze(s.call(row, std::move(args)), 2)};
}

// Three dimensions: the last two by the row of their own, then the first.
Results by_slices(Scope& s, const std::vector<Axis>& axes, Op row, bool align_corners, Kind kind) {
  const Expr x = s.x(0);
  if (x.rank() != 5 || axes.size() != 3) return {};
  const SymInt channels = x.size(1) * x.size(2);
  const bool linear = kind == Kind::kLinear;
  const bool scaled = axes[1].factor && axes[2].factor;
  Arg sizes, scales;
  if (scaled) {
    scales = Arg::doubles({*axes[1].factor, *axes[2].factor});
  } else {
    sizes = s.size_args({axes[1].out, axes[2].out}, x);
  }
  std::vector<Arg> args{view(x, {x.size(0), channels, x.size(3), x.size(4)}), sizes, scales};
  if (linear) args.insert(args.begin() + 2, Arg(align_corners));
  const Expr plane = s.call(row, std::move(args));
  const Expr whole = view(plane, {x.size(0), x.size(1), x.size(2), plane.size(2), plane.size(3)});
  return {resized(s, whole, 2, axes[0], align_corners, kind)};
}

// (self, output_size, [align_corners,] scale a dimension): the row where no scale is given.
Results sized(Scope& s, Op row, bool linear, Kind kind) {
  const size_t first = linear ? 3 : 2;
  if (!s.given(first) && !s.given(first + 1)) {
    std::vector<Arg> args{s.arg(0), s.arg(1), Arg()};
    if (linear) args.insert(args.begin() + 2, s.arg(2));
    return {s.call(row, std::move(args))};
  }
  return resized(s, axes_of_sizes(s, s.x(0), 2, 1, first), linear && s.flag(2), kind);
}

Results smooth_linear(Scope& s) {
  const std::vector<Axis> axes = axes_of(s, s.x(0), 2, 1, 3);
  const auto scale = [&](size_t i) { return axes[i].factor ? Arg(*axes[i].factor) : Arg(); };
  return {s.call(
      Op::aten__upsample_bilinear2d_aa,
      {s.arg(0), s.size_args({axes[0].out, axes[1].out}, s.x(0)), s.arg(2), scale(0), scale(1)})};
}

Results grid_sampler(Scope& s) {
  const Expr x = s.x(0);
  if (!s.require(x.rank() == 4 || x.rank() == 5, "an operand of this rank")) return {};
  return {s.call(x.rank() == 4 ? "aten::grid_sampler_2d" : "aten::grid_sampler_3d", s.args())};
}

// (theta, size, align_corners)
Results affine_grid(Scope& s) {
  const Expr theta = s.x(0);
  const std::vector<int64_t> size = s.integers(1);
  const size_t spatial = size.size() < 2 ? 0 : size.size() - 2;
  if (!s.require(spatial == 2 || spatial == 3, "a grid of this rank")) return {};
  int64_t count = 1;
  for (size_t i = 2; i < size.size(); ++i) {
    constexpr int64_t kLongest = 1 << 20;
    if (!s.require(size[i] >= 1 && size[i] <= kLongest && count <= kLargestMatrix / size[i],
                   "a grid of this size")) {
      return {};
    }
    count *= size[i];
  }
  // Places as (x, y, 1) or (x, y, z, 1), the last dimension first.
  std::vector<double> places;
  std::vector<int64_t> at(spatial, 0);
  for (int64_t n = 0; n < count; ++n) {
    int64_t rest = n;
    for (size_t i = spatial; i-- > 0;) {
      at[i] = rest % size[i + 2];
      rest /= size[i + 2];
    }
    for (size_t i = spatial; i-- > 0;) {
      const auto length = static_cast<double>(size[i + 2]);
      const double place = length > 1 ? 2 * static_cast<double>(at[i]) / (length - 1) - 1 : 0;
      places.push_back(s.flag(2) ? place : place * (length - 1) / length);
    }
    places.push_back(1);
  }
  const auto width = static_cast<int64_t>(spatial);
  const Expr base = s.constant(places, {count, width + 1}, theta.dtype());
  const Expr product = matmul(base, transpose(theta, 1, 2));
  SymSizes sizes{theta.size(0)};
  for (size_t i = 2; i < size.size(); ++i) sizes.emplace_back(size[i]);
  sizes.emplace_back(width);
  return {view(product, sizes)};
}

#define PTE_SIZES "Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor"
#define PTE_CORNERS \
  "Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor"

constexpr Composite kComposites[] = {
    {"aten::upsample_nearest1d.vec(" PTE_SIZES,
     [](Scope& s) { return by_plane(s, Op::aten_upsample_nearest2d_vec, false); }},
    {"aten::upsample_nearest3d.vec(" PTE_SIZES,
     [](Scope& s) {
       return by_slices(s, axes_of(s, s.x(0), 3, 1, 2), Op::aten_upsample_nearest2d_vec, false,
                        Kind::kNearest);
     }},
    {"aten::_upsample_nearest_exact1d.vec(" PTE_SIZES,
     [](Scope& s) { return resized(s, axes_of(s, s.x(0), 1, 1, 2), false, Kind::kNearestExact); }},
    {"aten::_upsample_nearest_exact2d.vec(" PTE_SIZES,
     [](Scope& s) { return resized(s, axes_of(s, s.x(0), 2, 1, 2), false, Kind::kNearestExact); }},
    {"aten::_upsample_nearest_exact3d.vec(" PTE_SIZES,
     [](Scope& s) { return resized(s, axes_of(s, s.x(0), 3, 1, 2), false, Kind::kNearestExact); }},
    {"aten::upsample_linear1d.vec(" PTE_CORNERS,
     [](Scope& s) { return by_plane(s, Op::aten_upsample_bilinear2d_vec, true); }},
    {"aten::upsample_trilinear3d.vec(" PTE_CORNERS,
     [](Scope& s) {
       return by_slices(s, axes_of(s, s.x(0), 3, 1, 3), Op::aten_upsample_bilinear2d_vec, s.flag(2),
                        Kind::kLinear);
     }},
    {"aten::upsample_bicubic2d.vec(" PTE_CORNERS,
     [](Scope& s) { return resized(s, axes_of(s, s.x(0), 2, 1, 3), s.flag(2), Kind::kCubic); }},
    {"aten::_upsample_bilinear2d_aa.vec(" PTE_CORNERS, smooth_linear},
    {"aten::_upsample_bicubic2d_aa.vec(" PTE_CORNERS,
     [](Scope& s) {
       return resized(s, axes_of(s, s.x(0), 2, 1, 3), s.flag(2), Kind::kCubic, true);
     }},
    {"aten::upsample_nearest1d(Tensor self, SymInt[1] output_size, float? scales=None) -> Tensor",
     [](Scope& s) { return resized(s, axes_of_sizes(s, s.x(0), 1, 1, 2), false, Kind::kNearest); }},
    {"aten::upsample_nearest2d(Tensor self, SymInt[2] output_size, float? scales_h=None, float? "
     "scales_w=None) -> Tensor",
     [](Scope& s) { return sized(s, Op::aten_upsample_nearest2d_vec, false, Kind::kNearest); }},
    {"aten::upsample_nearest3d(Tensor self, SymInt[3] output_size, float? scales_d=None, float? "
     "scales_h=None, float? scales_w=None) -> Tensor",
     [](Scope& s) { return resized(s, axes_of_sizes(s, s.x(0), 3, 1, 2), false, Kind::kNearest); }},
    {"aten::_upsample_nearest_exact1d(Tensor self, SymInt[1] output_size, float? scales=None) -> "
     "Tensor",
     [](Scope& s) {
       return resized(s, axes_of_sizes(s, s.x(0), 1, 1, 2), false, Kind::kNearestExact);
     }},
    {"aten::_upsample_nearest_exact2d(Tensor self, SymInt[2] output_size, float? scales_h=None, "
     "float? scales_w=None) -> Tensor",
     [](Scope& s) {
       return resized(s, axes_of_sizes(s, s.x(0), 2, 1, 2), false, Kind::kNearestExact);
     }},
    {"aten::_upsample_nearest_exact3d(Tensor self, SymInt[3] output_size, float? scales_d=None, "
     "float? scales_h=None, float? scales_w=None) -> Tensor",
     [](Scope& s) {
       return resized(s, axes_of_sizes(s, s.x(0), 3, 1, 2), false, Kind::kNearestExact);
     }},
    {"aten::upsample_linear1d(Tensor self, SymInt[1] output_size, bool align_corners, float? "
     "scales=None) -> Tensor",
     [](Scope& s) {
       return resized(s, axes_of_sizes(s, s.x(0), 1, 1, 3), s.flag(2), Kind::kLinear);
     }},
    {"aten::upsample_bilinear2d(Tensor self, SymInt[2] output_size, bool align_corners, float? "
     "scales_h=None, float? scales_w=None) -> Tensor",
     [](Scope& s) { return sized(s, Op::aten_upsample_bilinear2d_vec, true, Kind::kLinear); }},
    {"aten::upsample_trilinear3d(Tensor self, SymInt[3] output_size, bool align_corners, float? "
     "scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor",
     [](Scope& s) {
       return resized(s, axes_of_sizes(s, s.x(0), 3, 1, 3), s.flag(2), Kind::kLinear);
     }},
    {"aten::upsample_bicubic2d(Tensor self, SymInt[2] output_size, bool align_corners, float? "
     "scales_h=None, float? scales_w=None) -> Tensor",
     [](Scope& s) {
       return resized(s, axes_of_sizes(s, s.x(0), 2, 1, 3), s.flag(2), Kind::kCubic);
     }},
    {"aten::_upsample_bicubic2d_aa(Tensor self, SymInt[2] output_size, bool align_corners, float? "
     "scales_h=None, float? scales_w=None) -> Tensor",
     [](Scope& s) {
       return resized(s, axes_of_sizes(s, s.x(0), 2, 1, 3), s.flag(2), Kind::kCubic, true);
     }},
    {"aten::grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool "
     "align_corners) -> Tensor",
     grid_sampler},
    {"aten::affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor",
     affine_grid},
};

}  // namespace

std::span<const Composite> resample_composites() { return kComposites; }

}  // namespace pte::importers
