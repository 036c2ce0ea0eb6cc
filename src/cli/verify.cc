// `pte verify`: whether files keep the format's rules, and everything that breaks them.
#include "cli/command.h"
#include "cli/output.h"
#include "program/ptd.h"
#include "program/reader.h"

namespace pte::cli {
namespace {

struct Checked {
  std::string path;
  std::vector<program::Finding> findings;
};

// An error without the path that it begins with: the path stands before the findings.
program::Finding whole_file(Error error, const std::string& path) {
  if (error.message.starts_with(path + ": ")) error.message.erase(0, path.size() + 2);
  return {"file", std::move(error.message)};
}

Checked check(const std::string& path, size_t limit) {
  Checked result{path, {}};
  auto file = MappedFile::open(path);
  if (!file) {
    result.findings.push_back(whole_file(std::move(file.error()), path));
  } else if (program::is_data_file(file->bytes())) {
    auto data = program::read_data(*file);
    if (!data) result.findings.push_back(whole_file(std::move(data.error()), path));
  } else {
    for (program::Finding& finding : program::check_program(*file, limit)) {
      if (finding.where == "file" && finding.message.starts_with(path + ": ")) {
        finding.message.erase(0, path.size() + 2);
      }
      result.findings.push_back(std::move(finding));
    }
  }
  return result;
}

Result<int> verify_files(const Context& context, const std::vector<std::string>& paths,
                         size_t limit) {
  bool good = true;
  nlohmann::json rows = nlohmann::json::array();
  for (const std::string& path : paths) {
    const Checked result = check(path, limit);
    const bool valid = result.findings.empty();
    good = good && valid;
    if (context.json) {
      nlohmann::json row = {{"file", path}, {"valid", valid}};
      row["findings"] = nlohmann::json::array();
      for (const auto& finding : result.findings) {
        row["findings"].push_back({{"where", finding.where}, {"message", finding.message}});
      }
      rows.push_back(std::move(row));
      continue;
    }
    if (valid) {
      if (!context.quiet) print("{}  {}\n", green("✓"), path);
      continue;
    }
    if (result.findings.size() == 1 && result.findings[0].where == "file") {
      print_error(invalid_data("{}: {}", path, result.findings[0].message));
      continue;
    }
    print("✗  {}  {}{} finding{}\n", path, result.findings.size() == limit ? "at least " : "",
          result.findings.size(), result.findings.size() == 1 ? "" : "s");
    for (const auto& finding : result.findings)
      print("   {}: {}\n", finding.where, finding.message);
  }
  if (context.json) print_json({{"files", std::move(rows)}, {"valid", good}});
  return good ? kFine : kBad;
}

}  // namespace

void add_verify(Commands& commands) {
  CLI::App* command = commands.add(
      "verify", "Check that .pte, .bpte and .ptd files are well formed", "pte verify model.pte");
  struct Flags {
    std::vector<std::string> files;
    size_t limit = 100;
  };
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->files, "Program, bundle and data files")->required();
  command->add_option("--limit", flags->limit, "Findings listed for a file, at most")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  commands.set_body(command, [&commands, flags] {
    return verify_files(commands.context(), flags->files, flags->limit);
  });
}

}  // namespace pte::cli
