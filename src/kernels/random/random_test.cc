#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/common/test_call.h"
#include "kernels/random/philox.h"

namespace pte::kernels {
namespace {

constexpr int64_t kCount = 40'000;

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

// Runs one operator with a state of its own; the first result.
Tensor draw(std::string_view name, std::vector<EValue> args, std::vector<Tensor> outs,
            RandomState* state = nullptr, ThreadPool* pool = nullptr) {
  const OpInfo* op = find_op(name);
  std::vector<EValue> results(outs.begin(), outs.end());
  std::vector<EValue*> values;
  for (EValue& arg : args) values.push_back(&arg);
  for (EValue& result : results) values.push_back(&result);
  EXPECT_TRUE(check_kinds(*op, values).has_value());
  Call call(*op, values, pool, state);
  const Status status = find_kernel(op->op)(call);
  EXPECT_TRUE(status.has_value()) << status.error().message;
  return *results[0].get<Tensor>();
}

struct Moments {
  double mean = 0;
  double variance = 0;
};
template <typename T>
Moments moments(const std::vector<T>& values) {
  Moments m;
  for (const T x : values) m.mean += static_cast<double>(x);
  m.mean /= static_cast<double>(values.size());
  for (const T x : values)
    m.variance += (static_cast<double>(x) - m.mean) * (static_cast<double>(x) - m.mean);
  m.variance /= static_cast<double>(values.size());
  return m;
}

TEST(Philox, GivesThePublishedNumbers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Random, UniformNumbersFillTheUnitInterval) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16}) {
    const Tensor out = draw("aten::rand", {std::vector<int64_t>{kCount}}, {make(dtype, {kCount})});
    Tensor wide = make(DType::kFloat64, {kCount});
    ASSERT_TRUE(call_one("aten::_to_copy", {out, false, EValue()}, wide).has_value());
    const auto values = elements<double>(wide);
    EXPECT_GE(*std::min_element(values.begin(), values.end()), 0) << dtype_name(dtype);
    EXPECT_LT(*std::max_element(values.begin(), values.end()), 1) << dtype_name(dtype);
    const Moments m = moments(values);
    EXPECT_NEAR(m.mean, 0.5, 0.006);
    EXPECT_NEAR(m.variance, 1.0 / 12, 0.003);
    std::vector<int> tenths(10);
    for (const double x : values) ++tenths[static_cast<size_t>(x * 10)];
    for (const int n : tenths) EXPECT_NEAR(n, kCount / 10, 300);
  }
}

TEST(Random, NormalNumbersHaveTheirMoments) {
  const Tensor like = make(DType::kFloat32, {200, kCount / 200});
  const auto values = elements<float>(draw("aten::randn_like", {like, EValue()}, {like}));
  const Moments m = moments(values);
  EXPECT_NEAR(m.mean, 0, 0.02);
  EXPECT_NEAR(m.variance, 1, 0.03);
  const auto within = [&](float bound) {
    return static_cast<double>(std::count_if(values.begin(), values.end(),
                                             [&](float x) { return std::abs(x) < bound; })) /
           static_cast<double>(kCount);
  };
  EXPECT_NEAR(within(1), 0.6827, 0.01);
  EXPECT_NEAR(within(2), 0.9545, 0.005);
}

TEST(Random, IntegersCoverTheirRange) {
  const auto values = elements<int64_t>(
      draw("aten::randint.low", {int64_t{-3}, int64_t{4}, std::vector<int64_t>{kCount}},
           {make(DType::kInt64, {kCount})}));
  std::vector<int> counts(7);
  for (const int64_t x : values) {
    ASSERT_TRUE(x >= -3 && x < 4);
    ++counts[static_cast<size_t>(x + 3)];
  }
  for (const int n : counts) EXPECT_NEAR(n, kCount / 7, 350);
  // The widest range there is.
  draw("aten::randint.low", {INT64_MIN, INT64_MAX, std::vector<int64_t>{5}},
       {make(DType::kInt64, {5})});
}

TEST(Random, PermutationsHoldEveryNumberOnce) {
  auto order =
      elements<int64_t>(draw("aten::randperm", {int64_t{1000}}, {make(DType::kInt64, {1000})}));
  std::vector<int64_t> sorted(1000);
  std::iota(sorted.begin(), sorted.end(), 0);
  EXPECT_NE(order, sorted);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, sorted);
}

TEST(Random, DropoutScalesWhatItKeeps) {
  Tensor x = make(DType::kFloat32, {kCount});
  std::fill_n(x.mutable_data_as<float>(), kCount, 3.0F);
  Tensor mask = make(DType::kBool, {kCount});
  const auto values = elements<float>(
      draw("aten::native_dropout", {x, 0.25, true}, {make(DType::kFloat32, {kCount}), mask}));
  const auto kept = elements<uint8_t>(mask);
  int64_t count = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(values[i], kept[i] != 0 ? 4.0F : 0.0F);
    count += kept[i];
  }
  EXPECT_NEAR(static_cast<double>(count) / kCount, 0.75, 0.01);
}

TEST(Random, RunsRepeatAndCallsDiffer) {
  const auto rand = [](RandomState* state, ThreadPool* pool = nullptr) {
    return elements<float>(draw("aten::rand", {std::vector<int64_t>{kCount}},
                                {make(DType::kFloat32, {kCount})}, state, pool));
  };
  RandomState first{7, 0};
  RandomState second{7, 0};
  RandomState other{8, 0};
  ThreadPool pool(3);
  const auto a = rand(&first);
  EXPECT_EQ(a, rand(&second, &pool));
  EXPECT_NE(a, rand(&first));
  EXPECT_EQ(first.calls, 2U);
  EXPECT_NE(a, rand(&other));
}

TEST(Random, RefusesArgumentsThatMeanNothing) {
  const Tensor floats = make(DType::kFloat32, {4});
  const Tensor ints = make(DType::kInt64, {4});
  const Tensor mask = make(DType::kBool, {4});
  EXPECT_FALSE(call_one("aten::rand", {std::vector<int64_t>{-1}}, floats).has_value());
  EXPECT_FALSE(call_one("aten::rand", {std::vector<int64_t>{5}}, floats).has_value());
  EXPECT_FALSE(call_one("aten::randn", {std::vector<int64_t>{4}}, ints).has_value());
  EXPECT_FALSE(call_one("aten::randperm", {int64_t{-1}}, ints).has_value());
  EXPECT_FALSE(
      call_one("aten::randint.low", {int64_t{2}, int64_t{2}, std::vector<int64_t>{4}}, ints)
          .has_value());
  std::vector<EValue> args{floats, 1.5, true};
  std::vector<EValue> results{floats, mask};
  EXPECT_FALSE(call_kernel("aten::native_dropout", args, results).has_value());
}

}  // namespace
}  // namespace pte::kernels
