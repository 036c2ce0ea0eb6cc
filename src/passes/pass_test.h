// Tests of passes are text before and after. Names of values do not count; everything else does.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "ir/text.h"
#include "ir/verify.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {

using PassFunction = std::function<Result<int64_t>(ir::Module&)>;

inline Module parse(const std::string& body) {
  auto module = ir::parse_module("module \"m\" {\n" + body + "\n}\n");
  EXPECT_TRUE(module.has_value()) << module.error().message << "\n" << body;
  return module.has_value() ? std::move(*module) : Module();
}

// The text of the module with values named by their order of appearance.
inline std::string canonical(Module module) {
  module.drop_unused_constants();
  for (Graph* graph : all_graphs(module)) {
    std::vector<Value*> values = graph->inputs();
    for (Value* value : graph->constants()) values.push_back(value);
    for (Node* node : graph->nodes()) {
      values.insert(values.end(), node->results().begin(), node->results().end());
    }
    // Inputs keep their names, which mutation outputs refer to.
    for (size_t i = graph->inputs().size(); i < values.size(); ++i) {
      graph->rename(values[i], "canonical_" + std::to_string(i));
    }
    for (size_t i = graph->inputs().size(); i < values.size(); ++i) {
      graph->rename(values[i], "v" + std::to_string(i));
    }
  }
  return ir::print(module);
}

// Runs the pass on `before` and holds the result against `after`. The number of changes that it
// reports must be zero exactly when nothing changed.
inline void expect_rewrite(const PassFunction& pass, const std::string& before,
                           const std::string& after) {
  Module module = parse(before);
  const std::string text = ir::print(module);
  const auto changes = pass(module);
  ASSERT_TRUE(changes.has_value()) << changes.error().message;
  const auto valid = ir::verify(module);
  EXPECT_TRUE(valid.has_value()) << valid.error().message << "\n" << ir::print(module);
  EXPECT_EQ(canonical(std::move(module)), canonical(parse(after)));
  EXPECT_EQ(*changes == 0, before == after) << *changes << " changes to\n" << text;
}

inline void expect_unchanged(const PassFunction& pass, const std::string& text) {
  expect_rewrite(pass, text, text);
}

// The pass must fail with this code and a message that contains `part`.
inline void expect_failure(const PassFunction& pass, const std::string& before, Code code,
                           const std::string& part) {
  Module module = parse(before);
  const auto changes = pass(module);
  ASSERT_FALSE(changes.has_value());
  EXPECT_EQ(changes.error().code, code) << changes.error().message;
  EXPECT_NE(changes.error().message.find(part), std::string::npos) << changes.error().message;
}

// Runs it and gives the module back, for tests that look at values.
inline Module after_pass(const PassFunction& pass, const std::string& before) {
  Module module = parse(before);
  const auto changes = pass(module);
  EXPECT_TRUE(changes.has_value()) << changes.error().message;
  const auto valid = ir::verify(module);
  EXPECT_TRUE(valid.has_value()) << valid.error().message << "\n" << ir::print(module);
  return module;
}

}  // namespace pte::passes
