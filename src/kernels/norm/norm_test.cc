#include <gtest/gtest.h>

#include <cmath>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

Tensor zeros(Sizes sizes) { return std::move(*Tensor::zeros(DType::kFloat32, std::move(sizes))); }

// PyTorch: x = [[1,2,3],[3,5,9]], momentum 0.1 from mean 0 and variance 1.
TEST(BatchNorm, UpdatesRunningStatisticsInPlace) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 3, 5, 9});
  const Tensor mean = zeros({3});
  const Tensor variance = Tensor::of<float>({3}, {1, 1, 1});
  std::vector<EValue> args{x, EValue(), EValue(), mean, variance, true, 0.1, 1e-5};
  std::vector<EValue> results{zeros({2, 3}), zeros({3}), zeros({3})};
  const Status status = call_kernel("aten::_native_batch_norm_legit", args, results);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  const std::vector<float> means = elements<float>(*args[3].get<Tensor>());
  const std::vector<float> variances = elements<float>(*args[4].get<Tensor>());
  const std::vector<float> expected_means{0.2F, 0.35F, 0.6F};
  const std::vector<float> expected_variances{1.1F, 1.35F, 2.7F};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(means[i], expected_means[i], 1e-6);
    EXPECT_NEAR(variances[i], expected_variances[i], 1e-6);
  }
  EXPECT_EQ(elements<float>(*results[1].get<Tensor>()), (std::vector<float>{2, 3.5F, 6}));
}

TEST(BatchNorm, OneSampleHasNoVariance) {
  std::vector<EValue> args{zeros({1, 1}), EValue(), EValue(), zeros({1}),
                           zeros({1}),    true,     0.1,      1e-5};
  std::vector<EValue> results{zeros({1, 1}), zeros({1}), zeros({1})};
  ASSERT_TRUE(call_kernel("aten::_native_batch_norm_legit", args, results).has_value());
  EXPECT_TRUE(std::isnan(elements<float>(*args[4].get<Tensor>())[0]));
}

TEST(BatchNorm, RefusesWhatDoesNotFit) {
  const auto run = [](Tensor x, Tensor mean) {
    std::vector<EValue> args{std::move(x), EValue(), EValue(), std::move(mean),
                             zeros({3}),   true,     0.1,      1e-5};
    std::vector<EValue> results{zeros({2, 3}), zeros({3}), zeros({3})};
    return call_kernel("aten::_native_batch_norm_legit", args, results).has_value();
  };
  EXPECT_TRUE(run(zeros({2, 3}), zeros({3})));
  EXPECT_FALSE(run(zeros({2, 3}), zeros({2})));
  EXPECT_FALSE(run(zeros({0, 3}), zeros({3})));
  EXPECT_FALSE(run(zeros({3}), zeros({3})));
}

TEST(GroupNorm, RefusesWhatDoesNotFit) {
  const auto run = [](int64_t n, int64_t c, int64_t pixels, int64_t group) {
    std::vector<EValue> args{zeros({2, 4, 3}), EValue(), EValue(), n, c, pixels, group, 1e-5};
    std::vector<EValue> results{zeros({2, 4, 3}), zeros({2, 2}), zeros({2, 2})};
    return call_kernel("aten::native_group_norm", args, results).has_value();
  };
  EXPECT_TRUE(run(2, 4, 3, 2));
  EXPECT_FALSE(run(2, 4, 3, 3));
  EXPECT_FALSE(run(2, 4, 3, 0));
  EXPECT_FALSE(run(2, 4, 4, 2));
  EXPECT_FALSE(run(-2, -4, 3, 2));
  EXPECT_FALSE(run(INT64_MAX, 4, 3, 2));
}

}  // namespace
}  // namespace pte::kernels
