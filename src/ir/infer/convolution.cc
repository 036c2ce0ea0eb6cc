// Convolutions, plain and transposed: sizes along each spatial dimension, channels and groups.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

struct Convolution {
  size_t spatial = 2;  // spatial dimensions
  bool transposed = false;
  bool unbatched = false;  // the input may lack the batch dimension
  SymSizes stride, padding, dilation, output_padding;
  SymInt groups = 1;
};

Status check_bias(const InferContext& c, const SymInt& channels) {
  const TensorType* bias = optional_tensor(c, 2);
  if (bias == nullptr) return {};
  if (bias->rank() != 1 || !unify(c, bias->sizes[0], channels)) {
    return bad_arg(
        c, 2,
        fmt::format("expected sizes [{}], got [{}]", channels.to_string(), to_string(bias->sizes)));
  }
  return {};
}

Status check_dtypes(const InferContext& c) {
  const DType dtype = c.tensor(0).dtype;
  for (const size_t arg : {size_t{1}, size_t{2}}) {
    const TensorType* tensor = optional_tensor(c, arg);
    if (tensor != nullptr && tensor->dtype != dtype) {
      return bad_arg(
          c, arg,
          fmt::format("is {}, the input is {}", dtype_name(tensor->dtype), dtype_name(dtype)));
    }
  }
  return {};
}

Result<SymInt> spatial_size(const InferContext& c, const Convolution& conv, size_t i,
                            const SymInt& in, const SymInt& kernel) {
  const SymInt extent = conv.dilation[i] * (kernel - 1) + 1;  // what a kernel covers
  SymInt size;
  if (conv.transposed) {
    size =
        (in - 1) * conv.stride[i] - SymInt(2) * conv.padding[i] + extent + conv.output_padding[i];
  } else {
    size = SymInt::floordiv(in + SymInt(2) * conv.padding[i] - extent, conv.stride[i]) + 1;
  }
  if (size.is_constant() && *size.constant() <= 0) {
    return bad_arg(c, 0,
                   fmt::format("size {} is too small for a kernel of {} with padding {}",
                               in.to_string(), extent.to_string(), conv.padding[i].to_string()));
  }
  return size;
}

Status check_positive(const InferContext& c, size_t arg, const SymSizes& values, int64_t least) {
  for (const SymInt& value : values) {
    if (value.is_constant() && *value.constant() < least) {
      return bad_arg(c, arg, fmt::format("{} must be at least {}", *value.constant(), least));
    }
  }
  return {};
}

InferResult infer_conv(const InferContext& c, const Convolution& conv) {
  const TensorType& input = c.tensor(0);
  const TensorType& weight = c.tensor(1);
  const size_t spatial = conv.spatial;
  if (weight.rank() != spatial + 2) {
    return bad_arg(c, 1,
                   fmt::format("expected rank {}, got [{}]", spatial + 2, to_string(weight.sizes)));
  }
  const bool batched = input.rank() == spatial + 2;
  if (!batched && !(conv.unbatched && input.rank() == spatial + 1)) {
    return bad_arg(c, 0,
                   fmt::format("expected rank {}, got [{}]", spatial + 2, to_string(input.sizes)));
  }
  PTE_CHECK(check_dtypes(c));
  const SymInt& channels = input.sizes[batched ? 1 : 0];
  if (conv.groups.is_constant() && *conv.groups.constant() <= 0) {
    return c.invalid(
        fmt::format("argument 'groups': {} must be positive", *conv.groups.constant()));
  }
  const SymInt fan = SymInt(weight.sizes[1]) * conv.groups;
  const SymInt& expected = conv.transposed ? weight.sizes[0] : fan;
  if (!unify(c, channels, expected)) {
    return bad_arg(c, 1,
                   fmt::format("[{}] in {} groups takes {} channels, the input has {}",
                               to_string(weight.sizes), conv.groups.to_string(),
                               expected.to_string(), channels.to_string()));
  }
  const SymInt rest = SymInt::mod(weight.sizes[0], conv.groups);
  if (rest.is_constant() && !rest.is_constant(0)) {
    return bad_arg(c, 1,
                   fmt::format("{} channels are not divisible into {} groups",
                               weight.sizes[0].to_string(), conv.groups.to_string()));
  }
  const SymInt out_channels = conv.transposed ? fan : weight.sizes[0];
  PTE_CHECK(check_bias(c, out_channels));
  SymSizes sizes;
  if (batched) sizes.push_back(input.sizes[0]);
  sizes.push_back(out_channels);
  for (size_t i = 0; i < spatial; ++i) {
    PTE_TRY(SymInt size, spatial_size(c, conv, i, input.sizes[sizes.size()], weight.sizes[i + 2]));
    sizes.push_back(std::move(size));
  }
  // PyTorch's convolutions of volumes come out contiguous.
  DimOrder order =
      spatial == 3 ? contiguous_dim_order(sizes.size()) : suggested_order(input, sizes.size());
  return one({input.dtype, std::move(sizes), std::move(order)});
}

// Reads stride, padding and dilation from the given places.
Status read_lists(const InferContext& c, Convolution& conv, size_t stride, int padding,
                  size_t dilation) {
  PTE_TRY(conv.stride, size_list(c, stride, conv.spatial));
  PTE_CHECK(check_positive(c, stride, conv.stride, 1));
  PTE_TRY(conv.dilation, size_list(c, dilation, conv.spatial));
  PTE_CHECK(check_positive(c, dilation, conv.dilation, 1));
  if (padding >= 0) {
    PTE_TRY(conv.padding, size_list(c, static_cast<size_t>(padding), conv.spatial));
    PTE_CHECK(check_positive(c, static_cast<size_t>(padding), conv.padding, 0));
  }
  return {};
}

Result<SymInt> groups_arg(const InferContext& c, size_t arg) {
  const auto groups = c.args[arg].sym_int();
  if (!groups) return bad_arg(c, arg, "expected an integer");
  return *groups;
}

InferResult convolution(const InferContext& c) {
  Convolution conv;
  const size_t rank = c.tensor(1).rank();
  if (rank < 3)
    return bad_arg(c, 1,
                   fmt::format("expected rank 3 to 5, got [{}]", to_string(c.tensor(1).sizes)));
  conv.spatial = rank - 2;
  conv.transposed = bool_arg(c, 6);
  PTE_CHECK(read_lists(c, conv, 3, 4, 5));
  PTE_TRY(conv.output_padding, size_list(c, 7, conv.spatial));
  PTE_CHECK(check_positive(c, 7, conv.output_padding, 0));
  PTE_TRY(conv.groups, groups_arg(c, 8));
  return infer_conv(c, conv);
}

template <size_t Spatial>
InferResult conv_nd(const InferContext& c) {
  Convolution conv;
  conv.spatial = Spatial;
  conv.unbatched = true;
  PTE_CHECK(read_lists(c, conv, 3, 4, 5));
  PTE_TRY(conv.groups, groups_arg(c, 6));
  return infer_conv(c, conv);
}

template <size_t Spatial>
InferResult conv_padding(const InferContext& c) {
  Convolution conv;
  conv.spatial = Spatial;
  conv.unbatched = true;
  PTE_CHECK(read_lists(c, conv, 3, -1, 5));
  conv.padding.assign(Spatial, 0);
  PTE_TRY(conv.groups, groups_arg(c, 6));
  const std::string* padding = c.args[4].text();
  if (padding == nullptr || (*padding != "same" && *padding != "valid")) {
    return bad_arg(c, 4, "expected 'same' or 'valid'");
  }
  if (*padding == "valid") return infer_conv(c, conv);
  for (const SymInt& stride : conv.stride) {
    if (!stride.is_constant(1)) return bad_arg(c, 4, "'same' needs a stride of 1");
  }
  // With stride 1 and "same" the spatial sizes stay; the kernel extent may be even, so they do not
  // come from a symmetric padding.
  const TensorType& weight = c.tensor(1);
  if (weight.rank() != Spatial + 2) {
    return bad_arg(c, 1,
                   fmt::format("expected rank {}, got [{}]", Spatial + 2, to_string(weight.sizes)));
  }
  for (size_t i = 0; i < Spatial; ++i) {
    conv.dilation[i] = 1;
    conv.padding[i] = weight.sizes[i + 2];  // enough for any kernel; the sizes are set below
  }
  PTE_TRY(std::vector<Type> types, infer_conv(c, conv));
  TensorType& type = std::get<TensorType>(types[0]);
  const TensorType& input = c.tensor(0);
  for (size_t i = type.rank() - Spatial; i < type.rank(); ++i) type.sizes[i] = input.sizes[i];
  return types;
}

template <size_t Spatial>
InferResult conv_transpose(const InferContext& c) {
  Convolution conv;
  conv.spatial = Spatial;
  conv.unbatched = true;
  conv.transposed = true;
  PTE_CHECK(read_lists(c, conv, 3, 4, 7));
  PTE_TRY(conv.output_padding, size_list(c, 5, Spatial));
  PTE_CHECK(check_positive(c, 5, conv.output_padding, 0));
  PTE_TRY(conv.groups, groups_arg(c, 6));
  return infer_conv(c, conv);
}

constexpr InferEntry kEntries[] = {
    {Op::aten_convolution, convolution},
    {Op::aten_conv1d, conv_nd<1>},
    {Op::aten_conv2d, conv_nd<2>},
    {Op::aten_conv1d_padding, conv_padding<1>},
    {Op::aten_conv2d_padding, conv_padding<2>},
    {Op::aten_conv_transpose1d, conv_transpose<1>},
    {Op::aten_conv_transpose2d_input, conv_transpose<2>},
};

}  // namespace

std::span<const InferEntry> convolution_inference() { return kEntries; }

}  // namespace pte::ir
