#include "vision/preprocess.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "vision/json_fields.h"

namespace pte::vision {
namespace {

constexpr int64_t kMaxSide = 16384;

constexpr std::pair<std::string_view, Preprocess::Resize> kResizes[] = {
    {"short_side", Preprocess::Resize::kShortSide},
    {"squash", Preprocess::Resize::kSquash},
    {"none", Preprocess::Resize::kNone},
};

Status check(const Preprocess& p) {
  const std::pair<std::string_view, int64_t> sides[] = {
      {"size", p.size}, {"width", p.width}, {"height", p.height}};
  for (const auto& [name, side] : sides) {
    if (side < 1 || side > kMaxSide)
      return invalid_data("'{}' is {}; expected 1 to {}", name, side, kMaxSide);
  }
  if (!std::isfinite(p.scale)) return invalid_data("'scale' is not a finite number");
  for (size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(p.mean[c])) return invalid_data("'mean' holds a value that is not finite");
    if (!std::isfinite(p.std[c]) || static_cast<float>(p.std[c]) == 0.0f)
      return invalid_data("'std' is {} for channel {}; it divides, so it must be finite and not 0",
                          p.std[c], c);
  }
  return {};
}

Status read_triple(const nlohmann::json& json, const char* key, std::array<double, 3>& values) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  const bool good = found->is_array() && found->size() == 3 && (*found)[0].is_number() &&
                    (*found)[1].is_number() && (*found)[2].is_number();
  if (!good) return invalid_data("'{}' must be a list of three numbers", key);
  for (size_t c = 0; c < 3; ++c) values[c] = (*found)[c].get<double>();
  return {};
}

// half of an odd margin rounds to the even neighbour, as Python's round does.
int64_t half_to_even(int64_t margin) {
  const int64_t half = margin / 2;
  return margin % 2 != 0 && half % 2 != 0 ? half + 1 : half;
}

// Where a crop of `wanted` begins in `side` samples; negative when zeros come first.
int64_t crop_start(int64_t side, int64_t wanted) {
  return side < wanted ? -((wanted - side) / 2) : half_to_even(side - wanted);
}

}  // namespace

Preprocess Preprocess::imagenet(int64_t size) {
  Preprocess p;
  p.size = size * 8 / 7;
  p.width = p.height = size;
  p.mean = {0.485, 0.456, 0.406};
  p.std = {0.229, 0.224, 0.225};
  return p;
}

Preprocess Preprocess::efficientnet_lite() {
  Preprocess p;
  p.round_long_side = true;
  p.filter = Filter::kBicubic;
  p.scale = 1;
  p.mean = {127, 127, 127};
  p.std = {128, 128, 128};
  return p;
}

Preprocess Preprocess::squash(int64_t size) {
  Preprocess p;
  p.resize = Resize::kSquash;
  p.size = p.width = p.height = size;
  p.mean = {0.5, 0.5, 0.5};
  p.std = {0.5, 0.5, 0.5};
  return p;
}

std::optional<Preprocess> preset(std::string_view name) {
  if (name == "imagenet") return Preprocess::imagenet();
  if (name == "efficientnet_lite") return Preprocess::efficientnet_lite();
  if (name == "squash") return Preprocess::squash(224);
  return std::nullopt;
}

nlohmann::json to_json(const Preprocess& p) {
  nlohmann::json json;
  for (const auto& [name, resize] : kResizes)
    if (resize == p.resize) json["resize"] = name;
  if (p.resize == Preprocess::Resize::kShortSide) {
    json["size"] = p.size;
    json["long_side"] = p.round_long_side ? "round" : "truncate";
  }
  json["interpolation"] = filter_name(p.filter);
  json["width"] = p.width;
  json["height"] = p.height;
  json["channel_order"] = p.channel_order == Preprocess::ChannelOrder::kRgb ? "rgb" : "bgr";
  json["scale"] = p.scale;
  json["mean"] = p.mean;
  json["std"] = p.std;
  json["layout"] = "nchw";
  return json;
}

Result<Preprocess> preprocess_from_json(const nlohmann::json& json) {
  if (!json.is_object()) return invalid_data("'preprocess' must be an object");
  Preprocess p;
  std::string resize = "short_side";
  std::string filter = "bilinear";
  std::string order = "rgb";
  std::string layout = "nchw";
  std::string long_side = "truncate";
  PTE_CHECK(read_field(json, "resize", resize));
  PTE_CHECK(read_field(json, "interpolation", filter));
  PTE_CHECK(read_field(json, "channel_order", order));
  PTE_CHECK(read_field(json, "layout", layout));
  PTE_CHECK(read_field(json, "long_side", long_side));
  PTE_CHECK(read_field(json, "width", p.width));
  PTE_CHECK(read_field(json, "height", p.height));
  PTE_CHECK(read_field(json, "scale", p.scale));
  PTE_CHECK(read_triple(json, "mean", p.mean));
  PTE_CHECK(read_triple(json, "std", p.std));

  bool known = false;
  for (const auto& [name, value] : kResizes) {
    if (name != resize) continue;
    p.resize = value;
    known = true;
  }
  if (!known)
    return invalid_data("'resize' is '{}'; expected 'short_side', 'squash' or 'none'", resize);
  PTE_CHECK(read_field(json, "size", p.size));
  if (long_side != "round" && long_side != "truncate")
    return invalid_data("'long_side' is '{}'; expected 'round' or 'truncate'", long_side);
  p.round_long_side = long_side == "round";
  if (p.resize != Preprocess::Resize::kShortSide) {  // they have no meaning there
    p.size = p.width;
    p.round_long_side = false;
  }
  const auto parsed = parse_filter(filter);
  if (!parsed)
    return invalid_data(
        "'interpolation' is '{}'; expected nearest, box, bilinear, hamming, bicubic or lanczos",
        filter);
  p.filter = *parsed;
  if (order != "rgb" && order != "bgr")
    return invalid_data("'channel_order' is '{}'; expected 'rgb' or 'bgr'", order);
  if (order == "bgr") p.channel_order = Preprocess::ChannelOrder::kBgr;
  if (layout != "nchw") return unsupported("'layout' is '{}'; only 'nchw' can be fed", layout);
  PTE_CHECK(check(p));
  return p;
}

Result<Image> resize_and_crop(const Preprocess& p, const Image& image) {
  PTE_CHECK(check(p).at("preprocess"));
  if (image.empty()) return invalid_argument("an empty picture cannot be classified");
  if (p.resize == Preprocess::Resize::kSquash)
    return vision::resize(image, p.width, p.height, p.filter);
  if (p.resize == Preprocess::Resize::kNone)
    return crop(image, {crop_start(image.width(), p.width), crop_start(image.height(), p.height),
                        p.width, p.height});
  const bool wide = image.height() < image.width();
  const int64_t short_side = wide ? image.height() : image.width();
  const int64_t long_side = wide ? image.width() : image.height();
  const double exact = static_cast<double>(p.size * long_side) / static_cast<double>(short_side);
  const auto scaled = static_cast<int64_t>(p.round_long_side ? std::nearbyint(exact) : exact);
  const int64_t width = wide ? scaled : p.size;
  const int64_t height = wide ? p.size : scaled;
  return resize_window(
      image, width, height, p.filter,
      {crop_start(width, p.width), crop_start(height, p.height), p.width, p.height});
}

Result<Tensor> apply(const Preprocess& p, const Image& image) {
  PTE_TRY(const Image small, resize_and_crop(p, image));
  PTE_TRY(Tensor tensor, Tensor::zeros(DType::kFloat32, {1, 3, p.height, p.width}));
  float* plane = tensor.mutable_data_as<float>();
  const auto pixels = static_cast<size_t>(p.width * p.height);
  const auto channels = static_cast<size_t>(small.channels());
  for (size_t c = 0; c < 3; ++c, plane += pixels) {
    // Only 256 samples exist: compute each value once.
    float values[256];
    for (int v = 0; v < 256; ++v) {
      const auto scaled = static_cast<float>(v * p.scale);
      values[v] = (scaled - static_cast<float>(p.mean[c])) / static_cast<float>(p.std[c]);
    }
    const size_t from = p.channel_order == Preprocess::ChannelOrder::kBgr ? 2 - c : c;
    const uint8_t* in = small.data() + (channels == 1 ? 0 : from);
    for (size_t i = 0; i < pixels; ++i) plane[i] = values[in[i * channels]];
  }
  return tensor;
}

}  // namespace pte::vision
