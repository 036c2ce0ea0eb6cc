#include "cli/testing.h"

namespace pte::cli {
namespace {

using nlohmann::json;
using testing::pte;
using testing::widest;

const std::string kGolden = PTE_SOURCE_DIR "/tests/golden/";

class InspectTest : public testing::FolderTest {};

TEST_F(InspectTest, FitsEightyColumns) {
  for (const char* name : {"program/conv_relu6_xnnpack", "program/conv_relu6_portable",
                           "program/cond", "program/mutable_buffer", "xnnpack/block"}) {
    const std::string file = kGolden + name + ".pte";
    for (const char* flag : {"--tree", "--constants", "-q"}) {
      const auto outcome = pte({"inspect", file, flag});
      EXPECT_EQ(outcome.code, kFine) << outcome.err;
      // The file's own path may be of any length.
      const size_t end = outcome.out.find('\n');
      EXPECT_LE(widest(outcome.out.substr(end + 1)), 80U) << outcome.out;
      EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
    }
  }
}

TEST_F(InspectTest, SaysWhatIsInside) {
  const auto outcome = pte({"inspect", kGolden + "program/conv_relu6_xnnpack.pte"});
  EXPECT_EQ(outcome.code, kFine);
  for (const char* text :
       {"3 kB   ExecuTorch program, header 32, 1 method\n",
        "forward(float32[1,3,8,8]) -> float32[1,8,4,4]\n",
        "  delegates   XnnpackBackend 1×   3 nodes   2 kB\n", "StaticTranspose 2  Conv2d 1\n",
        "  outside     nothing\n", "peak 1 kB at instruction 0  █\n",
        "largest: xnnpack0.Conv2d_0.weight  864 B\n"}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << "\n" << outcome.out;
  }
}

TEST_F(InspectTest, JsonHoldsEverything) {
  const auto outcome = pte({"inspect", kGolden + "program/conv_relu6_xnnpack.pte", "--json"});
  ASSERT_EQ(outcome.code, kFine);
  const json object = json::parse(outcome.out);
  EXPECT_EQ(object["header"], 32);
  const json& method = object["methods"][0];
  EXPECT_EQ(method["inputs"][0]["shape"], json({1, 3, 8, 8}));
  EXPECT_EQ(method["delegates"][0]["nodes"]["Conv2d"], 1);
  EXPECT_EQ(method["delegates"][0]["calls"], 1);
  EXPECT_EQ(method["memory"]["live"].size(), method["instructions"]);
  EXPECT_EQ(object["weights"][0]["bytes"], 864);
  uint64_t sum = 0;
  for (const json& part : object["tree"]["parts"]) sum += part["bytes"].get<uint64_t>();
  EXPECT_EQ(sum, object["bytes"]);
}

TEST_F(InspectTest, DrawsAndLists) {
  const std::string file = kGolden + "program/cond.pte";
  auto outcome = pte({"inspect", file, "--graph", path("g.svg")});
  EXPECT_EQ(outcome.out, path("g.svg") + "\n") << outcome.err;
  EXPECT_TRUE(read(path("g.svg")).starts_with("<svg "));
  EXPECT_EQ(pte({"inspect", file, "--graph", path("g.dot")}).code, kFine);
  EXPECT_NE(read(path("g.dot")).find("style=dashed"), std::string::npos);
  EXPECT_EQ(pte({"inspect", file, "--graph", path("g.png")}).code, kUsage);
  EXPECT_EQ(pte({"inspect", file, "--graph", path("g.svg"), "--method", "none"}).code, kUsage);
  EXPECT_NE(pte({"inspect", file, "--ir"}).out.find("if not v5 go to 6"), std::string::npos);
}

TEST_F(InspectTest, PayloadsGoToFiles) {
  const std::string file = kGolden + "program/conv_relu6_xnnpack.pte";
  EXPECT_NE(pte({"inspect", file, "--payload", "0"}).out.find("Conv2d"), std::string::npos);
  EXPECT_EQ(pte({"inspect", file, "--payload", "0", "--output", path("p.bin")}).code, kFine);
  EXPECT_EQ(read(path("p.bin")).substr(4, 4), "XH00");
  EXPECT_EQ(read(path("p.bin")).size(), 1136U);
  const auto none = pte({"inspect", file, "--payload", "1"});
  EXPECT_EQ(none.code, kUsage);
  EXPECT_NE(none.err.find("no delegate 1; it has 1"), std::string::npos) << none.err;
  EXPECT_EQ(pte({"inspect", kGolden + "program/add.pte", "--payload", "0"}).code, kUsage);
  EXPECT_EQ(pte({"inspect", file, "--output", path("x")}).code, kUsage);
}

}  // namespace
}  // namespace pte::cli
