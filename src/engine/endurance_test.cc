// Many inferences in a row, on four threads over two programs: the same bits every time, and no
// memory that grows. A few hundred by default; PTE_INFERENCES=10000 for as many.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "engine/testing.h"

namespace pte::engine {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kMeasuresMemory = false;  // what they remember grows
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr bool kMeasuresMemory = false;
#else
constexpr bool kMeasuresMemory = true;
#endif
#else
constexpr bool kMeasuresMemory = true;
#endif

constexpr char kConvolutions[] = R"(const @w: float32[32,16,3,3] parameter = elided
  const @d: float32[32,1,3,3] parameter = elided
  const @p: float32[24,32,1,1] parameter = elided
  func forward(%x: float32[1,16,24,24]) {
    %w = const @w
    %d = const @d
    %p = const @p
    %c: float32[1,32,24,24] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %s: float32[1,32,24,24] = aten.relu.default(%c)
    %e: float32[1,32,24,24] = aten.convolution.default(%s, %d, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 32)
    %f: float32[1,24,24,24] = aten.convolution.default(%e, %p, none, [1, 1], [0, 0], [1, 1], false, [0, 0], 1)
    %g: float32[1,56,24,24] = aten.cat.default([%f, %s], 1)
    %m: float32[1,56] = aten.mean.dim(%g, [2, 3])
    return %m
  })";

constexpr char kProducts[] = R"(const @q: float32[48,48] parameter = elided
  const @k: float32[48,48] parameter = elided
  func forward(%x: float32[1,64,48]) {
    %q = const @q
    %k = const @k
    %a: float32[1,64,48] = aten.linear.default(%x, %q, none)
    %b: float32[1,64,48] = aten.linear.default(%x, %k, none)
    %t: float32[1,48,64] = aten.permute_copy.default(%b, [0, 2, 1])
    %s: float32[1,64,64] = aten.bmm.default(%a, %t)
    %o: float32[1,64,64] = aten._softmax.default(%s, 2, false)
    %y: float32[1,64,48] = aten.bmm.default(%o, %b)
    %z: float32[1,64,48] = aten.add.Tensor(%y, %x)
    return %z
  })";

// Pages that the process has in memory, in bytes.
int64_t resident() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0;
  int64_t pages = 0;
  file >> size >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

struct Runner {
  std::unique_ptr<Session> session;
  EValue input;
  std::vector<std::byte> wanted;

  bool run() {
    if (!session->set_input(0, input) || !session->execute()) return false;
    const Bytes got = session->output(0).get<Tensor>()->bytes();
    if (wanted.empty()) wanted.assign(got.begin(), got.end());
    return std::equal(got.begin(), got.end(), wanted.begin(), wanted.end());
  }
};

TEST(Endurance, FourThreadsOverTwoPrograms) {
  constexpr int kThreads = 4;
  const char* asked = std::getenv("PTE_INFERENCES");
  const int64_t inferences = std::max<int64_t>(asked == nullptr ? 300 : std::atoll(asked), 80);
  const auto convolutions = testing::program_of(kConvolutions);
  const auto products = testing::program_of(kProducts);
  const size_t shared_before = shared_blocks();
  std::vector<std::array<Runner, 2>> runners(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    Options options;
    options.threads = 1 + i % 2;  // of them, two share their work with another
    options.oversubscribe = true;
    for (size_t j = 0; j < 2; ++j) {
      auto session = Session::load(j == 0 ? convolutions : products, "forward", options);
      ASSERT_TRUE(session.has_value());
      Runner& runner = runners[static_cast<size_t>(i)][j];
      runner.session = std::move(*session);
      runner.input = testing::input_for(runner.session->input_info(0), 3);
      ASSERT_EQ(runner.session->plan()->reference_steps(), 0U);
      // The first thread's weights are everybody's.
      EXPECT_EQ(runner.session->packing().packed, i == 0 ? runner.session->packing().blocks : 0U);
    }
  }
  EXPECT_EQ(shared_blocks(), shared_before + 5);

  std::atomic<int64_t> wrong{0};
  const auto all = [&](int64_t count) {
    std::atomic<int64_t> left{count};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        for (int64_t at = left.fetch_sub(1); at > 0; at = left.fetch_sub(1)) {
          auto& mine = runners[static_cast<size_t>(i)];
          if (!mine[static_cast<size_t>(at % 2)].run()) ++wrong;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  all(inferences / 4);
  const int64_t before = resident();
  all(inferences - inferences / 4);
  EXPECT_EQ(wrong, 0);
  if (kMeasuresMemory) {
    // New threads have stacks and heaps; ten thousand leaks of two hundred bytes would be seen.
    EXPECT_LT(resident() - before, 2 << 20);
  }
  for (size_t j = 0; j < 2; ++j) {
    for (const auto& mine : runners) {
      if (mine[j].wanted.empty() || runners[0][j].wanted.empty()) continue;
      EXPECT_EQ(mine[j].wanted, runners[0][j].wanted);
    }
  }
}

}  // namespace
}  // namespace pte::engine
