#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

using Ints = std::vector<int64_t>;

// [input, weight, bias, stride, padding, dilation, transposed, output_padding, groups]
std::vector<EValue> arguments(Sizes input, Sizes weight) {
  std::vector<EValue> args{*Tensor::zeros(DType::kFloat32, std::move(input)),
                           *Tensor::zeros(DType::kFloat32, std::move(weight)),
                           EValue(),
                           Ints{1, 1},
                           Ints{0, 0},
                           Ints{1, 1},
                           false,
                           Ints{0, 0},
                           int64_t{1}};
  return args;
}

Status run(std::vector<EValue> args, Sizes result) {
  std::vector<EValue> results{EValue(*Tensor::zeros(DType::kFloat32, std::move(result)))};
  return call_kernel("aten::convolution", args, results);
}

TEST(Convolution, ByHand) {
  std::vector<EValue> args = arguments({1, 1, 3, 3}, {1, 1, 2, 2});
  args[0] = Tensor::of<float>({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  args[1] = Tensor::of<float>({1, 1, 2, 2}, {1, 0, 0, -1});
  args[2] = Tensor::of<float>({1}, {0.5F});
  const auto out =
      call_one("aten::convolution", args, *Tensor::zeros(DType::kFloat32, {1, 1, 2, 2}));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(elements<float>(*out->get<Tensor>()), (std::vector<float>{-3.5F, -3.5F, -3.5F, -3.5F}));
}

TEST(Convolution, TransposedByHand) {
  std::vector<EValue> args = arguments({1, 1, 2}, {1, 1, 3});
  args[0] = Tensor::of<float>({1, 1, 2}, {1, 10});
  args[1] = Tensor::of<float>({1, 1, 3}, {1, 2, 3});
  args[3] = Ints{2};
  args[4] = Ints{0};
  args[5] = Ints{1};
  args[6] = true;
  args[7] = Ints{0};
  const auto out = call_one("aten::convolution", args, *Tensor::zeros(DType::kFloat32, {1, 1, 5}));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(elements<float>(*out->get<Tensor>()), (std::vector<float>{1, 2, 13, 20, 30}));
}

TEST(Convolution, WrapsIntegers) {
  std::vector<EValue> args = arguments({1, 2, 1}, {1, 2, 1});
  args[0] = Tensor::of<int8_t>({1, 2, 1}, {100, 100});
  args[1] = Tensor::of<int8_t>({1, 2, 1}, {1, 1});
  for (const size_t list : {3, 5}) args[list] = Ints{1};
  for (const size_t list : {4, 7}) args[list] = Ints{0};
  const auto out = call_one("aten::convolution", args, *Tensor::zeros(DType::kInt8, {1, 1, 1}));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(elements<int8_t>(*out->get<Tensor>()), (std::vector<int8_t>{-56}));
}

TEST(Convolution, SumsNothingWhenThereIsNoChannel) {
  std::vector<EValue> args = arguments({1, 0, 2, 2}, {2, 0, 1, 1});
  args[2] = Tensor::of<float>({2}, {1.5F, -2});
  const auto out =
      call_one("aten::convolution", args, *Tensor::zeros(DType::kFloat32, {1, 2, 2, 2}));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(elements<float>(*out->get<Tensor>()),
            (std::vector<float>{1.5, 1.5, 1.5, 1.5, -2, -2, -2, -2}));
}

TEST(Convolution, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(run(arguments({1, 2, 4, 4}, {3, 2, 3, 3}), {1, 3, 2, 2}).has_value());
  EXPECT_FALSE(run(arguments({1, 2, 4, 4}, {3, 3, 3, 3}), {1, 3, 2, 2}).has_value());
  EXPECT_FALSE(run(arguments({1, 2, 4, 4}, {3, 2, 3}), {1, 3, 2, 2}).has_value());
  EXPECT_FALSE(run(arguments({1, 2, 2, 2}, {3, 2, 3, 3}), {1, 3, 2, 2}).has_value());
  EXPECT_FALSE(run(arguments({1, 2, 4, 4}, {3, 2, 3, 3}), {1, 3, 2, 1}).has_value());
  EXPECT_FALSE(run(arguments({2, 4}, {3, 2}), {1, 3}).has_value());
  const auto with = [](size_t index, EValue value) {
    std::vector<EValue> args = arguments({1, 2, 4, 4}, {3, 2, 3, 3});
    args[index] = std::move(value);
    return run(std::move(args), {1, 3, 2, 2}).has_value();
  };
  EXPECT_FALSE(with(2, *Tensor::zeros(DType::kFloat32, {2})));
  EXPECT_FALSE(with(3, Ints{0, 1}));
  EXPECT_FALSE(with(3, Ints{1, 1, 1}));
  EXPECT_FALSE(with(3, Ints{}));
  EXPECT_FALSE(with(4, Ints{-1, 0}));
  EXPECT_FALSE(with(4, Ints{INT64_MAX, INT64_MAX}));
  EXPECT_FALSE(with(5, Ints{0, 1}));
  EXPECT_FALSE(with(5, Ints{INT32_MAX, INT32_MAX}));
  EXPECT_FALSE(with(8, int64_t{0}));
  EXPECT_FALSE(with(8, int64_t{3}));
  EXPECT_FALSE(with(8, int64_t{-1}));
  EXPECT_FALSE(with(1, *Tensor::zeros(DType::kFloat64, {3, 2, 3, 3})));
}

TEST(Convolution, NamesWhatItDoesNotSupport) {
  EXPECT_FALSE(run(arguments({1, 1, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 1}), {1, 1, 2, 2, 2, 2}));
  std::vector<EValue> args = arguments({1, 1, 2, 2}, {1, 1, 1, 1});
  args[0] = *Tensor::zeros(DType::kBool, {1, 1, 2, 2});
  const Status boolean = run(args, {1, 1, 2, 2});
  ASSERT_FALSE(boolean.has_value());
  EXPECT_NE(boolean.error().message.find("bool"), std::string::npos);
}

TEST(ConvolutionBackward, LeavesMaskedResultsAlone) {
  std::vector<EValue> args{Tensor::of<float>({1, 1, 2}, {1, 2}),
                           Tensor::of<float>({1, 1, 3}, {1, 2, 3}),
                           Tensor::of<float>({1, 1, 2}, {3, 4}),
                           Ints{1},
                           Ints{1},
                           Ints{0},
                           Ints{1},
                           false,
                           Ints{0},
                           int64_t{1},
                           std::vector<bool>{true, false, true}};
  std::vector<EValue> results{EValue(*Tensor::zeros(DType::kFloat32, {1, 1, 3})),
                              EValue(Tensor::of<float>({1}, {7})),
                              *Tensor::zeros(DType::kFloat32, {1})};
  const Status status = call_kernel("aten::convolution_backward", args, results);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(elements<float>(*results[0].get<Tensor>()), (std::vector<float>{3, 10, 8}));
  EXPECT_EQ(elements<float>(*results[1].get<Tensor>()), (std::vector<float>{7}));
  EXPECT_EQ(elements<float>(*results[2].get<Tensor>()), (std::vector<float>{3}));
  args[10] = std::vector<bool>{true};
  EXPECT_FALSE(call_kernel("aten::convolution_backward", args, results).has_value());
}

}  // namespace
}  // namespace pte::kernels
