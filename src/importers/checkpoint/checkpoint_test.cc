#include "importers/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>

namespace pte::importers {
namespace {

const std::string kGoldens = PTE_SOURCE_DIR "/tests/golden/checkpoint/";

nlohmann::json expected() {
  std::ifstream in(kGoldens + "expected.json");
  return nlohmann::json::parse(in);
}

std::vector<std::byte> bytes_of(const std::string& name) {
  auto file = MappedFile::open(kGoldens + name);
  EXPECT_TRUE(file) << name;
  return {file->bytes().begin(), file->bytes().end()};
}

// Row-major values; a complex number counts as two, float8 is decoded here by hand.
std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> out;
  const Tensor dense = *tensor.contiguous();
  if (tensor.dtype() == DType::kComplex64) {
    const auto* data = dense.data_as<float>();
    out.assign(data, data + 2 * dense.numel());
  } else if (tensor.dtype() == DType::kFloat8E4M3FN) {
    for (const std::byte b : dense.bytes()) {
      const int bits = static_cast<int>(b);
      const int exponent = bits >> 3 & 15;
      const double magnitude =
          exponent == 0 ? std::ldexp(bits & 7, -9) : std::ldexp(8 + (bits & 7), exponent - 10);
      out.push_back(bits & 128 ? -magnitude : magnitude);
    }
  } else {
    EXPECT_TRUE(dispatch(tensor.dtype(), [&]<typename T>(T) {
      for (int64_t i = 0; i < dense.numel(); ++i) {
        out.push_back(static_cast<double>(dense.data_as<T>()[i]));
      }
    }));
  }
  return out;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, LoadsAsPyTorchDoes) {
  const nlohmann::json want = expected()[GetParam()];
  const auto got = load_checkpoint(kGoldens + GetParam());
  if (want.contains("error")) {
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message.find(want["error"]), std::string::npos) << got.error().message;
    EXPECT_TRUE(got.error().message.starts_with(kGoldens + GetParam() + ": "));
    EXPECT_EQ(got.error().code,
              want["code"] == "unsupported" ? Code::kUnsupported : Code::kInvalidData);
    return;
  }
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->format, want["format"]);
  EXPECT_EQ(got->found_under, want["found_under"]);
  EXPECT_EQ(got->metadata, want["metadata"]);
  if (want.contains("parameters")) {
    EXPECT_EQ(got->parameters, want["parameters"]);
  }
  ASSERT_EQ(got->state.size(), want["tensors"].size());
  for (size_t i = 0; i < got->state.size(); ++i) {
    const auto& entry = got->state.entries()[i];
    const auto& tensor = want["tensors"][i];
    SCOPED_TRACE(entry.name);
    EXPECT_EQ(entry.name, tensor["name"]);
    EXPECT_EQ(dtype_name(entry.tensor.dtype()), tensor["dtype"]);
    EXPECT_EQ(entry.tensor.sizes(), tensor["sizes"].get<Sizes>());
    EXPECT_EQ(entry.tensor.strides(), tensor["strides"].get<Strides>());
    EXPECT_EQ(values_of(entry.tensor), tensor["values"].get<std::vector<double>>());
  }
}

std::vector<std::string> golden_names() {
  std::vector<std::string> out;
  const nlohmann::json all = expected();
  for (const auto& [name, unused] : all.items()) out.push_back(name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(golden_names()), [](const auto& golden) {
  std::string name = golden.param;
  for (char& c : name) {
    if (c == '.') c = '_';
  }
  return name;
});

TEST(Checkpoint, TensorsOfAZipAreViewsOfTheFile) {
  const auto file = MappedFile::open(kGoldens + "mixed_zip.pth");
  const auto checkpoint = load_checkpoint(*file);
  ASSERT_TRUE(checkpoint);
  const auto begin = file->bytes().data();
  const auto end = begin + file->bytes().size();
  for (const auto& entry : checkpoint->state.entries()) {
    if (entry.tensor.numel() == 0) continue;
    EXPECT_TRUE(entry.tensor.data() >= begin && entry.tensor.data() < end) << entry.name;
    EXPECT_EQ(entry.tensor.owner(), file->owner()) << entry.name;
  }
}

TEST(Checkpoint, SharedStoragesStayShared) {
  for (const char* name : {"mixed_zip.pth", "mixed_legacy.pth"}) {
    const auto checkpoint = load_checkpoint(kGoldens + name);
    ASSERT_TRUE(checkpoint);
    const auto* shared = checkpoint->state.find("shared");
    EXPECT_EQ(checkpoint->state.find("shared_tail")->data(), shared->data() + 8 * 4) << name;
    EXPECT_EQ(checkpoint->state.find("transposed")->data(), shared->data()) << name;
    EXPECT_EQ(checkpoint->state.find("window")->data(), shared->data() + 5 * 4) << name;
  }
}

TEST(Checkpoint, EveryTensorIsAligned) {
  for (const char* name : {"mixed_zip.pth", "mixed_legacy.pth", "module_legacy.pth"}) {
    const auto checkpoint = load_checkpoint(kGoldens + name);
    ASSERT_TRUE(checkpoint);
    for (const auto& entry : checkpoint->state.entries()) {
      const size_t size = size_of(entry.tensor.dtype());
      const size_t alignment = is_complex(entry.tensor.dtype()) ? size / 2 : size;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(entry.tensor.data()) % alignment, 0u) << entry.name;
    }
  }
}

TEST(Checkpoint, ViewsOutliveTheCheckpoint) {
  Tensor kept;
  {
    const auto checkpoint = load_checkpoint(kGoldens + "mixed_legacy.pth");
    kept = *checkpoint->state.find("f64");
  }
  EXPECT_EQ(values_of(kept), (std::vector<double>{1.0 / 3.0, -1e300}));
}

TEST(Checkpoint, TheKeyOptionChooses) {
  CheckpointOptions options;
  options.key = "b";
  const auto chosen = load_checkpoint(kGoldens + "ambiguous.pth", options);
  ASSERT_TRUE(chosen) << chosen.error().message;
  EXPECT_EQ(chosen->found_under, "b");
  options.key = "c";
  const auto missing = load_checkpoint(kGoldens + "ambiguous.pth", options);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().message.find("the file has the entries a, b"), std::string::npos);
}

TEST(Checkpoint, ADictWithoutTensorsIsEmptyOnRequest) {
  CheckpointOptions options;
  options.allow_empty = true;
  const auto empty = load_checkpoint(kGoldens + "no_tensors.pth", options);
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_TRUE(empty->state.empty());
  EXPECT_EQ(empty->metadata["epoch"], 1);
  // Damage stays an error, and so does what is no dict.
  EXPECT_FALSE(load_checkpoint(kGoldens + "missing_storage.pth", options));
  EXPECT_FALSE(load_checkpoint(kGoldens + "single_tensor.pth", options));
}

TEST(Checkpoint, PrefixIsKeptOnRequest) {
  CheckpointOptions options;
  options.strip_prefix = false;
  const auto checkpoint = load_checkpoint(kGoldens + "module_prefix.pth", options);
  ASSERT_TRUE(checkpoint);
  EXPECT_TRUE(checkpoint->state.contains("module.fc.bias"));
}

TEST(Checkpoint, MetadataIsFlattenedForTheZoo) {
  const auto checkpoint = load_checkpoint(kGoldens + "metadata_protocol2.pth");
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->state.metadata_int("config.modelConfig.numClasses"), 3);
  EXPECT_EQ(checkpoint->state.metadata_number("val_loss"), 0.25);
}

TEST(Checkpoint, NamesWhatTheFileIsInstead) {
  const auto message = [](std::string_view text) {
    const Bytes bytes = as_bytes(text);
    const auto got = load_checkpoint(MappedFile::from_bytes({bytes.begin(), bytes.end()}, "file"));
    EXPECT_FALSE(got);
    return got ? std::string() : got.error().message;
  };
  EXPECT_EQ(message(""), "file: not a checkpoint: it is an empty file");
  EXPECT_EQ(message("hello there"), "file: not a checkpoint: the format is not known");
  EXPECT_EQ(message("\xff\xd8\xff\xe0 and so on"), "file: not a checkpoint: it is a JPEG picture");
  EXPECT_EQ(message(std::string_view("ET12ET12\0\0", 10)).substr(0, 27),
            "file: not a checkpoint: it ");
  EXPECT_EQ(message(std::string_view("\x08\x08\x12\x07pytorch")),
            "file: not a checkpoint: it is an ONNX model");
}

// A smaller file keeps these loops short: every byte of it matters.
void survives_damage(const std::string& name) {
  const std::vector<std::byte> whole = bytes_of(name);
  ASSERT_TRUE(load_checkpoint(MappedFile::from_bytes(whole))) << name;
  for (size_t n = 0; n < whole.size(); ++n) {
    const auto got = load_checkpoint(
        MappedFile::from_bytes({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)}));
    EXPECT_FALSE(got) << name << " cut to " << n;
  }
  std::mt19937 random(7);
  size_t loaded = 0;
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> damaged = whole;
    for (int flips = 1 + i % 4; flips > 0; --flips) {
      damaged[random() % damaged.size()] ^= std::byte(1 << random() % 8);
    }
    const auto got = load_checkpoint(MappedFile::from_bytes(std::move(damaged)));
    if (!got) {
      EXPECT_FALSE(got.error().message.empty());
      continue;
    }
    ++loaded;
    for (const auto& entry : got->state.entries()) {
      EXPECT_TRUE(entry.tensor.nbytes() >= (1 << 16) || entry.tensor.contiguous());
    }
  }
  EXPECT_GT(loaded, 0u);
}

TEST(Checkpoint, EveryTruncationIsAnErrorAndNoFlipCrashes) {
  survives_damage("odd_name.pth");
  survives_damage("under_model.pth");
  survives_damage("numpy_protocol4.pkl");
}

}  // namespace
}  // namespace pte::importers
