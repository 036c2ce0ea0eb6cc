#include "backends/mps/payload.h"

#include <gtest/gtest.h>

#include <cstring>

#include "schema/mps_generated.h"

namespace pte::mps {
namespace {

namespace fb = pte::schema::mps;

std::vector<std::byte> payload(int32_t output, uint64_t constant_bytes) {
  flatbuffers::FlatBufferBuilder builder;
  const auto conv = fb::CreateTernary(builder, 0, 1, -1, output);
  const auto norm = fb::CreateBatchNorm(builder, 2, 1, 1, 1, -1, 0.1F, 1e-5F, -1, 2, -1);
  const std::vector<flatbuffers::Offset<fb::MPSNode>> nodes{
      fb::CreateMPSNode(builder, fb::Node::Conv2D, conv.Union()),
      fb::CreateMPSNode(builder, fb::Node::BatchNorm, norm.Union())};
  const std::vector<int32_t> dims{4};
  std::vector<flatbuffers::Offset<fb::MPSTensor>> values;
  for (const uint64_t bytes : {uint64_t{0}, constant_bytes, uint64_t{0}}) {
    values.push_back(fb::CreateMPSTensorDirect(builder, 2, 1, &dims, bytes));
  }
  const std::vector<int32_t> inputs{0}, outputs{2}, constants{1};
  builder.Finish(
      fb::CreateMPSGraphDirect(builder, "0", &nodes, &values, &inputs, &outputs, &constants),
      "MP00");
  const uint64_t size = builder.GetSize();
  const uint64_t offset = (24 + size + 15) / 16 * 16;
  const uint64_t segment = 16;
  std::vector<std::byte> out(offset + segment);
  std::memcpy(out.data() + 4, "MP00", 4);
  std::memcpy(out.data() + 8, &offset, 8);
  std::memcpy(out.data() + 16, &segment, 8);
  std::memcpy(out.data() + 24, builder.GetBufferPointer(), size);
  return out;
}

TEST(MpsPayload, IsDecoded) {
  const auto bytes = payload(2, 16);
  const auto graph = decode(bytes);
  ASSERT_TRUE(graph.has_value()) << graph.error().message;
  ASSERT_EQ(graph->nodes.size(), 2U);
  EXPECT_EQ(graph->nodes[0].kind, "Conv2D");
  EXPECT_EQ(graph->nodes[0].inputs, (std::vector<int32_t>{0, 1, -1}));
  EXPECT_EQ(graph->nodes[0].outputs, (std::vector<int32_t>{2}));
  EXPECT_EQ(graph->nodes[1].kind, "BatchNorm");
  EXPECT_EQ(graph->nodes[1].outputs, (std::vector<int32_t>{2, -1, -1}));
  EXPECT_EQ(datatype_name(graph->values[0].datatype), "float32");
  EXPECT_EQ(graph->segment_bytes, 16U);
}

TEST(MpsPayload, WhatPointsOutsideIsRefused) {
  EXPECT_FALSE(decode(payload(3, 16)).has_value());
  EXPECT_FALSE(decode(payload(-2, 16)).has_value());
  EXPECT_FALSE(decode(payload(2, 17)).has_value());
  const auto good = payload(2, 16);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode(Bytes(good).first(size)).has_value()) << size;
  }
}

}  // namespace
}  // namespace pte::mps
