// Reads .pte files: any header version, constants and delegate payloads in segments or inline.
#pragma once

#include "base/file.h"
#include "program/program.h"

namespace pte::program {

// Blobs of the result are views into `file` and keep its mapping alive. The result has passed
// verify(): no index, offset or size in it is out of range. Errors begin with the file's path.
// Of a bundled program (.bpte) it reads the program inside. Memory beside the blobs is bounded by a small multiple of the flatbuffer's size.
Result<Program> read_program(const MappedFile& file);

}  // namespace pte::program
