// ResNet 18, 34 and 50 as torchvision builds them: the stride of a bottleneck is in its 3x3
// convolution.
#include <array>

#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-5;
constexpr double kMomentum = 0.1;

struct Size {
  int number;
  std::array<int, 4> blocks;
  bool bottleneck;
  std::string_view parameters;
  std::string_view file;
};
constexpr std::array<Size, 3> kSizes = {
    {{18, {2, 2, 2, 2}, false, "11.7 M", "resnet18-f37072fd.pth"},
     {34, {3, 4, 6, 3}, false, "21.8 M", "resnet34-b627a593.pth"},
     {50, {3, 4, 6, 3}, true, "25.6 M", "resnet50-0676ba61.pth"}}};

// Convolution `name`.conv`i` and batch norm `name`.bn`i`.
ir::Value* conv_norm(Net& net, ir::Value* x, const std::string& conv_name,
                     const std::string& norm_name, Conv conv) {
  conv.padding = (conv.kernel[0] - 1) / 2;
  x = net.convolution(x, conv_name, conv);
  return net.batch_norm(x, norm_name, conv.out, kEps, kMomentum);
}

ir::Value* block(Net& net, ir::Value* input, const std::string& name, bool bottleneck, int64_t in,
                 int64_t width, int64_t stride) {
  const int64_t out = bottleneck ? width * 4 : width;
  const auto layer = [&](ir::Value* x, int number, Conv conv) {
    return conv_norm(net, x, fmt::format("{}.conv{}", name, number),
                     fmt::format("{}.bn{}", name, number), std::move(conv));
  };
  ir::Value* x = input;
  if (bottleneck) {
    x = net.relu(layer(x, 1, {.in = in, .out = width, .kernel = {1, 1}}));
    x = net.relu(layer(x, 2, {.in = width, .out = width, .kernel = {3, 3}, .stride = stride}));
    x = layer(x, 3, {.in = width, .out = out, .kernel = {1, 1}});
  } else {
    x = net.relu(layer(x, 1, {.in = in, .out = width, .kernel = {3, 3}, .stride = stride}));
    x = layer(x, 2, {.in = width, .out = width, .kernel = {3, 3}});
  }
  ir::Value* across = input;
  if (stride != 1 || in != out) {
    across = conv_norm(net, input, name + ".downsample.0", name + ".downsample.1",
                       {.in = in, .out = out, .kernel = {1, 1}, .stride = stride});
  }
  return net.relu(net.add(x, across));
}

ir::Value* define(Net& net, ir::Value* x, const Size& size) {
  x = net.relu(
      conv_norm(net, x, "conv1", "bn1", {.in = 3, .out = 64, .kernel = {7, 7}, .stride = 2}));
  x = net.call(Op::aten_max_pool2d,
               {x, ir::Arg::ints({3, 3}), ir::Arg::ints({2, 2}), ir::Arg::ints({1, 1})});
  int64_t in = 64;
  int64_t width = 64;
  for (size_t stage = 0; stage < size.blocks.size(); ++stage) {
    for (int i = 0; i < size.blocks[stage]; ++i) {
      x = block(net, x, fmt::format("layer{}.{}", stage + 1, i), size.bottleneck, in, width,
                i == 0 && stage > 0 ? 2 : 1);
      in = size.bottleneck ? width * 4 : width;
    }
    width *= 2;
  }
  return net.linear(net.pool_all(x), "fc", in, net.size_in_state("fc.bias", 0, 1000));
}

}  // namespace

std::vector<Architecture> resnet() {
  std::vector<Architecture> rows;
  for (const Size& size : kSizes) {
    Architecture row;
    row.name = fmt::format("resnet{}", size.number);
    row.description = fmt::format("image classifier, {} parameters, torchvision's ResNet-{}",
                                  size.parameters, size.number);
    row.input = "float32[1,3,224,224]";
    row.preprocessing = "imagenet";
    row.source = fmt::format("torchvision, {}", size.file);
    row.licence = "BSD-3-Clause";
    row.methods = {
        picture_method(224, 32, [&size](Net& net, const std::vector<ir::Value*>& inputs) {
          return std::vector<ir::Value*>{define(net, inputs[0], size)};
        })};
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace pte::zoo
