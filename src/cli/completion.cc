// `pte completion SHELL`: a script for the shell, made from the commands as they are.
#include "cli/command.h"
#include "cli/output.h"

namespace pte::cli {
namespace {

std::string long_options(const CLI::App& command) {
  std::string out;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) out += " --" + name;
  }
  return out;
}

std::string command_names(const CLI::App& app) {
  std::string out;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    out += " " + command->get_name();
  }
  return out;
}

std::string bash(const CLI::App& app) {
  std::string text = fmt::format(
      "_pte() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} options=\n"
      "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n",
      command_names(app).substr(1));
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    text += fmt::format("    {}) options=\"{}\" ;;\n", command->get_name(),
                        long_options(*command).substr(1));
  }
  return text +
         "  esac\n"
         "  case $word in -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;; esac\n"
         "}\n"
         "complete -o default -F _pte pte\n";
}

std::string fish(const CLI::App& app) {
  std::string text =
      "complete -c pte -f -n __fish_use_subcommand -a '" + command_names(app).substr(1) + "'\n";
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    text += fmt::format("complete -c pte -F -n '__fish_seen_subcommand_from {}'\n",
                        command->get_name());
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        text += fmt::format("complete -c pte -n '__fish_seen_subcommand_from {}' -l {}\n",
                            command->get_name(), name);
      }
    }
  }
  return text;
}

Result<int> print_completion(const CLI::App& app, const std::string& shell) {
  if (shell == "fish") {
    print_text(fish(app));
  } else if (shell == "zsh") {
    print_text("autoload -U +X bashcompinit && bashcompinit\n" + bash(app));
  } else {
    print_text(bash(app));
  }
  return kFine;
}

}  // namespace

void add_completion(Commands& commands) {
  CLI::App* command = commands.add("completion", "Print a completion script for your shell",
                                   "pte completion bash > /etc/bash_completion.d/pte");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  commands.set_body(command,
                    [&commands, shell] { return print_completion(commands.app(), *shell); });
}

}  // namespace pte::cli
