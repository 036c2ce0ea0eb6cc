#include "runtime/custom_ops.h"

#include <gtest/gtest.h>

#include "program/testing.h"
#include "program/verify.h"
#include "runtime/method.h"

namespace pte::runtime {
namespace {

using program::JumpFalseCall;
using program::KernelCall;
using program::Program;
using program::testing::add_program;

constexpr std::string_view kScale =
    "mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)";

// out = mylib::scale(a, 1) of float32 [2,3]; the factor is an Int, as exporters may write it.
Program scale_program() {
  Program program = add_program();
  program::Method& method = program.methods[0];
  method.inputs = {0};
  method.operators = {{"mylib::scale", "out"}};
  method.values[3] = 2.5;
  method.chains[0].instructions = {KernelCall{0, {0, 3, 2, 2}}};
  return program;
}

CustomOp scale_op() {
  CustomOp op;
  auto info = custom_op_info(kScale);
  EXPECT_TRUE(info) << info.error().message;
  op.info = std::move(*info);
  op.kernel = [](const CustomCall& call) -> Status {
    const Tensor& x = *call.values[0]->get<Tensor>();
    const double factor = *call.values[1]->get<double>();
    Tensor& out = *call.values[2]->get<Tensor>();
    PTE_CHECK(out.resize(x.sizes()));
    for (int64_t i = 0; i < x.numel(); ++i) {
      out.mutable_data_as<float>()[i] = x.data_as<float>()[i] * static_cast<float>(factor);
    }
    return {};
  };
  return op;
}

Result<std::unique_ptr<Method>> load(Program made, const Options& options) {
  PTE_CHECK(program::verify(made));
  return Method::load(std::make_shared<const Program>(std::move(made)), "forward", options);
}

Options with_scale() {
  auto ops = std::make_shared<CustomOps>();
  EXPECT_TRUE(ops->add(scale_op()));
  Options options;
  options.custom_ops = std::move(ops);
  return options;
}

TEST(CustomOps, Runs) {
  auto method = load(scale_program(), with_scale());
  ASSERT_TRUE(method) << method.error().message;
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  ASSERT_TRUE((*method)->set_input(0, x));
  ASSERT_TRUE((*method)->execute());
  const Tensor& y = *(*method)->output(0).get<Tensor>();
  EXPECT_EQ(y.data_as<float>()[0], 2.5F);
  EXPECT_EQ(y.data_as<float>()[5], 15.0F);
}

TEST(CustomOps, AMissingOneIsNamedWithAHint) {
  auto method = load(scale_program(), {});
  ASSERT_FALSE(method);
  EXPECT_EQ(method.error().code, Code::kUnsupported);
  EXPECT_NE(method.error().message.find("'mylib::scale.out'"), std::string::npos);
  EXPECT_NE(method.error().hint.find("--plugin"), std::string::npos);
}

TEST(CustomOps, HoldsCallsAgainstTheDeclaration) {
  Program wrong_kind = scale_program();
  wrong_kind.methods[0].values[3] = std::string("two");
  auto method = load(std::move(wrong_kind), with_scale());
  ASSERT_FALSE(method);
  EXPECT_NE(method.error().message.find("argument 'factor' is value 3 (String), expected Double"),
            std::string::npos)
      << method.error().message;

  Program wrong_count = scale_program();
  wrong_count.methods[0].chains[0].instructions = {KernelCall{0, {0, 2, 2}}};
  method = load(std::move(wrong_count), with_scale());
  ASSERT_FALSE(method);
  EXPECT_NE(method.error().message.find("takes 4 values"), std::string::npos)
      << method.error().message;

  // The same value as argument and result: a kernel must not find that under its hands.
  Program aliased = scale_program();
  aliased.methods[0].chains[0].instructions = {KernelCall{0, {0, 3, 0, 0}}};
  method = load(std::move(aliased), with_scale());
  ASSERT_TRUE(method) << method.error().message;
  ASSERT_TRUE((*method)->set_input(0, Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6})));
  EXPECT_FALSE((*method)->execute());
}

TEST(CustomOps, RefusesBadRegistrations) {
  for (const std::string_view schema :
       {"scale.out(Tensor x, *, Tensor(a!) out) -> Tensor(a!)", "mylib::scale.out(Tensor x",
        "mylib::scale(Tensor x) -> Tensor", "mylib::(Tensor x) -> ()", "",
        "mylib::scale.out(Tensor x, *, Tensor(a!) out, int n) -> Tensor(a!)",
        "mylib::scale.out(Tensor x, *, Tensor(a!)? out) -> Tensor(a!)",
        "mylib::scale.out(Tensor x, *, Tensor(a!) out) -> (Tensor(a!), Tensor)",
        "mylib::scale.out(Complex x, *, Tensor(a!) out) -> Tensor(a!)"}) {
    auto info = custom_op_info(schema);
    ASSERT_FALSE(info) << schema;
    EXPECT_EQ(info.error().code, Code::kInvalidArgument) << schema;
  }
  CustomOps ops;
  ASSERT_TRUE(ops.add(scale_op()));
  EXPECT_FALSE(ops.add(scale_op()));
  CustomOp built_in = scale_op();
  built_in.info.out_name = "aten::add.out";
  EXPECT_FALSE(ops.add(std::move(built_in)));
  CustomOp empty = scale_op();
  empty.info.out_name = "mylib::other.out";
  empty.kernel = nullptr;
  EXPECT_FALSE(ops.add(std::move(empty)));
}

TEST(CustomOps, MayWriteArgumentsAndReturnNothing) {
  auto info = custom_op_info("mylib::bump_(Tensor(a!) x, int by=1) -> ()");
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_TRUE(info->returns.empty());
  EXPECT_EQ(info->out_args.size(), 2u);
  info = custom_op_info("mylib::parts.out(Tensor x, int n, *, Tensor(a!)[] out) -> ()");
  ASSERT_TRUE(info) << info.error().message;
  ASSERT_EQ(info->returns.size(), 1u);
  EXPECT_EQ(info->returns[0].kind, ArgKind::kTensorList);
  EXPECT_EQ(info->out_args.size(), 2u);
}

TEST(Method, StopsAtItsTimeout) {
  Program program = add_program();
  program.methods[0].values.push_back(false);
  program.methods[0].chains[0].instructions = {JumpFalseCall{4, 0}};
  Options options;
  options.instruction_limit = UINT64_MAX;
  options.timeout = std::chrono::milliseconds(20);
  auto method = load(std::move(program), options);
  ASSERT_TRUE(method) << method.error().message;
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  ASSERT_TRUE((*method)->set_input(0, x));
  ASSERT_TRUE((*method)->set_input(1, x));
  const Status status = (*method)->execute();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kResourceLimit);
  EXPECT_NE(status.error().message.find("stopped after 20 ms"), std::string::npos)
      << status.error().message;
}

}  // namespace
}  // namespace pte::runtime
