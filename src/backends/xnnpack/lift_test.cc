#include "backends/xnnpack/lift.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "backends/xnnpack/lower.h"
#include "backends/xnnpack/testing.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "program/reader.h"

namespace pte::xnnpack {
namespace {

std::string calls(const ir::Graph& graph) {
  std::string text;
  for (const ir::Node* node : graph.nodes()) {
    if (!text.empty()) text += ' ';
    text += node->op().name.substr(6);  // without "aten::"
  }
  return text;
}

// Lowers the whole graph of `text` and lifts the payload again.
Result<Lifted> there_and_back(const std::string& text) {
  PTE_TRY(ir::Module module, ir::parse_module(text));
  const PartitionResult parts = partition(module, module.forward());
  if (parts.groups.size() != 1) return invalid_argument("{} groups", parts.groups.size());
  const GroupInterface interface = interface_of(module, module.forward(), parts.groups[0]);
  PTE_TRY(const XnnGraph graph, lower_graph(module, module.forward(), parts.groups[0], interface,
                                            stored_quants(parts.groups)));
  std::vector<ir::TensorType> args;
  for (const ir::Value* value : interface.inputs) args.push_back(value->tensor());
  for (const ir::Value* value : interface.outputs) args.push_back(value->tensor());
  PTE_TRY(Lifted lifted, lift(graph, args));
  PTE_CHECK(ir::verify(lifted.module));
  return lifted;
}

TEST(XnnLift, LayoutsLeaveNoTrace) {
  auto lifted = there_and_back(R"(module "m" {
  const @w: float32[2,2,3,1] parameter = dense [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
  func forward(%x: float32[1,2,8,8]) {
    %w = const @w
    %a: float32[1,2,6,8] = aten.convolution.default(%x, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %r: float32[1,2,6,8] = aten.hardtanh.default(%a, 0.0, 6.0)
    %p: float32[1,2,3,4] = aten.max_pool2d.default(%r, [2, 2], [2, 2], [0, 0], [1, 1], false)
    %c: float32[1,4,3,4] = aten.cat.default([%p, %p], 1)
    %s: float32[1,4,3,4] = aten.add.Tensor(%p, %p, 1)
    return %s
  }
})");
  EXPECT_FALSE(lifted.has_value());  // cat of a tensor with itself stays outside
  lifted = there_and_back(R"(module "m" {
  const @w: float32[2,2,3,1] parameter = dense [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
  func forward(%x: float32[1,2,8,8]) {
    %w = const @w
    %a: float32[1,2,6,8] = aten.convolution.default(%x, %w, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %r: float32[1,2,6,8] = aten.hardtanh.default(%a, 0.0, 6.0)
    %p: float32[1,2,3,4] = aten.max_pool2d.default(%r, [2, 2], [2, 2], [0, 0], [1, 1], false)
    %n: float32[1,2,3,4] = aten.neg.default(%p)
    %c: float32[1,4,3,4] = aten.cat.default([%p, %n], 1)
    return %c
  }
})");
  ASSERT_TRUE(lifted.has_value()) << lifted.error().message;
  EXPECT_EQ(calls(lifted->module.forward()), "convolution hardtanh max_pool2d neg cat");
  // The filter is PyTorch's again.
  const ir::Node* conv = lifted->module.forward().front();
  const Tensor* weight = lifted->module.data_of(conv->input(1));
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->sizes(), (Sizes{2, 2, 3, 1}));
  const Tensor dense = *weight->contiguous();
  for (int i = 0; i < 12; ++i) EXPECT_EQ(dense.data_as<float>()[i], static_cast<float>(i));
}

TEST(XnnLift, DepthwiseAndTransposedFiltersComeBack) {
  for (const bool transposed : {false, true}) {
    const std::string shape = transposed ? "4,1,2,3" : "4,1,2,3";
    const std::string out = transposed ? "1,2,6,7" : "1,4,4,3";
    std::string numbers = "0";
    for (int i = 1; i < 24; ++i) numbers += fmt::format(", {}", i);
    auto lifted =
        there_and_back(fmt::format(R"(module "m" {{
  const @w: float32[{}] parameter = dense [{}]
  func forward(%x: float32[1,{},5,5]) {{
    %w = const @w
    %a: float32[{}] = aten.convolution.default(%x, %w, none, [1, 1], [0, 0], [1, 1], {}, [0, 0], {})
    return %a
  }}
}})",
                                   shape, numbers, transposed ? 4 : 2, out, transposed, 2));
    ASSERT_TRUE(lifted.has_value()) << lifted.error().message;
    const ir::Node* conv = lifted->module.forward().front();
    ASSERT_TRUE(conv->is(Op::aten_convolution));
    EXPECT_EQ(conv->arg("groups").integer(), 2);
    const Tensor* weight = lifted->module.data_of(conv->input(1));
    EXPECT_EQ(weight->sizes(), (Sizes{4, 1, 2, 3}));
    const Tensor dense = *weight->contiguous();
    for (int i = 0; i < 24; ++i) EXPECT_EQ(dense.data_as<float>()[i], static_cast<float>(i));
  }
}

TEST(XnnLift, ShapesFollowTheCall) {
  auto module = ir::parse_module(R"(module "m" {
  sym s0 in [1, 8]
  func forward(%x: float32[s0,3]) {
    %y: float32[s0,3] = aten.relu.default(%x)
    return %y
  }
})");
  ASSERT_TRUE(module.has_value());
  const PartitionResult parts = partition(*module, module->forward());
  const auto graph = lower_graph(*module, module->forward(), parts.groups[0],
                                 interface_of(*module, module->forward(), parts.groups[0]),
                                 stored_quants(parts.groups));
  ASSERT_TRUE(graph.has_value());
  auto own = lift(*graph);
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->module.forward().outputs()[0].value->tensor().sizes, ir::to_sym({8, 3}));
  const std::vector<ir::TensorType> args(2,
                                         ir::TensorType::of(DType::kFloat32, ir::to_sym({5, 3})));
  auto called = lift(*graph, args);
  ASSERT_TRUE(called.has_value());
  EXPECT_EQ(called->module.forward().outputs()[0].value->tensor().sizes, ir::to_sym({5, 3}));
  EXPECT_EQ(called->input_args, (std::vector<uint32_t>{0}));
  EXPECT_EQ(called->output_args, (std::vector<uint32_t>{1}));
  // A call that does not fit.
  const std::vector<ir::TensorType> few(1, args[0]);
  EXPECT_FALSE(lift(*graph, few).has_value());
  const std::vector<ir::TensorType> ints(2, ir::TensorType::of(DType::kInt64, ir::to_sym({5, 3})));
  auto refused = lift(*graph, ints);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "argument 0 is int64, the XNNPACK payload takes float32");
}

// ---- graphs that no exporter writes, made by hand

struct Made {
  XnnGraph graph;

  uint32_t value(Datatype type, std::vector<uint32_t> dims, Quant quant = {}) {
    XnnValue v;
    v.datatype = type;
    v.dims = std::move(dims);
    v.quant = std::move(quant);
    graph.values.push_back(std::move(v));
    return static_cast<uint32_t>(graph.values.size() - 1);
  }
  uint32_t external(Datatype type, std::vector<uint32_t> dims, ValueFlag flag, Quant quant = {}) {
    const uint32_t id = value(type, std::move(dims), std::move(quant));
    graph.values[id].flags = flag;
    graph.values[id].external_id = graph.num_externs++;
    return id;
  }
  template <typename T>
  uint32_t constant(Datatype type, std::vector<uint32_t> dims, const std::vector<T>& data,
                    Quant quant = {}) {
    const uint32_t id = value(type, std::move(dims), std::move(quant));
    graph.values[id].constant = static_cast<uint32_t>(graph.constants.size());
    graph.constants.push_back(
        {"", Tensor::of<T>({static_cast<int64_t>(data.size())}, std::span<const T>(data))});
    return id;
  }
  XnnNode& node(NodeKind kind, std::vector<uint32_t> inputs, std::vector<uint32_t> outputs) {
    XnnNode n;
    n.kind = kind;
    n.inputs = std::move(inputs);
    n.outputs = std::move(outputs);
    graph.nodes.push_back(std::move(n));
    return graph.nodes.back();
  }
  // The calls after lifting, or the error.
  std::string lifted() {
    auto result = lift(graph);
    if (!result) return result.error().message;
    const Status good = ir::verify(result->module);
    return good ? names(result->module.forward()) : good.error().message;
  }
  static std::string names(const ir::Graph& graph) {
    std::string text;
    for (const ir::Node* node : graph.nodes()) {
      if (!text.empty()) text += ' ';
      const std::string& name = node->op().name;
      text += name.substr(name.find("::") + 2);
    }
    return text;
  }
};

TEST(XnnLift, QuantisedValuesMeetIntegerKernels) {
  Made m;
  const uint32_t x = m.external(Datatype::kFloat32, {2, 3}, kExternalInput);
  const uint32_t q = m.value(Datatype::kQInt8, {2, 3}, PerTensorQuant{0.5F, 1});
  const uint32_t w =
      m.constant<int8_t>(Datatype::kQCInt8, {2, 3}, {1, 2, 3, 4, 5, 6}, PerChannelQuant{{1, 2}, 0});
  const uint32_t b =
      m.constant<int32_t>(Datatype::kQCInt32, {2}, {7, 8}, PerChannelQuant{{0.5F, 1}, 0});
  const uint32_t y = m.value(Datatype::kQInt8, {2, 2}, PerTensorQuant{2, 0});
  const uint32_t s = m.value(Datatype::kQInt8, {2, 2}, PerTensorQuant{3, 0});
  const uint32_t t = m.value(Datatype::kQInt8, {2, 2}, PerTensorQuant{0.1F, -128});
  const uint32_t o = m.external(Datatype::kFloat32, {2, 2}, kExternalOutput);
  m.node(NodeKind::kConvert, {x}, {q});
  m.node(NodeKind::kFullyConnected, {q, w, b}, {y}).clamp = MinMax{0, 3};
  m.node(NodeKind::kAdd, {y, y}, {s});
  m.node(NodeKind::kSigmoid, {s}, {t});
  m.node(NodeKind::kConvert, {t}, {o});
  EXPECT_EQ(m.lifted(),
            "quantize_per_tensor quantized_linear clamp quantized_add dequantize_per_tensor "
            "sigmoid quantize_per_tensor dequantize_per_tensor");
  // Real bounds become stored ones: 3 / 2 rounds to 2.
  auto lifted = lift(m.graph);
  ASSERT_TRUE(lifted.has_value());
  const ir::Node* clamp = lifted->module.forward().front()->next()->next();
  EXPECT_EQ(clamp->arg(1).integer(), 0);
  EXPECT_EQ(clamp->arg(2).integer(), 2);
}

TEST(XnnLift, DynamicQuantisationIsPartOfItsReader) {
  for (const bool legacy : {false, true}) {
    Made m;
    const uint32_t x = m.external(Datatype::kFloat32, {2, 64}, kExternalInput);
    uint32_t q = x;
    if (legacy) {
      m.graph.values[x].dq_datatype = Datatype::kQInt8;
    } else {
      q = m.value(Datatype::kQDInt8, {2, 64}, PerTokenQuant{1});
    }
    const uint32_t w = m.constant<uint8_t>(Datatype::kQBInt4, {3, 64}, std::vector<uint8_t>(96, 8),
                                           GroupQuant{{1, 1, 1, 1, 1, 1}, 0, 32});
    const uint32_t o = m.external(Datatype::kFloat32, {2, 3}, kExternalOutput);
    if (!legacy) m.node(NodeKind::kConvert, {x}, {q});
    m.node(NodeKind::kFullyConnected, {q, w, kNone}, {o});
    EXPECT_EQ(m.lifted(), "dynamic_quantized_linear");
  }
}

TEST(XnnLift, NodesThatTheOfficialRuntimeLacks) {
  Made m;
  const uint32_t q = m.external(Datatype::kFloat32, {1, 2, 3, 4}, kExternalInput);
  const uint32_t k = m.external(Datatype::kFloat32, {1, 2, 5, 4}, kExternalInput);
  const uint32_t v = m.external(Datatype::kFloat32, {1, 2, 5, 6}, kExternalInput);
  const uint32_t s = m.constant<float>(Datatype::kFloat32, {4}, {1, 1, 1, 1});
  const uint32_t mask = m.constant<float>(Datatype::kFloat32, {3, 5}, std::vector<float>(15));
  const uint32_t o = m.external(Datatype::kFloat32, {1, 2, 3, 6}, kExternalOutput);
  m.node(NodeKind::kScaledDotProductAttention, {q, k, v, s, mask}, {o});
  EXPECT_EQ(m.lifted(), "permute_copy mul matmul add _softmax matmul");
}

TEST(XnnLift, ReshapeToNoDimensionsKeepsOneElement) {
  Made m;
  const uint32_t x = m.external(Datatype::kFloat32, {1, 1}, kExternalInput);
  const uint32_t y = m.external(Datatype::kFloat32, {1}, kExternalOutput);
  m.node(NodeKind::kStaticReshape, {x}, {y}).params = ReshapeParams{{}};
  EXPECT_EQ(m.lifted(), "view_copy");
}

TEST(XnnLift, UnevenPadding) {
  Made m;
  const uint32_t x = m.external(Datatype::kFloat32, {1, 5, 5, 2}, kExternalInput);
  const uint32_t w = m.constant<float>(Datatype::kFloat32, {3, 2, 2, 2}, std::vector<float>(24, 1));
  const uint32_t y = m.value(Datatype::kFloat32, {1, 8, 9, 3});
  const uint32_t o = m.external(Datatype::kFloat32, {1, 8, 9, 3}, kExternalOutput);
  XnnNode& conv = m.node(NodeKind::kConvTranspose2d, {x, w, kNone}, {y});
  conv.params = ConvParams{{1, 0, 1, 1}, {2, 2}, {2, 2}, {1, 1}, 2, 3, 1, {0, 0}};
  XnnNode& pool = m.node(NodeKind::kAvgPooling2d, {y}, {o});
  pool.params = PoolParams{{1, 0, 0, 0}, {2, 1}, {1, 1}, {0, 0}};
  EXPECT_EQ(m.lifted(),
            "permute_copy convolution slice_copy slice_copy constant_pad_nd avg_pool2d div div "
            "permute_copy");
}

TEST(XnnLift, WhatCannotBeReadIsNamed) {
  Made m;
  const uint32_t x = m.external(Datatype::kFloat32, {2, 3}, kExternalInput);
  const uint32_t q = m.value(Datatype::kQDInt8, {2, 3}, PerTokenQuant{1});
  const uint32_t o = m.external(Datatype::kFloat32, {2, 3}, kExternalOutput);
  m.node(NodeKind::kConvert, {x}, {q});
  m.node(NodeKind::kSigmoid, {q}, {o});
  EXPECT_EQ(m.lifted(),
            "XNNPACK node 1 (Sigmoid): value 1 is quantised while it runs, which this node cannot "
            "read");
  m.graph.values[q].quant = PerTensorQuant{0, 0};
  m.graph.values[q].datatype = Datatype::kQInt8;
  EXPECT_EQ(m.lifted(), "XNNPACK value 1: a scale of 0");
  m.graph.values[q].quant = PerTensorQuant{1, 300};
  EXPECT_EQ(m.lifted(), "XNNPACK value 1: a zero point of 300 for qint8");
  m.graph.values[q].quant = {};
  EXPECT_EQ(m.lifted(), "XNNPACK value 1: qint8 without a scale");
  m.graph.values[q].datatype = Datatype::kQPInt8;
  EXPECT_EQ(m.lifted(), "XNNPACK value 1: its type is qpint8, which no file stores");
}

// ---- files that the official exporter wrote

struct Official {
  std::vector<XnnGraph> graphs;
};

Official read_official(const std::string& name) {
  Official result;
  auto file = MappedFile::open(std::string(PTE_SOURCE_DIR) + "/tests/golden/" + name);
  EXPECT_TRUE(file.has_value()) << file.error().message;
  if (!file) return result;
  auto program = program::read_program(*file);
  EXPECT_TRUE(program.has_value()) << program.error().message;
  if (!program) return result;
  for (const program::Delegate& delegate : program->methods[0].delegates) {
    auto graph = decode(delegate.payload.bytes, delegate.payload.owner,
                        [&](std::string_view key) -> Result<Tensor> {
                          const program::Blob* blob = program->find_named_data(key);
                          if (blob == nullptr) return make_error(Code::kNotFound, "{}", key);
                          return Tensor::view(DType::kUInt8, {static_cast<int64_t>(blob->size())},
                                              {1}, blob->bytes.data(), blob->owner);
                        });
    EXPECT_TRUE(graph.has_value()) << graph.error().message;
    if (graph) result.graphs.push_back(std::move(*graph));
  }
  return result;
}

std::string kinds(const XnnGraph& graph) {
  std::string text;
  for (const XnnNode& node : graph.nodes) {
    if (!text.empty()) text += ' ';
    text += node_name(node.kind);
  }
  return text;
}

TEST(XnnOfficial, Add) {
  const Official o = read_official("program/add_xnnpack.pte");
  ASSERT_EQ(o.graphs.size(), 1U);
  EXPECT_EQ(kinds(o.graphs[0]), "Add");
  EXPECT_EQ(o.graphs[0].nodes[0].inputs, (std::vector<uint32_t>{0, 1}));
  auto lifted = lift(o.graphs[0]);
  ASSERT_TRUE(lifted.has_value());
  EXPECT_EQ(calls(lifted->module.forward()), "add");
}

// The worked example: what the official exporter writes is what lowering writes (lower_test.cc).
TEST(XnnOfficial, ConvolutionWithRelu6) {
  const Official o = read_official("program/conv_relu6_xnnpack.pte");
  ASSERT_EQ(o.graphs.size(), 1U);
  const XnnGraph& g = o.graphs[0];
  ASSERT_EQ(kinds(g), "StaticTranspose Conv2d StaticTranspose");
  ASSERT_EQ(g.nodes[1].clamp, (MinMax{0, 6}));
  EXPECT_EQ(g.nodes[0].debug_handle, 65535U);
  EXPECT_EQ(g.values[g.nodes[1].inputs[1]].dims.size(), 4U);
  auto lifted = lift(g);
  ASSERT_TRUE(lifted.has_value()) << lifted.error().message;
  EXPECT_EQ(calls(lifted->module.forward()), "convolution hardtanh");
}

}  // namespace
}  // namespace pte::xnnpack
