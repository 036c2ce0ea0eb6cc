#include "backends/vulkan/payload.h"

#include <gtest/gtest.h>

#include <cstring>

#include "schema/vulkan_generated.h"

namespace pte::vulkan {
namespace {

namespace fb = pte::schema::vulkan;

// A header, the flatbuffer, `region` bytes after it.
std::vector<std::byte> payload(int32_t constant, int32_t arg, size_t region,
                               uint64_t constant_length) {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<uint32_t> dims{2, 3};
  const auto tensor = fb::CreateVkTensorDirect(builder, 5, &dims, constant, 1, 1, 2);
  const auto number = fb::CreateInt(builder, 7);
  const std::vector<flatbuffers::Offset<fb::VkValue>> values{
      fb::CreateVkValue(builder, fb::GraphTypes::VkTensor, tensor.Union()),
      fb::CreateVkValue(builder, fb::GraphTypes::Int, number.Union())};
  const std::vector<int32_t> args{0, arg};
  const std::vector<flatbuffers::Offset<fb::OperatorCall>> chain{
      fb::CreateOperatorCallDirect(builder, 3, "aten.relu.default", &args)};
  const std::vector<flatbuffers::Offset<fb::VkBytes>> constants{
      fb::CreateVkBytesDirect(builder, 0, constant_length)};
  const std::vector<uint32_t> ids{0};
  builder.Finish(fb::CreateVkGraphDirect(builder, "0", &chain, &values, &ids, &ids, &constants),
                 "VK00");
  const auto size = static_cast<uint32_t>(builder.GetSize());
  std::vector<std::byte> out(32 + size + region);
  std::memcpy(out.data() + 4, "VH00", 4);
  const uint16_t header = 30;
  const uint32_t offset = 32, bytes_offset = 32 + size;
  const uint64_t bytes_size = region;
  std::memcpy(out.data() + 8, &header, 2);
  std::memcpy(out.data() + 10, &offset, 4);
  std::memcpy(out.data() + 14, &size, 4);
  std::memcpy(out.data() + 18, &bytes_offset, 4);
  std::memcpy(out.data() + 22, &bytes_size, 8);
  std::memcpy(out.data() + 32, builder.GetBufferPointer(), size);
  return out;
}

TEST(VulkanPayload, IsDecoded) {
  const auto bytes = payload(0, 1, 24, 24);
  const auto graph = decode(bytes);
  ASSERT_TRUE(graph.has_value()) << graph.error().message;
  ASSERT_EQ(graph->chain.size(), 1U);
  EXPECT_EQ(graph->chain[0].name, "aten.relu.default");
  EXPECT_EQ(graph->chain[0].args, (std::vector<int32_t>{0, 1}));
  const auto& tensor = std::get<TensorInfo>(graph->values[0]);
  EXPECT_EQ(datatype_name(tensor.datatype), "float32");
  EXPECT_EQ(tensor.dims, (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(storage_name(tensor.storage), "texture_3d");
  EXPECT_EQ(layout_name(tensor.layout), "channels_packed");
  EXPECT_EQ(std::get<int64_t>(graph->values[1]), 7);
  EXPECT_EQ(graph->constants[0].length, 24U);
}

TEST(VulkanPayload, WhatPointsOutsideIsRefused) {
  EXPECT_FALSE(decode(payload(1, 1, 24, 24)).has_value());  // no such constant
  EXPECT_FALSE(decode(payload(-2, 1, 24, 24)).has_value());
  EXPECT_FALSE(decode(payload(0, 2, 24, 24)).has_value());  // no such value
  EXPECT_FALSE(decode(payload(0, 1, 16, 24)).has_value());  // a constant beyond the region
  EXPECT_FALSE(decode({}).has_value());
  const auto good = payload(0, 1, 0, 0);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode(Bytes(good).first(size)).has_value()) << size;
  }
}

TEST(VulkanPayload, NamesOfUnknownCodesAreNumbers) {
  EXPECT_EQ(datatype_name(9), "type 9");
  EXPECT_EQ(datatype_name(-3), "type -3");
  EXPECT_EQ(storage_name(9), "storage 9");
  EXPECT_EQ(layout_name(7), "layout 7");
}

}  // namespace
}  // namespace pte::vulkan
