// What a file looks like from its first bytes (and, for zips, the names in it): which importer to
// send it to, and what to call it when it was sent to the wrong one.
#pragma once

#include <string_view>

#include "base/file.h"

namespace pte::importers {

enum class FileKind {
  kUnknown,
  kEmpty,
  kTorchSaveZip,
  kTorchSaveLegacy,
  kPickle,  // a pickle that torch.save did not write
  kTorchScript,
  kTorchScriptLite,
  kTorchExport,     // .pt2, torch 2.8 and later
  kTorchExportOld,  // .pt2 up to torch 2.7
  kExecuTorchProgram,
  kExecuTorchData,
  kSafetensors,
  kSafetensorsIndex,  // the JSON that says which of several files holds which tensor
  kOnnx,
  kTfLite,
  kGguf,
  kHdf5,
  kNumpy,
  kNumpyZip,
  kZip,
  kGzip,
  kTar,
  kJpeg,
  kPng,
  kElf,
  kHtml,
  kGitLfsPointer,
};

FileKind sniff(const MappedFile& file);
// For a sentence: "a TorchScript module", "a JPEG picture".
std::string_view describe(FileKind kind);

}  // namespace pte::importers
