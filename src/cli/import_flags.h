// What commands that take a model let a user say about its inputs: types, examples, open sizes.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "importers/import.h"

namespace pte::cli {

struct ImportFlags {
  std::string dtypes;
  std::vector<std::string> examples;
  std::vector<std::string> dynamic;
  std::string method;
};

// --input-dtypes, --example, --dynamic and --import-method.
void add_import_flags(CLI::App* command, ImportFlags& flags);

// Fails with kInvalidArgument, naming the flag and the word, and with what reading a file fails
// with.
Result<importers::ImportOptions> import_options(const ImportFlags& flags);

}  // namespace pte::cli
