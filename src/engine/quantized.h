// int8 between quantised layers: chains of calls on single values become tables of 256 entries, and
// products, sums, means and windows run on bytes.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/steps.h"
#include "ir/graph.h"
#include "simd/bytes.h"
#include "simd/qconv2d.h"
#include "simd/qgemm.h"

namespace pte::engine {

// Calls that together make of each int8 value of `source` one of `root`'s result: dequantize, an
// activation, quantize; or a clamp.
struct TableGroup {
  ir::Node* root = nullptr;
  ir::Value* source = nullptr;
  std::vector<const ir::Node*> nodes;  // in order, the root last
  simd::ByteTable table{};

  bool is_identity() const;
  // The limits, when all it does is clamp.
  std::optional<std::pair<int32_t, int32_t>> limits() const;
  std::string what() const;
};

struct TableGroups {
  std::unordered_map<const ir::Node*, TableGroup> by_root;
  // By the node before them, whose result only the table reads: one step does both.
  std::unordered_map<const ir::Node*, TableGroup> followers;
  // What only tables read, and what they consist of.
  std::unordered_set<const ir::Node*> inside;
};
// The tables' entries are what the reference interpreter says.
TableGroups find_tables(const ir::Module& module, const ir::Graph& graph, bool fuse);

// ---- steps

struct ByteProductOperands {
  Operand input;
  int64_t input_stride = 0;  // from pixel to pixel
  Operand output;
  int64_t output_stride = 0;
  std::shared_ptr<const simd::ByteTable> table;  // applied to the results, or null
};
std::unique_ptr<Step> byte_product_step(simd::QConv2d kernel, ByteProductOperands operands);

// Rows of floats times int8 weights.
std::unique_ptr<Step> dynamic_linear_step(simd::QGemm kernel, Operand in, int64_t in_stride,
                                          Operand out);

// Operands of the result's sizes, innermost strides of 0 or 1 (elementwise_fits).
struct BytePair {
  bool multiplies = false;
  simd::ByteSum sum;
  simd::ByteProduct product;
  std::shared_ptr<const simd::ByteTable> table;
};
std::unique_ptr<Step> byte_pair_step(BytePair pair, Operand a, Operand b, Operand out,
                                     simd::Isa isa);

// Element by element between equal layouts.
struct ByteMap {
  enum class Kind : uint8_t { kTable, kQuantize, kDequantize };
  Kind kind = Kind::kTable;
  std::shared_ptr<const simd::ByteTable> table;
  float scale = 1;  // kQuantize: its inverse
  int32_t zero_point = 0;
  int32_t lowest = -128;
  int32_t highest = 127;
};
std::unique_ptr<Step> byte_map_step(ByteMap map, Operand in, Operand out, simd::Isa isa);

// Quantizes planes [n, c, h, w] of floats to pixels.
std::unique_ptr<Step> quantize_planes_step(ByteMap map, Operand in, Operand out, simd::Isa isa);

// The means of [n, c, h, w] over h and w, channels side by side, pixels `stride` apart.
struct ByteMean {
  float scale = 1;
  float shift = 0;
  std::shared_ptr<const simd::ByteTable> table;
};
std::unique_ptr<Step> byte_mean_step(ByteMean mean, Operand in, int64_t stride, Operand out,
                                     simd::Isa isa);

// Maxima over windows of int8 pixels.
std::unique_ptr<Step> byte_pool_step(Operand in, Operand out, const Window& window, simd::Isa isa);

}  // namespace pte::engine
