// The weights of two programs against each other.
#pragma once

#include <string>

#include "inspect/diff.h"

namespace pte::inspect {

// Fills the weights of `out`.
void compare_weights(const program::Program& a, const program::Program& b, Diff& out);

// A payload's listing without the keys of its constants.
std::string without_keys(const std::string& listing);

}  // namespace pte::inspect
