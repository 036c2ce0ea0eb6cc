#include "zoo/ultralytics_blocks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-3;
constexpr double kMomentum = 0.03;
constexpr int64_t kMaxChannels = int64_t{1} << 20;
constexpr int64_t kMaxKernel = 63;

int64_t share_of(int64_t channels, double share) {
  return static_cast<int64_t>(static_cast<double>(channels) * share);
}

}  // namespace

std::pair<int64_t, int64_t> picture_sizes(const ir::Value* x) {
  if (x == nullptr) return {1, 1};
  const ir::SymSizes& sizes = x->tensor().sizes;
  return {sizes.at(2).constant().value_or(1), sizes.at(3).constant().value_or(1)};
}

Flow YoloBlocks::fail(Error error) {
  net_.fail(std::move(error));
  return {};
}

Flow YoloBlocks::activate(Flow x) {
  const std::string& name = spec_.activation;
  const auto is = [&](std::string_view what) { return name.find(what) != std::string::npos; };
  if (name.empty() || is("SiLU")) {
    x.value = net_.silu(x.value);
  } else if (is("LeakyReLU") || is("PReLU") || is("ReLU6") || is("RReLU")) {
    return fail(unsupported("the model's activation '{}'", name.substr(0, 40)));
  } else if (is("Hardswish")) {
    x.value = net_.call(Op::aten_hardswish, {x.value});
  } else if (is("ReLU")) {
    x.value = net_.relu(x.value);
  } else if (!is("Identity")) {
    return fail(unsupported("the model's activation '{}'", name.substr(0, 40)));
  }
  return x;
}

Flow YoloBlocks::conv(Flow x, const std::string& name, int64_t out, const ConvOptions& options) {
  if (out < 1 || out > kMaxChannels || x.channels < 1 || options.kernel < 1 ||
      options.kernel > kMaxKernel || options.stride < 1 || options.stride > kMaxKernel ||
      options.padding > kMaxKernel || options.groups < 1 || x.channels % options.groups != 0 ||
      out % options.groups != 0) {
    return fail(
        invalid_data("the model's yaml: '{}' makes a convolution that makes no sense", name));
  }
  Conv conv{.in = x.channels,
            .out = out,
            .kernel = {options.kernel, options.kernel},
            .stride = options.stride,
            .padding = options.padding < 0 ? options.kernel / 2 : options.padding,
            .groups = options.groups};
  const std::string norm = name + ".bn";
  // Fused checkpoints have the norm in the convolution already.
  conv.bias =
      net_.state().contains(name + ".conv.bias") && !net_.state().contains(norm + ".running_mean");
  x.value = net_.convolution(x.value, name + ".conv", conv);
  if (!conv.bias) x.value = net_.batch_norm(x.value, norm, out, kEps, kMomentum);
  x.channels = out;
  x.stride *= static_cast<double>(options.stride);
  return options.activate ? activate(x) : x;
}

Flow YoloBlocks::plain_conv(Flow x, const std::string& name, int64_t out) {
  x.value = net_.convolution(x.value, name,
                             {.in = x.channels, .out = out, .kernel = {1, 1}, .bias = true});
  x.channels = out;
  return x;
}

Flow YoloBlocks::concat(const std::vector<Flow>& parts) {
  Flow out = parts.front();
  out.channels = 0;
  std::vector<ir::Value*> values;
  for (const Flow& part : parts) {
    values.push_back(part.value);
    out.channels += part.channels;
  }
  out.value = net_.cat(values, 1);
  return out;
}

Flow YoloBlocks::bottleneck(Flow x, const std::string& name, int64_t out, bool shortcut,
                            int64_t groups, int64_t first_kernel, int64_t second_kernel,
                            double share) {
  Flow y = conv(x, name + ".cv1", share_of(out, share), {.kernel = first_kernel});
  y = conv(y, name + ".cv2", out, {.kernel = second_kernel, .groups = groups});
  if (shortcut && x.channels == out) y.value = net_.add(x.value, y.value);
  return y;
}

template <typename Item>
Flow YoloBlocks::cross_stage(Flow x, const std::string& name, int64_t out, int64_t repeats,
                             double share, const Item& item) {
  const int64_t width = share_of(out, share);
  Flow both = conv(x, name + ".cv1", 2 * width, {});
  const auto halves = net_.split(both.value, {width, width}, 1);
  std::vector<Flow> parts = {both, both};
  for (size_t i = 0; i < 2; ++i) {
    parts[i].value = halves[i];
    parts[i].channels = width;
  }
  for (int64_t i = 0; i < repeats; ++i) {
    parts.push_back(item(parts.back(), fmt::format("{}.m.{}", name, i), width));
  }
  return conv(concat(parts), name + ".cv2", out, {});
}

Flow YoloBlocks::c3(Flow x, const std::string& name, int64_t out, int64_t repeats, bool shortcut,
                    int64_t groups, double share, int64_t first_kernel) {
  const int64_t width = share_of(out, share);
  Flow y = conv(x, name + ".cv1", width, {});
  const Flow across = conv(x, name + ".cv2", width, {});
  for (int64_t i = 0; i < repeats; ++i) {
    y = bottleneck(y, fmt::format("{}.m.{}", name, i), width, shortcut, groups, first_kernel, 3, 1);
  }
  return conv(concat({y, across}), name + ".cv3", out, {});
}

Flow YoloBlocks::attention(Flow x, const std::string& name, int64_t heads) {
  const int64_t head = x.channels / heads;
  const int64_t key = head / 2;
  const int64_t each = 2 * key + head;
  if (key < 1 || head * heads != x.channels) {
    return fail(invalid_data("the model's yaml: '{}' has no whole number of heads", name));
  }
  const Flow qkv = conv(x, name + ".qkv", each * heads, {.activate = false});
  const auto transpose = [&](ir::Value* v) { return net_.permute(v, {0, 1, 3, 2}); };
  const auto [height, width] = picture_sizes(x.value);
  ir::Value* rows = net_.view(qkv.value, {-1, heads, each, height * width});
  const auto parts = net_.split(rows, {key, key, head}, 2);
  ir::Value* weights = net_.call(Op::aten_matmul, {transpose(parts[0]), parts[1]});
  weights = net_.call(Op::aten_mul_Scalar, {weights, 1.0 / std::sqrt(static_cast<double>(key))});
  weights = net_.softmax(weights, -1);
  ir::Value* mixed = net_.call(Op::aten_matmul, {parts[2], transpose(weights)});
  const std::vector<int64_t> picture = {-1, x.channels, height, width};
  Flow value = x;
  value.value = net_.view(parts[2], picture);
  const Flow position =
      conv(value, name + ".pe", x.channels, {.kernel = 3, .groups = x.channels, .activate = false});
  Flow out = x;
  out.value = net_.add(net_.view(mixed, picture), position.value);
  return conv(out, name + ".proj", x.channels, {.activate = false});
}

Flow YoloBlocks::psa_block(Flow x, const std::string& name) {
  Flow y = attention(x, name + ".attn", std::max<int64_t>(x.channels / 64, 1));
  y.value = net_.add(x.value, y.value);
  Flow z = conv(y, name + ".ffn.0", 2 * x.channels, {});
  z = conv(z, name + ".ffn.1", x.channels, {.activate = false});
  z.value = net_.add(y.value, z.value);
  return z;
}

// ---- layers by name

Flow YoloBlocks::build_conv(const Call& call) {
  return conv(call.inputs[0], call.name, out_channels(call),
              {.kernel = integer(call, 1, 1),
               .stride = integer(call, 2, 1),
               .padding = integer(call, 3, -1),
               .groups = integer(call, 4, 1)});
}

Flow YoloBlocks::build_depthwise(const Call& call) {
  const int64_t out = out_channels(call);
  return conv(call.inputs[0], call.name, out,
              {.kernel = integer(call, 1, 1),
               .stride = integer(call, 2, 1),
               .groups = std::gcd(call.inputs[0].channels, out)});
}

Flow YoloBlocks::build_c2f(const Call& call) {
  const bool shortcut = boolean(call, 1, false);
  const int64_t groups = integer(call, 2, 1);
  return cross_stage(call.inputs[0], call.name, out_channels(call), repeats(call),
                     number(call, 3, 0.5), [&](Flow x, const std::string& name, int64_t width) {
                       return bottleneck(x, name, width, shortcut, groups, 3, 3, 1);
                     });
}

Flow YoloBlocks::build_c3k2(const Call& call) {
  // The larger sizes have the deeper item everywhere.
  const bool deep =
      boolean(call, 1, false) || spec_.scale == "m" || spec_.scale == "l" || spec_.scale == "x";
  const int64_t groups = integer(call, 3, 1);
  const bool shortcut = boolean(call, 4, true);
  return cross_stage(call.inputs[0], call.name, out_channels(call), repeats(call),
                     number(call, 2, 0.5), [&](Flow x, const std::string& name, int64_t width) {
                       return deep ? c3(x, name, width, 2, shortcut, groups, 0.5, 3)
                                   : bottleneck(x, name, width, shortcut, groups, 3, 3, 0.5);
                     });
}

Flow YoloBlocks::build_c3(const Call& call) {
  return c3(call.inputs[0], call.name, out_channels(call), repeats(call), boolean(call, 1, true),
            integer(call, 2, 1), number(call, 3, 0.5), 1);
}

Flow YoloBlocks::build_bottleneck(const Call& call) {
  return bottleneck(call.inputs[0], call.name, out_channels(call), boolean(call, 1, true),
                    integer(call, 2, 1), 3, 3, 0.5);
}

Flow YoloBlocks::build_sppf(const Call& call) {
  const int64_t kernel = integer(call, 1, 5);
  const Flow x = call.inputs[0];
  if (kernel < 1 || kernel > kMaxKernel) {
    return fail(invalid_data("the model's yaml: '{}' has a kernel of {}", call.name, kernel));
  }
  std::vector<Flow> parts = {conv(x, call.name + ".cv1", x.channels / 2, {})};
  for (int i = 0; i < 3; ++i) {
    Flow pooled = parts.back();
    pooled.value = net_.call(Op::aten_max_pool2d,
                             {pooled.value, ir::Arg::ints({kernel, kernel}), ir::Arg::ints({1, 1}),
                              ir::Arg::ints({kernel / 2, kernel / 2})});
    parts.push_back(pooled);
  }
  return conv(concat(parts), call.name + ".cv2", out_channels(call), {});
}

Flow YoloBlocks::build_c2psa(const Call& call) {
  const Flow x = call.inputs[0];
  const int64_t width = share_of(x.channels, number(call, 1, 0.5));
  Flow both = conv(x, call.name + ".cv1", 2 * width, {});
  const auto halves = net_.split(both.value, {width, width}, 1);
  Flow kept = both;
  kept.value = halves[0];
  kept.channels = width;
  Flow y = kept;
  y.value = halves[1];
  for (int64_t i = 0; i < repeats(call); ++i) {
    y = psa_block(y, fmt::format("{}.m.{}", call.name, i));
  }
  return conv(concat({kept, y}), call.name + ".cv2", x.channels, {});
}

Flow YoloBlocks::build_concat(const Call& call) {
  if (integer(call, 0, 1) != 1) {
    return fail(
        unsupported("'{}' joins along dimension {}, not channels", call.name, integer(call, 0, 1)));
  }
  return concat(call.inputs);
}

Flow YoloBlocks::build_upsample(const Call& call) {
  const nlohmann::json& args = call.layer.args;
  const double factor = number(call, 1, 0);
  const bool nearest = args.size() < 3 || args[2] == "nearest";
  if (!(factor >= 1 && factor <= 16) || !nearest) {
    return fail(unsupported("'{}' enlarges by other means than to the nearest pixel", call.name));
  }
  Flow x = call.inputs[0];
  x.value = net_.call(Op::aten_upsample_nearest2d_vec,
                      {x.value, ir::Arg(), ir::Arg::doubles({factor, factor})});
  x.stride /= factor;
  return x;
}

Flow YoloBlocks::build_identity(const Call& call) { return call.inputs[0]; }

YoloBlocks::Builder YoloBlocks::builder_of(std::string_view type) {
  struct Row {
    std::string_view type;
    Builder builder;
  };
  static constexpr Row kRows[] = {
      {"Conv", &YoloBlocks::build_conv},
      {"DWConv", &YoloBlocks::build_depthwise},
      {"C2f", &YoloBlocks::build_c2f},
      {"C3", &YoloBlocks::build_c3},
      {"C3k2", &YoloBlocks::build_c3k2},
      {"Bottleneck", &YoloBlocks::build_bottleneck},
      {"SPPF", &YoloBlocks::build_sppf},
      {"C2PSA", &YoloBlocks::build_c2psa},
      {"Concat", &YoloBlocks::build_concat},
      {"nn.Upsample", &YoloBlocks::build_upsample},
      {"nn.Identity", &YoloBlocks::build_identity},
  };
  for (const Row& row : kRows) {
    if (row.type == type) return row.builder;
  }
  return nullptr;
}

Flow YoloBlocks::layer(const YoloLayer& layer, const std::string& name,
                       const std::vector<Flow>& inputs) {
  if (!net_.status()) return {};
  const Builder build = builder_of(layer.type);
  if (!build) {
    return fail(unsupported("layer '{}' is of type {}, which cannot be rebuilt from a checkpoint",
                            name, layer.type.substr(0, 40))
                    .with_hint("export the model with torch.export (.pt2) or to ONNX"));
  }
  return (this->*build)({layer, name, inputs});
}

// ---- arguments

int64_t YoloBlocks::integer(const Call& call, size_t index, int64_t otherwise) {
  const nlohmann::json& args = call.layer.args;
  if (index >= args.size() || args[index].is_null()) return otherwise;
  if (args[index].is_number_integer()) return args[index].get<int64_t>();
  fail(invalid_data("the model's yaml: argument {} of '{}' is no whole number", index, call.name));
  return otherwise;
}

bool YoloBlocks::boolean(const Call& call, size_t index, bool otherwise) {
  const nlohmann::json& args = call.layer.args;
  if (index >= args.size() || args[index].is_null()) return otherwise;
  if (args[index].is_boolean()) return args[index].get<bool>();
  fail(invalid_data("the model's yaml: argument {} of '{}' is no truth value", index, call.name));
  return otherwise;
}

double YoloBlocks::number(const Call& call, size_t index, double otherwise) {
  const nlohmann::json& args = call.layer.args;
  if (index >= args.size() || args[index].is_null()) return otherwise;
  if (args[index].is_number()) return args[index].get<double>();
  fail(invalid_data("the model's yaml: argument {} of '{}' is no number", index, call.name));
  return otherwise;
}

int64_t YoloBlocks::out_channels(const Call& call) {
  const double wanted = number(call, 0, 0);
  if (!(wanted >= 1 && wanted <= static_cast<double>(kMaxChannels))) {
    fail(invalid_data("the model's yaml: '{}' has no channels", call.name));
    return 0;
  }
  // A layer as wide as there are classes is taken for a classifier and keeps its width.
  return wanted == static_cast<double>(spec_.classes) ? spec_.classes : spec_.channels(wanted);
}

}  // namespace pte::zoo
