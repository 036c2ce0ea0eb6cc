#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

using Ints = std::vector<int64_t>;

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

const Tensor kSelf = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});

bool refused(std::string_view name, std::vector<EValue> args, Sizes sizes = {2, 3}) {
  return !call_one(name, std::move(args), make(DType::kFloat32, std::move(sizes))).has_value();
}

TEST(AsStrided, StaysWithinTheOperand) {
  const EValue none;
  EXPECT_FALSE(refused("aten::as_strided_copy", {kSelf, Ints{2, 3}, Ints{3, 1}, none}));
  EXPECT_FALSE(refused("aten::as_strided_copy", {kSelf, Ints{2, 2}, Ints{3, 1}, int64_t{1}}));
  EXPECT_TRUE(refused("aten::as_strided_copy", {kSelf, Ints{2, 3}, Ints{3, 1}, int64_t{1}}));
  EXPECT_TRUE(refused("aten::as_strided_copy", {kSelf, Ints{2, 3}, Ints{-3, 1}, int64_t{3}}));
  EXPECT_TRUE(refused("aten::as_strided_copy", {kSelf, Ints{2, 3}, Ints{3, 1}, int64_t{-1}}));
  EXPECT_TRUE(refused("aten::as_strided_copy", {kSelf, Ints{2, 3}, Ints{INT64_MAX, 1}, none}));
  EXPECT_TRUE(refused("aten::as_strided_copy", {kSelf, Ints{2, 3}, Ints{1}, none}));
  EXPECT_TRUE(refused("aten::as_strided_copy", {kSelf, Ints{INT64_MAX, 3}, Ints{0, 0}, none}));
  EXPECT_TRUE(refused("aten::as_strided_copy", {kSelf, Ints{-1, 3}, Ints{0, 0}, none}));
}

TEST(Rearrange, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(refused("aten::flip", {kSelf, Ints{0, -2}}));
  EXPECT_TRUE(refused("aten::flip", {kSelf, Ints{2}}));
  EXPECT_TRUE(refused("aten::roll", {kSelf, Ints{1, 2}, Ints{0}}));
  EXPECT_TRUE(refused("aten::roll", {kSelf, Ints{1, 2}, Ints{}}));
  EXPECT_TRUE(refused("aten::repeat", {kSelf, Ints{2}}));
  EXPECT_TRUE(refused("aten::repeat", {kSelf, Ints{-1, 2}}));
  EXPECT_TRUE(refused("aten::repeat", {kSelf, Ints{INT64_MAX, 2}}));
  EXPECT_TRUE(refused("aten::narrow_copy", {kSelf, int64_t{1}, int64_t{2}, int64_t{2}}));
  EXPECT_TRUE(refused("aten::narrow_copy", {kSelf, int64_t{1}, int64_t{-4}, int64_t{1}}));
  EXPECT_TRUE(refused("aten::narrow_copy", {kSelf, int64_t{1}, INT64_MAX, INT64_MAX}));
  EXPECT_TRUE(refused("aten::unfold_copy", {kSelf, int64_t{1}, int64_t{4}, int64_t{1}}));
  EXPECT_TRUE(refused("aten::unfold_copy", {kSelf, int64_t{1}, int64_t{2}, int64_t{0}}));
  EXPECT_TRUE(refused("aten::diagonal_copy", {kSelf, int64_t{0}, int64_t{1}, int64_t{-1}}));
  EXPECT_TRUE(refused("aten::tril", {make(DType::kFloat32, {3}), int64_t{0}}, {3}));
  EXPECT_TRUE(refused("aten::select_scatter", {kSelf, kSelf, int64_t{0}, int64_t{0}}));
  EXPECT_TRUE(
      refused("aten::pixel_shuffle", {make(DType::kFloat32, {3, 2, 2}), int64_t{2}}, {1, 4, 4}));
  EXPECT_TRUE(
      refused("aten::pixel_unshuffle", {make(DType::kFloat32, {1, 3, 2}), int64_t{2}}, {4, 1, 1}));
  EXPECT_TRUE(refused("aten::view_copy.dtype", {kSelf, int64_t{7}}));  // three floats, no doubles
}

TEST(Rearrange, FarDiagonalsAreEmptyOrWhole) {
  for (const int64_t far : {INT64_MAX, INT64_MIN}) {
    const auto lower = call_one("aten::tril", {kSelf, far}, make(DType::kFloat32, {2, 3}));
    ASSERT_TRUE(lower.has_value());
    EXPECT_EQ(elements<float>(*lower->get<Tensor>())[0], far > 0 ? 1 : 0);
    const auto line = call_one("aten::diagonal_copy", {kSelf, far, int64_t{0}, int64_t{1}},
                               make(DType::kFloat32, {2}));
    ASSERT_TRUE(line.has_value());
    EXPECT_EQ(line->get<Tensor>()->sizes(), (Sizes{0}));
  }
}

TEST(Pads, RefuseMoreThanThereIs) {
  const Tensor line = make(DType::kFloat32, {1, 4});
  const auto pad = [&](const char* name, Ints sides, int64_t size) {
    return call_one(name, {line, std::move(sides)}, make(DType::kFloat32, {1, size})).has_value();
  };
  EXPECT_TRUE(pad("aten::reflection_pad1d", {3, 3}, 10));
  EXPECT_FALSE(pad("aten::reflection_pad1d", {4, 0}, 10));
  EXPECT_FALSE(pad("aten::reflection_pad1d", {-2, -2}, 10));
  EXPECT_FALSE(pad("aten::replication_pad1d", {INT64_MAX, 1}, 10));
  EXPECT_FALSE(pad("aten::replication_pad1d", {INT64_MIN, INT64_MAX}, 10));
  EXPECT_FALSE(pad("aten::replication_pad1d", {1}, 10));
}

}  // namespace
}  // namespace pte::kernels
