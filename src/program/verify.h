// The rules that a Program must keep, wherever it came from.
#pragma once

#include <string>
#include <vector>

#include "program/program.h"

namespace pte::program {

// Every index in range, every list item of the right kind, every tensor well formed and inside its
// memory. After this the runtime needs no bounds checks. The error names method, value or
// instruction, what was found and what was expected.
Status verify(const Program& program);

// One thing that is wrong, or that is legal but looks wrong.
struct Finding {
  std::string where;  // "method 'forward': values 3 and 7"
  std::string message;
};

// Every broken rule that verify() would stop at the first of; at most `limit`.
std::vector<Finding> find_faults(const Program& program, size_t limit = 100);

// What is legal but looks wrong: reported, never refused. Planned tensors that share bytes while
// both are in use. A view that begins where its base begins is no finding. At most `limit`
// findings.
std::vector<Finding> find_plan_conflicts(const Method& method, size_t limit = 20);

}  // namespace pte::program
