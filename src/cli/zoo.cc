// `pte zoo`: the architectures that a checkpoint can be rebuilt into.
#include "zoo/zoo.h"
#include "cli/command.h"
#include "cli/output.h"

namespace pte::cli {
namespace {

Result<int> list_zoo(const Context& context) {
  nlohmann::json rows = nlohmann::json::array();
  for (const zoo::Architecture& model : zoo::architectures()) {
    if (context.json) {
      rows.push_back({{"name", model.name},
                      {"description", model.description},
                      {"input", model.input},
                      {"preprocessing", model.preprocessing},
                      {"source", model.source},
                      {"licence", model.licence}});
    } else if (context.quiet) {
      print("{}\n", model.name);
    } else {
      print("{}\n", bold(model.name));
      print("  {}\n", model.description);
      print("  input    {}{}\n", model.input,
            model.preprocessing.empty() ? "" : fmt::format(", preset {}", model.preprocessing));
      print("  weights  {} ({})\n", model.source, model.licence);
    }
  }
  if (context.json) print_json({{"architectures", std::move(rows)}});
  return kFine;
}

}  // namespace

void add_zoo(Commands& commands) {
  CLI::App* command = commands.add(
      "zoo", "List the architectures that checkpoints can be rebuilt into", "pte zoo --json");
  commands.set_body(command, [&commands] { return list_zoo(commands.context()); });
}

}  // namespace pte::cli
