#include "importers/torchscript/torchscript.h"

#include <gtest/gtest.h>

#include "importers/torch_export/testing_zip.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::importers {
namespace {

Result<Imported> import(std::string_view name, const ImportOptions& options) {
  PTE_TRY(const MappedFile file,
          MappedFile::open(fmt::format("{}/tests/golden/torchscript/{}", PTE_SOURCE_DIR, name)));
  return import_graph(file, options);
}

// Without the places in the archive's code.
std::string plain_text(const ir::Module& module) {
  std::string text = ir::print(module);
  const std::string_view begin = " loc \"";
  for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
    text.erase(at, text.find('"', at + begin.size()) + 1 - at);
  }
  return text;
}

ImportOptions shaped(std::vector<Sizes> shapes) {
  ImportOptions options;
  options.input_shapes = std::move(shapes);
  return options;
}

std::string error_of(std::string_view name, const ImportOptions& options) {
  const auto made = import(name, options);
  if (made) return "no error";
  const std::string& text = made.error().message;
  return text.substr(text.rfind('/', text.find(": ")) + 1);
}

TEST(TorchScript, TracedScriptedFrozenAndMobileAreOneModel) {
  const ImportOptions options = shaped({{1, 3, 8, 8}});
  const auto scripted = import("scripted_convolution.pt", options);
  ASSERT_TRUE(scripted) << scripted.error().message;
  const auto mobile = import("mobile_convolution.ptl", options);
  ASSERT_TRUE(mobile) << mobile.error().message;
  EXPECT_EQ(scripted->format, "TorchScript module");
  EXPECT_EQ(mobile->format, "TorchScript mobile module");
  EXPECT_EQ(plain_text(scripted->module), plain_text(mobile->module));
  EXPECT_TRUE(scripted->module.constants.contains("conv.weight"));
  EXPECT_EQ(scripted->module.constants.at("conv.weight").kind, ir::Constant::Kind::kParameter);
  EXPECT_EQ(scripted->module.constants.at("norm.running_mean").kind, ir::Constant::Kind::kBuffer);
  for (const char* name : {"traced_convolution.pt", "frozen_convolution.pt"}) {
    const auto other = import(name, options);
    ASSERT_TRUE(other) << name << other.error().message;
    const auto& outputs = other->module.methods.at("forward").graph->outputs();
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(ir::to_string(outputs[0].value->type()), "float32[1,5]");
  }
}

TEST(TorchScript, WeightsAreViewsOfTheFile) {
  const auto file = MappedFile::open(
      fmt::format("{}/tests/golden/torchscript/scripted_convolution.pt", PTE_SOURCE_DIR));
  ASSERT_TRUE(file);
  const auto made = import_torchscript(*file, shaped({{1, 3, 8, 8}}));
  ASSERT_TRUE(made);
  const std::byte* data = made->module.constants.at("conv.weight").data.data();
  EXPECT_TRUE(data >= file->bytes().data() && data < file->bytes().data() + file->bytes().size());
}

TEST(TorchScript, SizesMayStayOpen) {
  ImportOptions options = shaped({{2, 4, 6}});
  options.dynamic.push_back({"x", 0, {1, 8}});
  const auto made = import("traced_sizes.pt", options);
  ASSERT_TRUE(made) << made.error().message;
  const ir::Graph& graph = *made->module.methods.at("forward").graph;
  EXPECT_EQ(ir::to_string(graph.inputs()[0]->type()), "float32[s0,4,6]");
  EXPECT_EQ(ir::to_string(graph.outputs()[0].value->type()), "float32[s0,12,2]");
}

TEST(TorchScript, BuffersThatAreWrittenComeBack) {
  const auto made = import("counter.pt", shaped({{2, 2}}));
  ASSERT_TRUE(made) << made.error().message;
  const auto& outputs = made->module.methods.at("forward").graph->outputs();
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].kind, ir::OutputKind::kBufferMutation);
  EXPECT_EQ(outputs[0].target, "count");
}

// The first call has no state; a state of zeros gives the same, so that one graph does.
TEST(TorchScript, StateThatTheFirstCallMakesIsABuffer) {
  for (const char* name : {"recurrent.pt", "mobile_recurrent.ptl"}) {
    const auto made = import(name, shaped({{2, 3}}));
    ASSERT_TRUE(made) << made.error().message;
    const auto& outputs = made->module.methods.at("forward").graph->outputs();
    ASSERT_EQ(outputs.size(), 2u);
    EXPECT_EQ(outputs[1].kind, ir::OutputKind::kBufferMutation);
    EXPECT_EQ(outputs[1].target, "state.kept");
    const ir::Constant& state = made->module.constants.at("state.kept");
    EXPECT_EQ(state.kind, ir::Constant::Kind::kBuffer);
    EXPECT_EQ(state.data.sizes(), (Sizes{2, 2, 2}));
    EXPECT_EQ(ir::print(made->module).find("higher_order.cond"), std::string::npos);
  }
}

TEST(TorchScript, AFirstCallUnlikeTheOthersIsABranch) {
  for (const char* name : {"changes.pt", "mobile_changes.ptl"}) {
    const auto made = import(name, shaped({{2, 3}}));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_NE(ir::print(made->module).find("higher_order.cond"), std::string::npos);
    const auto& constants = made->module.constants;
    EXPECT_EQ(*constants.at("first_call").data.data_as<bool>(), true);
    // A number that changes with every call begins as the archive has it.
    EXPECT_EQ(*constants.at("calls.kept").data.data_as<int64_t>(), 5);
  }
}

TEST(TorchScript, StateThatGrowsIsRefused) {
  EXPECT_EQ(error_of("grows.pt", shaped({{2, 3}})),
            "grows.pt: the attribute 'all' has no form that lasts: float32[0,3] at first, "
            "float32[4,3] comes after float32[2,3], and a program's buffers have one size");
}

TEST(TorchScript, SeveralMethodsShareTheirWeights) {
  for (const char* name : {"methods.pt", "mobile_methods.ptl"}) {
    ImportOptions options = shaped({{2, 3}, {2}, {4, 3}});
    options.program = "forward,both";
    const auto made = import(name, options);
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->module.methods.size(), 2u);
    EXPECT_EQ(made->module.constants.size(), 2u);
    const ir::Graph& both = *made->module.methods.at("both").graph;
    // By key, those that the method it calls reads included.
    ASSERT_EQ(both.inputs().size(), 2u);
    EXPECT_EQ(both.inputs()[0]->name(), "table_bias");
    EXPECT_EQ(both.inputs()[1]->name(), "table_rows");
    EXPECT_EQ(ir::to_string(both.outputs()[0].value->type()), "float32[4,2]");
    const auto& words = made->module.methods.at("forward").graph->outputs();
    ASSERT_EQ(words.size(), 2u);
    EXPECT_EQ(*words[1].literal.text(), "logits");
    options.input_shapes.push_back({1});
    EXPECT_NE(error_of(name, options).find("forward(), both() takes 3 tensors, 4 shapes are given"),
              std::string::npos);
    options.program = "both,both";
    EXPECT_NE(error_of(name, options).find("no list of different methods"), std::string::npos);
  }
}

TEST(TorchScript, ControlFlowOnTheInputIsKept) {
  const auto branch = import("branch.pt", shaped({{2, 3}}));
  ASSERT_TRUE(branch) << branch.error().message;
  EXPECT_NE(ir::print(branch->module).find("higher_order.cond"), std::string::npos);
  const auto loop = import("loop.pt", shaped({{2, 3}}));
  ASSERT_TRUE(loop) << loop.error().message;
  EXPECT_NE(ir::print(loop->module).find("higher_order.while_loop"), std::string::npos);
}

TEST(TorchScript, SaysWhatTheInputsShouldBe) {
  EXPECT_EQ(error_of("branch.pt", {}),
            "branch.pt: input 'x' has no sizes: a TorchScript module does not say them");
  EXPECT_EQ(error_of("branch.pt", shaped({{2, 3}, {4}})),
            "branch.pt: forward() takes 1 tensors, 2 shapes are given");
  EXPECT_EQ(
      error_of("raises.pt", shaped({{2, 2}})),
      "raises.pt: __torch__.py:10: the model raises ValueError: expected 3 dimensions, got 2");
  ImportOptions other = shaped({{2, 2}});
  other.program = "backward";
  EXPECT_EQ(error_of("branch.pt", other),
            "branch.pt: the module has no method 'backward'; it has: forward");
  other.program.clear();
  other.dynamic.push_back({"y", 0, {1, 8}});
  EXPECT_EQ(error_of("branch.pt", other),
            "branch.pt: --dynamic names an input that forward() does not take");
}

// ---- archives by hand

std::string pickled(std::string body) { return "\x80\x02" + std::move(body) + "."; }

TEST(TorchScript, PackedLayersOfMobileOptimisationAreUnpacked) {
  // An object of torch's own class, whose state is (weight, bias, min, max): weight float32[1,2].
  const auto text = [](const std::string& word) {
    return std::string("X") + static_cast<char>(word.size()) + std::string(3, '\0') + word;
  };
  const std::string storage =
      "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "K\x02tQ";
  const std::string weight = "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K" +
                             std::string(1, '\0') + "(K\x01K\x02t(K\x02K\x01t\x89" +
                             "ccollections\nOrderedDict\n)RtR";
  const std::string context = "c__torch__.torch.classes.xnnpack\nLinearOpContext\n)\x81(" + weight +
                              "NG" + std::string(8, '\0') + "Ntb";
  const std::string module = pickled("c__torch__\nM\n)\x81}(" + text("ctx") + context + "ub");
  const std::string code =
      "class M(Module):\n"
      "  __parameters__ = []\n"
      "  ctx : __torch__.torch.classes.xnnpack.LinearOpContext\n"
      "  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n"
      "    return ops.prepacked.linear_clamp_run(x, self.ctx)\n";
  const float values[] = {1.5F, -2.0F};
  const std::string data(reinterpret_cast<const char*>(values), sizeof(values));
  const MappedFile file = stored_zip({{"m/data.pkl", module},
                                      {"m/constants.pkl", pickled(")")},
                                      {"m/code/__torch__.py", code},
                                      {"m/data/0", data}});
  const auto made = import_torchscript(file, shaped({{3, 2}}));
  ASSERT_TRUE(made) << made.error().message;
  const std::string printed = ir::print(made->module);
  EXPECT_NE(printed.find("aten.linear"), std::string::npos) << printed;
  EXPECT_NE(printed.find("aten.clamp"), std::string::npos) << printed;
}

// A weight of qint8 by tensor, quantized activations, and what is asked of them.
TEST(TorchScript, QuantizedLayersBecomeFloatOnesBetweenQuantizers) {
  const auto text = [](const std::string& word) {
    return std::string("X") + static_cast<char>(word.size()) + std::string(3, '\0') + word;
  };
  const auto real = [](const char* bytes) { return "G" + std::string(bytes, 8); };
  const std::string half = real("\x3f\xe0\0\0\0\0\0\0");
  const std::string storage =
      "(" + text("storage") + "ctorch\nQInt8Storage\n" + text("0") + text("cpu") + "K\x02tQ";
  const std::string weight = "ctorch._utils\n_rebuild_qtensor\n(" + storage + "K" +
                             std::string(1, '\0') + "(K\x01K\x02t(K\x02K\x01t" +
                             "(ctorch\nper_tensor_affine\n" + half + "K\x03t" +
                             "\x89"
                             "ccollections\nOrderedDict\n)RtR";
  const std::string packed =
      "c__torch__.torch.classes.quantized\nLinearPackedParamsBase\n)\x81(" + weight + "Ntb";
  const std::string module = pickled("c__torch__\nM\n)\x81}(" + text("p") + packed + "ub");
  const auto archive = [&](const std::string& body) {
    const std::string code =
        "class M(Module):\n"
        "  __parameters__ = []\n"
        "  p : __torch__.torch.classes.quantized.LinearPackedParamsBase\n"
        "  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n"
        "    q = torch.quantize_per_tensor(x, 0.25, 130, 13)\n" +
        body;
    return stored_zip({{"m/data.pkl", module},
                       {"m/constants.pkl", pickled(")")},
                       {"m/code/__torch__.py", code},
                       {"m/data/0", std::string("\x05\xfd", 2)}});
  };
  const auto made = import_torchscript(
      archive("    y = ops.quantized.linear_relu(q, self.p, 0.5, 10)\n"
              "    return torch.dequantize(torch.max_pool1d(torch.unsqueeze(y, 0), [1]))\n"),
      shaped({{3, 2}}));
  ASSERT_TRUE(made) << made.error().message;
  const std::string printed = ir::print(made->module);
  // quint8 with zero point 130 is int8 with 2.
  EXPECT_NE(printed.find("quantize_per_tensor.default(%x, 0.25, 2, -128, 127, int8)"),
            std::string::npos)
      << printed;
  EXPECT_NE(printed.find("int8[1,2] parameter = dense [5, -3]"), std::string::npos) << printed;
  EXPECT_NE(printed.find("%p_0, 0.5, 3, -128, 127, int8"), std::string::npos) << printed;
  EXPECT_NE(printed.find(", 0.5, -118, -128, 127, int8)"), std::string::npos) << printed;

  const auto fails = [&](const std::string& body) {
    const auto result = import_torchscript(archive(body), shaped({{3, 2}}));
    return result ? "no error" : result.error().message;
  };
  EXPECT_NE(fails("    return q\n").find("an output that is a quantized tensor"),
            std::string::npos);
  EXPECT_NE(fails("    return torch.dequantize(torch.cumsum(q, 0))\n")
                .find("aten::cumsum of a quantized tensor"),
            std::string::npos);
  EXPECT_NE(fails("    return torch.dequantize(ops.quantized.conv2d(q, self.p, 0.5, 1))\n")
                .find("quantized::conv2d with the weights of a linear layer"),
            std::string::npos);
  EXPECT_NE(fails("    return torch.dequantize(ops.quantized.nothing(q, 0.5, 1))\n")
                .find("quantized::nothing"),
            std::string::npos);
  EXPECT_NE(
      fails("    return torch.dequantize(torch.quantize_per_tensor(x, torch.sum(x), 0, 13))\n")
          .find("quantization by a scale that depends on the input"),
      std::string::npos);
  EXPECT_NE(fails("    return torch.dequantize(torch.quantize_per_tensor(x, 0., 0, 13))\n")
                .find("a quantization of scale 0"),
            std::string::npos);
}

TEST(TorchScript, RefusesWhatIsDamaged) {
  const auto fails = [](const std::vector<std::pair<std::string, std::string>>& entries) {
    const auto made = import_torchscript(stored_zip(entries), {});
    return made ? "no error" : made.error().message;
  };
  EXPECT_EQ(fails({{"m/constants.pkl", pickled(")")}}), "made.pt2: the archive has no 'data.pkl'");
  EXPECT_EQ(fails({{"m/constants.pkl", pickled(")")}, {"m/data.pkl", pickled("N")}}),
            "made.pt2: data.pkl holds no module");
  EXPECT_EQ(
      fails({{"m/constants.pkl", pickled(")")}, {"m/data.pkl", pickled("c__torch__\nM\n)\x81}b")}}),
      "made.pt2: the module has no method 'forward'; it has: ");
  EXPECT_EQ(fails({{"m/constants.pkl", pickled(")")},
                   {"m/data.pkl", pickled("N")},
                   {"m/byteorder", "big"}}),
            "made.pt2: the archive is big-endian; little-endian files can be read");
}

}  // namespace
}  // namespace pte::importers
