// `pte verify`: whether files keep the format's rules.
#include "program/verify.h"
#include "cli/command.h"
#include "cli/output.h"
#include "program/reader.h"

namespace pte::cli {
namespace {

struct Checked {
  std::string path;
  std::optional<Error> error;
  std::vector<program::Finding> findings;
};

Checked check(const std::string& path) {
  Checked result{path, std::nullopt, {}};
  auto file = MappedFile::open(path);
  auto parsed = file ? program::read_program(*file) : Result<program::Program>(file.error());
  if (!parsed) {
    result.error = parsed.error();
    return result;
  }
  for (const program::Method& method : parsed->methods) {
    auto found = program::find_plan_conflicts(method);
    result.findings.insert(result.findings.end(), found.begin(), found.end());
  }
  return result;
}

Result<int> verify_files(const Context& context, const std::vector<std::string>& paths) {
  bool good = true;
  nlohmann::json rows = nlohmann::json::array();
  for (const std::string& path : paths) {
    const Checked result = check(path);
    good = good && !result.error;
    if (context.json) {
      nlohmann::json row = {{"file", path}, {"valid", !result.error}};
      if (result.error) row["error"] = result.error->message;
      row["findings"] = nlohmann::json::array();
      for (const auto& finding : result.findings) {
        row["findings"].push_back({{"where", finding.where}, {"message", finding.message}});
      }
      rows.push_back(std::move(row));
      continue;
    }
    if (result.error) {
      print_error(*result.error);
    } else if (!context.quiet) {
      print("{}  {}\n", green("✓"), path);
    }
    for (const auto& finding : result.findings)
      print("   {}: {}\n", finding.where, finding.message);
  }
  if (context.json) print_json({{"files", std::move(rows)}, {"valid", good}});
  return good ? kFine : kBad;
}

}  // namespace

void add_verify(Commands& commands) {
  CLI::App* command =
      commands.add("verify", "Check that .pte files are well formed", "pte verify model.pte");
  auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("FILE", *files, "Program files")->required();
  commands.set_body(command,
                    [&commands, files] { return verify_files(commands.context(), *files); });
}

}  // namespace pte::cli
