#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/testing.h"

namespace pte::cli {
namespace {

using testing::pte;

const std::string kGolden = std::string(PTE_SOURCE_DIR) + "/tests/golden/";

TEST(Bench, GivesTheTimesInOrder) {
  const auto outcome =
      pte({"bench", kGolden + "program/conv_relu6_xnnpack.pte", "--seconds", "0.01", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  const auto& times = json["milliseconds"];
  EXPECT_LE(times["min"].get<double>(), times["median"].get<double>());
  EXPECT_LE(times["median"].get<double>(), times["p90"].get<double>());
  EXPECT_LE(times["p90"].get<double>(), times["p99"].get<double>());
  EXPECT_GT(times["load"].get<double>(), 0);
  EXPECT_GT(times["first"].get<double>(), 0);
  EXPECT_GT(json["runs"].get<int>(), 0);
  EXPECT_GT(json["peak_bytes"].get<uint64_t>(), 1000000U);
  EXPECT_EQ(json["engine"], "fast");
  EXPECT_EQ(json["reference_steps"], 0);
  EXPECT_FALSE(json.contains("steps"));
  const std::string isa = json["isa"];
  const std::string file = kGolden + "program/conv_relu6_xnnpack.pte";
  EXPECT_EQ(pte({"bench", file, "--seconds", "0", "--isa", isa}).code, 0);
  EXPECT_EQ(pte({"bench", file, "--seconds", "0", "--isa", "abacus"}).code, 2);
}

TEST(Bench, GivesTheTimeOfEachStep) {
  const std::string file = kGolden + "program/conv_relu6_xnnpack.pte";
  const auto outcome = pte({"bench", file, "--seconds", "0", "--steps", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto steps = nlohmann::json::parse(outcome.out)["steps"];
  ASSERT_FALSE(steps.empty());
  EXPECT_GT(steps[0]["milliseconds"].get<double>(), 0);
  EXPECT_GT(steps[0]["multiply_adds"].get<double>(), 0);
  const auto text = pte({"bench", file, "--seconds", "0", "--steps"});
  EXPECT_NE(text.out.find("GF/s"), std::string::npos) << text.out;
}

TEST(Bench, SaysWhyTheReferenceRunsIt) {
  const auto outcome =
      pte({"bench", kGolden + "program/cond.pte", "--seconds", "0", "--threads", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("reference interpreter: "), std::string::npos) << outcome.out;
  EXPECT_NE(pte({"bench", kGolden + "none.pte"}).code, 0);
}

TEST(Run, EnginesAgree) {
  for (const std::string engine : {"fast", "reference"}) {
    const auto outcome = pte({"run", kGolden + "program/add_xnnpack.pte", "--random", "3",
                              "--engine", engine, "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["engine"], engine);
  }
  const auto text =
      pte({"run", kGolden + "program/add_xnnpack.pte", "--random", "3", "--engine", "fast"});
  EXPECT_NE(text.out.find("(engine, "), std::string::npos) << text.out;
  EXPECT_EQ(pte({"run", kGolden + "program/add_xnnpack.pte", "--engine", "warp"}).code, 2);
}

TEST(Bench, KeepsWeightsAndChoicesInAFolder) {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("pte_bench_{}", ::getpid());
  std::filesystem::remove_all(folder);
  const std::string file = kGolden + "program/conv_relu6_portable.pte";
  const auto bench = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args{"bench", file, "--seconds", "0", "--json"};
    args.insert(args.end(), more.begin(), more.end());
    const auto outcome = pte(args);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out);
  };
  EXPECT_EQ(bench({})["weights"]["mapped"], 0);
  const auto first = bench({"--packed-cache", folder.string(), "--tune", "--pin"});
  EXPECT_GT(first["weights"]["packed"], 0);
  EXPECT_EQ(first["tuned"], true);
  EXPECT_EQ(first["pinned"], true);
  const auto second = bench({"--packed-cache", folder.string()});
  EXPECT_EQ(second["weights"]["packed"], 0);
  EXPECT_GT(second["weights"]["mapped"], 0);
  const auto plan = pte({"inspect", file, "--plan", "--json", "--packed-cache", folder.string()});
  EXPECT_NE(plan.out.find(" tuned"), std::string::npos) << plan.out;
  EXPECT_EQ(pte({"bench", file, "--tune"}).code, 2);
  std::filesystem::remove_all(folder);
}

TEST(InspectPlan, NamesStepsAndKernels) {
  const auto outcome = pte({"inspect", kGolden + "program/conv_relu6_portable.pte", "--plan"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("conv "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("arena"), std::string::npos) << outcome.out;
  EXPECT_LE(testing::widest(outcome.out), 140U) << outcome.out;
  const auto json =
      pte({"inspect", kGolden + "program/conv_relu6_portable.pte", "--plan", "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const auto object = nlohmann::json::parse(json.out);
  EXPECT_FALSE(object["steps"].empty());
  EXPECT_GT(object["arena_bytes"].get<uint64_t>(), 0U);
  const auto whole = pte({"inspect", kGolden + "program/cond.pte", "--plan"});
  EXPECT_NE(whole.out.find("reference interpreter"), std::string::npos) << whole.out;
}

}  // namespace
}  // namespace pte::cli
