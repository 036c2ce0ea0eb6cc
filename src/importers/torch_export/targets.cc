#include "importers/torch_export/targets.h"

#include <algorithm>

#include "importers/aten/custom_ops.h"
#include "importers/torch_export/meta.h"

namespace pte::importers {
namespace {

constexpr std::string_view kTorchOps = "torch.ops.";
constexpr std::string_view kHigherOrder = "higher_order.";

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](auto prefix) { return text.starts_with(prefix); });
}

// Those that write no elements but make their operand another view of itself.
bool restrides(std::string_view target) {
  return starts_with_any(target, {"aten.transpose_.", "aten.t_.", "aten.unsqueeze_.",
                                  "aten.squeeze_.", "aten.swapaxes_.", "aten.swapdims_."});
}

std::string short_target(std::string_view target) {
  if (target.starts_with(kTorchOps)) target.remove_prefix(kTorchOps.size());
  return shown(target);
}

std::string reason_for(std::string_view target) {
  if (target.find("fft") != std::string_view::npos ||
      target.find("complex") != std::string_view::npos) {
    return "complex numbers";
  }
  if (target.starts_with('#')) return "custom object or operator";
  if (target.starts_with("torch.ops.higher_order.wrap_with_autocast")) return "autocast";
  if (target.starts_with(kTorchOps) &&
      !starts_with_any(target.substr(kTorchOps.size()),
                       {"aten.", "higher_order.", "prims.", "quantized_decomposed.",
                        "dim_order_ops.", "torchvision."})) {
    return fmt::format("custom operator: --allow-custom {} keeps the call",
                       shown(full_name_of(target)));
  }
  return "";
}

}  // namespace

std::string full_name_of(std::string_view target) {
  if (target.starts_with(kTorchOps)) target.remove_prefix(kTorchOps.size());
  const size_t dot = target.find('.');
  std::string name(target);
  if (dot != std::string::npos) name.replace(dot, 1, "::");
  if (name.ends_with(".default")) name.resize(name.size() - std::string_view(".default").size());
  return name;
}

namespace {

Target resolve_known(std::string_view target) {
  const auto call = [](const Overload* overload) {
    return overload == nullptr ? Target{} : Target{Target::Kind::kCall, overload};
  };
  if (starts_with_any(target, {"_operator.", "torch.sym_", "math."})) {
    const size_t dot = target.find('.');
    return call(
        find_overload(fmt::format("{}::{}", target.substr(0, dot), target.substr(dot + 1))));
  }
  if (!target.starts_with(kTorchOps)) return {};
  target.remove_prefix(kTorchOps.size());
  if (target.starts_with(kHigherOrder)) {
    const std::string_view name = target.substr(kHigherOrder.size());
    if (starts_with_any(name, {"wrap_with_set_grad_enabled", "wrap_with_autocast"}))
      return {Target::Kind::kInlined, nullptr};
    return call(find_overload(fmt::format("higher_order::{}", name)));
  }
  if (starts_with_any(target, {"aten._assert_", "aten._functional_assert",
                               "aten.sym_constrain_range", "aten._functional_sym_constrain"})) {
    return {Target::Kind::kIgnored, nullptr};
  }
  if (target == "export.access_subclass_inner_tensor.default")
    return {Target::Kind::kPart, nullptr};
  if (target == "aten.fill_.Scalar" || target == "aten.zero_.default")
    return {Target::Kind::kFill, find_overload("aten::full")};
  const std::string name = full_name_of(target);
  if (const Overload* overload = find_in_place(name)) {
    const auto kind = restrides(target) ? Target::Kind::kRestride : Target::Kind::kInPlace;
    return {kind, overload};
  }
  return call(find_overload(name));
}

}  // namespace

Target resolve_target(std::string_view target, std::span<const std::string> allowed) {
  const Target known = resolve_known(target);
  if (known.kind == Target::Kind::kUnknown && target.starts_with(kTorchOps) &&
      find_allowed(allowed, full_name_of(target)) != nullptr) {
    return {Target::Kind::kCustom, nullptr};
  }
  return known;
}

std::string node_location(const JsonView& node) {
  const auto metadata = node.find("metadata");
  const auto trace = metadata ? metadata->find("stack_trace") : std::nullopt;
  const auto text = trace ? trace->text() : Result<std::string_view>(std::string_view());
  return text ? location_of(*text) : std::string();
}

std::optional<JsonView> find_argument(const JsonView& node, std::string_view name, size_t index) {
  const auto inputs = node.find("inputs");
  const auto items =
      inputs ? inputs->items() : Result<std::vector<JsonView>>(std::vector<JsonView>());
  if (!items) return std::nullopt;
  for (const JsonView& item : *items) {
    const auto own = item.text_at("name");
    if (own && *own == name) return item.find("arg");
  }
  if (index < items->size()) {
    const auto own = (*items)[index].text_at("name");
    if (own && own->empty()) return (*items)[index].find("arg");
  }
  return std::nullopt;
}

namespace {

bool is_true(const std::optional<JsonView>& argument) {
  const auto field = argument ? argument->find("as_bool") : std::nullopt;
  const auto flag = field ? field->boolean() : Result<bool>(false);
  return flag && *flag;
}

// Operators that do something else in a model that was exported in training mode.
bool trains(const JsonView& node, const OpInfo& op) {
  if (op.name == "aten::batch_norm") {
    // Without running statistics the batch's own are used in evaluation mode too.
    const auto mean = find_argument(node, "running_mean", 3);
    return mean && !mean->find("as_none") && is_true(find_argument(node, "training", 5));
  }
  if (op.name.ends_with("dropout") && op.arg_index("train") >= 0)
    return is_true(find_argument(node, "train", 2));
  return false;
}

}  // namespace

Status find_unsupported(const JsonView& graph, UnsupportedReport& report,
                        std::span<const std::string> allowed, int depth) {
  if (depth > kMaxGraphDepth) return graph.invalid("subgraphs nested too deeply");
  PTE_TRY(const auto nodes, graph.items_at("nodes"));
  for (const JsonView& node : nodes) {
    PTE_TRY(const std::string_view name, node.text_at("target"));
    const Target target = resolve_target(name, allowed);
    if (target.kind == Target::Kind::kUnknown) {
      report.add(short_target(name), node_location(node), reason_for(name));
      continue;
    }
    if (target.kind == Target::Kind::kIgnored || target.kind == Target::Kind::kPart ||
        target.kind == Target::Kind::kCustom) {
      continue;
    }
    if (target.overload != nullptr && trains(node, *target.op())) {
      report.add(short_target(name), node_location(node),
                 "training mode: call model.eval() before the export");
    }
    // wrap_with_autocast(device, dtype, enabled, cache_enabled, graph, …)
    if (target.kind == Target::Kind::kInlined && name.ends_with("wrap_with_autocast") &&
        is_true(find_argument(node, "", 2))) {
      report.add(short_target(name), node_location(node), reason_for(name));
    }
    if (target.kind != Target::Kind::kInlined && !target.op()->has(kTagHigherOrder)) continue;
    PTE_TRY(const auto inputs, node.items_at("inputs"));
    for (const JsonView& input : inputs) {
      const auto argument = input.find("arg");
      const auto inner = argument ? argument->find("as_graph") : std::nullopt;
      if (!inner) continue;
      PTE_TRY(const JsonView body, inner->at("graph"));
      PTE_CHECK(find_unsupported(body, report, allowed, depth + 1));
    }
  }
  return {};
}

}  // namespace pte::importers
