// `pte inspect --plan`: what the engine does at each inference.
#include "cli/inspect.h"
#include "cli/output.h"
#include "engine/session.h"
#include "program/quote.h"

namespace pte::cli {
std::string sizes_text(const Sizes& sizes) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text.empty() ? "1" : text;
}

std::string short_calls(const std::string& what) {
  std::string text;
  for (size_t at = 0; at < what.size();) {
    const size_t end = std::min(what.find(" + ", at), what.size());
    const size_t colon = what.rfind("::", end);
    const size_t begin = colon == std::string::npos || colon < at ? at : colon + 2;
    text += (text.empty() ? "" : " + ") + what.substr(begin, end - begin);
    at = end + 3;
  }
  return text;
}

namespace {

nlohmann::json plan_json(const engine::Session& session) {
  using nlohmann::json;
  const engine::Plan& plan = *session.plan();
  json steps = json::array();
  for (const engine::PlannedStep& step : plan.steps) {
    json row = {{"calls", step.what}, {"kernel", step.kernel}, {"sizes", step.sizes}};
    if (!step.reason.empty()) row["reason"] = step.reason;
    steps.push_back(std::move(row));
  }
  return {{"engine", "fast"},
          {"arena_bytes", plan.arena_bytes},
          {"reference_steps", plan.reference_steps()},
          {"steps", std::move(steps)}};
}

}  // namespace

Result<int> show_plan(const Inspected& inspected, const program::Method& method,
                      const Context& context, const std::string& packed_cache) {
  // The file outlives the session; the program is shared with nobody.
  const std::shared_ptr<const program::Program> program(std::shared_ptr<const program::Program>(),
                                                        &inspected.program);
  engine::Options options;
  options.packed_cache = packed_cache;
  PTE_TRY(const auto session,
          engine::Session::load(program, method.name, options).at(inspected.path));
  if (session->plan() == nullptr) {
    if (context.json) {
      print_json({{"file", inspected.path},
                  {"method", method.name},
                  {"engine", "reference"},
                  {"reason", session->why_reference()}});
    } else {
      print("{}  runs on the reference interpreter: {}\n", bold(printable(method.name)),
            printable(session->why_reference()));
    }
    return kFine;
  }
  const engine::Plan& plan = *session->plan();
  if (context.json) {
    nlohmann::json object = plan_json(*session);
    object["file"] = inspected.path;
    object["method"] = method.name;
    print_json(object);
    return kFine;
  }
  print("{}  {} steps, {} by reference kernels, arena {}\n", bold(printable(method.name)),
        plan.steps.size(), plan.reference_steps(), human_bytes(plan.arena_bytes));
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const engine::PlannedStep& step = plan.steps[i];
    print("{:>4}  {}{}{}{}\n", i, pad_right(shortened(step.kernel, 37), 38),
          pad_right(sizes_text(step.sizes), 16), shortened(short_calls(step.what), 38),
          step.reason.empty() ? "" : dim("  " + printable(step.reason)));
  }
  return kFine;
}

}  // namespace pte::cli
