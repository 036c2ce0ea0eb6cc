#include "lowering/size_arithmetic.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace pte::lowering {
namespace {

using ir::Arg;

Result<Arg> number(Op op, std::vector<Arg> args) { return evaluate_sizes(info(op), args); }

TEST(SizeArithmetic, NumbersOfNumbers) {
  EXPECT_EQ(number(Op::operator_add, {Arg(2), Arg(3)})->integer(), 5);
  EXPECT_EQ(number(Op::operator_floordiv, {Arg(-7), Arg(2)})->integer(), -4);
  EXPECT_EQ(number(Op::operator_truediv, {Arg(7), Arg(2)})->number(), 3.5);
  EXPECT_EQ(number(Op::operator_ge, {Arg(7), Arg(7)})->boolean(), true);
  EXPECT_FALSE(number(Op::operator_floordiv, {Arg(1), Arg(0)}).has_value());
  EXPECT_FALSE(number(Op::operator_add, {Arg("a"), Arg(1)}).has_value());
}

TEST(SizeArithmetic, SizesOfTensors) {
  ir::Graph graph;
  ir::Value* x = graph.add_input("x", ir::TensorType::of(DType::kFloat32, {2, 3, 4}));
  ir::Value* y = graph.add_input(
      "y", ir::TensorType::of(DType::kFloat32, {ir::SymInt::symbol("s0"), ir::SymInt(4)}));
  EXPECT_EQ(number(Op::aten_sym_size_int, {Arg(x), Arg(1)})->integer(), 3);
  EXPECT_EQ(number(Op::aten_sym_size_int, {Arg(x), Arg(-1)})->integer(), 4);
  EXPECT_EQ(number(Op::aten_sym_numel, {Arg(x)})->integer(), 24);
  EXPECT_FALSE(number(Op::aten_sym_size_int, {Arg(x), Arg(3)}).has_value());
  EXPECT_FALSE(number(Op::aten_sym_size_int, {Arg(x), Arg(-4)}).has_value());
  EXPECT_FALSE(number(Op::aten_sym_size_int, {Arg(y), Arg(1)}).has_value());
  const auto element = number(Op::aten__local_scalar_dense, {Arg(x)});
  ASSERT_FALSE(element.has_value());
  EXPECT_EQ(element.error().code, Code::kUnsupported);
}

TEST(SizeArithmetic, TypesAsPlannedWithTheSizesThatFollow) {
  ir::Graph graph;
  const ir::TensorType planned =
      ir::TensorType::of(DType::kFloat32, {8, 3, 9, 9}, DimOrder{0, 2, 3, 1});
  ir::TensorType given = planned;
  given.sizes = {2, 3, 5, 9};
  ir::Value* x = graph.add_input("x", given);
  const auto types = exact_types(info(Op::aten_relu), {Arg(x)}, {planned});
  ASSERT_TRUE(types.has_value()) << types.error().message;
  EXPECT_EQ(types->front(), ir::Type(given));
  // Room for another number of dimensions, or for a number, is none.
  EXPECT_FALSE(
      exact_types(info(Op::aten_relu), {Arg(x)}, {ir::TensorType::of(DType::kFloat32, {8, 3})})
          .has_value());
  EXPECT_FALSE(exact_types(info(Op::aten_relu), {Arg(x)}, {ir::SymFloatType{}}).has_value());
  const auto unknown =
      exact_types(info(Op::aten_nonzero), {Arg(x)}, {ir::TensorType::of(DType::kInt64, {100, 4})});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().message.find("depend on what a tensor holds"), std::string::npos);
}

}  // namespace
}  // namespace pte::lowering
