// Where the bytes of a file go: every part with its place, as a tree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "program/program.h"

namespace pte::inspect {

struct FilePart {
  std::string name;     // "constants", "XnnpackBackend 0", "convolution_0.weight"
  uint64_t offset = 0;  // of its first byte in the file; children lie anywhere
  uint64_t bytes = 0;   // children included; bytes that two parts share count for the first
  size_t count = 1;     // how many things it stands for
  std::vector<FilePart> children;
};

// The root's bytes are the file's. `program` was read from `file`. The parts: the flatbuffer with
// its header (and what lies inside it, such as inline payloads), constants, mutable data, delegate
// payloads, named data, padding. Children of one part beyond `limit` are summed into one.
FilePart map_file(const MappedFile& file, const program::Program& program, size_t limit = 8);

}  // namespace pte::inspect
