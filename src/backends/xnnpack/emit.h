// Writes the XNNPACK nodes of one ATen call after another: the body of lowering.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "backends/xnnpack/layout.h"
#include "backends/xnnpack/support.h"

namespace pte::xnnpack {

class Emitter {
 public:
  // `quants` must hold the int8 values that the calls read and make, and outlive this.
  Emitter(const ir::Module& module, XnnGraph& graph, const StoredQuants& quants)
      : module_(module), graph_(graph), layouts_(module, graph, quants) {}

  // Clamps that go into the calls that compute their operands.
  void fuse_clamps(const ir::Graph& source, const std::vector<ir::Node*>& nodes);
  // Zero padding of height and width that goes into the one convolution that reads it.
  void fuse_pads(const ir::Graph& source, const std::vector<ir::Node*>& nodes);
  void add_input(const ir::Value* value, uint32_t external_id);
  // Everything else is one call at a time, in order.
  Status emit(const ir::Node& node);
  Status add_output(const ir::Value* value, uint32_t external_id);

 private:
  // The value that a call's first result becomes once its clamp is fused, and that clamp.
  const ir::Value* result_of(const ir::Node& node) const;
  void set_clamp(const ir::Node& node, XnnNode& emitted) const;
  Datatype datatype(const ir::Node& node) const;
  // Bounds of a clamp in real numbers, whatever it clamps.
  std::optional<MinMax> bounds_of(const ir::Node& node) const;

  // A common layout for operands that broadcast to `result`: the one that costs least to come by.
  Layout common_layout(const ir::Value* result,
                       const std::vector<const ir::Value*>& operands) const;
  // An operand of `result`'s or lower rank in the layout of `result`.
  Result<uint32_t> operand(const ir::Value* value, const ir::Value* result, const Layout& layout);
  // A layout that exists, whose order is the logical one and that ends in the last dim.
  Layout rows_layout(const ir::Value* value) const;

  uint32_t unary(NodeKind kind, uint32_t input, Params params = {});
  uint32_t binary(NodeKind kind, uint32_t a, uint32_t b, uint32_t like);

  Status elementwise(const ir::Node& node);
  Status arithmetic(const ir::Node& node);
  Status convolution(const ir::Node& node);
  Status matrix(const ir::Node& node);
  Status batch_matmul(const ir::Node& node);
  Status batch_norm(const ir::Node& node);
  Status pool(const ir::Node& node);
  Status adaptive_pool(const ir::Node& node);
  Status mean(const ir::Node& node);
  Status amax(const ir::Node& node);
  Status resize(const ir::Node& node);
  Status softmax(const ir::Node& node);
  Status prelu(const ir::Node& node);
  Status permute(const ir::Node& node);
  Status view(const ir::Node& node);
  Status slice(const ir::Node& node);
  Status cat(const ir::Node& node);
  Status pad(const ir::Node& node);

  // A filter of integers as a constant, its scales along `channel_dim`.
  uint32_t filter(Tensor data, std::vector<uint32_t> dims, const Tensor& scales,
                  int32_t channel_dim);
  // An int32 bias at the scale of the products.
  Result<uint32_t> stored_bias(const ir::Value* value, const Tensor& scales, float input_scale);
  // A layer's bias, or kNone: int32 as above, or float32 where the input is quantised as it runs.
  Result<uint32_t> layer_bias(const ir::Node& node, const Tensor& scales, bool dynamic_input);
  Status convert(const ir::Node& node);
  Status quantized_convolution(const ir::Node& node);
  Status quantized_linear(const ir::Node& node);
  Status quantized_binary(const ir::Node& node);
  Status quantized_mean(const ir::Node& node);
  // An operand that is quantised while it runs.
  uint32_t dynamic(uint32_t id, int32_t shared_dims);

  const ir::Module& module_;
  XnnGraph& graph_;
  Layouts layouts_;
  struct Fused {
    const ir::Value* result = nullptr;
    MinMax bounds;
  };
  std::map<const ir::Node*, Fused> fused_;  // by the call that computes
  std::set<const ir::Node*> absorbed_;      // the clamps and the pads
};

}  // namespace pte::xnnpack
