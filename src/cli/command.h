// The command line: one file a subcommand, each adding itself to the program's parser.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace pte::cli {

inline constexpr int kFine = 0;   // done, and the thing checked is good
inline constexpr int kBad = 1;    // the thing checked is bad, or the work failed
inline constexpr int kUsage = 2;  // the command was given wrongly

// What every command is given: how to talk. Results go to stdout, talk to stderr.
struct Context {
  bool json = false;     // one JSON object on stdout instead of text
  bool quiet = false;    // only the result's path
  bool verbose = false;  // each step
};

// A command's body: the exit code, or the error to report.
using Body = std::function<Result<int>()>;

class Commands {
 public:
  explicit Commands(CLI::App& app) : app_(app) {}

  // A subcommand with the shared flags (--json, -q) and its example shown under --help.
  CLI::App* add(const std::string& name, const std::string& description,
                const std::string& example);
  void set_body(CLI::App* command, Body body);
  const Context& context() const { return context_; }
  const CLI::App& app() const { return app_; }
  // Runs the body of the subcommand that was named.
  Result<int> execute();

 private:
  CLI::App& app_;
  Context context_;
  std::vector<std::pair<CLI::App*, Body>> bodies_;
};

void add_bench(Commands& commands);
void add_check(Commands& commands);
void add_classify(Commands& commands);
void add_completion(Commands& commands);
void add_convert(Commands& commands);
void add_diff(Commands& commands);
void add_export(Commands& commands);
void add_extract(Commands& commands);
void add_inspect(Commands& commands);
void add_ops(Commands& commands);
void add_profile(Commands& commands);
void add_run(Commands& commands);
void add_validate(Commands& commands);
void add_strip(Commands& commands);
void add_verify(Commands& commands);
void add_zoo(Commands& commands);

// The whole program: parses, runs, reports. Never throws.
int run(int argc, const char* const* argv);

}  // namespace pte::cli
