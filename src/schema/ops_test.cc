#include "schema/ops.h"

#include <gtest/gtest.h>

#include <set>

namespace pte {
namespace {

TEST(Ops, EveryRowParsesAndIsNamedOnce) {
  std::set<std::string> names;
  for (const OpInfo& op : all_ops()) {
    ASSERT_FALSE(op.name.empty()) << "row " << static_cast<int>(op.op);
    EXPECT_TRUE(names.insert(op.full_name()).second) << op.full_name();
    EXPECT_EQ(find_op(op.full_name()), &op);
    for (const int arg : op.out_args) EXPECT_GE(arg, 0) << op.full_name();
    if (op.has(kTagInPlace)) {
      EXPECT_TRUE(op.args.at(0).written) << op.full_name();
    }
  }
}

TEST(Ops, ReadsArgumentsAndDefaults) {
  const OpInfo& op = info(Op::aten_add_Tensor);
  ASSERT_EQ(op.args.size(), 3U);
  EXPECT_EQ(op.args[2].name, "alpha");
  EXPECT_TRUE(op.args[2].keyword_only);
  EXPECT_EQ(std::get<int64_t>(op.args[2].default_value), 1);
  EXPECT_EQ(op.target(), "aten.add.Tensor");
  EXPECT_EQ(find_op_by_target("torch.ops.aten.relu.default"), &info(Op::aten_relu));
  EXPECT_EQ(find_op_by_out("aten::add.out"), &op);
  EXPECT_EQ(find_op("aten::none"), nullptr);
}

TEST(Ops, KnowsListsOptionalsAndOverloads) {
  const auto op = parse_schema(
      "ns::f.x(Tensor?[] a, int[]? b, SymInt[2] c=1, float d=1e-05) -> (Tensor, Tensor[])");
  ASSERT_TRUE(op);
  EXPECT_EQ(op->overload, "x");
  EXPECT_EQ(op->args[0].kind, ArgKind::kOptionalTensorList);
  EXPECT_TRUE(op->args[1].optional);
  EXPECT_EQ(std::get<std::vector<int64_t>>(op->args[2].default_value), std::vector<int64_t>{1});
  EXPECT_DOUBLE_EQ(std::get<double>(op->args[3].default_value), 1e-5);
  EXPECT_EQ(op->returns[1].kind, ArgKind::kTensorList);
  EXPECT_FALSE(parse_schema("broken(").has_value());
}

TEST(Ops, DropsWhatTheOutVariantLacks) {
  const OpInfo& op = info(Op::aten_full);
  EXPECT_EQ(op.out_name, "aten::full.out");
  EXPECT_EQ(op.out_args, (std::vector<int>{0, 1}));
}

}  // namespace
}  // namespace pte
