#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "backends/xnnpack/quantized.h"

namespace pte::xnnpack {

using ir::Node;
using ir::Value;

namespace {

// Walks of longer chains give up: what is not known stays outside delegates.
constexpr size_t kMaxSteps = 4096;

std::optional<PerTensorQuant> numbers(const ir::Arg& scale, const ir::Arg& zero_point) {
  const auto s = scale.number();
  const auto z = zero_point.integer();
  if (!s || !z || *z < -128 || *z > 127) return std::nullopt;
  const auto value = static_cast<float>(*s);
  if (!std::isnormal(value) || value < 0) return std::nullopt;
  return PerTensorQuant{value, static_cast<int32_t>(*z)};
}

std::optional<PerTensorQuant> named(const Node& node, std::string_view prefix) {
  return numbers(node.arg(std::string(prefix) + "_scale"),
                 node.arg(std::string(prefix) + "_zero_point"));
}

// What a call says about its result.
std::optional<PerTensorQuant> of_result(const Node& node) {
  switch (node.op().op) {
    case Op::qd_quantize_per_tensor:
      return literal_quant(node);
    case Op::pte_quantized_convolution:
    case Op::pte_quantized_linear:
    case Op::pte_quantized_add:
    case Op::pte_quantized_mul:
    case Op::pte_quantized_mean:
    case Op::pte_requantize:
      return named(node, "output");
    default:
      return std::nullopt;
  }
}

// What a call says about an operand.
std::optional<PerTensorQuant> of_operand(const Node& node, const Value* value) {
  switch (node.op().op) {
    case Op::qd_dequantize_per_tensor:
      return literal_quant(node);
    case Op::pte_quantized_convolution:
    case Op::pte_quantized_linear:
    case Op::pte_quantized_mean:
    case Op::pte_requantize:
      return node.input(0) == value ? named(node, "input") : std::nullopt;
    case Op::pte_quantized_add:
    case Op::pte_quantized_mul:
      return named(node, node.input(0) == value ? "a" : "b");
    default:
      return std::nullopt;
  }
}

std::optional<PerTensorQuant> from_readers(const Value* value) {
  std::optional<PerTensorQuant> found;
  std::vector<const Value*> open{value};
  std::unordered_set<const Value*> seen{value};
  while (!open.empty()) {
    if (seen.size() > kMaxSteps) return std::nullopt;
    const Value* next = open.back();
    open.pop_back();
    for (const Node* user : next->users()) {
      if (moves_elements(*user)) {
        if (seen.insert(user->result()).second) open.push_back(user->result());
        continue;
      }
      const auto said = of_operand(*user, next);
      if (!said) continue;
      if (found && !(*found == *said)) return std::nullopt;
      found = said;
    }
  }
  return found;
}

}  // namespace

std::optional<PerTensorQuant> literal_quant(const Node& node) {
  if (!node.is(Op::qd_quantize_per_tensor) && !node.is(Op::qd_dequantize_per_tensor)) {
    return std::nullopt;
  }
  const auto* dtype = std::get_if<DType>(&node.arg("dtype").v);
  if (dtype == nullptr || *dtype != DType::kInt8) return std::nullopt;
  return numbers(node.arg(1), node.arg(2));
}

bool moves_elements(const Node& node) {
  switch (node.op().op) {
    case Op::aten_clamp:
    case Op::aten_view_copy:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
    case Op::aten_unsqueeze_copy:
    case Op::aten_permute_copy:
    case Op::aten_transpose_copy_int:
    case Op::aten_t_copy:
    case Op::aten_select_copy_int:
    case Op::aten_slice_copy_Tensor:
    case Op::aten_cat:
    case Op::aten_constant_pad_nd:
    case Op::aten_max_pool2d:
    case Op::aten_clone:
    case Op::dim_order_clone_dim_order:
      return true;
    default:
      return false;
  }
}

MinMax real_bounds(const MinMax& stored, const PerTensorQuant& quant) {
  const auto real = [&](float bound) {
    return (bound - static_cast<float>(quant.zero_point)) * quant.scale;
  };
  // The ends of the range bound nothing.
  constexpr float kInf = std::numeric_limits<float>::infinity();
  return {stored.min <= -128 ? -kInf : real(stored.min),
          stored.max >= 127 ? kInf : real(stored.max)};
}

std::optional<PerTensorQuant> stored_quant(const Value* value) {
  if (value == nullptr || !value->is_tensor() || value->tensor().dtype != DType::kInt8) {
    return std::nullopt;
  }
  for (size_t step = 0; step < kMaxSteps; ++step) {
    const Node* producer = value->producer();
    if (producer == nullptr) return from_readers(value);
    if (const auto said = of_result(*producer)) return said;
    if (!moves_elements(*producer)) return from_readers(value);
    value = producer->inputs().front();
  }
  return std::nullopt;
}

}  // namespace pte::xnnpack
