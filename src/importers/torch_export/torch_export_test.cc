#include "importers/torch_export/torch_export.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "importers/torch_export/expression.h"
#include "importers/torch_export/meta.h"
#include "importers/torch_export/testing_zip.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::importers {
namespace {

std::string golden(std::string_view name) {
  return fmt::format("{}/tests/golden/pt2/{}", PTE_SOURCE_DIR, name);
}

std::string error_of(const MappedFile& file, const Pt2Options& options = {}) {
  const auto module = import_pt2(file, options);
  return module ? "no error" : module.error().message;
}

// ---- files that PyTorch wrote, against the IR text beside them

class Goldens : public ::testing::TestWithParam<const char*> {};

// PTE_UPDATE_GOLDENS=1 writes the text anew; read the difference before committing it.
TEST_P(Goldens, BecomeTheTextBesideThem) {
  const std::string name = GetParam();
  const auto module = import_pt2(golden(name + ".pt2"));
  ASSERT_TRUE(module) << module.error().message;
  const std::string text = ir::print(*module);
  const std::string path = golden(name + ".ir");
  if (std::getenv("PTE_UPDATE_GOLDENS") != nullptr) {
    ASSERT_TRUE(write_file(path, text));
  }
  const auto expected = MappedFile::open(path);
  ASSERT_TRUE(expected) << expected.error().message;
  EXPECT_EQ(text, as_text(expected->bytes()));
  const auto again = ir::parse_module(text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(ir::print(*again), text);
}

INSTANTIATE_TEST_SUITE_P(TorchExport, Goldens,
                         ::testing::Values("linear_relu", "conv_bn_relu", "conv_bn_relu_aten",
                                           "dynamic_batch", "dynamic_batch_aten", "dynamic_picture",
                                           "counter", "counter_aten", "writes_views", "branches",
                                           "loops", "shared_weights", "list_outputs",
                                           "keyword_arguments", "literals", "data_dependent",
                                           "quantized_blocks", "quantized_static"),
                         [](const auto& test) { return std::string(test.param); });

TEST(TorchExport, TheOldArchiveGivesTheSameModule) {
  const auto now = import_pt2(golden("linear_relu.pt2"));
  const auto old = import_pt2(golden("linear_relu_old.pt2"));
  ASSERT_TRUE(now);
  ASSERT_TRUE(old) << old.error().message;
  EXPECT_EQ(ir::print(*now), ir::print(*old));
}

TEST(TorchExport, WeightsAreViewsOfTheFile) {
  const auto file = MappedFile::open(golden("shared_weights.pt2"));
  ASSERT_TRUE(file);
  const auto module = import_pt2(*file);
  ASSERT_TRUE(module);
  const auto in_file = [&](const char* key) {
    const std::byte* data = module->constants.at(key).data.data();
    return data >= file->bytes().data() && data < file->bytes().data() + file->bytes().size();
  };
  EXPECT_TRUE(in_file("a.weight"));
  EXPECT_TRUE(in_file("conv.weight"));
  EXPECT_EQ(module->constants.at("conv.weight").data.dim_order(), (DimOrder{0, 2, 3, 1}));
  EXPECT_FALSE(in_file("slice"));                        // a slice has gaps, so it is copied
  EXPECT_FALSE(module->constants.contains("b.weight"));  // tied to a.weight
}

TEST(TorchExport, KeepsTheTreesOfInputsAndOutputs) {
  const auto module = import_pt2(golden("list_outputs.pt2"));
  ASSERT_TRUE(module);
  const ir::Method& method = module->methods.at("forward");
  EXPECT_NE(method.input_tree.find("builtins.tuple"), std::string::npos);
  EXPECT_NE(method.output_tree.find("builtins.dict"), std::string::npos);
}

TEST(TorchExport, ReportsEveryUnsupportedOperatorAtOnce) {
  const auto module = import_pt2(golden("unsupported.pt2"));
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code, Code::kUnsupported);
  const std::string& message = module.error().message;
  EXPECT_NE(message.find("unsupported.pt2: 2 operators are not supported\n"), std::string::npos)
      << message;
  EXPECT_NE(message.find("\n  aten.fft_rfft.default  2×  make_goldens.py:"), std::string::npos)
      << message;
  EXPECT_NE(message.find("complex numbers"), std::string::npos);
  EXPECT_NE(message.find("\n  mylib.rotate.default   1×  make_goldens.py:"), std::string::npos);
}

TEST(TorchExport, RefusesTrainingMode) {
  const auto module = import_pt2(golden("train_mode.pt2"));
  ASSERT_FALSE(module);
  EXPECT_NE(module.error().message.find("aten.batch_norm.default  1×"), std::string::npos);
  EXPECT_NE(module.error().message.find("call model.eval()"), std::string::npos);
}

TEST(TorchExport, NamesOtherFormats) {
  const auto text = as_bytes("\x89PNG\r\n\x1a\n and so on");
  EXPECT_NE(error_of(MappedFile::from_bytes({text.begin(), text.end()}, "a.pt2"))
                .find("a.pt2: not a .pt2 file"),
            std::string::npos);
  EXPECT_FALSE(import_pt2(golden("nothing.pt2")));
  EXPECT_NE(error_of(stored_zip({{"a/b", "c"}})).find("models/*.json"), std::string::npos);
}

TEST(TorchExport, ChoosesAmongSeveralPrograms) {
  const auto file = stored_zip({{"t/models/a.json", "{}"}, {"t/models/b.json", "{}"}});
  EXPECT_NE(error_of(file).find("choose one of: a, b"), std::string::npos);
  Pt2Options options;
  options.program = "c";
  EXPECT_NE(error_of(file, options).find("no program 'c'"), std::string::npos);
  options.program = "b";
  EXPECT_NE(error_of(file, options).find("'graph_module' is missing"), std::string::npos);
}

// ---- hand-made programs

// A program of one float32[2,3] input `x` with these nodes and outputs; `%y` etc. are declared.
std::string program(std::string_view nodes,
                    std::string_view output = R"({"as_tensor": {"name": "y"}})",
                    std::string_view extra = "") {
  return fmt::format(R"({{"schema_version": {{"major": 8, "minor": 8}}, {}
    "graph_module": {{"graph": {{"inputs": [{{"as_tensor": {{"name": "x"}}}}], "outputs": [{}], "nodes": [{}],
      "tensor_values": {{"x": {{"dtype": 7, "sizes": [{{"as_int": 2}}, {{"as_int": 3}}],
        "strides": [{{"as_int": 3}}, {{"as_int": 1}}], "layout": 7}}}}, "sym_int_values": {{}}}},
     "signature": {{"input_specs": [{{"user_input": {{"arg": {{"as_tensor": {{"name": "x"}}}}}}}}],
      "output_specs": [{{"user_output": {{"arg": {}}}}}]}}}}}})",
                     extra, output, nodes, output);
}

std::string node(std::string_view target, std::string_view inputs, std::string_view result) {
  return fmt::format(
      R"({{"target": "torch.ops.aten.{}", "inputs": [{}], "outputs": [{{"as_tensor": {{"name": "{}"}}}}],
    "name": "{}"}})",
      target, inputs, result, result);
}

std::string self(std::string_view name) {
  return fmt::format(R"({{"name": "self", "arg": {{"as_tensor": {{"name": "{}"}}}}, "kind": 1}})",
                     name);
}

std::string arg(std::string_view name, std::string_view value) {
  return fmt::format(R"(, {{"name": "{}", "arg": {}, "kind": 1}})", name, value);
}

std::string body_of(std::string_view json) {
  const auto module = import_pt2(program_zip(json));
  if (!module) return "error: " + module.error().message;
  std::string text = ir::print(*module);
  const size_t begin = text.find("{\n", text.find("func")) + 2;
  return text.substr(begin, text.rfind("  }") - begin);
}

TEST(HandMade, ReadsOldAndSparseProgramsWithDefaults) {
  EXPECT_EQ(body_of(program(node("relu.default", self("x"), "y"))),
            "    %y: float32[2,3] = aten.relu.default(%x)\n    return %y\n");
  EXPECT_EQ(
      body_of(program(node("add.Tensor", self("x") + arg("other", R"({"as_float": 2.0})"), "y"))),
      "    %y: float32[2,3] = aten.add.Scalar(%x, 2.0, 1)\n    return %y\n");
  EXPECT_EQ(body_of(program(
                node("clamp.default", self("x") + arg("max", R"({"as_float": "Infinity"})"), "y"))),
            "    %y: float32[2,3] = aten.clamp.default(%x, none, inf)\n    return %y\n");
}

TEST(HandMade, InPlaceCallsBecomeValues) {
  // Writing the input itself is a mutation of it, and its later readers see the new value.
  EXPECT_EQ(body_of(program(node("relu_.default", self("x"), "r") + "," +
                            node("exp.default", self("x"), "y"))),
            "    %r: float32[2,3] = aten.relu.default(%x)\n"
            "    %y: float32[2,3] = aten.exp.default(%r)\n"
            "    return mutate_input %x %r, %y\n");
  // A write through a transposed view reaches the base, and a stale view is made anew.
  EXPECT_EQ(
      body_of(program(
          node("exp.default", self("x"), "e") + "," + node("t.default", self("e"), "t") + "," +
          node("relu_.default", self("e"), "r") + "," + node("neg.default", self("t"), "y"))),
      "    %e: float32[2,3] = aten.exp.default(%x)\n"
      "    %r: float32[2,3] = aten.relu.default(%e)\n"
      "    %t_1: float32[3,2] = aten.t.default(%r)\n"
      "    %y: float32[3,2] = aten.neg.default(%t_1)\n"
      "    return %y\n");
  EXPECT_EQ(
      body_of(program(node("exp.default", self("x"), "e") + "," +
                      node("fill_.Scalar", self("e") + arg("value", R"({"as_int": 3})"), "y"))),
      "    %e: float32[2,3] = aten.exp.default(%x)\n"
      "    %fill: float32[2,3] = aten.full.default([2, 3], 3, float32, none, none, none)\n"
      "    return %fill\n");
}

// What the file says of a call of somebody else's operator is all there is to know.
TEST(HandMade, OperatorsOfOthersStayWhereAllowed) {
  std::string json =
      program(node("turn.default", self("x") + arg("times", R"({"as_int": 2})"), "y"));
  json.replace(json.find("torch.ops.aten.turn"), 19, "torch.ops.mylib.turn");
  // The result's type, which no inference knows.
  const std::string values = R"("tensor_values": {)";
  json.insert(json.find(values) + values.size(),
              R"("y": {"dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 3}],
                 "strides": [{"as_int": 3}, {"as_int": 1}], "layout": 7}, )");
  const auto refused = import_pt2(program_zip(json));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("--allow-custom mylib::turn"), std::string::npos)
      << refused.error().message;

  Pt2Options options;
  options.allow_custom = {"mylib::turn"};
  const auto module = import_pt2(program_zip(json), options);
  ASSERT_TRUE(module) << module.error().message;
  const ir::Graph& graph = *module->methods.at("forward").graph;
  ASSERT_EQ(graph.node_count(), 1U);
  const ir::Node& call = *graph.front();
  EXPECT_EQ(call.op().out_name, "mylib::turn.out");
  EXPECT_EQ(call.op().args[1].kind, ArgKind::kInt);
  EXPECT_EQ(call.arg(1).integer(), 2);
  EXPECT_EQ(ir::to_string(call.result()->type()), "float32[2,3]");

  // A schema knows what the file leaves out.
  options.allow_custom = {"mylib::turn(Tensor self, int times=1, *, float scale=0.5) -> Tensor"};
  const auto longer = import_pt2(program_zip(json), options);
  ASSERT_TRUE(longer) << longer.error().message;
  EXPECT_EQ(longer->methods.at("forward").graph->front()->arg(2).number(), 0.5);
  // One that does not fit the call is an error, not a guess.
  options.allow_custom = {"mylib::turn(Tensor self) -> Tensor"};
  EXPECT_FALSE(import_pt2(program_zip(json), options));
  options.allow_custom = {"mylib::turn(Tensor self, int times) -> (Tensor, Tensor)"};
  EXPECT_FALSE(import_pt2(program_zip(json), options));
}

TEST(HandMade, RefusesWritesItCannotFollow) {
  // An expanded tensor has many elements for one place.
  const std::string expanded =
      node("exp.default", self("x"), "e") + "," +
      node("expand.default", self("e") + arg("size", R"({"as_ints": [4, 2, 3]})"), "b") + "," +
      node("relu_.default", self("b"), "y");
  EXPECT_NE(
      body_of(program(expanded)).find("node 'y': it writes through a view by aten.expand.default"),
      std::string::npos)
      << body_of(program(expanded));
  // e's layout is not in the file, so flatten may or may not share its memory.
  const std::string maybe = node("exp.default", self("x"), "e") + "," +
                            node("flatten.using_ints", self("e"), "f") + "," +
                            node("relu_.default", self("f"), "y");
  EXPECT_NE(body_of(program(maybe)).find("may share its memory"), std::string::npos);
}

TEST(HandMade, ErrorsSayWhere) {
  const auto fails = [](const std::string& json, std::string_view message) {
    const std::string text = error_of(program_zip(json));
    EXPECT_NE(text.find(message), std::string::npos) << text;
    EXPECT_TRUE(text.starts_with("made.pt2: ")) << text;
  };
  fails("", "not valid JSON");
  fails("[]", "expected an object, found array");
  fails(std::string(1000, '['), "nested deeper than 256 levels");
  fails(program(node("relu.default", self("z"), "y")),
        "node 'y': graph_module.graph.nodes[0].inputs[0].arg: 'z' is not defined");
  fails(program(node("relu.default", "", "y")), "lacks its argument 'self'");
  fails(program(node("relu.default", self("x") + arg("slope", R"({"as_int": 1})"), "y")),
        "has no argument 'slope'");
  fails(program(node("relu.default", R"({"name": "self", "arg": {"as_int": 1}})", "y")),
        "argument 'self' must be a tensor");
  fails(program(node("softmax.int", self("x") + arg("dim", R"({"as_int": 7})"), "y")),
        "dimension 7 is out of range");
  fails(program(node("relu.default", self("x"), "y"), R"({"as_tensor": {"name": "w"}})"),
        "'w' is not defined");
  fails(program(node("relu.default",
                     R"({"name": "self", "arg": {"as_complex": {"real": 0, "imag": 1}}})", "y")),
        "complex");
  fails(program(node("relu.default", R"({"name": "self", "arg": 3})", "y")),
        "nodes[0].inputs[0].arg: expected an object, found number");
  fails(program("", R"({"as_tensors": []})"), "a list as an output");
  std::string major = program(node("relu.default", self("x"), "y"));
  major.replace(major.find("\"major\": 8"), 10, "\"major\": 9");
  fails(major, "schema version 9");
}

TEST(HandMade, ContradictionsAreErrors) {
  std::string json = program(node("relu.default", self("x"), "y"));
  const std::string meta = R"("y": {"dtype": 6, "sizes": [{"as_int": 2}, {"as_int": 3}]}, )";
  json.insert(json.find("\"x\": {\"dtype\""), meta);
  const auto module = import_pt2(program_zip(json));
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error().code, Code::kMismatch);
  EXPECT_NE(
      module.error().message.find("'y' is float16[2,3], from the operands it is float32[2,3]"),
      std::string::npos)
      << module.error().message;
}

// ---- expressions and places

TEST(Expressions, ReadBothNotations) {
  const auto read = [](std::string_view text) {
    const auto size = parse_expression(text);
    return size ? size->to_string() : "error: " + size.error().message;
  };
  EXPECT_EQ(read("Symbol('s10', positive=True, integer=True)"), "s10");
  EXPECT_EQ(read("Mul(Integer(2), Symbol('s0', integer=True))"), "2*s0");
  EXPECT_EQ(read("Add(Symbol('s0'), Integer(-1))"), "s0-1");
  EXPECT_EQ(read("FloorDiv(Add(Symbol('s0'), Integer(-1)), Integer(2))"), "floordiv(s0+1,2)-1");
  EXPECT_EQ(read("Mul(Rational(1, 2), Symbol('s0'))"), "floordiv(s0,2)");
  EXPECT_EQ(read("TruncToInt(IntTrueDiv(Symbol('s0'), Integer(3)))"), "floordiv(s0,3)");
  EXPECT_EQ(read("CeilToInt(IntTrueDiv(Symbol('s0'), Integer(2)))"), "s0-floordiv(s0,2)");
  EXPECT_EQ(read("Max(Integer(1), Symbol('u0'))"), "max(u0,1)");
  EXPECT_EQ(read("PythonMod(Symbol('s0'), Integer(3))"), "mod(s0,3)");
  EXPECT_EQ(read("ModularIndexing(Symbol('s0'), Integer(2), Integer(4))"), "mod(floordiv(s0,2),4)");
  EXPECT_EQ(read("Pow(Symbol('s0'), Integer(2))"), "s0*s0");
  EXPECT_EQ(read("s0**2 - 3"), "s0*s0-3");
  EXPECT_EQ(read("((s0 - 1)//2) + 1"), "floordiv(s0+1,2)");
  EXPECT_EQ(read("-7"), "-7");
  EXPECT_EQ(read("torch.sym_max(s0, 3)").find("error"), 0U);
  EXPECT_EQ(read("Where(1, 2)").find("error"), 0U);
  EXPECT_EQ(read("Symbol('s0"),
            "error: size expression 'Symbol('s0': expected a closing quote at column 11");
  EXPECT_EQ(read("").find("error"), 0U);
  EXPECT_EQ(read(std::string(200, '(')).find("error"), 0U);
  EXPECT_EQ(read(std::string(10000, '1')).find("error"), 0U);
  std::string product = "(a0+b0)";
  for (int i = 1; i < 60; ++i) product += fmt::format("*(a{}+b{})", i, i);
  EXPECT_EQ(read(product).find("error"), 0U);  // 60 products; fewer that grow become too_complex
}

TEST(Locations, AreTheInnermostFrameOfTheUser) {
  EXPECT_EQ(location_of(
                "  File \"/home/me/model.py\", line 41, in forward\n    x\n"
                "  File \"/usr/lib/site-packages/torch/nn/modules/conv.py\", line 5, in forward\n"),
            "model.py:41");
  EXPECT_EQ(location_of("File \"<eval_with_key>.3\", line 5, in forward"), "");
  EXPECT_EQ(location_of("File \"a.py\", line"), "");
  EXPECT_EQ(location_of("nothing"), "");
}

// ---- damage

std::vector<std::byte> bytes_of(std::string_view name) {
  const auto file = MappedFile::open(golden(name));
  return file ? std::vector<std::byte>(file->bytes().begin(), file->bytes().end())
              : std::vector<std::byte>();
}

TEST(Damage, TruncatedFilesAreErrors) {
  const auto whole = bytes_of("conv_bn_relu.pt2");
  ASSERT_FALSE(whole.empty());
  for (size_t size = 0; size < whole.size(); size += 61) {
    EXPECT_FALSE(import_pt2(MappedFile::from_bytes(
        {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)})));
  }
}

// Anything may come out of a damaged file but a crash or a module that does not verify.
TEST(Damage, ChangedBytesNeverCrash) {
  for (const char* name :
       {"linear_relu.pt2", "writes_views.pt2", "branches.pt2", "dynamic_batch.pt2"}) {
    const auto whole = bytes_of(name);
    ASSERT_FALSE(whole.empty());
    size_t accepted = 0;
    for (size_t i = 0; i < whole.size(); i += 3) {
      auto damaged = whole;
      constexpr char kReplacements[] = {'0', '9', '-', '"', '{', ']', '\0', 'z'};
      damaged[i] = static_cast<std::byte>(kReplacements[i / 3 % sizeof(kReplacements)]);
      const auto module = import_pt2(MappedFile::from_bytes(std::move(damaged)));
      if (!module) continue;
      ++accepted;
      EXPECT_TRUE(ir::verify(*module));
    }
    EXPECT_GT(accepted, 0U);  // most bytes are weights, sample inputs and metadata
  }
}

}  // namespace
}  // namespace pte::importers
