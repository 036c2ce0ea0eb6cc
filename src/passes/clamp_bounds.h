// The family of operators that clamp: relu, relu6, hardtanh, clamp and its one-sided forms.
#pragma once

#include <limits>
#include <optional>

#include "passes/rewrite.h"

namespace pte::passes {

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Bounds {
  double low = -kInf;
  double high = kInf;
  bool operator==(const Bounds&) const = default;
};

// The bounds when the node clamps a floating-point tensor between known numbers, low <= high.
std::optional<Bounds> clamp_bounds(const Node& node);

}  // namespace pte::passes
