#include "kernels/kernel.h"

#include <gtest/gtest.h>

#include "kernels/common/test_call.h"

namespace pte::kernels {
namespace {

TEST(Registry, EveryCallableOperatorHasAKernel) {
  for (const OpInfo& op : all_ops()) {
    EXPECT_TRUE(!op.callable() || find_kernel(op.op) != nullptr) << op.full_name();
  }
  EXPECT_EQ(find_kernel(Op::kCount), nullptr);
}

Status kinds(std::string_view name, std::vector<EValue> values) {
  std::vector<EValue*> pointers;
  for (EValue& value : values) pointers.push_back(&value);
  return check_kinds(*find_op(name), pointers);
}

TEST(CheckKinds, TakesWhatTheSchemaAllows) {
  const Tensor t = Tensor::of<float>({2}, {1, 2});
  for (const EValue& alpha : {EValue(int64_t{1}), EValue(1.5), EValue(true)}) {
    EXPECT_TRUE(kinds("aten::add.Tensor", {t, t, alpha, t}).has_value());
  }
  EXPECT_TRUE(kinds("aten::clamp", {t, EValue(), EValue(2.0), t}).has_value());
  EXPECT_TRUE(kinds("aten::_to_copy", {t, EValue(false), EValue(int64_t{0}), t}).has_value());
  EXPECT_TRUE(kinds("aten::mean.dim", {t, EValue(), EValue(false), EValue(), t}).has_value());
  EXPECT_TRUE(kinds("aten::sym_size.int", {t, EValue(int64_t{0}), EValue()}).has_value());
  EXPECT_TRUE(kinds("aten::sym_size.int", {t, EValue(int64_t{0}), EValue(false)}).has_value());
  // The result of an operator that writes its argument may be left away.
  EXPECT_TRUE(kinds("aten::copy_", {t, t, EValue(false), t}).has_value());
  EXPECT_TRUE(kinds("aten::copy_", {t, t, EValue(false)}).has_value());
}

TEST(CheckKinds, RefusesOthersByName) {
  const Tensor t = Tensor::of<float>({2}, {1, 2});
  Status status = kinds("aten::add.Tensor", {t, EValue(1.0), EValue(int64_t{1}), t});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message,
            "aten::add.Tensor: argument 'other' is Double, expected Tensor");
  EXPECT_FALSE(kinds("aten::add.Tensor", {t, t, EValue(), t}).has_value());
  EXPECT_FALSE(kinds("aten::add.Tensor", {t, t, EValue(int64_t{1}), EValue()}).has_value());
  EXPECT_FALSE(kinds("aten::add.Tensor", {t, t, EValue(int64_t{1})}).has_value());
  EXPECT_FALSE(kinds("aten::add.Tensor", {t, t, EValue(int64_t{1}), t, t}).has_value());
  EXPECT_FALSE(kinds("aten::view_copy", {t, EValue(int64_t{2}), t}).has_value());
  EXPECT_FALSE(kinds("aten::cat", {t, EValue(int64_t{0}), t}).has_value());
  EXPECT_FALSE(kinds("aten::_softmax", {t, EValue(0.0), EValue(false), t}).has_value());
  EXPECT_FALSE(kinds("aten::split_with_sizes_copy",
                     {t, EValue(std::vector<int64_t>{2}), EValue(int64_t{0}), t})
                   .has_value());
}

TEST(CheckKinds, RefusesResultsInTheWrongPlace) {
  EValue x(Tensor::of<float>({2}, {1, 2}));
  EValue y(Tensor::of<float>({2}, {1, 2}));
  EValue one(int64_t{1});
  EValue sizes(std::vector<int64_t>{2});
  EValue eps(1e-5);
  EValue none;
  const auto check = [](std::string_view name, std::vector<EValue*> values) {
    return check_kinds(*find_op(name), values);
  };
  EXPECT_TRUE(check("aten::add.Tensor", {&x, &y, &one, &x}).has_value());
  EXPECT_TRUE(check("_operator::add", {&one, &one, &one}).has_value());
  const Status view = check("aten::view_copy", {&x, &sizes, &x});
  ASSERT_FALSE(view.has_value());
  EXPECT_EQ(view.error().message, "aten::view_copy: result 0 is also argument 0");
  // Three results in one place.
  const Status norm =
      check("aten::native_layer_norm", {&x, &sizes, &none, &none, &eps, &y, &y, &y});
  ASSERT_FALSE(norm.has_value());
  EXPECT_EQ(norm.error().message, "aten::native_layer_norm: result 1 is also result 0");
}

}  // namespace
}  // namespace pte::kernels
