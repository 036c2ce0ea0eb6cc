// From a classifier's output to ranked names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"
#include "vision/metadata.h"

namespace pte::vision {

struct Prediction {
  int64_t index = 0;
  float probability = 0;
  std::string label;  // "class 967" where the model names none
};

// exp(x - max) / sum, summed in double. NaN, +infinity or nothing but -infinity is kInvalidData:
// there is no answer to rank.
Result<std::vector<float>> softmax(std::span<const float> logits);

// Indices of the `k` (or all, if fewer) largest values, best first; equal values by lower index.
// Values are not NaN.
std::vector<int64_t> top_k(std::span<const float> values, int64_t k);

// The `k` likeliest classes. `output` is floating, [classes] or [1,classes] (further dimensions of
// size 1 allowed), else kMismatch; so is a number of labels other than the number of classes.
Result<std::vector<Prediction>> classify(const Tensor& output, const Metadata& metadata,
                                         int64_t k = 5);

}  // namespace pte::vision
