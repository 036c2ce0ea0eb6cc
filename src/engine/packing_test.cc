#include "engine/packing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/pages.h"
#include "engine/packed_file.h"
#include "engine/testing.h"
#include "simd/gemm.h"

namespace pte::engine {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const simd::Buffer& buffer) { return std::string(as_text(buffer.bytes())); }

// Blocks that are their weights' bytes, each 1 more.
struct Fixture {
  std::vector<PackJob> jobs;
  std::atomic<int> calls{0};

  void add(const Tensor& source, std::string what = "test") {
    PackJob job;
    job.what = std::move(what);
    job.sources = {source};
    job.buffer = simd::Buffer::later(source.nbytes());
    job.pack = [source, this](std::byte* to) -> Status {
      ++calls;
      PTE_TRY(const Tensor dense, source.contiguous());
      for (size_t i = 0; i < dense.nbytes(); ++i) {
        to[i] = static_cast<std::byte>(static_cast<uint8_t>(dense.data()[i]) + 1);
      }
      return {};
    };
    jobs.push_back(std::move(job));
  }
};

Tensor tensor_of(int64_t count, uint8_t first) {
  Tensor tensor = *Tensor::zeros(DType::kUInt8, {count});
  for (int64_t i = 0; i < count; ++i) {
    tensor.mutable_data_as<uint8_t>()[i] = static_cast<uint8_t>(first + i);
  }
  return tensor;
}

// As if a file had been mapped that nobody has written to for long.
Tensor mapped_tensor(int64_t count, uint8_t first, uint64_t inode) {
  const Tensor bytes = tensor_of(count, first);
  const std::string path =
      (fs::temp_directory_path() / fmt::format("pte_packing_{}.weights", ::getpid())).string();
  EXPECT_TRUE(write_file(path, bytes.bytes()).has_value());
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  void* memory = ::mmap(nullptr, bytes.nbytes(), PROT_READ, MAP_PRIVATE, file, 0);
  EXPECT_NE(memory, MAP_FAILED);
  ::close(file);
  fs::remove(path);
  FileStamp stamp;
  stamp.inode = inode;
  stamp.size = bytes.nbytes();
  stamp.settled = true;
  const std::span<const std::byte> mapped(static_cast<const std::byte*>(memory), bytes.nbytes());
  return Tensor::view(DType::kUInt8, {count}, {1}, mapped.data(),
                      std::shared_ptr<const void>(memory, Unmap{mapped, stamp}));
}

class PackingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              fmt::format("pte_packing_{}_{}", ::getpid(),
                          ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    options_.folder = (folder_ / "deep" / "cache").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<fs::path> files(const std::string& extension) const {
    std::vector<fs::path> found;
    if (!fs::exists(options_.folder)) return found;
    for (const auto& entry : fs::directory_iterator(options_.folder)) {
      if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    return found;
  }

  fs::path folder_;
  PackOptions options_;
};

TEST_F(PackingTest, BytesAreTheSameForAnyNumberOfThreads) {
  std::vector<std::string> wanted;
  for (const int threads : {0, 1, 4}) {
    Fixture fixture;
    for (int i = 0; i < 40; ++i) fixture.add(tensor_of(1 + i * 3001, static_cast<uint8_t>(i)));
    Pool pool(std::max(threads, 1));
    PackOptions options;
    options.pool = threads == 0 ? nullptr : &pool;
    const auto report = pack_weights(fixture.jobs, options);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->packed, 40U);
    EXPECT_EQ(report->blocks, 40U);
    std::vector<std::string> got;
    for (const PackJob& job : fixture.jobs) got.push_back(bytes_of(job.buffer));
    if (wanted.empty()) wanted = got;
    EXPECT_EQ(got, wanted) << threads;
    EXPECT_EQ(static_cast<uint8_t>(got[3][5]), 3 + 5 + 1);
  }
}

TEST_F(PackingTest, AFailingJobFailsTheWhole) {
  Fixture fixture;
  fixture.add(tensor_of(10, 0));
  fixture.jobs[0].pack = [](std::byte*) -> Status { return unsupported("not today"); };
  fixture.add(tensor_of(20, 0));
  const auto report = pack_weights(fixture.jobs);
  ASSERT_FALSE(report.has_value());
  EXPECT_NE(report.error().message.find("not today"), std::string::npos);
}

TEST_F(PackingTest, SessionsOfTheSameWeightsShareOneBlock) {
  const size_t before = shared_blocks();
  const Tensor source = tensor_of(1000, 1);
  {
    Fixture first;
    first.add(source);
    ASSERT_TRUE(pack_weights(first.jobs).has_value());
    Fixture second;
    second.add(source);
    second.add(source, "another kernel");
    second.add(tensor_of(1000, 1));  // equal, as folding would make it
    second.add(tensor_of(1000, 2));
    const auto report = pack_weights(second.jobs);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->shared, 2U);
    EXPECT_EQ(report->packed, 2U);
    EXPECT_EQ(second.jobs[2].buffer.bytes().data(), second.jobs[0].buffer.bytes().data());
    EXPECT_EQ(first.jobs[0].buffer.bytes().data(), second.jobs[0].buffer.bytes().data());
    first.jobs.clear();
    EXPECT_EQ(static_cast<uint8_t>(bytes_of(second.jobs[0].buffer)[0]), 2);
    EXPECT_EQ(shared_blocks(), before + 4);
  }
  EXPECT_EQ(shared_blocks(), before);
}

TEST_F(PackingTest, ThreadsThatLoadAtOnceShareToo) {
  const Tensor source = tensor_of(200000, 1);
  std::vector<Fixture> fixtures(4);
  std::vector<std::thread> threads;
  for (Fixture& fixture : fixtures) {
    for (int i = 0; i < 8; ++i) fixture.add(source, std::to_string(i));
    threads.emplace_back([&fixture] { EXPECT_TRUE(pack_weights(fixture.jobs).has_value()); });
  }
  for (std::thread& thread : threads) thread.join();
  int calls = 0;
  for (const Fixture& fixture : fixtures) calls += fixture.calls;
  EXPECT_EQ(calls, 8);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(fixtures[0].jobs[i].buffer.bytes().data(), fixtures[3].jobs[i].buffer.bytes().data());
  }
}

TEST_F(PackingTest, MemoryThatIsUsedAgainIsAnotherWeight) {
  std::vector<std::byte> memory(100, std::byte{1});
  const auto view = [&] {
    return Tensor::view(DType::kUInt8, {100}, {1}, memory.data(), std::make_shared<int>(1));
  };
  Fixture first;
  first.add(view());
  ASSERT_TRUE(pack_weights(first.jobs).has_value());
  memory.assign(100, std::byte{5});
  Fixture second;
  second.add(view());
  const auto report = pack_weights(second.jobs);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->packed, 1U);
  EXPECT_EQ(bytes_of(second.jobs[0].buffer)[0], 6);
}

TEST_F(PackingTest, AFolderKeepsBlocksByTheirContent) {
  std::string wanted;
  for (int round = 0; round < 3; ++round) {
    Fixture fixture;
    fixture.add(tensor_of(5000, 3));
    fixture.add(tensor_of(0, 0));
    fixture.add(tensor_of(10, 9));
    const auto report = pack_weights(fixture.jobs, options_);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->note, "");
    EXPECT_EQ(fixture.calls, round == 0 ? 2 : 0);
    EXPECT_EQ(report->packed, round == 0 ? 2U : 0U);
    EXPECT_EQ(report->mapped, round == 0 ? 0U : 2U);
    EXPECT_FALSE(report->file.empty());
    if (round == 0) wanted = bytes_of(fixture.jobs[0].buffer);
    EXPECT_EQ(bytes_of(fixture.jobs[0].buffer), wanted);
  }
  EXPECT_EQ(files(".packed").size(), 1U);
  EXPECT_TRUE(files(".weights").empty());  // memory has no stamps
  Fixture other;
  other.add(tensor_of(5000, 4));
  EXPECT_EQ(pack_weights(other.jobs, options_)->packed, 1U);
  EXPECT_EQ(files(".packed").size(), 2U);
}

TEST_F(PackingTest, WeightsInAnUnchangedFileAreNotRead) {
  {
    Fixture fixture;
    fixture.add(mapped_tensor(5000, 3, 1));
    const auto report = pack_weights(fixture.jobs, options_);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->packed, 1U);
    EXPECT_EQ(files(".weights").size(), 1U);
  }
  {
    // The same stamp: the content is not looked at, or it would be seen to differ.
    Fixture fixture;
    fixture.add(mapped_tensor(5000, 77, 1));
    const auto report = pack_weights(fixture.jobs, options_);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->mapped, 1U);
    EXPECT_EQ(static_cast<uint8_t>(bytes_of(fixture.jobs[0].buffer)[0]), 4);
  }
  {
    Fixture fixture;
    fixture.add(mapped_tensor(5000, 77, 2));
    const auto report = pack_weights(fixture.jobs, options_);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->packed, 1U);
    EXPECT_EQ(static_cast<uint8_t>(bytes_of(fixture.jobs[0].buffer)[0]), 78);
    EXPECT_EQ(files(".weights").size(), 2U);
  }
}

TEST_F(PackingTest, ADamagedOrForeignFileIsWrittenAnew) {
  const auto pack = [&] {
    Fixture fixture;
    fixture.add(mapped_tensor(5000, 3, 9));
    auto report = pack_weights(fixture.jobs, options_);
    EXPECT_TRUE(report.has_value());
    EXPECT_EQ(static_cast<uint8_t>(bytes_of(fixture.jobs[0].buffer)[1]), 5);
    return *report;
  };
  ASSERT_EQ(pack().packed, 1U);
  const std::string path = files(".packed").at(0).string();
  const std::string good(as_text(MappedFile::open(path)->bytes()));
  std::string damaged = good;
  damaged.back() = static_cast<char>(damaged.back() + 1);
  Fixture foreign;
  foreign.add(tensor_of(5000, 3), "something else");
  for (const std::string& bytes :
       {damaged, good.substr(0, 2000), std::string("hello"), std::string()}) {
    ASSERT_TRUE(write_file(path, bytes).has_value());
    const PackReport report = pack();
    EXPECT_EQ(report.packed, 1U);
    EXPECT_NE(report.note.find(path.substr(path.rfind('.'))), std::string::npos) << report.note;
    EXPECT_EQ(pack().mapped, 1U);
  }
  std::vector<PackedBlock> blocks{{"something else", *simd::Buffer::allocate(5000)}};
  ASSERT_TRUE(write_packed_file(path, "key", blocks).has_value());
  EXPECT_NE(pack().note.find("other weights"), std::string::npos);
  EXPECT_EQ(pack().mapped, 1U);
  // Deleted in any order.
  fs::remove(path);
  EXPECT_EQ(pack().packed, 1U);
  EXPECT_EQ(pack().mapped, 1U);
  fs::remove(files(".weights").at(0));
  EXPECT_EQ(pack().mapped, 1U);
  fs::remove_all(folder_);
  EXPECT_EQ(pack().packed, 1U);
}

TEST_F(PackingTest, AFolderThatCannotBeUsedIsANote) {
  fs::create_directories(folder_);
  ASSERT_TRUE(write_file((folder_ / "file").string(), "x").has_value());
  PackOptions options;
  options.folder = (folder_ / "file" / "below").string();
  Fixture fixture;
  fixture.add(tensor_of(100, 1));
  const auto report = pack_weights(fixture.jobs, options);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->packed, 1U);
  EXPECT_EQ(report->file, "");
  EXPECT_NE(report->note, "");
  EXPECT_EQ(bytes_of(fixture.jobs[0].buffer)[0], 2);
}

constexpr char kModel[] = R"(const @w: float32[16,8,3,3] parameter = elided
  const @d: float32[16,1,3,3] parameter = elided
  const @l: float32[10,16] parameter = elided
  func forward(%x: float32[1,8,12,12]) {
    %w = const @w
    %d = const @d
    %l = const @l
    %c: float32[1,16,12,12] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %e: float32[1,16,12,12] = aten.convolution.default(%c, %d, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 16)
    %f: float32[1,32,12,12] = aten.cat.default([%c, %e], 1)
    %m: float32[1,32] = aten.mean.dim(%f, [2, 3])
    %v: float32[2,16] = aten.view_copy.default(%m, [2, 16])
    %t: float32[16,10] = aten.permute_copy.default(%l, [1, 0])
    %y: float32[2,10] = aten.mm.default(%v, %t)
    return %y
  })";

// Every kind of step, planned twice, from a folder and beside another session.
TEST_F(PackingTest, SessionsRunFromTheFolderAndBesideEachOther) {
  const auto program = testing::program_of(kModel);
  Options options;
  options.packed_cache = options_.folder;
  auto first = testing::compare(program, options);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->packing().packed, 3U);
  auto second = testing::compare(program);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->packing().shared, 3U);
  EXPECT_EQ(second->packing().packed, 0U);
  first.reset();
  second.reset();
  auto third = testing::compare(program, options);
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->packing().mapped, 3U);
  EXPECT_EQ(third->packing().file, files(".packed").at(0).string());
  // Another choice of kernels is another file.
  options.plan.winograd = false;
  auto fourth = testing::compare(program, options);
  ASSERT_NE(fourth, nullptr);
  EXPECT_EQ(files(".packed").size(), 2U);
}

}  // namespace
}  // namespace pte::engine
