// The state of one lift(): which ATen values stand for each XNNPACK value, in which order of dims.
#pragma once

#include <map>
#include <vector>

#include "backends/xnnpack/lift.h"
#include "ir/builder.h"

namespace pte::xnnpack {

// Dim i of the ATen value is dim perm[i] of the XNNPACK value.
using Perm = std::vector<uint8_t>;

Perm identity_perm(size_t rank);
// Between XNNPACK's channels-last order and PyTorch's: logical (n, c, h, w) of physical (n, h, w,
// c).
inline const Perm kChannelsFirst = {0, 3, 1, 2};

class Lifter {
 public:
  Lifter(const XnnGraph& source, std::span<const ir::TensorType> args)
      : source_(source),
        args_(args),
        graph_(*lifted_.module.methods["forward"].graph),
        builder_(lifted_.module, graph_),
        reps_(source.values.size()) {}

  Result<Lifted> run();

 private:
  struct Rep {
    Perm perm;
    ir::Value* value = nullptr;
  };

  Status add_inputs();
  Status add_outputs();
  Status lift(const XnnNode& node);

  // ---- values (lift.cc)

  size_t rank(uint32_t id) const { return source_.values[id].dims.size(); }
  bool is_constant(uint32_t id) const { return source_.values[id].constant != kNone; }
  // Of the stored elements; of the floating value that a dynamically quantised one stands for.
  Result<DType> dtype(uint32_t id) const;
  Result<Tensor> constant_data(uint32_t id) const;

  // `id` with its dims in this order.
  Result<ir::Value*> get(uint32_t id, const Perm& perm);
  // An order in which `id` exists already; the identity for constants.
  Perm existing(uint32_t id) const;
  // The same for several operands: the one that most of them exist in.
  Perm common(const std::vector<uint32_t>& ids, size_t rank) const;
  // `id`, of lower or equal rank, aligned at the last dim with values of rank perm.size().
  Result<ir::Value*> aligned(uint32_t id, const Perm& perm);
  Status define(uint32_t id, const Perm& perm, ir::Value* value);
  // The same in real numbers, whatever `id` is stored as.
  Result<ir::Value*> get_real(uint32_t id, const Perm& perm);
  Result<ir::Value*> aligned_real(uint32_t id, const Perm& perm);
  Status define_real(uint32_t id, const Perm& perm, ir::Value* value);

  Result<ir::Value*> call(Op op, std::vector<ir::Arg> args) {
    return builder_.call(op, std::move(args));
  }
  Result<ir::Value*> permuted(ir::Value* value, const std::vector<uint8_t>& dims);
  // Within the node's bounds: of real values, or of the stored ones of its result.
  Result<ir::Value*> clamped(ir::Value* value, const XnnNode& node);
  Result<ir::Value*> clamped_stored(ir::Value* value, const XnnNode& node);

  // ---- quantised values (lift_quantized.cc)

  Status check_value(uint32_t id) const;
  // Bytes with one scale.
  bool is_quantized(uint32_t id) const;
  bool is_dynamic(uint32_t id) const;  // quantised by its own extremes when it is computed
  const PerTensorQuant& quant(uint32_t id) const {
    return std::get<PerTensorQuant>(source_.values[id].quant);
  }
  bool same_quant(uint32_t a, uint32_t b) const;
  // For nodes that only move elements: both are stored alike.
  Status expect_same_quant(const XnnNode& node) const;
  Result<ir::Value*> dequantized(uint32_t id, ir::Value* value);
  Result<ir::Value*> quantized(uint32_t id, ir::Value* value);
  // A real number as an element of `id`: itself, or as it is stored.
  ir::Arg stored(uint32_t id, float value) const;
  // A weight and what its elements mean.
  struct Weight {
    ir::Value* scales = nullptr;  // [1], [channels] or [channels, blocks]
    int32_t zero_point = 0;
    int32_t bits = 8;
  };
  Result<Weight> weight(uint32_t id, int64_t channels);
  // The filter as floats, for nodes that compute with those.
  Result<Tensor> real_filter(uint32_t id) const;
  Status convert(const XnnNode& node);
  Status quantized_binary(const XnnNode& node);
  Status quantized_mean(const XnnNode& node);
  Result<ir::Value*> quantized_linear(const XnnNode& node, ir::Value* x, ir::Value* filter);
  Result<ir::Value*> quantized_convolution(const XnnNode& node, ir::Value* x, ir::Value* filter,
                                           const Padding& padding);

  // ---- nodes (lift_nodes.cc)

  Status unary(const XnnNode& node);
  Status binary(const XnnNode& node);
  Status prelu(const XnnNode& node);
  Status fully_connected(const XnnNode& node);
  Status matmul(const XnnNode& node);
  Status convolution(const XnnNode& node);
  Status pool(const XnnNode& node);
  Status global_pool(const XnnNode& node);
  Result<ir::Value*> uneven_average(ir::Value* x, const PoolParams& params);
  Result<ir::Value*> resized_without_half_pixels(ir::Value* x, const Window& size);
  Status argmax_pool(const XnnNode& node);
  Status attention(const XnnNode& node);
  Status resize(const XnnNode& node);
  Status transpose(const XnnNode& node);
  Status reshape(const XnnNode& node);
  Status slice(const XnnNode& node);
  Status pad(const XnnNode& node);
  Status concatenate(const XnnNode& node);
  Result<ir::Value*> bias(uint32_t id, DType dtype);
  // Padding of the last two dims of `input`, the node's or (kSamePadding) what keeps its size.
  Result<Padding> padding_of(const XnnNode& node, const Padding& given, ir::Value* input,
                             const Window& kernel, const Window& stride,
                             const Window& dilation) const;
  // A constant that keeps the data's own dim order.
  ir::Value* weights(std::string name, Tensor data);
  // A constant that holds these numbers.
  ir::Value* numbers(Sizes sizes, const std::vector<float>& values, DType dtype);

  const XnnGraph& source_;
  std::span<const ir::TensorType> args_;
  Lifted lifted_;
  ir::Graph& graph_;
  ir::Builder builder_;
  std::vector<std::vector<Rep>> reps_;  // by XNNPACK value
};

}  // namespace pte::xnnpack
