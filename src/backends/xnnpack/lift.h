// A decoded payload → ATen calls over logical (NCHW) tensors: for the reference interpreter, for
// reports and for engines that lower again.
#pragma once

#include <span>
#include <vector>

#include "backends/xnnpack/payload.h"
#include "ir/graph.h"

namespace pte::xnnpack {

struct Lifted {
  ir::Module module;  // one method, "forward"
  // Which of the delegate call's arguments each input and output of the method is.
  std::vector<uint32_t> input_args;
  std::vector<uint32_t> output_args;
};

// `args` are the types of the delegate call's arguments: dtype, sizes and dim order of inputs,
// dtype, rank and dim order of outputs (their sizes follow from the inputs). When it is empty the
// payload's own dims are taken, in contiguous order.
//
// Transposes between layouts become other views of one value; a permute_copy is left only where a
// call needs an order that does not exist yet. Weights have PyTorch's sizes and, where they can,
// stay the payload's bytes in another dim order. Calls may be ones that programs cannot make as
// they are (hardswish, max_pool2d …): run the passes on the result.
//
// Quantised values are int8 and uint8 tensors. Layers, sums, products and means of them are calls
// of pte::quantized_…, which compute XNNPACK's own integers; nodes that only move elements move the
// stored ones; all others compute between dequantize and quantize calls. A value that is quantised
// while it runs (qdint8) is its floating source: its reader is a pte::dynamic_quantized_… call.
Result<Lifted> lift(const XnnGraph& graph, std::span<const ir::TensorType> args = {});

}  // namespace pte::xnnpack
