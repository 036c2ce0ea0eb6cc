#include <gtest/gtest.h>

#include <algorithm>

#include "inspect/dataflow.h"
#include "inspect/drawing.h"
#include "inspect/file_map.h"
#include "inspect/lift.h"
#include "inspect/memory.h"
#include "inspect/payload_formats.h"
#include "inspect/weights.h"
#include "ir/text.h"
#include "program/reader.h"
#include "program/testing.h"

namespace pte::inspect {
namespace {

using program::KernelCall;
using program::Program;
using program::Value;
using program::testing::constant;
using program::testing::planned;

const std::string kGolden = std::string(PTE_SOURCE_DIR) + "/tests/golden/";

struct Read {
  MappedFile file;
  Program program;
};
Read read(const std::string& name) {
  auto file = MappedFile::open(kGolden + name + ".pte");
  EXPECT_TRUE(file.has_value()) << name;
  auto program = program::read_program(*file);
  EXPECT_TRUE(program.has_value()) << program.error().message;
  return {std::move(*file), std::move(*program)};
}

const std::string kAll[] = {"program/add",
                            "program/add_traced",
                            "program/add_unplanned",
                            "program/add_weight",
                            "program/add_xnnpack",
                            "program/cond",
                            "program/conv_relu6_inline",
                            "program/conv_relu6_portable",
                            "program/conv_relu6_xnnpack",
                            "program/dynamic_batch",
                            "program/map",
                            "program/mutable_buffer",
                            "program/split_cat",
                            "xnnpack/block",
                            "xnnpack/channels_last",
                            "xnnpack/mixed",
                            "xnnpack/signal"};

TEST(Signature, NamesComeFromKeywordArguments) {
  const std::string leaf = R"({"type": null, "context": null, "children_spec": []})";
  const std::string tree =
      R"([1, {"type": "builtins.tuple", "context": "null", "children_spec": [)"
      R"({"type": "builtins.tuple", "context": "null", "children_spec": [)" +
      leaf +
      R"(]}, {"type": "builtins.dict", "context": "[\"mask\", \"image\"]", "children_spec": [)" +
      leaf + ", " + leaf + "]}]}]";
  EXPECT_EQ(names_from_tree(tree, 3), (std::vector<std::string>{"", "mask", "image"}));
  // A tree for other inputs, or none at all, names nothing.
  EXPECT_EQ(names_from_tree(tree, 2), (std::vector<std::string>{"", ""}));
  EXPECT_EQ(names_from_tree("T1#1($)", 1), (std::vector<std::string>{""}));
  EXPECT_EQ(names_from_tree(std::string(100'000, '['), 1), (std::vector<std::string>{""}));
  EXPECT_EQ(names_from_tree("", 0), std::vector<std::string>());
}

TEST(Signature, IsShort) {
  EXPECT_EQ(signature_text(read("program/split_cat").program.methods[0]),
            "forward(float32[4,3]) -> (float32[4,3], float32[1,1,2,1])");
  EXPECT_EQ(signature_text(read("program/dynamic_batch").program.methods[0]),
            "forward(float32[8,5] at most) -> float32[8,4] at most");
  program::Method get;
  get.name = "get_n";
  get.values = {Value(int64_t{3})};
  get.outputs = {0};
  get.chains.emplace_back();
  EXPECT_EQ(signature_text(get), "get_n() -> Int 3");
}

TEST(Signature, OperatorsLoseWhatSaysNothing) {
  EXPECT_EQ(short_operator("aten::add.out"), "aten.add");
  EXPECT_EQ(short_operator("aten::gt.Scalar_out"), "aten.gt.Scalar");
  EXPECT_EQ(short_operator("aten::copy_"), "aten.copy_");
  EXPECT_EQ(short_operator("nonsense"), "nonsense");
}

// a → b → c in place of a: at the first call a and b live, at the second b and c.
TEST(Memory, CountsWhatIsAlive) {
  program::Method method;
  method.values = {Value(planned({100}, 0)), Value(planned({50}, 400)), Value(planned({25}, 0)),
                   Value(planned({5, 5}, 0))};
  method.arena_sizes = {0, 600};
  method.inputs = {0};
  method.outputs = {3};  // a view of value 2
  method.operators = {{"aten::relu", "out"}};
  method.chains.emplace_back().instructions = {KernelCall{0, {0, 1, 1}}, KernelCall{0, {1, 2, 2}}};
  const MemoryTimeline memory = memory_timeline(method);
  EXPECT_EQ(memory.live, (std::vector<uint64_t>{600, 300}));
  EXPECT_EQ(memory.peak, 600U);
  EXPECT_EQ(memory.peak_at, 0U);
  EXPECT_EQ(memory.planned, 600U);
}

TEST(Memory, FitsIntoTheOfficialPlan) {
  for (const std::string& name : kAll) {
    for (const auto& method : read(name).program.methods) {
      const MemoryTimeline memory = memory_timeline(method);
      EXPECT_LE(memory.peak, memory.planned) << name;
      EXPECT_EQ(memory.live.size(), instruction_count(method)) << name;
    }
  }
}

TEST(Weights, AreNamedByTheirUse) {
  const auto portable = read("program/conv_relu6_portable");
  const auto weights = list_weights(portable.program);
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_EQ(weights[0].name, "convolution_0.weight");
  EXPECT_EQ(weights[0].type, "float32[8,3,3,3]");
  EXPECT_EQ(weights[1].name, "convolution_0.bias");
  const auto delegated = read("program/conv_relu6_xnnpack");
  const auto inner = list_weights(delegated.program);
  ASSERT_EQ(inner.size(), 2U);
  EXPECT_EQ(inner[0].name, "xnnpack0.Conv2d_0.weight");
  EXPECT_EQ(inner[0].data.describe(), "float32[8,3,3,3]");
  EXPECT_EQ(inner[0].type, "fp32[8,3,3,3]");
}

TEST(Weights, NamesAreUniqueAndStoredOnesKept) {
  const Program program = program::testing::rich_program();
  std::vector<std::string> problems;
  std::vector<std::string> names;
  bool counter = false;
  for (const Weight& weight : list_weights(program, &problems)) {
    names.push_back(weight.name);
    counter |= weight.name == "counter" && weight.named && weight.initial;
  }
  EXPECT_TRUE(counter);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

// Every byte of the file is told exactly once.
TEST(FileMap, AddsUpToTheFile) {
  for (const std::string& name : kAll) {
    const Read it = read(name);
    const FilePart root = map_file(it.file, it.program, SIZE_MAX - 1);
    EXPECT_EQ(root.bytes, it.file.bytes().size()) << name;
    uint64_t sum = 0;
    for (const FilePart& part : root.children) {
      sum += part.bytes;
      uint64_t inner = 0;
      for (const FilePart& child : part.children) inner += child.bytes;
      if (!part.children.empty()) {
        EXPECT_EQ(inner, part.bytes) << name << " " << part.name;
      }
    }
    EXPECT_EQ(sum, root.bytes) << name;
  }
}

TEST(FileMap, ShortensLongLists) {
  const Read it = read("xnnpack/block");
  const FilePart root = map_file(it.file, it.program, 2);
  for (const FilePart& part : root.children) {
    ASSERT_LE(part.children.size(), 3U);
    if (part.children.size() == 3) {
      EXPECT_TRUE(part.children[2].name.ends_with(" more") || part.count == 3)
          << part.children[2].name;
    }
  }
}

TEST(Lift, ReadsBackAsTextIr) {
  for (const std::string& name : kAll) {
    const Read it = read(name);
    const bool control = !control_counts(it.program.methods[0]).empty();
    ir::Module module;
    const Status lifted = lift_method(it.program, it.program.methods[0], module);
    EXPECT_EQ(lifted.has_value(), !control) << name;
    const std::string text = ir_text(it.program, name);
    EXPECT_FALSE(text.empty());
    if (!lifted) {
      EXPECT_NE(text.find("listed as it is stored"), std::string::npos) << text;
      continue;
    }
    if (!module.delegates.empty()) continue;  // text has no form for payloads
    const auto parsed = ir::parse_module(ir::print(module));
    ASSERT_TRUE(parsed.has_value()) << name << ": " << parsed.error().message << "\n" << text;
    EXPECT_EQ(ir::print(*parsed), ir::print(module)) << name;
  }
}

TEST(Lift, KeepsWhatWritesABuffer) {
  const std::string text = ir_text(read("program/mutable_buffer").program, "m");
  EXPECT_NE(text.find("= aten.copy_.default(%mutable_1, %v3, false)"), std::string::npos) << text;
  EXPECT_NE(text.find("return mutate @mutable_1 %v0, %v5"), std::string::npos) << text;
}

TEST(Lift, ShowsWhatXnnpackComputes) {
  const std::string text = ir_text(read("program/conv_relu6_xnnpack").program, "m");
  EXPECT_NE(text.find("pte.call_delegate.default(0, [%v0])"), std::string::npos) << text;
  EXPECT_NE(text.find("module \"forward.delegate_0\""), std::string::npos) << text;
  EXPECT_NE(text.find("aten.convolution.default(%arg0, %filter2"), std::string::npos) << text;
}

TEST(Lift, UnknownOperatorsAreListed) {
  Read it = read("program/add");
  it.program.methods[0].operators[0].name = "mine::add";
  const std::string text = ir_text(it.program, "m");
  EXPECT_NE(text.find("operator 'mine::add.out' has no schema here"), std::string::npos) << text;
  EXPECT_NE(text.find("mine.add(v0, v1, v3, v2, v2)"), std::string::npos) << text;
}

TEST(DataFlow, KnowsOutArguments) {
  const Read it = read("program/split_cat");
  const auto flow = data_flow(it.program, it.program.methods[0]);
  ASSERT_EQ(flow.size(), 3U);
  EXPECT_EQ(flow[0].writes, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(flow[0].reads[0], 0);
  EXPECT_EQ(flow[2].reads[0], 2);
  const Read delegated = read("program/add_xnnpack");
  const auto calls = data_flow(delegated.program, delegated.program.methods[0]);
  EXPECT_EQ(calls[0].reads, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(calls[0].writes, (std::vector<int32_t>{2}));
}

TEST(Drawing, EdgesRunDownAndBoxesStandApart) {
  for (const std::string& name : kAll) {
    const Read it = read(name);
    const Drawing drawing = draw_method(it.program, it.program.methods[0]);
    const Placed placed = place(drawing);
    ASSERT_EQ(placed.boxes.size(), drawing.nodes.size());
    for (size_t e = 0; e < drawing.edges.size(); ++e) {
      const DrawEdge& edge = drawing.edges[e];
      if (edge.from < edge.to) {
        EXPECT_LT(placed.boxes[edge.from].layer, placed.boxes[edge.to].layer) << name;
      }
      ASSERT_GE(placed.paths[e].size(), 2U);
    }
    for (size_t a = 0; a < placed.boxes.size(); ++a) {
      const Placed::Box& one = placed.boxes[a];
      EXPECT_GE(one.x - one.width / 2, 0) << name;
      EXPECT_LE(one.x + one.width / 2, placed.width) << name;
      EXPECT_LE(one.y + one.height, placed.height) << name;
      for (size_t b = a + 1; b < placed.boxes.size(); ++b) {
        const Placed::Box& two = placed.boxes[b];
        if (one.layer != two.layer) continue;
        EXPECT_GE(std::abs(one.x - two.x), (one.width + two.width) / 2) << name;
      }
    }
    const auto picture = svg(drawing);
    ASSERT_TRUE(picture.has_value());
    EXPECT_TRUE(picture->ends_with("</svg>\n"));
    EXPECT_TRUE(dot(drawing).starts_with("digraph"));
  }
}

TEST(Drawing, NamesFromTheFileAreEscaped) {
  Drawing drawing;
  drawing.title = "a<b>&\"c\"\x1b[31m\xff\xe2\x82";
  drawing.nodes = {{DrawNode::Kind::kInput, drawing.title, ""},
                   {DrawNode::Kind::kOutput, "×", "\"quoted\" \\"}};
  drawing.edges = {{0, 1, "<&>", false}};
  const std::string picture = *svg(drawing);
  EXPECT_NE(picture.find("a&lt;b&gt;&amp;&quot;c&quot;?[31m???"), std::string::npos) << picture;
  EXPECT_EQ(picture.find('\x1b'), std::string::npos);
  EXPECT_NE(dot(drawing).find(R"(\"quoted\" \\)"), std::string::npos) << dot(drawing);
}

TEST(Drawing, TooLargeIsAnError) {
  Drawing drawing;
  drawing.nodes.resize(20'001);
  const auto picture = svg(drawing);
  ASSERT_FALSE(picture.has_value());
  EXPECT_EQ(picture.error().code, Code::kResourceLimit);
}

TEST(Payloads, AreSummarisedAndListed) {
  const Read it = read("program/conv_relu6_xnnpack");
  const auto& delegate = it.program.methods[0].delegates[0];
  const PayloadSummary summary = summarize_payload(it.program, delegate);
  EXPECT_EQ(summary.format, "XNNPACK graph");
  EXPECT_EQ(summary.nodes, 3U);
  EXPECT_EQ(summary.operators[0], (std::pair<std::string, int64_t>{"StaticTranspose", 2}));
  EXPECT_EQ(summary.constant_bytes, 896U);
  EXPECT_EQ(summary.inputs, 1U);
  EXPECT_EQ(summary.outputs, 1U);
  const auto listing = list_payload(it.program, delegate);
  ASSERT_TRUE(listing.has_value());
  EXPECT_NE(listing->find("v3 ← v1, v2, v4  kernel 3×3 stride 2×2 padding 1,1,1,1"),
            std::string::npos)
      << *listing;
}

// As the official exporter writes it.
TEST(Payloads, VulkanGraphsAreRead) {
  const Read it = read("delegates/vulkan");
  size_t calls = 0;
  std::vector<std::string> operators;
  for (const auto& delegate : it.program.methods[0].delegates) {
    EXPECT_EQ(delegate.id, "VulkanBackend");
    const PayloadSummary summary = summarize_payload(it.program, delegate);
    EXPECT_EQ(summary.format, "Vulkan graph") << summary.problem;
    EXPECT_EQ(summary.outputs, 1U);
    calls += summary.nodes;
    for (const auto& [name, count] : summary.operators) operators.push_back(name);
    ASSERT_TRUE(list_payload(it.program, delegate).has_value());
    const auto keys = payload_keys(it.program, delegate);
    ASSERT_TRUE(keys.has_value());
    for (const std::string& key : *keys) {
      EXPECT_NE(it.program.find_named_data(key), nullptr) << key;
    }
  }
  EXPECT_GT(calls, 1U);
  EXPECT_NE(std::find(operators.begin(), operators.end(), "aten.linear.default"), operators.end());
}

TEST(Payloads, WhatCannotBeReadSaysSo) {
  Read it = read("program/conv_relu6_xnnpack");
  it.program.named_data.clear();
  auto& delegate = it.program.methods[0].delegates[0];
  EXPECT_NE(summarize_payload(it.program, delegate).problem.find("is not in the file"),
            std::string::npos);
  delegate.id = "MineBackend";
  EXPECT_EQ(summarize_payload(it.program, delegate).problem, "an unknown backend");
  const auto listing = list_payload(it.program, delegate);
  ASSERT_FALSE(listing.has_value());
  EXPECT_NE(listing.error().message.find("....XH00"), std::string::npos) << listing.error().message;
}

}  // namespace
}  // namespace pte::inspect
