// One program, many threads: each has a method of its own, all share the program, the data map and
// the tables. Meant for the tsan preset; what it computes is checked in every preset.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "program/reader.h"
#include "runtime/method.h"
#include "tensor/npy.h"

namespace pte::runtime {
namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 5;

std::string golden(const std::string& name) {
  return std::string(PTE_SOURCE_DIR) + "/tests/golden/" + name;
}

std::shared_ptr<const program::Program> read(const std::string& name) {
  auto file = MappedFile::open(golden(name));
  EXPECT_TRUE(file) << file.error().message;
  auto program = program::read_program(*file);
  EXPECT_TRUE(program) << program.error().message;
  return program ? std::make_shared<const program::Program>(std::move(*program)) : nullptr;
}

// Loads and runs on every thread at once; the number of answers that were wrong.
int run_on_all(const std::shared_ptr<const program::Program>& program, const Tensor& input,
               const Tensor* expected, const Options& options) {
  std::atomic<int> wrong{0};
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      ThreadPool pool(t % 2 + 1);
      Options mine = options;
      mine.pool = &pool;
      // All begin together.
      ++ready;
      while (ready.load() < kThreads) std::this_thread::yield();
      auto method = Method::load(program, "forward", mine);
      if (!method) {
        ++wrong;
        return;
      }
      std::vector<float> first;
      for (int round = 0; round < kRounds; ++round) {
        if (!(*method)->set_input(0, input) || !(*method)->execute()) {
          ++wrong;
          return;
        }
        const auto* out = (*method)->output(0).get<Tensor>();
        const std::vector<float> answer(out->data_as<float>(),
                                        out->data_as<float>() + out->numel());
        if (first.empty()) first = answer;
        if (answer != first) ++wrong;
        for (int64_t i = 0; expected != nullptr && i < expected->numel(); ++i) {
          const float want = expected->data_as<float>()[i];
          if (std::abs(answer[static_cast<size_t>(i)] - want) > 1e-4f) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return wrong.load();
}

TEST(Threads, ShareAProgram) {
  for (const char* name : {"conv_relu6_portable", "conv_relu6_xnnpack", "conv_relu6_inline"}) {
    SCOPED_TRACE(name);
    const auto program = read(std::string("program/") + name + ".pte");
    ASSERT_NE(program, nullptr);
    const auto input = read_npy(golden(std::string("program/") + name + ".in0.npy"));
    const auto expected = read_npy(golden(std::string("program/") + name + ".out0.npy"));
    ASSERT_TRUE(input && expected);
    EXPECT_EQ(run_on_all(program, *input, &*expected, {}), 0);
  }
}

TEST(Threads, ShareExternalData) {
  for (const char* name :
       {"external_weights.default_external_constant", "external_xnnpack.model"}) {
    SCOPED_TRACE(name);
    auto map = std::make_shared<program::DataMap>();
    auto file = MappedFile::open(golden(std::string("runtime/") + name + ".ptd"));
    ASSERT_TRUE(file);
    auto data = program::read_data(*file);
    ASSERT_TRUE(data);
    ASSERT_TRUE(map->add(std::move(*data)));
    Options options;
    options.data = map;
    const std::string stem = std::string(name).substr(0, std::string(name).find('.'));
    const auto program = read("runtime/" + stem + ".pte");
    ASSERT_NE(program, nullptr);
    const Tensor input = Tensor::of<float>({2, 4}, {1, 2, 3, 4, -1, -2, -3, -4});
    EXPECT_EQ(run_on_all(program, input, nullptr, options), 0);
  }
}

// The tables of operators and kernels are filled at the first look, whichever thread takes it.
TEST(Threads, ReadFilesAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (const char* name : {"program/cond.pte", "program/map.pte", "runtime/bundled.bpte"}) {
        auto file = MappedFile::open(golden(name));
        if (!file || !program::read_program(*file) || !program::check_program(*file).empty())
          ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace pte::runtime
