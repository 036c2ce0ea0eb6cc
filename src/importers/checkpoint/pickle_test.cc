#include "importers/checkpoint/pickle.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "importers/checkpoint/contents.h"
#include "importers/checkpoint/metadata.h"

namespace pte::importers {
namespace {

using namespace std::string_view_literals;

Result<std::shared_ptr<const Pickle>> parse(std::string_view text) {
  return Pickle::parse(as_bytes(text));
}

nlohmann::json json_of(std::string_view text) {
  const auto pickle = parse(text);
  if (!pickle) return "error: " + pickle.error().message;
  JsonBudget budget;
  return to_json((*pickle)->root(), budget);
}

std::string error_of(std::string_view text) {
  const auto pickle = parse(text);
  return pickle ? "" : pickle.error().message;
}

TEST(Pickle, ReadsNumbers) {
  EXPECT_EQ(json_of("N."), nullptr);
  EXPECT_EQ(json_of("\x88."sv), true);
  EXPECT_EQ(json_of("\x89."sv), false);
  EXPECT_EQ(json_of("I01\n."), true);
  EXPECT_EQ(json_of("I00\n."), false);
  EXPECT_EQ(json_of("I-17\n."), -17);
  EXPECT_EQ(json_of("L123456789012L\n."), 123456789012);
  EXPECT_EQ(json_of("K\xff."sv), 255);
  EXPECT_EQ(json_of("M\x01\x02."sv), 513);
  EXPECT_EQ(json_of("J\xfe\xff\xff\xff."sv), -2);
  EXPECT_EQ(json_of("\x8a\0."sv), 0);
  EXPECT_EQ(json_of("\x8a\1\xff."sv), -1);
  EXPECT_EQ(json_of("\x8a\2\xff\0."sv), 255);
  EXPECT_EQ(json_of("\x8a\x08\0\0\0\0\0\0\0\x80."sv), INT64_MIN);
  EXPECT_EQ(json_of("\x8b\2\0\0\0\1\1."sv), 257);
  EXPECT_EQ(json_of("F-2.5e1\n."), -25.0);
  EXPECT_EQ(json_of("G\x3f\xf8\0\0\0\0\0\0."sv), 1.5);  // big-endian
}

TEST(Pickle, ReadsBigIntegersAsBytes) {
  const auto pickle = parse("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv);
  ASSERT_TRUE(pickle);
  EXPECT_EQ((*pickle)->root().kind(), PickleKind::kBigInt);
  EXPECT_EQ((*pickle)->root().text(), "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv);
  EXPECT_NE(error_of("I99999999999999999999\n."), "");
  EXPECT_NE(error_of("\x8b\0\0\1\0."sv), "");  // 65536 bytes
}

TEST(Pickle, ReadsTextOfEveryProtocol) {
  EXPECT_EQ(json_of("S'a\\n\\x41\\101\\\\\\''\n."), "a\nAA\\'");
  EXPECT_EQ(json_of("Va\\u20ac\xe9\n."sv), "a€é");
  EXPECT_EQ(json_of("T\2\0\0\0ab."sv), "ab");
  EXPECT_EQ(json_of("U\2ab."), "ab");
  EXPECT_EQ(json_of("X\3\0\0\0\xe2\x82\xac."sv), "€");
  EXPECT_EQ(json_of("\x8c\2ab."sv), "ab");
  EXPECT_EQ(json_of("\x8d\2\0\0\0\0\0\0\0ab."sv), "ab");
  EXPECT_EQ(json_of("C\3abc."), "<3 bytes>");
  EXPECT_EQ(json_of("\x96\3\0\0\0\0\0\0\0abc."sv), "<3 bytes>");
  EXPECT_EQ(json_of("U\2\xff\x61."sv), "?a");  // no UTF-8: repaired for JSON
}

TEST(Pickle, ReadsContainers) {
  EXPECT_EQ(json_of(")."), nlohmann::json::array());
  EXPECT_EQ(json_of("K\1\x85."sv), nlohmann::json({1}));
  EXPECT_EQ(json_of("K\1K\2\x86."sv), nlohmann::json({1, 2}));
  EXPECT_EQ(json_of("K\1K\2K\3\x87."sv), nlohmann::json({1, 2, 3}));
  EXPECT_EQ(json_of("(K\1K\2l."), nlohmann::json({1, 2}));
  EXPECT_EQ(json_of("](K\1K\2eK\3a."), nlohmann::json({1, 2, 3}));
  EXPECT_EQ(json_of("(U\1aK\1d."), nlohmann::json({{"a", 1}}));
  EXPECT_EQ(json_of("}(U\1aK\1U\1bK\2uU\1cK\3s."), nlohmann::json({{"a", 1}, {"b", 2}, {"c", 3}}));
  EXPECT_EQ(json_of("\x8f(K\1K\2\x90."sv), nlohmann::json({1, 2}));
  EXPECT_EQ(json_of("(K\1\x91."sv), nlohmann::json({1}));
}

TEST(Pickle, RemembersAndRepeats) {
  EXPECT_EQ(json_of("]q\5K\1ah\5\x86."sv), nlohmann::json::parse("[[1],[1]]"));
  EXPECT_EQ(json_of("]p7\n0g7\n."), nlohmann::json::array());
  EXPECT_EQ(json_of("K\1\x94K\2\x94h\0h\1\x87."sv), nlohmann::json({2, 1, 2}));
  EXPECT_EQ(json_of("K\1"
                    "2\x86."sv),
            nlohmann::json({1, 1}));
  EXPECT_EQ(json_of("(K\1"
                    "1N."),
            nullptr);
  EXPECT_EQ(json_of("(0N."), nullptr);
  const auto pickle = parse("]2\x86."sv);
  EXPECT_EQ((*pickle)->root().item(0).id(), (*pickle)->root().item(1).id());
}

TEST(Pickle, KeepsCallsAsRecords) {
  const auto pickle = parse(
      "cmy.module\nMake\nK\1\x85RK\2\x85"
      "b(U\1xK\3u."sv);
  ASSERT_TRUE(pickle) << pickle.error().message;
  const PickleValue object = (*pickle)->root();
  EXPECT_TRUE(object.is_object_of("my.module.Make"));
  EXPECT_EQ(object.args().item(0).as_int(), 1);
  EXPECT_EQ(object.state()->item(0).as_int(), 2);
  EXPECT_EQ(object.find("x")->as_int(), 3);
  EXPECT_EQ(json_of("U\1mU\1n\x93)\x81."sv), "<m.n>");
  EXPECT_EQ(json_of("U\1mU\1n\x93)}\x92."sv), "<m.n>");
  EXPECT_EQ(json_of("(im\nn\n."), "<m.n>");
  EXPECT_EQ(json_of("(cm\nn\nK\1o."), "<m.n>");
  EXPECT_TRUE((*parse("c__builtin__\nset\n."))->root().is_global("builtins.set"));
  const auto persistent = parse("U\3keyQ.");
  ASSERT_EQ((*persistent)->persistent_ids().size(), 1u);
  EXPECT_EQ((*persistent)->persistent_ids()[0].item(0).as_string(), "key");
  EXPECT_EQ((*parse("Pkey\n."))->root().item(0).text(), "key");
}

TEST(Pickle, RefusesToKnowOfCode) {
  for (const char* text : {"cos\nsystem\n.", "cposix\nsystem\n.", "cnt\nsystem\n.",
                           "csubprocess\nPopen\n.", "c__builtin__\neval\n.", "cbuiltins\nexec\n.",
                           "cimportlib.util\nx\n.", "csys\nexit\n.", "ctorch.hub\nload\n.",
                           "ctorch\nos.system\n.", "(ios\nsystem\n.", "cruns\nx\n0cos\npopen\n."}) {
    const auto pickle = parse(text);
    ASSERT_FALSE(pickle) << text;
    EXPECT_EQ(pickle.error().code, Code::kUnsupported);
    EXPECT_NE(pickle.error().message.find("never runs code"), std::string::npos);
  }
  EXPECT_NE(error_of("U\5posixU\6system\x93."sv).find("asks to call os.system"), std::string::npos);
  // What only looks alike passes.
  EXPECT_EQ(error_of("ccodecs\nencode\n."), "");
  EXPECT_EQ(error_of("coss\nsystem\n."), "");
  EXPECT_EQ(error_of("cbuiltins\nset\n."), "");
}

TEST(Pickle, RefusesWhatIsMalformed) {
  for (std::string_view text : {""sv,
                                "."sv,
                                "N"sv,
                                "K"sv,
                                "t."sv,
                                "l."sv,
                                "0."sv,
                                "2."sv,
                                "1."sv,
                                "N\x85\x86."sv,
                                "(N\x86."sv,
                                "Na."sv,
                                "NNa."sv,
                                "N(e."sv,
                                "NNNs."sv,
                                "}(Nu."sv,
                                "(Nd."sv,
                                "h\0."sv,
                                "j\0\0\0\0."sv,
                                "gx\n."sv,
                                "Nr\xff\xff\xff\x7f."sv,
                                "NNR."sv,
                                "cm\nn\nNR."sv,
                                "NNb."sv,
                                "Ix\n."sv,
                                "Fx\n."sv,
                                "F\n."sv,
                                "L\n."sv,
                                "Sx\n."sv,
                                "S'\\x4'\n."sv,
                                "V\\u12\n."sv,
                                "X\xff\xff\xff\xff."sv,
                                "T\xff\xff\xff\xff."sv,
                                "\x8d\xff\xff\xff\xff\xff\xff\xff\xff."sv,
                                "\x95\xff\0\0\0\0\0\0\0N."sv,
                                "\x80\x06N."sv,
                                "NN\x93."sv,
                                "(o."sv,
                                "cm\nn"sv,
                                "\x82\1."sv,
                                "\x97."sv,
                                "\xff."sv,
                                "cm\nn\n)RNbNb."sv,
                                "q\0."sv}) {
    EXPECT_FALSE(parse(text)) << testing::PrintToString(std::string(text));
  }
  EXPECT_NE(error_of("c" + std::string(1000, 'm') + "\nn\n."), "");
}

TEST(Pickle, SaysWhereItStopped) {
  const auto pickle = parse("K\1.K\2."sv);
  EXPECT_EQ((*pickle)->consumed(), 3u);
}

TEST(Pickle, StaysLinearOnHostileInput) {
  const auto start = std::chrono::steady_clock::now();
  // Depth: nested tuples, more than any stack would bear if this recursed.
  std::string deep = "N";
  deep.append(1 << 20, '\x85');
  deep += '.';
  EXPECT_EQ(json_of(deep).dump().find("…") != std::string::npos, true);
  // Width: 2^60 paths through 60 pairs.
  std::string wide = "K\1";
  for (int i = 0; i < 60; ++i) wide += "2\x86";
  EXPECT_FALSE(json_of(wide + ".").dump().empty());
  // A cycle: a list that holds itself.
  EXPECT_FALSE(json_of("]q\0h\0a."sv).dump().empty());
  EXPECT_FALSE(json_of("}q\0U\1xh\0s."sv).dump().empty());
  // One long text used by very many values.
  std::string repeated = "X";
  const uint32_t size = 1 << 20;
  repeated.append(reinterpret_cast<const char*>(&size), 4);
  repeated.append(size, 'k').append(
      "q\1"
      "0]q\2(");
  for (int i = 0; i < 200000; ++i) repeated += "h\1";
  EXPECT_LT(json_of(repeated + "e.").dump().size(), size_t{4} << 20);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 5.0);
}

TEST(Pickle, AModuleThatHoldsItselfIsAnError) {
  // object(_parameters={}, _modules={'m': itself})
  const std::string_view text =
      "cm\nModule\n)\x81q\0}(U\x0b_parameters}U\x08_modules}U\1mh\0sub."sv;
  const auto pickle = parse(text);
  ASSERT_TRUE(pickle) << pickle.error().message;
  const auto contents = find_contents((*pickle)->root(), {});
  ASSERT_FALSE(contents);
  EXPECT_EQ(contents.error().code, Code::kResourceLimit);
}

TEST(Pickle, AModuleWithTooManyPathsIsAnError) {
  // Each of 60 modules holds the one before it twice.
  std::string text = "cm\nModule\nq\1)\x81}(U\x0b_parameters}U\x08_modules}ub";
  for (int i = 0; i < 60; ++i) {
    text +=
        "q\2"
        "0h\1)\x81}(U\x0b_parameters}U\x08_modules}(U\1ah\2U\1bh\2uub";
  }
  text += '.';
  const auto pickle = parse(text);
  ASSERT_TRUE(pickle) << pickle.error().message;
  const auto contents = find_contents((*pickle)->root(), {});
  ASSERT_FALSE(contents);
  EXPECT_EQ(contents.error().code, Code::kResourceLimit);
}

}  // namespace
}  // namespace pte::importers
