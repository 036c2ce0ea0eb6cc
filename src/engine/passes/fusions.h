// Rewrites for the engine alone: they give operators that no portable program may call.
#pragma once

#include "ir/graph.h"

namespace pte::engine {

// Calls that write into an operand (copy_, index_put_) become those that give a new value. Fails
// with kUnsupported where what is written has another name, under which it may be read.
Result<int64_t> without_writes(ir::Module& module);

// x * sigmoid(x) becomes silu; x * 0.5 * (1 + erf(x / sqrt 2)) and the tanh form become gelu.
Result<int64_t> recompose_activations(ir::Module& module);

// exp(x - amax(x)) / sum(exp(x - amax(x))) becomes _softmax; (x - mean) / sqrt(variance + epsilon)
// over the last dimensions, and a constant weight and bias behind it, become layer_norm.
Result<int64_t> recompose_rows(ir::Module& module);

// view(addmm(bias, view(x, [rows, k]), weight), [..., n]) becomes linear(x, weight), so that what
// follows can join it.
Result<int64_t> linear_rows(ir::Module& module);

// cat([a[0:k], a[k:n], b]) becomes cat([a, b]), when the slices are the whole of a.
Result<int64_t> join_slices(ir::Module& module);

// quantize(cat([a, b])) becomes cat([quantize(a), quantize(b)]), and so on for views, splits,
// nearest resizing and maxima, where the values come from integers: what moves then moves bytes.
Result<int64_t> hoist_quantize(ir::Module& module);

}  // namespace pte::engine
