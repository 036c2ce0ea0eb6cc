// What `pte inspect` shows of a program, as text and as JSON.
#pragma once

#include <string>

#include "cli/command.h"
#include "inspect/file_map.h"
#include "program/bundle.h"
#include "program/program.h"
#include "program/ptd.h"

namespace pte::cli {

// A program and the file that it came from.
struct Inspected {
  std::string path;
  MappedFile file;
  program::Program program;
  uint32_t header = 0;  // length of the extended header; 0: none
  // The .bpte around the program, when there is one; `file` is then the program alone.
  std::optional<program::Bundle> bundle;
};

void print_summary(const Inspected& inspected);
void print_tree(const Inspected& inspected);
void print_constants(const Inspected& inspected);
nlohmann::json inspect_json(const Inspected& inspected);

// What the engine would do at each inference of a method: steps, kernels, the arena.
Result<int> show_plan(const Inspected& inspected, const program::Method& method,
                      const Context& context, const std::string& packed_cache);

// "1x3x224x224"
std::string sizes_text(const Sizes& sizes);
// "convolution + silu" of "aten::convolution + aten::silu".
std::string short_calls(const std::string& what);

void print_suites(const program::Bundle& bundle);
nlohmann::json suites_json(const program::Bundle& bundle);
void print_data(const program::DataFile& data, uint64_t bytes);
nlohmann::json data_json(const program::DataFile& data, uint64_t bytes);

// "▁▂▃▇█": one character a step, at most `width` of them, the highest of what each stands for.
std::string sparkline(const std::vector<uint64_t>& values, size_t width);
// "aten.add 4  aten.mul 2  …", as many as fit.
std::string counts_text(const std::vector<std::pair<std::string, int64_t>>& counts, size_t width);
nlohmann::json counts_json(const std::vector<std::pair<std::string, int64_t>>& counts);
// `text` cut to `width` columns, with … at the end where something is missing.
std::string shortened(std::string_view text, size_t width);
// Text from a file: control characters and escape sequences must not reach the terminal.
std::string printable(std::string_view text);

}  // namespace pte::cli
