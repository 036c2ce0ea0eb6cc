#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "base/file.h"
#include "base/pages.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/thread_pool.h"

namespace pte {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              fmt::format("pte_base_{}_{}", ::getpid(),
                          testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  fs::path folder_;
};

Result<int> half_of(int value) {
  if (value % 2 != 0) return invalid_argument("{} is odd", value);
  return value / 2;
}

Result<int> quarter_of(int value) {
  PTE_TRY(const int half, half_of(value));
  PTE_TRY(const int quarter, half_of(half).at("half"));
  return quarter;
}

TEST(Result, PropagatesErrorsWithTheirPlace) {
  EXPECT_EQ(*quarter_of(12), 3);
  const auto error = quarter_of(6);
  ASSERT_FALSE(error.has_value());
  EXPECT_EQ(error.error().message, "half: 3 is odd");
  EXPECT_EQ(error.error().code, Code::kInvalidArgument);
}

TEST(Checked, ReportsOverflow) {
  EXPECT_EQ(checked_mul<int64_t>(1LL << 40, 1LL << 10), 1LL << 50);
  EXPECT_FALSE(checked_mul<int64_t>(1LL << 40, 1LL << 40));
  EXPECT_FALSE(checked_add<uint64_t>(~0ULL, 1));
  EXPECT_TRUE(in_range(4, 0, 4));
  EXPECT_FALSE(in_range(~0ULL, 2, 4));
  EXPECT_EQ(align_up(17, 16), 32U);
}

TEST_F(FileTest, MapsWhatWasWritten) {
  ASSERT_TRUE(write_file(path("a"), "hello"));
  const auto file = MappedFile::open(path("a"));
  ASSERT_TRUE(file);
  EXPECT_EQ(as_text(file->bytes()), "hello");
}

// Bytes of this process that are in memory.
size_t resident_bytes() {
  const auto pages = std::ifstream("/proc/self/statm");
  std::string text((std::istreambuf_iterator<char>(pages.rdbuf())), {});
  return std::stoul(text.substr(text.find(' '))) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(FileTest, ReleasedPagesLeaveMemoryAndComeBack) {
  constexpr size_t kBytes = size_t{32} << 20;
  ASSERT_TRUE(write_file(path("large"), std::string(kBytes, 'x')));
  const auto file = MappedFile::open(path("large"));
  ASSERT_TRUE(file);
  const auto sum = [&] {
    return std::accumulate(file->bytes().begin(), file->bytes().end(), size_t{0},
                           [](size_t s, std::byte b) { return s + static_cast<size_t>(b); });
  };
  EXPECT_EQ(sum(), kBytes * 'x');
  const size_t before = resident_bytes();
  release_pages(file->bytes().subspan(100, kBytes - 200), file->owner());
  EXPECT_LT(resident_bytes() + kBytes / 2, before);
  EXPECT_EQ(sum(), kBytes * 'x');
}

TEST(Pages, MemoryThatMapsNoFileIsLeftAlone) {
  const auto file = MappedFile::from_bytes(std::vector<std::byte>(1 << 20, std::byte{7}));
  release_pages(file.bytes(), file.owner());
  release_pages(file.bytes(), nullptr);
  leave_step();
  EXPECT_EQ(file.bytes()[1 << 19], std::byte{7});
}

TEST_F(FileTest, ReportsMissingFilesAndFolders) {
  EXPECT_EQ(MappedFile::open(path("none")).error().code, Code::kNotFound);
  EXPECT_EQ(MappedFile::open(folder_.string()).error().code, Code::kIo);
  ASSERT_TRUE(write_file(path("empty"), ""));
  EXPECT_TRUE(MappedFile::open(path("empty"))->bytes().empty());
}

TEST_F(FileTest, LeavesNothingBehindWithoutCommit) {
  {
    auto file = AtomicFile::create(path("b"));
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("half a file"));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(FileTest, ReportsAFolderThatIsNotThere) {
  const auto status = write_file(path("missing/file"), "x");
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message.find("cannot create"), std::string::npos);
}

// A limit on file sizes fails in write(), as a full disk does.
TEST_F(FileTest, AFailedWriteLeavesNothing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tiny{1000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tiny), 0);
  const auto status = write_file(path("big"), std::string(5000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kIo);
  EXPECT_NE(status.error().message.find("cannot write"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST(Sha256, MatchesThePublishedVector) {
  EXPECT_EQ(sha256_hex(as_bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ThreadPool, CoversEveryIndexOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 3, 1000}) {
      std::vector<int> hits(static_cast<size_t>(count), 0);
      pool.parallel_for(count, 2, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), int64_t{0}), count);
      for (int hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

}  // namespace
}  // namespace pte
