#include "base/thread_pool.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace pte {

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start;
  std::condition_variable done;
  const std::function<void(int64_t, int64_t)>* body = nullptr;
  int64_t count = 0;
  int64_t chunk = 0;
  int64_t generation = 0;
  int running = 0;
  bool stop = false;
  std::vector<std::thread> threads;

  void run_slice(int index) const {
    const int64_t begin = std::min(count, chunk * index);
    const int64_t end = std::min(count, begin + chunk);
    if (begin < end) (*body)(begin, end);
  }

  void loop(int index) {
    int64_t seen = 0;
    std::unique_lock lock(mutex);
    while (true) {
      start.wait(lock, [&] { return stop || generation != seen; });
      if (stop) return;
      seen = generation;
      lock.unlock();
      run_slice(index);
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : size_(threads > 0 ? threads : std::max(1U, std::thread::hardware_concurrency())),
      state_(std::make_unique<State>()) {
  for (int i = 1; i < size_; ++i) {
    state_->threads.emplace_back([state = state_.get(), i] { state->loop(i); });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->start.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

void ThreadPool::parallel_for(int64_t count, int64_t grain,
                              const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t slices = std::clamp<int64_t>(count / grain, 1, size_);
  if (slices == 1) {
    body(0, count);
    return;
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->body = &body;
    state_->count = count;
    state_->chunk = (count + slices - 1) / slices;
    state_->running = size_ - 1;
    ++state_->generation;
  }
  state_->start.notify_all();
  state_->run_slice(0);
  std::unique_lock lock(state_->mutex);
  state_->done.wait(lock, [&] { return state_->running == 0; });
}

}  // namespace pte
