#include "backends/ethosu/payload.h"

#include <gtest/gtest.h>

#include <cstring>

namespace pte::ethosu {
namespace {

std::string ints(const std::vector<int32_t>& values) {
  std::string out(values.size() * 4, '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}
std::string block(std::string name, std::string data, bool external = false) {
  name.resize(16, '\0');
  std::string out = name + ints({static_cast<int32_t>(data.size())}) + (external ? '\1' : '\0') +
                    std::string(11, '\0');
  data.resize((data.size() + 15) / 16 * 16, '\0');
  return out + data;
}
std::string stream(const std::string& inputs) {
  return block("vela_bin_stream", "") + block("cmd_data", "COP1....") +
         block("weight_data", std::string(64, 'k'), true) + block("scratch_size", ints({640})) +
         block("inputs", inputs) + block("outputs", ints({0})) + block("vela_end_stream", "");
}

TEST(EthosUPayload, BlocksAreListed) {
  const std::string bytes = stream(ints({1, 1, 1, 1, 8, 8, 3, 1, 16, 4}));
  const auto out = decode(as_bytes(bytes));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  ASSERT_EQ(out->blocks.size(), 7U);
  EXPECT_EQ(out->blocks[1].name, "cmd_data");
  EXPECT_EQ(out->blocks[1].bytes.size(), 8U);
  EXPECT_TRUE(out->blocks[2].external);
  EXPECT_EQ(out->scratch_bytes, 640U);
  ASSERT_EQ(out->inputs.size(), 1U);
  EXPECT_EQ(out->inputs[0].shape, (std::vector<int32_t>{1, 1, 1, 8, 8, 3}));
  EXPECT_EQ(out->inputs[0].offset, 16);
}

TEST(EthosUPayload, WhatDoesNotFitIsRefused) {
  EXPECT_FALSE(decode(as_bytes(stream(ints({2, 1, 1})))).has_value());
  EXPECT_FALSE(decode(as_bytes(stream(ints({-1})))).has_value());
  const std::string good = stream(ints({0}));
  for (size_t size = 0; size < good.size() - 31; ++size) {
    EXPECT_FALSE(decode(as_bytes(std::string_view(good).substr(0, size))).has_value()) << size;
  }
}

}  // namespace
}  // namespace pte::ethosu
