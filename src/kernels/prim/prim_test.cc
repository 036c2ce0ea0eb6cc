#include <gtest/gtest.h>

#include <cmath>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

Result<EValue> compute(std::string_view name, EValue a, EValue b) {
  return call_one(name, {std::move(a), std::move(b)}, EValue());
}
int64_t integer(std::string_view name, int64_t a, int64_t b) {
  const auto value = compute(name, a, b);
  const int64_t* result = value.has_value() ? value->get<int64_t>() : nullptr;
  EXPECT_NE(result, nullptr);
  return result == nullptr ? -999 : *result;
}
double real(std::string_view name, EValue a, EValue b) {
  const auto value = compute(name, std::move(a), std::move(b));
  const double* result = value.has_value() ? value->get<double>() : nullptr;
  EXPECT_NE(result, nullptr);
  return result == nullptr ? NAN : *result;
}

TEST(Prim, DividesAsPythonDoes) {
  EXPECT_EQ(integer("_operator::floordiv", 7, 2), 3);
  EXPECT_EQ(integer("_operator::floordiv", -7, 2), -4);
  EXPECT_EQ(integer("_operator::floordiv", 7, -2), -4);
  EXPECT_EQ(integer("_operator::floordiv", -7, -2), 3);
  EXPECT_EQ(integer("_operator::floordiv", -8, 2), -4);
  EXPECT_EQ(integer("_operator::mod", 7, 3), 1);
  EXPECT_EQ(integer("_operator::mod", -7, 3), 2);
  EXPECT_EQ(integer("_operator::mod", 7, -3), -2);
  EXPECT_EQ(integer("_operator::mod", -7, -3), -1);
  EXPECT_EQ(integer("_operator::mod", INT64_MIN, -1), 0);
  EXPECT_EQ(real("_operator::floordiv", -7.5, int64_t{2}), -4.0);
  EXPECT_EQ(real("_operator::mod", -7.5, int64_t{2}), 0.5);
  EXPECT_EQ(real("_operator::mod", 7.5, -2.0), -0.5);
  EXPECT_EQ(real("_operator::truediv", int64_t{7}, int64_t{2}), 3.5);
}

TEST(Prim, RefusesDivisionByZeroAndOverflow) {
  for (const char* name : {"_operator::floordiv", "_operator::mod", "_operator::truediv"}) {
    EXPECT_FALSE(compute(name, int64_t{1}, int64_t{0}).has_value()) << name;
    EXPECT_FALSE(compute(name, 1.0, 0.0).has_value()) << name;
  }
  EXPECT_FALSE(compute("_operator::floordiv", INT64_MIN, int64_t{-1}).has_value());
  EXPECT_FALSE(compute("_operator::add", INT64_MAX, int64_t{1}).has_value());
  EXPECT_FALSE(compute("_operator::sub", INT64_MIN, int64_t{1}).has_value());
  EXPECT_FALSE(compute("_operator::mul", INT64_MAX, int64_t{2}).has_value());
  EXPECT_FALSE(call_one("_operator::neg", {INT64_MIN}, EValue()).has_value());
}

TEST(Prim, KeepsOrMixesKinds) {
  EXPECT_EQ(integer("_operator::add", 2, 3), 5);
  EXPECT_EQ(integer("_operator::sub", 2, 3), -1);
  EXPECT_EQ(integer("_operator::mul", 2, 3), 6);
  EXPECT_EQ(real("_operator::add", int64_t{2}, 0.5), 2.5);
  EXPECT_EQ(real("_operator::sub", 0.5, int64_t{2}), -1.5);
  EXPECT_EQ(real("_operator::mul", 0.5, int64_t{3}), 1.5);
  EXPECT_EQ(integer("torch::sym_max", 2, 3), 3);
  EXPECT_EQ(integer("torch::sym_min", 2, 3), 2);
  EXPECT_EQ(real("torch::sym_max", int64_t{4}, 3.5), 4.0);
  EXPECT_EQ(*call_one("_operator::neg", {2.5}, EValue())->get<double>(), -2.5);
}

TEST(Prim, Compares) {
  const auto truth = [](const char* name, EValue a, EValue b) {
    return *compute(name, std::move(a), std::move(b))->get<bool>();
  };
  EXPECT_TRUE(truth("_operator::eq", int64_t{2}, 2.0));
  EXPECT_FALSE(truth("_operator::eq", NAN, NAN));
  EXPECT_TRUE(truth("_operator::ge", int64_t{2}, int64_t{2}));
  EXPECT_FALSE(truth("_operator::gt", int64_t{2}, int64_t{2}));
  EXPECT_TRUE(truth("_operator::le", 1.5, int64_t{2}));
  EXPECT_TRUE(truth("_operator::lt", false, true));
  // Not by way of double, where both would be equal.
  EXPECT_TRUE(truth("_operator::lt", INT64_MAX - 1, INT64_MAX));
}

TEST(Prim, ReadsTensors) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(*call_one("aten::sym_size.int", {x, int64_t{-1}}, EValue())->get<int64_t>(), 3);
  EXPECT_EQ(*call_one("aten::sym_numel", {x}, EValue())->get<int64_t>(), 6);
  EXPECT_FALSE(call_one("aten::sym_size.int", {x, int64_t{2}}, EValue()).has_value());
  EXPECT_FALSE(call_one("aten::_local_scalar_dense", {x}, EValue()).has_value());
  const auto item = [](const Tensor& t) {
    return *call_one("aten::_local_scalar_dense", {t}, EValue());
  };
  EXPECT_EQ(*item(Tensor::scalar<float>(1.5F)).get<double>(), 1.5);
  EXPECT_EQ(*item(Tensor::scalar<Half>(Half(1.5F))).get<double>(), 1.5);
  EXPECT_EQ(*item(Tensor::scalar<double>(0.1)).get<double>(), 0.1);
  EXPECT_EQ(*item(Tensor::scalar<int8_t>(-3)).get<int64_t>(), -3);
  EXPECT_EQ(*item(Tensor::scalar<bool>(true)).get<bool>(), true);
}

}  // namespace
}  // namespace pte::kernels
