// What the operators on small tensors share: places, broadcasting, and the families themselves.
#pragma once

#include "importers/onnx/elements.h"

namespace pte::importers::onnx::folding {

using Maybe = std::optional<std::vector<Small>>;

int64_t product(const Sizes& sizes);
// Nothing when they do not fit, or the result would be large.
std::optional<Sizes> broadcast(const Sizes& a, const Sizes& b);
// The element of `small`, broadcast to `sizes`, at flat place `at`.
const Elem& broadcast_at(const Small& small, const Sizes& sizes, int64_t at);
std::optional<size_t> dim_of(int64_t axis, size_t rank);
size_t place_of(const Sizes& sizes, const std::vector<int64_t>& index);
Maybe one(Small small);

// A tensor of `sizes` whose element at each place is from(indices).
template <typename From>
Small gathered(DType dtype, Sizes sizes, From from) {
  Small out{dtype, std::move(sizes), {}};
  const int64_t count = product(out.sizes);
  std::vector<int64_t> index(out.sizes.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    out.v.push_back(from(index));
    for (size_t d = index.size(); d-- > 0;) {
      if (++index[d] < out.sizes[d]) break;
      index[d] = 0;
    }
  }
  return out;
}

// What moves elements and calculates with none (fold_places.cc).
Maybe gather(const FoldCall& c);
Maybe slice(const FoldCall& c);
Maybe concat(const FoldCall& c);
Maybe reshape(const FoldCall& c);
Maybe transpose(const FoldCall& c);
Maybe expand(const FoldCall& c);
Maybe tile(const FoldCall& c);
Maybe constant_of_shape(const FoldCall& c);
Maybe non_zero(const FoldCall& c);
Maybe split(const FoldCall& c);

}  // namespace pte::importers::onnx::folding
