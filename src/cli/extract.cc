// `pte extract`: parts of a program as files of their own.
#include <filesystem>

#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/output.h"
#include "inspect/safetensors.h"
#include "inspect/weights.h"
#include "program/bundle.h"
#include "program/ptd.h"
#include "program/quote.h"
#include "program/reader.h"
#include "vision/metadata.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string file, weights, payloads, program;
  bool metadata = false;
};

// What was written, for the report.
struct Written {
  std::string path;
  uint64_t bytes = 0;
};

Status write_weights(const std::string& path, const std::vector<inspect::NamedTensor>& tensors,
                     const std::string& source, std::vector<Written>& out) {
  PTE_CHECK(inspect::write_safetensors(path, tensors,
                                       {{"source", fs::path(source).filename().string()}}));
  std::error_code error;
  out.push_back({path, fs::file_size(path, error)});
  return {};
}

std::vector<inspect::NamedTensor> program_weights(const program::Program& program) {
  std::vector<std::string> problems;
  std::vector<inspect::NamedTensor> tensors;
  for (inspect::Weight& weight : inspect::list_weights(program, &problems)) {
    tensors.push_back({std::move(weight.name), std::move(weight.data)});
  }
  for (const std::string& problem : problems) print_note("left out: " + printable(problem));
  return tensors;
}

std::vector<inspect::NamedTensor> data_weights(const program::DataFile& data) {
  std::vector<inspect::NamedTensor> tensors;
  for (const program::DataEntry& entry : data.entries) {
    Tensor tensor = Tensor::view(DType::kUInt8, {static_cast<int64_t>(entry.data.size())}, {1},
                                 entry.data.bytes.data(), entry.data.owner);
    if (entry.layout) {
      tensor = Tensor::view(entry.layout->dtype, entry.layout->sizes,
                            strides_of(entry.layout->sizes, entry.layout->dim_order),
                            entry.data.bytes.data(), entry.data.owner);
    }
    tensors.push_back({entry.key, std::move(tensor)});
  }
  return tensors;
}

// Names come from the file: what could leave the folder is replaced.
std::string file_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 80)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
    out += plain ? c : '_';
  }
  return out;
}

Status write_payloads(const Flags& flags, const program::Program& program,
                      std::vector<Written>& out) {
  std::error_code error;
  fs::create_directories(flags.payloads, error);
  if (error) {
    return make_error(Code::kIo, "{}: cannot create the folder: {}", flags.payloads,
                      error.message());
  }
  for (const program::Method& method : program.methods) {
    for (size_t i = 0; i < method.delegates.size(); ++i) {
      const program::Delegate& delegate = method.delegates[i];
      const std::string path =
          (fs::path(flags.payloads) /
           fmt::format("{}_{}_{}.bin", file_name(method.name), i, file_name(delegate.id)))
              .string();
      PTE_CHECK(write_file(path, delegate.payload.bytes));
      out.push_back({path, delegate.payload.size()});
    }
  }
  return {};
}

Status from_program(const Flags& flags, const MappedFile& file, std::vector<Written>& out,
                    std::string& metadata) {
  PTE_TRY(const program::Program program, program::read_program(file));
  if (flags.metadata) {
    const program::Blob* blob = program.find_named_data(vision::kMetadataKey);
    if (blob == nullptr) {
      return make_error(Code::kNotFound, "{}: it has no description under the key '{}'", flags.file,
                        vision::kMetadataKey)
          .with_hint("`pte export` writes one for models that it knows");
    }
    metadata = as_text(blob->bytes);
  }
  if (!flags.weights.empty()) {
    PTE_CHECK(write_weights(flags.weights, program_weights(program), flags.file, out));
  }
  if (!flags.payloads.empty()) PTE_CHECK(write_payloads(flags, program, out));
  return {};
}

Result<int> extract(const Flags& flags, const Context& context) {
  if (flags.weights.empty() && flags.payloads.empty() && flags.program.empty() && !flags.metadata) {
    return invalid_argument("nothing is asked for: --weights, --payloads, --program or --metadata");
  }
  PTE_TRY(MappedFile file, MappedFile::open(flags.file));
  std::vector<Written> written;
  std::string metadata;
  if (program::is_data_file(file.bytes())) {
    if (flags.weights.empty() || !flags.payloads.empty() || !flags.program.empty() ||
        flags.metadata) {
      return invalid_argument("{}: a .ptd file holds weights only: --weights", flags.file);
    }
    PTE_TRY(const program::DataFile data, program::read_data(file));
    PTE_CHECK(write_weights(flags.weights, data_weights(data), flags.file, written));
  } else {
    const bool bundle = program::is_bundle(file.bytes());
    if (!flags.program.empty() && !bundle) {
      return invalid_argument("{}: --program takes the program out of a .bpte; this is none",
                              flags.file);
    }
    if (bundle) {
      PTE_TRY(file, program::extract_program(file).at(flags.file));
      if (!flags.program.empty()) {
        PTE_CHECK(write_file(flags.program, file.bytes()));
        written.push_back({flags.program, file.bytes().size()});
      }
    }
    PTE_CHECK(from_program(flags, file, written, metadata));
  }
  if (context.json) {
    nlohmann::json object = {{"files", nlohmann::json::array()}};
    for (const Written& entry : written) {
      object["files"].push_back({{"file", entry.path}, {"bytes", entry.bytes}});
    }
    if (flags.metadata) {
      auto parsed = nlohmann::json::parse(metadata, nullptr, false);
      object["metadata"] = parsed.is_discarded() ? nlohmann::json(metadata) : std::move(parsed);
    }
    print_json(object);
    return kFine;
  }
  if (flags.metadata) print("{}\n", metadata);
  for (const Written& entry : written) {
    if (context.quiet) {
      print("{}\n", entry.path);
    } else {
      print("{}{}\n", pad_right(entry.path, 60), pad_left(human_bytes(entry.bytes), 10));
    }
  }
  return kFine;
}

}  // namespace

void add_extract(Commands& commands) {
  CLI::App* command = commands.add("extract", "Take weights, payloads or the program out of a file",
                                   "pte extract model.pte --weights model.safetensors");
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->file, "A .pte, .bpte or .ptd")->required();
  command->add_option("--weights", flags->weights, "Write every constant to this .safetensors");
  command->add_option("--payloads", flags->payloads, "Write delegates' payloads into this folder");
  command->add_option("--program", flags->program, "Write the program inside a .bpte to this file");
  command->add_flag("--metadata", flags->metadata,
                    "Print the description that `pte export` stores");
  commands.set_body(command, [&commands, flags] { return extract(*flags, commands.context()); });
}

}  // namespace pte::cli
