#include "backends/coreml/payload.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pte::coreml {
namespace {

// Protobuf's wire format by hand: a field of bytes, a field of a number.
std::string number(uint64_t value) {
  std::string out;
  do {
    const auto low = static_cast<char>(value & 0x7f);
    value >>= 7;
    out += value == 0 ? low : static_cast<char>(low | '\x80');
  } while (value != 0);
  return out;
}
std::string field(uint32_t id, const std::string& bytes) {
  return number(id << 3 | 2) + number(bytes.size()) + bytes;
}
std::string field(uint32_t id, uint64_t value) { return number(id << 3) + number(value); }

std::string model() {
  const std::string array = field(1, number(1) + number(300)) + field(2, 0x10020);
  const std::string input = field(1, "x") + field(3, field(5, array));
  const std::string output = field(1, "y") + field(3, field(5, array));
  const auto operation = [](const std::string& type, const std::string& name) {
    return field(3, field(1, type) + field(3, field(1, name)));
  };
  const std::string block =
      operation("const", "w") + operation("conv", "a") + operation("relu", "y");
  const std::string function =
      field(2, "CoreML5") + field(3, field(1, "CoreML5") + field(2, block));
  const std::string program = field(1, 1) + field(2, field(1, "main") + field(2, function));
  return field(1, 6) + field(2, field(1, input) + field(10, output)) + field(502, program);
}

std::string payload(const std::string& spec, const std::string& name = "model.mlmodel") {
  const std::string metadata =
      R"({"inputNames": ["x"], "outputNames": ["y"], "identifier": "executorch_1"})";
  std::string json =
      R"({"nodes": [{"name": "metadata.json", "dataRegion": {"offset": 0, "size": )" +
      std::to_string(metadata.size()) +
      R"(}, "children": {}, "kind": 0}, {"name": "m", "dataRegion": {"offset": )" +
      std::to_string(metadata.size()) + R"(, "size": )" + std::to_string(spec.size()) +
      R"(}, "children": {}, "kind": 0}, {"name": "model.mlpackage", "dataRegion": )"
      R"({"offset": 0, "size": 0}, "children": {")" +
      name +
      R"(": 1}, "kind": 1}, {"name": "lowered_module", "dataRegion": )"
      R"({"offset": 0, "size": 0}, "children": {"metadata.json": 0, )"
      R"("model.mlpackage": 2}, "kind": 1}]})";
  std::reverse(json.begin(), json.end());
  return metadata + spec + json;
}

TEST(CoreMlPayload, ListsFilesAndReadsTheModel) {
  const std::string bytes = payload(model());
  const auto out = decode(as_bytes(bytes));
  ASSERT_TRUE(out.has_value()) << out.error().message;
  ASSERT_EQ(out->files.size(), 2U);
  EXPECT_EQ(out->files[1].path, "model.mlpackage/model.mlmodel");
  EXPECT_EQ(out->format, "mlpackage");
  EXPECT_EQ(out->identifier, "executorch_1");
  EXPECT_EQ(out->inputs, std::vector<std::string>{"x"});
  ASSERT_TRUE(out->spec.has_value()) << out->spec_problem;
  EXPECT_EQ(out->spec->version, 6);
  EXPECT_EQ(out->spec->kind, "mlProgram");
  EXPECT_EQ(out->spec->opset, "CoreML5");
  EXPECT_EQ(out->spec->inputs[0].type, "float32[1,300]");
  EXPECT_EQ(out->spec->constants, 1U);
  ASSERT_EQ(out->spec->operations.size(), 2U);
  EXPECT_EQ(out->spec->operations[0].type, "conv");
  EXPECT_EQ(out->spec->operations[1].outputs, std::vector<std::string>{"y"});
}

TEST(CoreMlPayload, DamagedModelsLeaveTheFiles) {
  const std::string spec = model();
  const std::string bytes = payload(spec.substr(0, spec.size() - 3));
  const auto out = decode(as_bytes(bytes));
  ASSERT_TRUE(out.has_value());
  EXPECT_FALSE(out->spec.has_value());
  EXPECT_FALSE(out->spec_problem.empty());
  for (size_t size = 1; size < spec.size(); ++size) {
    (void)decode_spec(as_bytes(std::string_view(spec).substr(0, size))).has_value();
  }
}

TEST(CoreMlPayload, PathsStayInside) {
  EXPECT_FALSE(decode(as_bytes(payload("", ".."))).has_value());
  EXPECT_FALSE(decode(as_bytes(payload("", "a/b"))).has_value());
  EXPECT_FALSE(decode(as_bytes(std::string_view("no json at all"))).has_value());
  EXPECT_FALSE(decode({}).has_value());
  // A node that contains itself.
  std::string loop = R"({"nodes": [{"name": "a", "children": {"b": 0}, "kind": 1}]})";
  std::reverse(loop.begin(), loop.end());
  EXPECT_FALSE(decode(as_bytes(loop)).has_value());
}

TEST(CoreMlPayload, SharedModelsAreNamed) {
  const auto out = decode(as_bytes(std::string_view(
      R"(CMJR{"version":1,"key":"coreml_executorch_7","functionName":"prefill"})")));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->key, "coreml_executorch_7");
  EXPECT_EQ(out->function, "prefill");
}

}  // namespace
}  // namespace pte::coreml
