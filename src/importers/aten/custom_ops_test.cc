#include "importers/aten/custom_ops.h"

#include <gtest/gtest.h>

namespace pte::importers {
namespace {

TEST(CustomOps, FindsByNameOverloadAndSchema) {
  const std::vector<std::string> allowed = {"a::b", "c::d.Tensor", "e::f(Tensor x) -> Tensor"};
  EXPECT_EQ(find_allowed(allowed, "a::b"), &allowed[0]);
  EXPECT_EQ(find_allowed(allowed, "a::b.Scalar"), &allowed[0]);
  EXPECT_EQ(find_allowed(allowed, "c::d"), nullptr);
  EXPECT_EQ(find_allowed(allowed, "c::d.Tensor"), &allowed[1]);
  EXPECT_EQ(find_allowed(allowed, "e::f"), &allowed[2]);
  EXPECT_EQ(find_allowed(allowed, "a::bb"), nullptr);
}

TEST(CustomOps, OneInfoForOneDescription) {
  const auto op = custom_op("mylib::turn(Tensor x, int times=1) -> Tensor");
  ASSERT_TRUE(op) << op.error().message;
  EXPECT_EQ((*op)->out_name, "mylib::turn.out");
  EXPECT_EQ((*op)->out_args, (std::vector<int>{0, 1}));
  EXPECT_TRUE((*op)->emittable());
  const auto again = custom_op("mylib::turn(Tensor x, int times=1) -> Tensor");
  ASSERT_TRUE(again);
  EXPECT_EQ(*op, *again);
  const auto overload = custom_op("mylib::turn.Tensor(Tensor x) -> (Tensor, Tensor)");
  ASSERT_TRUE(overload);
  EXPECT_EQ((*overload)->out_name, "mylib::turn.Tensor_out");
}

TEST(CustomOps, RefusesWhatNoCallCanBe) {
  EXPECT_FALSE(custom_op("turn(Tensor x) -> Tensor"));
  EXPECT_FALSE(custom_op("mylib::turn(Tensor x"));
  EXPECT_FALSE(custom_op("mylib::turn(Tensor(a!) x) -> Tensor(a!)"));
  EXPECT_FALSE(custom_op("mylib::turn(Tensor x) -> ()"));
  EXPECT_FALSE(custom_op("mylib::turn(Tensor x) -> int"));
}

}  // namespace
}  // namespace pte::importers
