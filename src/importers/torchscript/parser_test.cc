#include "importers/torchscript/parser.h"

#include <gtest/gtest.h>

#include "importers/torchscript/lexer.h"

namespace pte::importers::script {
namespace {

constexpr const char* kLinear = R"(class Linear(Module):
  __parameters__ = ["weight", "bias", ]
  __buffers__ = []
  weight : Tensor
  bias : Optional[Tensor]
  in_features : Final[int] = 4
  __annotations__["0"] = __torch__.a.___torch_mangle_1.B
  def forward(self: __torch__.Linear,
    input: Tensor,
    n: int=-3) -> Tuple[Tensor, int]:
    # a comment
    weight = self.weight
    mx, mi = torch.max(weight, 1)
    a, b, = (self).parts(input, )
    only, = [input]
    c, d = 1., "two\n\x41\102"
    if torch.gt(n, 0):
      pass
    else:
      ops.prim.RaiseException("bad", "builtins.ValueError")
    for _0 in range(torch.len([1, 2])):
      t : Optional[int] = (l[-1])[0:2]
    while _1:
      self.x = {"k": (a,), "e": ()}
    return (torch.linear(input, weight, None), n)
def free(x: Tensor) -> Tensor:
  return torch.relu(x, inplace=True)
)";

TEST(TorchScriptParser, ReadsClassesAndFunctions) {
  const auto source = parse_source(kLinear, "linear.py", "__torch__.nn");
  ASSERT_TRUE(source) << source.error().message;
  ASSERT_EQ(source->classes.size(), 1u);
  ASSERT_EQ(source->functions.size(), 1u);
  const ClassDef& linear = source->classes[0];
  EXPECT_EQ(linear.qualified, "__torch__.nn.Linear");
  EXPECT_EQ(linear.base, "Module");
  EXPECT_EQ(linear.parameters, (std::vector<std::string>{"weight", "bias"}));
  ASSERT_EQ(linear.attributes.size(), 4u);
  EXPECT_EQ(to_string(linear.attributes[1].type), "Optional[Tensor]");
  EXPECT_EQ(linear.attributes[2].value.integer, 4);
  EXPECT_EQ(linear.attributes[3].name, "0");
  EXPECT_EQ(dotted_name(linear.attributes[3].type), "__torch__.a.___torch_mangle_1.B");
  const Function* forward = linear.method("forward");
  ASSERT_NE(forward, nullptr);
  ASSERT_EQ(forward->parameters.size(), 3u);
  EXPECT_EQ(forward->parameters[2].default_value.integer, -3);
  const auto& body = forward->body;
  ASSERT_EQ(body.size(), 9u);
  EXPECT_TRUE(body[1].unpack);
  EXPECT_EQ(body[1].targets.size(), 2u);
  EXPECT_TRUE(body[3].unpack);
  EXPECT_EQ(body[3].targets.size(), 1u);
  EXPECT_FALSE(body[4].unpack);
  EXPECT_EQ(body[4].values[1].text, "two\nAB");
  EXPECT_EQ(body[5].kind, Stmt::Kind::kIf);
  EXPECT_EQ(body[5].otherwise.size(), 1u);
  EXPECT_EQ(body[6].body[0].values[0].items[1].kind, Expr::Kind::kSlice);
  EXPECT_EQ(body[8].kind, Stmt::Kind::kReturn);
  EXPECT_EQ(source->functions[0].body[0].values[0].keywords[1], "inplace");
}

TEST(TorchScriptParser, NumbersKeepTheirKindAndTheirDigits) {
  const auto tokens = tokenize("1 1. 9.9999999999999995e-08 2j 9223372036854775808");
  ASSERT_TRUE(tokens);
  EXPECT_EQ((*tokens)[0].kind, Token::Kind::kInt);
  EXPECT_EQ((*tokens)[1].kind, Token::Kind::kFloat);
  EXPECT_EQ((*tokens)[2].real, 9.9999999999999995e-08);
  EXPECT_EQ((*tokens)[3].kind, Token::Kind::kImaginary);
  EXPECT_EQ((*tokens)[4].integer, uint64_t{1} << 63);
  const auto source =
      parse_source("def f() -> int:\n  return -9223372036854775808\n", "f.py", "__torch__");
  ASSERT_TRUE(source);
  EXPECT_EQ(source->functions[0].body[0].values[0].integer, INT64_MIN);
}

TEST(TorchScriptParser, SaysWhereAndWhatItExpected) {
  const auto fails = [](std::string_view text) {
    const auto source = parse_source(text, "f.py", "__torch__");
    return source ? "no error" : source.error().message;
  };
  EXPECT_EQ(fails("def f(x: Tensor) -> Tensor:\n  return torch.relu(x\n"),
            "f.py: line 3: a bracket is never closed");
  EXPECT_EQ(fails("def f(x) -> Tensor:\n  a, b = 1, 2, 3\n"),
            "f.py:2: expected as many values as targets, found the end of the line");
  EXPECT_EQ(fails("def f(x) -> Tensor:\n      a = 1\n   b = 1\n"),
            "f.py: line 3: the indentation fits no block");
  EXPECT_EQ(fails("x = 1 @ 2\n"), "f.py: line 1: unexpected byte 0x40");
  EXPECT_EQ(fails("x = \"open\n"), "f.py: line 1: a string is never closed");
  EXPECT_EQ(fails("x = 99999999999999999999\n"),
            "f.py: line 1: an integer needs more than 64 bits");
}

TEST(TorchScriptParser, BoundsNesting) {
  std::string deep = "x = " + std::string(5000, '[') + std::string(5000, ']') + "\n";
  const auto lists = parse_source(deep, "f.py", "__torch__");
  ASSERT_FALSE(lists);
  EXPECT_EQ(lists.error().code, Code::kResourceLimit);
  std::string chain = "x = a";
  for (int i = 0; i < 5000; ++i) chain += ".b";
  EXPECT_FALSE(parse_source(chain + "\n", "f.py", "__torch__"));
  std::string blocks = "def f() -> int:\n";
  for (size_t i = 1; i < 400; ++i) blocks += std::string(i, ' ') + "if x:\n";
  EXPECT_FALSE(parse_source(blocks, "f.py", "__torch__"));
}

}  // namespace
}  // namespace pte::importers::script
