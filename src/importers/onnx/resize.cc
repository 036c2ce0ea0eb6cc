// Resize and its forerunner Upsample.
//
// The plain cases become ATen's own upsampling. All others are what they are by definition: every
// dimension's new elements are sums of old ones, by a matrix of weights worked out here.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;
using ir::ArgList;

struct Axis {
  size_t dim = 0;
  int64_t in = 1, out = 1;
  double scale = 1;
  double roi_start = 0, roi_end = 1;
};

struct How {
  std::string_view mode, coordinates, nearest;
  double cubic = -0.75;
  bool exclude_outside = false, antialias = false;
  double extrapolation = 0;
};

// Where an output element lies in the input.
double source(const Axis& a, const How& how, int64_t at) {
  const auto x = static_cast<double>(at);
  const auto in = static_cast<double>(a.in), out = static_cast<double>(a.out);
  if (how.coordinates == "asymmetric") return x / a.scale;
  if (how.coordinates == "align_corners") {
    const double length = a.scale * in;
    return length <= 1 ? 0 : x * (in - 1) / (length - 1);
  }
  if (how.coordinates == "pytorch_half_pixel")
    return a.scale * in > 1 ? (x + 0.5) / a.scale - 0.5 : 0;
  if (how.coordinates == "tf_crop_and_resize") {
    if (a.out > 1)
      return a.roi_start * (in - 1) + x * (a.roi_end - a.roi_start) * (in - 1) / (out - 1);
    return 0.5 * (a.roi_start + a.roi_end) * (in - 1);
  }
  if (how.coordinates == "half_pixel_symmetric") {
    const double adjustment = out / (a.scale * in);
    return in / 2 * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
  }
  if (how.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / a.scale;
  return (x + 0.5) / a.scale - 0.5;  // half_pixel
}

double cubic_weight(double distance, double a) {
  const double d = std::fabs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

constexpr int64_t kLargestSize = int64_t{1} << 26;
// What sizes may be multiplied by, and where a region of interest may end, in sizes of the input:
// places computed from them fit integers, and windows stay short.
constexpr double kLargestScale = 1e6;

bool is_sensible(double scale) { return scale >= 1 / kLargestScale && scale <= kLargestScale; }

// 0 for what is no size.
int64_t whole_size(double size) {
  return size >= 0 && size <= static_cast<double>(kLargestSize) ? static_cast<int64_t>(size) : 0;
}

int64_t nearest_place(double x, std::string_view how) {
  if (how == "floor") return static_cast<int64_t>(std::floor(x));
  if (how == "ceil") return static_cast<int64_t>(std::ceil(x));
  if (how == "round_prefer_ceil") return static_cast<int64_t>(std::floor(x + 0.5));
  return static_cast<int64_t>(std::ceil(x - 0.5));  // round_prefer_floor
}

// The weights of the input's elements for one output element, outside places folded in at the edge.
void add_weights(const Axis& a, const How& how, double x, double* row) {
  const double reach_scale = how.antialias && a.scale < 1 ? 1 / a.scale : 1;
  const double support = (how.mode == "cubic" ? 2 : 1) * reach_scale;
  const auto first = static_cast<int64_t>(std::floor(x - support)) - 1;
  const auto last = static_cast<int64_t>(std::ceil(x + support)) + 1;
  const auto weight = [&](int64_t at) {
    const double d = (static_cast<double>(at) - x) / reach_scale;
    if (how.mode == "cubic") return cubic_weight(d, how.cubic);
    return std::max(0.0, 1 - std::fabs(d));
  };
  double total = 0;
  for (int64_t at = first; at <= last; ++at) {
    const bool outside = at < 0 || at >= a.in;
    if (!(outside && how.exclude_outside)) total += weight(at);
  }
  if (total == 0) total = 1;
  for (int64_t at = first; at <= last; ++at) {
    const bool outside = at < 0 || at >= a.in;
    if (outside && how.exclude_outside) continue;
    row[std::clamp<int64_t>(at, 0, a.in - 1)] += weight(at) / total;
  }
}

Ex along(NodeCall& c, const Ex& x, const Axis& a, const How& how) {
  const auto dim = static_cast<int64_t>(a.dim);
  if (how.mode == "nearest") {
    std::vector<int64_t> places;
    for (int64_t i = 0; i < a.out; ++i)
      places.push_back(
          std::clamp<int64_t>(nearest_place(source(a, how, i), how.nearest), 0, a.in - 1));
    const Ex index =
        c.e.constant("places", Tensor::of<int64_t>({a.out}, std::span<const int64_t>(places)));
    return c.e.call(Op::aten_index_select, {x.v, dim, index.v});
  }
  if (a.in > (1 << 24) / std::max<int64_t>(a.out, 1)) {
    c.fail(unsupported("a resize of {} to {} elements in this mode", a.in, a.out));
    return x;
  }
  std::vector<double> matrix(static_cast<size_t>(a.in * a.out), 0.0);
  for (int64_t i = 0; i < a.out; ++i)
    add_weights(a, how, source(a, how, i), matrix.data() + i * a.in);
  // [in, out], so that rows times it are the new rows.
  std::vector<float> turned(matrix.size());
  for (int64_t i = 0; i < a.out; ++i) {
    for (int64_t j = 0; j < a.in; ++j)
      turned[static_cast<size_t>(j * a.out + i)] =
          static_cast<float>(matrix[static_cast<size_t>(i * a.in + j)]);
  }
  const Ex weights =
      c.e.constant("resize", Tensor::of<float>({a.in, a.out}, std::span<const float>(turned)))
          .cast(x.dtype());
  const bool last = dim + 1 == x.dims();
  const Ex y = (last ? x : x.transpose(dim, -1)).matmul(weights);
  return last ? y : y.transpose(dim, -1);
}

// Whether ATen's upsampling of pictures is this one; writes it if so.
bool as_picture(NodeCall& c, const Ex& x, const std::vector<Axis>& axes, const How& how) {
  if (x.rank() != 4 || how.antialias || how.mode == "cubic" || x.dtype() == DType::kBool)
    return false;
  std::vector<const Axis*> picture(2, nullptr);
  for (const Axis& a : axes) {
    if (a.dim < 2) return false;
    picture[a.dim - 2] = &a;
  }
  if (picture[0] == nullptr || picture[1] == nullptr) return false;
  const Arg sizes = Arg::ints({picture[0]->out, picture[1]->out});
  // ATen works the scale out from the sizes; here they must tell the same.
  for (const Axis* a : picture) {
    if (std::fabs(a->scale * static_cast<double>(a->in) - static_cast<double>(a->out)) > 1e-6)
      return false;
  }
  if (how.mode == "nearest" && how.coordinates == "asymmetric" && how.nearest == "floor") {
    c.set(c.e.call(Op::aten_upsample_nearest2d_vec, {x.v, sizes, Arg()}));
    return true;
  }
  // Doubling and the like: every way of rounding picks the same elements.
  if (how.mode == "nearest" && is_floating(x.dtype())) {
    for (const Axis* a : picture) {
      for (int64_t i = 0; i < a->out; ++i) {
        const int64_t place =
            std::clamp<int64_t>(nearest_place(source(*a, how, i), how.nearest), 0, a->in - 1);
        if (place != i * a->in / a->out) return false;
      }
    }
    c.set(c.e.call(Op::aten_upsample_nearest2d_vec, {x.v, sizes, Arg()}));
    return true;
  }
  if (how.mode == "linear" && is_floating(x.dtype()) && !how.exclude_outside) {
    const bool corners = how.coordinates == "align_corners";
    const bool half =
        how.coordinates == "half_pixel" ||
        (how.coordinates == "pytorch_half_pixel" && picture[0]->out > 1 && picture[1]->out > 1);
    if (!corners && !half) return false;
    c.set(c.e.call(Op::aten_upsample_bilinear2d_vec, {x.v, sizes, corners, Arg()}));
    return true;
  }
  return false;
}

void write(NodeCall& c, const Ex& x, std::vector<Axis> axes, const How& how) {
  if (how.mode != "nearest" && how.mode != "linear" && how.mode != "cubic")
    return c.fail(unsupported("the mode '{}'", how.mode.substr(0, 40)));
  const bool crop = how.coordinates == "tf_crop_and_resize";
  if (!crop) {
    std::erase_if(axes, [](const Axis& a) { return a.in == a.out && a.scale == 1; });
    if (axes.empty()) return c.set(x);
    if (as_picture(c, x, axes, how)) return;
  }
  const bool integers = !is_floating(x.dtype()) && how.mode != "nearest";
  Ex y = integers ? x.cast(DType::kFloat32) : x;
  for (const Axis& a : axes) y = along(c, y, a, how);
  if (integers)
    y = y.round()
            .clamp(x.dtype() == DType::kUInt8 ? 0.0 : -128.0,
                   x.dtype() == DType::kUInt8 ? 255.0 : 127.0)
            .cast(x.dtype());
  if (crop && how.mode != "nearest") {
    // Places outside the input have a value of their own.
    for (const Axis& a : axes) {
      std::vector<uint8_t> outside;
      for (int64_t i = 0; i < a.out; ++i) {
        const double at = source(a, how, i);
        outside.push_back(at < 0 || at > static_cast<double>(a.in - 1) ? 1 : 0);
      }
      if (std::find(outside.begin(), outside.end(), 1) == outside.end()) continue;
      std::vector<Arg> sizes(x.rank(), Arg(int64_t{1}));
      sizes[a.dim] = Arg(a.out);
      const Ex mask =
          c.e.constant("outside", Tensor::of<uint8_t>({a.out}, std::span<const uint8_t>(outside)))
              .cast(DType::kBool)
              .view(sizes);
      y = c.e.where(mask, c.e.full({}, how.extrapolation, y.dtype()), y);
    }
  }
  c.set(y);
}

// Pictures of open size, by ATen's own upsampling where that means the same for every size.
bool by_scale(NodeCall& c, const Ex& x, const std::vector<int64_t>& dims,
              const std::vector<double>& scales, const How& how) {
  if (x.rank() != 4 || how.antialias || !is_floating(x.dtype())) return false;
  std::vector<double> picture{1, 1};
  for (size_t k = 0; k < dims.size(); ++k) {
    const int64_t dim = c.wrap(dims[k], 4);
    if (dim < 2 && scales[k] != 1) return false;
    if (dim >= 2) picture[static_cast<size_t>(dim) - 2] = scales[k];
  }
  if (x.size(2).is_constant() && x.size(3).is_constant()) return false;
  const bool whole = picture[0] == std::floor(picture[0]) && picture[1] == std::floor(picture[1]);
  if (!whole || picture[0] < 1 || picture[1] < 1) return false;
  const Arg factors = Arg::doubles(picture);
  const bool floor = how.coordinates == "asymmetric" && how.nearest == "floor";
  const bool centre =
      how.coordinates == "half_pixel" && how.nearest != "ceil" && how.nearest != "floor";
  if (how.mode == "nearest" && (floor || centre)) {
    c.set(c.e.call(Op::aten_upsample_nearest2d_vec, {x.v, Arg(), factors}));
    return true;
  }
  if (how.mode == "linear" &&
      (how.coordinates == "half_pixel" || how.coordinates == "align_corners")) {
    c.set(c.e.call(Op::aten_upsample_bilinear2d_vec,
                   {x.v, Arg(), how.coordinates == "align_corners", factors}));
    return true;
  }
  return false;
}

void resize(NodeCall& c) {
  const Ex x = c.in(0);
  How how;
  how.mode = c.s("mode", "nearest");
  how.coordinates =
      c.opset < 11 ? "asymmetric" : c.s("coordinate_transformation_mode", "half_pixel");
  how.nearest = c.opset < 11 ? "floor" : c.s("nearest_mode", "round_prefer_floor");
  how.cubic = c.f("cubic_coeff_a", -0.75);
  how.exclude_outside = c.i("exclude_outside", 0) != 0;
  how.antialias = c.i("antialias", 0) != 0;
  how.extrapolation = c.f("extrapolation_value", 0);
  const size_t scales_input = c.opset < 11 ? 1 : 2;
  const auto given = [&](size_t input) {
    const Item* item = c.item(input);
    if (item == nullptr) return false;
    return !(item->initializer != nullptr && item->initializer->dims == std::vector<int64_t>{0}) &&
           !(item->small != nullptr && item->small->v.empty());
  };
  const bool by_sizes = given(3);
  std::vector<int64_t> dims = c.is("axes");
  if (dims.empty()) {
    for (int64_t d = 0; d < x.dims(); ++d) dims.push_back(d);
  }
  std::vector<double> scales;
  std::vector<Arg> sizes;
  if (by_sizes) {
    sizes = c.dims(3);
  } else {
    scales = c.numbers(scales_input);
  }
  if (c.failed()) return;
  std::vector<double> roi;
  if (how.coordinates == "tf_crop_and_resize") roi = c.numbers(1);
  if (c.failed()) return;
  if ((by_sizes ? sizes.size() : scales.size()) != dims.size())
    return c.fail(
        invalid_data("{} sizes for {} axes", by_sizes ? sizes.size() : scales.size(), dims.size()));
  if (!by_sizes && by_scale(c, x, dims, scales, how)) return;
  std::vector<Axis> axes;
  for (size_t k = 0; k < dims.size() && !c.failed(); ++k) {
    Axis a;
    a.dim = static_cast<size_t>(c.wrap(dims[k], x.rank()));
    if (c.failed()) return;
    const bool open = !x.size(a.dim).is_constant();
    // A dimension that stays as it is may be open.
    if (open && (by_sizes ? sizes[k].sym_int() == x.size(a.dim) : scales[k] == 1)) continue;
    a.in = x.fixed(a.dim);
    if (by_sizes) {
      const auto size = sizes[k].integer();
      if (!size) return c.fail(unsupported("a resize to a size that is known at run time only"));
      a.out = *size;
      a.scale = static_cast<double>(a.out) / static_cast<double>(a.in);
    } else {
      a.scale = scales[k];
      a.out = whole_size(static_cast<double>(a.in) * a.scale);
    }
    if (roi.size() == 2 * dims.size()) {
      a.roi_start = roi[k];
      a.roi_end = roi[dims.size() + k];
      if (!by_sizes)
        a.out = whole_size(static_cast<double>(a.in) * (a.roi_end - a.roi_start) * a.scale);
      if (!(std::fabs(a.roi_start) <= kLargestScale && std::fabs(a.roi_end) <= kLargestScale))
        return c.fail(invalid_data("a region from {} to {}", a.roi_start, a.roi_end));
    }
    if (!is_sensible(a.scale) || a.out < 1 || std::max(a.in, a.out) > kLargestSize)
      return c.fail(invalid_data("a resize of {} by {}", a.in, a.scale));
    axes.push_back(a);
  }
  const std::string_view policy = c.s("keep_aspect_ratio_policy", "stretch");
  if (by_sizes && policy != "stretch" && !axes.empty()) {
    double scale = axes[0].scale;
    for (const Axis& a : axes)
      scale = policy == "not_larger" ? std::min(scale, a.scale) : std::max(scale, a.scale);
    for (Axis& a : axes) {
      a.scale = scale;
      a.out = whole_size(scale * static_cast<double>(a.in) + 0.5);
      if (a.out < 1) return c.fail(invalid_data("a resize of {} by {}", a.in, scale));
    }
  }
  write(c, x, axes, how);
}

void upsample(NodeCall& c) {
  const Ex x = c.in(0);
  How how;
  how.mode = c.s("mode", "nearest");
  how.coordinates = "asymmetric";
  how.nearest = "floor";
  std::vector<double> scales;
  if (c.opset < 9) {
    for (const float scale : c.fs("scales")) scales.push_back(scale);
  } else {
    scales = c.numbers(1);
  }
  if (c.failed()) return;
  if (scales.size() != x.rank())
    return c.fail(invalid_data("{} scales for rank {}", scales.size(), x.rank()));
  std::vector<Axis> axes;
  for (size_t d = 0; d < scales.size() && !c.failed(); ++d) {
    if (scales[d] == 1) continue;
    Axis a;
    a.dim = d;
    a.in = x.fixed(d);
    a.scale = scales[d];
    a.out = whole_size(static_cast<double>(a.in) * a.scale);
    if (!is_sensible(a.scale) || a.out < 1 || a.in > kLargestSize)
      return c.fail(invalid_data("a scale of {}", a.scale));
    axes.push_back(a);
  }
  write(c, x, axes, how);
}

constexpr RuleEntry kRules[] = {
    {"Resize", resize},
    {"Upsample", upsample},
};

}  // namespace

std::span<const RuleEntry> resize_rules() { return kRules; }

}  // namespace pte::importers::onnx
