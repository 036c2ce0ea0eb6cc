// Quantised graphs: which real value an int8 element stands for, and patterns of dequantize, layer
// and quantize calls turned into the layers that XNNPACK computes in integers.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "backends/xnnpack/payload.h"
#include "ir/graph.h"

namespace pte::xnnpack {

// Of int8 values, by value: an int8 tensor says nothing about its scale by itself.
using StoredQuants = std::map<const ir::Value*, PerTensorQuant>;

// The scale and zero point of an int8 tensor, from the call that computes it (through calls that
// only move elements) or, where that says nothing, from those that read it. Nothing when neither
// says or readers disagree.
std::optional<PerTensorQuant> stored_quant(const ir::Value* value);

// Scale and zero point of a quantize or dequantize call when they are plain numbers that XNNPACK
// takes: int8, a scale above 0 that is neither tiny nor infinite.
std::optional<PerTensorQuant> literal_quant(const ir::Node& node);

// Calls that compute no new numbers: int8 results have the scale of their operands.
bool moves_elements(const ir::Node& node);

// A bound of a clamp of stored numbers as the real number that it stands for.
MinMax real_bounds(const MinMax& stored, const PerTensorQuant& quant);

// ---- the rewriting

// An int8 or 4-bit filter behind a dequantize call, with the scales that it has.
struct QuantizedWeight {
  Tensor data;                // int8, sizes as the layer reads them
  std::vector<float> scales;  // one; one for each index of `axis`; or out x blocks
  size_t axis = 0;
  int64_t block = 0;  // elements of a row that share a scale; 0: whole rows
  bool four_bits = false;
};
// Nothing where `value` is not made by dequantizing a constant, or its zero points are not 0.
std::optional<QuantizedWeight> quantized_weight(const ir::Module& module, const ir::Value* value);
// The real numbers of a filter.
Result<Tensor> real_weight(const QuantizedWeight& weight);
// int8 numbers from -8 to 7 as XNNPACK stores them: [out, in] as [out, in / 2 rounded up], plus 8,
// the even one in the low half.
Result<Tensor> pack_half_bytes(const Tensor& weight);

// Puts pte::quantized_* calls in the place of dequantize → layer (→ clamp) → quantize, and
// pte::dynamic_quantized_* calls in that of layers whose operand is quantised while they run;
// moves what only moves elements to the integers. Filters that no such call could take become
// floats where the layer can then be delegated. Every call made here is one that reject_reason()
// accepts. Returns the number of layers made.
Result<int64_t> fuse_quantized(ir::Module& module, ir::Graph& graph);

}  // namespace pte::xnnpack
