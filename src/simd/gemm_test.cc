#include "simd/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "simd/cases.h"
#include "simd/matmul.h"
#include "simd/testing.h"

namespace pte::simd {
namespace {

using testing::random_floats;

constexpr float kUntouched = 12345.0f;

std::vector<float> scratch_of(size_t bytes) { return std::vector<float>(bytes / 4 + 32); }

void* aligned(std::vector<float>& memory) {
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  return reinterpret_cast<std::byte*>(memory.data()) +
         (kAlignment - address % kAlignment) % kAlignment;
}

double dot(const float* a, int64_t a_step, const float* b, int64_t b_step, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(a[i * a_step]) * static_cast<double>(b[i * b_step]);
  }
  return sum;
}

void check(const Gemm::Shape& shape, bool transposed, Activation activation, Isa isa,
           int64_t samples = 1 << 20) {
  SCOPED_TRACE(::testing::Message()
               << isa_name(isa) << " " << shape.m << "x" << shape.n << "x" << shape.k);
  const int64_t a_stride = shape.k + 3;
  const int64_t c_stride = shape.n + 2;
  const int64_t b_stride = (transposed ? shape.k : shape.n) + 1;
  const auto a = random_floats(shape.m * a_stride, 1);
  const auto b = random_floats((transposed ? shape.n : shape.k) * b_stride, 2);
  const auto bias = random_floats(shape.n, 3);
  std::vector<float> c(static_cast<size_t>(shape.m * c_stride), kUntouched);
  auto gemm = Gemm::make(shape, b.data(), b_stride, transposed, isa);
  ASSERT_TRUE(gemm.has_value()) << gemm.error().message;
  Gemm::Args args;
  args.a = a.data();
  args.a_stride = a_stride;
  args.c = c.data();
  args.c_stride = c_stride;
  args.epilogue.bias = bias.data();
  args.epilogue.activation = activation;
  args.epilogue.lo = -1;
  args.epilogue.hi = 2;
  auto scratch = scratch_of(gemm->scratch_bytes());
  for (int64_t task = gemm->tasks(); task-- > 0;) gemm->run(args, task, task + 1, aligned(scratch));
  double worst = 0;
  double largest = 1e-30;
  const int64_t total = shape.m * shape.n;
  for (int64_t i = 0; i < std::min(total, samples); ++i) {
    const int64_t index = samples < total ? i * 7919 % total : i;
    const int64_t row = index / shape.n;
    const int64_t j = index % shape.n;
    const double sum = dot(a.data() + row * a_stride, 1, b.data() + (transposed ? j * b_stride : j),
                           transposed ? 1 : b_stride, shape.k);
    const double expected = testing::finish(args.epilogue, sum, row, j);
    largest = std::max({largest, std::abs(sum), std::abs(expected)});
    const double error =
        std::abs(expected - static_cast<double>(c[static_cast<size_t>(row * c_stride + j)]));
    if (!(error <= worst)) worst = error;
  }
  EXPECT_LE(worst / largest, 3e-6);
  for (int64_t row = 0; row < shape.m; ++row) {
    EXPECT_EQ(c[static_cast<size_t>(row * c_stride + shape.n)], kUntouched);
  }
  // The same rows on their own, and all tasks at once, give the same bits.
  std::vector<float> again = c;
  gemm->run(args, 0, gemm->tasks(), aligned(scratch));
  EXPECT_EQ(again, c);
  if (shape.m > 1) {
    auto one = gemm->with_rows(1);
    ASSERT_TRUE(one.has_value());
    std::vector<float> row(static_cast<size_t>(c_stride), kUntouched);
    const int64_t last = shape.m - 1;
    args.a += last * a_stride;
    args.c = row.data();
    auto small = scratch_of(one->scratch_bytes());
    one->run(args, 0, one->tasks(), aligned(small));
    EXPECT_TRUE(std::equal(row.begin(), row.end(), c.begin() + last * c_stride));
  }
}

TEST(Gemm, AwkwardSizes) {
  for (const Isa isa : available_isas()) {
    for (const int64_t m : {0, 1, 2, 3, 7, 14, 15, 29, 61}) {
      for (const int64_t n : {0, 1, 7, 8, 16, 17, 31, 32, 33, 65, 130}) {
        for (const int64_t k : {0, 1, 3, 4, 29}) {
          check({m, n, k}, m % 2 == 0, n % 2 == 0 ? Activation::kClamp : Activation::kSilu, isa);
        }
      }
    }
    check({100, 70, 512}, true, Activation::kNone, isa);
    check({100, 40, 1024}, true, Activation::kNone, isa);  // rows on the same cache sets
    check({5, 300, 5000}, true, Activation::kNone, isa);
  }
}

TEST(Gemm, ModelShapes) {
  for (const Isa isa : available_isas()) {
    if (isa == Isa::kScalar && available_isas().size() > 1) continue;
    for (const GemmCase& one : model_gemms()) {
      SCOPED_TRACE(std::string(one.name));
      check({one.m, one.n, one.k}, true, one.activation, isa, 500);
    }
  }
}

TEST(Gemm, RefusesWhatIsNoShape) {
  const float b = 1;
  EXPECT_FALSE(Gemm::make({-1, 2, 3}, &b, 3, true).has_value());
  EXPECT_FALSE(Gemm::make({1, int64_t{1} << 31, int64_t{1} << 31}, &b, 3, true).has_value());
  EXPECT_FALSE(Gemm::from_packed({1, 64, 64}, Buffer()).has_value());
}

TEST(Matmul, AgainstPlainLoops) {
  for (const Isa isa : available_isas()) {
    for (const bool transposed : {false, true}) {
      for (const int64_t m : {1, 5, 40}) {
        for (const int64_t n : {1, 4, 17, 33, 70, 300}) {
          for (const int64_t k : {0, 1, 4, 7, 64}) {
            const Matmul::Shape shape{3, m, n, k, transposed};
            const int64_t a_stride = k + 5, b_stride = (transposed ? k : n) + 3, c_stride = n + 1;
            const int64_t b_rows = transposed ? n : k;
            const auto a = random_floats(3 * m * a_stride, 1);
            const auto b = random_floats(3 * b_rows * b_stride, 2);
            const auto residual = random_floats(3 * m * n, 3);
            std::vector<float> c(static_cast<size_t>(3 * m * c_stride), kUntouched);
            auto matmul = Matmul::make(shape, isa);
            ASSERT_TRUE(matmul.has_value());
            Matmul::Args args;
            args.a = a.data();
            args.a_stride = a_stride;
            args.a_batch_stride = m * a_stride;
            args.b = b.data();
            args.b_stride = b_stride;
            args.b_batch_stride = b_rows * b_stride;
            args.c = c.data();
            args.c_stride = c_stride;
            args.c_batch_stride = m * c_stride;
            args.scale = 0.125f;
            args.epilogue.residual = residual.data();
            args.epilogue.residual_stride = n;
            auto scratch = scratch_of(matmul->scratch_bytes());
            for (int64_t task = matmul->tasks(); task-- > 0;) {
              matmul->run(args, task, task + 1, aligned(scratch));
            }
            double worst = 0;
            for (int64_t batch = 0; batch < 3; ++batch) {
              for (int64_t i = 0; i < m; ++i) {
                for (int64_t j = 0; j < n; ++j) {
                  const float* matrix = b.data() + batch * b_rows * b_stride;
                  const double sum = 0.125 * dot(a.data() + (batch * m + i) * a_stride, 1,
                                                 matrix + (transposed ? j * b_stride : j),
                                                 transposed ? 1 : b_stride, k);
                  const double expected = testing::finish(args.epilogue, sum, batch * m + i, j);
                  const double error = std::abs(
                      expected -
                      static_cast<double>(c[static_cast<size_t>((batch * m + i) * c_stride + j)]));
                  if (!(error <= worst)) worst = error;
                }
                EXPECT_EQ(c[static_cast<size_t>((batch * m + i) * c_stride + n)], kUntouched);
              }
            }
            EXPECT_LE(worst, 2e-6) << isa_name(isa) << " " << m << "x" << n << "x" << k;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace pte::simd
