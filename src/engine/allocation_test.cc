// No memory is asked for and no lock is taken once a session has run. The counters replace the
// global operators and stand before the C library's functions.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>

#include "engine/testing.h"

namespace {
std::atomic<int64_t> allocations{0};
std::atomic<int64_t> locks{0};

// Null when there is no memory.
void* counted(std::size_t size, std::size_t alignment) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return alignment <= alignof(std::max_align_t)
             ? std::malloc(size == 0 ? 1 : size)
             : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* counted_or_throw(std::size_t size, std::size_t alignment) {
  void* memory = counted(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

#if defined(__GNUC__) && !defined(__clang__)
// All of them are replaced, but gcc with sanitizers sees only malloc() beside the library's delete.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

void* operator new(std::size_t size) { return counted_or_throw(size, 0); }
void* operator new[](std::size_t size) { return counted_or_throw(size, 0); }
void* operator new(std::size_t size, std::align_val_t to) {
  return counted_or_throw(size, static_cast<std::size_t>(to));
}
void* operator new[](std::size_t size, std::align_val_t to) {
  return counted_or_throw(size, static_cast<std::size_t>(to));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 0); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 0); }
void* operator new(std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
  return counted(size, static_cast<std::size_t>(to));
}
void* operator new[](std::size_t size, std::align_val_t to, const std::nothrow_t&) noexcept {
  return counted(size, static_cast<std::size_t>(to));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

// Sanitizers stand there themselves.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define PTE_COUNTS_LOCKS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define PTE_COUNTS_LOCKS 0
#else
#define PTE_COUNTS_LOCKS 1
#endif
#else
#define PTE_COUNTS_LOCKS 1
#endif

#if PTE_COUNTS_LOCKS
namespace {
template <typename... Args>
int counted_lock(std::atomic<void*>& next, const char* name, Args... args) {
  locks.fetch_add(1, std::memory_order_relaxed);
  void* function = next.load(std::memory_order_relaxed);
  if (function == nullptr) {
    function = ::dlsym(RTLD_NEXT, name);
    next.store(function, std::memory_order_relaxed);
  }
  return reinterpret_cast<int (*)(Args...)>(function)(args...);
}
}  // namespace

#define PTE_COUNT(name, ...)                       \
  {                                                \
    static std::atomic<void*> next{nullptr};       \
    return counted_lock(next, #name, __VA_ARGS__); \
  }
extern "C" {
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept
    PTE_COUNT(pthread_mutex_lock, mutex) int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept
    PTE_COUNT(pthread_mutex_trylock,
              mutex) int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept
    PTE_COUNT(pthread_rwlock_rdlock,
              lock) int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept
    PTE_COUNT(pthread_rwlock_wrlock, lock) int pthread_spin_lock(pthread_spinlock_t* lock) noexcept
    PTE_COUNT(pthread_spin_lock, lock) int pthread_cond_signal(pthread_cond_t* wake) noexcept
    PTE_COUNT(pthread_cond_signal, wake) int pthread_cond_broadcast(pthread_cond_t* wake) noexcept
    PTE_COUNT(pthread_cond_broadcast, wake) int pthread_cond_wait(pthread_cond_t* wake,
                                                                  pthread_mutex_t* mutex)
        PTE_COUNT(pthread_cond_wait, wake, mutex)
}
#undef PTE_COUNT

TEST(Locks, AreCounted) {
  const int64_t before = locks.load();
  std::mutex mutex;
  for (int i = 0; i < 3; ++i) const std::lock_guard lock(mutex);
  EXPECT_EQ(locks.load(), before + 3);
}
#endif

namespace pte::engine {
namespace {

TEST(Allocation, NoneAndNoLockAfterTheFirstExecution) {
  const auto program = testing::program_of(R"(const @w: float32[32,8,3,3] parameter = elided
  const @d: float32[32,1,3,3] parameter = elided
  const @l: float32[10,32] parameter = elided
  func forward(%x: float32[1,8,32,32]) {
    %w = const @w
    %d = const @d
    %l = const @l
    %c: float32[1,32,32,32] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %s: float32[1,32,32,32] = aten.relu.default(%c)
    %e: float32[1,32,32,32] = aten.convolution.default(%s, %d, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 32)
    (%p: float32[1,32,16,16], %i: int64[1,32,16,16]) = aten.max_pool2d_with_indices.default(%e, [2, 2], [2, 2])
    %u: float32[1,32,32,32] = aten.upsample_nearest2d.vec(%p, none, [2.0, 2.0])
    %a: float32[1,32,32,32] = aten.add.Tensor(%u, %s)
    %f: float32[1,64,32,32] = aten.cat.default([%a, %u], 1)
    %g: float32[1,64,32,32] = aten._softmax.default(%f, 1, false)
    %m: float32[1,64] = aten.mean.dim(%g, [2, 3])
    %v: float32[2,32] = aten.view_copy.default(%m, [2, 32])
    %t: float32[32,10] = aten.permute_copy.default(%l, [1, 0])
    %y: float32[2,10] = aten.mm.default(%v, %t)
    return %y
  })");
  for (const int threads : {1, 3}) {
    Options options;
    options.threads = threads;
    options.oversubscribe = true;
    auto session = Session::load(program, "forward", options);
    ASSERT_TRUE(session.has_value());
    ASSERT_EQ((*session)->plan()->reference_steps(), 0U) << testing::kernels_of(**session);
    const EValue made = testing::input_for((*session)->input_info(0), 1);
    const Tensor& tensor = *made.get<Tensor>();
    const EValue input(
        Tensor::view(tensor.dtype(), tensor.sizes(), tensor.strides(), tensor.data(), nullptr));
    ASSERT_TRUE((*session)->lend_input(0, input).has_value());
    ASSERT_TRUE((*session)->execute().has_value());
    const int64_t before = allocations.load();
    const int64_t locks_before = locks.load();
    bool fine = true;
    for (int run = 0; run < 5; ++run) {
      fine = (*session)->lend_input(0, input).has_value() && fine;
      fine = (*session)->execute().has_value() && fine;
    }
    EXPECT_EQ(allocations.load(), before) << threads << " threads";
    EXPECT_EQ(locks.load(), locks_before) << threads << " threads";
    EXPECT_TRUE(fine);
  }
}

}  // namespace
}  // namespace pte::engine
