#include "passes/runner.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "ir/verify.h"

namespace pte::passes {
namespace {

Status check_names(std::span<const Pass> passes, const std::vector<std::string>& names,
                   std::string_view purpose, bool all_is_a_name) {
  for (const std::string& name : names) {
    if (all_is_a_name && name == "all") continue;
    const bool known = std::any_of(passes.begin(), passes.end(),
                                   [&](const Pass& pass) { return pass.name == name; });
    if (known) continue;
    std::vector<std::string> choices;
    for (const Pass& pass : passes) {
      if (std::find(choices.begin(), choices.end(), pass.name) == choices.end()) {
        choices.push_back(pass.name);
      }
    }
    if (all_is_a_name) choices.emplace_back("all");
    return invalid_argument("no pass is named '{}' (to {})", name, purpose)
        .with_hint(fmt::format("choose from: {}", fmt::join(choices, ", ")));
  }
  return {};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Result<std::vector<Timing>> run_passes(ir::Module& module, std::span<const Pass> passes,
                                       const Options& options) {
  PTE_CHECK(check_names(passes, options.disable, "disable", false));
  PTE_CHECK(check_names(passes, options.dump_after, "dump after", true));
  if (options.verify) {
    if (Status status = ir::verify(module); !status.has_value()) {
      return std::move(status.error()).at("before the first pass");
    }
  }
  std::vector<Timing> timings;
  for (const Pass& pass : passes) {
    if (contains(options.disable, pass.name)) continue;
    const auto begin = std::chrono::steady_clock::now();
    Result<int64_t> changes = pass.run(module);
    const auto end = std::chrono::steady_clock::now();
    if (!changes.has_value()) return std::move(changes.error()).at("pass " + pass.name);
    timings.push_back(
        {pass.name, std::chrono::duration<double, std::milli>(end - begin).count(), *changes});
    if (options.verify) {
      if (Status status = ir::verify(module); !status.has_value()) {
        return internal_error("pass {} left a broken graph: {}", pass.name, status.error().message);
      }
    }
    if (options.dump &&
        (contains(options.dump_after, "all") || contains(options.dump_after, pass.name))) {
      options.dump(pass, module);
    }
  }
  return timings;
}

}  // namespace pte::passes
