#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/evalue.h"

namespace pte {
namespace {

TEST(DType, HalfRoundTripsEveryBitPattern) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Half half;
    half.bits = static_cast<uint16_t>(bits);
    const float value = half;
    if (std::isnan(value)) continue;
    EXPECT_EQ(Half(value).bits, half.bits) << bits;
  }
}

TEST(DType, HalfRoundsToNearestEven) {
  EXPECT_EQ(static_cast<float>(Half(2049.0F)), 2048.0F);
  EXPECT_EQ(static_cast<float>(Half(2051.0F)), 2052.0F);
  EXPECT_EQ(static_cast<float>(Half(65519.0F)), 65504.0F);
  EXPECT_TRUE(std::isinf(static_cast<float>(Half(65520.0F))));
  EXPECT_EQ(static_cast<float>(Half(0x1p-24F)), 0x1p-24F);
  EXPECT_EQ(static_cast<float>(Half(0x1p-25F)), 0.0F);
  EXPECT_TRUE(std::isnan(static_cast<float>(Half(std::nanf("")))));
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::nanf("")))));
}

TEST(DType, PromotesAsPyTorchDoes) {
  EXPECT_EQ(promote_types(DType::kUInt8, DType::kInt8), DType::kInt16);
  EXPECT_EQ(promote_types(DType::kInt64, DType::kFloat16), DType::kFloat16);
  EXPECT_EQ(promote_types(DType::kFloat16, DType::kBFloat16), DType::kFloat32);
  EXPECT_EQ(promote_types(DType::kBool, DType::kInt32), DType::kInt32);
  EXPECT_EQ(promote_types(DType::kFloat64, DType::kComplex64), DType::kComplex128);
  EXPECT_EQ(promote_types(DType::kUInt16, DType::kInt32), std::nullopt);
}

TEST(DimOrder, StridesFollowIt) {
  EXPECT_EQ(strides_of({1, 3, 4, 5}, {0, 2, 3, 1}), (Strides{60, 1, 15, 3}));
  EXPECT_EQ(dim_order_of({60, 1, 15, 3}), (DimOrder{0, 2, 3, 1}));
  EXPECT_EQ(strides_of({2, 0, 3}, {0, 1, 2}), (Strides{3, 3, 1}));
  EXPECT_FALSE(is_permutation(DimOrder{0, 0, 1}));
}

TEST(Sizes, CountsOrRefuses) {
  EXPECT_EQ(element_count(Sizes{}), 1);
  EXPECT_EQ(element_count(Sizes{3, 0}), 0);
  EXPECT_EQ(element_count(Sizes{-1, 2}), std::nullopt);
  EXPECT_EQ(element_count(Sizes{1LL << 40, 1LL << 40, 0}), std::nullopt);
}

TEST(Tensor, ContiguousCopyOfATransposedView) {
  const Tensor base = Tensor::of<float>({2, 3}, {0, 1, 2, 3, 4, 5});
  const Tensor transposed = base.with_layout({3, 2}, {1, 3});
  EXPECT_FALSE(transposed.is_contiguous());
  const auto copy = transposed.contiguous();
  ASSERT_TRUE(copy);
  const float expected[] = {0, 3, 1, 4, 2, 5};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(copy->data_as<float>()[i], expected[i]);
}

TEST(Tensor, ChannelsLastAndBack) {
  const Tensor base = Tensor::of<int64_t>({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  const auto last = base.in_dim_order({0, 2, 3, 1});
  ASSERT_TRUE(last);
  EXPECT_EQ(last->data_as<int64_t>()[1], 4);
  const auto back = last->contiguous();
  ASSERT_TRUE(back);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(back->data_as<int64_t>()[i], i);
}

TEST(Tensor, ResizesWithinItsCapacity) {
  auto tensor = Tensor::zeros(DType::kFloat32, {4, 2});
  ASSERT_TRUE(tensor);
  EXPECT_TRUE(tensor->resize({3, 2}));
  EXPECT_EQ(tensor->nbytes(), 24U);
  EXPECT_TRUE(tensor->resize({4, 2}));
  EXPECT_EQ(tensor->resize({5, 2}).error().code, Code::kMismatch);
}

TEST(Tensor, RefusesSizesThatOverflow) {
  const auto tensor = Tensor::zeros(DType::kFloat64, {1LL << 31, 1LL << 31});
  EXPECT_EQ(tensor.error().code, Code::kResourceLimit);
}

TEST(EValue, NamesItsKind) {
  EXPECT_EQ(EValue().kind(), "None");
  EXPECT_EQ(EValue(std::vector<int64_t>{1}).kind(), "IntList");
  EXPECT_EQ(EValue(true).kind(), "Bool");
}

}  // namespace
}  // namespace pte
