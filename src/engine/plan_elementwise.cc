#include <cmath>

#include "engine/planner.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

bool all_float(const Node& node) {
  if (node.results().size() != 1) return false;
  for (const Value* value : node.inputs()) {
    if (!value->is_tensor() || value->tensor().dtype != DType::kFloat32) return false;
  }
  return node.result()->is_tensor() && node.result()->tensor().dtype == DType::kFloat32;
}

std::optional<simd::Binary> binary_of(Op op) {
  switch (op) {
    case Op::aten_add_Tensor:
    case Op::aten_add_Scalar:
      return simd::Binary::kAdd;
    case Op::aten_sub_Tensor:
    case Op::aten_sub_Scalar:
    case Op::aten_rsub_Scalar:
      return simd::Binary::kSub;
    case Op::aten_mul_Tensor:
    case Op::aten_mul_Scalar:
      return simd::Binary::kMul;
    case Op::aten_div_Tensor:
    case Op::aten_div_Scalar:
      return simd::Binary::kDiv;
    case Op::aten_maximum:
      return simd::Binary::kMax;
    case Op::aten_minimum:
      return simd::Binary::kMin;
    default:
      return std::nullopt;
  }
}

std::optional<ElementOp> unary_of(const Node& node) {
  ElementOp op;
  const auto unary = [&](simd::Unary kind) {
    op.kind = ElementOp::Kind::kUnary;
    op.unary = kind;
    return op;
  };
  switch (node.op().op) {
    case Op::aten_neg:
      return unary(simd::Unary::kNegate);
    case Op::aten_abs:
      return unary(simd::Unary::kAbs);
    case Op::aten_sqrt:
      return unary(simd::Unary::kSqrt);
    case Op::aten_rsqrt:
      return unary(simd::Unary::kRsqrt);
    case Op::aten_reciprocal:
      return unary(simd::Unary::kReciprocal);
    case Op::aten_floor:
      return unary(simd::Unary::kFloor);
    case Op::aten_ceil:
      return unary(simd::Unary::kCeil);
    case Op::aten_leaky_relu: {
      const auto slope = node.arg(1).number();
      if (!slope) return std::nullopt;
      op.parameter = static_cast<float>(*slope);
      return unary(simd::Unary::kLeaky);
    }
    case Op::aten_pow_Tensor_Scalar: {
      const auto exponent = node.arg(1).number();
      if (exponent == 2.0) return unary(simd::Unary::kSquare);
      if (exponent == 0.5) return unary(simd::Unary::kSqrt);
      return std::nullopt;
    }
    case Op::aten_exp:
      op.kind = ElementOp::Kind::kExp;
      return op;
    case Op::aten_erf:
      op.kind = ElementOp::Kind::kErf;
      return op;
    default:
      break;
  }
  if (const auto activated = activation_of(node)) {
    op.kind = ElementOp::Kind::kActivate;
    op.activation = activated->activation;
    op.lo = activated->lo;
    op.hi = activated->hi;
    return op;
  }
  return std::nullopt;
}

}  // namespace

bool append_element(const ir::Module& module, const Node& node, const Value* running,
                    ElementChain& chain) {
  if (!node.op().has(kTagElementwise) || !all_float(node)) return false;
  if (const auto op = unary_of(node)) {
    if (running == nullptr) chain.sources.push_back({node.input(0), 0});
    chain.ops.push_back(*op);
    return true;
  }
  const auto binary = binary_of(node.op().op);
  if (!binary) return false;
  if (node.op().arg_index("alpha") >= 0 && node.arg("alpha").number() != 1.0) return false;
  ElementOp op;
  op.kind = ElementOp::Kind::kBinary;
  op.binary = *binary;
  op.swapped = node.is(Op::aten_rsub_Scalar);
  ElementChain::Source other;
  const ir::Arg* other_arg = &node.arg(1);
  if (running == nullptr) {
    chain.sources.push_back({node.input(0), 0});
  } else if (node.input(0) != running) {
    op.swapped = true;
    other_arg = &node.arg(0);
  }
  if (const auto number = number_of(module, *other_arg)) {
    other.number = static_cast<float>(*number);
  } else if (other_arg->value() != nullptr) {
    other.value = other_arg->value();
  } else {
    return false;
  }
  op.operand = static_cast<int>(chain.sources.size());
  chain.sources.push_back(other);
  chain.ops.push_back(op);
  return true;
}

Result<bool> Planner::plan_elementwise(const Group& group) {
  ElementChain chain;
  const Value* running = nullptr;
  for (const Node* node : group.nodes) {
    append_element(module_, *node, running, chain);
    running = node->result();
  }
  const Value* result = group.result();
  const Sizes sizes = *result->tensor().static_sizes();
  std::vector<Operand> operands;
  for (const ElementChain::Source& source : chain.sources) {
    if (source.value != nullptr) {
      PTE_TRY(Operand operand, place(source.value));
      operands.push_back(std::move(operand));
    } else {
      PTE_TRY(Operand operand, constant(Tensor::scalar<float>(source.number)));
      operands.push_back(std::move(operand));
    }
  }
  // The result is laid out as the first operand that is as large as it.
  DimOrder order = contiguous_dim_order(sizes.size());
  for (const Operand& operand : operands) {
    if (operand.sizes != sizes) continue;
    bool spread = false;
    for (size_t dim = 0; dim < sizes.size(); ++dim) {
      spread = spread || (sizes[dim] > 1 && operand.strides[dim] == 0);
    }
    if (spread) continue;
    order = order_of(operand.sizes, operand.strides);
    break;
  }
  Operand wanted;
  wanted.sizes = sizes;
  wanted.strides = strides_of(sizes, order);
  const auto widen = [&](Operand operand) {
    operand.strides = broadcast_strides(operand.sizes, operand.strides, sizes);
    operand.sizes = sizes;
    return operand;
  };
  std::vector<Operand> seen;
  for (Operand& operand : operands) {
    Operand wide = widen(operand);
    if (!elementwise_fits(wide, wanted)) {
      const size_t skip = sizes.size() - operand.sizes.size();
      DimOrder own;
      for (const uint8_t dim : order) {
        if (dim >= skip) own.push_back(static_cast<uint8_t>(dim - skip));
      }
      operand = arranged(operand, own);
      wide = widen(operand);
    }
    seen.push_back(std::move(wide));
  }
  // In place, where nothing else looks at what the first operation reads.
  const size_t candidates =
      chain.ops.front().kind == ElementOp::Kind::kBinary && chain.ops.front().operand == 1 ? 2 : 1;
  Operand out;
  bool in_place = false;
  for (size_t i = 0; i < candidates && !in_place; ++i) {
    const Value* source = chain.sources[i].value;
    if (source == nullptr || presets_.values.contains(result) ||
        seen[i].sizes != operands[i].sizes || !may_overwrite(source, operands[i]) ||
        operands[i].strides != wanted.strides) {
      continue;
    }
    in_place = true;
    out = operands[i];
    places_[result] = out;
    roots_.insert(result);
  }
  if (!in_place) {
    out = target(result, order, [](const Operand& home) { return elementwise_fits(home, home); });
  }
  std::string kernel = "elementwise";
  if (in_place) kernel += " in place";
  const std::vector<Operand> reads = seen;
  add(elementwise_step(std::move(chain.ops), std::move(seen), out, options_.isa), group.what(),
      std::move(kernel), reads, {out});
  return true;
}

}  // namespace pte::engine
