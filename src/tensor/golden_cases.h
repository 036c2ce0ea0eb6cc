// The cases in tests/golden/kernels/*.zip: calls of operators and what PyTorch eager gives for
// them. For tests.
//
// A file's one entry is "PTEG", a count and that many cases, all little-endian: the operator's
// name, how to compare (0 exactly, 1 each element, 2 against the largest element) and the
// tolerance; then named arguments; then the expected results. A value is a tag byte, as EValue
// numbers its alternatives, and its content; strings and lists begin with a 16-bit count; a tensor
// is dtype, rank, sizes, strides (32-bit), the count of stored elements and their bytes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/zip.h"
#include "schema/ops.h"
#include "tensor/evalue.h"

namespace pte {

class GoldenReader {
 public:
  explicit GoldenReader(Bytes bytes) : bytes_(bytes) {}

  template <typename T>
  T number() {
    T value{};
    if (bytes_.size() - at_ < sizeof(T)) {
      ADD_FAILURE() << "file ends early";
      at_ = bytes_.size();
      return value;
    }
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string text() {
    std::string s(number<uint16_t>(), '\0');
    for (char& c : s) c = number<char>();
    return s;
  }
  template <typename T>
  std::vector<T> list() {
    std::vector<T> items(number<uint16_t>());
    for (T& item : items) item = number<T>();
    return items;
  }
  Tensor tensor() {
    const auto dtype = static_cast<DType>(number<uint8_t>());
    const size_t rank = number<uint8_t>();
    Sizes sizes(rank);
    Strides strides(rank);
    for (int64_t& size : sizes) size = number<int32_t>();
    for (int64_t& stride : strides) stride = number<int32_t>();
    auto memory = std::make_shared<std::vector<std::byte>>(number<uint32_t>() * size_of(dtype));
    for (std::byte& b : *memory) b = number<std::byte>();
    const std::byte* data = memory->data();
    return Tensor::view(dtype, std::move(sizes), std::move(strides), data, std::move(memory));
  }
  EValue value() {
    switch (number<uint8_t>()) {
      case 0:
        return {};
      case 1:
        return tensor();
      case 2:
        return number<int64_t>();
      case 3:
        return number<double>();
      case 4:
        return number<uint8_t>() != 0;
      case 5:
        return text();
      case 6:
        return list<int64_t>();
      case 7:
        return list<double>();
      case 8: {
        const std::vector<uint8_t> items = list<uint8_t>();
        return std::vector<bool>(items.begin(), items.end());
      }
      case 9: {
        std::vector<Tensor> tensors(number<uint16_t>());
        for (Tensor& t : tensors) t = tensor();
        return tensors;
      }
      case 10: {
        std::vector<std::optional<Tensor>> tensors(number<uint16_t>());
        for (std::optional<Tensor>& t : tensors) {
          const EValue item = value();
          if (const Tensor* given = item.get<Tensor>()) t = *given;
        }
        return tensors;
      }
      default:
        ADD_FAILURE() << "unknown tag";
        return {};
    }
  }
  bool done() const { return at_ == bytes_.size(); }

 private:
  Bytes bytes_;
  size_t at_ = 0;
};

struct GoldenCase {
  const OpInfo* op = nullptr;
  std::string name;
  int mode = 0;
  double tolerance = 0;
  std::vector<std::pair<std::string, EValue>> named;  // every argument of the schema
  std::vector<EValue> args;                           // those that the call takes
  std::vector<EValue> expected;
};

inline GoldenCase read_golden_case(GoldenReader& reader) {
  GoldenCase c;
  c.name = reader.text();
  c.op = find_op(c.name);
  c.mode = reader.number<uint8_t>();
  c.tolerance = reader.number<double>();
  c.named.resize(reader.number<uint8_t>());
  for (auto& [name, value] : c.named) {
    name = reader.text();
    value = reader.value();
  }
  c.expected.resize(reader.number<uint8_t>());
  for (EValue& value : c.expected) value = reader.value();
  if (c.op == nullptr) return c;
  for (const int index : c.op->out_args) {
    for (const auto& [name, value] : c.named) {
      if (name == c.op->args[static_cast<size_t>(index)].name) c.args.push_back(value);
    }
  }
  return c;
}

// The path of every file there is, by the file's name without its ending.
inline std::vector<std::pair<std::string, std::string>> golden_files() {
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(PTE_SOURCE_DIR "/tests/golden/kernels")) {
    if (entry.path().extension() == ".zip")
      files.emplace_back(entry.path().stem().string(), entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Calls visit(case, number) for every case of a file, until it returns false.
template <typename Visit>
void for_each_golden_case(const std::string& path, Visit visit) {
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const auto zip = ZipArchive::open(*file);
  ASSERT_TRUE(zip.has_value()) << zip.error().message;
  const ZipEntry* entry = zip->find("cases");
  ASSERT_NE(entry, nullptr) << path;
  const auto cases = zip->read(*entry);
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  GoldenReader reader(cases->bytes);
  char magic[4];
  for (char& c : magic) c = reader.number<char>();
  ASSERT_EQ(std::string_view(magic, 4), "PTEG");
  const auto count = reader.number<uint32_t>();
  ASSERT_GT(count, 0U);
  for (uint32_t i = 0; i < count; ++i) {
    GoldenCase c = read_golden_case(reader);
    ASSERT_NE(c.op, nullptr) << "ops.def has no row for " << c.name;
    if (!visit(c, i)) return;
  }
  EXPECT_TRUE(reader.done());
}

}  // namespace pte
