// `pte strip`: a program without what running it does not need.
#include "inspect/strip.h"

#include <filesystem>

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/output.h"
#include "program/reader.h"
#include "program/writer.h"
#include "vision/metadata.h"

namespace pte::cli {
namespace {

struct Flags {
  std::string file, output;
  bool metadata = false;
};

Result<int> strip_file(const Flags& flags, const Context& context) {
  PTE_TRY(const MappedFile file, MappedFile::open(flags.file));
  PTE_TRY(const program::Program program, program::read_program(file));
  inspect::StripOptions options;
  options.keep = [&](std::string_view key) {
    return key == vision::kMetadataKey && !flags.metadata;
  };
  const inspect::Stripped stripped = inspect::strip(program, options);
  PTE_CHECK(program::write_program(stripped.program, flags.output));
  std::error_code error;
  const uint64_t before = file.bytes().size();
  const uint64_t after = std::filesystem::file_size(flags.output, error);
  if (error) return make_error(Code::kIo, "{}: {}", flags.output, error.message());
  if (context.json) {
    print_json({{"file", flags.output},
                {"bytes_before", before},
                {"bytes_after", after},
                {"stack_traces", stripped.stack_traces},
                {"names", stripped.names},
                {"values", stripped.values},
                {"operators", stripped.operators},
                {"delegates", stripped.delegates},
                {"constants", stripped.constants},
                {"named_data", stripped.named_data}});
    return kFine;
  }
  if (context.quiet) {
    print("{}\n", flags.output);
    return kFine;
  }
  const auto row = [](std::string_view label, size_t count, std::string_view note) {
    if (count > 0)
      print("  {}{}{}\n", pad_right(label, 22), pad_left(std::to_string(count), 6), note);
  };
  row("stack traces", stripped.stack_traces, "");
  row("names of tensors", stripped.names, "");
  row("unused values", stripped.values, "");
  row("unused operators", stripped.operators, "");
  row("unused delegates", stripped.delegates, "");
  row("unused constants", stripped.constants, "   " + human_bytes(stripped.constant_bytes));
  row("unused named data", stripped.named_data, "   " + human_bytes(stripped.named_bytes));
  // Another layout of the same things can be a little larger.
  const std::string change =
      after <= before ? fmt::format("{} gone", human_bytes(before - after))
                      : fmt::format("{} more, from another layout", human_bytes(after - before));
  print("{} {}   {} → {}   {}\n", green("✓"), flags.output, human_bytes(before), human_bytes(after),
        change);
  return kFine;
}

}  // namespace

void add_strip(Commands& commands) {
  CLI::App* command = commands.add("strip", "Remove what running a program does not need",
                                   "pte strip model.pte -o small.pte");
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->file, "A .pte")->required();
  command->add_option("-o,--output", flags->output, "The program to write")->required();
  command->add_flag("--metadata", flags->metadata,
                    "Remove the description that `pte export` stores, too");
  commands.set_body(command, [&commands, flags] { return strip_file(*flags, commands.context()); });
}

}  // namespace pte::cli
