// What the golden cases cannot hold: errors, integers at their ends, and uint64's upper half.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

constexpr uint64_t kHigh = uint64_t{1} << 63U;

TEST(Division, OfIntegersByZeroIsAnError) {
  const Tensor a = Tensor::of<int32_t>({2}, {6, 7});
  const Tensor b = Tensor::of<int32_t>({2}, {2, 0});
  for (const char* name : {"aten::floor_divide", "aten::fmod.Tensor", "aten::remainder.Tensor"}) {
    const auto out = call_one(name, {a, b}, make(DType::kInt32, {2}));
    ASSERT_FALSE(out.has_value()) << name;
    EXPECT_EQ(out.error().message, std::string(name) + ": division by zero");
  }
  EXPECT_FALSE(
      call_one("aten::remainder.Scalar", {a, int64_t{0}}, make(DType::kInt32, {2})).has_value());
  EXPECT_FALSE(
      call_one("aten::div.Tensor_mode", {a, b, std::string("trunc")}, make(DType::kInt32, {2}))
          .has_value());
  EXPECT_FALSE(
      call_one("aten::div.Tensor_mode", {a, a, std::string("up")}, make(DType::kInt32, {2}))
          .has_value());
}

TEST(Division, TheMostNegativeNumberWraps) {
  const Tensor a = Tensor::of<int64_t>({1}, {INT64_MIN});
  const Tensor b = Tensor::of<int64_t>({1}, {-1});
  const auto one = [&](const char* name, std::vector<EValue> args) {
    const auto out = call_one(name, std::move(args), make(DType::kInt64, {1}));
    EXPECT_TRUE(out.has_value()) << name;
    return out.has_value() ? elements<int64_t>(*out->get<Tensor>())[0] : 99;
  };
  EXPECT_EQ(one("aten::floor_divide", {a, b}), INT64_MIN);
  EXPECT_EQ(one("aten::div.Tensor_mode", {a, b, std::string("trunc")}), INT64_MIN);
  EXPECT_EQ(one("aten::fmod.Tensor", {a, b}), 0);
  EXPECT_EQ(one("aten::remainder.Tensor", {a, b}), 0);
  EXPECT_EQ(one("aten::gcd", {a, Tensor::of<int64_t>({1}, {6})}), 2);
  EXPECT_EQ(one("aten::bitwise_left_shift.Tensor", {a, Tensor::of<int64_t>({1}, {INT64_MIN})}), 0);
  EXPECT_EQ(one("aten::bitwise_right_shift.Tensor", {a, Tensor::of<int64_t>({1}, {INT64_MAX})}),
            -1);
  EXPECT_EQ(one("aten::pow.Tensor_Tensor", {b, a}), 1);
}

TEST(UnsignedIntegers, KeepTheirUpperHalf) {
  const Tensor a = Tensor::of<uint64_t>({3}, {kHigh + 2, 5, UINT64_MAX});
  const Tensor b = Tensor::of<uint64_t>({3}, {1, 7, kHigh});
  const auto bools = [&](const char* name) {
    const auto out = call_one(name, {a, b}, make(DType::kBool, {3}));
    EXPECT_TRUE(out.has_value()) << name;
    return elements<bool>(*out->get<Tensor>());
  };
  EXPECT_EQ(bools("aten::gt.Tensor"), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(bools("aten::le.Tensor"), (std::vector<bool>{false, true, false}));
  const auto numbers = [&](const char* name) {
    const auto out = call_one(name, {a, b}, make(DType::kUInt64, {3}));
    EXPECT_TRUE(out.has_value()) << name;
    return elements<uint64_t>(*out->get<Tensor>());
  };
  EXPECT_EQ(numbers("aten::maximum"), (std::vector<uint64_t>{kHigh + 2, 7, UINT64_MAX}));
  EXPECT_EQ(numbers("aten::fmin"), (std::vector<uint64_t>{1, 5, kHigh}));
  EXPECT_EQ(numbers("aten::floor_divide"), (std::vector<uint64_t>{kHigh + 2, 0, 1}));
  EXPECT_EQ(numbers("aten::remainder.Tensor"), (std::vector<uint64_t>{0, 5, kHigh - 1}));
  EXPECT_EQ(numbers("aten::bitwise_right_shift.Tensor"),
            (std::vector<uint64_t>{kHigh / 2 + 1, 0, 0}));
  // Into floats, and back.
  const auto wide = call_one("aten::_to_copy", {a, false, EValue()}, make(DType::kFloat64, {3}));
  ASSERT_TRUE(wide.has_value());
  EXPECT_EQ(elements<double>(*wide->get<Tensor>()), (std::vector<double>{0x1p63, 5, 0x1p64}));
  const Tensor large = Tensor::of<double>({2}, {0x1p63, 0x1.8p63});
  const auto back = call_one("aten::_to_copy", {large, false, EValue()}, make(DType::kUInt64, {2}));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(elements<uint64_t>(*back->get<Tensor>()),
            (std::vector<uint64_t>{kHigh, kHigh + kHigh / 2}));
  const auto quotient = call_one("aten::div.Tensor", {a, b}, make(DType::kFloat32, {3}));
  ASSERT_TRUE(quotient.has_value());
  EXPECT_EQ(elements<float>(*quotient->get<Tensor>())[0], 0x1p63F);
}

TEST(Masks, RefuseWhatDoesNotFit) {
  const Tensor x = Tensor::of<float>({3}, {1, 2, 3});
  const Tensor n = Tensor::of<int8_t>({3}, {1, 2, 3});
  const Tensor mask = Tensor::of<bool>({3}, {true, true, false});
  const Tensor bytes = Tensor::of<uint8_t>({3}, {1, 1, 0});
  EXPECT_FALSE(call_one("aten::masked_fill.Scalar", {x, bytes, 1.0}, x).has_value());
  EXPECT_FALSE(call_one("aten::masked_fill.Scalar", {n, mask, int64_t{200}}, n).has_value());
  EXPECT_FALSE(call_one("aten::fill.Scalar", {n, std::nan("")}, n).has_value());
  EXPECT_TRUE(call_one("aten::fill.Scalar", {bytes, int64_t{-255}}, bytes).has_value());
  EXPECT_FALSE(call_one("aten::fill.Scalar", {bytes, int64_t{-256}}, bytes).has_value());
  const Tensor half = make(DType::kFloat16, {3});
  EXPECT_FALSE(call_one("aten::full_like", {x, 1e5, EValue()}, half).has_value());
  EXPECT_TRUE(call_one("aten::full_like", {x, HUGE_VAL, EValue()}, half).has_value());
  EXPECT_FALSE(call_one("aten::fill.Tensor", {x, Tensor::of<float>({1}, {1})}, x).has_value());
  const Tensor y = make(DType::kFloat32, {3});
  EXPECT_FALSE(
      call_one("aten::masked_scatter", {x, mask, Tensor::of<float>({1}, {9})}, y).has_value());
  EXPECT_FALSE(call_one("aten::masked_scatter", {x, mask, n}, y).has_value());
  // Two elements are chosen and there is room for one.
  EXPECT_FALSE(call_one("aten::masked_select", {x, mask}, make(DType::kFloat32, {1})).has_value());
  EXPECT_FALSE(call_one("aten::glu", {x, int64_t{0}}, y).has_value());
  EXPECT_FALSE(call_one("aten::glu", {Tensor::scalar(1.0F), int64_t{0}}, y).has_value());
}

TEST(Bits, AreOfIntegersOnly) {
  const Tensor x = Tensor::of<float>({1}, {1});
  const Tensor n = Tensor::of<int32_t>({1}, {1});
  const Tensor yes = Tensor::of<bool>({1}, {true});
  EXPECT_FALSE(call_one("aten::bitwise_and.Tensor", {x, n}, x).has_value());
  EXPECT_FALSE(call_one("aten::bitwise_or.Scalar", {n, 0.5}, n).has_value());
  EXPECT_FALSE(call_one("aten::bitwise_not", {x}, x).has_value());
  EXPECT_FALSE(call_one("aten::bitwise_left_shift.Tensor", {yes, yes}, yes).has_value());
  EXPECT_FALSE(call_one("aten::gcd", {yes, yes}, yes).has_value());
  EXPECT_FALSE(call_one("aten::hypot", {n, n}, x).has_value());
  EXPECT_FALSE(call_one("aten::polygamma", {int64_t{-1}, x}, x).has_value());
  EXPECT_FALSE(call_one("aten::clamp.Tensor", {x, EValue(), EValue()}, x).has_value());
}

TEST(Factories, TriangleIndicesStayInTheirMemory) {
  // 2^40 rows, and an offset at either end of the integers.
  for (const int64_t offset : {int64_t{0}, INT64_MIN, INT64_MAX}) {
    for (const char* name : {"aten::tril_indices", "aten::triu_indices"}) {
      const auto out =
          call_one(name, {int64_t{1} << 40, int64_t{3}, offset}, make(DType::kInt64, {2, 10}));
      if (out.has_value()) {
        EXPECT_EQ(out->get<Tensor>()->numel() % 2, 0);
      }
    }
  }
  EXPECT_FALSE(call_one("aten::tril_indices", {int64_t{-1}, int64_t{3}, int64_t{0}},
                        make(DType::kInt64, {2, 3}))
                   .has_value());
}

}  // namespace
}  // namespace pte::kernels
