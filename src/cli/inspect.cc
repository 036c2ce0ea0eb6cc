// `pte inspect`: what is in a program.
#include "cli/inspect.h"
#include "cli/engine_flags.h"

#include "cli/output.h"
#include "inspect/drawing.h"
#include "inspect/lift.h"
#include "inspect/payloads.h"
#include "program/header.h"
#include "program/quote.h"
#include "program/reader.h"

namespace pte::cli {
namespace {

struct Flags {
  std::string file, graph, output, method;
  EngineFlags engine_flags;
  bool tree = false, ir = false, constants = false, plan = false;
  std::optional<size_t> payload;
};

Result<const program::Method*> find_method(const Inspected& inspected, const std::string& name) {
  const auto& methods = inspected.program.methods;
  if (methods.empty()) return invalid_data("{}: the program has no methods", inspected.path);
  if (name.empty()) {
    const program::Method* forward = inspected.program.find_method("forward");
    return forward == nullptr ? &methods.front() : forward;
  }
  if (const program::Method* method = inspected.program.find_method(name)) return method;
  std::string names;
  for (const auto& method : methods) {
    names += (names.empty() ? "" : ", ") + program::quote(method.name);
  }
  return invalid_argument("{}: no method '{}'; the file has {}", inspected.path, name, names);
}

Result<int> write_graph(const Flags& flags, const Inspected& inspected) {
  const bool is_svg = flags.graph.ends_with(".svg");
  if (!is_svg && !flags.graph.ends_with(".dot")) {
    return invalid_argument("--graph {}: expected a name that ends in .svg or .dot", flags.graph);
  }
  PTE_TRY(const program::Method* method, find_method(inspected, flags.method));
  const inspect::Drawing drawing = inspect::draw_method(inspected.program, *method);
  std::string text;
  if (is_svg) {
    PTE_TRY(text, inspect::svg(drawing).at(inspected.path));
  } else {
    text = inspect::dot(drawing);
  }
  PTE_CHECK(write_file(flags.graph, text));
  return kFine;
}

// Delegates are counted through all methods.
Result<const program::Delegate*> find_delegate(const Inspected& inspected, size_t number) {
  size_t count = 0;
  for (const program::Method& method : inspected.program.methods) {
    if (number < count + method.delegates.size()) return &method.delegates[number - count];
    count += method.delegates.size();
  }
  if (count == 0) return invalid_argument("{}: it has no delegates", inspected.path);
  return invalid_argument("{}: no delegate {}; it has {}, the last is {}", inspected.path, number,
                          count, count - 1);
}

Result<int> show_payload(const Flags& flags, const Context& context, const Inspected& inspected) {
  PTE_TRY(const program::Delegate* delegate, find_delegate(inspected, *flags.payload));
  if (!flags.output.empty()) {
    PTE_CHECK(write_file(flags.output, delegate->payload.bytes));
    if (context.json) {
      print_json({{"file", flags.output}, {"bytes", delegate->payload.size()}});
    } else {
      print("{}\n", flags.output);
    }
    return kFine;
  }
  PTE_TRY(const std::string text,
          inspect::list_payload(inspected.program, *delegate)
              .at(fmt::format("{}: payload {}", inspected.path, *flags.payload)));
  if (context.json) {
    print_json({{"id", delegate->id}, {"bytes", delegate->payload.size()}, {"listing", text}});
  } else {
    print("{}   {}\n", bold(printable(delegate->id)), human_bytes(delegate->payload.size()));
    print_text(text);
  }
  return kFine;
}

Result<int> inspect_data(const Flags& flags, const Context& context, const MappedFile& file) {
  if (flags.tree || flags.ir || flags.plan || flags.constants || flags.payload ||
      !flags.graph.empty()) {
    return invalid_argument("{}: a .ptd file holds data alone; there is no program to look into",
                            flags.file);
  }
  PTE_TRY(const program::DataFile data, program::read_data(file));
  if (context.json) {
    print_json(data_json(data, file.bytes().size()));
  } else {
    print_data(data, file.bytes().size());
  }
  return kFine;
}

Result<int> inspect_file(const Flags& flags, const Context& context) {
  if (!flags.output.empty() && !flags.payload) {
    return invalid_argument("--output is where --payload N goes; no payload is named");
  }
  PTE_TRY(MappedFile file, MappedFile::open(flags.file));
  if (program::is_data_file(file.bytes())) return inspect_data(flags, context, file);
  Inspected inspected{flags.file, std::move(file), {}, 0, std::nullopt};
  if (program::is_bundle(inspected.file.bytes())) {
    PTE_TRY(inspected.bundle, program::read_bundle(inspected.file));
    inspected.file = inspected.bundle->program;
  }
  PTE_TRY(inspected.program, program::read_program(inspected.file));
  const auto header = program::read_header(inspected.file.bytes());
  if (header) inspected.header = header->length;
  if (flags.payload) return show_payload(flags, context, inspected);
  if (!flags.graph.empty()) PTE_CHECK(write_graph(flags, inspected));
  if (flags.plan) {
    PTE_TRY(const program::Method* method, find_method(inspected, flags.method));
    return show_plan(inspected, *method, context, flags.engine_flags.packed_cache);
  }
  if (flags.ir) {
    const std::string text = inspect::ir_text(inspected.program, flags.file);
    if (context.json) {
      print_json({{"file", flags.file}, {"ir", text}});
    } else {
      print_text(text);
    }
    return kFine;
  }
  if (context.json) {
    nlohmann::json object = inspect_json(inspected);
    if (!flags.graph.empty()) object["graph"] = flags.graph;
    print_json(object);
    return kFine;
  }
  if (flags.tree) print_tree(inspected);
  if (flags.constants) print_constants(inspected);
  if (!flags.graph.empty()) print("{}\n", flags.graph);
  if (!flags.tree && !flags.constants && flags.graph.empty()) print_summary(inspected);
  return kFine;
}

}  // namespace

void add_inspect(Commands& commands) {
  CLI::App* command = commands.add("inspect", "Show what is in a program file",
                                   "pte inspect model_xnnpack.pte --tree");
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->file, "A .pte, .bpte or .ptd")->required();
  command->add_flag("--tree", flags->tree, "Where the file's bytes go");
  command->add_flag("--constants", flags->constants, "Every constant, largest first");
  command->add_flag("--ir", flags->ir, "The graph as text");
  command->add_flag("--plan", flags->plan, "What the engine does at each inference, step by step");
  add_packed_cache_option(command, flags->engine_flags);
  command->add_option("--graph", flags->graph, "Draw the graph into this .svg or .dot file");
  command->add_option("--payload", flags->payload, "Everything in delegate N, counted from 0");
  command->add_option("--output", flags->output, "With --payload: write its bytes to this file");
  command->add_option("--method", flags->method, "The method to draw or plan; default: forward");
  commands.set_body(command,
                    [&commands, flags] { return inspect_file(*flags, commands.context()); });
}

}  // namespace pte::cli
