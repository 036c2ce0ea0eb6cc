#include "runtime/inputs.h"

#include <gtest/gtest.h>

namespace pte::runtime {
namespace {

program::TensorValue planned(Sizes sizes, program::Dynamism dynamism) {
  program::TensorValue tensor;
  tensor.dim_order = contiguous_dim_order(sizes.size());
  tensor.sizes = std::move(sizes);
  tensor.dynamism = dynamism;
  return tensor;
}

bool fits(const program::Value& value, const EValue& given) {
  return check_input(value, "input 0", given).has_value();
}

TEST(Inputs, Tensors) {
  const EValue small(*Tensor::zeros(DType::kFloat32, {2, 3}));
  const EValue large(*Tensor::zeros(DType::kFloat32, {4, 4}));
  const EValue flat(*Tensor::zeros(DType::kFloat32, {6}));
  const EValue whole(*Tensor::zeros(DType::kInt64, {2, 3}));
  const auto fixed = planned({2, 3}, program::Dynamism::kStatic);
  const auto bound = planned({3, 3}, program::Dynamism::kDynamicBound);
  const auto unbound = planned({3, 3}, program::Dynamism::kDynamicUnbound);
  EXPECT_TRUE(fits(fixed, small));
  EXPECT_TRUE(fits(bound, small));
  EXPECT_TRUE(fits(unbound, large));
  for (const auto& value : {fixed, bound}) EXPECT_FALSE(fits(value, large));
  for (const auto& value : {fixed, bound, unbound}) {
    EXPECT_FALSE(fits(value, flat));
    EXPECT_FALSE(fits(value, whole));
    EXPECT_FALSE(fits(value, EValue(1.0)));
  }
  EXPECT_FALSE(
      fits(fixed, EValue(Tensor::view(DType::kFloat32, {2, 3}, {3, 1}, nullptr, nullptr))));
}

TEST(Inputs, MessagesSayWhatWasExpectedAndWhatToDo) {
  const auto picture = planned({1, 3, 8, 9}, program::Dynamism::kStatic);
  const Status last =
      check_input(picture, "input 0", EValue(*Tensor::zeros(DType::kFloat32, {1, 8, 9, 3})));
  EXPECT_EQ(last.error().message, "input 0 expects float32[1,3,8,9], got float32[1,8,9,3]");
  EXPECT_NE(last.error().hint.find("channels come last"), std::string::npos);
  const Status batch =
      check_input(picture, "input 0", EValue(*Tensor::zeros(DType::kFloat32, {3, 8, 9})));
  EXPECT_NE(batch.error().hint.find("--unsqueeze"), std::string::npos);
  const Status type =
      check_input(picture, "input 0", EValue(*Tensor::zeros(DType::kInt8, {1, 3, 8, 9})));
  EXPECT_EQ(type.error().hint, "convert the values to float32");
}

TEST(Inputs, NumbersAndTexts) {
  EValue yes;
  yes.v = true;
  EXPECT_TRUE(fits(int64_t{3}, EValue(int64_t{3})));
  EXPECT_FALSE(fits(int64_t{3}, EValue(int64_t{4})));
  EXPECT_FALSE(fits(int64_t{3}, EValue(3.0)));
  EXPECT_TRUE(fits(0.1, EValue(0.1 + 1e-7)));
  EXPECT_FALSE(fits(0.1, EValue(0.2)));
  EXPECT_TRUE(fits(true, yes));
  EXPECT_FALSE(fits(false, yes));
  EXPECT_TRUE(fits(std::string("mean"), EValue(std::string("mean"))));
  EXPECT_FALSE(fits(std::string("mean"), EValue(std::string("sum"))));
  EXPECT_TRUE(fits(program::Null{}, EValue()));
  EXPECT_TRUE(fits(program::Null{}, EValue(std::string("baked in"))));
  EXPECT_FALSE(fits(program::Null{}, EValue(int64_t{1})));
  const Status status = check_input(int64_t{3}, "input 2", EValue(0.5));
  EXPECT_EQ(status.error().message, "input 2 was fixed at export as Int 3, got Double 0.5");
}

}  // namespace
}  // namespace pte::runtime
