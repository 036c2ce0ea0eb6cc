// The driver: looks every node up in the tables of rules and reports all failures together.
#include <fmt/ranges.h>

#include <array>

#include "ir/infer.h"
#include "passes/decompose_rules.h"
#include "passes/passes.h"
#include "passes/retype.h"

namespace pte::passes {
namespace {

// The last place stands for operators of others, which no rule knows.
using Table = std::array<Rule, static_cast<size_t>(Op::kCount) + 1>;

const Table& rules() {
  static const Table table = [] {
    Table made{};
    for (const auto entries : {convolution_rules(), normalization_rules(), matmul_rules(),
                               pooling_rules(), activation_rules(), view_rules(), copy_rules()}) {
      for (const RuleEntry& entry : entries) made[static_cast<size_t>(entry.op)] = entry.rule;
    }
    return made;
  }();
  return table;
}

constexpr size_t kReportedFailures = 20;

Error report(std::vector<std::string> failures) {
  const size_t count = failures.size();
  if (count > kReportedFailures) {
    failures.resize(kReportedFailures);
    failures.push_back(fmt::format("and {} more", count - kReportedFailures));
  }
  return unsupported("{}", fmt::join(failures, "; "));
}

}  // namespace

Result<Value*> Rewrite::view(Value* value, const SymSizes& sizes, Value* source) {
  PTE_TRY(std::optional<ArgList> args,
          size_args(builder, source == nullptr ? value : source, sizes));
  if (!args.has_value()) {
    return not_supported("needs the size [" + ir::to_string(sizes) +
                         "], which cannot be read from its operand");
  }
  return call(Op::aten_view_copy, {value, std::move(*args)});
}

Result<std::vector<int64_t>> Rewrite::ints(size_t index, size_t count) const {
  auto values = expand_ints(arg(index), count);
  if (values.has_value()) return std::move(*values);
  return not_supported(
      fmt::format("argument '{}' must be {} known integers", node->op().args[index].name, count));
}

Result<int64_t> decompose(ir::Module& module, const OpSet& keep) {
  std::vector<std::string> failures;
  PTE_TRY(const int64_t changes, for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
            int64_t count = 0;
            bool retype = false;
            for (Node* node : graph.nodes()) {
              const Rule rule = rules()[static_cast<size_t>(node->op().op)];
              if (rule == nullptr || keep.contains(node->op().op)) continue;
              Rewrite rewrite{module, node, builder_before(module, node)};
              Result<Replacement> with = rule(rewrite);
              if (!with.has_value()) {
                Error error = std::move(with).error().at(place(node));
                if (error.code != Code::kUnsupported) return error;
                failures.push_back(std::move(error.message));
                continue;
              }
              if (with->empty()) continue;
              for (size_t i = 0; i < with->size(); ++i) {
                Value* made = (*with)[i];
                if (made == nullptr || made->type() == node->result(i)->type()) continue;
                if (made->is_tensor()) {
                  retype = true;
                } else {
                  made->set_type(
                      node->result(i)->type());  // keeps the symbol that later sizes speak of
                }
              }
              replace(node, *with);
              ++count;
            }
            if (retype) PTE_CHECK(retype_graph(module, graph));
            return count;
          }));
  if (!failures.empty()) return report(std::move(failures));
  return changes;
}

}  // namespace pte::passes
