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
  Result<DType> dtype(uint32_t id) const;  // of a float value
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

  Result<ir::Value*> call(Op op, std::vector<ir::Arg> args) {
    return builder_.call(op, std::move(args));
  }
  Result<ir::Value*> permuted(ir::Value* value, const std::vector<uint8_t>& dims);
  Result<ir::Value*> clamped(ir::Value* value, const XnnNode& node);

  // ---- nodes (lift_nodes.cc)

  Status unary(const XnnNode& node);
  Status binary(const XnnNode& node);
  Status prelu(const XnnNode& node);
  Status fully_connected(const XnnNode& node);
  Status matmul(const XnnNode& node);
  Status convolution(const XnnNode& node);
  Status pool(const XnnNode& node);
  Status global_pool(const XnnNode& node);
  Status resize(const XnnNode& node);
  Status transpose(const XnnNode& node);
  Status reshape(const XnnNode& node);
  Status slice(const XnnNode& node);
  Status pad(const XnnNode& node);
  Status concatenate(const XnnNode& node);
  Result<ir::Value*> bias(uint32_t id, DType dtype);

  const XnnGraph& source_;
  std::span<const ir::TensorType> args_;
  Lifted lifted_;
  ir::Graph& graph_;
  ir::Builder builder_;
  std::vector<std::vector<Rep>> reps_;  // by XNNPACK value
};

}  // namespace pte::xnnpack
