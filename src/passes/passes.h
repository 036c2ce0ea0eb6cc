// The rewrites: each takes a module in PyTorch's vocabulary, changes it in place and returns how
// many places it changed. One pass, one file; pipelines.h puts them in order.
//
// Importers hand over graphs that are free of writes. All passes recurse into subgraphs, keep
// source locations and symbolic sizes, leave unused inputs in their places, and never touch a
// constant that some method writes.
#pragma once

#include <bitset>
#include <initializer_list>

#include "ir/graph.h"

namespace pte::passes {

// A set of operators.
class OpSet {
 public:
  OpSet() = default;
  OpSet(std::initializer_list<Op> ops) {
    for (const Op op : ops) insert(op);
  }
  void insert(Op op) { bits_.set(static_cast<size_t>(op)); }
  bool contains(Op op) const { return bits_.test(static_cast<size_t>(op)); }

 private:
  // Op::kCount is every operator of others.
  std::bitset<static_cast<size_t>(Op::kCount) + 1> bits_;
};

// Drops what does nothing at inference: dropout, detach, casts and copies to the same type, views
// to the same shape, full slices, empty padding, assertions. Fails with kUnsupported on dropout
// that is still in training mode.
Result<int64_t> remove_identities(ir::Module& module);

// Rewrites composites into operators that programs can call, except those in `keep`. Every
// construct that has no such form is reported in one error (kUnsupported).
Result<int64_t> decompose(ir::Module& module, const OpSet& keep);

// Operators that the official runtime (ExecuTorch 1.5) has no kernel of, or whose kernel refuses or
// miscalculates a case, become those that it runs right. What no rule can rewrite fails with
// kUnsupported, all of it in one message, or stays when `leftover` is kKeep.
enum class Leftover { kRefuse, kKeep };
Result<int64_t> legalize(ir::Module& module, Leftover leftover);

// Puts back together what others took apart, where a backend has the whole operator: linear, hard
// swish, hard sigmoid, max pooling without indices. decompose() undoes it.
Result<int64_t> recompose(ir::Module& module);

// Batch norm at inference into the convolution (any rank, transposed, grouped) or linear before it.
Result<int64_t> fold_batch_norm(ir::Module& module);

// Symmetric zero padding into the convolution that reads it.
Result<int64_t> fuse_padding(ir::Module& module);

// Computes rearrangements and simple arithmetic of constants, when that does not grow the program.
Result<int64_t> fold_constants(ir::Module& module);

// Calls of one operator on the same operands become one call.
Result<int64_t> common_subexpressions(ir::Module& module);

// Chains of reshapes and of permutes become one; what moves no element becomes view_copy, which
// programs get for nothing.
Result<int64_t> merge_views(ir::Module& module);

// Chains of relu, hardtanh and clamp become one.
Result<int64_t> merge_clamps(ir::Module& module);

// Arithmetic that gives back its operand, bit for bit: x*1, x/1, -(-x).
Result<int64_t> simplify(ir::Module& module);

// Every tensor inside becomes contiguous, which all portable kernels take; channels-last inputs and
// outputs are converted at the border.
Result<int64_t> contiguous_layout(ir::Module& module);

// Constants of equal type and bytes share one.
Result<int64_t> dedupe_constants(ir::Module& module);

// Nodes and constants that nothing reads.
Result<int64_t> dead_code(ir::Module& module);

}  // namespace pte::passes
