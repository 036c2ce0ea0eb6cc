// Ultralytics detectors (YOLO11, YOLOv8, YOLOv5u and whatever else is made of their blocks), with
// heads for boxes, key points, masks and classes. The model is rebuilt from the layer list that its
// checkpoint carries, or from a known one for plain state dicts.
//
// The head decodes in the graph, as Ultralytics' own exports do: boxes as centre and size in pixels
// of the input, then scores; no raw feature maps.
#include <algorithm>
#include <cmath>

#include "zoo/models.h"
#include "zoo/net.h"
#include "zoo/ultralytics_blocks.h"
#include "zoo/ultralytics_spec.h"

namespace pte::zoo {
namespace {

constexpr int64_t kBins = 16;  // of the distribution over a box side's distance
constexpr int64_t kLargestStride = 1024;
constexpr int64_t kLargestPicture = 16384;

class Yolo {
 public:
  Yolo(Net& net, const YoloSpec& spec) : net_(net), spec_(spec), blocks_(net, spec) {}

  std::vector<ir::Value*> run(ir::Value* input) {
    std::vector<Flow> flows;
    for (size_t i = 0; i + 1 < spec_.layers.size(); ++i) {
      flows.push_back(one_layer(i, {input, spec_.input_channels, 1}, flows));
      if (!net_.status()) return {};
    }
    return head(spec_.layers.size() - 1, flows);
  }

 private:
  Flow one_layer(size_t index, const Flow& input, const std::vector<Flow>& flows) {
    const YoloLayer& layer = spec_.layers[index];
    const std::string name = fmt::format("model.{}", index);
    std::vector<Flow> inputs;
    for (const int from : layer.from) {
      inputs.push_back(from < 0 ? input : flows[static_cast<size_t>(from)]);
    }
    const bool takes_repeats = layer.type.starts_with("C2") || layer.type.starts_with("C3");
    const int64_t repeats = takes_repeats ? 1 : spec_.scaled_repeats(layer.repeats);
    if (repeats == 1) return blocks_.layer(layer, name, inputs);
    Flow x;
    for (int64_t r = 0; r < repeats; ++r) {
      x = blocks_.layer(layer, fmt::format("{}.{}", name, r), inputs);
      inputs = {x};
    }
    return x;
  }

  std::vector<ir::Value*> head(size_t index, const std::vector<Flow>& flows) {
    const YoloLayer& layer = spec_.layers[index];
    name_ = fmt::format("model.{}", index);
    for (const int from : layer.from) {
      if (from < 0) return {net_.fail(invalid_data("the model has no layers before its head"))};
      levels_.push_back(flows[static_cast<size_t>(from)]);
    }
    if (layer.type == "Classify") return {classify()};
    if (layer.type == "Detect") return {detect()};
    if (layer.type == "Pose") return {net_.cat({detect(), pose()}, 1)};
    if (layer.type == "Segment") return segment(layer);
    net_.fail(unsupported("the head '{}' is of type {}, which cannot be rebuilt from a checkpoint",
                          name_, layer.type.substr(0, 40))
                  .with_hint("export the model with torch.export (.pt2) or to ONNX"));
    return {};
  }

  // ---- heads

  ir::Value* classify() {
    Flow x = blocks_.conv(levels_[0], name_ + ".conv", 1280, {});
    ir::Value* scores = net_.linear(net_.pool_all(x.value), name_ + ".linear", 1280, spec_.classes);
    return net_.softmax(scores, 1);
  }

  // The last layer of branch `branch` of every level, joined: [N, channels, all cells].
  template <typename Branch>
  ir::Value* over_levels(int64_t channels, const Branch& branch) {
    std::vector<ir::Value*> parts;
    for (size_t i = 0; i < levels_.size(); ++i) {
      const Flow y = branch(levels_[i], i);
      const auto [height, width] = picture_sizes(y.value);
      parts.push_back(net_.view(y.value, {-1, channels, height * width}));
    }
    return parts.size() == 1 ? parts[0] : net_.cat(parts, 2);
  }

  // Two 3×3 convolutions and the last, as most branches are.
  Flow plain_branch(Flow x, const std::string& name, int64_t hidden, int64_t out) {
    x = blocks_.conv(x, name + ".0", hidden, {.kernel = 3});
    x = blocks_.conv(x, name + ".1", hidden, {.kernel = 3});
    return blocks_.plain_conv(x, name + ".2", out);
  }

  // YOLO11's branch of scores, with depthwise convolutions.
  Flow light_branch(Flow x, const std::string& name, int64_t hidden, int64_t out) {
    for (const std::string_view part : {".0", ".1"}) {
      x = blocks_.conv(x, fmt::format("{}{}.0", name, part), x.channels,
                       {.kernel = 3, .groups = x.channels});
      x = blocks_.conv(x, fmt::format("{}{}.1", name, part), hidden, {});
    }
    return blocks_.plain_conv(x, name + ".2", out);
  }

  bool has_light_branch() const {
    if (net_.state().contains(name_ + ".cv3.0.0.0.conv.weight")) return true;
    if (net_.state().contains(name_ + ".cv3.0.0.conv.weight")) return false;
    return std::any_of(spec_.layers.begin(), spec_.layers.end(),
                       [](const YoloLayer& layer) { return layer.type == "C3k2"; });
  }

  // [N, 4 + classes, cells]
  ir::Value* detect() {
    const int64_t first = levels_[0].channels;
    const int64_t box_width = std::max<int64_t>({16, first / 4, 4 * kBins});
    const int64_t score_width = std::max(first, std::min<int64_t>(spec_.classes, 100));
    const bool light = has_light_branch();
    ir::Value* sides = over_levels(4 * kBins, [&](Flow x, size_t i) {
      return plain_branch(x, fmt::format("{}.cv2.{}", name_, i), box_width, 4 * kBins);
    });
    ir::Value* scores = over_levels(spec_.classes, [&](Flow x, size_t i) {
      const std::string name = fmt::format("{}.cv3.{}", name_, i);
      return light ? light_branch(x, name, score_width, spec_.classes)
                   : plain_branch(x, name, score_width, spec_.classes);
    });
    ir::Value* boxes = net_.mul(decode(distances(sides)), strides());
    return net_.cat({boxes, net_.call(Op::aten_sigmoid, {scores})}, 1);
  }

  // The mean of each side's distribution: [N, 4·bins, cells] to [N, 4, cells].
  ir::Value* distances(ir::Value* sides) {
    const int64_t all = cells();
    sides = net_.permute(net_.view(sides, {-1, 4, kBins, all}), {0, 2, 1, 3});
    sides = net_.convolution(net_.softmax(sides, 1), name_ + ".dfl.conv",
                             {.in = kBins, .out = 1, .kernel = {1, 1}});
    return net_.view(sides, {-1, 4, all});
  }

  // Left, top, right and bottom of each cell's centre to centre and size, in cells.
  ir::Value* decode(ir::Value* sides) {
    const auto parts = net_.split(sides, {2, 2}, 1);
    ir::Value* low = net_.call(Op::aten_sub_Tensor, {centres(), parts[0]});
    ir::Value* high = net_.add(centres(), parts[1]);
    ir::Value* middle = net_.call(Op::aten_div_Scalar, {net_.add(low, high), 2});
    return net_.cat({middle, net_.call(Op::aten_sub_Tensor, {high, low})}, 1);
  }

  // [N, points·values, cells]
  ir::Value* pose() {
    const int64_t points = spec_.keypoints;
    const int64_t values = spec_.keypoint_values;
    const int64_t channels = points * values;
    const int64_t hidden = std::max(levels_[0].channels / 4, channels);
    ir::Value* raw = over_levels(channels, [&](Flow x, size_t i) {
      return plain_branch(x, fmt::format("{}.cv4.{}", name_, i), hidden, channels);
    });
    raw = net_.view(raw, {-1, points, values, cells()});
    ir::Value* places = net_.call(Op::aten_mul_Scalar, {net_.slice(raw, 2, 0, 2), 2.0});
    places = net_.mul(net_.add(places, corners()), strides());
    if (values == 3) {
      ir::Value* seen = net_.call(Op::aten_sigmoid, {net_.slice(raw, 2, 2, 3)});
      places = net_.cat({places, seen}, 2);
    }
    return net_.view(places, {-1, channels, cells()});
  }

  // Detections with mask coefficients [N, 4 + classes + masks, cells], and the masks' prototypes.
  std::vector<ir::Value*> segment(const YoloLayer& layer) {
    const auto argument = [&](size_t i, int64_t otherwise) {
      return i < layer.args.size() && layer.args[i].is_number_integer()
                 ? layer.args[i].get<int64_t>()
                 : otherwise;
    };
    const int64_t masks = argument(1, 32);
    const int64_t wanted = argument(2, 256);
    if (masks < 1 || masks > 4096 || wanted < 1 || wanted > 65536) {
      return {net_.fail(invalid_data("the model's yaml: its masks make no sense"))};
    }
    const int64_t width = spec_.channels(static_cast<double>(wanted));
    Flow x = blocks_.conv(levels_[0], name_ + ".proto.cv1", width, {.kernel = 3});
    x.value = net_.convolution(x.value, name_ + ".proto.upsample",
                               {.in = width,
                                .out = width,
                                .kernel = {2, 2},
                                .stride = 2,
                                .bias = true,
                                .transposed = true});
    x = blocks_.conv(x, name_ + ".proto.cv2", width, {.kernel = 3});
    x = blocks_.conv(x, name_ + ".proto.cv3", masks, {});
    const int64_t hidden = std::max(levels_[0].channels / 4, masks);
    ir::Value* coefficients = over_levels(masks, [&](Flow level, size_t i) {
      return plain_branch(level, fmt::format("{}.cv4.{}", name_, i), hidden, masks);
    });
    return {net_.cat({detect(), coefficients}, 1), x.value};
  }

  // ---- what depends on the picture's size: every cell of every level, row by row

  int64_t cells() const {
    int64_t all = 0;
    for (const Flow& level : levels_) {
      const auto [height, width] = picture_sizes(level.value);
      all += height * width;
    }
    return all;
  }

  // [1, rows, cells] of what `value` gives for row, level, x and y.
  template <typename Value>
  ir::Value* per_cell(const std::string& name, int64_t rows, const Value& value) {
    return net_.computed(name, [&]() -> Result<Tensor> {
      PTE_TRY(Tensor out, Tensor::zeros(DType::kFloat32, {1, rows, cells()}));
      float* to = out.mutable_data_as<float>();
      for (int64_t row = 0; row < rows; ++row) {
        for (const Flow& level : levels_) {
          const auto [height, width] = picture_sizes(level.value);
          for (int64_t y = 0; y < height; ++y) {
            for (int64_t x = 0; x < width; ++x) {
              *to++ = static_cast<float>(value(level, static_cast<double>(row == 0 ? x : y)));
            }
          }
        }
      }
      return out;
    });
  }
  ir::Value* centres() {
    if (!centres_) {
      centres_ = per_cell("anchors", 2, [](const Flow&, double place) { return place + 0.5; });
    }
    return centres_;
  }
  ir::Value* corners() {
    return per_cell("corners", 2, [](const Flow&, double place) { return place; });
  }
  ir::Value* strides() {
    if (!strides_) {
      strides_ = per_cell("strides", 1, [](const Flow& level, double) { return level.stride; });
    }
    return strides_;
  }

  Net& net_;
  const YoloSpec& spec_;
  YoloBlocks blocks_;
  std::string name_;          // of the head
  std::vector<Flow> levels_;  // what the head reads
  ir::Value* centres_ = nullptr;
  ir::Value* strides_ = nullptr;
};

// The largest product of strides that a layer reaches: pictures are multiples of it.
int64_t coarsest(const YoloSpec& spec) {
  std::vector<double> strides;
  double most = 1;
  for (const YoloLayer& layer : spec.layers) {
    double stride = layer.from[0] < 0 ? 1 : strides[static_cast<size_t>(layer.from[0])];
    const auto argument = [&](size_t i) {
      return i < layer.args.size() && layer.args[i].is_number() ? layer.args[i].get<double>() : 1.0;
    };
    if (layer.type == "Conv" || layer.type == "DWConv") stride *= std::max(argument(2), 1.0);
    if (layer.type == "nn.Upsample") stride /= std::max(argument(1), 1.0);
    strides.push_back(stride);
    most = std::max(most, stride);
  }
  return static_cast<int64_t>(std::min(most, static_cast<double>(kLargestStride)));
}

using SpecOf = std::function<Result<YoloSpec>(const Source&)>;

// What a trainer set, or what the published models see.
int64_t picture_size(const YoloSpec& spec, const Source& source) {
  const int64_t step = coarsest(spec);
  const std::string& head = spec.layers.back().type;
  int64_t size = head == "Classify" ? 224 : 640;
  std::optional<int64_t> trained = source.state.metadata_int("train_args.imgsz");
  if (source.config.is_object() && source.config.contains("args")) {
    const nlohmann::json& args = source.config["args"];
    if (args.is_object() && args.contains("imgsz") && args["imgsz"].is_number_integer()) {
      trained = args["imgsz"].get<int64_t>();
    }
  }
  if (trained && *trained >= step && *trained <= kLargestPicture) size = *trained;
  return (size + step - 1) / step * step;
}

Method method_of(const SpecOf& spec_of) {
  Method method;
  method.inputs = [spec_of](const Source& source) {
    const auto spec = spec_of(source);
    // What is wrong with it comes out of define().
    const int64_t size = spec ? picture_size(*spec, source) : 640;
    return std::vector<Input>{{"images", {1, spec ? spec->input_channels : 3, size, size}}};
  };
  method.small = [spec_of](const Source& source) {
    const auto spec = spec_of(source);
    const int64_t step = spec ? coarsest(*spec) : 32;
    const int64_t channels = spec ? spec->input_channels : 3;
    return std::vector<Input>{{"images", {1, channels, 2 * step, step}}};
  };
  method.check = [spec_of](const Source& source, const std::vector<Sizes>& inputs) -> Status {
    PTE_TRY(const YoloSpec spec, spec_of(source));
    const int64_t step = spec.layers.back().type == "Classify" ? 1 : coarsest(spec);
    const auto fits = [&](int64_t size) {
      return size >= step && size <= kLargestPicture && size % step == 0;
    };
    if (inputs.size() == 1 && inputs[0].size() == 4 && inputs[0][1] == spec.input_channels &&
        fits(inputs[0][2]) && fits(inputs[0][3])) {
      return {};
    }
    return invalid_argument("takes one input [N,{},H,W] with H and W multiples of {}, got {}",
                            spec.input_channels, step,
                            inputs.size() == 1 ? describe(DType::kFloat32, inputs[0])
                                               : fmt::format("{} inputs", inputs.size()));
  };
  method.define = [spec_of](Net& net,
                            const std::vector<ir::Value*>& inputs) -> std::vector<ir::Value*> {
    auto spec = spec_of(net.source());
    if (!spec) return {net.fail(std::move(spec.error()))};
    return Yolo(net, *spec).run(inputs[0]);
  };
  return method;
}

std::vector<std::string> labels(const Source& source) {
  if (!source.config.is_object() || !source.config.contains("names")) return {};
  const nlohmann::json& names = source.config["names"];
  std::vector<std::string> out;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto key = std::to_string(i);
    const nlohmann::json* name = nullptr;
    if (names.is_array()) name = &names[i];
    if (names.is_object() && names.contains(key)) name = &names[key];
    if (!name || !name->is_string()) return {};
    out.push_back(name->get<std::string>());
  }
  return out;
}

Architecture row(std::string name, std::string description, const SpecOf& spec_of) {
  Architecture out;
  out.name = std::move(name);
  out.description = std::move(description);
  out.input = "float32[1,3,640,640]";
  out.source = "Ultralytics";
  out.licence = "AGPL-3.0";
  out.task = "detect";
  out.labels = labels;
  out.methods = {method_of(spec_of)};
  return out;
}

}  // namespace

std::vector<Architecture> ultralytics() {
  std::vector<Architecture> rows;
  Architecture own =
      row("ultralytics", "detector, pose, mask or class model from the yaml in its checkpoint",
          [](const Source& source) { return yolo_spec(source); });
  own.claims = has_yolo_yaml;
  rows.push_back(std::move(own));
  for (const std::string& family : yolo_families()) {
    for (const char scale : {'n', 's', 'm', 'l', 'x'}) {
      // "yolov5u" becomes "yolov5nu".
      std::string name = family;
      name.insert(family.ends_with('u') ? name.size() - 1 : name.size(), 1, scale);
      rows.push_back(row(name, fmt::format("object detector, size {} of {}", scale, family),
                         [family, scale](const Source& source) -> Result<YoloSpec> {
                           return known_yolo(family, scale, source);
                         }));
    }
  }
  return rows;
}

}  // namespace pte::zoo
