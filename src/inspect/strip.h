// A program without what running it does not need.
#pragma once

#include <functional>
#include <string_view>

#include "program/program.h"

namespace pte::inspect {

struct StripOptions {
  // Named data that no delegate reads and that is kept all the same, such as a file's description.
  std::function<bool(std::string_view key)> keep;
};

struct Stripped {
  program::Program program;
  size_t stack_traces = 0;                          // instructions that had one
  size_t names = 0;                                 // of tensors that are found without
  size_t values = 0, operators = 0, delegates = 0;  // that nothing uses
  size_t constants = 0, named_data = 0;
  uint64_t constant_bytes = 0, named_bytes = 0;
};

// Names of tensors in .ptd files and of buffers stay. Named data is judged only when every payload
// can be read for the keys that it names; else all of it stays.
Stripped strip(const program::Program& program, const StripOptions& options = {});

}  // namespace pte::inspect
