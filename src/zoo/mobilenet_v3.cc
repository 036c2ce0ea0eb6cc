// MobileNetV3 Small and Large as torchvision builds them: inverted residuals, some with
// squeeze-and-excite, ReLU in the early blocks and hardswish in the later ones.
#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-3;
constexpr double kMomentum = 0.01;

struct Block {
  int64_t in, kernel, hidden, out;
  int64_t squeeze;  // channels inside squeeze-and-excite, 0 without
  bool hardswish;   // else ReLU
  int64_t stride;
};
constexpr Block kSmall[] = {
    {16, 3, 16, 16, 8, false, 2},   {16, 3, 72, 24, 0, false, 2},   {24, 3, 88, 24, 0, false, 1},
    {24, 5, 96, 40, 24, true, 2},   {40, 5, 240, 40, 64, true, 1},  {40, 5, 240, 40, 64, true, 1},
    {40, 5, 120, 48, 32, true, 1},  {48, 5, 144, 48, 40, true, 1},  {48, 5, 288, 96, 72, true, 2},
    {96, 5, 576, 96, 144, true, 1}, {96, 5, 576, 96, 144, true, 1},
};
constexpr Block kLarge[] = {
    {16, 3, 16, 16, 0, false, 1},     {16, 3, 64, 24, 0, false, 2},
    {24, 3, 72, 24, 0, false, 1},     {24, 5, 72, 40, 24, false, 2},
    {40, 5, 120, 40, 32, false, 1},   {40, 5, 120, 40, 32, false, 1},
    {40, 3, 240, 80, 0, true, 2},     {80, 3, 200, 80, 0, true, 1},
    {80, 3, 184, 80, 0, true, 1},     {80, 3, 184, 80, 0, true, 1},
    {80, 3, 480, 112, 120, true, 1},  {112, 3, 672, 112, 168, true, 1},
    {112, 5, 672, 160, 168, true, 2}, {160, 5, 960, 160, 240, true, 1},
    {160, 5, 960, 160, 240, true, 1},
};

struct Size {
  std::span<const Block> blocks;
  int64_t last;    // channels before the pool
  int64_t hidden;  // of the classifier
};
constexpr Size kSmallSize = {kSmall, 576, 1024};
constexpr Size kLargeSize = {kLarge, 960, 1280};

ir::Value* activation(Net& net, ir::Value* x, bool hardswish) {
  return hardswish ? net.call(Op::aten_hardswish, {x}) : net.relu(x);
}

// Convolution `name`.0 and batch norm `name`.1, padded to keep the size at stride 1.
ir::Value* conv_norm(Net& net, ir::Value* x, const std::string& name, Conv conv) {
  conv.padding = (conv.kernel[0] - 1) / 2;
  x = net.convolution(x, name + ".0", conv);
  return net.batch_norm(x, name + ".1", conv.out, kEps, kMomentum);
}

ir::Value* squeeze_excite(Net& net, ir::Value* x, const std::string& name, int64_t channels,
                          int64_t squeeze) {
  ir::Value* scale = net.call(Op::aten_adaptive_avg_pool2d, {x, ir::Arg::ints({1, 1})});
  scale = net.convolution(scale, name + ".fc1",
                          {.in = channels, .out = squeeze, .kernel = {1, 1}, .bias = true});
  scale = net.convolution(net.relu(scale), name + ".fc2",
                          {.in = squeeze, .out = channels, .kernel = {1, 1}, .bias = true});
  return net.mul(net.call(Op::aten_hardsigmoid, {scale}), x);
}

ir::Value* block(Net& net, ir::Value* input, const std::string& name, const Block& b) {
  int part = 0;
  const auto next = [&] { return fmt::format("{}.block.{}", name, part++); };
  ir::Value* x = input;
  if (b.hidden != b.in) {
    x = conv_norm(net, x, next(), {.in = b.in, .out = b.hidden, .kernel = {1, 1}});
    x = activation(net, x, b.hardswish);
  }
  x = conv_norm(net, x, next(),
                {.in = b.hidden,
                 .out = b.hidden,
                 .kernel = {b.kernel, b.kernel},
                 .stride = b.stride,
                 .groups = b.hidden});
  x = activation(net, x, b.hardswish);
  if (b.squeeze > 0) x = squeeze_excite(net, x, next(), b.hidden, b.squeeze);
  x = conv_norm(net, x, next(), {.in = b.hidden, .out = b.out, .kernel = {1, 1}});
  return b.stride == 1 && b.in == b.out ? net.add(x, input) : x;
}

ir::Value* define(Net& net, ir::Value* x, const Size& size) {
  x = conv_norm(net, x, "features.0", {.in = 3, .out = 16, .kernel = {3, 3}, .stride = 2});
  x = activation(net, x, true);
  int index = 1;
  for (const Block& b : size.blocks) x = block(net, x, fmt::format("features.{}", index++), b);
  x = conv_norm(net, x, fmt::format("features.{}", index),
                {.in = size.blocks.back().out, .out = size.last, .kernel = {1, 1}});
  x = net.pool_all(activation(net, x, true));
  x = activation(net, net.linear(x, "classifier.0", size.last, size.hidden), true);
  return net.linear(x, "classifier.3", size.hidden,
                    net.size_in_state("classifier.3.bias", 0, 1000));
}

Architecture row(std::string name, std::string_view parameters, std::string_view title,
                 std::string_view file, const Size& size) {
  Architecture out;
  out.name = std::move(name);
  out.description =
      fmt::format("image classifier, {} parameters, torchvision's {}", parameters, title);
  out.input = "float32[1,3,224,224]";
  out.preprocessing = "imagenet";
  out.source = fmt::format("torchvision, {}", file);
  out.licence = "BSD-3-Clause";
  out.methods = {picture_method(224, 32, [&size](Net& net, const std::vector<ir::Value*>& inputs) {
    return std::vector<ir::Value*>{define(net, inputs[0], size)};
  })};
  return out;
}

}  // namespace

std::vector<Architecture> mobilenet_v3() {
  return {row("mobilenet_v3_small", "2.5 M", "MobileNetV3-Small", "mobilenet_v3_small-047dcff4.pth",
              kSmallSize),
          row("mobilenet_v3_large", "5.5 M", "MobileNetV3-Large", "mobilenet_v3_large-8738ca79.pth",
              kLargeSize)};
}

}  // namespace pte::zoo
