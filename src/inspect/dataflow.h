// Which values each instruction reads and writes.
#pragma once

#include <cstdint>
#include <vector>

#include "program/program.h"

namespace pte::inspect {

struct Access {
  std::vector<int32_t> reads;  // lists are their items
  std::vector<int32_t> writes;
};

// One entry an instruction, counted through the chains. Operators without a schema here write what
// their last argument names; delegates whose payload cannot be read write what nothing has written
// before.
std::vector<Access> data_flow(const program::Program& program, const program::Method& method);

}  // namespace pte::inspect
