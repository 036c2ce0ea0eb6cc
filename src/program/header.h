// The first bytes of a .pte: identifier and extended header, which say where the flatbuffer ends
// and where the segments lie.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/file.h"

namespace pte::program {

struct FileHeader {
  uint32_t length = 0;         // 0 (no header), 24 or 32
  uint64_t program_size = 0;   // bytes of the flatbuffer, this header included, from byte 0
  uint64_t segment_base = 0;   // file offset of the first segment; 0 when there is none
  uint64_t segment_bytes = 0;  // from the first segment to the end of the last; 0 if not stored
};

// The header as it lies from byte 8 on, 32 bytes long; the writer inserts it into a finished
// flatbuffer, so kHeaderBytes keeps every alignment up to 16.
constexpr size_t kHeaderOffset = 8;
constexpr size_t kHeaderBytes = 32;

// Checks the identifier and the header's arithmetic against the file's length. A file of another
// format is named in the error.
Result<FileHeader> read_header(Bytes file);

std::array<std::byte, kHeaderBytes> encode_header(const FileHeader& header);

// What a file looks like by its first bytes: "a zip archive (.pt2, .pt or .ptl)", or "" if unknown.
std::string guess_format(Bytes file);

}  // namespace pte::program
