// A fixed set of threads that share one loop at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace pte {

class ThreadPool {
 public:
  // `threads` counts the caller too: 1 starts no thread. 0 means one per core.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls body(begin, end) on disjoint ranges that cover [0, count), each at least `grain` long
  // but for the last; returns when all are done. The split depends on count, grain and size()
  // alone, so results do not depend on timing. Not reentrant: one loop at a time.
  void parallel_for(int64_t count, int64_t grain,
                    const std::function<void(int64_t, int64_t)>& body);

 private:
  struct State;
  int size_;
  std::unique_ptr<State> state_;
};

}  // namespace pte
