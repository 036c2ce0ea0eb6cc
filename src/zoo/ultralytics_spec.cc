#include "zoo/ultralytics_spec.h"

#include <algorithm>
#include <cmath>

namespace pte::zoo {
namespace {

using nlohmann::json;

// What no real model comes near: a yaml beyond it is hostile or damaged.
constexpr size_t kMaxLayers = 512;
constexpr int64_t kMaxRepeats = 100;
constexpr int64_t kMaxClasses = 100'000;
constexpr double kMaxFactor = 64;

constexpr std::string_view kScales = "nsmlx";

std::optional<int64_t> integer(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<int64_t>();
}
std::optional<double> number(const json& value) {
  if (!value.is_number()) return std::nullopt;
  return value.get<double>();
}
const json* member(const json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Result<YoloLayer> read_layer(const json& row, size_t index) {
  const auto wrong = [&](std::string_view what) {
    return invalid_data("the model's yaml: layer {}: {}", index, what);
  };
  if (!row.is_array() || row.size() != 4) return wrong("expected [from, repeats, module, args]");
  YoloLayer layer;
  const json from = row[0].is_array() ? row[0] : json::array({row[0]});
  for (const json& item : from) {
    const auto number_from = integer(item);
    if (!number_from) return wrong("'from' is no number");
    const int64_t source =
        *number_from < 0 ? static_cast<int64_t>(index) + *number_from : *number_from;
    // Only the first layer reads the input itself.
    if (source >= static_cast<int64_t>(index) || source < (index == 0 ? -1 : 0)) {
      return wrong("it reads a layer that does not stand before it");
    }
    layer.from.push_back(static_cast<int>(source));
  }
  if (layer.from.empty() || layer.from.size() > kMaxLayers) return wrong("'from' is empty");
  const auto repeats = integer(row[1]);
  if (!repeats || *repeats < 1 || *repeats > kMaxRepeats) return wrong("repeats make no sense");
  layer.repeats = *repeats;
  if (!row[2].is_string()) return wrong("the module has no name");
  layer.type = row[2].get<std::string>();
  if (!row[3].is_array() || row[3].size() > 16) return wrong("its arguments are no list");
  layer.args = row[3];
  return layer;
}

Status set_factors(YoloSpec& spec, const json& factors) {
  const auto depth = factors.is_array() && factors.size() == 3 ? number(factors[0]) : std::nullopt;
  const auto width = depth ? number(factors[1]) : std::nullopt;
  const auto most = width ? number(factors[2]) : std::nullopt;
  if (!most || *depth <= 0 || *width <= 0 || *most <= 0 || *depth > kMaxFactor ||
      *width > kMaxFactor) {
    return invalid_data("the model's yaml: scale '{}' is not [depth, width, max channels]",
                        spec.scale.substr(0, 20));
  }
  spec.depth = *depth;
  spec.width = *width;
  spec.max_channels = *most;
  return {};
}

// The letter in "yolo11n.yaml".
std::string scale_in_name(const json& yaml) {
  const json* file = member(yaml, "yaml_file");
  if (!file || !file->is_string()) return {};
  std::string name = file->get<std::string>();
  name = name.substr(name.find_last_of('/') + 1);
  for (size_t i = name.find("yolo"); i != std::string::npos && i + 1 < name.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(name[i])) &&
        kScales.find(name[i + 1]) != std::string_view::npos) {
      return std::string(1, name[i + 1]);
    }
  }
  return {};
}

// The first convolution's and the last layers' sizes tell scales apart.
bool fits(const YoloSpec& spec, const Source& source) {
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const YoloLayer& layer = spec.layers[i];
    if (layer.type != "Conv" || layer.args.empty()) continue;
    const auto wanted = number(layer.args[0]);
    const Tensor* weight = source.state.find(fmt::format("model.{}.conv.weight", i));
    if (!wanted || !weight || weight->rank() != 4 || weight->size(0) != spec.channels(*wanted)) {
      return false;
    }
  }
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const YoloLayer& layer = spec.layers[i];
    if (layer.repeats < 2) continue;
    const int64_t repeats = spec.scaled_repeats(layer.repeats);
    const auto has = [&](int64_t item) {
      const std::string prefix = fmt::format("model.{}.m.{}.", i, item);
      return std::any_of(
          source.state.entries().begin(), source.state.entries().end(),
          [&](const StateDict::Entry& entry) { return entry.name.starts_with(prefix); });
    };
    if (!has(repeats - 1) || has(repeats)) return false;
  }
  return true;
}

Status choose_scale(YoloSpec& spec, const json& yaml, const Source& source) {
  const json* scale = member(yaml, "scale");
  if (scale && scale->is_string()) spec.scale = scale->get<std::string>();
  const json* scales = member(yaml, "scales");
  if (!scales) {
    if (const json* depth = member(yaml, "depth_multiple")) spec.depth = number(*depth).value_or(1);
    if (const json* width = member(yaml, "width_multiple")) spec.width = number(*width).value_or(1);
    if (!(spec.depth > 0 && spec.depth <= kMaxFactor && spec.width > 0 &&
          spec.width <= kMaxFactor)) {
      return invalid_data("the model's yaml: its width or depth makes no sense");
    }
    return {};
  }
  if (!scales->is_object() || scales->empty() || scales->size() > 32) {
    return invalid_data("the model's yaml: 'scales' is no table");
  }
  if (spec.scale.empty()) spec.scale = scale_in_name(yaml);
  if (!spec.scale.empty()) {
    const json* factors = member(*scales, spec.scale);
    if (!factors) {
      return invalid_data("the model's yaml: there is no scale '{}'", spec.scale.substr(0, 20));
    }
    return set_factors(spec, *factors);
  }
  for (const auto& [name, factors] : scales->items()) {
    spec.scale = name;
    PTE_CHECK(set_factors(spec, factors));
    if (fits(spec, source)) return {};
  }
  return invalid_data("the model's yaml names no scale, and the weights fit none");
}

}  // namespace

int64_t YoloSpec::channels(double wanted) const {
  return static_cast<int64_t>(std::ceil(std::min(wanted, max_channels) * width / 8)) * 8;
}

int64_t YoloSpec::scaled_repeats(int64_t repeats) const {
  if (repeats <= 1) return repeats;
  // Half to even, as Python rounds.
  return std::max<int64_t>(
      static_cast<int64_t>(std::nearbyint(static_cast<double>(repeats) * depth)), 1);
}

bool has_yolo_yaml(const Source& source) {
  const json* yaml = member(source.config, "yaml");
  return yaml && member(*yaml, "backbone") && member(*yaml, "head");
}

Result<YoloSpec> yolo_spec(const Source& source) {
  if (!has_yolo_yaml(source)) {
    return invalid_argument("the checkpoint holds no Ultralytics model with its yaml")
        .with_hint("name the architecture: --model yolo11n, for example");
  }
  const json& yaml = *member(source.config, "yaml");
  YoloSpec spec;
  for (const std::string_view part : {"backbone", "head"}) {
    const json& rows = *member(yaml, part);
    if (!rows.is_array() || rows.size() + spec.layers.size() > kMaxLayers) {
      return invalid_data("the model's yaml: '{}' is no list of layers", part);
    }
    for (const json& row : rows) {
      PTE_TRY(YoloLayer layer, read_layer(row, spec.layers.size()));
      spec.layers.push_back(std::move(layer));
    }
  }
  if (spec.layers.empty()) return invalid_data("the model's yaml has no layers");
  if (const json* classes = member(yaml, "nc")) spec.classes = integer(*classes).value_or(0);
  for (const std::string_view key : {"channels", "ch"}) {
    if (const json* channels = member(yaml, key)) {
      spec.input_channels = integer(*channels).value_or(0);
      break;
    }
  }
  if (spec.classes < 1 || spec.classes > kMaxClasses || spec.input_channels < 1 ||
      spec.input_channels > 4096) {
    return invalid_data("the model's yaml: its classes or channels make no sense");
  }
  if (const json* points = member(yaml, "kpt_shape")) {
    const bool pair = points->is_array() && points->size() == 2;
    spec.keypoints = pair ? integer((*points)[0]).value_or(0) : 0;
    spec.keypoint_values = pair ? integer((*points)[1]).value_or(0) : 0;
    if (spec.keypoints < 1 || spec.keypoints > 1000 || spec.keypoint_values < 2 ||
        spec.keypoint_values > 3) {
      return invalid_data("the model's yaml: 'kpt_shape' makes no sense");
    }
  }
  if (const json* activation = member(yaml, "activation")) {
    if (activation->is_string()) spec.activation = activation->get<std::string>();
  }
  PTE_CHECK(choose_scale(spec, yaml, source));
  return spec;
}

// ---- the families that are known

namespace {

struct Factors {
  double depth, width, max_channels;
};
struct Family {
  std::string_view name;
  Factors scales[5];  // n, s, m, l, x
  std::vector<YoloLayer> layers;
};

const std::vector<Family>& known_families() {
  static const std::vector<Family> all = [] {
    const auto layer = [](std::vector<int> from, int64_t repeats, std::string type,
                          json args) -> YoloLayer {
      return {std::move(from), repeats, std::move(type), std::move(args)};
    };
    const auto conv = [&](int from, int channels, int kernel, int stride) {
      return layer({from}, 1, "Conv", {channels, kernel, stride});
    };
    const auto up = [&](int from) {
      return layer({from}, 1, "nn.Upsample", {nullptr, 2, "nearest"});
    };
    const auto cat = [&](int a, int b) { return layer({a, b}, 1, "Concat", json::array({1})); };
    const auto c3k2 = [&](int from, int channels, bool deep, double share = 0.5) {
      return layer({from}, 2, "C3k2", {channels, deep, share});
    };
    const auto c2f = [&](int from, int repeats, int channels, bool shortcut) {
      return layer({from}, repeats, "C2f", {channels, shortcut});
    };
    const auto c3 = [&](int from, int repeats, int channels, bool shortcut) {
      return layer({from}, repeats, "C3", {channels, shortcut});
    };
    const auto sppf = [&](int from) { return layer({from}, 1, "SPPF", {1024, 5}); };
    const auto detect = [&](int a, int b, int c) {
      return layer({a, b, c}, 1, "Detect", json::array({"nc"}));
    };
    std::vector<Family> families;
    families.push_back(
        {"yolo11",
         {{0.5, 0.25, 1024}, {0.5, 0.5, 1024}, {0.5, 1, 512}, {1, 1, 512}, {1, 1.5, 512}},
         {conv(-1, 64, 3, 2),
          conv(0, 128, 3, 2),
          c3k2(1, 256, false, 0.25),
          conv(2, 256, 3, 2),
          c3k2(3, 512, false, 0.25),
          conv(4, 512, 3, 2),
          c3k2(5, 512, true),
          conv(6, 1024, 3, 2),
          c3k2(7, 1024, true),
          sppf(8),
          layer({9}, 2, "C2PSA", json::array({1024})),
          up(10),
          cat(11, 6),
          c3k2(12, 512, false),
          up(13),
          cat(14, 4),
          c3k2(15, 256, false),
          conv(16, 256, 3, 2),
          cat(17, 13),
          c3k2(18, 512, false),
          conv(19, 512, 3, 2),
          cat(20, 10),
          c3k2(21, 1024, true),
          detect(16, 19, 22)}});
    families.push_back(
        {"yolov8",
         {{0.33, 0.25, 1024}, {0.33, 0.5, 1024}, {0.67, 0.75, 768}, {1, 1, 512}, {1, 1.25, 512}},
         {conv(-1, 64, 3, 2),
          conv(0, 128, 3, 2),
          c2f(1, 3, 128, true),
          conv(2, 256, 3, 2),
          c2f(3, 6, 256, true),
          conv(4, 512, 3, 2),
          c2f(5, 6, 512, true),
          conv(6, 1024, 3, 2),
          c2f(7, 3, 1024, true),
          sppf(8),
          up(9),
          cat(10, 6),
          c2f(11, 3, 512, false),
          up(12),
          cat(13, 4),
          c2f(14, 3, 256, false),
          conv(15, 256, 3, 2),
          cat(16, 12),
          c2f(17, 3, 512, false),
          conv(18, 512, 3, 2),
          cat(19, 9),
          c2f(20, 3, 1024, false),
          detect(15, 18, 21)}});
    families.push_back({"yolov5u",
                        {{0.33, 0.25, 1024},
                         {0.33, 0.5, 1024},
                         {0.67, 0.75, 1024},
                         {1, 1, 1024},
                         {1.33, 1.25, 1024}},
                        {layer({-1}, 1, "Conv", {64, 6, 2, 2}),
                         conv(0, 128, 3, 2),
                         c3(1, 3, 128, true),
                         conv(2, 256, 3, 2),
                         c3(3, 6, 256, true),
                         conv(4, 512, 3, 2),
                         c3(5, 9, 512, true),
                         conv(6, 1024, 3, 2),
                         c3(7, 3, 1024, true),
                         sppf(8),
                         conv(9, 512, 1, 1),
                         up(10),
                         cat(11, 6),
                         c3(12, 3, 512, false),
                         conv(13, 256, 1, 1),
                         up(14),
                         cat(15, 4),
                         c3(16, 3, 256, false),
                         conv(17, 256, 3, 2),
                         cat(18, 14),
                         c3(19, 3, 512, false),
                         conv(20, 512, 3, 2),
                         cat(21, 10),
                         c3(22, 3, 1024, false),
                         detect(17, 20, 23)}});
    return families;
  }();
  return all;
}

}  // namespace

const std::vector<std::string>& yolo_families() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Family& family : known_families()) out.emplace_back(family.name);
    return out;
  }();
  return names;
}

YoloSpec known_yolo(std::string_view family, char scale, const Source& source) {
  YoloSpec spec;
  for (const Family& known : known_families()) {
    if (known.name != family) continue;
    spec.layers = known.layers;
    const Factors& factors = known.scales[std::min<size_t>(kScales.find(scale), 4)];
    spec.depth = factors.depth;
    spec.width = factors.width;
    spec.max_channels = factors.max_channels;
    spec.scale = std::string(1, scale);
  }
  const Tensor* bias =
      source.state.find(fmt::format("model.{}.cv3.0.2.bias", spec.layers.size() - 1));
  if (bias && bias->rank() == 1 && bias->size(0) >= 1) {
    spec.classes = std::min(bias->size(0), kMaxClasses);
  }
  return spec;
}

}  // namespace pte::zoo
