// Pytree text for methods whose inputs and outputs are flat: torch's treespec JSON, protocol 1.
#pragma once

#include <cstddef>
#include <string>

namespace pte::lowering {

// tuple(args tuple of `count` leaves, empty kwargs dict)
std::string input_tree(size_t count);
// A bare leaf for one output, else a tuple of leaves.
std::string output_tree(size_t count);

}  // namespace pte::lowering
