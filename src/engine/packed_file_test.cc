#include "engine/packed_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace pte::engine {
namespace {

namespace fs = std::filesystem;

class PackedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              fmt::format("pte_packed_file_{}_{}", ::getpid(),
                          ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    path_ = (folder_ / "a.packed").string();
    for (const size_t size : {size_t{0}, size_t{100}, size_t{64}, size_t{5000}}) {
      auto buffer = simd::Buffer::allocate(size);
      for (size_t i = 0; i < size; ++i) buffer->fill<uint8_t>()[i] = static_cast<uint8_t>(i * 7);
      blocks_.push_back({fmt::format("block of {}", size), *buffer});
    }
    ASSERT_TRUE(write_packed_file(path_, "the key", blocks_).has_value());
    bytes_ = std::string(as_text(MappedFile::open(path_)->bytes()));
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<PackedFile> open(const std::string& bytes) {
    EXPECT_TRUE(write_file(path_, bytes).has_value());
    return PackedFile::open(path_);
  }

  fs::path folder_;
  std::string path_;
  std::string bytes_;
  std::vector<PackedBlock> blocks_;
};

TEST_F(PackedFileTest, GivesBackWhatWasWritten) {
  const auto file = PackedFile::open(path_);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->key(), "the key");
  ASSERT_EQ(file->blocks().size(), blocks_.size());
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const PackedBlock& block = file->blocks()[i];
    EXPECT_EQ(block.what, blocks_[i].what);
    EXPECT_EQ(as_text(block.bytes.bytes()), as_text(blocks_[i].bytes.bytes()));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.bytes.bytes().data()) % simd::kAlignment, 0U);
  }
  EXPECT_TRUE(file->verify().has_value());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(PackedFileTest, BlocksKeepTheFileMapped) {
  std::vector<PackedBlock> kept = PackedFile::open(path_)->blocks();
  fs::remove(path_);
  EXPECT_EQ(as_text(kept[3].bytes.bytes()), as_text(blocks_[3].bytes.bytes()));
}

TEST_F(PackedFileTest, TruncatedFilesAreRefused) {
  for (size_t size = 0; size < bytes_.size(); size += size < 200 ? 1 : 13) {
    EXPECT_FALSE(open(bytes_.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(open(bytes_ + "x").has_value());
}

TEST_F(PackedFileTest, AChangedByteIsSeen) {
  const size_t index = bytes_.find("the key") - 8;
  for (size_t at = 0; at < bytes_.size(); at += at < 64 || at >= index ? 1 : 97) {
    std::string changed = bytes_;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    const auto file = open(changed);
    if (at >= 56 && at < 64) continue;  // unused
    if (at < 64 || at >= index) {
      EXPECT_FALSE(file.has_value()) << at;
      continue;
    }
    ASSERT_TRUE(file.has_value()) << at;
    // Padding belongs to no block.
    bool inside = false;
    for (const PackedBlock& block : file->blocks()) {
      const std::string_view text = as_text(block.bytes.bytes());
      inside = inside || (!text.empty() && text.find(changed[at]) != text.npos &&
                          !file->verify().has_value());
    }
    EXPECT_EQ(inside, !file->verify().has_value()) << at;
  }
}

TEST_F(PackedFileTest, SaysWhatIsWrong) {
  const auto message = [&](const std::string& bytes) { return open(bytes).error().message; };
  EXPECT_NE(message("#!/bin/sh\n").find("too short"), std::string::npos);
  EXPECT_NE(message(std::string(1000, 'x')).find("no file of packed weights"), std::string::npos);
  std::string newer = bytes_;
  newer[8] = static_cast<char>(newer[8] + 1);
  EXPECT_NE(message(newer).find("another version"), std::string::npos);
  EXPECT_NE(message(bytes_.substr(0, 3000)).find("were written"), std::string::npos);
  EXPECT_EQ(PackedFile::open(path_ + ".none").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace pte::engine
