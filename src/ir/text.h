// The text form of a module: printed for people and tests, and read back exactly.
//
//   module "two_layers" {
//     sym s0 in [1, 8]
//     const @fc.weight: float32[2,3] parameter = dense [0.5, -1, 0, 1, 2, 3]
//     const @fc.bias: float32[2] buffer = elided
//     func forward(%x: float32[s0,3]) {
//       %w = const @fc.weight
//       %b = const @fc.bias
//       %y: float32[s0,2] = aten.linear.default(%x, %w, %b) loc "model.py:41"
//       %z: float32[s0,2] = aten.add.Tensor(%y, %y, alpha=1)
//       return %z, mutate @buffer %y, mutate_input %x %y
//     }
//   }
//
// Arguments stand in schema order: values (%name), integers, floats (always with '.', 'e', inf or
// nan), true/false, none, "text", dtypes (float32), memory formats (contiguous_format …), layouts
// (strided), devices (device "cpu"), lists [..] and subgraphs (func name(..) {..}). Several results
// are written (%a: T, %b: T) = ….
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.h"

namespace pte::ir {

struct PrintOptions {
  // Constants with more elements than this are printed as `elided`; reading that back gives a
  // constant without data. Negative prints all.
  int64_t max_elements = 16;
  bool locations = true;
};

std::string print(const Module& module, const PrintOptions& options = {});
std::string print(const Graph& graph, const PrintOptions& options = {});
std::string print(const Node& node);

// Errors carry line and column. The result has passed verify().
Result<Module> parse_module(std::string_view text);

}  // namespace pte::ir
