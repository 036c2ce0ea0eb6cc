// The rows of the zoo; each is defined in the file of its name.
#pragma once

#include "zoo/zoo.h"

namespace pte::zoo {

extern const Architecture kEfficientNetLite0;
extern const Architecture kMobileNetV3Small;
extern const Architecture kDeepEpiCnn;

// One picture batch [N,3,H,W] of at least `smallest` pixels a side.
Status check_picture(const std::vector<Sizes>& inputs, int64_t smallest);

}  // namespace pte::zoo
