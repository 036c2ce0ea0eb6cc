#include "importers/torchscript/torchscript.h"

#include <algorithm>

#include "importers/torchscript/method_reader.h"
#include "ir/verify.h"

namespace pte::importers {
namespace {

using namespace script;  // NOLINT: the parts of this importer

// "forward,encode", or "all".
Result<std::vector<std::string>> wanted_methods(Archive& archive, const std::string& program) {
  std::vector<std::string> out;
  if (program == "all") return method_names(archive);
  for (size_t at = 0; at <= program.size() && !program.empty();) {
    const size_t comma = std::min(program.find(',', at), program.size());
    const std::string name = program.substr(at, comma - at);
    if (name.empty() || std::find(out.begin(), out.end(), name) != out.end())
      return invalid_argument("'{}' is no list of different methods", program);
    out.push_back(name);
    at = comma + 1;
  }
  if (out.empty()) out.emplace_back("forward");
  return out;
}

Result<Imported> import_archive(const MappedFile& file, const ImportOptions& options) {
  if (!ZipArchive::looks_like_zip(file.bytes())) {
    return unsupported("a mobile module in flatbuffer form (PTMF)")
        .with_hint("save it again without _use_flatbuffer=True, or export it as .pt2");
  }
  PTE_TRY(ZipArchive opened, ZipArchive::open(file));
  const auto zip = std::make_shared<const ZipArchive>(std::move(opened));
  if (const ZipEntry* order = zip->find_below_top("byteorder")) {
    PTE_TRY(const ZipData data, zip->read(*order, 64));
    if (as_text(data.bytes).starts_with("big"))
      return unsupported("the archive is big-endian; little-endian files can be read");
  }
  if (!options.allow_custom.empty())
    return unsupported("--allow-custom is not for TorchScript modules");
  Imported out;
  Archive archive(zip);
  out.format = archive.mobile ? "TorchScript mobile module" : "TorchScript module";
  PTE_TRY(const std::vector<std::string> names, wanted_methods(archive, options.program));
  InputCursor inputs;
  std::string text;
  for (const std::string& name : names) {
    const size_t begin = inputs.example;
    Status read = read_method(archive, name, options, inputs, out.module);
    if (!read && names.size() > 1) return std::move(read.error()).at(name + "()");
    PTE_CHECK(std::move(read));
    text += (text.empty() ? "" : "(), ") + name;
    if (names.size() == 1 || options.example.empty()) continue;
    // Numbers of the example are in the graph.
    std::vector<EValue>& example = out.examples[name];
    for (size_t i = begin; i < inputs.example; ++i) {
      if (options.example[i].is<Tensor>()) example.push_back(options.example[i]);
    }
  }
  PTE_CHECK(inputs.check_all_used(text, options));
  PTE_CHECK(ir::verify(out.module));
  return out;
}

}  // namespace

Result<Imported> import_torchscript(const MappedFile& file, const ImportOptions& options) {
  return import_archive(file, options).at(file.path());
}

}  // namespace pte::importers
