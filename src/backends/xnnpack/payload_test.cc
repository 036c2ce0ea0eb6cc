#include "backends/xnnpack/payload.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "backends/xnnpack/testing.h"
#include "base/sha256.h"

namespace pte::xnnpack {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

XnnValue tensor(std::vector<uint32_t> dims) {
  XnnValue v;
  v.dims = std::move(dims);
  return v;
}
XnnValue external(std::vector<uint32_t> dims, uint32_t id, uint32_t flags) {
  XnnValue v = tensor(std::move(dims));
  v.external_id = id;
  v.flags = flags;
  return v;
}

// x → Add(x, constant) → Clamp → out
XnnGraph small_graph() {
  XnnGraph graph;
  graph.num_externs = 2;
  graph.values = {external({2, 3}, 0, kExternalInput), tensor({3}), tensor({2, 3}),
                  external({2, 3}, 1, kExternalOutput)};
  graph.constants.push_back({{}, Tensor::of<float>({3}, {1, 2, 3})});
  graph.values[1].constant = 0;
  XnnNode add;
  add.kind = NodeKind::kAdd;
  add.inputs = {0, 1};
  add.outputs = {2};
  XnnNode clamp;
  clamp.kind = NodeKind::kClamp;
  clamp.inputs = {2};
  clamp.outputs = {3};
  clamp.clamp = MinMax{0, kInf};
  clamp.debug_handle = 7;
  graph.nodes = {add, clamp};
  return graph;
}

void expect_equal(const XnnGraph& a, const XnnGraph& b) {
  EXPECT_EQ(a.num_externs, b.num_externs);
  ASSERT_EQ(a.values.size(), b.values.size());
  for (size_t i = 0; i < a.values.size(); ++i) {
    EXPECT_EQ(a.values[i].datatype, b.values[i].datatype) << i;
    EXPECT_EQ(a.values[i].dims, b.values[i].dims) << i;
    EXPECT_EQ(a.values[i].external_id, b.values[i].external_id) << i;
    EXPECT_EQ(a.values[i].flags, b.values[i].flags) << i;
    EXPECT_EQ(a.values[i].quant, b.values[i].quant) << i;
    ASSERT_EQ(a.values[i].constant == kNone, b.values[i].constant == kNone) << i;
    if (a.values[i].constant == kNone) continue;
    const Bytes x = a.constants[a.values[i].constant].data.bytes();
    const Bytes y = b.constants[b.values[i].constant].data.bytes();
    EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin(), y.end())) << i;
  }
  ASSERT_EQ(a.nodes.size(), b.nodes.size());
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    EXPECT_EQ(a.nodes[i].kind, b.nodes[i].kind) << i;
    EXPECT_EQ(a.nodes[i].inputs, b.nodes[i].inputs) << i;
    EXPECT_EQ(a.nodes[i].outputs, b.nodes[i].outputs) << i;
    EXPECT_EQ(a.nodes[i].flags, b.nodes[i].flags) << i;
    EXPECT_EQ(a.nodes[i].params, b.nodes[i].params) << i;
    EXPECT_EQ(a.nodes[i].clamp, b.nodes[i].clamp) << i;
    EXPECT_EQ(a.nodes[i].debug_handle, b.nodes[i].debug_handle) << i;
  }
}

Result<XnnGraph> decode_bytes(const std::vector<std::byte>& bytes, const Resolver& resolve = {}) {
  return decode(bytes, nullptr, resolve);
}

TEST(XnnPayload, RoundTrip) {
  const XnnGraph graph = small_graph();
  auto encoded = encode(graph);
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  ASSERT_EQ(encoded->named_data.size(), 1U);
  EXPECT_EQ(encoded->named_data.begin()->first, sha256_hex(graph.constants[0].data.bytes()));
  auto decoded = decode(encoded->bytes, nullptr, resolver_of(encoded->named_data));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  expect_equal(graph, *decoded);
}

// One node of every kind, with parameters that differ from each other.
TEST(XnnPayload, RoundTripOfEveryKind) {
  for (size_t code = 1; code <= kNodeKinds; ++code) {
    const auto kind = static_cast<NodeKind>(code);
    XnnGraph graph;
    XnnNode node;
    node.kind = kind;
    node.flags = 0x48;
    node.debug_handle = 9;
    size_t inputs = 1, outputs = 1;
    switch (kind) {
      case NodeKind::kAdd:
      case NodeKind::kDiv:
      case NodeKind::kMinimum:
      case NodeKind::kMultiply:
      case NodeKind::kSubtract:
      case NodeKind::kMaximum:
      case NodeKind::kPReLU:
      case NodeKind::kBatchMatrixMultiply:
        inputs = 2;
        node.clamp = MinMax{0, 6};
        break;
      case NodeKind::kFullyConnected:
        inputs = 3;
        break;
      case NodeKind::kConv2d:
      case NodeKind::kDepthwiseConv2d:
      case NodeKind::kConvTranspose2d:
        inputs = 3;
        node.params = ConvParams{{1, 2, 3, 4}, {5, 6}, {7, 8}, {9, 10}, 11, 12, 13, {14, 15}};
        break;
      case NodeKind::kMaxPooling2d:
      case NodeKind::kAvgPooling2d:
        node.params = PoolParams{{1, 2, 3, 4}, {5, 6}, {7, 8}, {9, 10}};
        break;
      case NodeKind::kArgMaxPooling2d:
        outputs = 2;
        node.params = PoolParams{{1, 2, 3, 4}, {5, 6}, {}, {}};
        break;
      case NodeKind::kStaticTranspose:
        node.params = TransposeParams{{1, 0}};
        break;
      case NodeKind::kStaticReshape:
        node.params = ReshapeParams{{0, 3}};
        break;
      case NodeKind::kStaticSlice:
        node.params = SliceParams{{1, 0}, {1, 2}};
        break;
      case NodeKind::kStaticConstantPad:
        node.params = PadParams{{1, 2}, {3, 4}, 0.5F};
        break;
      case NodeKind::kStaticResizeBilinear2D:
        node.params = ResizeParams{{7, 9}};
        break;
      case NodeKind::kLeakyReLU:
      case NodeKind::kELU:
        node.params = FactorParams{0.25F};
        break;
      case NodeKind::kConcatenate2:
        inputs = 2;
        node.params = CatParams{1};
        break;
      case NodeKind::kConcatenate3:
        inputs = 3;
        node.params = CatParams{1};
        break;
      case NodeKind::kConcatenate4:
        inputs = 4;
        node.params = CatParams{1};
        break;
      case NodeKind::kConcatenate5:
        inputs = 5;
        node.params = CatParams{1};
        break;
      case NodeKind::kScaledDotProductAttention:
        inputs = 5;
        break;
      default:
        break;
    }
    for (uint32_t i = 0; i < inputs + outputs; ++i) {
      const bool input = i < inputs;
      graph.values.push_back(external({2, 3}, i, input ? kExternalInput : kExternalOutput));
      (input ? node.inputs : node.outputs).push_back(i);
    }
    graph.num_externs = static_cast<uint32_t>(inputs + outputs);
    graph.nodes.push_back(node);
    auto encoded = encode(graph);
    ASSERT_TRUE(encoded.has_value()) << node_name(kind);
    auto decoded = decode_bytes(encoded->bytes);
    ASSERT_TRUE(decoded.has_value()) << node_name(kind) << ": " << decoded.error().message;
    expect_equal(graph, *decoded);
  }
}

TEST(XnnPayload, QuantisedValues) {
  XnnGraph graph = small_graph();
  graph.values[2].datatype = Datatype::kQInt8;
  graph.values[2].quant = PerTensorQuant{0.5F, -3};
  graph.constants[0].data = Tensor::of<int8_t>({3}, {1, 2, 3});
  graph.values[1].datatype = Datatype::kQCInt8;
  graph.values[1].quant = PerChannelQuant{{0.5F, 0.25F, 2.0F}, 0};
  graph.values.push_back(tensor({4, 4}));
  graph.values.back().datatype = Datatype::kQDInt8;
  graph.values.back().quant = PerTokenQuant{1};
  graph.values.push_back(tensor({2, 64}));
  graph.values.back().datatype = Datatype::kQBInt4;
  graph.values.back().quant = GroupQuant{{1.0F, 0.5F, 2.0F, 4.0F}, 0, 32};
  graph.values.back().constant = 1;
  graph.constants.push_back({{}, *Tensor::zeros(DType::kUInt8, {2, 32})});
  auto encoded = encode(graph);
  ASSERT_TRUE(encoded.has_value());
  size_t scales = 0;
  for (const auto& [key, data] : encoded->named_data) scales += key.rfind("scale_", 0) == 0;
  EXPECT_EQ(scales, 2U);
  auto decoded = decode(encoded->bytes, nullptr, resolver_of(encoded->named_data));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  expect_equal(graph, *decoded);
}

TEST(XnnPayload, EqualConstantsShareOneKey) {
  XnnGraph graph = small_graph();
  graph.constants.push_back({{}, Tensor::of<float>({3}, {1, 2, 3})});
  graph.values.push_back(tensor({3}));
  graph.values.back().constant = 1;
  auto encoded = encode(graph);
  ASSERT_TRUE(encoded.has_value());
  EXPECT_EQ(encoded->named_data.size(), 1U);
}

TEST(XnnPayload, Header) {
  auto encoded = encode(small_graph());
  ASSERT_TRUE(encoded.has_value());
  const auto& b = encoded->bytes;
  EXPECT_EQ(std::memcmp(b.data(), "\0\0\0\0XH00\x1e\0\x20\0\0\0", 14), 0);
  EXPECT_EQ(b.size() % 16, 0U);
  uint32_t size = 0, constants = 0;
  std::memcpy(&size, b.data() + 14, 4);
  std::memcpy(&constants, b.data() + 18, 4);
  EXPECT_EQ(constants, b.size());
  EXPECT_EQ((32 + size + 15) / 16 * 16, b.size());
  EXPECT_EQ(std::memcmp(b.data() + 36, "XN01", 4), 0);
}

TEST(XnnPayload, OldFormsAreRead) {
  auto encoded = encode(small_graph());
  ASSERT_TRUE(encoded.has_value());
  // No header; the identifier of before.
  uint32_t size = 0;
  std::memcpy(&size, encoded->bytes.data() + 14, 4);
  std::vector<std::byte> bare(encoded->bytes.begin() + 32, encoded->bytes.begin() + 32 + size);
  std::memcpy(bare.data() + 4, "XN00", 4);
  auto decoded = decode(bare, nullptr, resolver_of(encoded->named_data));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  expect_equal(small_graph(), *decoded);
  // At an odd address.
  std::vector<std::byte> shifted(1);
  shifted.insert(shifted.end(), encoded->bytes.begin(), encoded->bytes.end());
  auto again = decode(Bytes(shifted).subspan(1), nullptr, resolver_of(encoded->named_data));
  EXPECT_TRUE(again.has_value());
}

TEST(XnnPayload, MissingNamedData) {
  auto encoded = encode(small_graph());
  ASSERT_TRUE(encoded.has_value());
  auto decoded = decode_bytes(encoded->bytes);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code, Code::kNotFound);
  EXPECT_NE(decoded.error().message.find(encoded->named_data.begin()->first), std::string::npos);
}

TEST(XnnPayload, ShortConstant) {
  auto encoded = encode(small_graph());
  ASSERT_TRUE(encoded.has_value());
  auto decoded = decode(encoded->bytes, nullptr, [](std::string_view) -> Result<Tensor> {
    return Tensor::of<float>({2}, {1, 2});
  });
  ASSERT_FALSE(decoded.has_value());
  EXPECT_NE(decoded.error().message.find("constant of 8 bytes, fp32 [3] needs 12"),
            std::string::npos)
      << decoded.error().message;
}

// Graphs that break a rule: each is refused with a message that says where.
TEST(XnnPayload, BrokenRules) {
  const auto expect_refused = [](const char* what, const std::function<void(XnnGraph&)>& damage,
                                 const char* message) {
    XnnGraph graph = small_graph();
    damage(graph);
    auto encoded = encode(graph);
    ASSERT_TRUE(encoded.has_value()) << what;
    auto decoded = decode(encoded->bytes, nullptr, resolver_of(encoded->named_data));
    ASSERT_FALSE(decoded.has_value()) << what;
    EXPECT_NE(decoded.error().message.find(message), std::string::npos)
        << what << ": " << decoded.error().message;
  };
  expect_refused(
      "id", [](XnnGraph& g) { g.nodes[0].inputs[0] = 99; }, "node 0: Add: no value has id 99");
  expect_refused(
      "order", [](XnnGraph& g) { std::swap(g.nodes[0], g.nodes[1]); }, "is read before");
  expect_refused(
      "output", [](XnnGraph& g) { g.nodes.pop_back(); }, "computed by no node");
  expect_refused(
      "twice", [](XnnGraph& g) { g.nodes[1].outputs[0] = 2; }, "computed twice");
  expect_refused(
      "external", [](XnnGraph& g) { g.values[0].external_id = 5; }, "external id 5 of 2");
  expect_refused(
      "same external", [](XnnGraph& g) { g.values[0].external_id = 1; }, "belongs to another");
  expect_refused(
      "flags", [](XnnGraph& g) { g.values[0].flags = 4; }, "flags 0x4");
  expect_refused(
      "datatype", [](XnnGraph& g) { g.values[0].datatype = static_cast<Datatype>(40); },
      "unknown datatype 40");
  expect_refused(
      "rank", [](XnnGraph& g) { g.values[0].dims = {1, 1, 1, 1, 1, 1, 1}; }, "at most 6");
  expect_refused(
      "size",
      [](XnnGraph& g) {
        g.values[0].dims = {0x7FFFFFFF, 0x7FFFFFFF};
      },
      "too large");
  expect_refused(
      "bounds",
      [](XnnGraph& g) {
        g.nodes[1].clamp = MinMax{2, 1};
      },
      "bounds");
  expect_refused(
      "externs", [](XnnGraph& g) { g.num_externs = 100000; }, "at most 4096");
  expect_refused(
      "perm",
      [](XnnGraph& g) {
        g.nodes[1].kind = NodeKind::kStaticTranspose;
        g.nodes[1].params = TransposeParams{{1, 1}};
      },
      "no permutation");
  expect_refused(
      "shape",
      [](XnnGraph& g) {
        g.nodes[1].kind = NodeKind::kStaticReshape;
        g.nodes[1].params = ReshapeParams{{0, 0}};
      },
      "2 inferred sizes");
}

TEST(XnnPayload, TruncationAndBitFlipsAreErrorsOrGraphs) {
  auto encoded = encode(small_graph());
  ASSERT_TRUE(encoded.has_value());
  const Resolver resolve = resolver_of(encoded->named_data);
  for (size_t size = 0; size < encoded->bytes.size(); ++size) {
    std::vector<std::byte> cut(encoded->bytes.begin(),
                               encoded->bytes.begin() + static_cast<ptrdiff_t>(size));
    auto decoded = decode(cut, nullptr, resolve);
    if (size < 32) {
      EXPECT_FALSE(decoded.has_value()) << size;
    }
  }
  size_t refused = 0;
  for (size_t bit = 0; bit < encoded->bytes.size() * 8; ++bit) {
    std::vector<std::byte> damaged = encoded->bytes;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    refused += !decode(damaged, nullptr, resolve).has_value();
  }
  EXPECT_GT(refused, encoded->bytes.size());
}

}  // namespace
}  // namespace pte::xnnpack
