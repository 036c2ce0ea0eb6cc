#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

using Ints = std::vector<int64_t>;

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

bool max_pool(const Tensor& x, Ints kernel, Ints stride, Ints padding, Ints dilation,
              Sizes result) {
  std::vector<EValue> args{x, kernel, stride, padding, dilation, false};
  std::vector<EValue> results{EValue(make(DType::kFloat32, result)),
                              EValue(make(DType::kInt64, result))};
  return call_kernel("aten::max_pool2d_with_indices", args, results).has_value();
}

TEST(Pool, RefusesWindowsThatDoNotFit) {
  const Tensor x = make(DType::kFloat32, {1, 4, 4});
  EXPECT_TRUE(max_pool(x, {2, 2}, {}, {0, 0}, {1, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(x, {5, 5}, {}, {0, 0}, {1, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(x, {2, 2}, {}, {2, 2}, {1, 1}, {1, 4, 4}));
  EXPECT_FALSE(max_pool(x, {0, 2}, {}, {0, 0}, {1, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(x, {}, {}, {0, 0}, {1, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(x, {2, 2}, {0, 0}, {0, 0}, {1, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(x, {2, 2}, {1, 1, 1}, {0, 0}, {1, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(x, {2, 2}, {}, {-1, 0}, {1, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(x, {INT64_MAX, 2}, {}, {0, 0}, {INT32_MAX, 1}, {1, 2, 2}));
  EXPECT_FALSE(max_pool(make(DType::kFloat32, {4, 4}), {2, 2}, {}, {0, 0}, {1, 1}, {2, 2}));
}

TEST(Pool, AveragesAHandfulByHand) {
  const Tensor x = Tensor::of<float>({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const auto out =
      call_one("aten::_adaptive_avg_pool2d", {x, Ints{1, 2}}, make(DType::kFloat32, {1, 1, 2}));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(elements<float>(*out->get<Tensor>()), (std::vector<float>{3, 4}));
  EXPECT_FALSE(call_one("aten::_adaptive_avg_pool2d",
                        {make(DType::kFloat32, {1, 0, 3}), Ints{1, 1}},
                        make(DType::kFloat32, {1, 1, 1}))
                   .has_value());
  EXPECT_FALSE(
      call_one("aten::_adaptive_avg_pool2d", {x, Ints{-1, 1}}, make(DType::kFloat32, {1, 1, 1}))
          .has_value());
  EXPECT_FALSE(call_one("aten::avg_pool2d", {x, Ints{2}, Ints{}, Ints{0}, false, true, int64_t{0}},
                        make(DType::kFloat32, {1, 1, 1}))
                   .has_value());
}

TEST(Resample, RefusesSizesAndScalesThatMeanNothing) {
  const Tensor x = make(DType::kFloat32, {1, 1, 2, 2});
  const auto nearest = [&](EValue size, EValue scales) {
    return call_one("aten::upsample_nearest2d.vec", {x, std::move(size), std::move(scales)},
                    make(DType::kFloat32, {1, 1, 4, 4}))
        .has_value();
  };
  using Reals = std::vector<double>;
  EXPECT_TRUE(nearest(Ints{4, 4}, EValue()));
  EXPECT_TRUE(nearest(EValue(), Reals{2, 2}));
  EXPECT_FALSE(nearest(EValue(), EValue()));
  EXPECT_FALSE(nearest(Ints{4, 4}, Reals{2, 2}));
  EXPECT_FALSE(nearest(Ints{4}, EValue()));
  EXPECT_FALSE(nearest(Ints{0, 4}, EValue()));
  EXPECT_FALSE(nearest(EValue(), Reals{2}));
  EXPECT_FALSE(nearest(EValue(), Reals{0, 2}));
  EXPECT_FALSE(nearest(EValue(), Reals{1e30, 2}));
}

}  // namespace
}  // namespace pte::kernels
