#include "cli/testing.h"

namespace pte::cli {
namespace {

using nlohmann::json;
using testing::pte;

const std::string kProgram = PTE_SOURCE_DIR "/tests/golden/program/conv_relu6_xnnpack.pte";

class ProfileTest : public testing::FolderTest {};

TEST_F(ProfileTest, PrintsATableOfEightyColumns) {
  for (const char* flag : {"--by-instruction", "--top=1", "--top=0"}) {
    const auto outcome = pte({"profile", kProgram, "--repeat", "3", flag});
    ASSERT_EQ(outcome.code, kFine) << outcome.err;
    EXPECT_NE(outcome.out.find("3 runs"), std::string::npos);
    EXPECT_NE(outcome.out.find("GFLOP/s"), std::string::npos);
    const size_t end = outcome.out.find('\n');
    EXPECT_LE(testing::widest(outcome.out.substr(end + 1)), 80U) << outcome.out;
  }
}

TEST_F(ProfileTest, JsonHasOperatorsAndSteps) {
  const auto outcome = pte({"profile", kProgram, "--repeat", "4", "--threads", "1", "--json"});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  const json object = json::parse(outcome.out);
  EXPECT_EQ(object["runs"], 4);
  EXPECT_EQ(object["run_milliseconds"].size(), 4U);
  double share = 0;
  for (const json& row : object["operators"]) share += row["share"].get<double>();
  EXPECT_GT(share, 0);
  EXPECT_LE(share, 1.0 + 1e-9);
  bool inside = false;
  for (const json& row : object["steps"]) inside |= row.contains("delegate");
  EXPECT_TRUE(inside);
}

TEST_F(ProfileTest, WritesDumpAndTrace) {
  const auto outcome = pte({"profile", kProgram, "--repeat", "2", "--etdump", path("p.etdp"),
                            "--trace", path("t.json"), "-q"});
  ASSERT_EQ(outcome.code, kFine) << outcome.err;
  EXPECT_EQ(outcome.out, path("p.etdp") + "\n" + path("t.json") + "\n");
  EXPECT_EQ(read(path("p.etdp")).substr(8, 4), "ED00");
  EXPECT_TRUE(json::parse(read(path("t.json"))).contains("traceEvents"));
}

TEST_F(ProfileTest, WrongUsageSaysSo) {
  EXPECT_EQ(pte({"profile", kProgram, "--repeat", "0"}).code, kUsage);
  EXPECT_EQ(pte({"profile", kProgram, "--method", "backward"}).code, kUsage);
  EXPECT_EQ(pte({"profile", kProgram, "--input", "a.npy", "--input", "b.npy"}).code, kUsage);
  EXPECT_EQ(pte({"profile", path("none.pte")}).code, kBad);
}

}  // namespace
}  // namespace pte::cli
