#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

using Ints = std::vector<int64_t>;
using Indices = std::vector<std::optional<Tensor>>;

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

Tensor ints(std::initializer_list<int64_t> values) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}

const Tensor kSelf = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});

void expect_refused(std::string_view name, std::vector<EValue> args, EValue result,
                    std::string_view why) {
  const auto out = call_one(name, std::move(args), std::move(result));
  ASSERT_FALSE(out.has_value()) << name;
  EXPECT_NE(out.error().message.find(why), std::string::npos) << out.error().message;
}

TEST(Index, RefusesWhatLiesOutside) {
  const Tensor out = make(DType::kFloat32, {2, 3});
  for (const int64_t bad : {int64_t{3}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    const Tensor index = Tensor::of<int64_t>({1, 2}, {0, bad});
    expect_refused("aten::gather", {kSelf, int64_t{1}, index, false}, make(DType::kFloat32, {1, 2}),
                   "is out of range for a dimension of size 3");
    expect_refused("aten::scatter.src", {kSelf, int64_t{1}, index, kSelf}, out, "out of range");
    expect_refused("aten::scatter.value", {kSelf, int64_t{1}, index, 1.0}, out, "out of range");
    expect_refused("aten::scatter_add", {kSelf, int64_t{1}, index, kSelf}, out, "out of range");
    expect_refused("aten::index_select", {kSelf, int64_t{1}, ints({0, bad})},
                   make(DType::kFloat32, {2, 2}), "out of range");
    expect_refused("aten::index_reduce",
                   {kSelf, int64_t{1}, ints({0, 1, bad}), kSelf, std::string("amax"), true}, out,
                   "out of range");
  }
  // Indices of x[...] count from the end, too.
  for (const int64_t bad : {int64_t{2}, int64_t{-3}, INT64_MAX, INT64_MIN}) {
    expect_refused("aten::index.Tensor", {kSelf, Indices{ints({bad})}},
                   make(DType::kFloat32, {1, 3}), "out of range for a dimension of size 2");
    expect_refused("aten::index_put",
                   {kSelf, Indices{ints({bad})}, Tensor::of<float>({1}, {9}), false}, out,
                   "out of range");
  }
}

TEST(Index, RefusesIndicesThatDoNotFit) {
  const Tensor out = make(DType::kFloat32, {2, 3});
  const auto gather = [&](const Tensor& index) {
    expect_refused("aten::gather", {kSelf, int64_t{1}, index, false},
                   make(DType::kFloat32, index.sizes()), "gather");
  };
  gather(make(DType::kInt64, {3, 1}));
  gather(make(DType::kInt64, {2}));
  gather(make(DType::kFloat32, {2, 3}));
  expect_refused("aten::scatter.src",
                 {kSelf, int64_t{0}, make(DType::kInt64, {2, 3}), make(DType::kFloat32, {2, 2})},
                 out, "does not fit");
  expect_refused("aten::scatter.src",
                 {kSelf, int64_t{0}, make(DType::kInt64, {2, 3}), make(DType::kInt32, {2, 3})}, out,
                 "values of type int32");
  const auto index = [&](Indices indices, std::string_view why) {
    expect_refused("aten::index.Tensor", {kSelf, std::move(indices)}, make(DType::kFloat32, {2, 3}),
                   why);
  };
  index({make(DType::kBool, {3})}, "a mask of sizes [3] does not fit dimension 0");
  index({make(DType::kBool, {2, 3, 1})}, "a mask");
  index({make(DType::kBool, {})}, "a mask of rank 0");
  index({make(DType::kFloat32, {3})}, "expected integers");
  index({ints({0}), ints({0}), ints({0})}, "indices for 3 dimensions");
  index({ints({0, 1}), ints({0, 1, 2})}, "do not broadcast");
  expect_refused("aten::index_put", {kSelf, Indices{ints({0})}, make(DType::kInt64, {3}), false},
                 out, "values of type int64");
  expect_refused("aten::index_put", {kSelf, Indices{ints({0})}, make(DType::kFloat32, {2}), false},
                 out, "do not broadcast");
  expect_refused(
      "aten::scatter_reduce.two",
      {kSelf, int64_t{0}, make(DType::kInt64, {2, 3}), kSelf, std::string("median"), true}, out,
      "expected one of sum, prod, mean, amax, amin");
}

TEST(Index, NothingIsReadForAnEmptyResult) {
  // The index is out of range, but no element asks for it: as in PyTorch.
  const Tensor self = make(DType::kFloat32, {2, 0});
  const auto out =
      call_one("aten::index.Tensor", {self, Indices{ints({7})}}, make(DType::kFloat32, {1, 0}));
  EXPECT_TRUE(out.has_value());
}

TEST(Index, MovesTypesThatItCannotRead) {
  Tensor x = make(DType::kComplex128, {3});
  x.mutable_data_as<double>()[3] = 7;
  const auto out =
      call_one("aten::index.Tensor", {x, Indices{ints({1})}}, make(DType::kComplex128, {1}));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->get<Tensor>()->data_as<double>()[1], 7);
}

TEST(IndexPut, WritesInPlaceWhateverTheLayout) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  Tensor turned = make(DType::kFloat32, {3, 2}).with_layout({2, 3}, {1, 2});
  turned.set_capacity_bytes(24);
  ASSERT_TRUE(copy_elements(x, turned).has_value());
  std::vector<EValue> args{turned, Indices{std::nullopt, ints({-1, 0})},
                           Tensor::of<float>({2, 1}, {10, 20}), true};
  std::vector<EValue> results;
  const Status status = call_kernel("aten::index_put_", args, results);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(elements<float>(turned), (std::vector<float>{11, 2, 13, 24, 5, 26}));
}

TEST(Counting, StaysWithinTheResultsMemory) {
  const Tensor ones = Tensor::of<float>({4}, {1, 1, 1, 1});
  expect_refused("aten::nonzero", {ones}, make(DType::kInt64, {3, 1}), "does not fit");
  expect_refused("aten::repeat_interleave.Tensor", {ints({3, 3}), EValue()},
                 make(DType::kInt64, {5}), "does not fit");
  expect_refused("aten::bincount", {ints({1, int64_t{1} << 60}), EValue(), int64_t{0}},
                 make(DType::kInt64, {5}), "does not fit");
  expect_refused("aten::nonzero_static", {ones, INT64_MAX, int64_t{0}}, make(DType::kInt64, {5, 1}),
                 "does not fit");
}

TEST(Counting, RefusesNumbersThatMakeNoSense) {
  const Tensor out = make(DType::kInt64, {5});
  expect_refused("aten::repeat_interleave.Tensor", {ints({2, -1}), EValue()}, out, "-1");
  expect_refused("aten::repeat_interleave.Tensor", {ints({INT64_MAX, 2}), EValue()}, out,
                 "no number of repeats");
  expect_refused("aten::repeat_interleave.Tensor", {ints({2, 1}), int64_t{4}}, out, "add up to 3");
  expect_refused("aten::bincount", {ints({-1}), EValue(), int64_t{0}}, out, "-1");
  expect_refused("aten::bincount", {ints({1}), Tensor::of<float>({2}, {1, 1}), int64_t{0}}, out,
                 "weights");
  expect_refused("aten::nonzero_static", {ints({1}), int64_t{-1}, int64_t{0}}, out, "negative");
}

}  // namespace
}  // namespace pte::kernels
