// Operators that exporters write although the official library has no kernel of them: windows,
// distributions, segments, and what complex numbers and matrices are made into.
#include <algorithm>

#include "ir/infer/common.h"

namespace pte::ir {
namespace {

Error wrong_dtype(const InferContext& c, size_t arg, std::string_view expected) {
  return bad_arg(c, arg,
                 fmt::format("is {}, expected {}", dtype_name(c.tensor(arg).dtype), expected));
}

bool is_index(DType dtype) { return dtype == DType::kInt32 || dtype == DType::kInt64; }

InferResult remainder_of_scalar(const InferContext& c) {
  Promotion promotion;
  promotion.add(c.tensor(1));
  promotion.add_scalar(c.args[0]);
  TensorType type = c.tensor(1);
  PTE_TRY(type.dtype, promotion.result(c));
  if (type.dtype == DType::kBool) return wrong_dtype(c, 1, "a number");
  return one(std::move(type));
}

// ---- complex numbers

InferResult polar(const InferContext& c) {
  const DType dtype = c.tensor(0).dtype;
  if (dtype != DType::kFloat32 && dtype != DType::kFloat64) {
    return wrong_dtype(c, 0, "float32 or float64");
  }
  if (c.tensor(1).dtype != dtype) return wrong_dtype(c, 1, dtype_name(dtype));
  PTE_TRY(SymSizes sizes, broadcast(c, c.tensor(0).sizes, c.tensor(1).sizes));
  return one(contiguous_type(dtype == DType::kFloat32 ? DType::kComplex64 : DType::kComplex128,
                             std::move(sizes)));
}

InferResult view_as_complex(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  DType dtype = DType::kComplex64;
  if (self.dtype == DType::kFloat64) {
    dtype = DType::kComplex128;
  } else if (self.dtype == DType::kFloat16) {
    dtype = DType::kComplex32;
  } else if (self.dtype != DType::kFloat32) {
    return wrong_dtype(c, 0, "float16, float32 or float64");
  }
  if (self.rank() == 0 || !may_be(c, self.sizes.back(), 2)) {
    return bad_arg(c, 0, "its last dimension must have 2 elements");
  }
  return one(contiguous_type(dtype, SymSizes(self.sizes.begin(), self.sizes.end() - 1)));
}

// ---- selecting and quantizing

InferResult put(const InferContext& c) {
  if (c.tensor(1).dtype != DType::kInt64) return wrong_dtype(c, 1, "int64");
  if (c.tensor(2).dtype != c.tensor(0).dtype) {
    return wrong_dtype(c, 2, dtype_name(c.tensor(0).dtype));
  }
  return one(c.tensor(0));
}

InferResult fake_quantize_channels(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_floating(self.dtype)) return wrong_dtype(c, 0, "a floating type");
  PTE_TRY(const int64_t axis, int_arg(c, 3));
  if (axis < 0 || axis >= static_cast<int64_t>(self.rank())) {
    return bad_arg(c, 3, fmt::format("is {}, expected one of {} dimensions", axis, self.rank()));
  }
  for (const size_t arg : {size_t{1}, size_t{2}}) {
    const TensorType& each = c.tensor(arg);
    if (each.rank() != 1 || !unify(c, each.sizes[0], self.sizes[static_cast<size_t>(axis)])) {
      return bad_arg(c, arg, fmt::format("expected one element for each of dimension {}", axis));
    }
  }
  TensorType mask = self;
  mask.dtype = DType::kBool;
  return std::vector<Type>{Type(self), Type(std::move(mask))};
}

// The segments of a dimension are its `lengths`, or lie between its `offsets`.
InferResult segment_reduce(const InferContext& c) {
  const TensorType& data = c.tensor(0);
  if (!is_floating(data.dtype)) return wrong_dtype(c, 0, "a floating type");
  const TensorType* lengths = optional_tensor(c, 2);
  const TensorType* offsets = optional_tensor(c, 4);
  const size_t given = lengths != nullptr ? 2 : 4;
  if (lengths == nullptr && offsets == nullptr) {
    return bad_arg(c, 2, "lengths or offsets must be given");
  }
  const TensorType& segments = lengths != nullptr ? *lengths : *offsets;
  if (!is_index(segments.dtype)) return wrong_dtype(c, given, "int32 or int64");
  PTE_TRY(const int64_t axis, int_arg(c, 5));
  if (axis < 0 || axis >= static_cast<int64_t>(data.rank()) ||
      segments.rank() != static_cast<size_t>(axis) + 1) {
    return bad_arg(c, given, "must have a dimension for each of data's up to the axis");
  }
  SymSizes sizes = data.sizes;
  for (size_t d = 0; d < static_cast<size_t>(axis); ++d) {
    if (!unify(c, sizes[d], segments.sizes[d])) {
      return bad_arg(c, given, fmt::format("dimension {} does not fit data's", d));
    }
  }
  const SymInt& count = segments.sizes.back();
  if (given == 4 && count.is_constant(0)) return bad_arg(c, given, "must not be empty");
  sizes[static_cast<size_t>(axis)] = given == 2 ? count : count - 1;
  return one(contiguous_type(data.dtype, std::move(sizes)));
}

InferResult embedding_renorm(const InferContext& c) {
  if (c.tensor(0).rank() != 2) return bad_arg(c, 0, "expected a matrix");
  if (!is_index(c.tensor(1).dtype)) return wrong_dtype(c, 1, "int32 or int64");
  return one(c.tensor(0));
}

template <size_t kSpatial>
InferResult fractional_max_pool(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_floating(self.dtype)) return wrong_dtype(c, 0, "a floating type");
  if (self.rank() != kSpatial + 1 && self.rank() != kSpatial + 2) {
    return bad_arg(
        c, 0,
        fmt::format("has rank {}, expected {} or {}", self.rank(), kSpatial + 1, kSpatial + 2));
  }
  PTE_TRY(const SymSizes kernel, size_list(c, 1, kSpatial));
  PTE_TRY(const SymSizes output, size_list(c, 2, kSpatial));
  SymSizes sizes = self.sizes;
  for (size_t d = 0; d < kSpatial; ++d) {
    SymInt& size = sizes[sizes.size() - kSpatial + d];
    const auto in = size.constant();
    const auto window = kernel[d].constant();
    const auto out = output[d].constant();
    if (!window || !out) return bad_arg(c, 1, "expected known sizes");
    if (*window < 1 || *out < 1 || (in && *out > *in - *window + 1)) {
      return bad_arg(c, 2,
                     fmt::format("windows of {} do not fit {} times into {}", *window, *out,
                                 size.to_string()));
    }
    size = *out;
  }
  if (c.tensor(3).rank() != 3 || !may_be(c, c.tensor(3).sizes[2], kSpatial)) {
    return bad_arg(c, 3, fmt::format("expected [batches, channels, {}]", kSpatial));
  }
  TensorType type = contiguous_type(self.dtype, std::move(sizes));
  TensorType indices = type;
  indices.dtype = DType::kInt64;
  return std::vector<Type>{Type(std::move(type)), Type(std::move(indices))};
}

// ---- matrices

Status check_matrices(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.dtype != DType::kFloat32 && self.dtype != DType::kFloat64) {
    return wrong_dtype(c, 0, "float32 or float64");
  }
  if (self.rank() < 2) return bad_arg(c, 0, "expected a matrix or several");
  return {};
}

// Columns lie together, as LAPACK leaves them.
TensorType by_columns(DType dtype, SymSizes sizes) {
  TensorType type = contiguous_type(dtype, std::move(sizes));
  std::swap(type.dim_order[type.rank() - 1], type.dim_order[type.rank() - 2]);
  return type;
}

InferResult svd(const InferContext& c) {
  PTE_CHECK(check_matrices(c));
  const TensorType& self = c.tensor(0);
  const size_t n = self.rank();
  const SymSizes batch(self.sizes.begin(), self.sizes.end() - 2);
  const SymInt rows = self.sizes[n - 2];
  const SymInt columns = self.sizes[n - 1];
  const SymInt least = bounded_min(c, rows, columns);
  const bool full = bool_arg(c, 1);
  const auto with = [&](std::initializer_list<SymInt> last) {
    SymSizes sizes = batch;
    sizes.insert(sizes.end(), last);
    return sizes;
  };
  const Type values(contiguous_type(self.dtype, with({least})));
  if (!bool_arg(c, 2)) {
    const Type none(contiguous_type(self.dtype, {0}));
    return std::vector<Type>{none, values, none};
  }
  return std::vector<Type>{Type(by_columns(self.dtype, with({rows, full ? rows : least}))), values,
                           Type(by_columns(self.dtype, with({full ? columns : least, columns})))};
}

InferResult pinv(const InferContext& c) {
  PTE_CHECK(check_matrices(c));
  SymSizes sizes = c.tensor(0).sizes;
  std::swap(sizes[sizes.size() - 1], sizes[sizes.size() - 2]);
  return one(contiguous_type(c.tensor(0).dtype, std::move(sizes)));
}

// ---- windows

InferResult window(const InferContext& c) {
  PTE_TRY(const int64_t length, int_arg(c, 0));
  if (length < 0) return bad_arg(c, 0, "must be 0 or more");
  const DType dtype =
      dtype_arg(c, static_cast<size_t>(c.op.arg_index("dtype"))).value_or(DType::kFloat32);
  if (!is_floating(dtype)) return bad_arg(c, 0, "a window of integers");
  return one(contiguous_type(dtype, {length}));
}

// ---- distributions

template <size_t kArg>
InferResult drawn_like(const InferContext& c) {
  if (!is_floating(c.tensor(kArg).dtype)) return wrong_dtype(c, kArg, "a floating type");
  return one(c.tensor(kArg));
}

InferResult normal_of_both(const InferContext& c) {
  if (!is_floating(c.tensor(0).dtype)) return wrong_dtype(c, 0, "a floating type");
  PTE_TRY(SymSizes sizes, broadcast(c, c.tensor(0).sizes, c.tensor(1).sizes));
  return one(contiguous_type(c.tensor(0).dtype, std::move(sizes)));
}

InferResult multinomial(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_floating(self.dtype)) return wrong_dtype(c, 0, "a floating type");
  if (self.rank() != 1 && self.rank() != 2) return bad_arg(c, 0, "expected rank 1 or 2");
  const auto count = c.args[1].sym_int();
  if (!count || (count->constant() && *count->constant() <= 0)) {
    return bad_arg(c, 1, "must be 1 or more");
  }
  SymSizes sizes = self.sizes;
  sizes.back() = *count;
  return one(contiguous_type(DType::kInt64, std::move(sizes)));
}

constexpr InferEntry kEntries[] = {
    {Op::aten_remainder_Scalar_Tensor, remainder_of_scalar},
    {Op::aten_polar, polar},
    {Op::aten_view_as_complex_copy, view_as_complex},
    {Op::aten_put, put},
    {Op::aten_fake_quantize_per_channel_affine_cachemask, fake_quantize_channels},
    {Op::aten_segment_reduce, segment_reduce},
    {Op::aten_embedding_renorm, embedding_renorm},
    {Op::aten_fractional_max_pool2d, fractional_max_pool<2>},
    {Op::aten_fractional_max_pool3d, fractional_max_pool<3>},
    {Op::aten__linalg_svd, svd},
    {Op::aten_linalg_pinv_atol_rtol_tensor, pinv},
    {Op::aten_hamming_window, window},
    {Op::aten_hamming_window_periodic, window},
    {Op::aten_hamming_window_periodic_alpha, window},
    {Op::aten_hamming_window_periodic_alpha_beta, window},
    {Op::aten_hann_window, window},
    {Op::aten_hann_window_periodic, window},
    {Op::aten_blackman_window, window},
    {Op::aten_blackman_window_periodic, window},
    {Op::aten_bartlett_window, window},
    {Op::aten_bartlett_window_periodic, window},
    {Op::aten_kaiser_window, window},
    {Op::aten_kaiser_window_periodic, window},
    {Op::aten_kaiser_window_beta, window},
    {Op::aten_bernoulli, drawn_like<0>},
    {Op::aten_exponential, drawn_like<0>},
    {Op::aten_uniform, drawn_like<0>},
    {Op::aten_normal_Tensor_float, drawn_like<0>},
    {Op::aten_normal_float_Tensor, drawn_like<1>},
    {Op::aten_normal_Tensor_Tensor, normal_of_both},
    {Op::aten_multinomial, multinomial},
};

}  // namespace

std::span<const InferEntry> uncommon_inference() { return kEntries; }

}  // namespace pte::ir
