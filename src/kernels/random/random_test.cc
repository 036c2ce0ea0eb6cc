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

TEST(Random, OtherDistributionsHaveTheirMoments) {
  const Tensor like = make(DType::kFloat64, {kCount});
  const auto run = [&](std::string_view name, std::vector<EValue> args) {
    return elements<double>(draw(name, std::move(args), {make(DType::kFloat64, {kCount})}));
  };
  const auto waits = run("aten::exponential", {like, 2.0, EValue()});
  EXPECT_NEAR(moments(waits).mean, 0.5, 0.01);
  EXPECT_NEAR(moments(waits).variance, 0.25, 0.02);
  EXPECT_GE(*std::min_element(waits.begin(), waits.end()), 0);
  const auto flat = run("aten::uniform", {like, -1.0, 3.0, EValue()});
  EXPECT_NEAR(moments(flat).mean, 1, 0.03);
  EXPECT_NEAR(moments(flat).variance, 16.0 / 12, 0.03);
  EXPECT_GE(*std::min_element(flat.begin(), flat.end()), -1);
  EXPECT_LT(*std::max_element(flat.begin(), flat.end()), 3);
  const auto normal = run("aten::normal.Tensor_float", {like, 3.0, EValue()});
  EXPECT_NEAR(moments(normal).mean, 0, 0.06);
  EXPECT_NEAR(moments(normal).variance, 9, 0.3);
  Tensor wide = make(DType::kFloat64, {kCount});
  std::fill_n(wide.mutable_data_as<double>(), kCount, 0.5);
  const auto both = run("aten::normal.Tensor_Tensor", {wide, wide, EValue()});
  EXPECT_NEAR(moments(both).mean, 0.5, 0.01);
  EXPECT_NEAR(moments(both).variance, 0.25, 0.01);
  std::fill_n(wide.mutable_data_as<double>(), kCount, 0.2);
  const auto coins = run("aten::bernoulli", {wide, EValue()});
  EXPECT_NEAR(moments(coins).mean, 0.2, 0.01);
  EXPECT_NEAR(moments(coins).variance, 0.16, 0.01);
}

TEST(Random, CategoriesComeByTheirWeights) {
  const Tensor weights = Tensor::of<float>({4}, {1, 0, 2, 5});
  const auto chosen = elements<int64_t>(draw("aten::multinomial", {weights, kCount, true, EValue()},
                                             {make(DType::kInt64, {kCount})}));
  std::vector<int> counts(4);
  for (const int64_t c : chosen) ++counts.at(static_cast<size_t>(c));
  EXPECT_NEAR(counts[0], kCount / 8, 250);
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[2], kCount / 4, 350);
  EXPECT_NEAR(counts[3], kCount * 5 / 8, 400);
  // Without replacement: the first of a row is drawn by weight, and none comes twice.
  constexpr int64_t kRows = 8000;
  Tensor rows = make(DType::kFloat32, {kRows, 3});
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t c = 0; c < 3; ++c)
      rows.mutable_data_as<float>()[3 * i + c] = static_cast<float>(c + 1);
  }
  const auto orders = elements<int64_t>(draw(
      "aten::multinomial", {rows, int64_t{3}, false, EValue()}, {make(DType::kInt64, {kRows, 3})}));
  std::vector<int> first(3);
  for (int64_t i = 0; i < kRows; ++i) {
    const auto at = static_cast<size_t>(3 * i);
    ++first.at(static_cast<size_t>(orders[at]));
    EXPECT_EQ(orders[at] + orders[at + 1] + orders[at + 2], 3);
    EXPECT_NE(orders[at], orders[at + 1]);
  }
  EXPECT_NEAR(first[0], kRows / 6, 150);
  EXPECT_NEAR(first[1], kRows / 3, 180);
  EXPECT_NEAR(first[2], kRows / 2, 200);
}

TEST(Random, RefusesWhatIsNoDistribution) {
  const auto fails = [](std::string_view name, std::vector<EValue> args, Tensor out) {
    EXPECT_FALSE(call_one(name, std::move(args), std::move(out)).has_value()) << name;
  };
  const Tensor pair = Tensor::of<float>({2}, {-1, 2});
  fails("aten::bernoulli", {pair, EValue()}, pair);
  fails("aten::exponential", {pair, 0.0, EValue()}, pair);
  fails("aten::uniform", {pair, 1.0, 0.0, EValue()}, pair);
  fails("aten::normal.Tensor_float", {pair, -1.0, EValue()}, pair);
  fails("aten::normal.float_Tensor", {1.0, pair, EValue()}, pair);
  const Tensor indices = Tensor::of<int64_t>({1}, {0});
  fails("aten::multinomial", {pair, int64_t{1}, false, EValue()}, indices);
  fails("aten::multinomial", {Tensor::of<float>({2}, {0, 0}), int64_t{1}, true, EValue()}, indices);
  fails("aten::multinomial", {Tensor::of<float>({2}, {1, 1}), int64_t{3}, false, EValue()},
        indices);
  fails("aten::multinomial", {pair, int64_t{0}, true, EValue()}, indices);
}

}  // namespace
}  // namespace pte::kernels
