#include <gtest/gtest.h>

#include <limits>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

Tensor make(DType dtype, Sizes sizes) { return std::move(*Tensor::zeros(dtype, std::move(sizes))); }

Status refusal(std::string_view name, std::vector<EValue> args, std::vector<EValue> results) {
  return call_kernel(name, args, results);
}

TEST(Sort, RefusesWhatHasNoAnswer) {
  const Tensor x = Tensor::of<float>({3}, {1, 2, 3});
  const Tensor none = make(DType::kFloat32, {0, 2});
  const std::vector<EValue> pair{make(DType::kFloat32, {3}), make(DType::kInt64, {3})};
  for (const int64_t k : {int64_t{4}, int64_t{-1}, INT64_MAX}) {
    EXPECT_FALSE(refusal("aten::topk", {x, k, int64_t{-1}, true, true}, pair).has_value());
    EXPECT_FALSE(refusal("aten::kthvalue", {x, k, int64_t{-1}, true}, pair).has_value());
  }
  EXPECT_FALSE(refusal("aten::kthvalue", {x, int64_t{0}, int64_t{-1}, true}, pair).has_value());
  EXPECT_FALSE(refusal("aten::sort", {x, int64_t{1}, false}, pair).has_value());
  const std::vector<EValue> lines{make(DType::kFloat32, {2}), make(DType::kInt64, {2})};
  for (const char* name : {"aten::median.dim", "aten::nanmedian.dim", "aten::mode", "aten::max.dim",
                           "aten::min.dim"}) {
    const Status status = refusal(name, {none, int64_t{0}, false}, lines);
    ASSERT_FALSE(status.has_value()) << name;
    EXPECT_NE(status.error().message.find("no element to choose from"), std::string::npos)
        << status.error().message;
  }
  EXPECT_FALSE(call_one("aten::max", {none}, make(DType::kFloat32, {})).has_value());
}

TEST(Sort, EqualElementsKeepTheirOrder) {
  std::vector<float> values(200);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 3);
  std::vector<EValue> args{Tensor::of<float>({200}, values), int64_t{0}, true};
  std::vector<EValue> results{make(DType::kFloat32, {200}), make(DType::kInt64, {200})};
  ASSERT_TRUE(call_kernel("aten::sort", args, results).has_value());
  const auto places = elements<int64_t>(*results[1].get<Tensor>());
  for (size_t i = 1; i < places.size(); ++i) {
    const float before = values[static_cast<size_t>(places[i - 1])];
    const float after = values[static_cast<size_t>(places[i])];
    EXPECT_TRUE(before > after || (before == after && places[i - 1] < places[i])) << i;
  }
}

TEST(Mode, CountsNanForItself) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<EValue> args{Tensor::of<float>({5}, {nan, 2, nan, nan, 2}), int64_t{0}, false};
  std::vector<EValue> results{make(DType::kFloat32, {}), make(DType::kInt64, {})};
  ASSERT_TRUE(call_kernel("aten::mode", args, results).has_value());
  EXPECT_EQ(elements<float>(*results[0].get<Tensor>()), std::vector<float>{2});
  EXPECT_EQ(elements<int64_t>(*results[1].get<Tensor>()), std::vector<int64_t>{4});
}

TEST(SearchSorted, RefusesWhatDoesNotFit) {
  const Tensor lines = make(DType::kFloat32, {2, 3});
  const Tensor list = make(DType::kFloat32, {3});
  const auto search = [&](const Tensor& boundaries, const Tensor& values, EValue side,
                          EValue sorter) {
    return call_one("aten::searchsorted.Tensor",
                    {boundaries, values, false, true, std::move(side), std::move(sorter)},
                    make(DType::kInt64, values.sizes()));
  };
  const EValue none;
  EXPECT_TRUE(search(lines, make(DType::kFloat32, {2, 5}), none, none).has_value());
  EXPECT_FALSE(search(lines, make(DType::kFloat32, {3, 5}), none, none).has_value());
  EXPECT_FALSE(search(lines, list, none, none).has_value());
  EXPECT_FALSE(search(make(DType::kFloat32, {}), list, none, none).has_value());
  EXPECT_FALSE(search(list, list, std::string("left"), none).has_value());
  EXPECT_FALSE(search(list, list, std::string("up"), none).has_value());
  EXPECT_FALSE(search(list, list, none, Tensor::of<int64_t>({3}, {0, 1, 3})).has_value());
  EXPECT_FALSE(search(list, list, none, Tensor::of<int64_t>({2}, {0, 1})).has_value());
}

TEST(Histc, RefusesRangesWithoutAnEnd) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::of<float>({2}, {1, inf});
  const Tensor out = make(DType::kFloat32, {4});
  EXPECT_TRUE(call_one("aten::histc", {x, int64_t{4}, 0.0, 2.0}, out).has_value());
  EXPECT_FALSE(call_one("aten::histc", {x, int64_t{4}, 0.0, 0.0}, out).has_value());
  EXPECT_FALSE(call_one("aten::histc", {x, int64_t{4}, 3.0, 2.0}, out).has_value());
  EXPECT_FALSE(call_one("aten::histc", {x, int64_t{0}, 0.0, 2.0}, out).has_value());
}

}  // namespace
}  // namespace pte::kernels
