#include <gtest/gtest.h>

#include <algorithm>

#include "backends/xnnpack/lower.h"
#include "backends/xnnpack/partition.h"
#include "backends/xnnpack/quantized.h"
#include "backends/xnnpack/testing.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::xnnpack {
namespace {

struct Fused {
  ir::Module module;
  int64_t layers = 0;
  std::string targets;  // of the graph's calls before they are delegated
  std::vector<XnnGraph> graphs;
  std::vector<Rejection> rejected;

  std::string kinds() const {
    std::string text;
    for (const XnnGraph& graph : graphs) {
      if (!text.empty()) text += " | ";
      std::string own;
      for (const XnnNode& node : graph.nodes) {
        if (!own.empty()) own += ' ';
        own += node_name(node.kind);
        if (node.clamp) own += fmt::format("[{:.3g},{:.3g}]", node.clamp->min, node.clamp->max);
      }
      text += own;
    }
    return text;
  }
};

Fused fuse(const std::string& text) {
  Fused result;
  auto module = ir::parse_module(text);
  EXPECT_TRUE(module.has_value()) << module.error().message;
  if (!module) return result;
  result.module = std::move(*module);
  ir::Graph& graph = result.module.forward();
  const auto layers = fuse_quantized(result.module, graph);
  EXPECT_TRUE(layers.has_value()) << layers.error().message;
  result.layers = layers ? *layers : -1;
  for (const ir::Node* node : graph.nodes()) {
    if (!result.targets.empty()) result.targets += ' ';
    result.targets += node->op().name.substr(node->op().name.find("::") + 2);
  }
  Status verified = ir::verify(result.module);
  EXPECT_TRUE(verified.has_value()) << verified.error().message;
  PartitionResult parts = partition(result.module, graph);
  result.rejected = parts.rejected;
  const Status applied = apply(result.module, graph, parts);
  EXPECT_TRUE(applied.has_value()) << applied.error().message;
  verified = ir::verify(result.module);
  EXPECT_TRUE(verified.has_value()) << verified.error().message;
  for (const ir::DelegatePayload& payload : result.module.delegates) {
    auto made = decode(payload.bytes, nullptr, resolver_of(payload.named_data));
    EXPECT_TRUE(made.has_value()) << made.error().message;
    if (made) result.graphs.push_back(std::move(*made));
  }
  return result;
}

constexpr std::string_view kQ = "quantized_decomposed.quantize_per_tensor.default";
constexpr std::string_view kD = "quantized_decomposed.dequantize_per_tensor.default";

// "$Q(x, s, z)" and "$D(x, s, z)" as calls over all of int8.
std::string expanded(std::string text) {
  for (const auto& [mark, name] : {std::pair("$Q(", kQ), std::pair("$D(", kD)}) {
    size_t at = 0;
    while ((at = text.find(mark)) != std::string::npos) {
      const size_t end = text.find(')', at);
      text.insert(end, std::string(", -128, 127, int8") + (name == kD ? ", none" : ""));
      text.replace(at, 3, std::string(name) + "(");
    }
  }
  return text;
}

TEST(FuseQuantized, ConvolutionWithClampAndBias) {
  const Fused f = fuse(expanded(R"(module "m" {
  const @w: int8[2,1,1,1] buffer = dense [3, -4]
  const @s: float32[2] buffer = dense [0.5, 0.25]
  const @z: int64[2] buffer = dense [0, 0]
  const @b: float32[2] parameter = dense [1.0, -2.1]
  func forward(%x: float32[1,1,2,2]) {
    %w = const @w
    %s = const @s
    %z = const @z
    %b = const @b
    %f: float32[2,1,1,1] = quantized_decomposed.dequantize_per_channel.default(%w, %s, %z, 0, -127, 127, int8, none)
    %q: int8[1,1,2,2] = $Q(%x, 0.1, 5)
    %d: float32[1,1,2,2] = $D(%q, 0.1, 5)
    %c: float32[1,2,2,2] = aten.convolution.default(%d, %f, %b, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %r: float32[1,2,2,2] = aten.relu.default(%c)
    %p: int8[1,2,2,2] = $Q(%r, 0.2, -100)
    %y: float32[1,2,2,2] = $D(%p, 0.2, -100)
    return %y
  }
})"));
  EXPECT_EQ(f.layers, 1);
  EXPECT_EQ(f.targets, "quantize_per_tensor quantized_convolution clamp dequantize_per_tensor");
  EXPECT_TRUE(f.rejected.empty());
  EXPECT_EQ(f.kinds(), "Convert StaticReshape DepthwiseConv2d[0,inf] Convert StaticTranspose");
  ASSERT_EQ(f.graphs.size(), 1U);
  const XnnGraph& g = f.graphs[0];
  ASSERT_EQ(g.nodes.size(), 5U);
  const XnnNode& conv = g.nodes[2];
  const XnnValue& filter = g.values[conv.inputs[1]];
  EXPECT_EQ(filter.datatype, Datatype::kQCInt8);
  EXPECT_EQ(filter.quant, Quant(PerChannelQuant{{0.5F, 0.25F}, 3}));
  const XnnValue& bias = g.values[conv.inputs[2]];
  EXPECT_EQ(bias.datatype, Datatype::kQCInt32);
  const auto* stored = g.constants[bias.constant].data.data_as<int32_t>();
  EXPECT_EQ(stored[0], 20);   // 1 / (0.1 * 0.5)
  EXPECT_EQ(stored[1], -84);  // -2.1 / (0.1 * 0.25)
  EXPECT_EQ(g.values[conv.outputs[0]].quant, Quant(PerTensorQuant{0.2F, -100}));
}

// Movement between integers is done on integers; a scale that changes is a conversion.
TEST(FuseQuantized, MovesIntegers) {
  const Fused f = fuse(expanded(R"(module "m" {
  func forward(%x: float32[2,3], %y: float32[2,3]) {
    %a: int8[2,3] = $Q(%x, 0.1, 5)
    %b: float32[2,3] = $D(%a, 0.1, 5)
    %c: int8[2,3] = $Q(%y, 0.1, 5)
    %d: float32[2,3] = $D(%c, 0.1, 5)
    %e: float32[2,6] = aten.cat.default([%b, %d], 1)
    %f: int8[2,6] = $Q(%e, 0.1, 5)
    %g: float32[2,6] = $D(%f, 0.1, 5)
    %h: float32[6,2] = aten.permute_copy.default(%g, [1, 0])
    %i: int8[6,2] = $Q(%h, 0.2, 5)
    %j: float32[6,2] = $D(%i, 0.2, 5)
    return %j
  }
})"));
  EXPECT_EQ(f.kinds().find("Convert"), 0U);
  EXPECT_TRUE(f.rejected.empty());
  EXPECT_NE(f.kinds().find("Concatenate2"), std::string::npos);
  // The permutation has another scale behind it and stays among floats.
  EXPECT_EQ(f.targets,
            "quantize_per_tensor quantize_per_tensor cat dequantize_per_tensor permute_copy "
            "quantize_per_tensor dequantize_per_tensor");
}

TEST(FuseQuantized, AddsAndMultiplies) {
  const Fused f = fuse(expanded(R"(module "m" {
  func forward(%x: float32[2,3], %y: float32[3]) {
    %a: int8[2,3] = $Q(%x, 0.1, 5)
    %b: float32[2,3] = $D(%a, 0.1, 5)
    %c: int8[3] = $Q(%y, 0.3, -7)
    %d: float32[3] = $D(%c, 0.3, -7)
    %e: float32[2,3] = aten.sub.Tensor(%b, %d, 1)
    %f: int8[2,3] = $Q(%e, 0.4, 0)
    %g: float32[2,3] = $D(%f, 0.4, 0)
    %h: float32[2,3] = aten.mul.Tensor(%g, %b)
    %i: int8[2,3] = $Q(%h, 0.2, 5)
    %j: float32[2,3] = $D(%i, 0.2, 5)
    return %j
  }
})"));
  EXPECT_EQ(f.layers, 2);
  EXPECT_EQ(f.kinds(), "Convert Convert Subtract Multiply Convert");
}

// What cannot be a layer of integers is one of floats between conversions: zero points of filters,
// scales too far apart, ranges other than int8's.
TEST(FuseQuantized, LeavesWhatXnnpackLacks) {
  const auto linear = [](std::string_view zero, std::string_view range, std::string_view scale) {
    return fuse(expanded(fmt::format(R"(module "m" {{
  const @w: int8[2,3] buffer = dense [1, 2, 3, 4, 5, 6]
  const @s: float32[2] buffer = dense [0.5, 0.25]
  const @z: int64[2] buffer = dense [0, {0}]
  func forward(%x: float32[1,3]) {{
    %w = const @w
    %s = const @s
    %z = const @z
    %f: float32[2,3] = quantized_decomposed.dequantize_per_channel.default(%w, %s, %z, 0, -127, 127, int8, none)
    %q: int8[1,3] = $Q(%x, {2}, 5)
    %d: float32[1,3] = $D(%q, {2}, 5)
    %c: float32[1,2] = aten.linear.default(%d, %f, none)
    %p: int8[1,2] = quantized_decomposed.quantize_per_tensor.default(%c, 0.001, 0, {1}, 127, int8)
    %y: float32[1,2] = $D(%p, 0.001, 0)
    return %y
  }}
}})",
                                     zero, range, scale)));
  };
  EXPECT_EQ(linear("0", "-128", "0.1").layers, 1);
  EXPECT_EQ(linear("1", "-128", "0.1").layers, 0);
  EXPECT_EQ(linear("0", "-127", "0.1").layers, 0);
  EXPECT_EQ(linear("0", "-128", "0.9").layers, 0);  // 0.9 * 0.5 / 0.001 exceeds 256
  const Fused zero = linear("1", "-128", "0.1");
  EXPECT_EQ(zero.kinds(), "Convert Convert | Convert Convert");
  const Fused far = linear("0", "-128", "0.9");
  EXPECT_EQ(far.kinds(), "Convert Convert FullyConnected Convert Convert");
}

// The operand's own extremes choose its scale: rows get one each, filters of 4 bits lie two to a
// byte, blocks of them have scales in bfloat16.
TEST(FuseQuantized, DynamicLinear) {
  const Fused f = fuse(R"(module "m" {
  const @w: int8[2,3] buffer = dense [1, 2, 3, -8, 7, 6]
  const @s: float32[2] buffer = dense [0.5, 0.25]
  func forward(%x: float32[4,3]) {
    %w = const @w
    %s = const @s
    %f: float32[2,3] = quantized_decomposed.dequantize_per_channel.default(%w, %s, none, 0, -8, 7, int8, none)
    (%a: float64[1], %b: int64[1]) = quantized_decomposed.choose_qparams.tensor(%x, -128, 127, 0.0001, int8)
    %q: int8[4,3] = quantized_decomposed.quantize_per_tensor.tensor(%x, %a, %b, -128, 127, int8)
    %d: float32[4,3] = quantized_decomposed.dequantize_per_tensor.tensor(%q, %a, %b, -128, 127, int8, none)
    %y: float32[4,2] = aten.linear.default(%d, %f, none)
    return %y
  }
})");
  EXPECT_EQ(f.layers, 1);
  EXPECT_EQ(f.targets, "dynamic_quantized_linear");
  ASSERT_EQ(f.graphs.size(), 1U);
  const XnnGraph& g = f.graphs[0];
  EXPECT_EQ(f.kinds(), "Convert FullyConnected");
  EXPECT_EQ(g.values[g.nodes[0].outputs[0]].quant, Quant(PerTokenQuant{1}));
  const XnnValue& filter = g.values[g.nodes[1].inputs[1]];
  EXPECT_EQ(filter.datatype, Datatype::kQCInt4);
  EXPECT_EQ(filter.dims, (std::vector<uint32_t>{2, 3}));
  const auto* bytes = g.constants[filter.constant].data.data_as<uint8_t>();
  EXPECT_EQ(bytes[0], 0xA9);  // 1, 2
  EXPECT_EQ(bytes[1], 0x8B);  // 3, padding
  EXPECT_EQ(bytes[2], 0xF0);  // -8, 7
}

// Integers whose scale nobody names stay outside.
TEST(FuseQuantized, UnknownScales) {
  const Fused f = fuse(expanded(R"(module "m" {
  func forward(%x: int8[2,3], %y: int8[2,3]) {
    %a: int8[3,2] = aten.permute_copy.default(%x, [1, 0])
    %b: float32[2,3] = $D(%y, 0.1, 5)
    %c: float32[2,3] = $D(%y, 0.2, 5)
    return %a, %b, %c
  }
})"));
  EXPECT_TRUE(f.graphs.empty());
  EXPECT_EQ(f.rejected.size(), 3U);
}

TEST(FuseQuantized, StoredQuantOfInputsFromTheirReaders) {
  auto module = ir::parse_module(expanded(R"(module "m" {
  func forward(%x: int8[2,3]) {
    %a: int8[3,2] = aten.permute_copy.default(%x, [1, 0])
    %b: float32[3,2] = $D(%a, 0.5, 5)
    return %b
  }
})"));
  ASSERT_TRUE(module.has_value()) << module.error().message;
  const ir::Graph& graph = module->forward();
  EXPECT_EQ(stored_quant(graph.inputs()[0]), (PerTensorQuant{0.5F, 5}));
  EXPECT_EQ(real_bounds({-128, 5}, {0.5F, 5}).min, -INFINITY);
  EXPECT_EQ(real_bounds({-128, 5}, {0.5F, 5}).max, 0);
}

}  // namespace
}  // namespace pte::xnnpack
