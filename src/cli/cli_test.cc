// The command as people and scripts meet it: exit codes, what is said where, and that nothing half
// done stays behind.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/command.h"
#include "tensor/npy.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = PTE_SOURCE_DIR "/tests/golden/";
const std::string kModel = kGolden + "models/deep_epi_cnn.pth";
const std::string kInput = kGolden + "models/deep_epi_cnn.in0.npy";
const std::string kProgram = kGolden + "program/conv_relu6_portable.pte";

struct Outcome {
  int code = 0;
  std::string out, err;
};

Outcome pte(std::vector<std::string> words) {
  words.insert(words.begin(), "pte");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  Outcome outcome;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  outcome.code = run(static_cast<int>(argv.size()), argv.data());
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              fmt::format("pte_cli_{}_{}", ::getpid(),
                          testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string exported(const std::string& backend) {
    const std::string file = path("model_" + backend + ".pte");
    const Outcome outcome = pte({"export", kModel, "--backends", backend, "-o", file});
    EXPECT_EQ(outcome.code, kFine) << outcome.err;
    return file;
  }
  size_t file_count() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  fs::path folder_;
};

std::string read(const std::string& path) {
  const auto file = MappedFile::open(path);
  EXPECT_TRUE(file.has_value()) << path;
  return file ? std::string(as_text(file->bytes())) : std::string();
}

// The first word of the line that an error begins with, and nothing on stdout.
void expect_error(const Outcome& outcome, int code, std::string_view text) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  EXPECT_TRUE(outcome.err.starts_with("error: ")) << outcome.err;
  EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("error: ", 1), std::string::npos) << outcome.err;
  EXPECT_TRUE(outcome.out.empty()) << outcome.out;
}

TEST_F(CliTest, HelpOfEveryCommandHasAnExample) {
  for (const char* command :
       {"export", "run", "classify", "inspect", "verify", "validate", "zoo", "ops", "completion"}) {
    const Outcome outcome = pte({command, "--help"});
    EXPECT_EQ(outcome.code, kFine);
    EXPECT_NE(outcome.out.find(std::string("Example:\n  pte ") + command), std::string::npos)
        << outcome.out;
  }
}

TEST_F(CliTest, WrongUsageIsCodeTwo) {
  EXPECT_EQ(pte({}).code, kUsage);
  expect_error(pte({"frobnicate"}), kUsage, "frobnicate");
  expect_error(pte({"run", kProgram, "--frobnicate"}), kUsage, "--frobnicate");
  expect_error(pte({"export", kModel, "--backends", "tpu"}), kUsage, "no backend 'tpu'");
  expect_error(pte({"export", kModel, "--backends", "portable", "xnnpack", "-o", path("x.pte")}),
               kUsage, "2 backends");
  expect_error(pte({"export", kModel, "--input-shapes", "1,x"}), kUsage, "column 3");
  expect_error(pte({"export", kModel, "--dump-ir-after", "frobnicate"}), kUsage,
               "no pass 'frobnicate'");
  expect_error(pte({"run", kProgram}), kUsage, "takes 1 input, 0 given");
  EXPECT_EQ(file_count(), 0U);
}

TEST_F(CliTest, ABackendThatCannotBeWrittenSaysSo) {
  expect_error(pte({"export", kModel, "--backends", "vulkan", "--output-dir", path("out")}), kBad,
               "'vulkan'");
  EXPECT_EQ(file_count(), 0U);
}

TEST_F(CliTest, ExportsAndRunsAsEagerPyTorch) {
  const auto expected = read_npy(kGolden + "models/deep_epi_cnn.out0.npy");
  ASSERT_TRUE(expected);
  for (const char* backend : {"portable", "xnnpack"}) {
    const std::string file = exported(backend);
    EXPECT_EQ(pte({"verify", file}).code, kFine);
    for (const char* threads : {"1", "3"}) {
      const Outcome outcome = pte(
          {"run", file, "--input", kInput, "--output-dir", path("results"), "--threads", threads});
      ASSERT_EQ(outcome.code, kFine) << outcome.err;
      const auto actual = read_npy(path("results/out0.npy"));
      ASSERT_TRUE(actual);
      ASSERT_EQ(actual->sizes(), expected->sizes());
      for (int64_t i = 0; i < actual->numel(); ++i) {
        EXPECT_NEAR(actual->data_as<float>()[i], expected->data_as<float>()[i],
                    1e-5 * std::abs(expected->data_as<float>()[0]) + 1e-6);
      }
    }
  }
}

TEST_F(CliTest, RunsACheckpointWithoutAFile) {
  const Outcome outcome = pte({"run", kModel, "--input", kInput, "--json"});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  const auto object = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(object["outputs"][0]["shape"], nlohmann::json({1, 2}));
}

TEST_F(CliTest, JsonIsOneObject) {
  const Outcome outcome = pte({"export", kModel, "--backends", "portable", "xnnpack",
                               "--output-dir", path("out"), "--json"});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  const auto object = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(object["model"], "deep_epi_cnn");
  ASSERT_EQ(object["files"].size(), 2U);
  EXPECT_EQ(object["files"][1]["nodes"], object["files"][1]["delegated"]);
  for (const auto& file : object["files"]) {
    const auto inspected = nlohmann::json::parse(pte({"inspect", file["file"], "--json"}).out);
    EXPECT_EQ(inspected["bytes"], file["bytes"]);
    EXPECT_EQ(inspected["methods"][0]["arena_sizes"][1], file["arena_bytes"]);
  }
  const Outcome bad = pte({"inspect", path("none.pte"), "--json"});
  EXPECT_EQ(bad.code, kBad);
  EXPECT_EQ(nlohmann::json::parse(bad.out)["error"]["code"], "not found");
}

TEST_F(CliTest, QuietPrintsThePathsAlone) {
  const Outcome outcome =
      pte({"export", kModel, "--backends", "portable", "--output-dir", path("out"), "-q"});
  EXPECT_EQ(outcome.out, path("out/deep_epi_cnn_portable.pte") + "\n");
  EXPECT_TRUE(outcome.err.empty()) << outcome.err;
}

TEST_F(CliTest, DumpsTheGraphAfterAPass) {
  const Outcome outcome = pte({"export", kModel, "--backends", "portable", "-o", path("m.pte"),
                               "--dump-ir-after", "fold_batch_norm"});
  EXPECT_EQ(outcome.code, kFine);
  EXPECT_NE(outcome.err.find("// after fold_batch_norm\nmodule"), std::string::npos);
  EXPECT_EQ(outcome.err.find("batch_norm_legit"), std::string::npos);
}

TEST_F(CliTest, WrongShapesAndTypesSayWhatIsExpected) {
  const std::string file = exported("portable");
  const std::string wrong = path("wrong.npy");
  ASSERT_TRUE(write_npy(wrong, Tensor::of<float>({2}, {1, 2})));
  expect_error(pte({"run", file, "--input", wrong}), kBad,
               "expects float32[1,1,750], got float32[2]");
  ASSERT_TRUE(write_npy(wrong, *Tensor::zeros(DType::kInt64, {1, 1, 750})));
  expect_error(pte({"run", file, "--input", wrong}), kBad, "got int64[1,1,750]");
  expect_error(pte({"export", kModel, "--input-shapes", "1,3,224,224", "-o", path("x.pte")}),
               kUsage, "deep_epi_cnn");
  EXPECT_FALSE(fs::exists(path("x.pte")));
}

TEST_F(CliTest, RawInputsMustFit) {
  const std::string file = exported("portable");
  ASSERT_TRUE(write_file(path("short.bin"), "abcd"));
  expect_error(pte({"run", file, "--input", path("short.bin")}), kUsage,
               "4 bytes, float32[1,1,750] needs 3000");
  ASSERT_TRUE(write_file(path("zeros.bin"), std::string(3000, '\0')));
  const Outcome outcome = pte(
      {"run", file, "--input", path("zeros.bin"), "--format", "raw", "--output-dir", path("r")});
  EXPECT_EQ(outcome.code, kFine) << outcome.err;
  EXPECT_EQ(fs::file_size(path("r/out0.bin")), 8U);
}

TEST_F(CliTest, SeededInputsRepeat) {
  const std::string file = exported("xnnpack");
  const auto run_with = [&](const char* seed) {
    EXPECT_EQ(pte({"run", file, "--random", seed, "--output-dir", path(seed)}).code, kFine);
    return read(path(std::string(seed) + "/out0.npy"));
  };
  const std::string first = run_with("7");
  EXPECT_EQ(first, run_with("7"));
  EXPECT_NE(first, run_with("8"));
}

TEST_F(CliTest, DamagedProgramsAreOneClearError) {
  const std::string good = read(kProgram);
  for (const size_t size : {size_t{0}, size_t{7}, size_t{64}, good.size() / 2, good.size() - 1}) {
    ASSERT_TRUE(write_file(path("cut.pte"), good.substr(0, size)));
    const Outcome outcome = pte({"run", path("cut.pte"), "--random", "1"});
    EXPECT_EQ(outcome.code, kBad) << size;
    EXPECT_NE(outcome.err.find("cut.pte"), std::string::npos) << outcome.err;
    EXPECT_EQ(pte({"verify", path("cut.pte")}).code, kBad) << size;
  }
  for (size_t i = 0; i < 400; ++i) {
    std::string flipped = good;
    flipped[i * flipped.size() / 400] ^= static_cast<char>(1U << (i % 8));
    ASSERT_TRUE(write_file(path("flipped.pte"), flipped));
    EXPECT_LE(pte({"inspect", path("flipped.pte")}).code, kBad);
    // A flip in the method's name leaves a good program without the method that was asked for.
    EXPECT_LE(pte({"run", path("flipped.pte"), "--random", "1"}).code, kUsage);
  }
}

TEST_F(CliTest, WrongFormatsAreNamed) {
  const std::string jpeg = kGolden + "vision/420.jpg";
  expect_error(pte({"export", jpeg, "-o", path("x.pte")}), kBad, "JPEG");
  expect_error(pte({"inspect", jpeg}), kBad, "420.jpg");
  expect_error(pte({"verify", kModel}), kBad, "deep_epi_cnn.pth");
  expect_error(pte({"export", kProgram, "-o", path("x.pte")}), kUsage, "already");
  expect_error(pte({"export", path("none.pth"), "-o", path("x.pte")}), kBad, "No such file");
  expect_error(pte({"export", folder_.string(), "-o", path("x.pte")}), kBad, "not a regular file");
  EXPECT_EQ(file_count(), 0U);
}

TEST_F(CliTest, APickleThatAsksToRunCodeIsRefused) {
  for (const char* name : {"os_system_zip.pth", "os_system_legacy.pth", "os_system.pkl"}) {
    expect_error(pte({"export", kGolden + "checkpoint/" + name, "-o", path("x.pte")}), kBad,
                 "system");
  }
  EXPECT_EQ(file_count(), 0U);
}

TEST_F(CliTest, AnUnknownCheckpointListsWhatIsMissing) {
  expect_error(pte({"export", kModel, "--model", "mobilenet_v3_small", "-o", path("x.pte")}), kBad,
               "features.0.0.weight");
  expect_error(pte({"export", kModel, "--model", "frobnicate", "-o", path("x.pte")}), kUsage,
               "frobnicate");
  expect_error(pte({"export", kGolden + "checkpoint/mixed_zip.pth", "-o", path("x.pte")}), kBad,
               "mixed_zip.pth");
  EXPECT_EQ(file_count(), 0U);
}

// A limit on file sizes fails in write(), as a full disk does.
TEST_F(CliTest, AFullDiskLeavesNoFile) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tiny{50'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tiny), 0);
  const Outcome outcome = pte({"export", kModel, "--backends", "portable", "-o", path("x.pte")});
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  expect_error(outcome, kBad, "cannot write");
  EXPECT_EQ(file_count(), 0U);
}

TEST_F(CliTest, ClassifyNeedsToKnowHowToPrepareAPicture) {
  const std::string picture = kGolden + "vision/420.jpg";
  expect_error(pte({"classify", exported("portable"), picture}), kUsage, "--preset");
  expect_error(pte({"classify", kProgram, picture, "--preset", "frobnicate"}), kUsage,
               "frobnicate");
}

TEST_F(CliTest, ListsOperatorsArchitecturesAndCompletions) {
  const auto ops = nlohmann::json::parse(pte({"ops", "--json"}).out);
  EXPECT_GT(ops["count"], 150);
  const auto zoo = nlohmann::json::parse(pte({"zoo", "--json"}).out);
  EXPECT_GE(zoo["architectures"].size(), 28U);
  const auto one = nlohmann::json::parse(pte({"zoo", "ResNet-18", "--json"}).out);
  EXPECT_EQ(one["architectures"][0]["name"], "resnet18");
  EXPECT_NE(pte({"zoo"}).out.find("yolo11n"), std::string::npos);
  EXPECT_EQ(pte({"zoo", "resnet19"}).code, kUsage);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_NE(pte({"completion", shell}).out.find("--backends") == std::string::npos
                  ? pte({"completion", shell}).out.find("-l backends")
                  : 0,
              std::string::npos);
  }
  EXPECT_EQ(pte({"ops", "frobnicate"}).code, kUsage);
}

TEST_F(CliTest, ValidateRunsTheCases) {
  const std::string folder = kGolden + "runtime/";
  const Outcome good = pte({"validate", folder + "bundled.bpte"});
  EXPECT_EQ(good.code, kFine) << good.err;
  EXPECT_NE(good.out.find("2 of 2 cases pass"), std::string::npos) << good.out;
  const Outcome bad = pte({"validate", folder + "bundled_wrong.bpte", "--json"});
  EXPECT_EQ(bad.code, kBad);
  const auto report = nlohmann::json::parse(bad.out);
  EXPECT_EQ(report["passed"], 1);
  EXPECT_EQ(report["cases"][1]["passed"], false);
  EXPECT_NEAR(report["cases"][1]["largest_difference"].get<double>(), 0.25, 1e-6);
  EXPECT_EQ(pte({"validate", folder + "bundled_wrong.bpte", "--atol", "0.3"}).code, kFine);
  EXPECT_EQ(pte({"validate", folder + "bundled_wrong.bpte", "--case", "0"}).code, kFine);
  EXPECT_EQ(pte({"validate", kProgram}).code, kBad);
  EXPECT_EQ(pte({"run", folder + "bundled.bpte", "--random", "0"}).code, kFine);
}

TEST_F(CliTest, DataOutsideTheProgram) {
  const std::string folder = kGolden + "runtime/";
  const std::string program = folder + "external_two_files.pte";
  const std::string linear = folder + "external_two_files.linear.ptd";
  const std::string rest = folder + "external_two_files.rest.ptd";
  const Outcome none = pte({"run", program, "--random", "0"});
  EXPECT_EQ(none.code, kBad);
  EXPECT_NE(none.err.find("--data"), std::string::npos) << none.err;
  EXPECT_EQ(pte({"run", program, "--random", "0", "--data", linear, "--data", rest}).code, kFine);
  EXPECT_EQ(pte({"run", program, "--random", "0", "--data", linear, "--data", linear}).code, kBad);
  EXPECT_EQ(pte({"verify", linear, rest}).code, kFine);
  const Outcome weights = pte({"run", linear, "--random", "0"});
  EXPECT_NE(weights.err.find("tensor data (.ptd)"), std::string::npos) << weights.err;
}

}  // namespace
}  // namespace pte::cli
