// Reads .pte files: any header version, constants and delegate payloads in segments or inline.
#pragma once

#include "base/file.h"
#include "program/program.h"
#include "program/verify.h"

namespace pte::program {

// Blobs of the result are views into `file` and keep its mapping alive. The result has passed
// verify(): no index, offset or size in it is out of range. Errors begin with the file's path.
// Of a bundled program (.bpte) it reads the program inside. Memory beside the blobs is bounded by a
// small multiple of the flatbuffer's size.
Result<Program> read_program(const MappedFile& file);

// Everything that is wrong with a .pte or .bpte, each with its place, and what is legal but looks
// wrong: planned tensors that share bytes while both are in use. At most `limit` findings; none
// means that read_program() accepts the file.
std::vector<Finding> check_program(const MappedFile& file, size_t limit = 100);

}  // namespace pte::program
