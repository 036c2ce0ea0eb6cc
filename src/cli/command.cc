#include "cli/command.h"

#include <fmt/format.h>

#include <exception>

#include "cli/output.h"

namespace pte::cli {

CLI::App* Commands::add(const std::string& name, const std::string& description,
                        const std::string& example) {
  CLI::App* command = app_.add_subcommand(name, description);
  command->footer("\nExample:\n  " + example);
  command->add_flag("--json", context_.json, "Print one JSON object instead of text");
  command->add_flag("-q,--quiet", context_.quiet, "Print only the result");
  return command;
}

void Commands::set_body(CLI::App* command, Body body) {
  command->add_flag("--verbose", context_.verbose, "Show each step");
  bodies_.emplace_back(command, std::move(body));
}

Result<int> Commands::execute() {
  for (auto& [command, body] : bodies_) {
    if (command->parsed()) return body();
  }
  return invalid_argument("no command given").with_hint("`pte --help` lists the commands");
}

namespace {

int report(const Error& error, const Context& context) {
  if (context.json) {
    nlohmann::json object = {
        {"error", {{"code", code_name(error.code)}, {"message", error.message}}}};
    if (!error.hint.empty()) object["error"]["hint"] = error.hint;
    print_json(object);
  }
  print_error(error);
  return error.code == Code::kInvalidArgument ? kUsage : kBad;
}

}  // namespace

int run(int argc, const char* const* argv) {
  CLI::App app("pte: make, run and look inside ExecuTorch programs", "pte");
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", "pte " PTE_VERSION);
  app.footer(
      "\nExample:\n  pte export efficientnet-lite0.pth --backends xnnpack\n\n`pte COMMAND --help` "
      "says more.");
  Commands commands(app);
  add_export(commands);
  add_convert(commands);
  add_check(commands);
  add_run(commands);
  add_bench(commands);
  add_classify(commands);
  add_inspect(commands);
  add_profile(commands);
  add_diff(commands);
  add_strip(commands);
  add_extract(commands);
  add_verify(commands);
  add_validate(commands);
  add_zoo(commands);
  add_ops(commands);
  add_completion(commands);
  // The library returns errors; what may still throw is the standard library running out of memory
  // and the parser of the command line.
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) {
      print_text(app.help());
      return kUsage;
    }
    const Result<int> result = commands.execute();
    if (!result) return report(result.error(), commands.context());
    return finish_output() ? *result : kBad;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      return kFine;
    }
    const auto chosen = app.get_subcommands();
    const std::string command = chosen.empty() ? "pte" : "pte " + chosen.front()->get_name();
    print_error(invalid_argument("{}", error.what())
                    .with_hint(fmt::format("`{} --help` shows how", command)));
    return kUsage;
  } catch (const std::bad_alloc&) {
    return report(make_error(Code::kResourceLimit, "out of memory"), commands.context());
  } catch (const std::exception& error) {
    return report(internal_error("{}", error.what()), commands.context());
  }
}

}  // namespace pte::cli
