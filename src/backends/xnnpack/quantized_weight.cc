// Filters that a file keeps as integers behind a dequantize call.
#include <algorithm>
#include <cmath>

#include "backends/xnnpack/quantized.h"
#include "backends/xnnpack/support.h"

namespace pte::xnnpack {

using ir::Node;
using ir::Value;

namespace {

std::optional<std::vector<float>> scales_of(const ir::Module& module, const Value* value) {
  const Tensor* data = value == nullptr ? nullptr : frozen_data(module, value);
  if (data == nullptr || data->rank() != 1 || data->numel() == 0) return std::nullopt;
  const auto dense = data->contiguous();
  if (!dense) return std::nullopt;
  std::vector<float> scales(static_cast<size_t>(data->numel()));
  if (data->dtype() == DType::kFloat32) {
    std::copy_n(dense->data_as<float>(), scales.size(), scales.begin());
  } else if (data->dtype() == DType::kFloat64) {
    std::transform(dense->data_as<double>(), dense->data_as<double>() + scales.size(),
                   scales.begin(), [](double v) { return static_cast<float>(v); });
  } else {
    return std::nullopt;
  }
  const bool usable =
      std::all_of(scales.begin(), scales.end(), [](float s) { return std::isnormal(s) && s > 0; });
  return usable ? std::optional(std::move(scales)) : std::nullopt;
}

bool all_zero(const Tensor& tensor) {
  const auto dense = tensor.contiguous();
  bool zero = dense.has_value();
  if (!zero) return false;
  const bool known = dispatch(dense->dtype(), [&]<typename T>(T) {
    const T* data = dense->template data_as<T>();
    for (int64_t i = 0; i < dense->numel(); ++i) zero = zero && static_cast<double>(data[i]) == 0;
  });
  return known && zero;
}

// The constant behind a dequantize call, as it lies in the file. A mere change of type is one with
// scale 1: torchao multiplies the products of such filters by their scales.
std::optional<QuantizedWeight> dequantized(const ir::Module& module, const Node& node) {
  if (node.is(Op::aten__to_copy) || node.is(Op::dim_order_to_dim_order_copy)) {
    const Tensor* data = frozen_data(module, node.input(0));
    if (data == nullptr || data->dtype() != DType::kInt8 || data->numel() == 0 ||
        node.result()->tensor().dtype != DType::kFloat32) {
      return std::nullopt;
    }
    const auto dense = data->contiguous();
    if (!dense) return std::nullopt;
    return QuantizedWeight{*dense, {1.0F}};
  }
  const bool channels = node.is(Op::qd_dequantize_per_channel);
  if (!channels && !node.is(Op::qd_dequantize_per_tensor)) return std::nullopt;
  if (node.result()->tensor().dtype != DType::kFloat32) return std::nullopt;
  const Tensor* data = frozen_data(module, node.input(0));
  if (data == nullptr || data->dtype() != DType::kInt8 || data->numel() == 0) return std::nullopt;
  QuantizedWeight weight;
  if (channels) {
    auto scales = scales_of(module, node.input(1));
    if (!scales) return std::nullopt;
    weight.scales = std::move(*scales);
    if (!node.arg(2).is_none()) {
      const Tensor* zeros = node.input(2) == nullptr ? nullptr : frozen_data(module, node.input(2));
      if (zeros == nullptr || !all_zero(*zeros)) return std::nullopt;
    }
    const auto axis = node.arg("axis").integer();
    const auto place = axis ? normalise_axis(*axis, data->rank()) : std::nullopt;
    if (!place || data->size(*place) != static_cast<int64_t>(weight.scales.size())) {
      return std::nullopt;
    }
    weight.axis = *place;
  } else {
    const auto quant = literal_quant(node);
    if (!quant || quant->zero_point != 0) return std::nullopt;
    weight.scales = {quant->scale};
  }
  const auto dense = data->contiguous();
  if (!dense) return std::nullopt;
  weight.data = *dense;
  weight.four_bits =
      node.arg("quant_min").integer() == -8 && node.arg("quant_max").integer() == 7 &&
      std::all_of(weight.data.data_as<int8_t>(), weight.data.data_as<int8_t>() + data->numel(),
                  [](int8_t v) { return v >= -8 && v <= 7; });
  return weight;
}

// [out, in] of a call that swaps the two dims of a matrix.
bool swaps(const Node& node) {
  const auto perm = node.is(Op::aten_permute_copy) || node.is(Op::aten_transpose_copy_int) ||
                            node.is(Op::aten_t_copy)
                        ? permutation(node)
                        : std::nullopt;
  return perm == std::vector<size_t>{1, 0};
}

}  // namespace

std::optional<QuantizedWeight> quantized_weight(const ir::Module& module, const Value* value) {
  const Node* node = value->producer();
  if (node == nullptr) return std::nullopt;
  if (swaps(*node)) {
    const Node* before = node->input(0)->producer();
    if (before == nullptr || swaps(*before)) return std::nullopt;
    auto weight = quantized_weight(module, node->input(0));
    if (!weight || weight->block != 0 || weight->data.rank() != 2) return std::nullopt;
    const Sizes& sizes = weight->data.sizes();
    const auto turned = weight->data.with_layout({sizes[1], sizes[0]}, {1, sizes[1]}).contiguous();
    if (!turned) return std::nullopt;
    weight->data = *turned;
    weight->axis = 1 - weight->axis;
    return weight;
  }
  if (!node->is(Op::aten_view_copy)) return dequantized(module, *node);
  // Blocks of rows, each a row of its own: [out x blocks, block] seen as [out, in].
  const Node* inner = node->input(0)->producer();
  const auto sizes = node->result()->tensor().static_sizes();
  auto weight = inner == nullptr ? std::nullopt : dequantized(module, *inner);
  if (!weight || !sizes || sizes->size() != 2 || weight->data.rank() != 2 || weight->axis != 0 ||
      weight->scales.size() == 1) {
    return std::nullopt;
  }
  const int64_t block = weight->data.size(1);
  if (block <= 0 || (*sizes)[1] % block != 0) return std::nullopt;
  weight->data = weight->data.with_layout(*sizes, contiguous_strides(*sizes));
  if ((*sizes)[1] != block) weight->block = block;
  return weight;
}

Result<Tensor> real_weight(const QuantizedWeight& weight) {
  const Sizes& sizes = weight.data.sizes();
  PTE_TRY(Tensor result, Tensor::zeros(DType::kFloat32, sizes));
  int64_t inner = 1;  // elements from one scale to the next
  for (size_t d = weight.axis + 1; d < sizes.size(); ++d) inner *= sizes[d];
  if (weight.block != 0) inner = weight.block;
  const auto count = static_cast<int64_t>(weight.scales.size());
  const int8_t* from = weight.data.data_as<int8_t>();
  auto* to = result.mutable_data_as<float>();
  for (int64_t i = 0; i < result.numel(); ++i) {
    to[i] = static_cast<float>(from[i]) * weight.scales[static_cast<size_t>(i / inner % count)];
  }
  return result;
}

Result<Tensor> pack_half_bytes(const Tensor& weight) {
  const int64_t rows = weight.size(0), columns = weight.size(1);
  const int64_t bytes = columns / 2 + columns % 2;
  PTE_TRY(Tensor packed, Tensor::zeros(DType::kUInt8, {rows, bytes}));
  const int8_t* from = weight.data_as<int8_t>();
  auto* to = packed.mutable_data_as<uint8_t>();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < 2 * bytes; ++c) {
      const int value = (c < columns ? from[r * columns + c] : 0) + 8;
      uint8_t& pair = to[r * bytes + c / 2];
      pair = static_cast<uint8_t>(c % 2 == 0 ? value : pair | (value << 4));
    }
  }
  return packed;
}

}  // namespace pte::xnnpack
