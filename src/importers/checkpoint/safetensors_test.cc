#include "importers/checkpoint/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "importers/sniff.h"

namespace pte::importers {
namespace {

namespace fs = std::filesystem;

std::string with_header(const std::string& header, const std::string& data) {
  std::string out(8, '\0');
  const uint64_t size = header.size();
  std::memcpy(out.data(), &size, 8);
  return out + header + data;
}

MappedFile file_of(const std::string& text) {
  const Bytes bytes = as_bytes(text);
  return MappedFile::from_bytes({bytes.begin(), bytes.end()}, "x.safetensors");
}

std::string floats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}

TEST(Safetensors, TensorsAndMetadata) {
  // 62 bytes of header leave the floats at an odd address, padded ones at an even.
  for (const std::string pad : {"", " ", "      "}) {
    const MappedFile file =
        file_of(with_header(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],)"
                            R"("data_offsets":[0,8]},"b":{"dtype":"BOOL","shape":[2],)"
                            R"("data_offsets":[8,10]},"e":{"dtype":"F16","shape":[0],)"
                            R"("data_offsets":[10,10]}})" +
                                pad,
                            floats({1.5F, -2}) + std::string("\0\1", 2)));
    EXPECT_EQ(sniff(file), FileKind::kSafetensors);
    const auto checkpoint = load_checkpoint(file);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message;
    EXPECT_EQ(checkpoint->format, "safetensors");
    EXPECT_EQ(checkpoint->parameters, 2);
    EXPECT_EQ(checkpoint->metadata["format"], "pt");
    const Tensor* a = checkpoint->state.find("a");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->sizes(), (Sizes{2, 1}));
    EXPECT_EQ(a->data_as<float>()[1], -2);
    EXPECT_TRUE(checkpoint->state.find("b")->data_as<bool>()[1]);
    EXPECT_EQ(checkpoint->state.find("e")->numel(), 0);
  }
}

TEST(Safetensors, DamagedFilesAreRefused) {
  const auto error = [](const std::string& entry, const std::string& data) {
    const auto checkpoint = load_checkpoint(file_of(with_header("{\"a\":" + entry + "}", data)));
    return checkpoint ? std::string("no error") : checkpoint.error().message;
  };
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}";
  };
  EXPECT_EQ(error(entry("F32", "[1]", "[0,4]"), "1234"), "no error");
  for (const auto& [text, data] : std::vector<std::pair<std::string, std::string>>{
           {entry("F32", "[2]", "[0,4]"), "1234"},
           {entry("F32", "[1]", "[0,4]"), "123"},
           {entry("F32", "[1]", "[4,8]"), "1234"},
           {entry("F32", "[1]", "[-4,0]"), "1234"},
           {entry("F32", "[1]", "[4,0]"), "1234"},
           {entry("F32", "[1]", "[0]"), "1234"},
           {entry("F32", "[-1]", "[0,4]"), "1234"},
           {entry("F32", "[4611686018427387904,4]", "[0,0]"), "1234"},
           {entry("F32", "[1.5]", "[0,4]"), "1234"},
           {entry("F8_E5M2", "[4]", "[0,4]"), "1234"},
           {entry("BOOL", "[4]", "[0,4]"), "1234"},
           {"3", "1234"},
           {"{}", "1234"}}) {
    EXPECT_NE(error(text, data), "no error") << text;
  }
  EXPECT_FALSE(load_safetensors(file_of("short")));
  EXPECT_FALSE(load_safetensors(file_of(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10))));
}

class Index : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("pte_index_{}", ::getpid());
    fs::create_directories(folder_);
    for (const std::string name : {"a", "b"}) {
      const std::string header = R"({")" + name +
                                 R"(":{"dtype":"F32","shape":[1],)"
                                 R"("data_offsets":[0,4]}})";
      ASSERT_TRUE(write_file((folder_ / (name + ".safetensors")).string(),
                             with_header(header, floats({name == "a" ? 1.0F : 2.0F}))));
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<Checkpoint> load(const std::string& map) {
    const std::string path = (folder_ / "model.safetensors.index.json").string();
    EXPECT_TRUE(write_file(path, R"({"metadata":{},"weight_map":)" + map + "}"));
    return load_checkpoint(path);
  }
  fs::path folder_;
};

TEST_F(Index, JoinsItsFiles) {
  const auto checkpoint = load(R"({"a":"a.safetensors","b":"b.safetensors"})");
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->format, "safetensors in 2 files");
  EXPECT_EQ(checkpoint->state.find("b")->data_as<float>()[0], 2);
}

TEST_F(Index, StaysInItsFolder) {
  for (const char* map : {R"({"a":"../a.safetensors"})", R"({"a":"/etc/passwd"})", R"({"a":".."})",
                          R"({"a":"x\\y"})", R"({"a":""})", R"({"a":3})", "{}", "[]"}) {
    const auto checkpoint = load(map);
    ASSERT_FALSE(checkpoint) << map;
    EXPECT_NE(checkpoint.error().message.find("model.safetensors.index.json"), std::string::npos)
        << checkpoint.error().message;
  }
  const auto missing = load(R"({"a":"c.safetensors"})");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

}  // namespace
}  // namespace pte::importers
