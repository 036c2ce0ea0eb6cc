#include "importers/torchscript/first_call.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace pte::importers::script {
namespace {

ir::Module parse(const std::string& body, const std::string& constants) {
  auto module = ir::parse_module("module \"m\" {\n" + constants +
                                 "  func forward(%x: float32[2,3]) {\n" + body + "  }\n}\n");
  EXPECT_TRUE(module) << module.error().message;
  return std::move(*module);
}

Side side_of(const ir::Module& module) {
  Side made{module, {}};
  for (const ir::Output& output : module.methods.at("forward").graph->outputs())
    made.results.push_back(output.value);
  return made;
}

constexpr const char* kZeros =
    "    %z: float32[2,3] = aten.full.default([2, 3], 0, float32, none, none, none)\n";
constexpr const char* kState = "    %s = const @s\n";

// The state's elements, "nothing", or "unread".
std::string found(const std::string& first, const std::string& later,
                  const std::string& state = "float32[2,3]") {
  const std::string learned = "  const @h: float32[2,3] parameter = dense [1, 2, 3, 4, 5, 6]\n";
  const ir::Module one = parse(first, learned);
  const ir::Module other = parse(later, learned + "  const @s: " + state + " buffer = elided\n");
  const auto made = initial_state(side_of(one), side_of(other), {"s"});
  if (!made) return "nothing";
  if (made->empty()) return "unread";
  std::string text;
  const Tensor& data = made->at("s");
  for (int64_t i = 0; i < data.numel(); ++i) text += fmt::format("{} ", data.data_as<float>()[i]);
  return text;
}

TEST(FirstCall, FindsARepeatedValue) {
  const std::string later = std::string(kState) +
                            "    %y: float32[2,3] = aten.add.Tensor(%x, %s, 1)\n"
                            "    return %y\n";
  EXPECT_EQ(found(std::string(kZeros) +
                      "    %y: float32[2,3] = aten.add.Tensor(%x, %z, 1)\n    return %y\n",
                  later),
            "0 0 0 0 0 0 ");
  EXPECT_EQ(found("    %z: float32[2,3] = aten.full.default([2, 3], 2.5, float32, none, none, "
                  "none)\n    %y: float32[2,3] = aten.add.Tensor(%x, %z, 1)\n    return %y\n",
                  later),
            "2.5 2.5 2.5 2.5 2.5 2.5 ");
  // Another operator, another option, an operand too many.
  EXPECT_EQ(found(std::string(kZeros) +
                      "    %y: float32[2,3] = aten.sub.Tensor(%x, %z, 1)\n    return %y\n",
                  later),
            "nothing");
  EXPECT_EQ(found(std::string(kZeros) +
                      "    %y: float32[2,3] = aten.add.Tensor(%x, %z, 2)\n    return %y\n",
                  later),
            "nothing");
  EXPECT_EQ(found("    %y: float32[2,3] = aten.add.Tensor(%x, %x, 1)\n    return %y\n", later),
            "nothing");
}

TEST(FirstCall, FindsALearnedState) {
  EXPECT_EQ(found("    %h = const @h\n    %y: float32[2,3] = aten.mul.Tensor(%x, %h)\n"
                  "    return %y\n",
                  std::string(kState) +
                      "    %y: float32[2,3] = aten.mul.Tensor(%x, %s)\n    return %y\n"),
            "1 2 3 4 5 6 ");
}

// The first call makes parts of the state that the later one selects.
TEST(FirstCall, SeesThroughViews) {
  const std::string later = std::string(kState) +
                            "    %p: float32[2,3] = aten.select.int(%s, 0, 1)\n"
                            "    %y: float32[2,3] = aten.add.Tensor(%x, %p, 1)\n"
                            "    return %y\n";
  const std::string first =
      std::string(kZeros) + "    %y: float32[2,3] = aten.add.Tensor(%x, %z, 1)\n    return %y\n";
  EXPECT_EQ(found(first, later, "float32[2,2,3]"), "0 0 0 0 0 0 0 0 0 0 0 0 ");
  // A computed part is no view.
  EXPECT_EQ(found(first, std::string(kState) +
                             "    %p: float32[2,3] = aten.cos.default(%s)\n"
                             "    %y: float32[2,3] = aten.add.Tensor(%x, %p, 1)\n    return %y\n"),
            "nothing");
}

TEST(FirstCall, OneStateMustSuitEveryUse) {
  const std::string later = std::string(kState) +
                            "    %y: float32[2,3] = aten.add.Tensor(%x, %s, 1)\n"
                            "    %w: float32[2,3] = aten.mul.Tensor(%x, %s)\n"
                            "    return %y, %w\n";
  const std::string one =
      "    %o: float32[2,3] = aten.full.default([2, 3], 1, float32, none, none, none)\n";
  EXPECT_EQ(found(std::string(kZeros) + one +
                      "    %y: float32[2,3] = aten.add.Tensor(%x, %z, 1)\n"
                      "    %w: float32[2,3] = aten.mul.Tensor(%x, %o)\n    return %y, %w\n",
                  later),
            "nothing");
  EXPECT_EQ(found(one + "    %y: float32[2,3] = aten.add.Tensor(%x, %o, 1)\n"
                        "    %w: float32[2,3] = aten.mul.Tensor(%x, %o)\n    return %y, %w\n",
                  later),
            "1 1 1 1 1 1 ");
}

TEST(FirstCall, AStateThatIsOnlyWrittenMayBeAnything) {
  EXPECT_EQ(
      found("    %y: float32[2,3] = aten.cos.default(%x)\n    return %y\n",
            std::string(kState) + "    %y: float32[2,3] = aten.cos.default(%x)\n    return %y\n"),
      "unread");
  EXPECT_EQ(found("    %y: float32[2,3] = aten.cos.default(%x)\n    return %y\n",
                  "    %y: float32[2,3] = aten.cos.default(%x)\n    return %y, %y\n"),
            "nothing");
  // Random numbers are not the same twice.
  EXPECT_EQ(
      found("    %y: float32[2,3] = aten.rand_like.default(%x, none, none, none, none, none)\n"
            "    return %y\n",
            "    %y: float32[2,3] = aten.rand_like.default(%x, none, none, none, none, none)\n"
            "    return %y\n"),
      "nothing");
}

}  // namespace
}  // namespace pte::importers::script
