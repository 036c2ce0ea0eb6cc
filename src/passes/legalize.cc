// The driver: rewrites operators that the official runtime lacks, or has and gets wrong, until no
// rule has anything left to do. Rules may use each other's operators.
#include <fmt/ranges.h>

#include <array>
#include <numeric>
#include <set>

#include "passes/legalize_rules.h"
#include "passes/passes.h"
#include "passes/retype.h"

namespace pte::passes {
namespace {

// The last place stands for operators of others, which no rule knows.
using Table = std::array<Rule, static_cast<size_t>(Op::kCount) + 1>;

const Table& rules() {
  static const Table table = [] {
    Table made{};
    for (const auto entries :
         {legal_elementwise_rules(), legal_special_rules(), legal_window_rules(),
          legal_order_rules(), legal_index_rules(), legal_matrix_rules(), legal_random_rules(),
          legal_resample_rules(), legal_unsigned_rules()}) {
      for (const RuleEntry& entry : entries) made[static_cast<size_t>(entry.op)] = entry.rule;
    }
    return made;
  }();
  return table;
}

// A rule's operators may need rules themselves: adaptive pooling, then pooling in three dimensions,
// then in two.
constexpr int kRounds = 6;
constexpr size_t kReported = 20;

// Operators that stay in every program, although the official runtime has no kernel of them.
bool is_ours(const OpInfo& op) {
  return !op.has(kTagExtension) || op.op == Op::aten_linear || op.name.starts_with("pte::");
}

Result<int64_t> one_round(ir::Module& module, std::set<std::string>& refused) {
  return for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
    int64_t count = 0;
    bool retype = false;
    for (Node* node : graph.nodes()) {
      const Rule rule =
          has_wide_unsigned(*node) ? widen_unsigned : rules()[static_cast<size_t>(node->op().op)];
      if (rule == nullptr) {
        if (!is_ours(node->op())) {
          refused.insert(
              fmt::format("{}: {} has no kernel in ExecuTorch 1.5 and cannot be rewritten",
                          place(node), node->op().target()));
        }
        continue;
      }
      Rewrite rewrite{module, node, builder_before(module, node)};
      Result<Replacement> with = rule(rewrite);
      if (!with.has_value()) {
        Error error = std::move(with).error().at(place(node));
        if (error.code == Code::kInternal) return error;
        refused.insert(error.message);
        continue;
      }
      if (with->empty()) continue;
      for (size_t i = 0; i < with->size(); ++i) {
        const Value* made = (*with)[i];
        if (made != nullptr && made->type() != node->result(i)->type()) retype = true;
      }
      replace(node, *with);
      ++count;
    }
    if (retype) PTE_CHECK(retype_graph(module, graph));
    return count;
  });
}

}  // namespace

Result<int64_t> legalize(ir::Module& module, Leftover leftover) {
  int64_t changes = 0;
  std::set<std::string> refused;
  for (int round = 0; round < kRounds; ++round) {
    refused.clear();
    PTE_TRY(const int64_t count, one_round(module, refused));
    changes += count;
    if (count == 0) break;
  }
  if (refused.empty() || leftover == Leftover::kKeep) return changes;
  std::vector<std::string> lines(refused.begin(), refused.end());
  if (lines.size() > kReported) {
    const size_t more = lines.size() - kReported;
    lines.resize(kReported);
    lines.push_back(fmt::format("and {} more", more));
  }
  return unsupported("{}", fmt::join(lines, "; "))
      .with_hint(
          "--runtime ptekit or --allow-ptekit-ops keeps such operators, for ptekit's own "
          "runtime");
}

// ---- the shorthand

Maker::Maker(Rewrite& rewrite) : rewrite_(rewrite) {
  for (Value* value : rewrite.node->inputs()) {
    if (value->is_tensor()) {
      fallback_ = value;
      break;
    }
  }
  if (fallback_ == nullptr) fallback_ = rewrite.node->result();
}

void Maker::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

std::vector<Value*> Maker::calls(Op op, std::vector<Arg> args) {
  if (error_) return {};
  Result<Node*> node = rewrite_.builder.node(op, std::move(args));
  if (!node.has_value()) {
    fail(std::move(node).error());
    return {};
  }
  return (*node)->results();
}

Value* Maker::call(Op op, std::vector<Arg> args) {
  const std::vector<Value*> results = calls(op, std::move(args));
  return results.empty() ? fallback_ : results[0];
}

Value* Maker::cast(Value* a, DType dtype) {
  if (a->tensor().dtype == dtype) return a;
  return call(Op::dim_order_to_dim_order_copy, {a, dtype});
}

Value* Maker::swap(Value* v, size_t a, size_t b) {
  if (a == b) return v;
  std::vector<int64_t> dims(v->tensor().rank());
  std::iota(dims.begin(), dims.end(), 0);
  if (std::max(a, b) >= dims.size()) return v;
  std::swap(dims[a], dims[b]);
  return permute(v, dims);
}

Value* Maker::view(Value* a, const SymSizes& sizes, Value* source) {
  if (error_) return fallback_;
  Result<Value*> made = rewrite_.view(a, sizes, source);
  if (made.has_value()) return *made;
  fail(std::move(made).error());
  return fallback_;
}

Value* Maker::number_like(Arg value, Value* like) {
  return call(Op::aten_full, {Arg::ints({}), std::move(value), like->tensor().dtype});
}

Value* Maker::constant(const std::string& hint, Tensor tensor) {
  return rewrite_.builder.constant(hint, std::move(tensor));
}

Value* Maker::indices(const Sizes& sizes, const std::vector<int64_t>& values) {
  return constant("indices", Tensor::of<int64_t>(sizes, std::span<const int64_t>(values)));
}

Value* Maker::arange(int64_t count) {
  if (const Status status = check_work(rewrite_, {count}); !status.has_value()) {
    fail(status.error());
    return fallback_;
  }
  std::vector<int64_t> values(static_cast<size_t>(std::max<int64_t>(count, 0)));
  std::iota(values.begin(), values.end(), 0);
  return indices({static_cast<int64_t>(values.size())}, values);
}

Value* Maker::polynomial(Value* x, std::initializer_list<double> c) {
  Value* sum = nullptr;
  for (auto it = std::rbegin(c); it != std::rend(c); ++it) {
    if (sum == nullptr) {
      sum = mul(x, Arg(*it));
    } else if (std::next(it) == std::rend(c)) {
      sum = add(sum, Arg(*it));
    } else {
      sum = mul(add(sum, Arg(*it)), x);
    }
  }
  return sum;
}

Result<Replacement> Maker::done(std::vector<Value*> results) {
  if (error_) return std::move(*error_);
  // A number of results that a rule does not make must have no readers.
  const Node* node = rewrite_.node;
  for (size_t i = 0; i < node->results().size(); ++i) {
    if ((i >= results.size() || results[i] == nullptr) && node->graph().has_uses(node->result(i))) {
      return rewrite_.not_supported(fmt::format("its result {} is read, which no rule makes", i));
    }
  }
  return results;
}

Result<Replacement> Maker::done(Value* result) {
  if (!error_ && result->is_tensor()) result = cast(result, rewrite_.result_type().dtype);
  return done(std::vector<Value*>{result});
}

Result<Sizes> known_sizes(const Rewrite& r, size_t arg) {
  const auto sizes = r.type(arg).static_sizes();
  if (sizes && element_count(*sizes)) return *sizes;
  return r.not_supported(
      fmt::format("argument '{}' must have known sizes", r.node->op().args[arg].name));
}

Status check_work(const Rewrite& r, std::initializer_list<int64_t> factors) {
  double work = 1;
  for (const int64_t factor : factors) work *= static_cast<double>(std::max<int64_t>(factor, 1));
  if (work <= static_cast<double>(1 << 24)) return {};
  return r.not_supported(fmt::format("it would need {} temporary numbers", work));
}

}  // namespace pte::passes
