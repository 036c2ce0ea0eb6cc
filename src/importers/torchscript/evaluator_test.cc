#include "importers/torchscript/evaluator.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"

namespace pte::importers::script {
namespace {

// A class M with the given forward, called with x float32[2,3] and further arguments.
struct Outcome {
  ir::Module module;
  Result<Value> result;
  std::string report;

  std::string text() const { return ir::print(module); }
  std::string python() const {
    if (!report.empty()) return report;
    return result ? python_text(*result, true) : result.error().message;
  }
};

Outcome run(const std::string& body, Values more = {}, Limits limits = {}) {
  Outcome out;
  std::string code =
      "class M(Module):\n  k : Final[int] = 4\n  def forward(self: __torch__.M, x: "
      "Tensor, n: int=3, m: Optional[int]=None) -> Tensor:\n";
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find('\n', at);
    code += "    " + body.substr(at, end - at) + "\n";
    at = end == std::string::npos ? body.size() : end + 1;
  }
  Library library(nullptr);
  const Status added = library.add("__torch__", code);
  if (!added) {
    out.result = added.error();
    return out;
  }
  ir::Graph& graph = *out.module.methods["forward"].graph;
  Evaluator evaluator(out.module, graph, library, limits);
  auto self = std::make_shared<Object>();
  self->class_name = "__torch__.M";
  self->def = *library.find_class("__torch__.M");
  self->set("flag", Value(true));
  std::vector<Argument> args{
      {"", Value(evaluator.add_input("x", ir::TensorType::of(DType::kFloat32, {2, 3})))}};
  for (Value& value : more) args.push_back({"", std::move(value)});
  out.result = evaluator.call_method(self, "forward", std::move(args));
  if (!evaluator.report().empty()) out.report = evaluator.report().error().message;
  if (out.result && out.result->tensor()) {
    const auto value = evaluator.value_of(out.result->tensor());
    EXPECT_TRUE(value);
    if (value) graph.add_output(*value);
    EXPECT_TRUE(ir::verify(out.module));
    EXPECT_TRUE(ir::parse_module(out.text())) << out.text();
  }
  return out;
}

size_t count(const std::string& text, std::string_view word) {
  size_t found = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST(TorchScriptEvaluator, ComputesWhatIsKnown) {
  EXPECT_EQ(run("return torch.add(torch.mul(n, 5), self.k)").python(), "19");
  EXPECT_EQ(run("return torch.floordiv(-7, 2)").python(), "-4");
  EXPECT_EQ(run("return torch.remainder(-7, 2)").python(), "1");
  EXPECT_EQ(run("return torch.div(7, 2)").python(), "3.5");
  EXPECT_EQ(run("return torch.pow(2, 10)").python(), "1024");
  EXPECT_EQ(run("return torch.__not__(torch.lt(n, 2))").python(), "True");
  EXPECT_EQ(run("return (torch.size(x), torch.size(x, -1), torch.dim(x), torch.len(x))").python(),
            "([2, 3], 3, 2, 2)");
  EXPECT_EQ(run("return ops.prim.max([1, 9, 4])").python(), "9");
  EXPECT_EQ(run("return torch.format(\"{} of {}\", n, [1.5, \"a\"])").python(),
            "'3 of [1.5, 'a']'");
  EXPECT_EQ(run("return int(torch.mul(ops.prim.NumToTensor(torch.size(x, 1)), "
                "ops.prim.NumToTensor(4)))")
                .python(),
            "12");
}

TEST(TorchScriptEvaluator, ListsAndDictionariesAreShared) {
  EXPECT_EQ(run("a = [1, 2]\n"
                "b = a\n"
                "c = torch.append(a, 3)\n"
                "d = torch.list(a)\n"
                "torch.extend(d, [9])\n"
                "e = torch.pop(d, 0)\n"
                "return (b, d, e, a[-1], torch.slice(a, 1), torch.__contains__(a, 2))")
                .python(),
            "([1, 2, 3], [2, 3, 9], 1, 3, [2, 3], True)");
  EXPECT_EQ(run("return torch.broadcast_shapes([4, 1, 3], torch.size(x), 3)").python(),
            "[4, 2, 3]");
  EXPECT_EQ(run("return torch.broadcast_shapes([4, 3], torch.size(x))").python(),
            "sizes 4 and 2 do not broadcast");
  EXPECT_EQ(run("d = {\"b\": 1}\n"
                "torch._set_item(d, \"a\", 2)\n"
                "torch._set_item(d, \"b\", 3)\n"
                "return (torch.keys(d), torch.items(d), d[\"a\"], torch.get(d, \"z\"))")
                .python(),
            "(['b', 'a'], [('b', 3), ('a', 2)], 2, None)");
}

TEST(TorchScriptEvaluator, ShiftsInPlace) {
  const Outcome shifted = run("y = torch.to(x, 4)\nz = ops.aten.__ilshift__(y, 1)\nreturn z");
  EXPECT_EQ(count(shifted.text(), "aten.bitwise_left_shift.Tensor_Scalar(%to, 1)"), 1u)
      << shifted.python() << shifted.text();
}

TEST(TorchScriptEvaluator, UnrollsLoopsAndTakesKnownBranches) {
  const Outcome loop =
      run("y = x\n"
          "for _0 in range(torch.__range_length(1, 10, 4)):\n"
          "  i = torch.__derive_index(_0, 1, 4)\n"
          "  if torch.gt(i, 4):\n"
          "    y = torch.add(y, i)\n"
          "  else:\n"
          "    y = torch.mul(y, i)\n"
          "return y");
  EXPECT_EQ(count(loop.text(), "aten.add.Scalar"), 2U) << loop.text();
  EXPECT_EQ(count(loop.text(), "aten.mul.Scalar"), 1U) << loop.text();
  EXPECT_EQ(run("i = 0\n"
                "_0 = True\n"
                "while _0:\n"
                "  i = torch.add(i, 2)\n"
                "  _0 = torch.lt(i, 7)\n"
                "return i")
                .python(),
            "8");
}

TEST(TorchScriptEvaluator, BranchesOnTheInputBecomeCond) {
  const Outcome both =
      run("if bool(torch.gt(torch.sum(x), 1)):\n"
          "  y, k = torch.add(x, 1), 2\n"
          "else:\n"
          "  y, k = torch.mul(x, 2), 3\n"
          "return torch.mul(y, k)");
  EXPECT_EQ(count(both.text(), "higher_order.cond"), 1U) << both.text();
  // An arm that raises is a check: the other is taken.
  const Outcome raises =
      run("if bool(torch.gt(torch.sum(x), 1)):\n"
          "  ops.prim.RaiseException(\"too much\", \"builtins.ValueError\")\n"
          "else:\n"
          "  pass\n"
          "return torch.relu(x)");
  EXPECT_EQ(count(raises.text(), "higher_order.cond"), 0U) << raises.text();
  EXPECT_EQ(count(raises.text(), "aten.relu"), 1U);
  // Arms of different sizes fail when the value is read, not before.
  const Outcome sizes =
      run("if bool(torch.gt(torch.sum(x), 1)):\n"
          "  y = torch.cat([x, x])\n"
          "else:\n"
          "  y = x\n"
          "z = y\n"
          "return torch.relu(z)");
  EXPECT_NE(sizes.python().find("another type or size"), std::string::npos) << sizes.python();
}

TEST(TorchScriptEvaluator, LoopsOnTheInputBecomeWhileLoop) {
  const Outcome loop =
      run("i = 0\n"
          "y = x\n"
          "_0 = bool(torch.lt(torch.max(x), 10))\n"
          "while _0:\n"
          "  y = torch.mul(y, 2)\n"
          "  i = torch.add(i, 1)\n"
          "  _0 = bool(torch.lt(torch.max(y), 10))\n"
          "return torch.mul(y, i)");
  EXPECT_EQ(count(loop.text(), "higher_order.while_loop"), 1U) << loop.python() << loop.text();
}

TEST(TorchScriptEvaluator, WritesGoThroughViews) {
  const Outcome made =
      run("y = torch.clone(x)\n"
          "_0 = torch.add_(torch.select(y, 0, 1), 5)\n"
          "return torch.relu_(y)");
  EXPECT_EQ(count(made.text(), "relu_") + count(made.text(), "add_"), 0U) << made.text();
  EXPECT_EQ(count(made.text(), "aten.cat"), 1U) << made.text();
}

TEST(TorchScriptEvaluator, ReachedExceptionsNameTheirMessage) {
  EXPECT_EQ(run("if torch.ne(torch.dim(x), 3):\n"
                "  ops.prim.RaiseException(torch.format(\"got {}\", torch.dim(x)), "
                "\"builtins.ValueError\")\n"
                "else:\n"
                "  pass\n"
                "return x")
                .python(),
            "the model raises ValueError: got 2");
}

TEST(TorchScriptEvaluator, ReportsEveryUnknownOperatorAtOnce) {
  const std::string report = run("y = torch.frobnicate(x)\n"
                                 "z = ops.mylib.rotate(x, 3)\n"
                                 "w = torch.add(y, z)\n"
                                 "return torch.frobnicate(w)")
                                 .python();
  EXPECT_NE(report.find("2 operators are not supported"), std::string::npos) << report;
  EXPECT_NE(report.find("aten::frobnicate"), std::string::npos);
  EXPECT_NE(report.find("__torch__.py:4"), std::string::npos);
  EXPECT_NE(report.find("mylib::rotate"), std::string::npos);
}

TEST(TorchScriptEvaluator, NothingRunsAway) {
  const Limits limits{20'000, 500, 1 << 14, 16, 200, 4};
  const auto code = [&](const std::string& body) {
    const Outcome made = run(body, {}, limits);
    return made.result ? Code::kInternal : made.result.error().code;
  };
  EXPECT_EQ(code("while True:\n  pass\nreturn x"), Code::kResourceLimit);
  EXPECT_EQ(code("y = x\nfor i in range(1000000):\n  y = torch.relu(y)\nreturn y"),
            Code::kResourceLimit);
  EXPECT_EQ(code("return (self).forward(x, )"), Code::kResourceLimit);
  EXPECT_EQ(code("return torch.mul([1], 1000000000000)"), Code::kResourceLimit);
  EXPECT_EQ(code("l = [1]\nfor i in range(60):\n  l = torch.add(l, l)\nreturn l"),
            Code::kResourceLimit);
  EXPECT_EQ(code("return torch.mul(\"abc\", 900000)"), Code::kResourceLimit);
}

TEST(TorchScriptEvaluator, SaysWhatIsWrong) {
  EXPECT_EQ(run("return y").python(), "'y' is not defined before this");
  EXPECT_EQ(run("return self.missing").python(), "__torch__.M has no attribute 'missing'");
  EXPECT_EQ(run("return CONSTANTS.c3").python(),
            "'CONSTANTS.c3' is not among the archive's 0 constants");
  EXPECT_EQ(run("return torch.floordiv(1, 0)").python(), "an integer is divided by zero");
  EXPECT_EQ(run("l = [1, 2]\nreturn l[5]").python(), "index 5 of a list of 2");
  EXPECT_EQ(run("return __torch__.nowhere.f(x, )").python(),
            "the archive has no code of '__torch__.nowhere.f'");
}

}  // namespace
}  // namespace pte::importers::script
