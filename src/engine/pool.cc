#include "engine/pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace pte::engine {
namespace {

// Longer than the gaps between the loops of one inference, shorter than anyone notices.
constexpr auto kPatience = std::chrono::microseconds(200);
constexpr int kSpinsPerLook = 64;
constexpr int kSpinsBeforeYield = 4096;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

bool may_run_on(cpu_set_t& cores) {
  CPU_ZERO(&cores);
  return ::sched_getaffinity(0, sizeof(cores), &cores) == 0;
}

void pin_to(int core) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(core), &one);
  ::sched_setaffinity(0, sizeof(one), &one);
}

// Those that this process may run on, one of each physical core before their siblings.
std::vector<int> cores_in_order() {
  cpu_set_t allowed;
  if (!may_run_on(allowed)) return {};
  std::vector<int> first;
  std::vector<int> second;
  std::set<std::string> seen;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(static_cast<size_t>(core), &allowed)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(core) +
                       "/topology/thread_siblings_list");
    std::string siblings;
    const bool known = static_cast<bool>(std::getline(file, siblings));
    (!known || seen.insert(siblings).second ? first : second).push_back(core);
  }
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

int available_cores() {
  cpu_set_t cores;
  const int count = may_run_on(cores) ? CPU_COUNT(&cores) : 0;
  return count > 0 ? count : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// A loop is open while there may be work: a thread that joins it in that time is counted, and the
// caller leaves only after closing it and seeing as many leave. So what describes the loop
// may be plain memory, and a thread that sleeps late is never waited for.
struct Pool::State {
  // In `door`: open, then how many may join (15 bits), then how many have (16 bits).
  static constexpr uint32_t kOpen = uint32_t{1} << 31;

  alignas(64) std::atomic<int32_t> generation{0};  // of loops; what sleepers wait for
  alignas(64) std::atomic<uint32_t> door{0};
  alignas(64) std::atomic<uint32_t> left{0};
  alignas(64) std::atomic<int64_t> next{0};
  // What the open loop is.
  int64_t tasks = 0;
  int64_t grain = 1;
  const void* body = nullptr;
  Call call = nullptr;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::vector<int> cores;  // by thread, the caller's first; empty: not pinned
  std::thread::id caller;
  cpu_set_t before;  // where the caller could run

  void work(int worker) {
    while (true) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= tasks) return;
      call(body, begin, std::min(tasks, begin + grain), worker);
    }
  }

  void join() {
    uint32_t seen = door.load(std::memory_order_relaxed);
    // The number of places is part of the door's word: nothing else is safe to read from outside.
    while ((seen & kOpen) != 0) {
      const uint32_t places = (seen >> 16) & 0x7fff;
      const uint32_t inside = seen & 0xffff;
      if (inside >= places) return;
      // Numbers go up only: a place that was left is not given again in the same loop.
      if (door.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
        work(static_cast<int>(inside) + 1);
        left.fetch_add(1, std::memory_order_release);
        return;
      }
    }
  }

  void loop() {
    int32_t seen = 0;
    while (true) {
      int32_t now = generation.load(std::memory_order_acquire);
      if (now == seen) {
        const auto until = std::chrono::steady_clock::now() + kPatience;
        do {
          for (int i = 0; i < kSpinsPerLook && now == seen; ++i) {
            pause();
            now = generation.load(std::memory_order_acquire);
          }
        } while (now == seen && std::chrono::steady_clock::now() < until);
        if (now == seen) generation.wait(seen, std::memory_order_acquire);
        continue;
      }
      seen = now;
      if (stop.load(std::memory_order_relaxed)) return;
      join();
    }
  }
};

Pool::Pool(int threads, bool pinned)
    : size_(threads > 0 ? threads : available_cores()), state_(std::make_unique<State>()) {
  if (!pinned || !may_run_on(state_->before)) return;
  state_->cores = cores_in_order();
  if (state_->cores.empty()) return;
  state_->caller = std::this_thread::get_id();
  pin_to(state_->cores.front());
}

void Pool::start() {
  State* state = state_.get();
  for (int i = 1; i < size_; ++i) {
    const int core =
        state->cores.empty() ? -1 : state->cores[static_cast<size_t>(i) % state->cores.size()];
    // A thread that is started inherits where its starter may run.
    state->threads.emplace_back([state, core] {
      if (core >= 0) pin_to(core);
      state->loop();
    });
  }
}

Pool::~Pool() {
  state_->stop.store(true, std::memory_order_relaxed);
  state_->generation.fetch_add(1, std::memory_order_release);
  state_->generation.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
  if (state_->caller == std::this_thread::get_id()) {
    ::sched_setaffinity(0, sizeof(state_->before), &state_->before);
  }
}

void Pool::share(int64_t tasks, int64_t grain, int threads, const void* body, Call call) {
  State& state = *state_;
  if (state.threads.empty()) start();
  grain = std::max<int64_t>(grain, 1);
  const auto helpers = static_cast<uint32_t>(
      std::min<int64_t>(std::min(threads, size_), (tasks + grain - 1) / grain) - 1);
  state.tasks = tasks;
  state.grain = grain;
  state.body = body;
  state.call = call;
  state.next.store(0, std::memory_order_relaxed);
  state.left.store(0, std::memory_order_relaxed);
  state.door.store(State::kOpen | (helpers << 16), std::memory_order_release);
  state.generation.fetch_add(1, std::memory_order_release);
  state.generation.notify_all();
  state.work(0);
  const uint32_t joined = state.door.exchange(0, std::memory_order_acq_rel) & 0xffff;
  // A helper that the system has put aside needs this core more than this loop does.
  for (int spins = 0; state.left.load(std::memory_order_acquire) != joined;) {
    if (++spins < kSpinsBeforeYield) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace pte::engine
