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
  PTE_TRY(const XnnGraph graph, lower_graph(module, module.forward(), parts.groups[0], interface));
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
  for (int i = 0; i < 12; ++i) EXPECT_EQ(weight->data_as<float>()[i], static_cast<float>(i));
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
    for (int i = 0; i < 24; ++i) EXPECT_EQ(weight->data_as<float>()[i], static_cast<float>(i));
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
                                 interface_of(*module, module->forward(), parts.groups[0]));
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

TEST(XnnLift, QuantisedIsNamed) {
  XnnGraph graph;
  graph.values.resize(1);
  graph.values[0].datatype = Datatype::kQInt8;
  graph.values[0].quant = PerTensorQuant{1, 0};
  auto lifted = lift(graph);
  ASSERT_FALSE(lifted.has_value());
  EXPECT_EQ(lifted.error().code, Code::kUnsupported);
  EXPECT_EQ(lifted.error().message,
            "XNNPACK value 0 is quantised (qint8): only float payloads are run");
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
