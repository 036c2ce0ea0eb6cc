#include "engine/pool.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace pte::engine
