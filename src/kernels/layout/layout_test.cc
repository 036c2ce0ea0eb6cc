#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

using Ints = std::vector<int64_t>;

Tensor make(DType dtype, Sizes sizes, DimOrder order = {}) {
  return std::move(*Tensor::zeros(dtype, std::move(sizes), std::move(order)));
}

TEST(ToDimOrder, ChangesLayoutAndTypeTogether) {
  // [1,2,2,2] laid out with the channels innermost.
  const Tensor x = Tensor::of<float>({1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8.75});
  for (const char* name : {"dim_order_ops::_to_dim_order_copy", "aten::_to_copy"}) {
    const EValue order = name[0] == 'd' ? EValue(Ints{0, 2, 3, 1}) : EValue();
    const auto out =
        call_one(name, {x, false, order}, make(DType::kInt32, {1, 2, 2, 2}, {0, 2, 3, 1}));
    ASSERT_TRUE(out.has_value()) << out.error().message;
    const Tensor& y = *out->get<Tensor>();
    EXPECT_EQ(elements<int32_t>(y), (std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(y.data_as<int32_t>()[1], 5);  // the second channel's first pixel
  }
}

TEST(ToDimOrder, NamesATypeItCannotConvert) {
  const Tensor x = make(DType::kComplex64, {2});
  const auto out = call_one("dim_order_ops::_to_dim_order_copy", {x, false, EValue()},
                            make(DType::kFloat32, {2}));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().code, Code::kUnsupported);
  EXPECT_NE(out.error().message.find("complex64"), std::string::npos) << out.error().message;
}

TEST(Clone, CopiesTypesThatItCannotRead) {
  Tensor x = make(DType::kComplex64, {2, 2});
  x.mutable_data_as<float>()[5] = 3;
  const auto out = call_one("dim_order_ops::_clone_dim_order", {x, false, EValue()},
                            make(DType::kComplex64, {2, 2}, {1, 0}));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->get<Tensor>()->data_as<float>()[3], 3);  // [1,0] now lies second
}

TEST(EtView, SharesMemoryWhenTheResultHasNone) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto out = call_one("executorch_prim::et_view", {x, Ints{3, -1}},
                            Tensor::view(DType::kFloat32, {3, 2}, {2, 1}, nullptr, nullptr));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(out->get<Tensor>()->data(), x.data());
  EXPECT_EQ(out->get<Tensor>()->sizes(), (Sizes{3, 2}));
}

TEST(EtView, ResizesAResultPlannedInTheSamePlace) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor smaller = x.with_layout({1, 3}, {3, 1});
  Tensor planned = x.with_layout({3, 2}, {2, 1});
  const auto out = call_one("executorch_prim::et_view", {smaller, Ints{-1, 1}}, planned);
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(out->get<Tensor>()->data(), x.data());
  EXPECT_EQ(out->get<Tensor>()->sizes(), (Sizes{3, 1}));
}

TEST(EtView, CopiesIntoMemoryOfItsOwn) {
  const Tensor x = Tensor::of<float>({2, 2}, {1, 2, 3, 4}).with_layout({2, 2}, {1, 2});
  const auto out = call_one("executorch_prim::et_view", {x, Ints{4}}, make(DType::kFloat32, {4}));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(elements<float>(*out->get<Tensor>()), (std::vector<float>{1, 3, 2, 4}));
}

TEST(EtView, RefusesWhatItCannotShare) {
  const Tensor x = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  const Tensor turned = x.with_layout({2, 2}, {1, 2});
  EXPECT_FALSE(
      call_one("executorch_prim::et_view", {turned, Ints{4}}, x.with_layout({4}, {1})).has_value());
  EXPECT_FALSE(
      call_one("executorch_prim::et_view", {x, Ints{3}}, make(DType::kFloat32, {3})).has_value());
  EXPECT_FALSE(
      call_one("executorch_prim::et_view", {x, Ints{4}}, make(DType::kInt32, {4})).has_value());
}

TEST(View, RefusesSizesThatDoNotMatch) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  for (const Ints& sizes : {Ints{4}, Ints{-1, -1}, Ints{-2}, Ints{-1, 4}, Ints{-1, 0},
                            Ints{INT64_MAX, 2}, Ints{int64_t{1} << 32, int64_t{1} << 32}, Ints{}}) {
    const auto out =
        call_one("aten::view_copy", {x, sizes}, make(DType::kFloat32, Sizes(sizes.size(), 3)));
    EXPECT_FALSE(out.has_value());
  }
}

TEST(View, KeepsTheResultsOwnLayout) {
  const Tensor x = Tensor::of<float>({6}, {1, 2, 3, 4, 5, 6});
  const auto out =
      call_one("aten::view_copy", {x, Ints{2, 3}}, make(DType::kFloat32, {2, 3}, {1, 0}));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(elements<float>(*out->get<Tensor>()), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(out->get<Tensor>()->data_as<float>()[1], 4);
}

TEST(Results, ThatAreTooSmallAreRefused) {
  const Tensor x = Tensor::of<float>({4}, {1, 2, 3, 4});
  const auto out = call_one("aten::relu", {x}, make(DType::kFloat32, {3}));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().code, Code::kMismatch);
  EXPECT_TRUE(out.error().message.starts_with("aten::relu: ")) << out.error().message;
}

TEST(Selection, RefusesWhatLiesOutside) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto fails = [&](const char* name, std::vector<EValue> args, Sizes result) {
    args.insert(args.begin(), EValue(x));
    return !call_one(name, std::move(args), make(DType::kFloat32, std::move(result))).has_value();
  };
  EXPECT_TRUE(fails("aten::select_copy.int", {int64_t{0}, int64_t{2}}, {3}));
  EXPECT_TRUE(fails("aten::select_copy.int", {int64_t{0}, int64_t{-3}}, {3}));
  EXPECT_TRUE(fails("aten::select_copy.int", {int64_t{2}, int64_t{0}}, {3}));
  EXPECT_TRUE(
      fails("aten::slice_copy.Tensor", {int64_t{0}, EValue(), EValue(), int64_t{0}}, {2, 3}));
  EXPECT_TRUE(
      fails("aten::slice_copy.Tensor", {int64_t{-3}, EValue(), EValue(), int64_t{1}}, {2, 3}));
  EXPECT_TRUE(fails("aten::permute_copy", {Ints{0, 0}}, {2, 2}));
  EXPECT_TRUE(fails("aten::permute_copy", {Ints{0}}, {2}));
  EXPECT_TRUE(fails("aten::permute_copy", {Ints{0, 2}}, {2, 3}));
  EXPECT_TRUE(fails("aten::expand_copy", {Ints{2, 4}, false}, {2, 4}));
  EXPECT_TRUE(fails("aten::expand_copy", {Ints{3}, false}, {3}));
  EXPECT_TRUE(fails("aten::expand_copy", {Ints{-1, 2, 3}, false}, {1, 2, 3}));
  EXPECT_TRUE(fails("aten::constant_pad_nd", {Ints{1}, int64_t{0}}, {2, 4}));
  EXPECT_TRUE(fails("aten::constant_pad_nd", {Ints{-2, -2}, int64_t{0}}, {2, 3}));
  EXPECT_TRUE(fails("aten::constant_pad_nd", {Ints{INT64_MAX, INT64_MAX}, int64_t{0}}, {2, 3}));
  EXPECT_TRUE(fails("aten::constant_pad_nd", {Ints{0, 0, 0, 0, 0, 0}, int64_t{0}}, {2, 3}));
}

TEST(Slice, TakesTheWidestSteps) {
  const Tensor x = Tensor::of<float>({3}, {1, 2, 3});
  const auto out =
      call_one("aten::slice_copy.Tensor", {x, int64_t{0}, int64_t{1}, EValue(), INT64_MAX},
               make(DType::kFloat32, {1}));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(elements<float>(*out->get<Tensor>()), (std::vector<float>{2}));
}

TEST(Cat, RefusesSizesThatDoNotJoin) {
  const Tensor x = Tensor::of<float>({1, 2}, {1, 2});
  const Tensor y = Tensor::of<float>({1, 3}, {1, 2, 3});
  EXPECT_FALSE(
      call_one("aten::cat", {std::vector<Tensor>{x, y}, int64_t{0}}, make(DType::kFloat32, {2, 3}))
          .has_value());
  EXPECT_FALSE(
      call_one("aten::cat", {std::vector<Tensor>{}, int64_t{0}}, make(DType::kFloat32, {2, 3}))
          .has_value());
  EXPECT_FALSE(call_one("aten::stack", {std::vector<Tensor>{x, y}, int64_t{0}},
                        make(DType::kFloat32, {2, 1, 3}))
                   .has_value());
}

TEST(Split, NeedsOneResultForEachPart) {
  const Tensor x = Tensor::of<float>({3}, {1, 2, 3});
  const std::vector<Tensor> two{make(DType::kFloat32, {1}), make(DType::kFloat32, {2})};
  EXPECT_TRUE(
      call_one("aten::split_with_sizes_copy", {x, Ints{1, 2}, int64_t{0}}, two).has_value());
  EXPECT_FALSE(call_one("aten::split_with_sizes_copy", {x, Ints{3}, int64_t{0}}, two).has_value());
  EXPECT_FALSE(
      call_one("aten::split_with_sizes_copy", {x, Ints{1, 1}, int64_t{0}}, two).has_value());
  EXPECT_FALSE(call_one("aten::split_with_sizes_copy", {x, Ints{INT64_MAX, 4}, int64_t{0}}, two)
                   .has_value());
  EXPECT_FALSE(
      call_one("aten::split_with_sizes_copy", {x, Ints{-1, 4}, int64_t{0}}, two).has_value());
}

TEST(Copy_, WritesItsFirstArgument) {
  const Tensor state = Tensor::of<float>({2, 2}, {0, 0, 0, 0});
  const Tensor row = Tensor::of<int64_t>({2}, {7, 9});
  std::vector<EValue> args{state, row, false};
  std::vector<EValue> results{EValue(state)};
  ASSERT_TRUE(call_kernel("aten::copy_", args, results).has_value());
  EXPECT_EQ(elements<float>(state), (std::vector<float>{7, 9, 7, 9}));
  std::vector<EValue> wide{row, state, false};
  EXPECT_FALSE(call_kernel("aten::copy_", wide, results).has_value());
}

TEST(CopyIndex, GrowsAsTheLoopGoes) {
  const Tensor all = Tensor::of<float>({3, 2}, {0, 0, 0, 0, 0, 0});
  std::vector<EValue> none;
  std::vector<EValue> args{all, Tensor::of<float>({2}, {1, 2}), int64_t{0}};
  ASSERT_TRUE(call_kernel("executorch_prim::et_copy_index.tensor", args, none).has_value());
  EXPECT_EQ(args[0].get<Tensor>()->sizes(), (Sizes{1, 2}));
  args[1] = Tensor::of<float>({2}, {3, 4});
  args[2] = int64_t{1};
  ASSERT_TRUE(call_kernel("executorch_prim::et_copy_index.tensor", args, none).has_value());
  EXPECT_EQ(elements<float>(*args[0].get<Tensor>()), (std::vector<float>{1, 2, 3, 4}));
  for (const int64_t bad : {int64_t{3}, int64_t{-1}, INT64_MAX}) {
    args[2] = bad;
    EXPECT_FALSE(call_kernel("executorch_prim::et_copy_index.tensor", args, none).has_value());
  }
}

}  // namespace
}  // namespace pte::kernels
