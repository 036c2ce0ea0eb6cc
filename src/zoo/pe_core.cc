// Perception Encoder, core models T16-384, S16-384 and B16-224: a vision transformer with rotary
// positions and an attention pool, and a text transformer beside it. Both give embeddings of one
// space, not normalised.
//
// Three ways of naming the weights are known: the published files', timm's (vision alone), and
// open_clip's (timm's under "visual.trunk.", text under "text.").
//
// Rotary positions turn neighbouring elements of a head against each other. Here the rows that make
// queries and keys are put in another order once, so that a head's first half turns against its
// second: the products of queries and keys are the same, and the graph needs two slices instead of
// a gather.
#include <array>
#include <cmath>
#include <limits>

#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr double kEps = 1e-5;
constexpr int64_t kHead = 64;  // elements of a head
constexpr int64_t kPoolHeads = 8;
constexpr int64_t kVocabulary = 49408;
constexpr int64_t kContext = 32;
constexpr int64_t kPatch = 16;
constexpr int64_t kMlpRatio = 4;

struct Tower {
  int64_t width, layers;
};
struct Size {
  std::string_view name;
  int64_t picture;
  Tower vision, text;
  int64_t out;
  std::string_view parameters[3];  // both towers, vision, text
};
constexpr std::array<Size, 3> kSizes = {
    {{"t16_384", 384, {192, 12}, {512, 12}, 512, {"70 M", "6.1 M", "63 M"}},
     {"s16_384", 384, {384, 12}, {512, 12}, 512, {"87 M", "24 M", "63 M"}},
     {"b16_224", 224, {768, 12}, {1024, 24}, 1024, {"448 M", "94 M", "354 M"}}}};

// How a checkpoint calls what.
struct Names {
  std::string vision, text;  // prefixes
  bool timm = false;

  explicit Names(const StateDict& state) {
    const auto has = [&](std::string_view name) { return state.contains(name); };
    timm = has("visual.trunk.patch_embed.proj.weight") || has("patch_embed.proj.weight");
    if (timm) {
      vision = has("patch_embed.proj.weight") ? "" : "visual.trunk.";
    } else {
      vision = has("class_embedding") ? "" : "visual.";
    }
    text = has("text.token_embedding.weight") ? "text." : "";
  }
};

Result<Tensor> rows_of(const Tensor& tensor, int64_t begin, int64_t count) {
  Sizes sizes = tensor.sizes();
  sizes[0] = count;
  return tensor.with_layout(sizes, tensor.strides(), begin * tensor.strides()[0]);
}

// Queries and keys of a projection [3·width, …] in an order that puts the first elements of all
// pairs of a head before the second ones, queries scaled (by a power of two: no bit is lost).
Result<Tensor> reordered(const Tensor& projection) {
  const int64_t width = projection.size(0) / 3;
  const int64_t inner = projection.numel() / projection.size(0);
  PTE_TRY(Tensor out, Tensor::zeros(DType::kFloat32, projection.sizes()));
  const float* from = projection.data_as<float>();
  float* to = out.mutable_data_as<float>();
  const float scale = 1.0F / std::sqrt(static_cast<float>(kHead));
  for (int64_t row = 0; row < 3 * width; ++row) {
    const int64_t place = row % kHead;
    const int64_t pair = place % (kHead / 2);
    const int64_t source = row - place + 2 * pair + (place < kHead / 2 ? 0 : 1);
    const float* values = from + (row < 2 * width ? source : row) * inner;
    const float factor = row < width ? scale : 1.0F;
    for (int64_t i = 0; i < inner; ++i) to[row * inner + i] = values[i] * factor;
  }
  return out;
}

// The grid of positions [side·side, width], behind the class token's row, for a picture of
// `height` × `width` patches: bilinear between the trained ones. The class token itself is added to
// its row.
Result<Tensor> position_table(const Tensor& positions, const Tensor& class_token, int64_t height,
                              int64_t width) {
  const int64_t channels = class_token.numel();
  const auto side = static_cast<int64_t>(
      std::llround(std::sqrt(static_cast<double>(positions.numel() / channels - 1))));
  PTE_TRY(Tensor out, Tensor::zeros(DType::kFloat32, {1, height * width + 1, channels}));
  const float* from = positions.data_as<float>();
  const float* extra = class_token.data_as<float>();
  float* to = out.mutable_data_as<float>();
  for (int64_t c = 0; c < channels; ++c) to[c] = from[c] + extra[c];
  const auto place = [](int64_t at, int64_t count, int64_t known) {
    const double scale = static_cast<double>(known) / static_cast<double>(count);
    return std::max((static_cast<double>(at) + 0.5) * scale - 0.5, 0.0);
  };
  for (int64_t y = 0; y < height; ++y) {
    const double fy = place(y, height, side);
    const auto y0 = std::min(static_cast<int64_t>(fy), side - 1);
    const int64_t y1 = std::min(y0 + 1, side - 1);
    const auto wy = static_cast<float>(fy - static_cast<double>(y0));
    for (int64_t x = 0; x < width; ++x) {
      const double fx = place(x, width, side);
      const auto x0 = std::min(static_cast<int64_t>(fx), side - 1);
      const int64_t x1 = std::min(x0 + 1, side - 1);
      const auto wx = static_cast<float>(fx - static_cast<double>(x0));
      const auto at = [&](int64_t row, int64_t column, int64_t c) {
        return from[(1 + row * side + column) * channels + c];
      };
      float* token = to + (1 + y * width + x) * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float top = at(y0, x0, c) * (1 - wx) + at(y0, x1, c) * wx;
        const float bottom = at(y1, x0, c) * (1 - wx) + at(y1, x1, c) * wx;
        token[c] = top * (1 - wy) + bottom * wy;
      }
    }
  }
  return out;
}

// [1, tokens, 1, head]: cosines (or sines, negative in the first half) of each token's angles. Half
// of the pairs turn with the column, half with the row, both counted from 1; the class token does
// not turn.
Result<Tensor> rotary_table(int64_t height, int64_t width, bool sine) {
  PTE_TRY(Tensor out, Tensor::zeros(DType::kFloat32, {1, height * width + 1, 1, kHead}));
  float* to = out.mutable_data_as<float>();
  constexpr int64_t kPairs = kHead / 2;
  constexpr int64_t kAxis = kPairs / 2;
  for (int64_t token = 0; token <= height * width; ++token) {
    for (int64_t pair = 0; pair < kPairs; ++pair) {
      const int64_t axis = pair / kAxis;
      const auto frequency = static_cast<float>(std::pow(
          10000.0, -static_cast<double>(2 * (pair % kAxis)) / static_cast<double>(2 * kAxis)));
      const int64_t place =
          token == 0 ? 0 : 1 + (axis == 0 ? (token - 1) % width : (token - 1) / width);
      const double angle = static_cast<float>(place) * frequency;
      float* row = to + token * kHead;
      row[pair] = static_cast<float>(sine ? -std::sin(angle) : std::cos(angle));
      row[pair + kPairs] = static_cast<float>(sine ? std::sin(angle) : std::cos(angle));
    }
  }
  return out;
}

class PeCore {
 public:
  PeCore(Net& net, const Size& size) : net_(net), size_(size), names_(net.state()) {}

  // [N,3,H,W] to [N,out]
  ir::Value* encode_image(ir::Value* x) {
    const int64_t width = size_.vision.width;
    const std::string& prefix = names_.vision;
    const auto grid = patches(x);
    const int64_t height_patches = grid.first;
    const int64_t width_patches = grid.second;
    const int64_t tokens = height_patches * width_patches + 1;
    x = net_.convolution(x, prefix + (names_.timm ? "patch_embed.proj" : "conv1"),
                         {.in = 3, .out = width, .kernel = {kPatch, kPatch}, .stride = kPatch});
    x = net_.permute(net_.view(x, {-1, width, tokens - 1}), {0, 2, 1});
    // A row of zeros for the class token, which comes with its position.
    x = net_.call(Op::aten_constant_pad_nd, {x, ir::Arg::ints({0, 0, 1, 0}), 0.0});
    x = net_.add(x, positions(height_patches, width_patches));
    x = norm(x, prefix + (names_.timm ? "norm_pre" : "ln_pre"), width);

    cosines_ = net_.computed("rope_cos",
                             [&] { return rotary_table(height_patches, width_patches, false); });
    sines_ = net_.computed("rope_sin",
                           [&] { return rotary_table(height_patches, width_patches, true); });
    for (int64_t i = 0; i < size_.vision.layers; ++i) x = vision_block(x, i, tokens);
    x = norm(x, prefix + (names_.timm ? "norm" : "ln_post"), width);
    return project(pool(x, tokens));
  }

  // int64 [N,32] to [N,out]
  ir::Value* encode_text(ir::Value* tokens) {
    const int64_t width = size_.text.width;
    const std::string& prefix = names_.text;
    ir::Value* x = net_.call(
        Op::aten_embedding,
        {net_.parameter(prefix + "token_embedding.weight", {kVocabulary, width}), tokens});
    x = net_.add(x, net_.parameter(prefix + "positional_embedding", {kContext, width}));
    ir::Value* mask = net_.computed("causal_mask", []() -> Result<Tensor> {
      PTE_TRY(Tensor out, Tensor::zeros(DType::kFloat32, {kContext, kContext}));
      float* to = out.mutable_data_as<float>();
      for (int64_t row = 0; row < kContext; ++row) {
        for (int64_t column = row + 1; column < kContext; ++column)
          to[row * kContext + column] = -std::numeric_limits<float>::infinity();
      }
      return out;
    });
    for (int64_t i = 0; i < size_.text.layers; ++i) x = text_block(x, i, mask);
    x = norm(x, prefix + "ln_final", width);
    // The row of the largest token id: the end of the text.
    ir::Value* last = net_.call(Op::aten_argmax, {tokens, -1});
    last = net_.call(Op::aten_expand_copy,
                     {net_.view(last, {-1, 1, 1}), ir::Arg::ints({-1, 1, width})});
    x = net_.view(net_.call(Op::aten_gather, {x, 1, last}), {-1, width});
    ir::Value* matrix = net_.parameter(prefix + "text_projection", {width, size_.out});
    return net_.call(Op::aten_matmul, {x, matrix});
  }

 private:
  std::pair<int64_t, int64_t> patches(const ir::Value* x) const {
    if (!x) return {size_.picture / kPatch, size_.picture / kPatch};
    const ir::SymSizes& sizes = x->tensor().sizes;
    return {sizes.at(2).constant().value_or(0) / kPatch,
            sizes.at(3).constant().value_or(0) / kPatch};
  }

  ir::Value* norm(ir::Value* x, const std::string& name, int64_t width) {
    return net_.layer_norm(x, name, width, kEps);
  }

  ir::Value* positions(int64_t height, int64_t width) {
    const int64_t side = size_.picture / kPatch;
    const int64_t channels = size_.vision.width;
    const int64_t count = side * side + 1;
    if (names_.timm) {
      return net_.transformed(
          {names_.vision + "pos_embed", {1, count, channels}},
          {names_.vision + "cls_token", {1, 1, channels}},
          [=](const Tensor& a, const Tensor& b) { return position_table(a, b, height, width); });
    }
    return net_.transformed(
        {names_.vision + "positional_embedding", {count, channels}},
        {names_.vision + "class_embedding", {channels}},
        [=](const Tensor& a, const Tensor& b) { return position_table(a, b, height, width); });
  }

  ir::Value* mlp(ir::Value* x, const std::string& first, const std::string& second, int64_t width) {
    x = net_.call(Op::aten_gelu, {net_.linear(x, first, width, kMlpRatio * width)});
    return net_.linear(x, second, kMlpRatio * width, width);
  }

  ir::Value* heads_first(ir::Value* x) { return net_.permute(x, {0, 2, 1, 3}); }

  // Queries that are scaled already [N,heads,T,head], keys and values likewise; to [N,T,width].
  ir::Value* attend(ir::Value* q, ir::Value* k, ir::Value* v, ir::Value* mask, int64_t tokens,
                    int64_t width) {
    ir::Value* weights = net_.call(Op::aten_matmul, {q, net_.permute(k, {0, 1, 3, 2})});
    if (mask) weights = net_.add(weights, mask);
    ir::Value* mixed = net_.call(Op::aten_matmul, {net_.softmax(weights, -1), v});
    return net_.view(heads_first(mixed), {-1, tokens, width});
  }

  ir::Value* vision_block(ir::Value* x, int64_t index, int64_t tokens) {
    const int64_t width = size_.vision.width;
    const int64_t heads = width / kHead;
    const bool timm = names_.timm;
    const std::string name =
        fmt::format("{}{}.{}.", names_.vision, timm ? "blocks" : "transformer.resblocks", index);
    const std::string projection = name + (timm ? "attn.qkv." : "attn.in_proj_");
    const auto order = [](const Tensor& tensor) { return reordered(tensor); };
    ir::Value* matrix = net_.transformed({projection + "weight", {3 * width, width}}, order);
    ir::Value* bias = net_.transformed({projection + "bias", {3 * width}}, order);

    ir::Value* y = net_.linear(norm(x, name + (timm ? "norm1" : "ln_1"), width), matrix, bias);
    const auto parts = net_.split(y, {2 * width, width}, 2);
    ir::Value* turned = net_.view(parts[0], {-1, tokens, 2 * heads, kHead});
    ir::Value* swapped =
        net_.cat({net_.slice(turned, 3, kHead / 2, kHead), net_.slice(turned, 3, 0, kHead / 2)}, 3);
    turned = net_.add(net_.mul(turned, cosines_), net_.mul(swapped, sines_));
    const auto both = net_.split(turned, {heads, heads}, 2);
    ir::Value* values = net_.view(parts[1], {-1, tokens, heads, kHead});
    y = attend(heads_first(both[0]), heads_first(both[1]), heads_first(values), nullptr, tokens,
               width);
    x = net_.add(x, net_.linear(y, name + (timm ? "attn.proj" : "attn.out_proj"), width, width));
    y = norm(x, name + (timm ? "norm2" : "ln_2"), width);
    return net_.add(x, mlp(y, name + (timm ? "mlp.fc1" : "mlp.c_fc"),
                           name + (timm ? "mlp.fc2" : "mlp.c_proj"), width));
  }

  ir::Value* text_block(ir::Value* x, int64_t index, ir::Value* mask) {
    const int64_t width = size_.text.width;
    const int64_t heads = width / kHead;
    const std::string name = fmt::format("{}transformer.resblocks.{}.", names_.text, index);
    ir::Value* y = norm(x, name + "ln_1", width);
    y = net_.linear(y, net_.parameter(name + "attn.in_proj_weight", {3 * width, width}),
                    net_.parameter(name + "attn.in_proj_bias", {3 * width}));
    const auto parts = net_.split(y, {width, width, width}, 2);
    const auto head = [&](ir::Value* part) {
      return heads_first(net_.view(part, {-1, kContext, heads, kHead}));
    };
    ir::Value* q =
        net_.call(Op::aten_mul_Scalar, {parts[0], 1.0 / std::sqrt(static_cast<double>(kHead))});
    y = attend(head(q), head(parts[1]), head(parts[2]), mask, kContext, width);
    x = net_.add(x, net_.linear(y, name + "attn.out_proj", width, width));
    return net_.add(
        x, mlp(norm(x, name + "ln_2", width), name + "mlp.c_fc", name + "mlp.c_proj", width));
  }

  // One learned query over all tokens: [N,T,width] to [N,1,width]. The query is a constant.
  ir::Value* pool(ir::Value* x, int64_t tokens) {
    const int64_t width = size_.vision.width;
    const int64_t head = width / kPoolHeads;
    const std::string name = names_.vision + "attn_pool.";
    const bool timm = names_.timm;
    const auto query = [=](const Tensor& probe, const Tensor& matrix,
                           const Tensor& bias) -> Result<Tensor> {
      PTE_TRY(Tensor out, Tensor::zeros(DType::kFloat32, {1, kPoolHeads, 1, head}));
      float* to = out.mutable_data_as<float>();
      const double scale = 1.0 / std::sqrt(static_cast<double>(head));
      for (int64_t row = 0; row < width; ++row) {
        double sum = bias.data_as<float>()[row];
        for (int64_t i = 0; i < width; ++i) {
          sum += static_cast<double>(matrix.data_as<float>()[row * width + i]) *
                 static_cast<double>(probe.data_as<float>()[i]);
        }
        to[row] = static_cast<float>(sum * scale);
      }
      return out;
    };
    ir::Value* q = nullptr;
    ir::Value* matrix = nullptr;
    ir::Value* bias = nullptr;
    const Weight probe = {name + (timm ? "latent" : "probe"), {1, 1, width}};
    if (timm) {
      q = net_.transformed(probe, {name + "q.weight", {width, width}}, {name + "q.bias", {width}},
                           query);
      matrix = net_.parameter(name + "kv.weight", {2 * width, width});
      bias = net_.parameter(name + "kv.bias", {2 * width});
    } else {
      const Weight weights = {name + "attn.in_proj_weight", {3 * width, width}};
      const Weight shifts = {name + "attn.in_proj_bias", {3 * width}};
      const auto rest = [width](const Tensor& all) { return rows_of(all, width, 2 * width); };
      q = net_.transformed(probe, weights, shifts, query);
      matrix = net_.transformed(weights, rest);
      bias = net_.transformed(shifts, rest);
    }
    const auto parts = net_.split(net_.linear(x, matrix, bias), {width, width}, 2);
    const auto by_head = [&](ir::Value* part) {
      return heads_first(net_.view(part, {-1, tokens, kPoolHeads, head}));
    };
    ir::Value* y = attend(q, by_head(parts[0]), by_head(parts[1]), nullptr, 1, width);
    y = net_.linear(y, name + (timm ? "proj" : "attn.out_proj"), width, width);
    ir::Value* z = norm(y, name + (timm ? "norm" : "layernorm"), width);
    return net_.add(y, mlp(z, name + (timm ? "mlp.fc1" : "mlp.c_fc"),
                           name + (timm ? "mlp.fc2" : "mlp.c_proj"), width));
  }

  ir::Value* project(ir::Value* x) {
    const int64_t width = size_.vision.width;
    x = net_.view(x, {-1, width});
    if (names_.timm) {
      ir::Value* bias = nullptr;
      const std::string name = names_.vision + "head.";
      ir::Value* matrix = net_.parameter(name + "weight", {size_.out, width});
      if (net_.state().contains(name + "bias")) bias = net_.parameter(name + "bias", {size_.out});
      return net_.linear(x, matrix, bias);
    }
    return net_.call(Op::aten_matmul,
                     {x, net_.parameter(names_.vision + "proj", {width, size_.out})});
  }

  Net& net_;
  const Size& size_;
  const Names names_;
  ir::Value* cosines_ = nullptr;
  ir::Value* sines_ = nullptr;
};

// ---- rows

Method image_method(const Size& size, std::string name) {
  Method method = picture_method(
      size.picture, kPatch, [&size](Net& net, const std::vector<ir::Value*>& inputs) {
        return std::vector<ir::Value*>{PeCore(net, size).encode_image(inputs[0])};
      });
  method.name = std::move(name);
  method.inputs = [&size](const Source&) {
    return std::vector<Input>{{"image", {1, 3, size.picture, size.picture}}};
  };
  method.small = [](const Source&) { return std::vector<Input>{{"image", {1, 3, 64, 32}}}; };
  method.check = [](const Source&, const std::vector<Sizes>& inputs) -> Status {
    PTE_CHECK(check_picture(inputs, kPatch));
    if (inputs[0][2] % kPatch == 0 && inputs[0][3] % kPatch == 0) return {};
    return invalid_argument("takes pictures whose sides are multiples of {}, got {}", kPatch,
                            describe(DType::kFloat32, inputs[0]));
  };
  return method;
}

Method text_method(const Size& size, std::string name) {
  Method method;
  method.name = std::move(name);
  method.inputs = [](const Source&) {
    return std::vector<Input>{{"text", {1, kContext}, DType::kInt64}};
  };
  method.check = [](const Source&, const std::vector<Sizes>& inputs) -> Status {
    if (inputs.size() == 1 && inputs[0].size() == 2 && inputs[0][1] == kContext) return {};
    return invalid_argument("takes one input [N,{}] of token ids", kContext);
  };
  method.define = [&size](Net& net, const std::vector<ir::Value*>& inputs) {
    return std::vector<ir::Value*>{PeCore(net, size).encode_text(inputs[0])};
  };
  return method;
}

bool is_text_key(std::string_view name) {
  for (const std::string_view prefix : {"text.", "transformer.", "token_embedding.", "ln_final."}) {
    if (name.starts_with(prefix)) return true;
  }
  return name == "positional_embedding" || name == "text_projection" || name == "logit_scale" ||
         name == "logit_bias" || name == "attn_mask";
}

bool is_scale(std::string_view name) {
  return name == "logit_scale" || name == "logit_bias" || name.ends_with("attn_mask");
}

Architecture row(const Size& size, std::string_view part) {
  Architecture out;
  const bool both = part.empty();
  const bool text = part == "text";
  out.name = fmt::format("pe_core_{}{}{}", size.name, both ? "" : "_", part);
  out.description = fmt::format(
      "Perception Encoder, {} parameters, {}", size.parameters[both ? 0 : (text ? 2 : 1)],
      both ? "pictures and texts to embeddings" : (text ? "the text tower" : "the vision tower"));
  out.input = text ? fmt::format("int64[1,{}]", kContext)
                   : fmt::format("float32[1,3,{},{}]", size.picture, size.picture);
  out.preprocessing = text ? "" : "squash";
  out.source =
      fmt::format("Hugging Face facebook/PE-Core-{}", size.name == "t16_384"   ? "T16-384"
                                                      : size.name == "s16_384" ? "S16-384"
                                                                               : "B16-224");
  out.licence = "Apache-2.0";
  out.task = "embed";
  if (both) {
    out.methods = {image_method(size, "encode_image"), text_method(size, "encode_text")};
    out.ignores = is_scale;
  } else if (text) {
    out.methods = {text_method(size, "forward")};
    out.ignores = [](std::string_view name) {
      return is_scale(name) || name.starts_with("visual.");
    };
  } else {
    out.methods = {image_method(size, "forward")};
    out.ignores = [](std::string_view name) { return is_text_key(name) || is_scale(name); };
  }
  return out;
}

}  // namespace

std::vector<Architecture> pe_core() {
  std::vector<Architecture> rows;
  for (const Size& size : kSizes) {
    for (const std::string_view part : {"", "vision", "text"}) rows.push_back(row(size, part));
  }
  return rows;
}

}  // namespace pte::zoo
