// The families of the zoo; each is defined in the file of its name and gives one row a size.
#pragma once

#include <vector>

#include "zoo/zoo.h"

namespace pte::zoo {

std::vector<Architecture> deep_epi_cnn();
std::vector<Architecture> efficientnet_lite();
std::vector<Architecture> mobilenet_v2();
std::vector<Architecture> mobilenet_v3();
std::vector<Architecture> pe_core();
std::vector<Architecture> resnet();
std::vector<Architecture> ultralytics();

// One picture batch [N,3,H,W] of at least `smallest` pixels a side.
Status check_picture(const std::vector<Sizes>& inputs, int64_t smallest);

// forward(x float32[1,3,size,size]).
Method picture_method(int64_t size, int64_t smallest, decltype(Method::define) define);

}  // namespace pte::zoo
