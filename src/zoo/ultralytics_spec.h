// The layer list that an Ultralytics model is made from: out of the yaml that its checkpoint
// carries, or one that is known here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "zoo/zoo.h"

namespace pte::zoo {

struct YoloLayer {
  std::vector<int> from;  // layers that it reads, -1 the one before; resolved: never negative but
                          // for the first layer, which reads the input
  int64_t repeats = 1;
  std::string type;     // "Conv", "C3k2", "Detect"
  nlohmann::json args;  // an array, as in the yaml: channels before scaling
};

struct YoloSpec {
  std::vector<YoloLayer> layers;
  int64_t classes = 80;
  int64_t input_channels = 3;
  double depth = 1;
  double width = 1;
  double max_channels = 1e9;
  std::string scale;       // "n"; decides more than width and depth
  std::string activation;  // "" is SiLU
  int64_t keypoints = 17;
  int64_t keypoint_values = 3;

  // Channels after scaling: a multiple of 8.
  int64_t channels(double wanted) const;
  int64_t scaled_repeats(int64_t repeats) const;
};

// `config` is what a pickled model says about itself; its "yaml" must be there. A yaml without a
// scale takes the first that fits `state`. Fails with kInvalidData when it makes no sense.
Result<YoloSpec> yolo_spec(const Source& source);
bool has_yolo_yaml(const Source& source);

// Families that are known without a yaml: "yolo11", "yolov8", "yolov5u".
const std::vector<std::string>& yolo_families();
// `scale` is one of n, s, m, l and x.
YoloSpec known_yolo(std::string_view family, char scale, const Source& source);

}  // namespace pte::zoo
