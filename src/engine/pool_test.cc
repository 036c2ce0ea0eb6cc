#include "engine/pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <filesystem>
#include <vector>

namespace pte::engine {
namespace {

TEST(Pool, EveryTaskOnceWhateverTheSizes) {
  for (const int threads : {1, 2, 4}) {
    Pool pool(threads);
    for (const int64_t tasks : {0, 1, 2, 7, 64, 1000}) {
      for (const int64_t grain : {1, 3, 2000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(tasks));
        std::atomic<int> wrong{0};
        pool.run(tasks, grain, threads, [&](int64_t begin, int64_t end, int worker) {
          if (worker < 0 || worker >= threads) ++wrong;
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        EXPECT_EQ(wrong, 0);
        for (const auto& count : seen) EXPECT_EQ(count, 1);
      }
    }
  }
}

TEST(Pool, WorkersOfOneLoopAreDistinct) {
  Pool pool(4);
  for (int round = 0; round < 500; ++round) {
    std::atomic<int> inside[4] = {};
    std::atomic<int> clashes{0};
    pool.run(64, 1, 4, [&](int64_t, int64_t, int worker) {
      if (inside[worker].fetch_add(1) != 0) ++clashes;
      inside[worker].fetch_sub(1);
    });
    ASSERT_EQ(clashes, 0);
  }
}

TEST(Pool, NoMoreThreadsThanAskedFor) {
  Pool pool(4);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> most{0};
    pool.run(32, 1, 2, [&](int64_t, int64_t, int worker) {
      int seen = most.load();
      while (worker > seen && !most.compare_exchange_weak(seen, worker)) {
      }
    });
    ASSERT_LE(most, 1);
  }
}

TEST(Pool, ManyShortLoopsInARow) {
  Pool pool(3);
  int64_t sum = 0;
  for (int round = 0; round < 20000; ++round) {
    int64_t parts[8] = {};
    pool.run(8, 1, 3, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) parts[i] = i + round;
    });
    for (const int64_t part : parts) sum += part;
  }
  EXPECT_EQ(sum, 20000LL * 28 + 8LL * 20000 * 19999 / 2);
}

int cores_of_this_thread() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return ::sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 0;
}

TEST(Pool, PinnedThreadsKeepToOneCoreAndTheCallerGetsItsOwnBack) {
  const int before = cores_of_this_thread();
  ASSERT_GE(before, 1);
  EXPECT_EQ(available_cores(), before);
  {
    Pool pool(2, true);
    EXPECT_EQ(cores_of_this_thread(), 1);
    std::atomic<int> wrong{0};
    std::atomic<bool> helped{false};
    // Long enough for the other thread to come.
    for (int round = 0; round < 2000 && !helped; ++round) {
      pool.run(64, 1, 2, [&](int64_t, int64_t, int worker) {
        if (cores_of_this_thread() != 1) ++wrong;
        if (worker == 1) helped = true;
      });
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(helped);
  }
  EXPECT_EQ(cores_of_this_thread(), before);
  Pool none(3, false);
  none.run(8, 1, 3, [](int64_t, int64_t, int) {});
  EXPECT_EQ(cores_of_this_thread(), before);
}

int threads_of_this_process() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

TEST(Pool, StartsNoThreadBeforeThereIsWorkToShare) {
  const int before = threads_of_this_process();
  Pool pool(3);
  pool.run(1, 1, 3, [](int64_t, int64_t, int) {});
  pool.run(100, 100, 3, [](int64_t, int64_t, int) {});
  EXPECT_EQ(threads_of_this_process(), before);
  pool.run(100, 1, 3, [](int64_t, int64_t, int) {});
  EXPECT_EQ(threads_of_this_process(), before + 2);
}

}  // namespace
}  // namespace pte::engine
