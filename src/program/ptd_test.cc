#include "program/ptd.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "program/testing.h"

namespace pte::program {
namespace {

std::string golden(const std::string& name) {
  return std::string(PTE_SOURCE_DIR) + "/tests/golden/runtime/" + name;
}

Result<DataFile> read_bytes(std::vector<std::byte> bytes) {
  return read_data(MappedFile::from_bytes(std::move(bytes), "x.ptd"));
}

DataEntry entry(std::string key, size_t floats) {
  const std::vector<float> values(floats, 1.5f);
  DataEntry out;
  out.key = std::move(key);
  out.data = Blob::copy(std::as_bytes(std::span(values)));
  out.layout = TensorLayout{DType::kFloat32, {static_cast<int64_t>(floats)}, {0}};
  return out;
}

std::vector<DataEntry> entries() {
  std::vector<DataEntry> out = {entry("w", 6), entry("same", 6), entry("b", 3)};
  DataEntry opaque = entry("opaque", 1);
  opaque.layout.reset();
  out.push_back(opaque);
  DataEntry nothing;
  nothing.key = "nothing";
  nothing.layout = TensorLayout{DType::kInt64, {0, 4}, {0, 1}};
  out.push_back(nothing);
  return out;
}

TEST(Data, OfficialFile) {
  auto file = MappedFile::open(golden("external_weights.default_external_constant.ptd"));
  ASSERT_TRUE(file);
  auto data = read_data(*file);
  ASSERT_TRUE(data) << data.error().message;
  ASSERT_EQ(data->entries.size(), 3u);
  DataMap map;
  ASSERT_TRUE(map.add(std::move(*data)));
  const DataEntry* w = map.find("w");
  ASSERT_NE(w, nullptr);
  ASSERT_TRUE(w->layout);
  EXPECT_EQ(w->layout->sizes, (Sizes{2, 3}));
  EXPECT_EQ(w->layout->dtype, DType::kFloat32);
  float last = 0;
  std::memcpy(&last, w->data.bytes.data() + 20, 4);
  EXPECT_EQ(last, 5.0f);
  EXPECT_EQ(map.find("v"), nullptr);
}

TEST(Data, OpaqueEntriesHaveNoLayout) {
  auto file = MappedFile::open(golden("external_xnnpack.model.ptd"));
  ASSERT_TRUE(file);
  auto data = read_data(*file);
  ASSERT_TRUE(data) << data.error().message;
  ASSERT_FALSE(data->entries.empty());
  for (const DataEntry& item : data->entries) EXPECT_FALSE(item.layout) << item.key;
}

TEST(Data, WhatIsWrittenReadsBack) {
  auto bytes = serialize_data(entries());
  ASSERT_TRUE(bytes) << bytes.error().message;
  auto data = read_bytes(*bytes);
  ASSERT_TRUE(data) << data.error().message;
  const std::vector<DataEntry> want = entries();
  ASSERT_EQ(data->entries.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(data->entries[i].key, want[i].key);
    EXPECT_EQ(as_text(data->entries[i].data.bytes), as_text(want[i].data.bytes));
    ASSERT_EQ(data->entries[i].layout.has_value(), want[i].layout.has_value());
    if (want[i].layout) {
      EXPECT_EQ(data->entries[i].layout->sizes, want[i].layout->sizes);
    }
  }
  // Equal bytes lie in one place.
  EXPECT_EQ(data->entries[0].data.bytes.data(), data->entries[1].data.bytes.data());

  const std::string path = ::testing::TempDir() + "/ptd_test.ptd";
  ASSERT_TRUE(write_data(entries(), path));
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(as_text(file->bytes()), as_text(*bytes));
  std::filesystem::remove(path);
}

TEST(Data, WriterRefuses) {
  std::vector<DataEntry> twice = {entry("w", 1), entry("w", 2)};
  EXPECT_EQ(serialize_data(twice).error().message, "the key 'w' is there twice");
  std::vector<DataEntry> nameless = {entry("", 1)};
  EXPECT_FALSE(serialize_data(nameless));
  std::vector<DataEntry> small = {entry("w", 1)};
  small[0].layout->sizes = {2};
  EXPECT_EQ(serialize_data(small).error().message, "'w': float32[2] needs 8 bytes, 4 are stored");
  std::vector<DataEntry> odd = {entry("w", 1)};
  odd[0].data.alignment = 48;
  EXPECT_FALSE(serialize_data(odd));
}

TEST(Data, SameKeyInTwoFiles) {
  DataMap map;
  DataFile first{"a.ptd", 0, {entry("w", 1), entry("v", 1)}};
  DataFile second{"b.ptd", 0, {entry("v", 1)}};
  ASSERT_TRUE(map.add(first));
  const Status status = map.add(second);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "b.ptd: the key 'v' is in a.ptd too");
  EXPECT_EQ(map.size(), 2u);
}

TEST(Data, HeaderArithmetic) {
  auto good = serialize_data(entries());
  ASSERT_TRUE(good);
  const auto with = [&](size_t offset, uint64_t number) {
    std::vector<std::byte> bytes = *good;
    std::memcpy(bytes.data() + offset, &number, 8);
    auto data = read_bytes(std::move(bytes));
    return data ? std::string("accepted") : data.error().message;
  };
  EXPECT_NE(with(16, ~0ULL).find("truncated"), std::string::npos);
  EXPECT_NE(with(24, good->size()).find("truncated"), std::string::npos);
  EXPECT_NE(with(32, ~0ULL).find("truncated"), std::string::npos);
  EXPECT_NE(with(32, 16).find("inside the flatbuffer"), std::string::npos);
  EXPECT_NE(with(40, 8).find("outside the 8 bytes of segments"), std::string::npos);
  EXPECT_NE(with(8, 0).find("no header FH01"), std::string::npos);
  EXPECT_NE(with(4, 0).find("not ExecuTorch tensor data"), std::string::npos);
}

// However the file is cut or changed, the reader answers, and what it accepts lies in the file.
TEST(Data, Damage) {
  auto file = MappedFile::open(golden("external_weights.default_external_constant.ptd"));
  ASSERT_TRUE(file);
  const std::vector<std::byte> all(file->bytes().begin(), file->bytes().end());
  const auto use = [](std::vector<std::byte> bytes) {
    auto data = read_bytes(std::move(bytes));
    if (!data) {
      EXPECT_EQ(data.error().message.rfind("x.ptd: ", 0), 0u) << data.error().message;
      return;
    }
    unsigned sum = 0;
    for (const DataEntry& item : data->entries) {
      for (const std::byte b : item.data.bytes) sum += static_cast<unsigned>(b);
    }
    volatile unsigned sink = sum;
    (void)sink;
  };
  for (size_t size = 0; size < all.size(); ++size) {
    use({all.begin(), all.begin() + static_cast<ptrdiff_t>(size)});
  }
  for (size_t at = 0; at < all.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> bytes = all;
      bytes[at] ^= std::byte{1} << bit;
      use(std::move(bytes));
    }
  }
}

}  // namespace
}  // namespace pte::program
