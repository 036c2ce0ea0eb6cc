#include "program/header.h"

#include <bit>
#include <cstring>

#include "base/checked.h"

namespace pte::program {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is read as it lies");

constexpr std::string_view kIdentifier = "ET12";
constexpr std::string_view kMagic = "eh00";
constexpr size_t kIdentifierOffset = 4;

template <typename T>
T load(Bytes file, size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

bool has_text(Bytes file, size_t offset, std::string_view text) {
  return in_range(offset, text.size(), file.size()) &&
         as_text(file.subspan(offset, text.size())) == text;
}

Error wrong_format(Bytes file) {
  const std::string guess = guess_format(file);
  if (guess.empty()) {
    return invalid_data("not an ExecuTorch program: no identifier ET12 at byte 4");
  }
  Error error = invalid_data("not an ExecuTorch program but {}", guess);
  if (has_text(file, 4, "FT01")) {
    error.hint = "it holds weights of a program: `pte run MODEL.pte --data FILE.ptd`";
  }
  if (has_text(file, 0, "PK\x03\x04")) error.hint = "`pte export` turns a model into a .pte";
  return error;
}

}  // namespace

std::string guess_format(Bytes file) {
  if (has_text(file, 4, kIdentifier)) return "an ExecuTorch program (.pte)";
  if (has_text(file, 4, "FT01")) return "ExecuTorch tensor data (.ptd)";
  if (has_text(file, 4, "BP08")) return "an ExecuTorch bundled program (.bpte)";
  if (has_text(file, 8, "ED00")) return "an ExecuTorch event dump (.etdp)";
  if (has_text(file, 4, "ET")) {
    std::string identifier(as_text(file.subspan(4, std::min<size_t>(4, file.size() - 4))));
    for (char& c : identifier) c = c >= 0x20 && c < 0x7f ? c : '?';
    return "an ExecuTorch program of another version (identifier " + identifier +
           ", known is ET12)";
  }
  if (has_text(file, 0, "PK\x03\x04")) return "a zip archive (.pt2, .pt or .ptl)";
  if (has_text(file, 0, std::string_view("\x80\x02", 2))) return "a pickle (.pth)";
  if (has_text(file, 4, "TFL3")) return "a TensorFlow Lite model (.tflite)";
  if (has_text(file, 0, "GGUF")) return "a GGUF file";
  if (has_text(file, 0, "\x93NUMPY")) return "a NumPy array (.npy)";
  if (file.size() > 9 && load<uint64_t>(file, 0) < file.size() && has_text(file, 8, "{\"")) {
    return "a safetensors file";
  }
  // ONNX is a protobuf without a mark: field 1 (ir_version, one byte), then a string or varint.
  if (file.size() > 4 && file[0] == std::byte{8} && file[1] < std::byte{32} &&
      (file[2] == std::byte{0x12} || file[2] == std::byte{0x1a} || file[2] == std::byte{0x42} ||
       file[2] == std::byte{0x3a})) {
    return "an ONNX model (.onnx)";
  }
  return "";
}

Result<FileHeader> read_header(Bytes file) {
  if (file.empty()) return invalid_data("the file is empty");
  if (!has_text(file, kIdentifierOffset, kIdentifier)) {
    if (file.size() < kHeaderOffset) {
      return invalid_data("not an ExecuTorch program: it has only {} bytes", file.size());
    }
    return wrong_format(file);
  }
  FileHeader header;
  if (!has_text(file, kHeaderOffset, kMagic)) {
    header.program_size = file.size();
    return header;
  }
  constexpr uint32_t kShortHeader = 24;
  constexpr uint32_t kFullHeader = 32;
  if (file.size() < kHeaderOffset + kShortHeader) {
    return invalid_data("truncated: {} bytes, its header alone needs {}", file.size(),
                        kHeaderOffset + kShortHeader);
  }
  header.length = load<uint32_t>(file, 12);
  if (header.length < kShortHeader) {
    return invalid_data("the extended header gives its length as {}, expected at least {}",
                        header.length, kShortHeader);
  }
  if (!in_range(kHeaderOffset, header.length, file.size())) {
    return invalid_data("truncated: {} bytes, its header alone takes {}", file.size(),
                        header.length);
  }
  header.program_size = load<uint64_t>(file, 16);
  header.segment_base = load<uint64_t>(file, 24);
  if (header.length >= kFullHeader) header.segment_bytes = load<uint64_t>(file, 32);

  if (header.program_size < kHeaderOffset + header.length) {
    return invalid_data("the header gives the flatbuffer {} bytes, less than the header's own {}",
                        header.program_size, kHeaderOffset + header.length);
  }
  if (header.program_size > file.size()) {
    return invalid_data("truncated: {} bytes, the flatbuffer alone has {}", file.size(),
                        header.program_size);
  }
  if (header.segment_base == 0 && header.segment_bytes != 0) {
    return invalid_data("the header counts {} bytes of segments but gives them no place",
                        header.segment_bytes);
  }
  if (header.segment_base != 0 && header.segment_base < header.program_size) {
    return invalid_data("the header places segments at byte {}, inside the flatbuffer's {} bytes",
                        header.segment_base, header.program_size);
  }
  if (!in_range(header.segment_base, header.segment_bytes, file.size())) {
    return invalid_data("truncated: {} bytes, its segments lie at {} + {}", file.size(),
                        header.segment_base, header.segment_bytes);
  }
  return header;
}

std::array<std::byte, kHeaderBytes> encode_header(const FileHeader& header) {
  std::array<std::byte, kHeaderBytes> out{};
  constexpr uint32_t kLength = kHeaderBytes;
  std::memcpy(out.data(), kMagic.data(), kMagic.size());
  std::memcpy(out.data() + 4, &kLength, 4);
  std::memcpy(out.data() + 8, &header.program_size, 8);
  std::memcpy(out.data() + 16, &header.segment_base, 8);
  std::memcpy(out.data() + 24, &header.segment_bytes, 8);
  return out;
}

}  // namespace pte::program
