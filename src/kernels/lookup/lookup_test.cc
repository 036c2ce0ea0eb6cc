#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

Tensor zeros(DType dtype, Sizes sizes) {
  return std::move(*Tensor::zeros(dtype, std::move(sizes)));
}

TEST(Embedding, RefusesIndicesOutOfRange) {
  const Tensor table = zeros(DType::kFloat32, {4, 3});
  const auto run = [&](int64_t index) {
    return call_one("aten::embedding",
                    {table, Tensor::of<int64_t>({1}, {index}), int64_t{-1}, false, false},
                    zeros(DType::kFloat32, {1, 3}))
        .has_value();
  };
  EXPECT_TRUE(run(3));
  EXPECT_FALSE(run(4));
  EXPECT_FALSE(run(-1));
  EXPECT_FALSE(run(INT64_MAX));
  EXPECT_FALSE(call_one("aten::embedding",
                        {table, Tensor::of<uint8_t>({1}, {1}), int64_t{-1}, false, false},
                        zeros(DType::kFloat32, {1, 3}))
                   .has_value());
}

TEST(EmbeddingBag, RefusesOffsetsThatDoNotRise) {
  const Tensor table = zeros(DType::kFloat32, {4, 3});
  const auto run = [&](std::initializer_list<int64_t> offsets, int64_t index) {
    std::vector<EValue> args{table,
                             Tensor::of<int64_t>({3}, {0, index, 1}),
                             Tensor::of<int64_t>({2}, offsets),
                             false,
                             int64_t{1},
                             false,
                             EValue(),
                             false,
                             int64_t{-1}};
    std::vector<EValue> results{zeros(DType::kFloat32, {2, 3}), zeros(DType::kInt64, {3}),
                                zeros(DType::kInt64, {2}), zeros(DType::kInt64, {2})};
    return call_kernel("aten::_embedding_bag", args, results).has_value();
  };
  EXPECT_TRUE(run({0, 2}, 3));
  EXPECT_FALSE(run({1, 2}, 3));
  EXPECT_FALSE(run({0, 4}, 3));
  EXPECT_FALSE(run({0, -1}, 3));
  EXPECT_FALSE(run({0, 2}, 4));
}

}  // namespace
}  // namespace pte::kernels
