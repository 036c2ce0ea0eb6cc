// `pte diff`: how two programs differ.
#include "inspect/diff.h"

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/output.h"
#include "program/bundle.h"
#include "program/reader.h"

namespace pte::cli {
namespace {

struct Flags {
  std::string a, b;
  size_t top = 10;
};

struct Side {
  MappedFile file;
  program::Program program;
};

Result<Side> read(const std::string& path) {
  PTE_TRY(MappedFile file, MappedFile::open(path));
  if (program::is_bundle(file.bytes())) {
    PTE_TRY(file, program::extract_program(file).at(path));
  }
  PTE_TRY(program::Program program, program::read_program(file));
  return Side{std::move(file), std::move(program)};
}

std::string side(const std::string& text) { return text.empty() ? "none" : printable(text); }

void print_change(const inspect::Change& change) {
  const std::string line = fmt::format("  {}{} → {}", pad_right(printable(change.what), 20),
                                       side(change.a), side(change.b));
  if (width_of(line) <= 80) {
    print("{}\n", line);
    return;
  }
  print("  {}\n    - {}\n    + {}\n", printable(change.what), side(change.a), side(change.b));
}

void print_counts(std::string_view title, const std::vector<inspect::CountChange>& rows,
                  size_t top) {
  for (size_t i = 0; i < rows.size() && i < top; ++i) {
    print(
        "  {}{}{}\n", pad_right(i == 0 ? title : "", 20),
        pad_right(shortened(printable(rows[i].name), 38), 39),
        pad_left(fmt::format("{} → {}  ({:+})", rows[i].a, rows[i].b, rows[i].b - rows[i].a), 18));
  }
  if (rows.size() > top) print("  {}{} more (--top 0)\n", pad_right("", 20), rows.size() - top);
}

void print_list(std::string_view title, const std::vector<std::string>& names, size_t top) {
  for (size_t i = 0; i < names.size() && i < top; ++i) {
    print("  {}{}\n", pad_right(i == 0 ? title : "", 20), shortened(printable(names[i]), 57));
  }
  if (names.size() > top) print("  {}{} more (--top 0)\n", pad_right("", 20), names.size() - top);
}

void print_weights(const inspect::Diff& diff, size_t top) {
  if (diff.weights.empty() && diff.weights_only_a.empty() && diff.weights_only_b.empty()) return;
  print("{}\n",
        bold(fmt::format("weights: {} equal, {} different, {} only in the first, {} only in "
                         "the second",
                         diff.weights_equal, diff.weights.size(), diff.weights_only_a.size(),
                         diff.weights_only_b.size())));
  if (!diff.weights.empty()) {
    print("{}\n", dim(fmt::format("  {}{}{}{}", pad_right("", 41), pad_left("max abs", 11),
                                  pad_left("max rel", 11), pad_left("different", 15))));
  }
  for (size_t i = 0; i < diff.weights.size() && i < top; ++i) {
    const inspect::WeightChange& change = diff.weights[i];
    const std::string name = pad_right(shortened(printable(change.name), 40), 41);
    if (!change.comparable) {
      print("  {}{}\n", name, shortened(change.a + " → " + change.b, 37));
      continue;
    }
    print("  {}{}{}{}\n", name, pad_left(fmt::format("{:.2e}", change.max_abs), 11),
          pad_left(fmt::format("{:.2e}", change.max_rel), 11),
          pad_left(fmt::format("{}/{}", change.different, change.count), 15));
  }
  if (diff.weights.size() > top) print("  {} more (--top 0)\n", diff.weights.size() - top);
  print_list("only in the first", diff.weights_only_a, top);
  print_list("only in the second", diff.weights_only_b, top);
}

void print_diff(const inspect::Diff& diff, size_t top) {
  for (const std::string& name : diff.only_a) print("- method {}\n", printable(name));
  for (const std::string& name : diff.only_b) print("+ method {}\n", printable(name));
  for (const inspect::MethodDiff& method : diff.methods) {
    print("{}\n", bold(printable(method.name)));
    for (const inspect::Change& change : method.changes) print_change(change);
    print_counts("operators", method.operators, top);
    print_counts("delegates", method.delegates, top);
    print_counts("inside delegates", method.nodes, top);
    if (method.code_differs && method.operators.empty() && method.changes.empty()) {
      print("  {}the same operators with other arguments or in another order\n",
            pad_right("instructions", 20));
    }
  }
  print_weights(diff, top);
  for (const inspect::Change& change : diff.payloads) print_change(change);
  if (!diff.sizes.empty()) {
    print("{}\n", bold("bytes"));
    for (const inspect::Change& change : diff.sizes) print_change(change);
  }
}

nlohmann::json changes_json(const std::vector<inspect::Change>& changes) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& change : changes) {
    rows.push_back({{"what", change.what}, {"a", change.a}, {"b", change.b}});
  }
  return rows;
}
nlohmann::json count_rows(const std::vector<inspect::CountChange>& changes) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& change : changes) {
    rows.push_back({{"name", change.name}, {"a", change.a}, {"b", change.b}});
  }
  return rows;
}

nlohmann::json diff_json(const Flags& flags, const inspect::Diff& diff) {
  using nlohmann::json;
  json object = {{"a", flags.a},
                 {"b", flags.b},
                 {"equal", diff.equal()},
                 {"same_bytes", diff.same_bytes},
                 {"methods", {{"only_a", diff.only_a}, {"only_b", diff.only_b}}},
                 {"payloads", changes_json(diff.payloads)},
                 {"sizes", changes_json(diff.sizes)}};
  json& methods = object["methods"]["different"] = json::array();
  for (const inspect::MethodDiff& method : diff.methods) {
    methods.push_back({{"name", method.name},
                       {"changes", changes_json(method.changes)},
                       {"operators", count_rows(method.operators)},
                       {"delegates", count_rows(method.delegates)},
                       {"nodes", count_rows(method.nodes)},
                       {"code_differs", method.code_differs}});
  }
  json weights = {{"equal", diff.weights_equal},
                  {"different", json::array()},
                  {"only_a", diff.weights_only_a},
                  {"only_b", diff.weights_only_b}};
  for (const inspect::WeightChange& change : diff.weights) {
    json row = {{"name", change.name}, {"type_a", change.a}, {"type_b", change.b}};
    if (!change.other.empty()) row["name_b"] = change.other;
    if (change.comparable) {
      row["max_abs"] = change.max_abs;
      row["max_rel"] = change.max_rel;
      row["worst_element"] = change.worst;
      row["different_elements"] = change.different;
      row["elements"] = change.count;
    }
    weights["different"].push_back(std::move(row));
  }
  object["weights"] = std::move(weights);
  return object;
}

Result<int> diff_files(const Flags& flags, const Context& context) {
  PTE_TRY(const Side a, read(flags.a));
  PTE_TRY(const Side b, read(flags.b));
  const inspect::Diff diff = inspect::diff_programs({a.file, a.program}, {b.file, b.program});
  const int code = diff.equal() ? kFine : kBad;
  if (context.json) {
    print_json(diff_json(flags, diff));
    return code;
  }
  if (context.quiet) return code;
  if (diff.same_bytes) {
    print("{}  the same bytes\n", green("✓"));
    return code;
  }
  print_diff(diff, flags.top == 0 ? SIZE_MAX : flags.top);
  if (diff.equal()) {
    print("{}  the same program{}\n", green("✓"),
          diff.sizes.empty() ? ", stored in another way" : "");
  }
  return code;
}

}  // namespace

void add_diff(Commands& commands) {
  CLI::App* command =
      commands.add("diff", "Show how two programs differ", "pte diff before.pte after.pte");
  auto flags = std::make_shared<Flags>();
  command->add_option("A", flags->a, "A .pte or .bpte")->required();
  command->add_option("B", flags->b, "Another one")->required();
  command->add_option("--top", flags->top, "Rows of each table; 0 = all")->capture_default_str();
  commands.set_body(command, [&commands, flags] { return diff_files(*flags, commands.context()); });
}

}  // namespace pte::cli
