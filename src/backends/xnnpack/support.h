// Which operator calls XNNPACK computes, and their arguments in XNNPACK's terms: what the
// partitioner asks and what lowering builds from.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/xnnpack/payload.h"
#include "ir/graph.h"

namespace pte::xnnpack {

// Why XNNPACK cannot take the call, in a sentence for people; nothing when it can. Looks at the
// node alone: grouping is the partitioner's affair.
std::optional<std::string> reject_reason(const ir::Module& module, const ir::Node& node);

// Why XNNPACK cannot hold a tensor of this shape, whatever its type; `what` names it. Nothing for
// numbers.
std::optional<std::string> tensor_reason(const ir::Module& module, const ir::Value* value,
                                         std::string_view what);

// Data of a value that can go into a payload: a constant that no method writes.
const Tensor* frozen_data(const ir::Module& module, const ir::Value* value);
// The number in a frozen constant of one element.
std::optional<double> frozen_scalar(const ir::Module& module, const ir::Value* value);

// The largest value of a size; the partitioner only takes tensors whose sizes have one.
std::optional<int64_t> upper_bound(const ir::Module& module, const ir::SymInt& size);
size_t count_dynamic(const ir::SymSizes& sizes);

// An axis counted from the front, or nothing when it is out of range.
std::optional<size_t> normalise_axis(int64_t axis, size_t rank);

// ---- arguments; nothing when they are symbolic or malformed

// Bounds of the clamp family: relu, relu6, hardtanh, clamp, clamp_min, clamp_max.
std::optional<MinMax> clamp_bounds(const ir::Node& node);

struct ConvSpec {
  ConvParams params;  // a 1d convolution has width 1
  bool one_d = false;
  bool transposed = false;
  bool depthwise = false;  // one input channel a group, not transposed
};
std::optional<ConvSpec> conv_spec(const ir::Node& node);

// max_pool2d, max_pool2d_with_indices, avg_pool2d. `error` says what is wrong when nothing returns.
std::optional<PoolParams> pool_spec(const ir::Node& node, std::string& error);

// The dims a reduction runs over, normalised and sorted.
std::optional<std::vector<size_t>> reduced_dims(const ir::Node& node);

struct SliceSpec {
  size_t axis = 0;
  uint32_t offset = 0, size = 0;
};
// slice_copy and select_copy, one; split_with_sizes_copy, one for each result.
std::optional<std::vector<SliceSpec>> slice_specs(const ir::Node& node);

// Padding before and after every dim of the operand, outermost first.
struct PadSpec {
  std::vector<uint32_t> before, after;
  float value = 0;
};
std::optional<PadSpec> pad_spec(const ir::Node& node);

// permute_copy, transpose_copy.int, t_copy: result dim i is operand dim perm[i].
std::optional<std::vector<size_t>> permutation(const ir::Node& node);

}  // namespace pte::xnnpack
