#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

Tensor zeros(DType dtype, Sizes sizes) {
  return std::move(*Tensor::zeros(dtype, std::move(sizes)));
}

TEST(QuantizedEmbedding, RefusesIndicesAndGroupsThatDoNotFit) {
  const auto run = [](int64_t index, Sizes scales) {
    return call_one("quantized_decomposed::embedding_4bit",
                    {zeros(DType::kUInt8, {4, 3}), zeros(DType::kFloat32, std::move(scales)),
                     EValue(), int64_t{-8}, int64_t{7}, Tensor::of<int64_t>({1}, {index})},
                    zeros(DType::kFloat32, {1, 6}))
        .has_value();
  };
  EXPECT_TRUE(run(3, {4}));
  EXPECT_TRUE(run(3, {4, 2}));
  EXPECT_FALSE(run(3, {4, 4}));
  EXPECT_FALSE(run(3, {3}));
  EXPECT_FALSE(run(4, {4}));
  EXPECT_FALSE(run(-1, {4}));
}

TEST(Quantize, RefusesRangesAndTypesThatDoNotFit) {
  const auto run = [](int64_t low, int64_t high, DType said, DType result) {
    return call_one("quantized_decomposed::quantize_per_tensor",
                    {zeros(DType::kFloat32, {2}), 0.5, int64_t{0}, low, high,
                     static_cast<int64_t>(said)},
                    zeros(result, {2}))
        .has_value();
  };
  EXPECT_TRUE(run(-128, 127, DType::kInt8, DType::kInt8));
  EXPECT_FALSE(run(-129, 127, DType::kInt8, DType::kInt8));
  EXPECT_FALSE(run(0, 256, DType::kUInt8, DType::kUInt8));
  EXPECT_FALSE(run(0, 127, DType::kInt8, DType::kUInt8));
  EXPECT_FALSE(run(0, 127, DType::kInt64, DType::kInt64));
  EXPECT_FALSE(run(0, 127, static_cast<DType>(99), DType::kInt8));
}

}  // namespace
}  // namespace pte::kernels
