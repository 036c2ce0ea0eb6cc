// From a picture to the tensor a network expects: resize, centre crop, scale and normalise, step by
// step as torchvision's Resize, CenterCrop, ToTensor and Normalize on a Pillow picture.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "tensor/tensor.h"
#include "vision/image.h"
#include "vision/resize.h"

namespace pte::vision {

struct Preprocess {
  enum class Resize {
    kShortSide,  // the shorter side becomes `size`, the other size * long / short
    kSquash,     // straight to width x height, the aspect ratio ignored
    kNone,       // crop only
  };
  enum class ChannelOrder { kRgb, kBgr };

  Resize resize = Resize::kShortSide;
  int64_t size = 256;  // kShortSide only
  // kShortSide: the longer side to the nearest integer (half to even) instead of towards zero.
  // torchvision truncates; the recipe of the EfficientNet-Lite weights rounds.
  bool round_long_side = false;
  Filter filter = Filter::kBilinear;
  // What the network takes. After the resize the centre is cut out, at round-half-to-even of half
  // the margin; where the picture is smaller, zeros surround it.
  int64_t width = 224;
  int64_t height = 224;
  ChannelOrder channel_order = ChannelOrder::kRgb;
  // value = (sample * scale - mean) / std, in float32; mean and std in the channel order of the
  // tensor.
  double scale = 1.0 / 255.0;
  std::array<double, 3> mean = {0, 0, 0};
  std::array<double, 3> std = {1, 1, 1};

  // torchvision's ImageNet recipe: short side 256 (or size * 8 / 7 for other crops), bilinear,
  // crop.
  static Preprocess imagenet(int64_t size = 224);
  // (x - 127) / 128 on a bicubic resize of the short side to 256 and a crop of 224.
  static Preprocess efficientnet_lite();
  // Bilinear straight to size x size, values in [-1, 1].
  static Preprocess squash(int64_t size);

  bool operator==(const Preprocess&) const = default;
};

// "imagenet", "efficientnet_lite", "squash" (224); nothing for other names.
std::optional<Preprocess> preset(std::string_view name);

// The `preprocess` object of a model's metadata:
//   {"resize": "short_side", "size": 256, "long_side": "round", "interpolation": "bicubic",
//    "width": 224, "height": 224, "channel_order": "rgb", "scale": 1, "mean": [127, 127, 127],
//    "std": [128, 128, 128], "layout": "nchw"}
// Absent fields keep the struct's defaults, unknown ones are ignored; a field of the wrong type, an
// unknown name or a size out of 1 … 16384 is kInvalidData.
nlohmann::json to_json(const Preprocess& preprocess);
Result<Preprocess> preprocess_from_json(const nlohmann::json& json);

// The resized and cropped picture, 8-bit RGB, height x width.
Result<Image> resize_and_crop(const Preprocess& preprocess, const Image& image);

// float32[1,3,height,width]. A grey picture counts as RGB with equal channels, a fourth channel is
// dropped.
Result<Tensor> apply(const Preprocess& preprocess, const Image& image);

}  // namespace pte::vision
