#include "zoo/zoo.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>

#include "ir/verify.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

// Untouched pages of zeros that tensors of every size can view.
const std::byte* many_zeros() {
  static const auto* memory = static_cast<const std::byte*>(std::calloc(size_t{1} << 28, 1));
  return memory;
}
Tensor zeros(const Sizes& sizes) {
  EXPECT_LE(byte_count(DType::kFloat32, sizes).value(), size_t{1} << 28);
  return Tensor::view(DType::kFloat32, sizes, contiguous_strides(sizes), many_zeros(), nullptr);
}

// What `name` needs when it sees `hints`, each tensor once.
std::map<std::string, Sizes> needed(std::string_view name, const Source& hints) {
  const Architecture* architecture = find(name);
  Net net(hints);
  for (const Method& method : architecture->methods) {
    method.define(net, std::vector<ir::Value*>(method.inputs(hints).size()));
  }
  EXPECT_TRUE(net.status()) << net.status().error().message;
  std::map<std::string, Sizes> out;
  for (const Weight& weight : net.weights()) out.emplace(weight.name, weight.sizes);
  return out;
}

// A state dict with every key that `name` needs when it sees `hints`, all zeros.
StateDict zeros_for(std::string_view name, const StateDict& hints = {},
                    const nlohmann::json& config = {}) {
  StateDict state = hints;
  for (const auto& [key, sizes] : needed(name, Source(hints, config))) {
    state.set(key, zeros(sizes));
    if (key.ends_with("running_var")) {
      const std::string norm = key.substr(0, key.size() - 11);
      state.set(norm + "num_batches_tracked", Tensor::scalar<int64_t>(1));
    }
  }
  return state;
}

StateDict without(const StateDict& state, std::string_view name) {
  StateDict out;
  out.metadata = state.metadata;
  for (const auto& entry : state.entries()) {
    if (entry.name != name) out.set(entry.name, entry.tensor);
  }
  return out;
}

std::map<Op, int> operators(ir::Module& module) {
  std::map<Op, int> out;
  for (const ir::Node* node : module.forward().nodes()) ++out[node->op().op];
  return out;
}

std::string output_type(ir::Module& module) {
  return ir::to_string(module.forward().outputs().at(0).value->type());
}

struct Case {
  std::string_view name;
  size_t tensors;  // in a published checkpoint
  int64_t parameters;
  std::string_view output;
};
// Counted by the models' own code.
constexpr Case kCases[] = {
    {"efficientnet_lite0", 296, 4652008, "float32[1,1000]"},
    {"efficientnet_lite1", 386, 5416680, "float32[1,1000]"},
    {"efficientnet_lite2", 386, 6092072, "float32[1,1000]"},
    {"efficientnet_lite3", 440, 8197096, "float32[1,1000]"},
    {"efficientnet_lite4", 548, 13006568, "float32[1,1000]"},
    {"mobilenet_v2", 314, 3504872, "float32[1,1000]"},
    {"mobilenet_v3_small", 244, 2542856, "float32[1,1000]"},
    {"mobilenet_v3_large", 312, 5483032, "float32[1,1000]"},
    {"resnet18", 122, 11689512, "float32[1,1000]"},
    {"resnet34", 218, 21797672, "float32[1,1000]"},
    {"resnet50", 320, 25557032, "float32[1,1000]"},
    {"yolo11n", 499, 2624080, "float32[1,84,8400]"},
    {"yolo11s", 499, 9458752, "float32[1,84,8400]"},
    {"yolo11m", 649, 20114688, "float32[1,84,8400]"},
    {"yolo11l", 1015, 25372160, "float32[1,84,8400]"},
    {"yolo11x", 1015, 56966176, "float32[1,84,8400]"},
    {"yolov8n", 355, 3157200, "float32[1,84,8400]"},
    {"yolov8s", 355, 11166560, "float32[1,84,8400]"},
    {"yolov8m", 475, 25902640, "float32[1,84,8400]"},
    {"yolov8l", 595, 43691520, "float32[1,84,8400]"},
    {"yolov8x", 595, 68229648, "float32[1,84,8400]"},
    {"yolov5nu", 427, 2654816, "float32[1,84,8400]"},
    {"yolov5su", 427, 9153152, "float32[1,84,8400]"},
    {"yolov5mu", 559, 25111456, "float32[1,84,8400]"},
    {"yolov5lu", 691, 53225024, "float32[1,84,8400]"},
    {"yolov5xu", 823, 97276448, "float32[1,84,8400]"},
    {"pe_core_t16_384", 312, 69545600, "float32[1,512]"},
    {"pe_core_t16_384_vision", 163, 6140544, "float32[1,512]"},
    {"pe_core_t16_384_text", 149, 63405056, "float32[1,512]"},
    {"pe_core_s16_384", 312, 87187712, "float32[1,512]"},
    {"pe_core_s16_384_vision", 163, 23782656, "float32[1,512]"},
    {"pe_core_s16_384_text", 149, 63405056, "float32[1,512]"},
    {"pe_core_b16_224", 456, 447659520, "float32[1,1024]"},
    {"pe_core_b16_224_vision", 163, 93672960, "float32[1,1024]"},
    {"pe_core_b16_224_text", 293, 353986560, "float32[1,1024]"},
    {"deep_epi_cnn", 128, 97362, "float32[1,2]"},
};

class Published : public ::testing::TestWithParam<Case> {};

TEST_P(Published, IsRecognisedAndBuilt) {
  const Case& c = GetParam();
  const StateDict state = zeros_for(c.name);
  EXPECT_EQ(state.size(), c.tensors);
  int64_t parameters = 0;
  for (const auto& [key, sizes] : needed(c.name, StateDict())) {
    if (key.find(".running_") == std::string::npos) parameters += zeros(sizes).numel();
  }
  EXPECT_EQ(parameters, c.parameters);
  const auto recognised = recognise(state);
  ASSERT_TRUE(recognised) << recognised.error().message;
  // T16 and S16 have the same text tower.
  if (c.name != "pe_core_s16_384_text") {
    EXPECT_EQ((*recognised)->name, c.name);
  }
  auto module = build(**recognised, state);
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_TRUE(ir::verify(*module));
  ASSERT_EQ(module->methods.size(), (*recognised)->methods.size());
  const ir::Graph& first = *module->methods.begin()->second.graph;
  EXPECT_EQ(ir::to_string(first.inputs().at(0)->type()), find(c.name)->input);
  for (const auto& [name, method] : module->methods) {
    EXPECT_EQ(ir::to_string(method.graph->outputs().at(0).value->type()), c.output) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, Published, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Zoo, EveryArchitectureIsTested) {
  for (const Architecture& architecture : architectures()) {
    if (architecture.claims) continue;
    EXPECT_EQ(std::count_if(std::begin(kCases), std::end(kCases),
                            [&](const Case& c) { return c.name == architecture.name; }),
              1)
        << architecture.name;
  }
}

// The other names of the same weights.
StateDict renamed(const StateDict& state, const std::function<std::string(std::string)>& rename) {
  StateDict out;
  for (const auto& entry : state.entries()) {
    if (const std::string name = rename(entry.name); !name.empty()) out.set(name, entry.tensor);
  }
  return out;
}

TEST(Zoo, PeCoreKnowsTheNamesOfItsMirrors) {
  StateDict hints;
  hints.set("patch_embed.proj.weight", zeros({192, 3, 16, 16}));
  const StateDict timm = zeros_for("pe_core_t16_384_vision", hints);
  EXPECT_TRUE(timm.contains("blocks.11.attn.qkv.weight"));
  EXPECT_TRUE(timm.contains("attn_pool.kv.bias"));
  EXPECT_EQ((*recognise(timm))->name, "pe_core_t16_384_vision");

  const StateDict text = zeros_for("pe_core_t16_384_text");
  StateDict open_clip =
      renamed(timm, [](std::string name) { return "visual.trunk." + std::move(name); });
  for (const auto& entry : text.entries()) open_clip.set("text." + entry.name, entry.tensor);
  open_clip.set("logit_scale", Tensor::scalar(2.66f));
  EXPECT_EQ((*recognise(open_clip))->name, "pe_core_t16_384");
  const auto module = build("PE-Core-T16-384", open_clip);
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(module->methods.size(), 2U);
  // One tower out of a checkpoint of both.
  for (const std::string_view part : {"pe_core_t16_384_vision", "pe_core_t16_384_text"}) {
    auto tower = build(part, open_clip);
    ASSERT_TRUE(tower) << tower.error().message;
    EXPECT_EQ(output_type(*tower), "float32[1,512]");
  }
}

TEST(Zoo, PeCoreTakesOtherSizesAndBatches) {
  const StateDict state = zeros_for("pe_core_t16_384_vision");
  auto module = build("pe_core_t16_384_vision", state, {.input_shapes = {{3, 3, 224, 256}}});
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(output_type(*module), "float32[3,512]");
  EXPECT_FALSE(build("pe_core_t16_384_vision", state, {.input_shapes = {{1, 3, 224, 250}}}));
  const auto dynamic =
      build("pe_core_t16_384", zeros_for("pe_core_t16_384"), {.dynamic_batch = ir::Range{1, 8}});
  ASSERT_TRUE(dynamic) << dynamic.error().message;
  // Which sizes would they be of?
  EXPECT_FALSE(
      build("pe_core_t16_384", zeros_for("pe_core_t16_384"), {.input_shapes = {{1, 3, 384, 384}}}));
}

TEST(Zoo, NamesMayBeWrittenInSeveralWays) {
  EXPECT_EQ(find("EfficientNet-Lite0"), find("efficientnet_lite0"));
  EXPECT_EQ(find("YOLO11n")->name, "yolo11n");
  EXPECT_EQ(find("yolo11"), nullptr);
}

TEST(Zoo, WeightsAreViewsAndKeepTheirKinds) {
  const StateDict state = zeros_for("deep_epi_cnn");
  auto module = build("deep_epi_cnn", state);
  ASSERT_TRUE(module);
  const ir::Constant& weight = module->constants.at("fc1.weight");
  EXPECT_EQ(weight.data.data(), state.find("fc1.weight")->data());
  EXPECT_EQ(weight.kind, ir::Constant::Kind::kParameter);
  EXPECT_EQ(module->constants.at("bn1.running_mean").kind, ir::Constant::Kind::kBuffer);
  EXPECT_FALSE(module->constants.contains("bn1.num_batches_tracked"));
}

TEST(Zoo, EfficientNetPadsOnlyWhereTheHalvesDiffer) {
  auto module = build("efficientnet_lite0", zeros_for("efficientnet_lite0"));
  ASSERT_TRUE(module);
  auto count = operators(*module);
  EXPECT_EQ(count[Op::aten_convolution], 49);
  EXPECT_EQ(count[Op::aten__native_batch_norm_legit_no_training], 49);
  EXPECT_EQ(count[Op::aten_hardtanh], 33);
  EXPECT_EQ(count[Op::aten_add_Tensor], 9);
  // The stem and the four blocks of stride 2.
  EXPECT_EQ(count[Op::aten_constant_pad_nd], 5);
  std::vector<std::vector<int64_t>> pads;
  for (const ir::Node* node : module->forward().nodes()) {
    if (node->is(Op::aten_constant_pad_nd)) pads.push_back(*node->arg(1).integers());
  }
  EXPECT_EQ(pads, (std::vector<std::vector<int64_t>>{
                      {0, 1, 0, 1}, {0, 1, 0, 1}, {1, 2, 1, 2}, {0, 1, 0, 1}, {1, 2, 1, 2}}));
}

TEST(Zoo, MobileNetHasItsSqueezeExcites) {
  auto module = build("mobilenet_v3_small", zeros_for("mobilenet_v3_small"));
  ASSERT_TRUE(module);
  auto count = operators(*module);
  EXPECT_EQ(count[Op::aten_convolution], 52);
  EXPECT_EQ(count[Op::aten_hardswish], 19);
  EXPECT_EQ(count[Op::aten_hardsigmoid], 9);
  EXPECT_EQ(count[Op::aten_relu], 14);
  EXPECT_EQ(count[Op::aten_add_Tensor], 6);
  EXPECT_EQ(count[Op::aten_adaptive_avg_pool2d], 10);
}

// Layer numbers leave room for the dropout layers that were trained in.
StateDict with_conv_dropout() {
  StateDict hints;
  hints.set("conv_stack.53.running_mean", *Tensor::zeros(DType::kFloat32, {64}));
  return zeros_for("deep_epi_cnn", hints);
}

TEST(Zoo, DeepEpiCnnReadsDropoutFromTheKeys) {
  const StateDict state = with_conv_dropout();
  EXPECT_TRUE(state.contains("conv_stack.4.running_mean") == false);
  EXPECT_TRUE(state.contains("conv_stack.52.weight"));
  EXPECT_EQ((*recognise(state))->name, "deep_epi_cnn");
  auto module = build("deep_epi_cnn", state);
  ASSERT_TRUE(module) << module.error().message;
  auto count = operators(*module);
  EXPECT_EQ(count[Op::aten_convolution], 14);
  EXPECT_EQ(count[Op::aten_relu], 18);
  EXPECT_EQ(count[Op::aten_linear], 5);
}

TEST(Zoo, DeepEpiCnnTakesItsLengthAndClassesFromTheCheckpoint) {
  StateDict hints;
  hints.set("fc_out.bias", *Tensor::zeros(DType::kFloat32, {3}));
  hints.metadata["config.dataProcessing.rawDataLength"] = int64_t{500};
  auto module = build("deep_epi_cnn", zeros_for("deep_epi_cnn", hints));
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(ir::to_string(module->forward().inputs()[0]->type()), "float32[1,1,500]");
  EXPECT_EQ(output_type(*module), "float32[1,3]");
}

TEST(Zoo, DeepEpiCnnTakesItsThreeInputForms) {
  const StateDict state = zeros_for("deep_epi_cnn");
  for (const Sizes& sizes : {Sizes{2, 1, 750}, Sizes{2, 750, 1}, Sizes{2, 750}, Sizes{2, 1, 125}}) {
    auto module = build("deep_epi_cnn", state, {.input_shapes = {sizes}});
    ASSERT_TRUE(module) << module.error().message;
    EXPECT_EQ(output_type(*module), "float32[2,2]");
  }
}

TEST(Zoo, OtherSizesAndADynamicBatch) {
  const StateDict state = zeros_for("mobilenet_v3_small");
  auto larger = build("mobilenet_v3_small", state, {.input_shapes = {{4, 3, 320, 256}}});
  ASSERT_TRUE(larger) << larger.error().message;
  EXPECT_EQ(output_type(*larger), "float32[4,1000]");
  for (const std::string_view name :
       {"efficientnet_lite0", "mobilenet_v3_small", "resnet18", "yolo11n", "deep_epi_cnn"}) {
    auto dynamic = build(name, zeros_for(name), {.dynamic_batch = ir::Range{1, 8}});
    ASSERT_TRUE(dynamic) << dynamic.error().message;
    EXPECT_TRUE(output_type(*dynamic).starts_with("float32[s0,")) << output_type(*dynamic);
    EXPECT_EQ(dynamic->symbols.at("s0"), (ir::Range{1, 8}));
  }
}

TEST(Zoo, ClassesComeFromTheWeights) {
  StateDict hints;
  hints.set("_fc.bias", *Tensor::zeros(DType::kFloat32, {10}));
  auto module = build("efficientnet_lite0", zeros_for("efficientnet_lite0", hints));
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(output_type(*module), "float32[1,10]");
}

TEST(Zoo, HalfWeightsBecomeFloat32) {
  StateDict state = zeros_for("deep_epi_cnn");
  state.set("fc_out.bias", Tensor::of<Half>({2}, {Half(0.5f), Half(-2.0f)}));
  state.set("fc4.bias", Tensor::of<BFloat16>({16}, std::vector<BFloat16>(16, BFloat16(1.5f))));
  // A transposed matrix is made dense.
  const Tensor wide = Tensor::of<float>({16, 2}, std::vector<float>(32, 3.0f));
  state.set("fc_out.weight", wide.with_layout({2, 16}, {1, 2}));
  auto module = build("deep_epi_cnn", state);
  ASSERT_TRUE(module) << module.error().message;
  const Tensor& bias = module->constants.at("fc_out.bias").data;
  EXPECT_EQ(bias.dtype(), DType::kFloat32);
  EXPECT_EQ(bias.data_as<float>()[1], -2.0f);
  EXPECT_EQ(module->constants.at("fc4.bias").data.data_as<float>()[15], 1.5f);
  EXPECT_TRUE(module->constants.at("fc_out.weight").data.is_contiguous());
}

TEST(Zoo, TwoGraphsOfOneSourceShareWhatWasConverted) {
  StateDict state = zeros_for("deep_epi_cnn");
  state.set("fc_out.bias", Tensor::of<Half>({2}, {Half(0.5f), Half(-2.0f)}));
  const Source source(state);
  std::weak_ptr<const void> owner;
  {
    const auto first = build("deep_epi_cnn", source);
    const auto second = build("deep_epi_cnn", source);
    ASSERT_TRUE(first && second);
    const Tensor& bias = first->constants.at("fc_out.bias").data;
    EXPECT_EQ(bias.data(), second->constants.at("fc_out.bias").data.data());
    owner = bias.owner();
  }
  EXPECT_TRUE(owner.expired());
  const auto third = build("deep_epi_cnn", source);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->constants.at("fc_out.bias").data.data_as<float>()[1], -2.0f);
}

TEST(Zoo, AMismatchListsEveryKindOfKey) {
  StateDict state = without(zeros_for("deep_epi_cnn"), "fc3.bias");
  state.set("fc2.weight", *Tensor::zeros(DType::kFloat32, {64, 63}));
  state.set("fc1.bias", *Tensor::zeros(DType::kInt32, {64}));
  state.set("extra.weight", *Tensor::zeros(DType::kFloat32, {5}));
  const auto module = build("deep_epi_cnn", state);
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code, Code::kMismatch);
  EXPECT_EQ(module.error().message,
            "the checkpoint does not fit deep_epi_cnn: 1 of 110 keys missing, 1 unexpected, "
            "2 wrongly shaped\n"
            "  missing       fc3.bias  float32[32]\n"
            "  unexpected    extra.weight  float32[5]\n"
            "  wrong shape   fc1.bias  int32[64], expected float32[64]\n"
            "                fc2.weight  float32[64,63], expected float32[64,64]");
}

TEST(Zoo, AnotherArchitecturesKeysAreNamed) {
  const auto module = build("deep_epi_cnn", zeros_for("mobilenet_v3_small"));
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().hint, "its keys are those of mobilenet_v3_small");
  EXPECT_NE(module.error().message.find("… and 100 more"), std::string::npos)
      << module.error().message;
}

TEST(Zoo, UnknownKeysAndNamesAreErrors) {
  StateDict state;
  state.set("layer.weight", Tensor::scalar(1.0f));
  const auto recognised = recognise(state);
  ASSERT_FALSE(recognised);
  EXPECT_EQ(recognised.error().code, Code::kNotFound);
  EXPECT_NE(recognised.error().message.find("1 tensors: layer.weight"), std::string::npos);
  EXPECT_FALSE(recognise(StateDict()));
  const auto module = build("resnet51", state);
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code, Code::kInvalidArgument);
  EXPECT_NE(module.error().hint.find("efficientnet_lite0"), std::string::npos);
}

TEST(Zoo, RefusesInputsThatDoNotFit) {
  const StateDict picture = zeros_for("efficientnet_lite0");
  for (const std::vector<Sizes>& shapes :
       std::vector<std::vector<Sizes>>{{{3, 224, 224}},
                                       {{1, 1, 224, 224}},
                                       {{1, 3, 31, 224}},
                                       {{0, 3, 224, 224}},
                                       {{1, 3, 224, 224}, {1}},
                                       {{1, 3, int64_t{1} << 40, int64_t{1} << 40}}}) {
    const auto module = build("efficientnet_lite0", picture, {.input_shapes = shapes});
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().code, Code::kInvalidArgument) << module.error().message;
  }
  const StateDict sensor = zeros_for("deep_epi_cnn");
  for (const Sizes& sizes : {Sizes{1, 1, 124}, Sizes{1, 2, 750}, Sizes{750}, Sizes{1, 1, 1}}) {
    EXPECT_FALSE(build("deep_epi_cnn", sensor, {.input_shapes = {sizes}}));
  }
}

}  // namespace
}  // namespace pte::zoo
