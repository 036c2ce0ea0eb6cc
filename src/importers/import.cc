#include "importers/import.h"

#include <algorithm>

#include "importers/onnx/onnx.h"
#include "importers/torch_export/torch_export.h"
#include "importers/torchscript/torchscript.h"

namespace pte::importers {
namespace {

// Options that say what a .pt2 archive says itself.
Status refuse_fixed(const ImportOptions& options) {
  const auto refuse = [](std::string_view option, std::string_view fact) -> Status {
    return invalid_argument("{} is not for .pt2 archives: torch.export fixed {}", option, fact);
  };
  if (!options.input_shapes.empty()) return refuse("--input-shapes", "the sizes");
  if (!options.input_dtypes.empty()) return refuse("--input-dtypes", "the element types");
  if (!options.dynamic.empty()) return refuse("--dynamic", "which sizes are dynamic");
  return {};
}

Result<Imported> from_pt2(const MappedFile& file, const ImportOptions& options) {
  PTE_CHECK(refuse_fixed(options).at(file.path()));
  Imported out;
  PTE_TRY(Pt2Program read, import_pt2_program(file, {.program = options.program,
                                                     .allow_custom = options.allow_custom}));
  out.module = std::move(read.module);
  if (!read.example.empty()) out.examples.emplace("forward", std::move(read.example));
  out.format = "torch.export archive";
  return out;
}

Result<Imported> from_onnx(const MappedFile& file, const ImportOptions& options) {
  // A node of another domain names neither its operator's arguments nor its results' types.
  if (!options.allow_custom.empty())
    return invalid_argument("{}: --allow-custom is for .pt2 archives, not for ONNX models",
                            file.path());
  PTE_TRY(OnnxImport read, import_onnx(file, options));
  return std::move(read.imported);
}

}  // namespace

ir::SymInt DynamicSize::size(const std::string& symbol, ir::Ranges& symbols) const {
  const int64_t each = std::max<int64_t>(step, 1);
  ir::Range counted{(range.min + each - 1) / each, range.max};
  if (counted.max) *counted.max /= each;
  symbols.insert_or_assign(symbol, counted);
  return ir::SymInt::symbol(symbol) * ir::SymInt(each);
}

bool carries_graph(FileKind kind) {
  switch (kind) {
    case FileKind::kTorchExport:
    case FileKind::kTorchExportOld:
    case FileKind::kTorchScript:
    case FileKind::kTorchScriptLite:
    case FileKind::kOnnx:
      return true;
    default:
      return false;
  }
}

Result<Imported> import_graph(const MappedFile& file, const ImportOptions& options) {
  const FileKind kind = sniff(file);
  switch (kind) {
    case FileKind::kTorchExport:
    case FileKind::kTorchExportOld:
      return from_pt2(file, options);
    case FileKind::kOnnx:
      return from_onnx(file, options);
    case FileKind::kTorchScript:
    case FileKind::kTorchScriptLite:
      return import_torchscript(file, options);
    default:
      return invalid_data("{}: not a model with a graph: it is {}", file.path(), describe(kind));
  }
}

}  // namespace pte::importers
