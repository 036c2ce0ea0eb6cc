#include "importers/sniff.h"

#include <cctype>
#include <cstring>

#include "base/zip.h"

namespace pte::importers {
namespace {

using namespace std::string_view_literals;

FileKind sniff_zip(const MappedFile& file) {
  auto archive = ZipArchive::open(file);
  if (!archive) return FileKind::kZip;
  if (archive->find("serialized_exported_program.json")) return FileKind::kTorchExportOld;
  if (archive->find_below_top("archive_format")) return FileKind::kTorchExport;
  if (archive->find_below_top("bytecode.pkl")) return FileKind::kTorchScriptLite;
  if (archive->find_below_top("constants.pkl")) return FileKind::kTorchScript;
  if (archive->find_below_top("data.pkl")) return FileKind::kTorchSaveZip;
  for (const ZipEntry& entry : archive->entries()) {
    if (!entry.name.ends_with(".npy")) return FileKind::kZip;
  }
  return archive->entries().empty() ? FileKind::kZip : FileKind::kNumpyZip;
}

// LONG1 of 10 bytes, the number that torch.save writes first.
constexpr std::string_view kTorchMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;

bool is_onnx(std::string_view text) {
  // ModelProto: field 1 is ir_version, a small varint; what follows is one of its next fields.
  if (text.size() < 4 || text[0] != 0x08 || text[1] < 1 || text[1] > 30) return false;
  return "\x12\x1a\x22\x28\x32\x3a\x42"sv.find(text[2]) != std::string_view::npos;
}

bool is_safetensors(std::string_view text) {
  if (text.size() < 10 || text[8] != '{') return false;
  uint64_t header = 0;
  std::memcpy(&header, text.data(), 8);
  return header >= 2 && header <= text.size() - 8;
}

bool has_identifier(std::string_view text, std::string_view letters) {
  return text.size() >= 8 && text.substr(4, 2) == letters &&
         std::isdigit(static_cast<unsigned char>(text[6])) &&
         std::isdigit(static_cast<unsigned char>(text[7]));
}

}  // namespace

FileKind sniff(const MappedFile& file) {
  const std::string_view text = as_text(file.bytes());
  if (text.empty()) return FileKind::kEmpty;
  if (ZipArchive::looks_like_zip(file.bytes())) return sniff_zip(file);
  if (text.starts_with("\x80"sv) && text.size() > 2 && text[1] <= 5) {
    return text.substr(2).starts_with(kTorchMagic) ? FileKind::kTorchSaveLegacy : FileKind::kPickle;
  }
  if (has_identifier(text, "ET")) return FileKind::kExecuTorchProgram;
  if (has_identifier(text, "FT")) return FileKind::kExecuTorchData;
  if (text.size() >= 8 && text.substr(4, 4) == "TFL3") return FileKind::kTfLite;
  if (text.size() >= 8 && text.substr(4, 4) == "PTMF") return FileKind::kTorchScriptLite;
  if (text.starts_with("\xff\xd8\xff"sv)) return FileKind::kJpeg;
  if (text.starts_with("\x89PNG\r\n"sv)) return FileKind::kPng;
  if (text.starts_with("\x89HDF\r\n"sv)) return FileKind::kHdf5;
  if (text.starts_with("\x93NUMPY"sv)) return FileKind::kNumpy;
  if (text.starts_with("\x7f"
                       "ELF"sv))
    return FileKind::kElf;
  if (text.starts_with("GGUF"sv)) return FileKind::kGguf;
  if (text.starts_with("\x1f\x8b"sv)) return FileKind::kGzip;
  if (text.size() >= 262 && text.substr(257, 5) == "ustar") return FileKind::kTar;
  if (text.starts_with("version https://git-lfs"sv)) return FileKind::kGitLfsPointer;
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string_view::npos) {
    const auto rest = text.substr(begin);
    if (rest.starts_with("<!") || rest.starts_with("<html") || rest.starts_with("<HTML")) {
      return FileKind::kHtml;
    }
  }
  if (is_safetensors(text)) return FileKind::kSafetensors;
  if (begin != std::string_view::npos && text[begin] == '{' &&
      text.find("\"weight_map\"") != std::string_view::npos) {
    return FileKind::kSafetensorsIndex;
  }
  if (is_onnx(text)) return FileKind::kOnnx;
  return FileKind::kUnknown;
}

std::string_view describe(FileKind kind) {
  switch (kind) {
    case FileKind::kUnknown:
      return "of no known format";
    case FileKind::kEmpty:
      return "an empty file";
    case FileKind::kTorchSaveZip:
      return "a torch.save checkpoint (zip)";
    case FileKind::kTorchSaveLegacy:
      return "a torch.save checkpoint (legacy)";
    case FileKind::kPickle:
      return "a Python pickle";
    case FileKind::kTorchScript:
      return "a TorchScript module";
    case FileKind::kTorchScriptLite:
      return "a TorchScript module for the lite interpreter";
    case FileKind::kTorchExport:
      return "a torch.export archive (.pt2)";
    case FileKind::kTorchExportOld:
      return "a torch.export archive (.pt2 of torch 2.7 or older)";
    case FileKind::kExecuTorchProgram:
      return "an ExecuTorch program (.pte)";
    case FileKind::kExecuTorchData:
      return "an ExecuTorch data file (.ptd)";
    case FileKind::kSafetensors:
      return "a safetensors file";
    case FileKind::kSafetensorsIndex:
      return "an index of safetensors files";
    case FileKind::kOnnx:
      return "an ONNX model";
    case FileKind::kTfLite:
      return "a TensorFlow Lite model";
    case FileKind::kGguf:
      return "a GGUF file";
    case FileKind::kHdf5:
      return "an HDF5 file";
    case FileKind::kNumpy:
      return "a NumPy array (.npy)";
    case FileKind::kNumpyZip:
      return "an archive of NumPy arrays (.npz)";
    case FileKind::kZip:
      return "a zip archive";
    case FileKind::kGzip:
      return "a gzip file";
    case FileKind::kTar:
      return "a tar archive";
    case FileKind::kJpeg:
      return "a JPEG picture";
    case FileKind::kPng:
      return "a PNG picture";
    case FileKind::kElf:
      return "an ELF binary";
    case FileKind::kHtml:
      return "a web page";
    case FileKind::kGitLfsPointer:
      return "a Git LFS pointer, not the file that it stands for";
  }
  return "of no known format";
}

}  // namespace pte::importers
