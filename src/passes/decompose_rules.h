// The rules of decompose(), one table a family.
#pragma once

#include <span>
#include <vector>

#include "passes/rewrite.h"

namespace pte::passes {

// One node under a rule's hands: its arguments, and a builder that stands before it.
struct Rewrite {
  Module& module;
  Node* node;
  Builder builder;

  Value* input(size_t index) const { return node->input(index); }
  const Arg& arg(size_t index) const { return node->arg(index); }
  const TensorType& type(size_t index) const { return node->input(index)->tensor(); }
  const TensorType& result_type(size_t index = 0) const { return node->result(index)->tensor(); }
  Result<Value*> call(Op op, std::vector<Arg> args) { return builder.call(op, std::move(args)); }
  // view_copy of `value` to `sizes`. `source` is the tensor whose sizes may be read at run time
  // for the symbolic ones (`value` itself when null).
  Result<Value*> view(Value* value, const SymSizes& sizes, Value* source = nullptr);
  // A value of a plain integer list argument, or an error that names it.
  Result<std::vector<int64_t>> ints(size_t index, size_t count) const;
  Error not_supported(std::string_view what) const {
    return unsupported("{}: {}", node->op().target(), what);
  }
};

// A rule gives one value for each result that has readers (the first suffices where the others
// have none), or nothing at all to leave the node as it is.
using Replacement = std::vector<Value*>;
using Rule = Result<Replacement> (*)(Rewrite&);
struct RuleEntry {
  Op op;
  Rule rule;
};

std::span<const RuleEntry> convolution_rules();
std::span<const RuleEntry> normalization_rules();
std::span<const RuleEntry> matmul_rules();
std::span<const RuleEntry> pooling_rules();
std::span<const RuleEntry> activation_rules();
std::span<const RuleEntry> view_rules();
std::span<const RuleEntry> copy_rules();

// The rule's result from one value that may have failed.
inline Result<Replacement> one(Result<Value*> value) {
  if (!value.has_value()) return std::move(value).error();
  return Replacement{*value};
}

}  // namespace pte::passes
