// Exports and what comes with them: the proof, the summary, the collection, conversions, checks.
#include <gtest/gtest.h>

#include <cmath>

#include "cli/command.h"
#include "cli/proof.h"
#include "cli/testing.h"
#include "ir/text.h"
#include "lowering/lower.h"
#include "tensor/npy.h"

namespace pte::cli {
namespace {

using testing::Outcome;
using testing::pte;

const std::string kGolden = std::string(PTE_SOURCE_DIR) + "/tests/golden/";
const std::string kModel = kGolden + "models/deep_epi_cnn.pth";

class ExportTest : public testing::FolderTest {
 protected:
  nlohmann::json json(const std::vector<std::string>& words) {
    const Outcome outcome = pte(words);
    EXPECT_EQ(outcome.code, kFine) << outcome.err;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }
  size_t file_count() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
};

TEST_F(ExportTest, IsProvedBeforeItIsKept) {
  const auto report = json({"export", kModel, "--backends", "portable", "xnnpack", "--output-dir",
                            path("out"), "--json"});
  for (const auto& file : report["files"]) {
    EXPECT_LT(file["proof"]["largest_difference"], 1e-5) << file;
  }
  EXPECT_EQ(file_count(), 2U);
  const Outcome text = pte({"export", kModel, "-o", path("x.pte")});
  EXPECT_NE(text.out.find("proved"), std::string::npos) << text.out;
  EXPECT_LE(testing::widest(text.out.substr(0, text.out.find("✓"))), 80U) << text.out;
  const Outcome off = pte({"export", kModel, "-o", path("x.pte"), "--no-proof"});
  EXPECT_NE(off.out.find("not run: --no-proof"), std::string::npos) << off.out;
  EXPECT_EQ(pte({"export", kModel, "--no-proof", "--proof", "full"}).code, kUsage);
}

ir::Module module_of(const std::string& text) {
  auto module = ir::parse_module(text);
  EXPECT_TRUE(module) << module.error().message;
  return std::move(*module);
}

constexpr std::string_view kTwice = R"(module "m" {
  func forward(%x: float32[2,3]) {
    %y: float32[2,3] = aten.mul.Scalar(%x, 2.0)
    return %y
  }
}
)";

TEST_F(ExportTest, AProgramThatComputesSomethingElseIsFound) {
  ThreadPool pool(1);
  const ir::Module module = module_of(std::string(kTwice));
  const auto inputs = sample_inputs(module, {});
  ASSERT_TRUE(inputs);
  const auto reference = Reference::run(module, *inputs, pool);
  ASSERT_TRUE(reference) << reference.error().message;
  const auto program_of = [](const std::string& text) {
    auto lowered = lowering::lower(module_of(text), {});
    EXPECT_TRUE(lowered) << lowered.error().message;
    return std::make_shared<const program::Program>(std::move(lowered->program));
  };
  const auto good = prove(program_of(std::string(kTwice)), *reference, pool);
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->largest, 0);
  std::string other(kTwice);
  other.replace(other.find("2.0"), 3, "2.1");
  const auto bad = prove(program_of(other), *reference, pool);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Code::kMismatch);
  EXPECT_NE(bad.error().message.find("method 'forward', output 0"), std::string::npos)
      << bad.error().message;
}

TEST_F(ExportTest, CountsArithmetic) {
  const ir::Module module = module_of(R"(module "m" {
  func forward(%x: float32[1,3,8,8], %w: float32[4,3,3,3]) {
    %y: float32[1,4,8,8] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %z: float32[1,4,64] = aten.view_copy.default(%y, [1, 4, 64])
    return %z
  }
}
)");
  EXPECT_EQ(estimated_flops(module), 2.0 * 4 * 64 * 27);
}

TEST_F(ExportTest, PlatformsChooseBackendsAndWriteASummary) {
  const Outcome outcome = pte({"export", kModel, "--target-platform", "ios", "--model-name",
                               "seizures", "--output-dir", path("out")});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  EXPECT_NE(outcome.out.find("coreml       not written"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("removed it"), std::string::npos) << outcome.out;
  const auto summary = nlohmann::json::parse(read(path("out/export_summary.json")));
  EXPECT_EQ(summary["export_summary"]["total_exports"], 4);
  EXPECT_EQ(summary["export_summary"]["successful_exports"], 3);
  ASSERT_EQ(summary["results"].size(), 4U);
  EXPECT_EQ(summary["results"][0]["backend"], "coreml");
  EXPECT_FALSE(summary["results"][0]["success"].get<bool>());
  const auto& mps = summary["results"][1];
  EXPECT_EQ(mps["output_path"], path("out/seizures_mps.pte"));
  EXPECT_EQ(mps["metadata"]["input_specs"][0]["shape"], nlohmann::json({1, 1, 750}));
  // An mps file is the portable one.
  EXPECT_EQ(read(path("out/seizures_mps.pte")), read(path("out/seizures_portable.pte")));
  EXPECT_EQ(file_count(), 4U);
}

TEST_F(ExportTest, ASummaryTellsOfFailuresToo) {
  EXPECT_EQ(pte({"export", kGolden + "checkpoint/mixed_zip.pth", "--create-summary", "--output-dir",
                 path("out")})
                .code,
            kBad);
  const auto summary = nlohmann::json::parse(read(path("out/export_summary.json")));
  EXPECT_EQ(summary["export_summary"]["failed_exports"], 1);
  EXPECT_FALSE(summary["results"][0]["error_message"].get<std::string>().empty());
}

TEST_F(ExportTest, OptionsThatCannotBe) {
  EXPECT_EQ(pte({"export", kModel, "--quantize", "-o", path("x.pte")}).code, kBad);
  EXPECT_EQ(pte({"export"}).code, kUsage);
  EXPECT_EQ(pte({"export", kModel, "--all"}).code, kUsage);
  EXPECT_EQ(pte({"export", kModel, "--input-dtypes", "float31"}).code, kUsage);
  EXPECT_EQ(pte({"export", kModel, "--input-dtypes", "float16"}).code, kBad);
  for (const char* dynamic :
       {"x", "x:0=8..1", "x:a=1..8", ":0=1..8", "x:0=1..8x", "x:0=8..64/0", "x:0=8..60/8"}) {
    EXPECT_EQ(pte({"export", kModel, "--dynamic", dynamic}).code, kUsage) << dynamic;
  }
  EXPECT_EQ(pte({"export", kModel, "--dynamic", "x:2=500..750", "-o", path("x.pte")}).code, kBad);
  EXPECT_EQ(file_count(), 0U);
}

TEST_F(ExportTest, ADynamicBatch) {
  const Outcome outcome = pte(
      {"export", kModel, "--dynamic", "x:0=1..4", "--backends", "portable", "-o", path("x.pte")});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  EXPECT_NE(outcome.out.find("[s0,1,750]"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("proved"), std::string::npos) << outcome.out;
}

TEST_F(ExportTest, ACollectionWantsItsCheckpoints) {
  const Outcome outcome = pte({"export", "--mobilenet", "--yolo", "yolov5n", "--weights",
                               folder_.string(), "--output-dir", path("out")});
  EXPECT_EQ(outcome.code, kBad);
  EXPECT_NE(outcome.err.find("no checkpoint mobilenet_v3_small.pt"), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("no checkpoint yolov5nu.pt"), std::string::npos) << outcome.err;
}

TEST_F(ExportTest, ConvertsBesideTheModel) {
  std::filesystem::copy(kModel, path("a.pt"));
  std::filesystem::copy(kModel, path("b.pth"));
  const Outcome outcome = pte({"convert", path("a.pt"), path("b.pth")});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  EXPECT_NE(outcome.out.find("2 converted, 0 failed, 0 skipped"), std::string::npos) << outcome.out;
  EXPECT_EQ(nlohmann::json::parse(read(path("a.pte.json")))["min_cpu_features"].size(), 0U);
  EXPECT_EQ(pte({"verify", path("b.pte")}).code, kFine);

  const auto again = json({"convert", path("a.pt"), "--skip-existing", "--json"});
  EXPECT_EQ(again["skipped"], 1);
  ASSERT_EQ(pte({"convert", path("a.pt"), "-o", path("c.pte"), "--xnnpack", "--no-fp16",
                 "--input-shape", "1,1,500", "--num-classes", "2", "-q"})
                .out,
            path("c.pte") + "\n");
  EXPECT_EQ(nlohmann::json::parse(read(path("c.pte.json")))["min_cpu_features"],
            nlohmann::json({"dotprod"}));
  const Outcome classes = pte({"convert", path("a.pt"), "--num-classes", "3"});
  EXPECT_EQ(classes.code, kBad);
  EXPECT_NE(classes.err.find("--num-classes 3"), std::string::npos) << classes.err;
  EXPECT_EQ(pte({"convert", path("a.pt"), path("b.pth"), "-o", path("x.pte")}).code, kUsage);
  // One bad file does not keep the others from being converted.
  EXPECT_EQ(pte({"convert", path("none.pt"), path("a.pt")}).code, kBad);
}

// Saved by Ultralytics' own code, with its own answers.
TEST_F(ExportTest, DetectorsAnswerAsTheirTrainersDo) {
  for (const std::string name : {"light", "plain"}) {
    const std::string golden = kGolden + "zoo/" + name;
    const auto expected = read_npy(golden + ".out.npy");
    ASSERT_TRUE(expected) << expected.error().message;
    for (const std::string backend : {"portable", "xnnpack"}) {
      const std::string file = path(name + "_" + backend + ".pte");
      const Outcome exported = pte({"export", golden + ".pt", "--input-shapes", "1,3,64,32",
                                    "--backends", backend, "-o", file});
      ASSERT_EQ(exported.code, kFine) << exported.err;
      const Outcome ran =
          pte({"run", file, "--input", kGolden + "zoo/in.npy", "--output-dir", path("results")});
      ASSERT_EQ(ran.code, kFine) << ran.err;
      const auto actual = read_npy(path("results/out0.npy"));
      ASSERT_TRUE(actual);
      ASSERT_EQ(actual->sizes(), expected->sizes());
      double largest = 0, apart = 0;
      for (int64_t i = 0; i < actual->numel(); ++i) {
        const double value = expected->data_as<float>()[i];
        largest = std::max(largest, std::abs(value));
        apart = std::max(apart, std::abs(value - actual->data_as<float>()[i]));
      }
      EXPECT_LE(apart, 1e-5 * largest) << name << " " << backend;
    }
  }
}

TEST_F(ExportTest, ChecksWithoutWriting) {
  const auto report = json({"check", kModel, "--json"});
  ASSERT_EQ(report["files"].size(), 2U);
  EXPECT_FALSE(report["files"][0].contains("file"));
  EXPECT_LT(report["files"][1]["proof"]["largest_difference"], 1e-5);
  const Outcome text = pte({"check", kModel, "--backends", "portable", "xnnpack"});
  EXPECT_EQ(text.code, kFine);
  EXPECT_NE(text.out.find("proved"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find("✓"), std::string::npos) << text.out;
  EXPECT_EQ(pte({"check", kModel, "-q"}).out, "portable yes\nxnnpack yes\n");
  EXPECT_EQ(pte({"check", kGolden + "checkpoint/mixed_zip.pth"}).code, kBad);
  EXPECT_EQ(file_count(), 0U);
}

}  // namespace
}  // namespace pte::cli
