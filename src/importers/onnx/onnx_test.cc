#include "importers/onnx/onnx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "importers/onnx/model.h"
#include "importers/onnx/small.h"
#include "importers/onnx/tensors.h"
#include "importers/onnx/wire.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::importers {
namespace {

std::string golden(std::string_view name) {
  return fmt::format("{}/tests/golden/onnx/{}.onnx", PTE_SOURCE_DIR, name);
}

Result<OnnxImport> import(std::string_view name, const ImportOptions& options = {}) {
  PTE_TRY(const MappedFile file, MappedFile::open(golden(name)));
  return import_onnx(file, options);
}

std::string error_of(const Result<OnnxImport>& result) {
  return result ? "no error" : result.error().message;
}

// The operators of the graph in their order.
std::string operators(const OnnxImport& read) {
  std::string out;
  for (const ir::Node* node : read.imported.module.methods.at("forward").graph->nodes())
    out += (out.empty() ? "" : " ") + node->op().full_name().substr(6);
  return out;
}

TEST(Onnx, WritesCallsAndKeepsWeights) {
  const auto read = import("convolution");
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(read->imported.format, "ONNX opset 20");
  // Unequal padding stands before the convolution.
  EXPECT_EQ(operators(*read), "constant_pad_nd convolution relu mean.dim view transpose.int mm")
      << ir::print(read->imported.module);
  const ir::Module& module = read->imported.module;
  ASSERT_TRUE(module.constants.contains("w"));
  EXPECT_EQ(module.constants.at("w").kind, ir::Constant::Kind::kParameter);
  EXPECT_EQ(module.constants.at("w").data.sizes(), (Sizes{4, 3, 3, 3}));
}

TEST(Onnx, WeightsAreViewsOfTheFileWhereTheyMayBe) {
  const auto file = MappedFile::open(golden("convolution"));
  ASSERT_TRUE(file);
  const auto read = import_onnx(*file);
  ASSERT_TRUE(read) << error_of(read);
  for (const auto& [name, constant] : read->imported.module.constants) {
    const auto* data = reinterpret_cast<const char*>(constant.data.data());
    const std::string_view text = as_text(file->bytes());
    const size_t at = text.find(std::string_view(data, constant.data.nbytes()));
    ASSERT_NE(at, std::string_view::npos) << name;
    const bool aligned = reinterpret_cast<uintptr_t>(text.data() + at) % 4 == 0;
    EXPECT_EQ(aligned, data == text.data() + at) << name;
  }
}

TEST(Onnx, OpenSizesNeedAWord) {
  const auto read = import("shapes");
  EXPECT_NE(error_of(read).find("shapes.onnx: dimension 0 of input 'x' (batch) is open"),
            std::string::npos)
      << error_of(read);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().hint.find("--dynamic \"x:0=1..8\""), std::string::npos)
      << read.error().hint;
}

TEST(Onnx, ShapeArithmeticLeavesNoCallsBehind) {
  ImportOptions fixed;
  fixed.input_shapes = {{2, 3, 4}};
  const auto still = import("shapes", fixed);
  ASSERT_TRUE(still) << error_of(still);
  EXPECT_EQ(operators(*still), "view");
  ImportOptions open;
  open.dynamic = {{"x", 0, {1, 8}}};
  const auto read = import("shapes", open);
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(operators(*read), "sym_size.int view") << ir::print(read->imported.module);
  const auto& output =
      read->imported.module.methods.at("forward").graph->outputs()[0].value->tensor();
  EXPECT_EQ(ir::to_string(output.sizes), "batch,12");
}

TEST(Onnx, OpenSizesMayBeMultiplesOnly) {
  ImportOptions open;
  open.dynamic = {{"x", 0, {4, 16}, 4}};
  const auto read = import("shapes", open);
  ASSERT_TRUE(read) << error_of(read);
  const ir::Module& module = read->imported.module;
  const auto& input = module.methods.at("forward").graph->inputs()[0]->tensor();
  EXPECT_EQ(ir::to_string(input.sizes), "4*batch,3,4");
  EXPECT_EQ(module.symbols.at("batch"), (ir::Range{1, 4}));
}

TEST(Onnx, OptionsThatDoNotFitAreNamed) {
  ImportOptions many;
  many.input_shapes = {{2, 3, 4}, {1}};
  EXPECT_NE(error_of(import("shapes", many))
                .find("--input-shapes is given for 2 inputs, the model has 1: x"),
            std::string::npos);
  ImportOptions flat;
  flat.input_shapes = {{2, 12}};
  EXPECT_NE(error_of(import("shapes", flat)).find("has 3 dimensions"), std::string::npos);
  ImportOptions other;
  other.dynamic = {{"z", 0, {1, 8}}};
  EXPECT_NE(error_of(import("shapes", other)).find("no input 'z'"), std::string::npos);
}

TEST(Onnx, BranchesAreChosenBetweenOrInlined) {
  const auto read = import("branches");
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(operators(*read), "mul.Tensor neg where.self");
  EXPECT_TRUE(read->fixed_inputs.empty());
}

TEST(Onnx, ANumberForAnInputStaysFixed) {
  ImportOptions options;
  options.example = {Tensor::of<float>({2}, {1, 2}), EValue(true)};
  const auto read = import("branches", options);
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(operators(*read), "mul.Tensor");
  EXPECT_EQ(read->fixed_inputs, std::vector<std::string>{"flag"});
  EXPECT_EQ(read->imported.module.methods.at("forward").graph->inputs().size(), 1U);
  EXPECT_EQ(read->imported.format, "ONNX opset 20, flag fixed to its example");
  options.keep_inputs = true;
  const auto kept = import("branches", options);
  ASSERT_TRUE(kept) << error_of(kept);
  EXPECT_EQ(kept->imported.module.methods.at("forward").graph->inputs().size(), 2U);
}

TEST(Onnx, LoopsOfKnownLengthAreUnrolled) {
  const auto read = import("loop");
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(operators(*read), "add.Tensor add.Tensor add.Tensor unsqueeze unsqueeze unsqueeze cat")
      << ir::print(read->imported.module);
}

TEST(Onnx, LoopsOfUnknownLengthStayLoops) {
  const auto read = import("open_loop");
  ASSERT_TRUE(read) << error_of(read);
  const ir::Graph& graph = *read->imported.module.methods.at("forward").graph;
  const ir::Node* loop = nullptr;
  for (const ir::Node* node : graph.nodes()) {
    if (node->is(Op::higher_order_while_loop)) loop = node;
  }
  ASSERT_NE(loop, nullptr) << ir::print(read->imported.module);
  EXPECT_EQ(loop->arg(2).list()->size(), 3U);  // whether it goes on, the count, the state
  EXPECT_EQ(loop->arg(3).list()->size(), 2U);  // relu's result and the number of times
  EXPECT_EQ(ir::to_string(graph.outputs()[0].value->tensor().sizes), "2");
}

TEST(Onnx, RecurrentLayersOverAnOpenLengthAreLoops) {
  ImportOptions open;
  open.dynamic = {{"x", 0, {1, 9}}};
  const auto read = import("open_recurrent", open);
  ASSERT_TRUE(read) << error_of(read);
  const ir::Graph& graph = *read->imported.module.methods.at("forward").graph;
  int loops = 0;
  for (const ir::Node* node : graph.nodes()) loops += node->is(Op::higher_order_scan) ? 1 : 0;
  EXPECT_EQ(loops, 2) << ir::print(read->imported.module);
  EXPECT_EQ(ir::to_string(graph.outputs()[0].value->tensor().sizes), "T,2,1,2");
}

TEST(Onnx, FunctionsAreInlinedWithTheirAttributes) {
  const auto read = import("function");
  ASSERT_TRUE(read) << error_of(read);
  EXPECT_EQ(operators(*read), "mul.Tensor mul.Tensor");
  std::vector<float> factors;
  for (const auto& [name, constant] : read->imported.module.constants)
    factors.push_back(*constant.data.data_as<float>());
  std::sort(factors.begin(), factors.end());
  EXPECT_EQ(factors, (std::vector<float>{0.5F, 3.0F}));
}

TEST(Onnx, NarrowIntegersLieInWiderOnes) {
  const auto read = import("quantised");
  ASSERT_TRUE(read) << error_of(read);
  const Tensor& weight = read->imported.module.constants.at("w").data;
  EXPECT_EQ(weight.dtype(), DType::kInt8);
  for (int64_t i = 0; i < weight.numel(); ++i) {
    EXPECT_GE(weight.data_as<int8_t>()[i], -8);
    EXPECT_LE(weight.data_as<int8_t>()[i], 7);
  }
}

TEST(Onnx, EverythingUnsupportedIsListedAtOnce) {
  const auto read = import("unsupported");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kUnsupported);
  for (const char* part :
       {"2 operators are not supported", "\n  Frobnicate ", "  2×",
        "\n  ai.onnx.ml::TreeEnsembleRegressor  1×", "classic machine learning"}) {
    EXPECT_NE(error_of(read).find(part), std::string::npos) << part << "\n" << error_of(read);
  }
}

TEST(Onnx, ExternalDataStaysInTheFolder) {
  const auto read = import("external");
  ASSERT_TRUE(read) << error_of(read);
  const Tensor& weight = read->imported.module.constants.at("w").data;
  EXPECT_EQ(std::vector<float>(weight.data_as<float>(), weight.data_as<float>() + 4),
            (std::vector<float>{0, 1, 2, 3}));
  const auto outside = import("external_outside");
  EXPECT_NE(error_of(outside).find("'../onnx/external.bin' lies outside the model's folder"),
            std::string::npos)
      << error_of(outside);
}

TEST(Onnx, EveryPrefixOfAFileIsAnError) {
  for (const std::string_view name : {"convolution", "loop", "quantised"}) {
    const auto file = MappedFile::open(golden(name));
    ASSERT_TRUE(file);
    const Bytes bytes = file->bytes();
    for (size_t size = 0; size + 1 < bytes.size(); size += 3) {
      const auto part = MappedFile::from_bytes(
          {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
      const auto read = import_onnx(part);
      // A cut between the fields of the model may leave a whole one.
      if (read) {
        EXPECT_TRUE(ir::verify(read->imported.module));
      }
    }
  }
}

TEST(OnnxWire, RefusesWhatIsNoMessage) {
  const auto first = [](std::string_view text) {
    onnx::WireReader reader(as_bytes(text));
    onnx::WireField field;
    auto more = reader.next(field);
    return more ? std::string("ok") : more.error().message;
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(first("\x08\x96\x01"sv), "ok");
  EXPECT_NE(first("\x08"sv).find("ends inside a number"), std::string::npos);
  EXPECT_NE(first("\x0a\x05hell"sv).find("field 1 is 5 bytes long, 4 are left"), std::string::npos);
  EXPECT_NE(first("\x0b"sv).find("wire type 3"), std::string::npos);
  EXPECT_NE(first("\x00\x01"sv).find("field number 0"), std::string::npos);
  EXPECT_NE(first("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"sv).find("ten bytes"),
            std::string::npos);
}

TEST(OnnxTensors, NarrowFloatsAreDecodedByTheirFormat) {
  using namespace onnx;
  EXPECT_EQ(decode_narrow_float(kFloat8E4M3FN, 0x7E), 448.0F);
  EXPECT_EQ(decode_narrow_float(kFloat8E4M3FN, 0x01), 0x1p-9F);
  EXPECT_TRUE(std::isnan(decode_narrow_float(kFloat8E4M3FN, 0xFF)));
  EXPECT_EQ(decode_narrow_float(kFloat8E4M3FNUZ, 0x7F), 240.0F);
  EXPECT_TRUE(std::isnan(decode_narrow_float(kFloat8E4M3FNUZ, 0x80)));
  EXPECT_EQ(decode_narrow_float(kFloat8E5M2, 0x7B), 57344.0F);
  EXPECT_TRUE(std::isinf(decode_narrow_float(kFloat8E5M2, 0xFC)));
  EXPECT_EQ(decode_narrow_float(kFloat8E5M2FNUZ, 0x7F), 57344.0F);
  EXPECT_EQ(decode_narrow_float(kFloat4E2M1, 0x7), 6.0F);
  EXPECT_EQ(decode_narrow_float(kFloat4E2M1, 0x9), -0.5F);
  EXPECT_EQ(decode_narrow_float(kFloat8E8M0, 127), 1.0F);
}

TEST(OnnxSmall, FoldsShapeArithmetic) {
  using onnx::Small;
  ir::Module module;
  ir::Graph graph;
  onnx::Emitter e(module, graph);
  const auto fold = [&](std::string_view op, std::vector<const Small*> inputs, int64_t axis = 0) {
    onnx::FoldCall call{e, op, 20, std::move(inputs), 1};
    call.axis = axis;
    const auto out = evaluate(call);
    return out ? (*out)[0].integers().value_or(std::vector<int64_t>{-999})
               : std::vector<int64_t>{-1};
  };
  const Small a = Small::ints({2, 3, 4}), minus = Small::ints({-7}), two = Small::ints({2}),
              last = Small::ints({-1});
  EXPECT_EQ(fold("Div", {&minus, &two}), std::vector<int64_t>{-3});  // towards zero
  EXPECT_EQ(fold("Mod", {&minus, &two}), std::vector<int64_t>{1});   // as the divisor
  EXPECT_EQ(fold("Gather", {&a, &last}), std::vector<int64_t>{4});
  EXPECT_EQ(fold("Concat", {&a, &two}), (std::vector<int64_t>{2, 3, 4, 2}));
  const Small start = Small::ints({-1}), end = Small::ints({INT64_MIN}), axes = Small::ints({0}),
              step = Small::ints({-1});
  EXPECT_EQ(fold("Slice", {&a, &start, &end, &axes, &step}), (std::vector<int64_t>{4, 3, 2}));
  const Small zero = Small::ints({0});
  EXPECT_EQ(fold("Div", {&a, &zero}), std::vector<int64_t>{-1});  // no value
}

}  // namespace
}  // namespace pte::importers
