#include "importers/aten/composites.h"

#include <deque>
#include <map>
#include <unordered_map>

#include "importers/aten/scope.h"
#include "ir/builder.h"

namespace pte::importers {

using ir::Arg;
using ir::Value;

namespace {

struct Table {
  std::deque<OpInfo> infos;
  std::deque<Overload> overloads;
  std::unordered_map<std::string_view, const Overload*> by_full_name;
  std::map<std::string, std::vector<const Overload*>, std::less<>> by_name;
  std::deque<std::string> names;  // what the keys view

  Table() {
    std::vector<std::pair<Overload*, std::string_view>> same;
    for (const auto family : composite_families()) {
      for (const Composite& composite : family) {
        auto parsed = parse_schema(composite.schema);
        // A schema that does not parse is a defect that the table's test reports by name.
        if (!parsed) continue;
        parsed->op = Op::kCount;
        infos.push_back(std::move(*parsed));
        add({&infos.back(), composite.rule, nullptr, composite.view});
        if (!composite.same_as.empty()) same.emplace_back(&overloads.back(), composite.same_as);
      }
    }
    // A composite of a row's name stands before the row: its rule knows options that passes lack.
    for (const OpInfo& op : all_ops()) {
      if (!op.has(kTagInPlace)) add({&op, nullptr, nullptr, false});
    }
    for (const auto& [overload, name] : same) {
      const auto it = by_full_name.find(name);
      if (it != by_full_name.end()) overload->same = it->second;
    }
  }

  void add(Overload overload) {
    names.push_back(overload.info->full_name());
    overloads.push_back(overload);
    if (!by_full_name.emplace(names.back(), &overloads.back()).second) return;
    auto& same_name = by_name[overload.info->name];
    const auto rows = overload.info->op != Op::kCount ? same_name.begin() : same_name.end();
    same_name.insert(rows, &overloads.back());
  }
};

const Table& table() {
  static const Table instance;
  return instance;
}

// "aten.max.dim" as "aten::max.dim"; empty when it is no target.
std::string name_of_target(std::string_view target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  constexpr std::string_view kDefault = ".default";
  if (target.starts_with(kPrefix)) target.remove_prefix(kPrefix.size());
  const size_t dot = target.find('.');
  if (dot == std::string_view::npos) return {};
  if (target.ends_with(kDefault)) target.remove_suffix(kDefault.size());
  if (target.size() <= dot) return {};
  return fmt::format("{}::{}", target.substr(0, dot), target.substr(dot + 1));
}

}  // namespace

std::vector<std::span<const Composite>> composite_families() {
  return {activation_composites(),  attention_composites(), conv_composites(),
          elementwise_composites(), factory_composites(),   fused_composites(),
          indexing_composites(),    linalg_composites(),    loss_composites(),
          name_composites(),        norm_composites(),      pool_composites(),
          quantize_composites(),    recurrent_composites(), reduction_composites(),
          resample_composites(),    view_composites(),      window_composites()};
}

const Overload* find_overload(std::string_view full_name) {
  const auto& names = table().by_full_name;
  const auto it = names.find(full_name);
  return it == names.end() ? nullptr : it->second;
}

const Overload* find_overload_by_target(std::string_view target) {
  return find_overload(name_of_target(target));
}

std::span<const Overload* const> overloads_of(std::string_view name) {
  const auto it = table().by_name.find(name);
  if (it == table().by_name.end()) return {};
  return it->second;
}

const Overload* find_in_place(std::string_view full_name) {
  const size_t start = full_name.find("::");
  if (start == std::string_view::npos) return nullptr;
  std::string_view name = full_name.substr(start + 2);
  std::string_view overload;
  if (const size_t dot = name.find('.'); dot != std::string_view::npos) {
    overload = name.substr(dot);
    name = name.substr(0, dot);
  }
  const std::string_view space = full_name.substr(0, start + 2);
  if (name.starts_with("__i") && name.ends_with("__") && name.size() > 5)
    return find_overload(fmt::format("{}__{}{}", space, name.substr(3), overload));
  if (name.size() < 2 || !name.ends_with('_') || name.ends_with("__")) return nullptr;
  name.remove_suffix(1);
  // Some in-place forms have an overload's name where the other form has none, or another one.
  constexpr std::string_view kForms[][2] = {
      {".Tensor", ""}, {".Tensor", ".Tensor_Tensor"}, {".Scalar", ".Tensor_Scalar"}, {"", ".int"}};
  const auto find = [&](std::string_view form) {
    const Overload* found = find_overload(fmt::format("{}{}{}", space, name, form));
    const bool writable = found != nullptr && !found->info->args.empty() &&
                          found->info->args[0].kind == ArgKind::kTensor;
    return writable ? found : nullptr;
  };
  if (const Overload* found = find(overload)) return found;
  for (const auto& [own, other] : kForms) {
    if (overload != own) continue;
    if (const Overload* found = find(other)) return found;
  }
  return nullptr;
}

const Overload* scalar_overload(const Overload& from) {
  const OpInfo& op = *from.info;
  const std::string_view overload = op.overload;
  if (overload == "Tensor" || overload.empty()) return find_overload(op.name + ".Scalar");
  if (overload == "Tensor_mode") return find_overload(op.name + ".Scalar_mode");
  if (overload == "Tensor_Tensor") return find_overload(op.name + ".Tensor_Scalar");
  return nullptr;
}

Result<Results> call(NodeMaker& maker, const Overload& overload, std::vector<Arg> args) {
  const OpInfo& op = *overload.info;
  if (overload.same != nullptr) {
    PTE_CHECK(ir::complete_args(op, args));
    return call(maker, *overload.same, std::move(args));
  }
  if (overload.rule != nullptr) {
    PTE_CHECK(ir::complete_args(op, args));
    return Scope::run(maker, overload, std::move(args));
  }
  if (op.op == Op::kCount) return internal_error("{} has no rule", op.full_name());
  PTE_TRY(ir::Node * node, maker.add(op, std::move(args), {}));
  if (op.returns.size() == 1 && op.returns[0].kind == ArgKind::kTensorList)
    return Results{Arg::values(node->results())};
  Results results;
  for (Value* value : node->results()) results.emplace_back(value);
  return results;
}

Result<Value*> call_one(NodeMaker& maker, std::string_view full_name, std::vector<Arg> args) {
  const Overload* overload = find_overload(full_name);
  if (overload == nullptr) return make_error(Code::kNotFound, "there is no operator {}", full_name);
  PTE_TRY(const Results results, call(maker, *overload, std::move(args)));
  if (results.empty() || results[0].value() == nullptr)
    return internal_error("{} returns neither a tensor nor a number", full_name);
  return results[0].value();
}

}  // namespace pte::importers
