#include "backends/xnnpack/lower.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "backends/xnnpack/filters.h"
#include "backends/xnnpack/testing.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::xnnpack {
namespace {

struct Lowered {
  ir::Module module;
  std::vector<Rejection> rejected;
  std::vector<XnnGraph> graphs;
};

Lowered lower_text(const std::string& text) {
  Lowered result;
  auto module = ir::parse_module(text);
  EXPECT_TRUE(module.has_value()) << module.error().message;
  if (!module) return result;
  result.module = std::move(*module);
  PartitionResult parts = partition(result.module, result.module.forward());
  result.rejected = parts.rejected;
  const Status applied = apply(result.module, result.module.forward(), parts);
  EXPECT_TRUE(applied.has_value()) << applied.error().message;
  const Status verified = ir::verify(result.module);
  EXPECT_TRUE(verified.has_value()) << verified.error().message;
  for (const ir::DelegatePayload& payload : result.module.delegates) {
    auto graph = decode(payload.bytes, nullptr, resolver_of(payload.named_data));
    EXPECT_TRUE(graph.has_value()) << graph.error().message;
    if (graph) result.graphs.push_back(std::move(*graph));
  }
  return result;
}

TEST(OrderFilters, PackedWithoutASecondCopy) {
  auto module = ir::parse_module(R"(module "m" {
const @w: float32[2,3,1,2] parameter = dense [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
const @shared: float32[2,2,1,1] parameter = dense [1, 2, 3, 4]
func forward(%x: float32[1,3,4,4]) {
  %w = const @w
  %s = const @shared
  %a: float32[1,2,4,3] = aten.convolution.default(%x, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
  %b: float32[1,2,4,3] = aten.convolution.default(%a, %s, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
  %c: float32[1,2,4,3] = aten.convolution.default(%b, %s, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
  return %c
}
})");
  ASSERT_TRUE(module) << module.error().message;
  const ir::Graph& graph = module->forward();
  const std::byte* shared = module->constants.at("shared").data.data();
  ASSERT_TRUE(order_filters(*module, graph, graph.nodes()));
  ASSERT_TRUE(ir::verify(*module));
  EXPECT_EQ(module->constants.at("shared").data.data(), shared);  // two read it
  const Tensor& ordered = module->constants.at("w").data;
  EXPECT_EQ(ordered.sizes(), (Sizes{2, 3, 1, 2}));
  EXPECT_EQ(ordered.strides(), (Strides{6, 1, 6, 3}));
  const auto packed = pack_filter(ordered, *conv_spec(*graph.nodes().front()));
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed->data(), ordered.data());
  EXPECT_EQ(packed->sizes(), (Sizes{2, 1, 2, 3}));
  const float* values = packed->data_as<float>();
  EXPECT_EQ(std::vector<float>(values, values + 6), (std::vector<float>{0, 2, 4, 1, 3, 5}));
}

std::string kinds(const XnnGraph& graph) {
  std::string text;
  for (const XnnNode& node : graph.nodes) {
    if (!text.empty()) text += ' ';
    text += node_name(node.kind);
    if (node.clamp) text += fmt::format("[{},{}]", node.clamp->min, node.clamp->max);
  }
  return text;
}

const float* floats(const XnnGraph& graph, uint32_t value) {
  return reinterpret_cast<const float*>(graph.constants[graph.values[value].constant].data.data());
}

// Expands "$n" in a module's text to n numbers 0, 1, 2 … as a dense constant.
std::string with_ramps(std::string text) {
  size_t at = 0;
  while ((at = text.find('$')) != std::string::npos) {
    size_t end = at + 1;
    while (end < text.size() && isdigit(static_cast<unsigned char>(text[end]))) ++end;
    const int count = std::stoi(text.substr(at + 1, end - at - 1));
    std::string list = "dense [";
    for (int i = 0; i < count; ++i) list += fmt::format("{}{}", i == 0 ? "" : ", ", i);
    text.replace(at, end - at, list + "]");
  }
  return text;
}

// The worked example of a convolution with relu6: the values that the official exporter writes.
TEST(XnnLower, ConvolutionWithRelu6) {
  const Lowered l = lower_text(with_ramps(R"(module "m" {
  const @w: float32[8,3,3,3] parameter = $216
  const @b: float32[8] parameter = $8
  func forward(%x: float32[1,3,8,8]) {
    %w = const @w
    %b = const @b
    %c: float32[1,8,4,4] = aten.convolution.default(%x, %w, %b, [2, 2], [1, 1], [1, 1], false, [0, 0], 1)
    %y: float32[1,8,4,4] = aten.hardtanh.default(%c, 0.0, 6.0)
    return %y
  }
})"));
  EXPECT_TRUE(l.rejected.empty());
  ASSERT_EQ(l.graphs.size(), 1U);
  const XnnGraph& g = l.graphs[0];
  ASSERT_EQ(kinds(g), "StaticTranspose Conv2d[0,6] StaticTranspose");
  EXPECT_EQ(g.num_externs, 2U);
  EXPECT_EQ(g.nodes[0].params, Params(TransposeParams{{0, 2, 3, 1}}));
  EXPECT_EQ(g.nodes[2].params, Params(TransposeParams{{0, 3, 1, 2}}));
  EXPECT_EQ(g.nodes[1].params,
            Params(ConvParams{{1, 1, 1, 1}, {3, 3}, {2, 2}, {1, 1}, 3, 8, 1, {0, 0}}));
  EXPECT_EQ(g.nodes[1].flags, 0U);
  const XnnNode& conv = g.nodes[1];
  EXPECT_EQ(g.values[g.nodes[0].inputs[0]].dims, (std::vector<uint32_t>{1, 3, 8, 8}));
  EXPECT_EQ(g.values[conv.inputs[0]].dims, (std::vector<uint32_t>{1, 8, 8, 3}));
  EXPECT_EQ(g.values[conv.inputs[1]].dims, (std::vector<uint32_t>{8, 3, 3, 3}));
  EXPECT_EQ(g.values[conv.inputs[2]].dims, (std::vector<uint32_t>{8}));
  EXPECT_EQ(g.values[conv.outputs[0]].dims, (std::vector<uint32_t>{1, 4, 4, 8}));
  EXPECT_EQ(g.values[g.nodes[2].outputs[0]].dims, (std::vector<uint32_t>{1, 8, 4, 4}));
  EXPECT_EQ(g.values[g.nodes[2].outputs[0]].flags, kExternalOutput);
  // (oc, h, w, ic) of a filter that counts in (oc, ic, h, w).
  const float* filter = floats(g, conv.inputs[1]);
  for (int oc = 0; oc < 8; ++oc) {
    for (int h = 0; h < 3; ++h) {
      for (int w = 0; w < 3; ++w) {
        for (int ic = 0; ic < 3; ++ic) {
          ASSERT_EQ(filter[((oc * 3 + h) * 3 + w) * 3 + ic], ((oc * 3 + ic) * 3 + h) * 3 + w);
        }
      }
    }
  }
  // In the graph only the delegate is left.
  const ir::Graph& graph = *l.module.methods.at("forward").graph;
  ASSERT_EQ(graph.node_count(), 1U);
  EXPECT_TRUE(graph.front()->is(Op::pte_call_delegate));
  EXPECT_EQ(graph.front()->result()->name(), "y");
  EXPECT_EQ(l.module.delegates[0].operators,
            (std::vector<std::string>{"aten.convolution.default", "aten.hardtanh.default"}));
}

TEST(XnnLower, TransposesAreSharedAndCancelled) {
  const Lowered l = lower_text(with_ramps(R"(module "m" {
  const @w: float32[4,4,3,3] parameter = $144
  func forward(%x: float32[1,4,8,8]) {
    %w = const @w
    %a: float32[1,4,8,8] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %r: float32[1,4,8,8] = aten.relu.default(%a)
    %b: float32[1,4,8,8] = aten.convolution.default(%r, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %s: float32[1,4,8,8] = aten.add.Tensor(%b, %x, 1)
    return %s
  }
})"));
  ASSERT_EQ(l.graphs.size(), 1U);
  EXPECT_EQ(kinds(l.graphs[0]), "StaticTranspose Conv2d[0,inf] Conv2d Add StaticTranspose");
  EXPECT_EQ(l.graphs[0].nodes[1].inputs[2], kNone);
}

TEST(XnnLower, PermutesAroundAConvolutionCostNothing) {
  const Lowered l = lower_text(with_ramps(R"(module "m" {
  const @w: float32[2,2,1,1] parameter = $4
  func forward(%x: float32[1,5,6,2]) {
    %w = const @w
    %p: float32[1,2,5,6] = aten.permute_copy.default(%x, [0, 3, 1, 2])
    %c: float32[1,2,5,6] = aten.convolution.default(%p, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %y: float32[1,5,6,2] = aten.permute_copy.default(%c, [0, 2, 3, 1])
    return %y
  }
})"));
  ASSERT_EQ(l.graphs.size(), 1U);
  EXPECT_EQ(kinds(l.graphs[0]), "Conv2d");
}

TEST(XnnLower, ChannelsLastBordersNeedNoTranspose) {
  const Lowered l = lower_text(with_ramps(R"(module "m" {
  const @w: float32[2,2,1,1] parameter = $4
  func forward(%x: float32[1,2,5,6]{0,2,3,1}) {
    %w = const @w
    %c: float32[1,2,5,6]{0,2,3,1} = aten.convolution.default(%x, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    return %c
  }
})"));
  ASSERT_EQ(l.graphs.size(), 1U);
  EXPECT_EQ(kinds(l.graphs[0]), "Conv2d");
  EXPECT_EQ(l.graphs[0].values[l.graphs[0].nodes[0].inputs[0]].dims,
            (std::vector<uint32_t>{1, 5, 6, 2}));
}

TEST(XnnLower, DynamicBatch) {
  const Lowered l = lower_text(with_ramps(R"(module "m" {
  sym s0 in [1, 8]
  const @w: float32[4,2,3,3] parameter = $72
  const @f: float32[3,16] parameter = $48
  func forward(%x: float32[s0,2,4,4]) {
    %w = const @w
    %f = const @f
    %n: int(s0) = aten.sym_size.int(%x, 0)
    %c: float32[s0,4,2,2] = aten.convolution.default(%x, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %v: float32[s0,16] = aten.view_copy.default(%c, [%n, 16])
    %y: float32[s0,3] = aten.linear.default(%v, %f, none)
    return %y
  }
})"));
  EXPECT_TRUE(l.rejected.empty());
  ASSERT_EQ(l.graphs.size(), 1U);
  const XnnGraph& g = l.graphs[0];
  EXPECT_EQ(kinds(g), "StaticTranspose Conv2d StaticTranspose StaticReshape FullyConnected");
  EXPECT_EQ(g.values[g.nodes[0].inputs[0]].dims, (std::vector<uint32_t>{8, 2, 4, 4}));
  EXPECT_EQ(g.nodes[3].params, Params(ReshapeParams{{0, 16}}));
  EXPECT_EQ(l.module.methods.at("forward").graph->node_count(), 1U);
}

TEST(XnnPartition, ReasonsArePlain) {
  const Lowered l = lower_text(R"(module "m" {
  sym s0 in [1, 8]
  sym s1 in [1, inf]
  func forward(%x: float32[2,3,4], %i: int64[2,3], %w: float32[5,4], %d: float32[s0,3], %e: float32[s1,3], %n: float32[]) {
    %a: float32[2,1,4] = aten.mean.dim(%x, [1], true, none)
    %b: int64[2,3] = aten.add.Tensor(%i, %i, 1)
    %c: float32[2,3,5] = aten.linear.default(%x, %w, none)
    %f: float32[2,3,4] = aten.add.Tensor(%x, %x, 2)
    %g: float32[2,3,4] = aten.erf.default(%x)
    %h: float32[s0,2] = aten.slice_copy.Tensor(%d, 1, 0, 2, 1)
    %j: float32[s1,3] = aten.relu.default(%e)
    %k: float32[2,3,8] = aten.cat.default([%x, %x], 2)
    %l: float32[2,2,4] = aten.slice_copy.Tensor(%x, 1, 0, 3, 2)
    %o: float32[1] = aten.view_copy.default(%n, [1])
    return %a, %b, %c, %f, %g, %h, %j, %k, %l, %o
  }
})");
  EXPECT_TRUE(l.graphs.empty());
  const auto reason = [&](std::string_view name) -> std::string {
    for (const Rejection& r : l.rejected) {
      if (r.name == name) return r.reason;
    }
    return "accepted";
  };
  EXPECT_EQ(reason("a"),
            "mean over dims [1] of rank 3: XNNPACK averages over height and width only");
  EXPECT_EQ(reason("b"), "int64 result: XNNPACK computes in float32 and float16");
  EXPECT_EQ(reason("c"), "its weight is computed at run time");
  EXPECT_EQ(reason("f"), "alpha is 2: XNNPACK adds and subtracts unscaled");
  EXPECT_EQ(reason("g"), "XNNPACK has no node for it");
  EXPECT_EQ(reason("h"), "a slice of a tensor with dynamic sizes");
  EXPECT_EQ(reason("j"), "'e' has size s1, which has no upper bound");
  EXPECT_EQ(reason("k"), "'x' is concatenated with itself");
  EXPECT_EQ(reason("l"), "a step other than 1");
  EXPECT_EQ(reason("o"), "an operand of rank 0");
}

// The official delegate loses the shape of what a tensor of rank 0 becomes, unless it broadcasts.
TEST(XnnPartition, RankZeroOnlyWhereItBroadcasts) {
  const Lowered l = lower_text(R"(module "m" {
  func forward(%x: float32[], %y: float32[3]) {
    %a: float32[1] = aten.view_copy.default(%x, [1])
    %b: float32[1] = aten.unsqueeze_copy.default(%x, 0)
    %c: float32[3] = aten.mul.Tensor(%y, %x)
    return %a, %b, %c
  }
})");
  ASSERT_EQ(l.graphs.size(), 1U);
  EXPECT_EQ(kinds(l.graphs[0]), "Multiply");
  ASSERT_EQ(l.rejected.size(), 2U);
  EXPECT_EQ(l.rejected[0].reason, "an operand of rank 0");
}

// relu → erf → neg and, beside it, abs: abs joins the first delegate, and nothing forms a circle.
TEST(XnnPartition, AsFewGroupsAsTheGraphAllows) {
  const Lowered l = lower_text(R"(module "m" {
  func forward(%x: float32[2,3]) {
    %a: float32[2,3] = aten.relu.default(%x)
    %b: float32[2,3] = aten.erf.default(%a)
    %c: float32[2,3] = aten.neg.default(%b)
    %d: float32[2,3] = aten.abs.default(%a)
    %e: float32[2,3] = aten.add.Tensor(%c, %d, 1)
    return %e
  }
})");
  ASSERT_EQ(l.graphs.size(), 2U);
  EXPECT_EQ(kinds(l.graphs[0]), "Clamp[0,inf] Abs");
  EXPECT_EQ(kinds(l.graphs[1]), "Negate Add");
  ASSERT_EQ(l.rejected.size(), 1U);
  EXPECT_EQ(l.rejected[0].op, "aten.erf.default");
}

TEST(XnnLower, ValuesReturnedTwiceAndInputsReturned) {
  const Lowered l = lower_text(R"(module "m" {
  func forward(%x: float32[2,3]) {
    %a: float32[2,3] = aten.relu.default(%x)
    %b: float32[2,3] = aten.clone.default(%a, none)
    %c: float32[2,3] = aten.clone.default(%x, none)
    return %a, %b, %c, %a
  }
})");
  ASSERT_EQ(l.graphs.size(), 1U);
  EXPECT_EQ(kinds(l.graphs[0]), "Clamp[0,inf] Copy Copy");
  EXPECT_EQ(l.graphs[0].num_externs, 4U);
}

TEST(XnnLower, UnevenZeroPaddingGoesIntoTheConvolution) {
  const Lowered l = lower_text(with_ramps(R"(module "m" {
  const @w: float32[2,2,3,3] parameter = $36
  func forward(%x: float32[1,2,8,8]) {
    %w = const @w
    %p: float32[1,2,9,11] = aten.constant_pad_nd.default(%x, [1, 2, 0, 1], 0.0)
    %a: float32[1,2,4,5] = aten.convolution.default(%p, %w, none, [2, 2], [0, 0], [1, 1], false, [0, 0], 1)
    %q: float32[1,2,9,9] = aten.constant_pad_nd.default(%x, [0, 1, 0, 1], 1.0)
    %b: float32[1,2,4,4] = aten.convolution.default(%q, %w, none, [2, 2], [0, 0], [1, 1], false, [0, 0], 1)
    return %a, %b
  }
})"));
  ASSERT_EQ(l.graphs.size(), 1U);
  const XnnGraph& g = l.graphs[0];
  EXPECT_EQ(kinds(g),
            "StaticTranspose Conv2d StaticConstantPad Conv2d StaticTranspose StaticTranspose");
  EXPECT_EQ(std::get<ConvParams>(g.nodes[1].params).padding, (Padding{0, 2, 1, 1}));
  EXPECT_EQ(std::get<ConvParams>(g.nodes[3].params).padding, Padding{});
}

// A clamp whose operand others read stays a node of its own.
TEST(XnnLower, ClampIsFusedOnlyIntoASingleUse) {
  const Lowered l = lower_text(R"(module "m" {
  func forward(%x: float32[2,3]) {
    %a: float32[2,3] = aten.add.Tensor(%x, %x, 1)
    %b: float32[2,3] = aten.relu.default(%a)
    %c: float32[2,3] = aten.mul.Tensor(%b, %a)
    %d: float32[2,3] = aten.clamp.default(%c, -1.0, none)
    return %d
  }
})");
  ASSERT_EQ(l.graphs.size(), 1U);
  EXPECT_EQ(kinds(l.graphs[0]), "Add Clamp[0,inf] Multiply[-1,inf]");
}

// A buffer that the method writes is an input of the delegate, not a constant in it.
TEST(XnnLower, WrittenBuffersStayOutside) {
  const Lowered l = lower_text(R"(module "m" {
  const @state: float32[3] buffer = dense [1, 2, 3]
  const @k: int64[] constant = dense [2]
  func forward(%x: float32[3]) {
    %s = const @state
    %k = const @k
    %a: float32[3] = aten.add.Tensor(%x, %s, 1)
    %b: float32[3] = aten.mul.Tensor(%a, %k)
    return %b, mutate @state %a
  }
})");
  ASSERT_EQ(l.graphs.size(), 1U);
  EXPECT_EQ(l.graphs[0].external_inputs().size(), 2U);
  EXPECT_EQ(kinds(l.graphs[0]), "Add Multiply");
  EXPECT_EQ(floats(l.graphs[0], l.graphs[0].nodes[1].inputs[1])[0], 2.0F);
}

}  // namespace
}  // namespace pte::xnnpack
