// `pte zoo`: the architectures that a checkpoint can be rebuilt into.
#include "zoo/zoo.h"
#include "cli/command.h"
#include "cli/output.h"

namespace pte::cli {
namespace {

nlohmann::json facts(const zoo::Architecture& model) {
  nlohmann::json methods = nlohmann::json::array();
  const StateDict none;
  for (const zoo::Method& method : model.methods) {
    nlohmann::json inputs = nlohmann::json::array();
    for (const zoo::Input& input : method.inputs(none)) {
      inputs.push_back(
          {{"name", input.name}, {"dtype", dtype_name(input.dtype)}, {"sizes", input.sizes}});
    }
    methods.push_back({{"name", method.name}, {"inputs", std::move(inputs)}});
  }
  return {{"name", model.name},
          {"description", model.description},
          {"task", model.task},
          {"input", model.input},
          {"methods", std::move(methods)},
          {"preprocessing", model.preprocessing},
          {"source", model.source},
          {"licence", model.licence}};
}

void print_one(const zoo::Architecture& model) {
  print("{}\n", bold(model.name));
  print("  {}\n", model.description);
  const StateDict none;
  for (const zoo::Method& method : model.methods) {
    std::string inputs;
    for (const zoo::Input& input : method.inputs(none)) {
      inputs +=
          (inputs.empty() ? "" : ", ") + input.name + " " + describe(input.dtype, input.sizes);
    }
    print("  {}({})\n", method.name, inputs);
  }
  if (!model.preprocessing.empty()) print("  pictures  preset {}\n", model.preprocessing);
  print("  weights   {} ({})\n", model.source, model.licence);
}

Result<int> list_zoo(const Context& context, const std::string& name) {
  std::vector<const zoo::Architecture*> shown;
  if (name.empty()) {
    for (const zoo::Architecture& model : zoo::architectures()) shown.push_back(&model);
  } else if (const zoo::Architecture* model = zoo::find(name)) {
    shown.push_back(model);
  } else {
    return invalid_argument("no architecture is named '{}'", name)
        .with_hint("`pte zoo` lists those there are");
  }
  if (context.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const zoo::Architecture* model : shown) rows.push_back(facts(*model));
    print_json({{"architectures", std::move(rows)}});
    return kFine;
  }
  if (!name.empty() && !context.quiet) {
    print_one(*shown.front());
    return kFine;
  }
  for (const zoo::Architecture* model : shown) {
    if (context.quiet) {
      print("{}\n", model->name);
    } else {
      print("{}  {}\n", bold(pad_right(model->name, 22)), model->description);
    }
  }
  if (!context.quiet) print_note("`pte zoo NAME` shows inputs, preprocessing and sources");
  return kFine;
}

}  // namespace

void add_zoo(Commands& commands) {
  CLI::App* command = commands.add(
      "zoo", "List the architectures that checkpoints can be rebuilt into", "pte zoo yolo11n");
  auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "One of them, in full");
  commands.set_body(command, [&commands, name] { return list_zoo(commands.context(), *name); });
}

}  // namespace pte::cli
