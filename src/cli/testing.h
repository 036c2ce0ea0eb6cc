// For tests of commands: run one in this process, and a folder that goes away again.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/command.h"

namespace pte::cli::testing {

struct Outcome {
  int code = 0;
  std::string out, err;
};

inline Outcome pte(std::vector<std::string> words) {
  words.insert(words.begin(), "pte");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  Outcome outcome;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  outcome.code = run(static_cast<int>(argv.size()), argv.data());
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

class FolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("pte_{}_{}_{}", info->test_suite_name(), info->name(), ::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string read(const std::string& path) {
    const auto file = MappedFile::open(path);
    EXPECT_TRUE(file.has_value()) << path;
    return file ? std::string(as_text(file->bytes())) : std::string();
  }
  std::filesystem::path folder_;
};

// The widest line, in characters.
inline size_t widest(const std::string& text) {
  size_t widest = 0, width = 0;
  for (const char c : text) {
    if (c == '\n') {
      widest = std::max(widest, width);
      width = 0;
    } else if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U) {
      ++width;
    }
  }
  return std::max(widest, width);
}

}  // namespace pte::cli::testing
