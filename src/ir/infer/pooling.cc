// Pooling windows and resampling: sizes along each spatial dimension.
#include <cmath>

#include "ir/infer/common.h"

namespace pte::ir {
namespace {

struct Window {
  SymSizes kernel, stride, padding, dilation;
  bool ceil_mode = false;
};

Result<SymInt> pooled_size(const InferContext& c, const Window& w, size_t i, const SymInt& in) {
  const SymInt extent = w.dilation[i] * (w.kernel[i] - 1) + 1;
  const SymInt& stride = w.stride[i];
  const SymInt& pad = w.padding[i];
  SymInt room = in + SymInt(2) * pad - extent;
  if (room.is_constant() && *room.constant() < 0 &&
      !(w.ceil_mode && at_least(c, room + stride - 1, 0))) {
    return bad_arg(c, 0,
                   fmt::format("size {} is too small for a kernel of {} with padding {}",
                               in.to_string(), extent.to_string(), pad.to_string()));
  }
  if (!w.ceil_mode) return SymInt::floordiv(room, stride) + 1;
  const SymInt size = SymInt::floordiv(room + stride - 1, stride) + 1;
  // The last window must start inside the input or its left padding.
  const SymInt last = SymInt::floordiv(in + pad - 1, stride) + 1;
  return bounded_min(c, size, last);
}

// From argument `first` on: kernel, stride, padding, then where there is one dilation, then
// ceil_mode.
Result<Window> read_window(const InferContext& c, size_t spatial, bool dilated, size_t first = 1) {
  Window w;
  PTE_TRY(w.kernel, size_list(c, first, spatial));
  PTE_TRY(const SymSizes stride, size_list(c, first + 1));
  w.stride = w.kernel;
  if (!stride.empty()) {
    PTE_TRY(w.stride, size_list(c, first + 1, spatial));
  }
  PTE_TRY(w.padding, size_list(c, first + 2, spatial));
  w.dilation.assign(spatial, 1);
  if (dilated) {
    PTE_TRY(w.dilation, size_list(c, first + 3, spatial));
  }
  w.ceil_mode = bool_arg(c, first + (dilated ? 4 : 3));
  for (size_t i = 0; i < spatial; ++i) {
    const auto kernel = w.kernel[i].constant();
    const auto padding = w.padding[i].constant();
    if (!kernel || *kernel < 1) return bad_arg(c, first, "must be positive");
    if (!w.stride[i].is_constant() || *w.stride[i].constant() < 1)
      return bad_arg(c, first + 1, "must be positive");
    if (!w.dilation[i].is_constant() || *w.dilation[i].constant() < 1)
      return bad_arg(c, first + 3, "must be positive");
    if (!padding || *padding < 0 || *padding > *kernel / 2) {
      return bad_arg(c, first + 2,
                     fmt::format("{} must be between 0 and half the kernel size {}",
                                 w.padding[i].to_string(), *kernel));
    }
  }
  return w;
}

Status check_rank(const InferContext& c, size_t spatial) {
  const size_t rank = c.tensor(0).rank();
  if (rank == spatial + 1 || rank == spatial + 2) return {};
  return bad_arg(c, 0,
                 fmt::format("expected rank {} or {}, got [{}]", spatial + 1, spatial + 2,
                             to_string(c.tensor(0).sizes)));
}

// The input's type with other sizes in its last dimensions.
TensorType with_spatial(const TensorType& input, const SymSizes& spatial) {
  TensorType type = input;
  for (size_t i = 0; i < spatial.size(); ++i)
    type.sizes[type.rank() - spatial.size() + i] = spatial[i];
  type.dim_order = suggested_order(input, input.rank());
  return type;
}

Result<TensorType> pool(const InferContext& c, size_t spatial, bool dilated) {
  PTE_CHECK(check_rank(c, spatial));
  PTE_TRY(const Window window, read_window(c, spatial, dilated));
  const TensorType& input = c.tensor(0);
  SymSizes sizes;
  for (size_t i = 0; i < spatial; ++i) {
    PTE_TRY(SymInt size, pooled_size(c, window, i, input.sizes[input.rank() - spatial + i]));
    sizes.push_back(std::move(size));
  }
  return with_spatial(input, sizes);
}

template <size_t Spatial, bool Dilated>
InferResult pool_one(const InferContext& c) {
  PTE_TRY(TensorType type, pool(c, Spatial, Dilated));
  return one(std::move(type));
}

std::vector<Type> values_and_indices(TensorType values) {
  TensorType indices = values;
  indices.dtype = DType::kInt64;
  return {Type(std::move(values)), Type(std::move(indices))};
}

// PyTorch's averages over volumes, and all that adapts to them, come out contiguous.
TensorType made_contiguous(TensorType type) {
  type.dim_order = contiguous_dim_order(type.rank());
  return type;
}

template <size_t Spatial>
InferResult max_pool_with_indices(const InferContext& c) {
  PTE_TRY(TensorType type, pool(c, Spatial, true));
  return values_and_indices(std::move(type));
}

InferResult max_pool_backward(const InferContext& c) {
  const TensorType& self = c.tensor(1);
  if (self.rank() != 3 && self.rank() != 4)
    return bad_arg(c, 1, fmt::format("expected rank 3 or 4, got [{}]", to_string(self.sizes)));
  PTE_CHECK(read_window(c, 2, true, 2));
  if (c.tensor(0).rank() != self.rank() || c.tensor(7).rank() != self.rank())
    return bad_arg(c, 0, "gradient and indices need the rank of the input");
  TensorType type = self;
  type.dim_order = suggested_order(self, self.rank());
  return one(std::move(type));
}

InferResult avg_pool3d(const InferContext& c) {
  PTE_TRY(TensorType type, pool(c, 3, false));
  return one(made_contiguous(std::move(type)));
}

template <size_t Spatial>
InferResult adaptive(const InferContext& c);

template <size_t Spatial>
InferResult adaptive_max(const InferContext& c) {
  PTE_TRY(std::vector<Type> types, adaptive<Spatial>(c));
  return values_and_indices(std::get<TensorType>(std::move(types[0])));
}

template <size_t Spatial>
InferResult adaptive(const InferContext& c) {
  PTE_CHECK(check_rank(c, Spatial));
  PTE_TRY(const SymSizes sizes, size_list(c, 1, Spatial));
  for (const SymInt& size : sizes) {
    if (size.is_constant() && *size.constant() < 0)
      return bad_arg(c, 1, "sizes must not be negative");
  }
  TensorType type = with_spatial(c.tensor(0), sizes);
  return one(Spatial == 3 ? made_contiguous(std::move(type)) : std::move(type));
}

// floor(in * scale). Of an expression only when the scale is a fraction with a small denominator.
Result<SymInt> scaled(const InferContext& c, size_t arg, const SymInt& in, double scale) {
  constexpr double kMaxSize = 1e15;  // far below where doubles skip integers
  if (!(scale > 0) || !(scale < kMaxSize))
    return bad_arg(c, arg, fmt::format("scale {} must be positive", scale));
  if (const auto number = in.constant()) {
    const double size = std::floor(static_cast<double>(*number) * scale);
    if (!(size < kMaxSize))
      return bad_arg(c, arg, fmt::format("scale {} makes size {} too large", scale, *number));
    return SymInt(static_cast<int64_t>(size));
  }
  for (int64_t denominator = 1; denominator <= 1024; denominator *= 2) {
    const double numerator = scale * static_cast<double>(denominator);
    if (numerator == std::floor(numerator)) {
      return SymInt::floordiv(in * SymInt(static_cast<int64_t>(numerator)), denominator);
    }
  }
  return unsupported("{}: argument '{}': scale {} of the dynamic size {}", c.op.full_name(),
                     arg_name(c, arg), scale, in.to_string());
}

template <size_t ScaleArg>
InferResult upsample(const InferContext& c) {
  const TensorType& input = c.tensor(0);
  if (input.rank() != 4)
    return bad_arg(c, 0, fmt::format("expected rank 4, got [{}]", to_string(input.sizes)));
  if (c.args[1].is_none() == c.args[ScaleArg].is_none()) {
    return bad_arg(c, 1, "exactly one of output_size and scale_factors must be given");
  }
  SymSizes sizes;
  if (!c.args[1].is_none()) {
    PTE_TRY(sizes, size_list(c, 1, 2));
  } else {
    const ArgList* scales = c.args[ScaleArg].list();
    if (scales == nullptr || scales->size() != 2)
      return bad_arg(c, ScaleArg, "expected two numbers");
    for (size_t i = 0; i < 2; ++i) {
      const auto scale = (*scales)[i].number();
      if (!scale) return bad_arg(c, ScaleArg, "expected numbers that are known before the run");
      PTE_TRY(SymInt size, scaled(c, ScaleArg, input.sizes[i + 2], *scale));
      sizes.push_back(std::move(size));
    }
  }
  for (const SymInt& size : sizes) {
    if (size.is_constant() && *size.constant() < 1)
      return bad_arg(c, 1, "the output would be empty");
  }
  return one(with_spatial(input, sizes));
}

constexpr InferEntry kEntries[] = {
    {Op::aten_adaptive_avg_pool1d, adaptive<1>},
    {Op::aten_adaptive_avg_pool2d, adaptive<2>},
    {Op::aten__adaptive_avg_pool2d, adaptive<2>},
    {Op::aten_avg_pool1d, pool_one<1, false>},
    {Op::aten_avg_pool2d, pool_one<2, false>},
    {Op::aten_max_pool2d, pool_one<2, true>},
    {Op::aten_max_pool2d_with_indices, max_pool_with_indices<2>},
    {Op::aten_max_pool2d_with_indices_backward, max_pool_backward},
    {Op::aten_max_pool3d_with_indices, max_pool_with_indices<3>},
    {Op::aten_avg_pool3d, avg_pool3d},
    {Op::aten__adaptive_avg_pool3d, adaptive<3>},
    {Op::aten_adaptive_max_pool2d, adaptive_max<2>},
    {Op::aten_adaptive_max_pool3d, adaptive_max<3>},
    {Op::aten_upsample_nearest2d_vec, upsample<2>},
    {Op::aten_upsample_bilinear2d_vec, upsample<3>},
};

}  // namespace

std::span<const InferEntry> pooling_inference() { return kEntries; }

}  // namespace pte::ir
