// Writes .pte files as the official exporter lays them out, so that the official runtime loads
// them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "program/program.h"

namespace pte::program {

// Both verify the program first; a program that breaks a rule is never written.

// Streams flatbuffer, then segments straight from the blobs, through an AtomicFile.
Status write_program(const Program& program, const std::string& path);

Result<std::vector<std::byte>> serialize(const Program& program);

}  // namespace pte::program
