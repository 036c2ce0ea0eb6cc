#include "program/bundle.h"

#include <gtest/gtest.h>

#include <cstring>

#include "program/reader.h"

namespace pte::program {
namespace {

std::string golden(const std::string& name) {
  return std::string(PTE_SOURCE_DIR) + "/tests/golden/runtime/" + name;
}

Result<Bundle> read(const std::string& name) {
  PTE_TRY(const MappedFile file, MappedFile::open(golden(name)));
  return read_bundle(file);
}

TEST(Bundle, OfficialFile) {
  auto bundle = read("bundled.bpte");
  ASSERT_TRUE(bundle) << bundle.error().message;
  ASSERT_EQ(bundle->suites.size(), 1u);
  EXPECT_EQ(bundle->suites[0].method, "forward");
  ASSERT_EQ(bundle->suites[0].cases.size(), 2u);
  const TestCase& first = bundle->suites[0].cases[0];
  ASSERT_EQ(first.inputs.size(), 1u);
  EXPECT_EQ(first.inputs[0].get<Tensor>()->sizes(), (Sizes{2, 4}));
  ASSERT_EQ(first.expected.size(), 1u);
  EXPECT_EQ(first.expected[0].get<Tensor>()->sizes(), (Sizes{2, 3}));
  auto program = read_program(bundle->program);
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(program->methods[0].name, "forward");
}

TEST(Bundle, Scalars) {
  auto bundle = read("bundled_scalars.bpte");
  ASSERT_TRUE(bundle) << bundle.error().message;
  const TestCase& test = bundle->suites.at(0).cases.at(0);
  ASSERT_EQ(test.inputs.size(), 4u);
  EXPECT_EQ(*test.inputs[1].get<int64_t>(), 3);
  EXPECT_EQ(*test.inputs[2].get<double>(), 0.5);
  EXPECT_EQ(*test.inputs[3].get<bool>(), true);
  EXPECT_EQ(test.expected.at(1).get<Tensor>()->dtype(), DType::kInt64);
}

TEST(Bundle, ReadProgramLooksInside) {
  auto file = MappedFile::open(golden("bundled.bpte"));
  ASSERT_TRUE(file);
  auto program = read_program(*file);
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(program->methods.size(), 1u);
}

// At an odd address the bundle is refused or its program copied; nothing is read unaligned.
TEST(Bundle, OddAddress) {
  auto file = MappedFile::open(golden("bundled.bpte"));
  ASSERT_TRUE(file);
  for (size_t shift = 1; shift < 16; ++shift) {
    auto memory = std::make_shared<std::vector<std::byte>>(shift);
    memory->insert(memory->end(), file->bytes().begin(), file->bytes().end());
    const Bytes bytes = Bytes(*memory).subspan(shift);
    const auto program = read_program(MappedFile::view(bytes, memory, "x.bpte"));
    if (program) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(program->constants.at(1).bytes.data()) % 4, 0u);
    }
  }
}

TEST(Bundle, Damage) {
  auto file = MappedFile::open(golden("bundled_scalars.bpte"));
  ASSERT_TRUE(file);
  const std::vector<std::byte> all(file->bytes().begin(), file->bytes().end());
  const auto use = [](std::vector<std::byte> bytes) {
    const MappedFile damaged = MappedFile::from_bytes(std::move(bytes), "x.bpte");
    auto bundle = read_bundle(damaged);
    if (!bundle) {
      EXPECT_EQ(bundle.error().message.rfind("x.bpte: ", 0), 0u) << bundle.error().message;
      return;
    }
    unsigned sum = 0;
    for (const TestSuite& suite : bundle->suites) {
      for (const TestCase& test : suite.cases) {
        for (const auto* list : {&test.inputs, &test.expected}) {
          for (const EValue& value : *list) {
            const auto* tensor = value.get<Tensor>();
            if (tensor == nullptr) continue;
            for (const std::byte b : tensor->bytes()) sum += static_cast<unsigned>(b);
          }
        }
      }
    }
    volatile unsigned sink = sum;
    (void)sink;
    EXPECT_NO_FATAL_FAILURE((void)read_program(damaged));
  };
  for (size_t size = 0; size < all.size(); ++size) {
    use({all.begin(), all.begin() + static_cast<ptrdiff_t>(size)});
  }
  for (size_t at = 0; at < all.size(); ++at) {
    for (int bit = 0; bit < 8; bit += 3) {
      std::vector<std::byte> bytes = all;
      bytes[at] ^= std::byte{1} << bit;
      use(std::move(bytes));
    }
  }
}

}  // namespace
}  // namespace pte::program
