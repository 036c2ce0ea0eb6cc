// Elementwise operators beyond the basic ones, random numbers, Fourier transforms and complex
// tensors.
#include "ir/infer/common.h"
#include "ir/infer/elementwise.h"

namespace pte::ir {
namespace {

DType complex_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return DType::kComplex32;
    case DType::kFloat64:
    case DType::kComplex128:
      return DType::kComplex128;
    case DType::kComplex32:
      return DType::kComplex32;
    default:
      return DType::kComplex64;
  }
}

Error wrong_dtype(const InferContext& c, size_t arg, DType dtype, std::string_view expected) {
  return bad_arg(c, arg, fmt::format("is {}, expected {}", dtype_name(dtype), expected));
}

// ---- one operand

InferResult same(const InferContext& c) { return one(c.tensor(0)); }
InferResult floating(const InferContext& c) { return like(c, 0, to_floating(c.tensor(0).dtype)); }
InferResult boolean(const InferContext& c) { return like(c, 0, DType::kBool); }

InferResult same_not_bool(const InferContext& c) {
  if (c.tensor(0).dtype == DType::kBool) return wrong_dtype(c, 0, DType::kBool, "a number");
  return same(c);
}

InferResult angle(const InferContext& c) {
  return like(c, 0, real_part(to_floating(c.tensor(0).dtype)));
}

InferResult same_floating(const InferContext& c) {
  const DType dtype = c.tensor(0).dtype;
  if (!is_floating(dtype)) return wrong_dtype(c, 0, dtype, "a floating type");
  return same(c);
}

InferResult bitwise_not(const InferContext& c) {
  const DType dtype = c.tensor(0).dtype;
  if (is_floating(dtype) || is_complex(dtype)) return wrong_dtype(c, 0, dtype, "integers or bool");
  return same(c);
}

InferResult polygamma(const InferContext& c) {
  PTE_TRY(const int64_t n, int_arg(c, 0));
  if (n < 0) return bad_arg(c, 0, "must be 0 or more");
  return like(c, 1, to_floating(c.tensor(1).dtype));
}

InferResult view_as_real(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_complex(self.dtype)) return wrong_dtype(c, 0, self.dtype, "a complex type");
  TensorType type = self;
  type.dtype = real_part(self.dtype);
  type.sizes.push_back(2);
  type.dim_order.push_back(static_cast<uint8_t>(self.rank()));
  return one(std::move(type));
}

// ---- two operands

// The promoted type, or what `adjust` makes of it; an error where it gives nothing.
InferResult binary(const InferContext& c, std::optional<DType> (*adjust)(DType),
                   std::string_view expected) {
  PTE_TRY(TensorType type, binary_type(c, 0, 1));
  const auto dtype = adjust(type.dtype);
  if (!dtype) return wrong_dtype(c, 0, type.dtype, expected);
  type.dtype = *dtype;
  return one(std::move(type));
}

InferResult with_scalar(const InferContext& c, std::optional<DType> (*adjust)(DType),
                        std::string_view expected) {
  Promotion promotion;
  promotion.add(c.tensor(0));
  promotion.add_scalar(c.args[1]);
  PTE_TRY(const DType common, promotion.result(c));
  const auto dtype = adjust(common);
  if (!dtype) return wrong_dtype(c, 0, common, expected);
  return like(c, 0, *dtype);
}

std::optional<DType> as_is(DType t) { return t; }
std::optional<DType> lifted(DType t) { return to_floating(t); }
std::optional<DType> truth(DType) { return DType::kBool; }
std::optional<DType> only_floating(DType t) {
  return is_floating(t) ? std::optional(t) : std::nullopt;
}
std::optional<DType> only_integer(DType t) {
  return is_integer(t) ? std::optional(t) : std::nullopt;
}
std::optional<DType> integer_or_bool(DType t) {
  return t == DType::kBool ? std::optional(t) : only_integer(t);
}
std::optional<DType> not_bool(DType t) {
  return t == DType::kBool ? std::nullopt : std::optional(t);
}

template <std::optional<DType> (*kAdjust)(DType)>
std::string_view expectation() {
  if (kAdjust == only_floating) return "floating operands";
  if (kAdjust == only_integer) return "integers";
  if (kAdjust == integer_or_bool) return "integers or bool";
  return "a number";
}

template <std::optional<DType> (*kAdjust)(DType)>
InferResult tensors(const InferContext& c) {
  return binary(c, kAdjust, expectation<kAdjust>());
}
template <std::optional<DType> (*kAdjust)(DType)>
InferResult scalar(const InferContext& c) {
  return with_scalar(c, kAdjust, expectation<kAdjust>());
}

// div with a rounding mode: without one it is the true division.
template <bool kTensor>
InferResult div_mode(const InferContext& c) {
  const bool exact = c.args[2].is_none();
  if (kTensor) return exact ? tensors<lifted>(c) : tensors<not_bool>(c);
  return exact ? scalar<lifted>(c) : scalar<not_bool>(c);
}

// self * 2^other, where the power of integers has self's type, or float32 beside integers.
InferResult ldexp(const InferContext& c) {
  TensorType power = c.tensor(1);
  if (!is_floating(power.dtype)) power.dtype = to_floating(c.tensor(0).dtype);
  PTE_TRY(TensorType type, binary_type(c, 0, 1));
  Promotion promotion;
  promotion.add(c.tensor(0));
  promotion.add(power);
  PTE_TRY(type.dtype, promotion.result(c));
  return one(std::move(type));
}

InferResult pow_of_scalar(const InferContext& c) {
  Promotion promotion;
  promotion.add(c.tensor(1));
  promotion.add_scalar(c.args[0]);
  PTE_TRY(const DType dtype, promotion.result(c));
  return like(c, 1, dtype);
}

InferResult clamp_tensors(const InferContext& c) {
  const TensorType* low = optional_tensor(c, 1);
  const TensorType* high = optional_tensor(c, 2);
  if (low == nullptr && high == nullptr) return bad_arg(c, 1, "min or max must be given");
  const TensorType& self = c.tensor(0);
  Promotion promotion;
  promotion.add(self);
  SymSizes sizes = self.sizes;
  for (const TensorType* bound : {low, high}) {
    if (bound == nullptr) continue;
    promotion.add(*bound);
    PTE_TRY(sizes, broadcast(c, sizes, bound->sizes));
  }
  PTE_TRY(const DType dtype, promotion.result(c));
  DimOrder order = low == nullptr    ? elementwise_order({&self, high}, sizes)
                   : high == nullptr ? elementwise_order({&self, low}, sizes)
                                     : elementwise_order({&self, low, high}, sizes);
  return one({dtype, std::move(sizes), std::move(order)});
}

// ---- filling and masks

Status check_mask(const InferContext& c) {
  const DType dtype = c.tensor(1).dtype;
  if (dtype != DType::kBool) return wrong_dtype(c, 1, dtype, "bool");
  return {};
}

InferResult fill_tensor(const InferContext& c) {
  if (c.tensor(1).rank() != 0) return bad_arg(c, 1, "expected a tensor of rank 0");
  return same(c);
}

// The layout asked for, else self's.
InferResult new_like(const InferContext& c) {
  TensorType type = c.tensor(0);
  type.dtype = dtype_arg(c, static_cast<size_t>(c.op.arg_index("dtype"))).value_or(type.dtype);
  PTE_TRY(type.dim_order,
          order_for(c, static_cast<size_t>(c.op.arg_index("memory_format")), c.tensor(0)));
  return one(std::move(type));
}

InferResult masked(const InferContext& c) {
  PTE_CHECK(check_mask(c));
  const TensorType& self = c.tensor(0);
  PTE_TRY(SymSizes sizes, broadcast(c, self.sizes, c.tensor(1).sizes));
  DimOrder order = elementwise_order({&self, &c.tensor(1)}, sizes);
  return one({self.dtype, std::move(sizes), std::move(order)});
}

InferResult masked_scatter(const InferContext& c) {
  if (c.tensor(2).dtype != c.tensor(0).dtype) {
    return wrong_dtype(c, 2, c.tensor(2).dtype, dtype_name(c.tensor(0).dtype));
  }
  return masked(c);
}

InferResult masked_select(const InferContext& c) {
  PTE_CHECK(check_mask(c));
  PTE_TRY(const SymSizes sizes, broadcast(c, c.tensor(0).sizes, c.tensor(1).sizes));
  // At most every element.
  std::optional<int64_t> most;
  if (to_static(sizes)) {
    PTE_TRY(const SymInt count, element_product(c, sizes));
    most = count.constant();
  }
  return one(contiguous_type(c.tensor(0).dtype, {unknown_size(most)}));
}

InferResult glu(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_floating(self.dtype)) return wrong_dtype(c, 0, self.dtype, "a floating type");
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  SymSizes sizes = self.sizes;
  const SymInt odd = SymInt::mod(sizes[dim], 2);
  if (odd.is_constant(1)) {
    return bad_arg(c, 0,
                   fmt::format("dimension {} has {} elements, expected an even number", dim,
                               sizes[dim].to_string()));
  }
  sizes[dim] = SymInt::floordiv(sizes[dim], 2);
  DimOrder order = suggested_order(self, sizes.size());
  return one({self.dtype, std::move(sizes), std::move(order)});
}

InferResult fake_quantize(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_floating(self.dtype)) return wrong_dtype(c, 0, self.dtype, "a floating type");
  TensorType mask = self;
  mask.dtype = DType::kBool;
  return std::vector<Type>{Type(self), Type(std::move(mask))};
}

InferResult native_dropout(const InferContext& c) {
  TensorType mask = c.tensor(0);
  mask.dtype = DType::kBool;
  return std::vector<Type>{Type(c.tensor(0)), Type(std::move(mask))};
}

// ---- Fourier transforms

Result<std::vector<size_t>> transformed_dims(const InferContext& c) {
  PTE_TRY(const std::vector<int64_t> dims, int_list(c, 1));
  std::vector<size_t> result;
  const size_t rank = c.tensor(0).rank();
  for (const int64_t dim : dims) {
    if (rank == 0) return bad_arg(c, 0, "expected rank 1 or more");
    PTE_TRY(const size_t d, dim_value(c, 1, dim, rank));
    result.push_back(d);
  }
  return result;
}

InferResult fft_c2c(const InferContext& c) {
  if (!is_complex(c.tensor(0).dtype)) return wrong_dtype(c, 0, c.tensor(0).dtype, "a complex type");
  PTE_CHECK(transformed_dims(c));
  return one(contiguous_type(c.tensor(0).dtype, c.tensor(0).sizes));
}

InferResult fft_r2c(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_floating(self.dtype)) return wrong_dtype(c, 0, self.dtype, "a floating type");
  PTE_TRY(const std::vector<size_t> dims, transformed_dims(c));
  if (dims.empty()) return bad_arg(c, 1, "names no dimension");
  SymSizes sizes = self.sizes;
  if (bool_arg(c, 3)) sizes[dims.back()] = SymInt::floordiv(sizes[dims.back()], 2) + 1;
  return one(contiguous_type(complex_of(self.dtype), std::move(sizes)));
}

InferResult fft_c2r(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (!is_complex(self.dtype)) return wrong_dtype(c, 0, self.dtype, "a complex type");
  PTE_TRY(const std::vector<size_t> dims, transformed_dims(c));
  if (dims.empty()) return bad_arg(c, 1, "names no dimension");
  const auto length = c.args[3].sym_int();
  if (!length) return bad_arg(c, 3, "expected an integer");
  SymSizes sizes = self.sizes;
  sizes[dims.back()] = *length;
  return one(contiguous_type(real_part(self.dtype), std::move(sizes)));
}

constexpr InferEntry kEntries[] = {
    {Op::aten__conj_physical, same},
    {Op::aten_acos, floating},
    {Op::aten_acosh, floating},
    {Op::aten_alias_copy, same},
    {Op::aten_asin, floating},
    {Op::aten_asinh, floating},
    {Op::aten_atan, floating},
    {Op::aten_atanh, floating},
    {Op::aten_bitwise_not, bitwise_not},
    {Op::aten_cosh, floating},
    {Op::aten_detach_copy, same},
    {Op::et_copy_d2h_copy, same},
    {Op::et_copy_h2d_copy, same},
    {Op::aten_expm1, floating},
    {Op::aten_isinf, boolean},
    {Op::aten_isnan, boolean},
    {Op::aten_log10, floating},
    {Op::aten_log1p, floating},
    {Op::aten_log2, floating},
    {Op::aten_sign, same},
    {Op::aten_sinh, floating},
    {Op::aten_tan, floating},
    {Op::aten_trunc, same_not_bool},
    {Op::aten_view_as_real_copy, view_as_real},
    {Op::aten_atan2, tensors<lifted>},
    {Op::aten_bitwise_and_Tensor, tensors<integer_or_bool>},
    {Op::aten_bitwise_or_Tensor, tensors<integer_or_bool>},
    {Op::aten_bitwise_xor_Tensor, tensors<integer_or_bool>},
    {Op::aten_bitwise_left_shift_Tensor, tensors<only_integer>},
    {Op::aten_bitwise_right_shift_Tensor, tensors<only_integer>},
    {Op::aten___lshift___Tensor, tensors<only_integer>},
    {Op::aten___rshift___Tensor, tensors<only_integer>},
    {Op::aten___lshift___Scalar, scalar<only_integer>},
    {Op::aten___rshift___Scalar, scalar<only_integer>},
    {Op::aten_copysign_Scalar, scalar<lifted>},
    {Op::aten_bitwise_and_Scalar, scalar<integer_or_bool>},
    {Op::aten_bitwise_or_Scalar, scalar<integer_or_bool>},
    {Op::aten_bitwise_xor_Scalar, scalar<integer_or_bool>},
    {Op::aten_bitwise_left_shift_Tensor_Scalar, scalar<only_integer>},
    {Op::aten_bitwise_right_shift_Tensor_Scalar, scalar<only_integer>},
    {Op::aten_fill_Tensor, fill_tensor},
    {Op::aten_fill_Scalar, same},
    {Op::aten_floor_divide, tensors<not_bool>},
    {Op::aten_fmod_Tensor, tensors<not_bool>},
    {Op::aten_fmod_Scalar, scalar<not_bool>},
    {Op::aten_remainder_Tensor, tensors<not_bool>},
    {Op::aten_remainder_Scalar, scalar<not_bool>},
    {Op::aten_div_Tensor_mode, div_mode<true>},
    {Op::aten_div_Scalar_mode, div_mode<false>},
    {Op::aten_logical_or, tensors<truth>},
    {Op::aten_logical_xor, tensors<truth>},
    {Op::aten_masked_select, masked_select},
    {Op::aten_masked_fill_Scalar, masked},
    {Op::aten_masked_scatter, masked_scatter},
    {Op::aten_pow_Tensor_Tensor, tensors<not_bool>},
    {Op::aten_pow_Scalar, pow_of_scalar},
    {Op::aten_glu, glu},
    {Op::aten_clamp_Tensor, clamp_tensors},
    {Op::aten_full_like, new_like},
    {Op::aten_rand_like, new_like},
    {Op::aten_randn_like, new_like},
    {Op::aten_logit, floating},
    {Op::aten_native_dropout, native_dropout},
    {Op::aten__fft_c2r, fft_c2r},
    {Op::aten__fft_r2c, fft_r2c},
    {Op::aten__fft_c2c, fft_c2c},
    {Op::aten_copysign_Tensor, tensors<lifted>},
    {Op::aten_digamma, floating},
    {Op::aten_erfc, floating},
    {Op::aten_erfinv, floating},
    {Op::aten_exp2, floating},
    {Op::aten_fmax, tensors<as_is>},
    {Op::aten_fmin, tensors<as_is>},
    {Op::aten_gcd, tensors<only_integer>},
    {Op::aten_lcm, tensors<only_integer>},
    {Op::aten_hypot, tensors<only_floating>},
    {Op::aten_i0, floating},
    {Op::aten_igamma, tensors<only_floating>},
    {Op::aten_igammac, tensors<only_floating>},
    {Op::aten_ldexp_Tensor, ldexp},
    {Op::aten_lgamma, floating},
    {Op::aten_nextafter, tensors<only_floating>},
    {Op::aten_polygamma, polygamma},
    {Op::aten_signbit, boolean},
    {Op::aten_special_erfcx, floating},
    {Op::aten_special_i1, floating},
    {Op::aten_special_i0e, floating},
    {Op::aten_special_i1e, floating},
    {Op::aten_special_ndtri, floating},
    {Op::aten_special_log_ndtr, floating},
    {Op::aten_special_zeta, tensors<lifted>},
    {Op::aten_angle, angle},
    {Op::aten_round_decimals, same_floating},
    {Op::aten_fake_quantize_per_tensor_affine_cachemask, fake_quantize},
};

}  // namespace

std::span<const InferEntry> special_inference() { return kEntries; }

}  // namespace pte::ir
