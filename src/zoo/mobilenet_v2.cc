// MobileNetV2 as torchvision builds it: inverted residuals with ReLU6 and nothing after the
// projection.
#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-5;
constexpr double kMomentum = 0.1;

struct Stage {
  int64_t expand, out, repeats, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

// Convolution `conv_name`, batch norm `norm_name`, padded to keep the size at stride 1.
ir::Value* conv_norm(Net& net, ir::Value* x, const std::string& conv_name,
                     const std::string& norm_name, Conv conv) {
  conv.padding = (conv.kernel[0] - 1) / 2;
  x = net.convolution(x, conv_name, conv);
  return net.batch_norm(x, norm_name, conv.out, kEps, kMomentum);
}

ir::Value* conv_norm_relu6(Net& net, ir::Value* x, const std::string& name, const Conv& conv) {
  return net.relu6(conv_norm(net, x, name + ".0", name + ".1", conv));
}

ir::Value* block(Net& net, ir::Value* input, const std::string& name, int64_t in, int64_t out,
                 int64_t expand, int64_t stride) {
  int part = 0;
  const auto next = [&] { return fmt::format("{}.conv.{}", name, part++); };
  const int64_t hidden = in * expand;
  ir::Value* x = input;
  if (expand != 1) {
    x = conv_norm_relu6(net, x, next(), {.in = in, .out = hidden, .kernel = {1, 1}});
  }
  x = conv_norm_relu6(
      net, x, next(),
      {.in = hidden, .out = hidden, .kernel = {3, 3}, .stride = stride, .groups = hidden});
  const std::string project = next();
  x = conv_norm(net, x, project, next(), {.in = hidden, .out = out, .kernel = {1, 1}});
  return stride == 1 && in == out ? net.add(input, x) : x;
}

std::vector<ir::Value*> define(Net& net, const std::vector<ir::Value*>& inputs) {
  ir::Value* x = conv_norm_relu6(net, inputs[0], "features.0",
                                 {.in = 3, .out = 32, .kernel = {3, 3}, .stride = 2});
  int64_t in = 32;
  int index = 1;
  for (const Stage& stage : kStages) {
    for (int64_t r = 0; r < stage.repeats; ++r) {
      x = block(net, x, fmt::format("features.{}", index++), in, stage.out, stage.expand,
                r == 0 ? stage.stride : 1);
      in = stage.out;
    }
  }
  x = conv_norm_relu6(net, x, fmt::format("features.{}", index),
                      {.in = in, .out = 1280, .kernel = {1, 1}});
  return {net.linear(net.pool_all(x), "classifier.1", 1280,
                     net.size_in_state("classifier.1.bias", 0, 1000))};
}

}  // namespace

std::vector<Architecture> mobilenet_v2() {
  Architecture row;
  row.name = "mobilenet_v2";
  row.description = "image classifier, 3.5 M parameters, torchvision's MobileNetV2";
  row.input = "float32[1,3,224,224]";
  row.preprocessing = "imagenet";
  row.source = "torchvision, mobilenet_v2-b0353104.pth";
  row.licence = "BSD-3-Clause";
  row.methods = {picture_method(224, 32, define)};
  return {row};
}

}  // namespace pte::zoo
