// Threads for loops that are shorter than a thread takes to wake: they look for work for a while
// before they sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace pte::engine {

class Pool {
 public:
  // `threads` counts the caller too. 0 means one per core. They are started by the first loop that
  // is worth sharing: a program that has none never has them. `pinned`: the calling thread (until
  // the pool is gone) and each of the others keep to a core of their own, as far as there are as
  // many.
  explicit Pool(int threads, bool pinned = false);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const { return size_; }

  // Calls body(begin, end, worker) on disjoint ranges of `grain` tasks that cover [0, tasks), on at
  // most `threads` threads, and returns when all are done. `worker` is below the number of threads
  // and no two ranges that run at a time have the same. Which thread takes which range depends on
  // timing, so a task must write nothing that another one reads. Not reentrant; one caller at a
  // time. Neither locks nor allocates.
  template <typename Body>
  void run(int64_t tasks, int64_t grain, int threads, const Body& body) {
    if (tasks <= 0) return;
    if (threads <= 1 || size_ <= 1 || tasks <= grain) {
      body(int64_t{0}, tasks, 0);
      return;
    }
    share(tasks, grain, threads, &body,
          [](const void* context, int64_t begin, int64_t end, int worker) {
            (*static_cast<const Body*>(context))(begin, end, worker);
          });
  }

 private:
  using Call = void (*)(const void* body, int64_t begin, int64_t end, int worker);
  struct State;

  void start();
  void share(int64_t tasks, int64_t grain, int threads, const void* body, Call call);

  int size_;
  std::unique_ptr<State> state_;
};

// Cores that this process may run on, at least 1. More threads than that only wait for each other.
int available_cores();

}  // namespace pte::engine
