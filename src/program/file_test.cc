// Programs through files: what the writer writes the reader reads, and official files survive both.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "program/header.h"
#include "program/reader.h"
#include "program/testing.h"
#include "program/verify.h"
#include "program/writer.h"

namespace pte::program {
namespace {

using testing::add_program;
using testing::blob_of;
using testing::constant;
using testing::expect_same;
using testing::rich_program;

Result<Program> read_bytes(std::vector<std::byte> bytes) {
  return read_program(MappedFile::from_bytes(std::move(bytes), "test.pte"));
}

std::string golden(const std::string& name) {
  return std::string(PTE_SOURCE_DIR) + "/tests/golden/program/" + name + ".pte";
}

Program must_read(const std::string& name) {
  auto file = MappedFile::open(golden(name));
  EXPECT_TRUE(file) << file.error().message;
  auto program = read_program(*file);
  EXPECT_TRUE(program) << program.error().message;
  return program ? std::move(*program) : Program{};
}

const TensorValue& tensor_at(const Method& method, size_t index) {
  return std::get<TensorValue>(method.values.at(index));
}

constexpr const char* kGoldens[] = {"add",        "add_weight",         "add_unplanned",
                                    "add_traced", "add_xnnpack",        "conv_relu6_portable",
                                    "cond",       "mutable_buffer",     "dynamic_batch",
                                    "split_cat",  "conv_relu6_xnnpack", "conv_relu6_inline",
                                    "map"};

TEST(Writer, AddHasNoHeaderAndReadsBack) {
  const Program program = add_program();
  auto bytes = serialize(program);
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(as_text(Bytes(*bytes).subspan(4, 4)), "ET12");
  EXPECT_NE(as_text(Bytes(*bytes).subspan(8, 4)), "eh00");
  EXPECT_GE(bytes->size(), 64u);  // the official loader reads that much before anything else
  auto again = read_bytes(*bytes);
  ASSERT_TRUE(again) << again.error().message;
  expect_same(program, *again);
}

TEST(Writer, EverythingReadsBack) {
  const Program program = rich_program();
  auto bytes = serialize(program);
  ASSERT_TRUE(bytes) << bytes.error().message;
  auto again = read_bytes(*bytes);
  ASSERT_TRUE(again) << again.error().message;
  expect_same(program, *again);
}

TEST(Writer, LayoutFollowsTheFormat) {
  auto bytes = serialize(rich_program());
  ASSERT_TRUE(bytes);
  auto header = read_header(*bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->length, 32u);
  EXPECT_EQ(header->program_size % 8, 0u);
  EXPECT_EQ(header->segment_base % 128, 0u);
  EXPECT_LT(header->segment_base - header->program_size, 128u);
  EXPECT_EQ(header->segment_base + header->segment_bytes, bytes->size());
  const auto at = [&](uint64_t offset, size_t count) {
    return std::string(as_text(Bytes(*bytes).subspan(header->segment_base + offset, count)));
  };
  // Constants: 12 bytes, padding to 16, 8 bytes. Mutable data at 128, unpadded: 3 + 8 bytes.
  EXPECT_EQ(at(12, 4), std::string(4, '\0'));
  EXPECT_EQ(static_cast<uint8_t>(at(16, 1)[0]), 0xf9);
  EXPECT_EQ(at(128, 3), "\x05\x06\x07");
  // One payload for the two equal delegates, then the named data, each at its alignment.
  EXPECT_EQ(at(256, 3), "\x0a\x0b\x0c");
  EXPECT_EQ(at(384, 5), "\x01\x02\x03\x04\x05");
  EXPECT_EQ(at(512, 1), "\x09");
  EXPECT_EQ(header->segment_bytes, 513u);  // the third entry shares the first one's bytes
}

TEST(Writer, FileEqualsSerialize) {
  const std::string path = ::testing::TempDir() + "/writer_test.pte";
  for (const Program& program : {add_program(), rich_program()}) {
    ASSERT_TRUE(write_program(program, path));
    auto file = MappedFile::open(path);
    ASSERT_TRUE(file);
    auto bytes = serialize(program);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(as_text(file->bytes()), as_text(*bytes));
  }
  std::filesystem::remove(path);
}

TEST(Writer, RefusesAProgramThatBreaksARule) {
  Program program = add_program();
  program.methods[0].inputs[0] = 9;
  const std::string path = ::testing::TempDir() + "/never_written.pte";
  const Status status = write_program(program, path);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            path + ": method 'forward': input 0 names value 9, the method has 4");
  EXPECT_FALSE(std::filesystem::exists(path));

  program = rich_program();
  program.named_data[0].data.alignment = 48;
  ASSERT_FALSE(serialize(program));
}

TEST(Writer, ReportsAFolderThatIsNotThere) {
  EXPECT_EQ(write_program(add_program(), "/nowhere/at/all/a.pte").error().code, Code::kNotFound);
}

TEST(Reader, BlobsAreViewsAndOutliveTheFile) {
  Program program;
  {
    auto file = MappedFile::open(golden("add_weight"));
    ASSERT_TRUE(file);
    auto read = read_program(*file);
    ASSERT_TRUE(read) << read.error().message;
    program = std::move(*read);
    ASSERT_EQ(program.constants.size(), 2u);
    EXPECT_GE(program.constants[1].bytes.data(), file->bytes().data());
    EXPECT_LT(program.constants[1].bytes.data(), file->bytes().data() + file->bytes().size());
  }
  float values[6];
  ASSERT_EQ(program.constants[1].size(), sizeof(values));
  std::memcpy(values, program.constants[1].bytes.data(), sizeof(values));
  EXPECT_EQ(values[5], 5.0f);
}

TEST(Goldens, SurviveWritingAndReadingAgain) {
  for (const char* name : kGoldens) {
    SCOPED_TRACE(name);
    const Program program = must_read(name);
    ASSERT_EQ(program.methods.size(), 1u);
    auto bytes = serialize(program);
    ASSERT_TRUE(bytes) << bytes.error().message;
    auto again = read_bytes(*bytes);
    ASSERT_TRUE(again) << again.error().message;
    expect_same(program, *again);
    // And the file is no larger than the official one.
    EXPECT_LE(bytes->size(), std::filesystem::file_size(golden(name)) + 32);
    EXPECT_TRUE(find_plan_conflicts(program.methods[0]).empty());
  }
}

TEST(Goldens, Add) {
  const Program program = must_read("add");
  const Method& method = program.methods[0];
  EXPECT_EQ(method.name, "forward");
  ASSERT_EQ(method.values.size(), 4u);
  EXPECT_EQ(method.inputs, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(method.outputs, (std::vector<int32_t>{2}));
  EXPECT_EQ(method.operators[0].full_name(), "aten::add.out");
  EXPECT_EQ(std::get<KernelCall>(method.chains[0].instructions[0]).args,
            (std::vector<int32_t>{0, 1, 3, 2, 2}));
  EXPECT_EQ(method.arena_sizes, (std::vector<int64_t>{0, 96}));
  EXPECT_EQ(tensor_at(method, 0).sizes, (Sizes{2, 3}));
  EXPECT_EQ(tensor_at(method, 0).dtype, DType::kFloat32);
  EXPECT_EQ(std::get<int64_t>(method.values[3]), 1);
}

TEST(Goldens, UnplannedInputsHaveNoPlace) {
  const Program program = must_read("add_unplanned");
  for (const size_t index : {0, 1, 2}) {
    EXPECT_FALSE(tensor_at(program.methods[0], index).allocation);
    EXPECT_EQ(tensor_at(program.methods[0], index).constant, 0u);
  }
}

TEST(Goldens, StackTracesAreKept) {
  const Program program = must_read("add_traced");
  const Chain& chain = program.methods[0].chains[0];
  ASSERT_EQ(chain.stack_traces.size(), chain.instructions.size());
  ASSERT_FALSE(chain.stack_traces[0].empty());
  EXPECT_NE(chain.stack_traces[0].back().file.find("make_goldens.py"), std::string::npos);
}

TEST(Goldens, XnnpackPayloadAndNamedData) {
  const Program program = must_read("conv_relu6_xnnpack");
  const Method& method = program.methods[0];
  ASSERT_EQ(method.delegates.size(), 1u);
  EXPECT_EQ(method.delegates[0].id, "XnnpackBackend");
  EXPECT_FALSE(method.delegates[0].is_inline);
  EXPECT_EQ(as_text(method.delegates[0].payload.bytes.subspan(36, 4)), "XN01");
  ASSERT_EQ(program.named_data.size(), 2u);
  const size_t sizes = program.named_data[0].data.size() + program.named_data[1].data.size();
  EXPECT_EQ(sizes, 864u + 32u);
  EXPECT_EQ(program.find_named_data(program.named_data[1].key), &program.named_data[1].data);
  EXPECT_EQ(program.find_named_data("no such key"), nullptr);
}

TEST(Goldens, InlinePayload) {
  const Program program = must_read("conv_relu6_inline");
  ASSERT_EQ(program.methods[0].delegates.size(), 1u);
  EXPECT_TRUE(program.methods[0].delegates[0].is_inline);
  EXPECT_EQ(as_text(program.methods[0].delegates[0].payload.bytes.subspan(36, 4)), "XN01");
}

TEST(Goldens, CondJumps) {
  const Method method = must_read("cond").methods[0];
  size_t jumps = 0;
  size_t moves = 0;
  for (const Instruction& instruction : method.chains[0].instructions) {
    jumps += std::holds_alternative<JumpFalseCall>(instruction);
    moves += std::holds_alternative<MoveCall>(instruction);
  }
  EXPECT_EQ(jumps, 2u);
  EXPECT_EQ(moves, 2u);
}

TEST(Goldens, MutableBufferHasItsInitialValue) {
  const Program program = must_read("mutable_buffer");
  ASSERT_EQ(program.mutable_data.size(), 2u);
  float values[3];
  ASSERT_EQ(program.mutable_data[1].size(), sizeof(values));
  std::memcpy(values, program.mutable_data[1].bytes.data(), sizeof(values));
  EXPECT_EQ(values[2], 30.0f);
}

TEST(Goldens, DynamicBatchIsAnUpperBound) {
  const Method method = must_read("dynamic_batch").methods[0];
  const TensorValue& input = tensor_at(method, static_cast<size_t>(method.inputs[0]));
  EXPECT_EQ(input.dynamism, Dynamism::kDynamicBound);
  EXPECT_EQ(input.sizes, (Sizes{8, 5}));
}

// A header of 24 bytes lacks the segment size; older files have it.
TEST(Reader, ShortHeader) {
  auto bytes = serialize(rich_program());
  ASSERT_TRUE(bytes);
  const uint32_t length = 24;
  std::memcpy(bytes->data() + 12, &length, 4);
  std::memset(bytes->data() + 32, 0xff, 8);
  auto program = read_bytes(*bytes);
  ASSERT_TRUE(program) << program.error().message;
  expect_same(rich_program(), *program);
}

struct Foreign {
  std::string bytes;
  std::string expected;
};

TEST(Reader, NamesOtherFormats) {
  const Foreign cases[] = {
      {"", "x: the file is empty"},
      {"ET12", "x: not an ExecuTorch program: it has only 4 bytes"},
      {std::string("\x10\0\0\0FT01\0\0\0\0", 12),
       "x: not an ExecuTorch program but ExecuTorch tensor data (.ptd)"},
      {std::string("\x10\0\0\0BP08\0\0\0\0", 12),
       "x: the flatbuffer is damaged or cut off: a table, offset or length leaves its 12 bytes"},
      {std::string("\x10\0\0\0ET13\0\0\0\0", 12),
       "x: not an ExecuTorch program but an ExecuTorch program of another version (identifier "
       "ET13, known is ET12)"},
      {"PK\x03\x04 and so on",
       "x: not an ExecuTorch program but a zip archive (.pt2, .pt or .ptl)"},
      {std::string("\x08\x08\x12\x07pytorch", 11),
       "x: not an ExecuTorch program but an ONNX model (.onnx)"},
      {std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9", 9),
       "x: not an ExecuTorch program but a pickle (.pth)"},
      {std::string(64, 'q'), "x: not an ExecuTorch program: no identifier ET12 at byte 4"},
  };
  for (const Foreign& item : cases) {
    const Bytes view = as_bytes(item.bytes);
    auto program = read_program(MappedFile::from_bytes({view.begin(), view.end()}, "x"));
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().message, item.expected);
    EXPECT_EQ(program.error().code, Code::kInvalidData);
  }
}

TEST(Reader, HeaderArithmetic) {
  auto good = serialize(rich_program());
  ASSERT_TRUE(good);
  const auto with = [&](size_t offset, uint64_t number) {
    std::vector<std::byte> bytes = *good;
    std::memcpy(bytes.data() + offset, &number, 8);
    auto program = read_bytes(std::move(bytes));
    return program ? std::string("accepted") : program.error().message;
  };
  EXPECT_NE(with(16, 8).find("less than the header's own 40"), std::string::npos) << with(16, 8);
  EXPECT_NE(with(16, good->size() + 1).find("truncated"), std::string::npos);
  EXPECT_NE(with(16, ~0ULL).find("truncated"), std::string::npos);
  EXPECT_NE(with(24, 0).find("no place"), std::string::npos);
  EXPECT_NE(with(24, 16).find("inside the flatbuffer"), std::string::npos);
  EXPECT_NE(with(24, ~0ULL).find("truncated"), std::string::npos);
  EXPECT_NE(with(32, good->size()).find("truncated"), std::string::npos);
  EXPECT_NE(with(32, 8).find("outside the 8 bytes of segments"), std::string::npos) << with(32, 8);
}

// What a file breaks in several places is told at once, and a good one has no findings.
TEST(Reader, ChecksAll) {
  for (const char* name : kGoldens) {
    auto file = MappedFile::open(golden(name));
    ASSERT_TRUE(file);
    EXPECT_TRUE(check_program(*file).empty()) << name;
  }
  auto bytes = serialize(rich_program());
  ASSERT_TRUE(bytes);
  const uint64_t eight = 8;
  std::memcpy(bytes->data() + 32, &eight, 8);  // the segments have lost their room
  const auto found = check_program(MappedFile::from_bytes(*bytes, "x"));
  EXPECT_GT(found.size(), 3u);
  for (const Finding& finding : found) EXPECT_FALSE(finding.where.empty());
  EXPECT_EQ(check_program(MappedFile::from_bytes(*bytes, "x"), 2).size(), 2u);
  const auto empty = check_program(MappedFile::from_bytes({}, "x"));
  ASSERT_EQ(empty.size(), 1u);
  EXPECT_EQ(empty[0].message, "the file is empty");
}

// However a small file is cut or changed, the reader answers, and what it accepts is writable.
class Damage : public ::testing::TestWithParam<const char*> {};

void read_and_use(std::vector<std::byte> bytes) {
  const MappedFile file = MappedFile::from_bytes(std::move(bytes), "test.pte");
  auto program = read_program(file);
  // The search for all faults and the reader agree about which files are good.
  const std::vector<Finding> findings = check_program(file);
  if (!program) {
    EXPECT_FALSE(findings.empty()) << program.error().message;
    EXPECT_EQ(program.error().message.rfind("test.pte: ", 0), 0u) << program.error().message;
    return;
  }
  for (const Method& method : program->methods) find_plan_conflicts(method);
  EXPECT_TRUE(serialize(*program));
}

TEST_P(Damage, Truncation) {
  auto file = MappedFile::open(golden(GetParam()));
  ASSERT_TRUE(file);
  const Bytes all = file->bytes();
  for (size_t size = 0; size < all.size(); ++size) {
    read_and_use({all.begin(), all.begin() + static_cast<ptrdiff_t>(size)});
  }
}

TEST_P(Damage, BitFlips) {
  auto file = MappedFile::open(golden(GetParam()));
  ASSERT_TRUE(file);
  const std::vector<std::byte> all(file->bytes().begin(), file->bytes().end());
  for (size_t at = 0; at < all.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> bytes = all;
      bytes[at] ^= std::byte{1} << bit;
      read_and_use(std::move(bytes));
    }
    std::vector<std::byte> bytes = all;
    bytes[at] = std::byte{0xff};
    read_and_use(std::move(bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, Damage,
                         ::testing::Values("add", "add_weight", "cond", "mutable_buffer",
                                           "split_cat", "map", "conv_relu6_inline"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace pte::program
