#include <gtest/gtest.h>

#include <limits>

#include "ir/builder.h"
#include "ir/graph.h"
#include "ir/symint.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::ir {
namespace {

SymInt parsed(std::string_view text) {
  const auto value = SymInt::parse(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value.value_or(SymInt(-1));
}

TEST(SymInt, KeepsOneCanonicalForm) {
  const SymInt s = SymInt::symbol("s0");
  EXPECT_EQ((s + 1) * 2, s * 2 + 2);
  EXPECT_EQ(s - s, SymInt(0));
  EXPECT_TRUE((s - s).is_constant(0));
  EXPECT_EQ(SymInt::floordiv(s * 4 + 6, 2), s * 2 + 3);
  EXPECT_EQ(SymInt::floordiv(SymInt(-3), 2), SymInt(-2));
  EXPECT_EQ(SymInt::mod(s * 4 + 5, 4), SymInt(1));
  EXPECT_EQ(SymInt::mod(SymInt(-3), 2), SymInt(1));
  EXPECT_FALSE(SymInt::floordiv(s, 2) == SymInt::floordiv(s + 1, 2));
  EXPECT_EQ(SymInt::floordiv(s - 2, 2) + 1, SymInt::floordiv(s, 2));
  EXPECT_EQ(SymInt::floordiv(s * 3, 2), s + SymInt::floordiv(s, 2));
  EXPECT_EQ(SymInt::floordiv(s * 2 + 1, 4), SymInt::floordiv(s, 2));
  EXPECT_EQ(SymInt::floordiv(SymInt::floordiv(s - 1, 2), 2) + 1, SymInt::floordiv(s + 3, 4));
  EXPECT_EQ(SymInt::floordiv(s * 6, s * 2), SymInt(3));
  EXPECT_EQ(SymInt::floordiv(std::numeric_limits<int64_t>::min(), 3), SymInt(-3074457345618258603));
  EXPECT_EQ(SymInt::mod(s * 5 - 1, 2), SymInt::mod(s + 1, 2));
  EXPECT_EQ(SymInt::mod(-3, -2), SymInt(-1));
  EXPECT_EQ(SymInt::mod(3, -2), SymInt(-1));
}

TEST(SymInt, DoesNotGrowWithoutEnd) {
  SymInt product = 1, square = SymInt::symbol("s0") + 1, nested = square;
  for (int i = 0; i < 100; ++i) {
    product =
        product * (SymInt::symbol(fmt::format("a{}", i)) + SymInt::symbol(fmt::format("b{}", i)));
    square = square * square;
    nested = SymInt::floordiv(nested * 3 + SymInt::symbol("s1"), nested + SymInt::symbol("s0"));
  }
  for (const SymInt& huge : {product, square, nested}) {
    EXPECT_EQ(huge.to_string(), "too_complex");
    EXPECT_FALSE(huge == huge);
    EXPECT_EQ((huge + 1).to_string(), "too_complex");
    EXPECT_EQ(huge.evaluate({{"s0", 1}}), std::nullopt);
  }
}

TEST(SymInt, PrintsAndReadsBack) {
  for (const char* text : {"0", "-7", "s0", "2*s0+1", "-s0", "s0*s1", "floordiv(s0-1,2)+1",
                           "mod(s0,3)", "max(s0,1)", "-2*s0*s1+s1-4"}) {
    EXPECT_EQ(parsed(parsed(text).to_string()), parsed(text)) << text;
  }
  EXPECT_EQ(parsed("(s0+1)*2").to_string(), "2*s0+2");
  for (const char* text : {"", "s0+", "f(1,2)", "99999999999999999999", "((((", "s0 s1"}) {
    EXPECT_FALSE(SymInt::parse(text).has_value()) << text;
  }
}

TEST(SymInt, EvaluatesAndBounds) {
  const SymInt e = parsed("floordiv(s0-5,2)+1");
  EXPECT_EQ(e.evaluate({{"s0", 224}}), 110);
  EXPECT_EQ(e.evaluate({}), std::nullopt);
  EXPECT_EQ(parsed("floordiv(4,s0)").evaluate({{"s0", 0}}), std::nullopt);
  const Ranges ranges{{"s0", {1, 8}}, {"s1", {2, std::nullopt}}};
  EXPECT_EQ(parsed("3*s0+1").upper_bound(ranges), 25);
  EXPECT_EQ(parsed("10-s0").upper_bound(ranges), 9);
  EXPECT_EQ(parsed("10-s0").lower_bound(ranges), 2);
  EXPECT_EQ(parsed("s0*s1").upper_bound(ranges), std::nullopt);
  EXPECT_EQ(parsed("min(s1,7)").upper_bound(ranges), 7);
  EXPECT_EQ(parsed("mod(s1,7)").upper_bound(ranges), 6);
}

constexpr std::string_view kText = R"(module "m" {
  sym s0 in [1, 8]
  sym s1 in [2, inf]
  const @fc.bias: float32[2] buffer = elided
  const @fc.weight: float32[2,3] parameter = dense [0.5, -1, 0, 1e-05, 2, 3]
  func forward(%x: float32[s0,3], %flag: bool[1]) {
    %w = const @fc.weight
    %b = const @fc.bias
    %linear: float32[s0,2] = aten.linear.default(%x, %w, %b) loc "model.py:41"
    %size: int(s0) = aten.sym_size.int(%x, 0)
    %view: float32[1,2*s0] = aten.view_copy.default(%linear, [1, -1])
    %full: float32[s0,2] = aten.full.default([%size, 2], 1.5, float32, strided, device "cpu", false)
    (%a: float32[1,2*s0], %i: float32[1,2*s0]) = higher_order.cond.default(%size, func yes(%p: float32[1,2*s0]) {
      return %p, %p
    }, func no(%p: float32[1,2*s0]) {
      %r: float32[1,2*s0] = aten.relu.default(%p)
      return %r, %p
    }, [%view])
    return %a, %i, none, mutate_input %x %x
  }
}
)";

TEST(Text, PrintsWhatItRead) {
  const auto module = parse_module(kText);
  ASSERT_TRUE(module.has_value()) << module.error().message;
  EXPECT_EQ(print(*module), kText);
  EXPECT_EQ(print(module->clone()), kText);
}

TEST(Text, SaysWhereItStopped) {
  const auto error = [](std::string_view text) { return parse_module(text).error().message; };
  EXPECT_EQ(error("modul"), "line 1, column 1: expected 'module'");
  EXPECT_NE(error("module \"m\" {\n  func f(%x: float33[1]) {").find("line 2, column 21"),
            std::string::npos);
  EXPECT_NE(error("module \"m\" {\n func f() {\n return %y }").find("'y' is not"),
            std::string::npos);
  EXPECT_NE(error("module \"m\" { func f(%x: float32[2]) { %y: float32[3] = "
                  "aten.relu.default(%x)\n return %y } }")
                .find("inference gives float32[2]"),
            std::string::npos);
}

TEST(Graph, ReplacesAndErases) {
  auto module = parse_module(R"(module "m" {
  func forward(%x: float32[2]) {
    %a: float32[2] = aten.relu.default(%x)
    %b: float32[2] = aten.add.Tensor(%a, %a, 1)
    return %b, %a
  }
})");
  ASSERT_TRUE(module.has_value()) << module.error().message;
  Graph& graph = module->forward();
  Value* a = graph.find("a");
  EXPECT_EQ(a->users().size(), 2U);
  graph.replace_uses(a, graph.find("x"));
  EXPECT_TRUE(a->users().empty());
  EXPECT_EQ(graph.find("x")->users().size(), 3U);
  graph.erase(a->producer());
  ASSERT_TRUE(verify(*module)) << verify(*module).error().message;
  graph.rename(graph.find("b"), "sum");
  EXPECT_EQ(graph.find("b"), nullptr);
  EXPECT_EQ(print(*graph.find("sum")->producer()), "%sum: float32[2] = aten.add.Tensor(%x, %x, 1)");
  EXPECT_EQ(graph.outputs()[1].value, graph.find("x"));
}

TEST(Builder, FillsDefaultsAndChecksKinds) {
  Module module;
  Graph& graph = *module.methods["forward"].graph;
  Value* x = graph.add_input("x", TensorType::of(DType::kFloat32, {2, 3}));
  Builder builder(module, graph);
  const auto sum = builder.call(Op::aten_add_Tensor, {x, x});
  ASSERT_TRUE(sum.has_value()) << sum.error().message;
  EXPECT_EQ((*sum)->producer()->arg("alpha").integer(), 1);
  EXPECT_EQ(builder.call(Op::aten_add_Tensor, {x}).error().message,
            "aten::add.Tensor: argument 'other' is missing");
  EXPECT_EQ(builder.call(Op::aten_relu, {2}).error().message,
            "aten::relu: argument 'self' must be a tensor");
  EXPECT_FALSE(builder.call(Op::aten_relu, {x, x}).has_value());
}

TEST(Verify, FindsBrokenGraphs) {
  Module module;
  Graph& graph = *module.methods["forward"].graph;
  Value* x = graph.add_input("x", TensorType::of(DType::kFloat32, {2}));
  Builder builder(module, graph);
  const auto first = builder.call(Op::aten_relu, {x});
  const auto second = builder.call(Op::aten_neg, {*first});
  ASSERT_TRUE(second.has_value());
  graph.add_output(*second);
  EXPECT_TRUE(verify(module));
  graph.move_before((*second)->producer(), (*first)->producer());
  EXPECT_NE(verify(module).error().message.find("before its definition"), std::string::npos);
}

}  // namespace
}  // namespace pte::ir
