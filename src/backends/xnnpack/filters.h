// Filters between PyTorch's order of elements and XNNPACK's.
#pragma once

#include "backends/xnnpack/support.h"
#include "tensor/tensor.h"

namespace pte::xnnpack {

// PyTorch's filter of a convolution as float32 in the order that the node wants:
//   Conv2d, ConvTranspose2d  [out, height, width, in / groups]
//   DepthwiseConv2d          [1, height, width, out]
Result<Tensor> pack_filter(const Tensor& weight, const ConvSpec& spec);
// The same of any type, which stays.
Result<Tensor> arrange_filter(const Tensor& weight, const ConvSpec& spec);

// Puts filters that one node of `nodes` alone reads into the order that pack_filter() gives, one by
// one: constants of `module` keep their sizes and change their strides, and are then packed without
// a second copy of all of them.
Status order_filters(ir::Module& module, const ir::Graph& graph,
                     const std::vector<ir::Node*>& nodes);

// The way back: [out, in / groups, height, width], or [in, out / groups, height, width] for a
// transposed convolution; of any type, and where possible a view of the same memory in another dim
// order. Fails when the sizes do not fit the parameters.
Result<Tensor> unpack_filter(const Tensor& packed, const ConvParams& params, NodeKind kind);

// The same elements as another floating type; itself when it has that type.
Result<Tensor> as_type(const Tensor& tensor, DType dtype);
// Contiguous, too.
Result<Tensor> to_float32(const Tensor& tensor);

}  // namespace pte::xnnpack
