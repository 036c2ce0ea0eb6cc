// Models rebuilt from the layer list that a checkpoint carries.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "ir/verify.h"
#include "zoo/net.h"
#include "zoo/ultralytics_spec.h"
#include "zoo/zoo.h"

namespace pte::zoo {
namespace {

using nlohmann::json;

Tensor zeros(const Sizes& sizes) {
  static const auto* memory = static_cast<const std::byte*>(std::calloc(size_t{1} << 24, 1));
  EXPECT_LE(byte_count(DType::kFloat32, sizes).value(), size_t{1} << 24);
  return Tensor::view(DType::kFloat32, sizes, contiguous_strides(sizes), memory, nullptr);
}

// A small detector with one level: stride 8.
json tiny() {
  return json::parse(R"({
    "class": "ultralytics.nn.tasks.DetectionModel",
    "names": {"0": "cat", "1": "dog", "2": "owl"},
    "yaml": {"nc": 3, "channels": 3, "scale": "n", "yaml_file": "own/tiny.yaml",
      "scales": {"n": [0.5, 0.25, 1024], "s": [0.5, 0.5, 1024]},
      "backbone": [[-1, 1, "Conv", [64, 3, 2]], [-1, 1, "DWConv", [64, 3, 2]],
                   [-1, 2, "C2f", [128, true]]],
      "head": [[-1, 1, "nn.Upsample", ["None", 2, "nearest"]], [[-1, 0], 1, "Concat", [1]],
               [-1, 3, "C3", [128, false]], [-1, 1, "SPPF", [128, 5]],
               [-1, 1, "Conv", [256, 3, 2]], [[6, 7], 1, "Detect", ["nc"]]]}})");
}

StateDict weights_for(const json& config) {
  const StateDict none;
  const Source source(none, config);
  const Architecture* architecture = find("ultralytics");
  Net net(source);
  for (const Method& method : architecture->methods) method.define(net, {nullptr});
  StateDict state;
  for (const Weight& weight : net.weights()) state.set(weight.name, zeros(weight.sizes));
  return state;
}

std::string error_of(const json& config) {
  const StateDict state = weights_for(config);
  const auto module = build("ultralytics", Source(state, config));
  return module ? "no error" : module.error().message;
}

std::string output_type(const ir::Module& module, size_t index = 0) {
  return ir::to_string(module.methods.at("forward").graph->outputs().at(index).value->type());
}

TEST(Ultralytics, TheYamlDecides) {
  const json config = tiny();
  const StateDict state = weights_for(config);
  EXPECT_EQ(state.find("model.0.conv.weight")->sizes(), (Sizes{16, 3, 3, 3}));
  EXPECT_EQ(state.find("model.1.conv.weight")->sizes(), (Sizes{16, 1, 3, 3}));
  // Half of two, rounded: one item.
  EXPECT_TRUE(state.contains("model.2.m.0.cv1.conv.weight"));
  EXPECT_FALSE(state.contains("model.2.m.1.cv1.conv.weight"));
  // One and a half, rounded to even: two.
  EXPECT_TRUE(state.contains("model.5.m.1.cv2.conv.weight"));
  EXPECT_FALSE(state.contains("model.5.m.2.cv2.conv.weight"));
  const Source source(state, config);
  const auto recognised = recognise(source);
  ASSERT_TRUE(recognised) << recognised.error().message;
  EXPECT_EQ((*recognised)->name, "ultralytics");
  const auto module = build(**recognised, source, {.input_shapes = {{1, 3, 64, 32}}});
  ASSERT_TRUE(module) << module.error().message;
  // Strides 2 and 4: 32×16 + 16×8 cells.
  EXPECT_EQ(output_type(*module), "float32[1,7,640]");
  const Tensor& strides = module->constants.at("strides").data;
  EXPECT_EQ(strides.data_as<float>()[511], 2.0f);
  EXPECT_EQ(strides.data_as<float>()[512], 4.0f);
  const Tensor& anchors = module->constants.at("anchors").data;
  EXPECT_EQ(anchors.data_as<float>()[15], 15.5f);       // x of the first row's last cell
  EXPECT_EQ(anchors.data_as<float>()[640 + 16], 1.5f);  // y of the second row
  EXPECT_EQ((*recognised)->labels(source), (std::vector<std::string>{"cat", "dog", "owl"}));
}

TEST(Ultralytics, ScaleFromTheFilesNameOrTheWeights) {
  json config = tiny();
  const StateDict state = weights_for(config);
  config["yaml"].erase("scale");
  config["yaml"]["yaml_file"] = "yolo11n.yaml";
  EXPECT_EQ(yolo_spec(Source(state, config))->scale, "n");
  config["yaml"]["yaml_file"] = "yolo11s.yaml";
  EXPECT_EQ(yolo_spec(Source(state, config))->scale, "s");
  config["yaml"]["yaml_file"] = "own.yaml";
  EXPECT_EQ(yolo_spec(Source(state, config))->scale, "n");
  const StateDict none;
  EXPECT_EQ(yolo_spec(Source(none, config)).error().message,
            "the model's yaml names no scale, and the weights fit none");
}

TEST(Ultralytics, OtherHeads) {
  json config = tiny();
  config["yaml"]["kpt_shape"] = {5, 3};
  config["yaml"]["head"].back()[2] = "Pose";
  StateDict state = weights_for(config);
  auto module = build("ultralytics", Source(state, config), {.input_shapes = {{1, 3, 32, 32}}});
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(output_type(*module), "float32[1,22,320]");

  config["yaml"]["head"].back()[2] = "Segment";
  config["yaml"]["head"].back()[3] = {"nc", 8, 64};
  state = weights_for(config);
  module = build("ultralytics", Source(state, config), {.input_shapes = {{1, 3, 32, 32}}});
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(output_type(*module), "float32[1,15,320]");
  EXPECT_EQ(output_type(*module, 1), "float32[1,8,32,32]");

  config["yaml"]["head"] = json::array({{-1, 1, "Classify", {"nc"}}});
  state = weights_for(config);
  module = build("ultralytics", Source(state, config));
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(ir::to_string(module->forward().inputs()[0]->type()), "float32[1,3,224,224]");
  EXPECT_EQ(output_type(*module), "float32[1,3]");
}

TEST(Ultralytics, FusedCheckpointsHaveNoNorms) {
  const json config = tiny();
  const StateDict all = weights_for(config);
  StateDict state;
  for (const auto& entry : all.entries()) {
    const size_t norm = entry.name.find(".bn.");
    if (norm == std::string::npos) {
      state.set(entry.name, entry.tensor);
    } else if (entry.name.ends_with(".bn.bias")) {
      state.set(entry.name.substr(0, norm) + ".conv.bias", entry.tensor);
    }
  }
  const auto module = build("ultralytics", Source(state, config));
  ASSERT_TRUE(module) << module.error().message;
  for (const ir::Node* node : module->methods.at("forward").graph->nodes()) {
    EXPECT_FALSE(node->is(Op::aten__native_batch_norm_legit_no_training));
  }
}

TEST(Ultralytics, PicturesAreMultiplesOfTheCoarsestStride) {
  const json config = tiny();
  const StateDict state = weights_for(config);
  const auto module =
      build("ultralytics", Source(state, config), {.input_shapes = {{1, 3, 64, 30}}});
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().message,
            "ultralytics: takes one input [N,3,H,W] with H and W multiples of 4, got "
            "float32[1,3,64,30]");
}

TEST(Ultralytics, WhatCannotBeRebuiltIsNamed) {
  json config = tiny();
  config["yaml"]["backbone"][2][2] = "C2fAttn";
  EXPECT_EQ(error_of(config),
            "ultralytics: layer 'model.2' is of type C2fAttn, which cannot be rebuilt from a "
            "checkpoint");
  config = tiny();
  config["yaml"]["head"].back()[2] = "RTDETRDecoder";
  EXPECT_NE(error_of(config).find("of type RTDETRDecoder"), std::string::npos);
  config = tiny();
  config["yaml"]["activation"] = "torch.nn.Tanh()";
  EXPECT_NE(error_of(config).find("activation 'torch.nn.Tanh()'"), std::string::npos);
}

TEST(Ultralytics, YamlThatMakesNoSenseIsRefused) {
  const auto changed = [](const std::string& pointer, const json& value) {
    json config = tiny();
    config[json::json_pointer("/yaml" + pointer)] = value;
    return error_of(config);
  };
  for (const auto& [pointer, value] :
       std::vector<std::pair<std::string, json>>{{"/backbone", 3},
                                                 {"/backbone", json::array()},
                                                 {"/backbone/1", "Conv"},
                                                 {"/backbone/1/0", 5},
                                                 {"/backbone/1/0", -3},
                                                 {"/backbone/1/0", json::array()},
                                                 {"/backbone/1/0", "x"},
                                                 {"/backbone/1/1", 0},
                                                 {"/backbone/1/1", 1 << 30},
                                                 {"/backbone/1/2", nullptr},
                                                 {"/backbone/1/3", 4},
                                                 {"/backbone/1/3", json::array({"x"})},
                                                 {"/backbone/1/3", json::array({1e30})},
                                                 {"/backbone/1/3", json::array({-8})},
                                                 {"/backbone/0/3/1", 10000},
                                                 {"/backbone/0/3/2", 0},
                                                 {"/backbone/2/3/1", "x"},
                                                 {"/head/0/3/1", 0},
                                                 {"/head/0/3/1", 3.0e9},
                                                 {"/head/1/3/0", 2},
                                                 {"/nc", 0},
                                                 {"/nc", -1},
                                                 {"/channels", 0},
                                                 {"/kpt_shape", 4},
                                                 {"/scale", "q"},
                                                 {"/scales", 7},
                                                 {"/scales/n", {1, 2}},
                                                 {"/scales/n", {-1, 1, 1}},
                                                 {"/scales/n", {1, 1e300, 1}}}) {
    EXPECT_NE(changed(pointer, value), "no error") << pointer << " " << value;
  }
}

}  // namespace
}  // namespace pte::zoo
