// `pte diff`, `pte strip` and `pte extract`.
#include "cli/testing.h"
#include "program/ptd.h"

namespace pte::cli {
namespace {

using nlohmann::json;
using testing::pte;

const std::string kGolden = PTE_SOURCE_DIR "/tests/golden/program/";
const std::string kPortable = kGolden + "conv_relu6_portable.pte";
const std::string kDelegated = kGolden + "conv_relu6_xnnpack.pte";

class ToolsTest : public testing::FolderTest {
 protected:
  std::string data_file() const {
    const Tensor weight = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
    program::DataEntry entry{"layer.weight", program::Blob::of(weight),
                             program::TensorLayout{DType::kFloat32, {2, 3}, {0, 1}}};
    program::DataEntry opaque{"blob", program::Blob::copy(as_bytes("abc")), std::nullopt};
    EXPECT_TRUE(program::write_data({entry, opaque}, path("w.ptd")).has_value());
    return path("w.ptd");
  }
};

TEST_F(ToolsTest, HelpHasAnExample) {
  for (const char* command : {"inspect", "profile", "diff", "strip", "extract"}) {
    const auto outcome = pte({command, "--help"});
    EXPECT_EQ(outcome.code, kFine);
    EXPECT_NE(outcome.out.find(std::string("Example:\n  pte ") + command), std::string::npos);
    EXPECT_NE(pte({"completion", "bash"}).out.find(std::string("    ") + command + ") options="),
              std::string::npos);
  }
}

TEST_F(ToolsTest, DiffSaysEqualOrDifferent) {
  const auto same = pte({"diff", kPortable, kPortable});
  EXPECT_EQ(same.code, kFine);
  EXPECT_EQ(same.out, "✓  the same bytes\n");
  const auto other = pte({"diff", kPortable, kDelegated});
  EXPECT_EQ(other.code, kBad) << other.err;
  EXPECT_NE(other.out.find("aten::convolution.out"), std::string::npos) << other.out;
  EXPECT_LE(testing::widest(other.out), 80U) << other.out;
  const auto quiet = pte({"diff", kPortable, kDelegated, "-q"});
  EXPECT_EQ(quiet.code, kBad);
  EXPECT_TRUE(quiet.out.empty());
  EXPECT_EQ(pte({"diff", kPortable}).code, kUsage);
}

TEST_F(ToolsTest, DiffAsJson) {
  const auto outcome = pte({"diff", kPortable, kDelegated, "--json"});
  EXPECT_EQ(outcome.code, kBad);
  const json object = json::parse(outcome.out);
  EXPECT_FALSE(object["equal"]);
  EXPECT_EQ(object["methods"]["different"][0]["delegates"][0]["name"], "XnnpackBackend");
}

TEST_F(ToolsTest, StrippedProgramsRunTheSame) {
  const std::string traced = kGolden + "add_traced.pte";
  const auto outcome = pte({"strip", traced, "-o", path("s.pte")});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  EXPECT_NE(outcome.out.find("stack traces"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find(" gone\n"), std::string::npos) << outcome.out;
  EXPECT_LT(read(path("s.pte")).size(), read(traced).size());
  EXPECT_EQ(pte({"verify", path("s.pte")}).code, kFine);
  const std::vector<std::string> inputs = {"--input", kGolden + "add_traced.in0.npy", "--input",
                                           kGolden + "add_traced.in1.npy"};
  for (const auto& [file, folder] :
       {std::pair(traced, path("before")), std::pair(path("s.pte"), path("after"))}) {
    std::vector<std::string> words = {"run", file, "--output-dir", folder};
    words.insert(words.end(), inputs.begin(), inputs.end());
    ASSERT_EQ(pte(words).code, kFine);
  }
  EXPECT_EQ(read(path("before/out0.npy")), read(path("after/out0.npy")));
  EXPECT_EQ(pte({"diff", traced, path("s.pte")}).code, kFine);
}

TEST_F(ToolsTest, ExtractsWeightsAndPayloads) {
  const auto outcome = pte({"extract", kDelegated, "--weights", path("w.safetensors"), "--payloads",
                            path("p"), "--json"});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["files"].size(), 2U);
  EXPECT_NE(read(path("w.safetensors")).find("xnnpack0.Conv2d_0.weight"), std::string::npos);
  EXPECT_EQ(read(path("p/forward_0_XnnpackBackend.bin")).substr(4, 4), "XH00");
  EXPECT_EQ(pte({"extract", kDelegated}).code, kUsage);
  EXPECT_EQ(pte({"extract", kDelegated, "--program", path("x.pte")}).code, kUsage);
  EXPECT_EQ(pte({"extract", kDelegated, "--metadata"}).code, kBad);
}

TEST_F(ToolsTest, DataFilesAreInspectedAndExtracted) {
  const std::string file = data_file();
  const auto text = pte({"inspect", file});
  ASSERT_EQ(text.code, kFine) << text.err;
  EXPECT_NE(text.out.find("data for programs, 2 entries\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("float32[2,3]"), std::string::npos) << text.out;
  const json object = json::parse(pte({"inspect", file, "--json"}).out);
  EXPECT_EQ(object["entries"].size(), 2U);
  EXPECT_EQ(pte({"inspect", file, "--ir"}).code, kUsage);
  ASSERT_EQ(pte({"extract", file, "--weights", path("d.safetensors")}).code, kFine);
  EXPECT_NE(read(path("d.safetensors")).find("\"layer.weight\":{\"dtype\":\"F32\""),
            std::string::npos);
  EXPECT_EQ(pte({"extract", file, "--payloads", path("p")}).code, kUsage);
}

}  // namespace
}  // namespace pte::cli
