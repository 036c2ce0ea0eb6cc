#include "backends/xnnpack/filters.h"

namespace pte::xnnpack {

Result<Tensor> to_float32(const Tensor& tensor) {
  if (tensor.dtype() == DType::kFloat32) return tensor.contiguous();
  PTE_TRY(const Tensor source, tensor.contiguous());
  PTE_TRY(Tensor result, Tensor::zeros(DType::kFloat32, tensor.sizes()));
  auto* to = result.mutable_data_as<float>();
  const int64_t count = tensor.numel();
  const bool known = dispatch(source.dtype(), [&]<typename T>(T) {
    const T* from = source.data_as<T>();
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
  });
  if (!known) return unsupported("{} as float32", dtype_name(tensor.dtype()));
  return result;
}

namespace {

// The contiguous elements of `tensor` seen through other sizes and strides.
Result<Tensor> rearranged(const Tensor& tensor, Sizes sizes, Strides strides, Sizes final_sizes) {
  PTE_TRY(Tensor result, tensor.with_layout(std::move(sizes), std::move(strides)).contiguous());
  Strides contiguous = contiguous_strides(final_sizes);
  return result.with_layout(std::move(final_sizes), std::move(contiguous));
}

}  // namespace

Result<Tensor> pack_filter(const Tensor& weight, const ConvSpec& spec) {
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
  return to_float32(packed);
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
  if (depthwise)
    return rearranged(packed, {g * ocg, 1, h, w}, {s[3], 1, s[1], s[2]}, {g * ocg, 1, h, w});
  if (kind == NodeKind::kConvTranspose2d) {
    return rearranged(packed, {g, icg, ocg, h, w}, {ocg * s[0], s[3], s[0], s[1], s[2]},
                      {g * icg, ocg, h, w});
  }
  return rearranged(packed, {g * ocg, icg, h, w}, {s[0], s[3], s[1], s[2]}, {g * ocg, icg, h, w});
}

}  // namespace pte::xnnpack
