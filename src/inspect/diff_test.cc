#include "inspect/diff.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "inspect/safetensors.h"
#include "inspect/strip.h"
#include "program/reader.h"
#include "program/testing.h"
#include "program/verify.h"
#include "program/writer.h"

namespace pte::inspect {
namespace {

const std::string kGolden = std::string(PTE_SOURCE_DIR) + "/tests/golden/program/";

struct Read {
  MappedFile file;
  program::Program program;
};
Read parse(const MappedFile& file) {
  auto program = program::read_program(file);
  EXPECT_TRUE(program.has_value()) << program.error().message;
  return {file, std::move(*program)};
}
Read read(const std::string& name) {
  auto file = MappedFile::open(kGolden + name + ".pte");
  EXPECT_TRUE(file.has_value()) << name;
  return parse(*file);
}
// The same program after a change.
Read changed(const program::Program& program) {
  auto bytes = program::serialize(program);
  EXPECT_TRUE(bytes.has_value()) << bytes.error().message;
  return parse(MappedFile::from_bytes(std::move(*bytes)));
}
Diff diff(const Read& a, const Read& b) {
  return diff_programs({a.file, a.program}, {b.file, b.program});
}

TEST(Diff, AFileEqualsItself) {
  for (const char* name : {"cond", "map", "mutable_buffer", "split_cat", "conv_relu6_xnnpack"}) {
    const Read it = read(name);
    const Diff same = diff(it, it);
    EXPECT_TRUE(same.same_bytes) << name;
    EXPECT_TRUE(same.equal()) << name;
    EXPECT_TRUE(same.sizes.empty()) << name;
    // Written by another writer: other bytes, the same program.
    EXPECT_TRUE(diff(it, changed(it.program)).equal()) << name;
  }
}

TEST(Diff, InlineAndSegmentPayloadsAreTheSame) {
  EXPECT_TRUE(diff(read("conv_relu6_xnnpack"), read("conv_relu6_inline")).equal());
}

TEST(Diff, FindsTheWeightThatChanged) {
  const Read a = read("conv_relu6_portable");
  program::Program other = a.program;
  program::Blob& blob = other.constants[1];
  std::vector<std::byte> bytes(blob.bytes.begin(), blob.bytes.end());
  float value = 0;
  std::memcpy(&value, bytes.data() + 20, 4);
  value += 0.5F;
  std::memcpy(bytes.data() + 20, &value, 4);
  blob = program::Blob::copy(bytes);
  const Diff found = diff(a, changed(other));
  EXPECT_FALSE(found.equal());
  EXPECT_TRUE(found.methods.empty());
  EXPECT_EQ(found.weights_equal, 1U);
  ASSERT_EQ(found.weights.size(), 1U);
  EXPECT_EQ(found.weights[0].name, "convolution_0.weight");
  EXPECT_TRUE(found.weights[0].comparable);
  EXPECT_NEAR(found.weights[0].max_abs, 0.5, 1e-6);
  EXPECT_EQ(found.weights[0].worst, 5);
  EXPECT_EQ(found.weights[0].different, 1);
}

TEST(Diff, NotANumberIsInfinitelyFar) {
  const Read a = read("add_weight");
  program::Program other = a.program;
  std::vector<std::byte> bytes(other.constants[1].bytes.begin(), other.constants[1].bytes.end());
  const float nan = std::nanf("");
  std::memcpy(bytes.data(), &nan, 4);
  other.constants[1] = program::Blob::copy(bytes);
  const Diff found = diff(a, changed(other));
  ASSERT_EQ(found.weights.size(), 1U);
  EXPECT_TRUE(std::isinf(found.weights[0].max_abs));
}

TEST(Diff, CountsOperatorsAndDelegates) {
  const Diff found = diff(read("conv_relu6_portable"), read("conv_relu6_xnnpack"));
  ASSERT_EQ(found.methods.size(), 1U);
  const MethodDiff& method = found.methods[0];
  bool convolution = false;
  for (const CountChange& change : method.operators) {
    convolution |= change.name == "aten::convolution.out" && change.a == 1 && change.b == 0;
  }
  EXPECT_TRUE(convolution);
  ASSERT_EQ(method.delegates.size(), 1U);
  EXPECT_EQ(method.delegates[0].b, 1);
  EXPECT_FALSE(method.nodes.empty());
}

TEST(Diff, SeesOtherArguments) {
  const Read a = read("add");
  program::Program other = a.program;
  for (program::Value& value : other.methods[0].values) {
    if (auto* alpha = std::get_if<int64_t>(&value)) *alpha = 2;
  }
  const Diff found = diff(a, changed(other));
  ASSERT_EQ(found.methods.size(), 1U);
  EXPECT_TRUE(found.methods[0].code_differs);
  EXPECT_TRUE(found.methods[0].operators.empty());
}

TEST(Diff, ListsMethodsOfOneSideOnly) {
  const Read a = read("add");
  program::Program other = a.program;
  other.methods[0].name = "backward";
  const Diff found = diff(a, changed(other));
  EXPECT_EQ(found.only_a, std::vector<std::string>{"forward"});
  EXPECT_EQ(found.only_b, std::vector<std::string>{"backward"});
}

TEST(Strip, RemovesTracesAndWhatNothingUses) {
  const Read a = read("add_traced");
  program::Program padded = a.program;
  padded.constants.resize(2);
  padded.constants[1] = program::testing::blob_of<uint8_t>({1, 2, 3, 4});
  padded.named_data.push_back({"lost", program::testing::blob_of<uint8_t>({1, 2})});
  padded.named_data.push_back({"kept", program::testing::blob_of<uint8_t>({3})});
  padded.methods[0].values.push_back(std::string("nobody reads this"));
  padded.methods[0].operators.push_back({"aten::never", "out"});
  StripOptions options;
  options.keep = [](std::string_view key) { return key == "kept"; };
  const Stripped stripped = strip(padded, options);
  EXPECT_GT(stripped.stack_traces, 0U);
  EXPECT_EQ(stripped.values, 1U);
  EXPECT_EQ(stripped.operators, 1U);
  EXPECT_EQ(stripped.constants, 1U);
  EXPECT_EQ(stripped.constant_bytes, 4U);
  EXPECT_EQ(stripped.named_data, 1U);
  ASSERT_TRUE(program::verify(stripped.program).has_value());
  const Read small = changed(stripped.program);
  EXPECT_LT(small.file.bytes().size(), a.file.bytes().size());
  EXPECT_TRUE(diff(a, small).methods.empty());
}

TEST(Strip, KeepsEverythingThatRuns) {
  for (const char* name : {"add", "add_weight", "add_unplanned", "cond", "map", "mutable_buffer",
                           "split_cat", "dynamic_batch", "conv_relu6_xnnpack"}) {
    const Read it = read(name);
    const Stripped stripped = strip(it.program);
    ASSERT_TRUE(program::verify(stripped.program).has_value()) << name;
    EXPECT_TRUE(diff(it, changed(stripped.program)).equal()) << name;
    // A second time there is nothing left to take.
    const Stripped again = strip(stripped.program);
    EXPECT_EQ(again.values + again.constants + again.named_data + again.names, 0U) << name;
  }
}

TEST(Strip, RenumbersEverythingTogether) {
  const program::Program rich = program::testing::rich_program();
  ASSERT_TRUE(program::verify(rich).has_value());
  const Stripped stripped = strip(rich);
  EXPECT_TRUE(program::verify(stripped.program).has_value());
  // Payloads of unknown backends may read any named data.
  EXPECT_EQ(stripped.program.named_data.size(), rich.named_data.size());
}

TEST(SafeTensors, AreAsTheFormatSays) {
  const std::string path = ::testing::TempDir() + "/pte_weights.safetensors";
  const Tensor a = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  // Channels last in memory, row-major in the file.
  const Tensor b = Tensor::view(DType::kInt8, {2, 2}, {1, 2},
                                reinterpret_cast<const std::byte*>("\1\2\3\4"), nullptr);
  ASSERT_TRUE(
      write_safetensors(path, {{"a", a}, {"b \"x\"", b}}, {{"source", "m.pte"}}).has_value());
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value());
  const std::string text(as_text(file->bytes()));
  uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  const std::string header = text.substr(8, length);
  EXPECT_EQ(
      header.substr(0, header.find_last_not_of(' ') + 1),
      R"({"__metadata__":{"source":"m.pte"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b \"x\"":{"dtype":"I8","shape":[2,2],"data_offsets":[16,20]}})");
  EXPECT_EQ(text.substr(8 + length + 16), std::string("\1\3\2\4", 4));
  const auto twice = write_safetensors(path, {{"a", a}, {"a", a}});
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().code, Code::kInvalidArgument);
  EXPECT_FALSE(write_safetensors(path, {{"\xff", a}}).has_value());
}

}  // namespace
}  // namespace pte::inspect
