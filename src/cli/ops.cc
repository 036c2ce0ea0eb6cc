// `pte ops`: the operators that this build knows, from schema/ops.def.
#include "schema/ops.h"
#include "cli/command.h"
#include "cli/output.h"
#include "ir/infer.h"
#include "kernels/kernel.h"

namespace pte::cli {
namespace {

Result<int> list_ops(const Context& context, const std::string& filter) {
  nlohmann::json rows = nlohmann::json::array();
  size_t shown = 0;
  size_t with_kernel = 0;
  for (const OpInfo& op : all_ops()) {
    if (!filter.empty() && op.full_name().find(filter) == std::string::npos) continue;
    const bool kernel = kernels::find_kernel(op.op) != nullptr;
    const bool shapes = ir::has_inference(op.op) || op.has(kTagHigherOrder);
    ++shown;
    with_kernel += kernel ? 1 : 0;
    if (context.json) {
      rows.push_back(
          {{"name", op.full_name()},
           {"program", op.out_name.empty() ? nlohmann::json() : nlohmann::json(op.out_name)},
           {"kernel", kernel},
           {"written", op.emittable()},
           {"shape_inference", shapes}});
      continue;
    }
    print("{}  {}\n", pad_right(op.full_name(), 46),
          op.callable() ? (kernel ? op.out_name : op.out_name + "  (no kernel)")
                        : "rewritten before emission");
  }
  if (context.json) {
    print_json({{"operators", std::move(rows)}, {"count", shown}, {"with_kernel", with_kernel}});
  } else if (!context.quiet) {
    print("{} operators, {} with a reference kernel\n", shown, with_kernel);
  }
  if (shown == 0) return invalid_argument("no operator's name contains '{}'", filter);
  return kFine;
}

}  // namespace

void add_ops(Commands& commands) {
  CLI::App* command =
      commands.add("ops", "List the operators that this build knows", "pte ops pool --json");
  auto filter = std::make_shared<std::string>();
  command->add_option("FILTER", *filter, "Only names that contain this");
  commands.set_body(command, [&commands, filter] { return list_ops(commands.context(), *filter); });
}

}  // namespace pte::cli
