#include "passes/clamp_bounds.h"

namespace pte::passes {

std::optional<Bounds> clamp_bounds(const Node& node) {
  if (node.results().size() != 1 || !node.result()->is_tensor()) return std::nullopt;
  Bounds bounds;
  const auto read = [&](size_t arg, double& bound) {
    if (node.arg(arg).is_none()) return true;
    const auto number = node.arg(arg).number();
    if (number.has_value()) bound = *number;
    return number.has_value();
  };
  switch (node.op().op) {
    case Op::aten_relu:
      bounds.low = 0;
      break;
    case Op::aten_relu6:
      bounds = {0, 6};
      break;
    case Op::aten_hardtanh:
    case Op::aten_clamp:
      if (!read(1, bounds.low) || !read(2, bounds.high)) return std::nullopt;
      break;
    case Op::aten_clamp_min:
      if (!read(1, bounds.low)) return std::nullopt;
      break;
    case Op::aten_clamp_max:
      if (!read(1, bounds.high)) return std::nullopt;
      break;
    default:
      return std::nullopt;
  }
  const DType dtype = node.input(0)->tensor().dtype;
  if (!is_floating(dtype) || node.result()->tensor().dtype != dtype) return std::nullopt;
  // NaN bounds and crossed ones have rules of their own.
  if (!(bounds.low <= bounds.high)) return std::nullopt;
  return bounds;
}

}  // namespace pte::passes
