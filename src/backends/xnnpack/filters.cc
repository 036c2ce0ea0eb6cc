#include "backends/xnnpack/filters.h"

#include "base/pages.h"
#include "passes/rewrite.h"

namespace pte::xnnpack {

Result<Tensor> as_type(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  PTE_TRY(const Tensor source, tensor.contiguous());
  PTE_TRY(Tensor result, Tensor::zeros(dtype, tensor.sizes()));
  const int64_t count = tensor.numel();
  const bool known = dispatch(source.dtype(), [&]<typename From>(From) {
    const From* from = source.data_as<From>();
    const auto fill = [&]<typename To>(To) {
      auto* to = result.mutable_data_as<To>();
      for (int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(static_cast<float>(from[i]));
    };
    if (dtype == DType::kFloat32) fill(float{});
    if (dtype == DType::kFloat16) fill(Half{});
    if (dtype == DType::kBFloat16) fill(BFloat16{});
  });
  if (!known || !is_floating(dtype)) {
    return unsupported("{} as {}", dtype_name(tensor.dtype()), dtype_name(dtype));
  }
  return result;
}

Result<Tensor> to_float32(const Tensor& tensor) {
  PTE_TRY(const Tensor converted, as_type(tensor, DType::kFloat32));
  return converted.contiguous();
}

namespace {

// The contiguous elements of `tensor` seen through other sizes and strides.
Result<Tensor> rearranged(const Tensor& tensor, Sizes sizes, Strides strides, Sizes final_sizes) {
  PTE_TRY(Tensor result, tensor.with_layout(std::move(sizes), std::move(strides)).contiguous());
  Strides contiguous = contiguous_strides(final_sizes);
  return result.with_layout(std::move(final_sizes), std::move(contiguous));
}

// The elements of `packed` in another order, without a copy where they lie densely in that order.
Result<Tensor> seen_as(const Tensor& packed, Sizes sizes, Strides strides) {
  Tensor view = packed.with_layout(std::move(sizes), std::move(strides));
  if (view.is_dense_in(view.dim_order())) return view;
  return view.contiguous();
}

}  // namespace

Result<Tensor> pack_filter(const Tensor& weight, const ConvSpec& spec) {
  PTE_TRY(const Tensor packed, arrange_filter(weight, spec));
  return to_float32(packed);
}

Result<Tensor> arrange_filter(const Tensor& weight, const ConvSpec& spec) {
  const ConvParams& p = spec.params;
  const int64_t h = p.kernel.height, w = p.kernel.width, g = p.groups;
  const int64_t icg = p.group_input_channels, ocg = p.group_output_channels;
  const Strides& s = weight.strides();
  const int64_t sh = s[2], sw = spec.one_d ? 1 : s[3];
  Tensor packed;
  if (spec.transposed) {
    PTE_TRY(packed, rearranged(weight, {g, ocg, h, w, icg}, {icg * s[0], s[1], sh, sw, s[0]},
                               {g * ocg, h, w, icg}));
  } else if (spec.depthwise) {
    PTE_TRY(packed, rearranged(weight, {1, h, w, g * ocg}, {1, sh, sw, s[0]}, {1, h, w, g * ocg}));
  } else {
    PTE_TRY(packed,
            rearranged(weight, {g * ocg, h, w, icg}, {s[0], sh, sw, s[1]}, {g * ocg, h, w, icg}));
  }
  return packed;
}

Status order_filters(ir::Module& module, const ir::Graph& graph,
                     const std::vector<ir::Node*>& nodes) {
  const passes::ReplacedConstants constants(module);
  for (const ir::Node* node : nodes) {
    if (!node->is(Op::aten_convolution)) continue;
    const ir::Value* weight = node->input(1);
    const Tensor* data = frozen_data(module, weight);
    const auto spec = conv_spec(*node);
    if (!spec || data == nullptr || data->dtype() != DType::kFloat32 || spec->transposed) continue;
    if (weight->users().size() != 1 || graph.is_output(weight) ||
        !constants.read_here_only(weight)) {
      continue;
    }
    PTE_TRY(const Tensor packed, pack_filter(*data, *spec));
    release_pages(data->bytes(), data->owner());
    PTE_TRY(Tensor ordered,
            unpack_filter(packed, spec->params,
                          spec->depthwise ? NodeKind::kDepthwiseConv2d : NodeKind::kConv2d));
    if (spec->one_d) {
      const Strides& s = ordered.strides();
      ordered = ordered.with_layout(data->sizes(), {s[0], s[1], s[3]});
    }
    module.constants.at(*weight->constant()).data = std::move(ordered);
  }
  return {};
}

Result<Tensor> unpack_filter(const Tensor& packed, const ConvParams& p, NodeKind kind) {
  const int64_t h = p.kernel.height, w = p.kernel.width, g = p.groups;
  const int64_t icg = p.group_input_channels, ocg = p.group_output_channels;
  // Products of two of these fit 64 bits.
  for (int64_t size : {h, w, g, icg, ocg}) {
    if (size < 1 || size > INT32_MAX) return invalid_data("a convolution with size {}", size);
  }
  const bool depthwise = kind == NodeKind::kDepthwiseConv2d;
  const Sizes expected = depthwise ? Sizes{1, h, w, g * ocg} : Sizes{g * ocg, h, w, icg};
  if (packed.sizes() != expected || (depthwise && icg != 1)) {
    return invalid_data("a filter of [{}], its parameters ask for [{}]",
                        fmt::join(packed.sizes(), ","), fmt::join(expected, ","));
  }
  const Strides& s = packed.strides();
  if (depthwise) return seen_as(packed, {g * ocg, 1, h, w}, {s[3], 1, s[1], s[2]});
  if (kind != NodeKind::kConvTranspose2d) {
    return seen_as(packed, {g * ocg, icg, h, w}, {s[0], s[3], s[1], s[2]});
  }
  if (g == 1) return seen_as(packed, {icg, ocg, h, w}, {s[3], s[0], s[1], s[2]});
  return rearranged(packed, {g, icg, ocg, h, w}, {ocg * s[0], s[3], s[0], s[1], s[2]},
                    {g * icg, ocg, h, w});
}

}  // namespace pte::xnnpack
