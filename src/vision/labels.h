// Class names: one a line, line 1 is class 0.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pte::vision {

// One name a line; "\r\n" ends a line too, and the last line may lack its end. Empty lines inside
// stay, so that the numbering holds.
std::vector<std::string> parse_labels(std::string_view text);

// The 1000 names of ImageNet-1k in the usual order (967 is "espresso"), built into the binary.
const std::vector<std::string>& imagenet1k_labels();

}  // namespace pte::vision
