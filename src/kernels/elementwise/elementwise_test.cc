#include <gtest/gtest.h>

#include <cmath>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

TEST(Elementwise, StoresInTheResultsType) {
  const Tensor a = Tensor::of<int32_t>({2}, {1, 2});
  const Tensor b = Tensor::of<int32_t>({2}, {10, 20});
  const auto wider = call_one("aten::add.Tensor", {a, b, int64_t{1}}, make(DType::kFloat32, {2}));
  ASSERT_TRUE(wider.has_value());
  EXPECT_EQ(elements<float>(*wider->get<Tensor>()), (std::vector<float>{11, 22}));
  // Narrowing within a kind is allowed, from floating to integer or to bool is not.
  EXPECT_TRUE(
      call_one("aten::add.Tensor", {a, b, int64_t{1}}, make(DType::kInt8, {2})).has_value());
  EXPECT_FALSE(
      call_one("aten::add.Tensor", {a, b, int64_t{1}}, make(DType::kBool, {2})).has_value());
  EXPECT_FALSE(call_one("aten::div.Tensor", {a, b}, make(DType::kInt32, {2})).has_value());
  EXPECT_FALSE(call_one("aten::add.Tensor", {a, b, 0.5}, make(DType::kInt32, {2})).has_value());
}

TEST(Elementwise, RoundsToPyTorchsTypeBeforeTheResults) {
  // int8 + int8 wraps although the result could hold the sum.
  const Tensor a = Tensor::of<int8_t>({1}, {100});
  const auto sum = call_one("aten::add.Tensor", {a, a, int64_t{1}}, make(DType::kInt32, {1}));
  ASSERT_TRUE(sum.has_value());
  EXPECT_EQ(elements<int32_t>(*sum->get<Tensor>()), (std::vector<int32_t>{-56}));
}

TEST(Elementwise, WritesOverAnOperand) {
  const Tensor x = Tensor::of<float>({2, 3}, {-1, 2, -3, 4, -5, 6});
  ASSERT_TRUE(call_one("aten::relu", {x}, x).has_value());
  EXPECT_EQ(elements<float>(x), (std::vector<float>{0, 2, 0, 4, 0, 6}));
  const Tensor row = Tensor::of<float>({3}, {1, 1, 2});
  ASSERT_TRUE(call_one("aten::mul.Tensor", {row, x}, x).has_value());
  EXPECT_EQ(elements<float>(x), (std::vector<float>{0, 2, 0, 4, 0, 12}));
}

TEST(Elementwise, LongRunsAndManyThreadsAgree) {
  constexpr int64_t kCount = 200'003;
  Tensor x = make(DType::kFloat32, {kCount});
  for (int64_t i = 0; i < kCount; ++i)
    x.mutable_data_as<float>()[i] = static_cast<float>(i % 97) - 48;
  ThreadPool pool(4);
  std::vector<EValue> args{x, EValue(), 3.0};
  std::vector<EValue> results{EValue(make(DType::kFloat32, {kCount}))};
  ASSERT_TRUE(call_kernel("aten::clamp", args, results, &pool).has_value());
  const float* y = results[0].get<Tensor>()->data_as<float>();
  for (int64_t i = 0; i < kCount; ++i)
    ASSERT_EQ(y[i], std::min(static_cast<float>(i % 97) - 48, 3.0F)) << i;
}

TEST(Elementwise, RefusesWhatDoesNotBroadcast) {
  const Tensor a = Tensor::of<float>({2}, {1, 2});
  const Tensor b = Tensor::of<float>({3}, {1, 2, 3});
  const auto out = call_one("aten::mul.Tensor", {a, b}, make(DType::kFloat32, {3}));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().message, "aten::mul.Tensor: sizes [2] and [3] do not broadcast");
}

TEST(Elementwise, NamesTypesItDoesNotSupport) {
  const auto unsupported_type = [](const char* name, std::vector<EValue> args, DType dtype) {
    const auto out = call_one(name, std::move(args), make(dtype, {1}));
    return !out.has_value() && out.error().code == Code::kUnsupported &&
           out.error().message.find(dtype_name(dtype)) != std::string::npos;
  };
  const Tensor yes = Tensor::of<bool>({1}, {true});
  EXPECT_TRUE(unsupported_type("aten::neg", {yes}, DType::kBool));
  EXPECT_TRUE(unsupported_type("aten::relu", {yes}, DType::kBool));
  EXPECT_TRUE(unsupported_type("aten::sub.Tensor", {yes, yes, int64_t{1}}, DType::kBool));
  EXPECT_TRUE(unsupported_type("aten::gelu", {Tensor::of<int64_t>({1}, {1}), std::string("none")},
                               DType::kInt64));
  const Tensor complex = make(DType::kComplex64, {1});
  EXPECT_TRUE(unsupported_type("aten::exp", {complex}, DType::kComplex64));
  EXPECT_TRUE(unsupported_type("aten::maximum", {complex, complex}, DType::kComplex64));
  const Tensor small = make(DType::kFloat8E5M2, {1});
  EXPECT_TRUE(unsupported_type("aten::exp", {small}, DType::kFloat8E5M2));
  EXPECT_TRUE(unsupported_type("aten::add.Scalar", {small, 1.0, int64_t{1}}, DType::kFloat8E5M2));
}

TEST(Elementwise, RefusesArgumentsThatMeanNothing) {
  const Tensor x = Tensor::of<float>({1}, {1});
  const Tensor n = Tensor::of<int32_t>({1}, {2});
  EXPECT_FALSE(call_one("aten::clamp", {x, EValue(), EValue()}, x).has_value());
  EXPECT_FALSE(call_one("aten::gelu", {x, std::string("fast")}, x).has_value());
  EXPECT_FALSE(call_one("aten::pow.Tensor_Scalar", {n, int64_t{-1}}, n).has_value());
  EXPECT_FALSE(
      call_one("aten::arange.start_step", {int64_t{0}, int64_t{3}, int64_t{0}}, x).has_value());
  EXPECT_FALSE(
      call_one("aten::arange.start_step", {int64_t{0}, int64_t{3}, int64_t{-1}}, x).has_value());
  EXPECT_FALSE(call_one("aten::arange.start_step", {0.0, HUGE_VAL, 1.0}, x).has_value());
  EXPECT_FALSE(call_one("aten::full", {std::vector<int64_t>{-1}, 1.0}, x).has_value());
  EXPECT_FALSE(call_one("aten::full", {std::vector<int64_t>{2}, 1.0}, x).has_value());
}

}  // namespace
}  // namespace pte::kernels
